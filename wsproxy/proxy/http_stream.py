"""Streams the bodies of HTTP exchanges unchanged, and keeps their beginning.

By default mitmproxy holds a body back until it is complete: an app that streams speech over
HTTP would receive nothing until the end, and an upload would be in memory as a whole.
"""

from __future__ import annotations

from mitmproxy import http

from wsproxy.recorder import MAX_BODY, BodySnapshot, body_snapshot


class BodyTap:
    """Passes a body through unchanged; mitmproxy calls it with each piece, and at the end.

    Attributes:
        prefix: the first MAX_BODY bytes, as on the wire.
        size: bytes received so far.
    """

    def __init__(self) -> None:
        self.prefix = bytearray()
        self.size = 0

    def __call__(self, data: bytes) -> bytes:
        self.size += len(data)
        if len(self.prefix) < MAX_BODY:
            self.prefix += data[: MAX_BODY - len(self.prefix)]
        return data


def stream_body(message: http.Message) -> None:
    """Stream the body of a message."""
    message.stream = BodyTap()


def body_prefix(message: http.Message) -> BodySnapshot:
    """The stored part of a message's body."""
    tap = message.stream
    if isinstance(tap, BodyTap):
        raw, size = bytes(tap.prefix), tap.size
    else:  # mitmproxy's own response, or a body that is kept for its UI
        raw = message.raw_content or b""
        size = len(raw)
    return body_snapshot(raw, size, message.headers.get("content-encoding"))
