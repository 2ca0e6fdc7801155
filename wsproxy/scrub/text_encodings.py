"""Bytes that are written as text: base64 in all its forms, hexadecimal, lists of numbers.

Each becomes other bytes in the same form and of the same length, so that what it is written in
stays as it is.
"""

from __future__ import annotations

import base64
import random
import re
from array import array
from collections.abc import Callable, Sequence

from .json_rewrite import MANY, many_numbers

Sound = Callable[[bytes], bytes]  # audio, to noise of the same length

_CHAR = r"[A-Za-z0-9+/_-]"
# Of 48 bytes and more; MIME and PEM break lines (RFC 2045, section 6.8).
RUN = re.compile(
    rf"(?<!{_CHAR})(?P<head>data:[\w.+/-]{{1,80}}(?:;[\w=.+-]{{1,80}}){{0,4}}?;base64,)?"
    rf"(?P<code>{_CHAR}(?:{_CHAR}|\r?\n[ \t]{{0,8}}(?={_CHAR})){{62,}}+={{0,2}})"
)
_BREAK = re.compile(r"(\s+)")
_HEX = re.compile(r"(?:[0-9a-f]{2}){64,}|(?:[0-9A-F]{2}){64,}")
_SPACED = re.compile(
    r"[0-9a-f]{2}(?:[ ,:;-]{1,2}[0-9a-f]{2}){63,}+|[0-9A-F]{2}(?:[ ,:;-]{1,2}[0-9A-F]{2}){63,}+"
)
_BETWEEN = re.compile(r"([ ,:;-]+)")
_DIGITS = 8  # different ones that hexadecimal has at least; silence in base64 is one letter
_NUMBERS = re.compile(r"[\s\d,;.eE+-]+")
_WEB = str.maketrans("+/", "-_")
_STANDARD = str.maketrans("-_", "+/")
_FULL = 32767
_QUIET = 1 / 256  # of floats that are samples of another scale, or no samples at all


def recoded(code: str, change: Sound) -> str:
    """A run of base64 or hexadecimal with the bytes in it changed, in its own form."""
    pieces = _BREAK.split(code.rstrip("="))
    bare = "".join(pieces[::2])
    is_hex = _HEX.fullmatch(bare) and len(set(bare)) >= _DIGITS
    new = iter(_hexadecimal(bare, change) if is_hex else _base64(bare, change))
    made = [piece if n % 2 else "".join(next(new) for _ in piece) for n, piece in enumerate(pieces)]
    return "".join(made) + code[len(code.rstrip("=")) :]


def decoded(code: str) -> bytes:
    """The bytes of base64, in whichever alphabet, with padding or without."""
    bare = "".join(_BREAK.split(code.rstrip("="))[::2]).translate(_STANDARD)
    whole = len(bare) - (len(bare) % 4 == 1)
    return base64.b64decode(bare[:whole] + "=" * (-whole % 4))


def _hexadecimal(bare: str, change: Sound) -> str:
    made = change(bytes.fromhex(bare)).hex()
    return made.upper() if bare.isupper() else made


def _base64(bare: str, change: Sound) -> str:
    made = base64.b64encode(change(decoded(bare))).decode().rstrip("=")
    if "-" in bare or "_" in bare:
        made = made.translate(_WEB)
    return made + "A" * (len(bare) - len(made))  # a character that is left over says nothing


def is_spaced(text: str) -> bool:
    """Whether a text is nothing but bytes in hexadecimal digits with something between them."""
    return _SPACED.fullmatch(text) is not None


def respaced(text: str, change: Sound) -> str:
    """Bytes in hexadecimal digits with something between them, changed."""
    pieces = _BETWEEN.split(text)
    bare = "".join(pieces[::2])
    made = _hexadecimal(bare, change)
    pieces[::2] = [made[at : at + 2] for at in range(0, len(made), 2)]
    return "".join(pieces)


# -- lists of numbers


def is_numbers(text: str) -> bool:
    """Whether a text is nothing but numbers, and many."""
    return _NUMBERS.fullmatch(text) is not None and len(many_numbers(text)) >= MANY


def renumbered(block: str, change: Sound, chance: random.Random) -> str:
    """A list of numbers that are samples, or bytes, with others in it; as long as it was."""
    found = many_numbers(block)
    made = _like([each[0] for each in found], change)
    _shorten(made, sum(len(each[0]) for each in found), chance)
    out, at = [], 0
    for each, new in zip(found, made, strict=True):
        out += [block[at : each.start()], new]
        at = each.end()
    text = "".join(out)
    # The blanks that make up for shorter numbers stand behind the last one.
    return text + " " * (len(block) - len(text) - len(block[at:])) + block[at:]


def _like(figures: Sequence[str], change: Sound) -> list[str]:
    values = [min(1e300, max(-1e300, float(each))) for each in figures]
    whole = all(each.lstrip("-").isdecimal() for each in figures)
    if whole and all(0 <= value <= 255 for value in values):
        return list(map(str, change(bytes(map(int, values)))))
    most = max(map(abs, values), default=0.0)
    if not whole and most > _QUIET:
        most = max(1.0, most)  # floats are from -1 to 1
    scale = 1.0 if whole and most <= _FULL + 1 else max(most, 1e-300) / _FULL
    data = array("h", (max(-_FULL, min(_FULL, round(value / scale))) for value in values))
    noise = array("h", change(data.tobytes()))
    return [_written(value * scale, each) for value, each in zip(noise, figures, strict=True)]


def _written(value: float, like: str) -> str:
    if "e" in like or "E" in like:
        return f"{value:.2e}"
    decimals = len(like.partition(".")[2])
    return f"{value:.{min(decimals, 20)}f}" if decimals else str(round(value))


def _shorten(made: list[str], room: int, chance: random.Random) -> None:
    """Make numbers smaller, here and there, until all of them have room."""
    over = sum(map(len, made)) - room
    order = list(range(len(made)))
    while over > 0:
        chance.shuffle(order)
        before = over
        for index in order:
            shorter = _shorter(made[index])
            over -= len(made[index]) - len(shorter)
            made[index] = shorter
            if over <= 0:
                return
        if over == before:
            return


def _shorter(figure: str) -> str:
    digits = figure.lstrip("-")
    if "e" in digits:
        return "0"
    if "." in digits:
        return figure[:-2] if digits[-2] == "." else figure[:-1]
    return figure[:-1] if len(digits) > 1 else digits
