"""Redacts bytes that are not a complete frame. Their length is unchanged.

If the offsets of a frame are known, its payload is unmasked, searched and masked again. If frame
synchronization is lost, the masking key is unknown. But a repeated key of 4 bytes does not change
the XOR of bytes that are 4 apart. Known words are found in this XOR, masked or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wsproxy.wire.mask import apply_mask

from .known_secrets import occurrences

_MIN_WORD = 8  # bytes of a word that is searched for in the XOR
_MAX_PREVIOUS = 256  # bytes that are kept from the previous data


def _frame_offsets(data: bytes) -> tuple[int, int, int]:
    """Offsets of a frame's masking key and payload, and of its end."""
    length = data[1] & 0x7F
    start = 2 + {126: 2, 127: 8}.get(length, 0)
    head = start + (4 if data[1] & 0x80 else 0)
    return start, head, head + (int.from_bytes(data[2:start], "big") if start > 2 else length)


def is_frame(data: bytes) -> bool:
    """Whether bytes have the length of one frame, valid or not."""
    return len(data) >= 2 and _frame_offsets(data)[2] == len(data)


def blank_frame(data: bytes, blank: Callable[[bytes], bytes]) -> bytes:
    """A frame (RFC 6455, section 5.2), or its beginning, with its payload redacted.

    Args:
        blank: returns a payload of the same length without credentials.
    """
    if len(data) < 2:
        return data
    masked = data[1] & 0x80
    start, head, _ = _frame_offsets(data)
    payload = data[head:]
    if not payload:
        return data
    if not masked:
        return data[:head] + blank(payload)
    mask = data[start:head]
    return data[:head] + apply_mask(blank(apply_mask(payload, mask)), mask)


class ByteStreamRedactor:
    """Redacts the bytes of one direction after frame synchronization is lost."""

    def __init__(self) -> None:
        self._previous = b""
        self._lost = False

    def __call__(self, data: bytes, secrets: Iterable[bytes], names: Iterable[bytes]) -> bytes:
        """Replace possible credentials in the next bytes by zeros.

        Args:
            secrets: known credentials.
            names: names of fields with credentials, in quotation marks. Everything after one of
                them is replaced, because the end of its value cannot be found.
        """
        if self._lost:
            return bytes(len(data))
        buffered = self._previous + data
        offset = len(self._previous)
        out = bytearray(buffered)
        differences = _differences(buffered)
        for secret in secrets:
            for start in _word_offsets(buffered, differences, secret):
                out[start : start + len(secret)] = bytes(len(secret))
        for name in names:
            for start in _word_offsets(buffered, differences, name):
                out[start + len(name) :] = bytes(len(out) - start - len(name))
                self._lost = True
        self._previous = buffered[-_MAX_PREVIOUS:]
        return bytes(out[offset:])


def _differences(data: bytes) -> bytes:
    size = max(0, len(data) - 4)
    number = int.from_bytes(data[:size], "big") ^ int.from_bytes(data[4:], "big")
    return number.to_bytes(size, "big")


def _word_offsets(data: bytes, differences: bytes, word: bytes) -> Iterator[int]:
    """Offsets of a word, plain or masked; of a short one only plain."""
    if len(word) < _MIN_WORD:
        return occurrences(data, word)
    return occurrences(differences, _differences(word))
