"""Reads the answer to a request, from its bytes."""

from __future__ import annotations

from dataclasses import replace

from wsproxy.trace import Response

from .handshake import BadHead, Body, Head, parse_head


class ResponseReader:
    """Takes bytes until the answer is complete: a 101's head, or a refusal with its body.

    Attributes:
        response: the answer once its head is there; its body grows. `t_ns` is 0.
        error: what is wrong with it, None if nothing is.
        done: nothing more is to come.
        rest: bytes behind the head of a 101; the first of the session.
    """

    def __init__(self) -> None:
        self.response: Response | None = None
        self.error: str | None = None
        self.done = False
        self.rest = b""
        self._head = bytearray()
        self._body: Body | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._body is not None:
            self._feed_body(data)
            return
        self._head += data
        try:
            head = self._final_head()
        except BadHead as error:
            self.error, self.done = str(error), True
            return
        if head is None:
            return
        self.response = Response(0, head.status, head.start[2], head.start[0], head.headers)
        rest = bytes(self._head)
        if head.status == 101:
            self.rest, self.done = rest, True
            return
        self._body = Body(head)
        self._feed_body(rest)

    def end(self) -> None:
        """The connection ended."""
        self.done = True
        if self.response is None and self.error is None:
            self.error = "the connection ended before an answer"

    def late(self, seconds: float) -> None:
        """It took too long; what came of a body stays."""
        self.done = True
        if self.response is None:
            self.error = f"no answer to the request in {seconds:g} s"

    def _final_head(self) -> Head | None:
        """Take heads off, as far as the one that is no interim answer (RFC 9110, section 15.2).

        Raises:
            BadHead: what came is none.
        """
        while (parsed := parse_head(self._head)) is not None:
            head, size = parsed
            del self._head[:size]
            if head.status == 101 or not 100 <= head.status < 200:
                return head
        return None

    def _feed_body(self, data: bytes) -> None:
        body, response = self._body, self.response
        assert body is not None and response is not None
        if data:
            body.feed(data)
        snapshot = body.snapshot()
        self.response = replace(
            response, body=snapshot.data, body_length=snapshot.size, redacted=snapshot.redacted
        )
        self.done = body.done
