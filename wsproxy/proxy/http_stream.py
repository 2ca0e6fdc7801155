"""Bodies of HTTP exchanges: they stream by as they come, and their beginning is kept.

Left to itself mitmproxy holds a body back until it is whole: an app that streams speech
over HTTP would hear nothing until the end, and an upload would be in memory at once.
"""

from __future__ import annotations

from mitmproxy import http

from wsproxy.recorder import MAX_BODY, BodySnapshot, body_snapshot


class BodyTap:
    """Lets a body through unchanged; mitmproxy calls it with each piece, and at the end.

    Attributes:
        kept: its first MAX_BODY bytes, as they are on the wire.
        size: bytes that have come.
    """

    def __init__(self) -> None:
        self.kept = bytearray()
        self.size = 0

    def __call__(self, data: bytes) -> bytes:
        self.size += len(data)
        if len(self.kept) < MAX_BODY:
            self.kept += data[: MAX_BODY - len(self.kept)]
        return data


def stream_body(message: http.Message) -> None:
    """Have a message's body stream by."""
    message.stream = BodyTap()


def body_prefix(message: http.Message) -> BodySnapshot:
    """What is kept of a message's body."""
    passing = message.stream
    if isinstance(passing, BodyTap):
        raw, size = bytes(passing.kept), passing.size
    else:  # mitmproxy's own answer, or kept for its UI
        raw = message.raw_content or b""
        size = len(raw)
    return body_snapshot(raw, size, message.headers.get("content-encoding"))
