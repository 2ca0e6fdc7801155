"""Replaces bytes that are written as text: base64, hexadecimal digits, lists of numbers.

The new bytes are written in the same form and with the same length.
"""

from __future__ import annotations

import base64
import random
import re
from array import array
from collections.abc import Callable, Sequence

from .json_rewrite import MANY, many_numbers

AudioReplacer = Callable[[bytes], bytes]  # converts audio to noise of the same length

_CHAR = r"[A-Za-z0-9+/_-]"
# Base64 of 48 bytes and more; MIME and PEM break lines (RFC 2045, section 6.8).
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
_DIGITS = 8  # different digits in hexadecimal; silence in base64 repeats one letter
_NUMBERS = re.compile(r"[\s\d,;.eE+-]+")
_WEB = str.maketrans("+/", "-_")
_STANDARD = str.maketrans("-_", "+/")
_FULL = 32767
_QUIET = 1 / 256  # below: floats with another scale, or not samples


def replace_encoded(code: str, change: AudioReplacer) -> str:
    """Replace the bytes of a run of base64 or hexadecimal digits, in the same form."""
    pieces = _BREAK.split(code.rstrip("="))
    bare = "".join(pieces[::2])
    is_hex = _HEX.fullmatch(bare) and len(set(bare)) >= _DIGITS
    new = iter(_hexadecimal(bare, change) if is_hex else _base64(bare, change))
    made = [piece if n % 2 else "".join(next(new) for _ in piece) for n, piece in enumerate(pieces)]
    return "".join(made) + code[len(code.rstrip("=")) :]


def decode_base64(code: str) -> bytes:
    """The bytes of base64, in either alphabet, with or without padding."""
    bare = "".join(_BREAK.split(code.rstrip("="))[::2]).translate(_STANDARD)
    whole = len(bare) - (len(bare) % 4 == 1)
    return base64.b64decode(bare[:whole] + "=" * (-whole % 4))


def _hexadecimal(bare: str, change: AudioReplacer) -> str:
    made = change(bytes.fromhex(bare)).hex()
    return made.upper() if bare.isupper() else made


def _base64(bare: str, change: AudioReplacer) -> str:
    made = base64.b64encode(change(decode_base64(bare))).decode().rstrip("=")
    if "-" in bare or "_" in bare:
        made = made.translate(_WEB)
    return made + "A" * (len(bare) - len(made))  # an incomplete last character holds no data


def is_spaced_hex(text: str) -> bool:
    """Whether a text consists of bytes in hexadecimal digits with separators."""
    return _SPACED.fullmatch(text) is not None


def replace_spaced_hex(text: str, change: AudioReplacer) -> str:
    """Replace bytes in hexadecimal digits with separators."""
    pieces = _BETWEEN.split(text)
    bare = "".join(pieces[::2])
    made = _hexadecimal(bare, change)
    pieces[::2] = [made[at : at + 2] for at in range(0, len(made), 2)]
    return "".join(pieces)


# -- lists of numbers


def is_number_list(text: str) -> bool:
    """Whether a text consists of MANY numbers or more."""
    return _NUMBERS.fullmatch(text) is not None and len(many_numbers(text)) >= MANY


def replace_numbers(block: str, change: AudioReplacer, chance: random.Random) -> str:
    """Replace a list of numbers that are samples or bytes; its length is unchanged."""
    found = many_numbers(block)
    made = _numbers_like([each[0] for each in found], change)
    _shorten(made, sum(len(each[0]) for each in found), chance)
    out, at = [], 0
    for each, new in zip(found, made, strict=True):
        out += [block[at : each.start()], new]
        at = each.end()
    text = "".join(out)
    # Spaces after the last number make up for shorter numbers.
    return text + " " * (len(block) - len(text) - len(block[at:])) + block[at:]


def _numbers_like(figures: Sequence[str], change: AudioReplacer) -> list[str]:
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
    return [_format_like(value * scale, each) for value, each in zip(noise, figures, strict=True)]


def _format_like(value: float, like: str) -> str:
    if "e" in like or "E" in like:
        return f"{value:.2e}"
    decimals = len(like.partition(".")[2])
    return f"{value:.{min(decimals, 20)}f}" if decimals else str(round(value))


def _shorten(made: list[str], slots: int, chance: random.Random) -> None:
    """Shorten random numbers until all of them fit."""
    over = sum(map(len, made)) - slots
    order = list(range(len(made)))
    while over > 0:
        chance.shuffle(order)
        before = over
        for index in order:
            shorter = _shorten_number(made[index])
            over -= len(made[index]) - len(shorter)
            made[index] = shorter
            if over <= 0:
                return
        if over == before:
            return


def _shorten_number(figure: str) -> str:
    digits = figure.lstrip("-")
    if "e" in digits:
        return "0"
    if "." in digits:
        return figure[:-2] if digits[-2] == "." else figure[:-1]
    return figure[:-1] if len(digits) > 1 else digits
