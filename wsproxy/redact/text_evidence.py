"""Where a binary message is text, by evidence that audio does not give by chance.

Audio of every codec is left alone: names and shapes count only in what is text beyond doubt.
The evidence is a likelihood ratio (Wald's test): in random bytes 37 of 100 are printable, in
packed names and values 85. A sum of S is reached by random bytes with a chance of at most
exp(-S).

- A whole message is text with a sum of 16 (1e-7) and few unusual characters, or as UTF-8
  without control characters. Everything counts in it that counts in a text message.
- At both ends, and around 16 printable characters in a row, only names of 6 characters and more
  count, with values of 8 and more (each place of random bytes has a chance of 1e-14 to begin
  such a pair), shorter names where both have their lengths before them (1e-12), and keys by a
  shape of 20 characters and more.

So the chance that anything is taken out of random bytes is below 1e-9 in a KiB.
"""

from __future__ import annotations

from . import heuristics

_PRINTABLE = bytes(120 if 32 <= c < 127 else 46 for c in range(256))
_SEEN, _NOT_SEEN = 0.83, -1.43  # log(0.85 / 0.37), log(0.15 / 0.63)
_SURE = 16.0
_RUN = b"x" * 16
_FEW = 8  # parts that are judged one by one
_AROUND = 64  # bytes around a run that belong to it: a name, and lengths
_END = 512  # bytes at both ends
_COMMON = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ":,{}[]_-./'
_MAX_UNCOMMON = 0.15  # of the printable ones
_JUMPS = bytes(
    48 if 48 <= c < 58 else 65 if 65 <= c < 91 else 97 if 97 <= c < 123 else 46 for c in range(256)
)
# Each name of a credential has one of these, and each key by its shape without digits.
_STEMS = (
    b"pass",
    b"pwd",
    b"jwt",
    b"key",
    b"token",
    b"auth",
    b"secret",
    b"creden",
    b"signat",
    b"cookie",
    b"-begin",
)
_MIN_UTF8 = 16  # bytes
_NO_CONTROLS = bytes(range(32, 127)) + b"\t\r\n" + bytes(range(128, 256))
_BOM = b"\xef\xbb\xbf"
_MAX_HEAD = 16  # bytes before text, in protocols with a header
_HEAD = 1024  # bytes that are no text if the message is none
_MIN_NAME = 6
_MIN_VALUE = 8
_MIN_SHAPE = 20
_MAX_BETWEEN = 3  # bytes between a name and its value, both with their lengths


def is_text(data: bytes) -> bool:
    """Whether a binary message is text from its beginning to its end, or nearly so."""
    if _is_utf8(data.removeprefix(_BOM)):
        return True
    start = min((at for mark in b"{[<" if (at := data.find(mark, 0, _MAX_HEAD)) >= 0), default=0)
    if start and _is_utf8(data[start:]):
        return True
    if len(data) > _HEAD and _sum(data[:_HEAD].translate(_PRINTABLE).count(b"x"), _HEAD) < _SURE:
        return False
    printable = data.translate(_PRINTABLE).count(b"x")
    return _sum(printable, len(data)) >= _SURE and _is_common(data, printable)


def has_no_controls(data: bytes) -> bool:
    """Whether bytes have none of the control characters that no JSON and no HTML has."""
    return not data.translate(None, _NO_CONTROLS)


def regions(data: bytes) -> list[tuple[int, int]]:
    """Parts of a binary message that are likely to be text, as (start, end), in their order."""
    size = len(data)
    parts = [(max(0, s - _AROUND), min(size, e + _AROUND)) for s, e in _likely(data)]
    if len(parts) <= _FEW:
        spoken = [part for part in parts if is_spoken(data[slice(*part)])]
    else:
        spoken = _spoken(data, parts)
    # Without a run there is no key that speaks for itself, only what has a name.
    if _has_stem(data[:_END]):
        spoken.insert(0, (0, min(size, _END + _AROUND)))
    if _has_stem(data[-_END:]):
        spoken.append((max(0, size - _END - _AROUND), size))
    found = [(0, 0)]
    for start, end in spoken:
        if start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return [each for each in found if each[1]]


def _spoken(data: bytes, parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Of many parts those that `is_spoken` says yes to, with one translation for all."""
    jumps, low = data.translate(_JUMPS), data.lower()
    stems = [stem for stem in _STEMS if stem in low]
    return [
        (start, end)
        for start, end in parts
        if _jump(jumps, start, end) or any(low.find(s, start, end) >= 0 for s in stems)
    ]


def _likely(data: bytes) -> list[tuple[int, int]]:
    """Printable characters in a row."""
    kinds, size = data.translate(_PRINTABLE), len(data)
    found = []
    at = kinds.find(_RUN)
    while at >= 0:
        end = kinds.find(b".", at)
        end = size if end < 0 else end
        found.append((at, end))
        at = kinds.find(_RUN, end)
    return found


def is_spoken(data: bytes) -> bool:
    """Whether printable bytes may be names or keys, and are no wave.

    In 8 bits, companded or not, a wave has letters in a row as well, but it does not jump from
    letters to digits and back, over all that stands between them.
    """
    return _jump(data.translate(_JUMPS), 0, len(data)) or _has_stem(data)


def _has_stem(data: bytes) -> bool:
    low = data.lower()
    for stem in _STEMS:  # noqa: SIM110 - `any` takes twice as long
        if stem in low:
            return True
    return False


def _jump(kinds: bytes, start: int, end: int) -> bool:
    return (
        kinds.find(b"a0", start, end) >= 0
        or kinds.find(b"0a", start, end) >= 0
        or kinds.find(b"A0A", start, end) >= 0
        or kinds.find(b"0A0", start, end) >= 0
    )


def is_framed(text: str, name: str, start: int, end: int) -> bool:
    """Whether a name and its value have their lengths before them, as packed formats do.

    Args:
        start, end: of the value.
    """
    begin = text.rfind(name, max(0, start - _MAX_BETWEEN - len(name)), start)
    return begin > 0 and _says(text[begin - 1], len(name)) and _says(text[start - 1], end - start)


def _says(char: str, length: int) -> bool:
    """Whether a byte is a length in Protocol Buffers, MessagePack or CBOR."""
    return ord(char) in (length, 0xA0 | length, 0x60 | length) and (length < 32 or ord(char) < 128)


def is_evident(name: str, why: str, secret: str, *, framed: bool = False) -> bool:
    """Whether what was found in such a part is a credential even so.

    Args:
        name: of it, empty if it stands alone.
        why: the rule that found it, empty if the catalog names the place.
        framed: see `is_framed`.
    """
    if why == "shape":
        return len(secret) >= _MIN_SHAPE
    clear = len(heuristics.squashed(name)) if why == "" else heuristics.clearness(name)
    return (framed or clear >= _MIN_NAME) and len(secret) >= _MIN_VALUE and secret.isprintable()


def _sum(printable: int, size: int) -> float:
    return _SEEN * printable + _NOT_SEEN * (size - printable)


def _is_common(data: bytes, printable: int) -> bool:
    uncommon = printable - (len(data) - len(data.translate(None, _COMMON)))
    return uncommon <= _MAX_UNCOMMON * printable


def _is_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters; the last character may be cut."""
    if len(data) < _MIN_UTF8 or not has_no_controls(data[:_MIN_UTF8]):
        return False
    if not has_no_controls(data):
        return False
    if data.isascii():
        return _is_common(data, len(data))
    try:
        data[: len(data) - 3].decode()
    except UnicodeDecodeError:
        return False
    return True
