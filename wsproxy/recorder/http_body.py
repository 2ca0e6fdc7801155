"""Snapshots of HTTP bodies: the beginning of a body, decoded."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import brotli
import zstandard

from wsproxy.redact import Entry, unreadable

MAX_BODY = 64 << 10  # bytes of a body that are stored

_MAX_WINDOW = 8 << 20  # bytes, of a zstd stream (RFC 8878, section 3.1.1.1.2)
_STEP = 16  # bytes of a Brotli stream (RFC 7932, section 9.2: a meta-block has at most 16 MiB)


@dataclass(frozen=True, slots=True)
class BodySnapshot:
    """The stored part of a body.

    Attributes:
        data: its first MAX_BODY bytes, decoded. A body that cannot be decoded is omitted,
            because it may contain a credential that is not found.
        size: its length, bytes: decoded if all of it is stored, otherwise on the wire.
        redacted: entries for the record's `redacted`, if the body could not be decoded.
    """

    data: bytes
    size: int
    redacted: list[Entry] = field(default_factory=list)


def body_snapshot(raw: bytes, size: int, coding: str | None) -> BodySnapshot:
    """Decode the beginning of a body.

    Args:
        raw: its beginning, as on the wire.
        size: bytes of it on the wire, as far as they were received.
        coding: the Content-Encoding header (RFC 9110, section 8.4); None without one.
    """
    content = _decoded(raw, coding or "") if raw else b""
    if content is None:
        return BodySnapshot(b"", size, [unreadable("body", size)])
    complete = size == len(raw) and len(content) <= MAX_BODY
    return BodySnapshot(content[:MAX_BODY], len(content) if complete else size)


def _decoded(data: bytes, name: str) -> bytes | None:
    """The decoded beginning, a little over MAX_BODY bytes at most; None if it is invalid."""
    name = name.strip().lower()
    if name in ("", "identity"):
        name = next((coding for magic, coding in _MAGIC if data.startswith(magic)), "")
    decode = _DECODERS.get(name)
    if decode is None:
        return None
    try:
        return decode(data)
    except (zlib.error, zstandard.ZstdError, brotli.error):
        return None


def _inflated(data: bytes, *windows: int) -> bytes:
    for bits in windows[:-1]:
        try:
            return zlib.decompressobj(bits).decompress(data, MAX_BODY + 1)
        except zlib.error:
            continue
    return zlib.decompressobj(windows[-1]).decompress(data, MAX_BODY + 1)


def _zstd(data: bytes) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(data) as reader:
        return reader.read(MAX_BODY + 1)


def _brotli(data: bytes) -> bytes:
    """Decode in small steps: the decoder has no limit, and a step yields at most 16 MiB."""
    decoder, out = brotli.Decompressor(), bytearray()
    for at in range(0, len(data), _STEP):
        out += decoder.process(data[at : at + _STEP])
        if len(out) > MAX_BODY:
            break
    return bytes(out)


# Beginnings of bodies that are compressed without a header (RFC 1952, RFC 8878).
_MAGIC = ((b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"))

_DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": lambda data: _inflated(data, 31),
    "x-gzip": lambda data: _inflated(data, 31),
    "br": _brotli,
    "deflate": lambda data: _inflated(data, 15, -15),
    "zstd": _zstd,
}
