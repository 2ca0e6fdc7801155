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
    digits = "".join(pieces[::2])
    is_hex = _HEX.fullmatch(digits) and len(set(digits)) >= _DIGITS
    new = iter(_hexadecimal(digits, change) if is_hex else _base64(digits, change))
    new_text = [
        piece if n % 2 else "".join(next(new) for _ in piece) for n, piece in enumerate(pieces)
    ]
    return "".join(new_text) + code[len(code.rstrip("=")) :]


def decode_base64(code: str) -> bytes:
    """The bytes of base64, in either alphabet, with or without padding."""
    digits = "".join(_BREAK.split(code.rstrip("="))[::2]).translate(_STANDARD)
    size = len(digits) - (len(digits) % 4 == 1)
    return base64.b64decode(digits[:size] + "=" * (-size % 4))


def _hexadecimal(digits: str, change: AudioReplacer) -> str:
    new_text = change(bytes.fromhex(digits)).hex()
    return new_text.upper() if digits.isupper() else new_text


def _base64(digits: str, change: AudioReplacer) -> str:
    new_text = base64.b64encode(change(decode_base64(digits))).decode().rstrip("=")
    if "-" in digits or "_" in digits:
        new_text = new_text.translate(_WEB)
    return new_text + "A" * (
        len(digits) - len(new_text)
    )  # an incomplete last character holds no data


def is_spaced_hex(text: str) -> bool:
    """Whether a text consists of bytes in hexadecimal digits with separators."""
    return _SPACED.fullmatch(text) is not None


def replace_spaced_hex(text: str, change: AudioReplacer) -> str:
    """Replace bytes in hexadecimal digits with separators."""
    pieces = _BETWEEN.split(text)
    digits = "".join(pieces[::2])
    new_text = _hexadecimal(digits, change)
    pieces[::2] = [new_text[at : at + 2] for at in range(0, len(new_text), 2)]
    return "".join(pieces)


# -- lists of numbers


def is_number_list(text: str) -> bool:
    """Whether a text consists of MANY numbers or more."""
    return _NUMBERS.fullmatch(text) is not None and len(many_numbers(text)) >= MANY


def replace_numbers(block: str, change: AudioReplacer, chance: random.Random) -> str:
    """Replace a list of numbers that are samples or bytes; its length is unchanged."""
    found = many_numbers(block)
    new_text = _numbers_like([each[0] for each in found], change)
    _shorten(new_text, sum(len(each[0]) for each in found), chance)
    out, at = [], 0
    for each, new in zip(found, new_text, strict=True):
        out += [block[at : each.start()], new]
        at = each.end()
    text = "".join(out)
    # Spaces after the last number make up for shorter numbers.
    return text + " " * (len(block) - len(text) - len(block[at:])) + block[at:]


def _numbers_like(figures: Sequence[str], change: AudioReplacer) -> list[str]:
    values = [min(1e300, max(-1e300, float(each))) for each in figures]
    are_integers = all(each.lstrip("-").isdecimal() for each in figures)
    if are_integers and all(0 <= value <= 255 for value in values):
        return list(map(str, change(bytes(map(int, values)))))
    maximum = max(map(abs, values), default=0.0)
    if not are_integers and maximum > _QUIET:
        maximum = max(1.0, maximum)  # floats are from -1 to 1
    scale = 1.0 if are_integers and maximum <= _FULL + 1 else max(maximum, 1e-300) / _FULL
    data = array("h", (max(-_FULL, min(_FULL, round(value / scale))) for value in values))
    noise = array("h", change(data.tobytes()))
    return [_format_like(value * scale, each) for value, each in zip(noise, figures, strict=True)]


def _format_like(value: float, like: str) -> str:
    if "e" in like or "E" in like:
        return f"{value:.2e}"
    decimals = len(like.partition(".")[2])
    return f"{value:.{min(decimals, 20)}f}" if decimals else str(round(value))


def _shorten(new_text: list[str], slots: int, chance: random.Random) -> None:
    """Shorten random numbers until all of them fit."""
    over = sum(map(len, new_text)) - slots
    order = list(range(len(new_text)))
    while over > 0:
        chance.shuffle(order)
        before = over
        for index in order:
            shorter = _shorten_number(new_text[index])
            over -= len(new_text[index]) - len(shorter)
            new_text[index] = shorter
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
