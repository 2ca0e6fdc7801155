"""Frames and heads of the opening handshake, put together and taken apart by hand.

Neither a WebSocket library nor `wsproxy.wire` is used, so that the recorder is compared with
independent code.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x12\x34\x56\x78"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = None,
    length_size: int | None = None,
) -> bytes:
    """The bytes of a frame; `length_size` is the size of its extended length, bytes."""
    size = len(payload)
    if length_size is None:
        length_size = 0 if size < 126 else 2 if size < 1 << 16 else 8
    marker = {0: size, 2: 126, 8: 127}[length_size]
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode, (0x80 if mask else 0) | marker])
    head += size.to_bytes(length_size, "big") if length_size else b""
    return head + (mask + masked(payload, mask) if mask else payload)


def masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def close(code: int | None, reason: bytes = b"", *, mask: bytes | None = None) -> bytes:
    payload = b"" if code is None else struct.pack("!H", code) + reason
    return frame(CLOSE, payload, mask=mask)


@dataclass(frozen=True)
class Split:
    """A frame taken apart."""

    fin: bool
    rsv: int
    opcode: int
    mask: bytes | None
    payload: bytes
    wire_length: int


def split(data: bytes) -> tuple[list[Split], bytes]:
    """All whole frames of a direction, and the bytes of one that is not whole."""
    out = []
    at = 0
    while len(data) - at >= 2:
        first, second = data[at], data[at + 1]
        extended = {126: 2, 127: 8}.get(second & 0x7F, 0)
        head = 2 + extended + (4 if second & 0x80 else 0)
        if len(data) - at < head:
            break
        size = (
            int.from_bytes(data[at + 2 : at + 2 + extended], "big") if extended else second & 0x7F
        )
        if len(data) - at < head + size:
            break
        mask = data[at + head - 4 : at + head] if second & 0x80 else None
        payload = data[at + head : at + head + size]
        payload = masked(payload, mask) if mask else payload
        out.append(
            Split(bool(first & 0x80), first >> 4 & 7, first & 0xF, mask, payload, head + size)
        )
        at += head + size
    return out, data[at:]


class Deflater:
    """Deflates messages with context takeover."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(wbits=-15)

    def message(self, text: bytes) -> bytes:
        return (self._zlib.compress(text) + self._zlib.flush(zlib.Z_SYNC_FLUSH))[:-4]


_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3


def upgrade(path: str, host: str, *headers: str) -> bytes:
    """The head of a request for a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def accepted(*headers: str) -> bytes:
    """The head of an answer that accepts it."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {_ACCEPT}",
        *headers,
    ]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
