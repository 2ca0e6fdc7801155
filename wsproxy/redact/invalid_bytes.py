"""Takes credentials out of bytes that are no whole frame. Their length stays.

A masked payload with its key is as good as one in clear, so where the bounds of a frame are
known it is unmasked, looked through, and masked again. Where they are not, the key's place is
not known either; but a key of 4 bytes that repeats leaves the difference of bytes that are 4
apart as it was, and in that known words are found, masked or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsproxy.wire.mask import apply_mask

_MIN_WORD = 8  # bytes of a word that is looked for without its mask
_BEFORE = 256  # bytes that are remembered


def _bounds(data: bytes) -> tuple[int, int, int]:
    """Of a frame: where its masking key and its payload begin, and where it ends."""
    length = data[1] & 0x7F
    start = 2 + {126: 2, 127: 8}.get(length, 0)
    head = start + (4 if data[1] & 0x80 else 0)
    return start, head, head + (int.from_bytes(data[2:start], "big") if start > 2 else length)


def is_frame(data: bytes) -> bool:
    """Whether bytes are one frame by their length, whatever is wrong with it."""
    return len(data) >= 2 and _bounds(data)[2] == len(data)


def in_frame(data: bytes, blank: Callable[[bytes], bytes]) -> bytes:
    """A frame (RFC 6455, section 5.2), or its beginning, with its payload blanked.

    Args:
        blank: gives a payload of the same length without credentials.
    """
    if len(data) < 2:
        return data
    masked = data[1] & 0x80
    start, head, _ = _bounds(data)
    payload = data[head:]
    if not payload:
        return data
    if not masked:
        return data[:head] + blank(payload)
    mask = data[start:head]
    return data[:head] + apply_mask(blank(apply_mask(payload, mask)), mask)


class ByteStreamRedactor:
    """Bytes of one direction from where the bounds of its frames are lost."""

    def __init__(self) -> None:
        self._before = b""
        self._blind = False

    def __call__(self, data: bytes, secrets: Iterable[bytes], names: Iterable[bytes]) -> bytes:
        """The next bytes, blanked where a credential is or may be.

        Args:
            secrets: credentials that are known.
            names: names of fields with credentials, in their quotes: everything after one of
                them is blanked, as the end of its value cannot be found.
        """
        if self._blind:
            return bytes(len(data))
        whole = self._before + data
        offset = len(self._before)
        out = bytearray(whole)
        differences = _differences(whole)
        for secret in secrets:
            for start in _all(whole, differences, secret):
                out[start : start + len(secret)] = bytes(len(secret))
        for name in names:
            for start in _all(whole, differences, name):
                out[start + len(name) :] = bytes(len(out) - start - len(name))
                self._blind = True
        self._before = whole[-_BEFORE:]
        return bytes(out[offset:])


def _differences(data: bytes) -> bytes:
    size = max(0, len(data) - 4)
    number = int.from_bytes(data[:size], "big") ^ int.from_bytes(data[4:], "big")
    return number.to_bytes(size, "big")


def _all(data: bytes, differences: bytes, word: bytes) -> list[int]:
    """Where a word stands, in clear or masked; a short one in clear only."""
    text, sought = (differences, _differences(word)) if len(word) >= _MIN_WORD else (data, word)
    found, start = [], text.find(sought)
    while start >= 0:
        found.append(start)
        start = text.find(sought, start + 1)
    return found
