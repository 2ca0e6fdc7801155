"""One end of a replayed session, without sockets: bytes and times in, bytes out, all recorded.

The same under asyncio (`player`) and with blocking sockets (`blocking`).
"""

from __future__ import annotations

import os
from dataclasses import replace

from wsproxy.recorder import SessionWriter
from wsproxy.trace import Eof
from wsproxy.wire import Deflate, Deflater, Frame, FrameParser, Garbage, Inflater

from .progress import ExpectedEnding
from .schedule import Schedule
from .script import Step
from .value_rewriter import ValueRewriter


class Endpoint:
    """Joins a schedule and a recording.

    Args:
        schedule: of the side that is played.
        recording: has start, request and response already.
        fresh: makes messages anew; None sends them as they are.
        deflate: what the handshakes agreed on, None without compression.
    """

    def __init__(
        self,
        schedule: Schedule,
        recording: SessionWriter,
        *,
        fresh: ValueRewriter | None = None,
        deflate: Deflate | None = None,
    ) -> None:
        self.schedule = schedule
        self.recording = recording
        self._fresh = fresh
        self._parser = FrameParser()
        self._from_client = from_client = schedule.script.from_client
        self._deflater = Deflater(deflate, from_client=from_client) if deflate else None
        self._inflater = Inflater(deflate, from_client=not from_client) if deflate else None
        self._done = False  # this side's direction is ended

    def open(self, now_ns: int) -> None:
        """The upgrade is done."""
        self.schedule.open(now_ns)

    def receive(self, now_ns: int, data: bytes) -> None:
        """Bytes of the other side came."""
        if not self.recording.ended and self.recording.data(now_ns, not self._from_client, data):
            self.recording.flush()
        for item in self._parser.feed(data):
            self._came(now_ns, item)

    def ended(self, now_ns: int, how: str) -> None:
        """The other side ended its direction: "eof" or "reset"."""
        for item in self._parser.end():
            self._came(now_ns, item)
        self.schedule.receive(now_ns, ExpectedEnding(how))
        if not self.recording.ended:
            self.recording.eof(Eof(now_ns, not self._from_client, how))

    def _came(self, now_ns: int, item: Frame | Garbage) -> None:
        if isinstance(item, Frame):
            if self._inflater is not None:
                payload = self._inflater.inflate(item)
                item = item if payload is None else replace(item, payload=payload)
            if self._fresh is not None:
                self._fresh.live.take(item)
        self.schedule.receive(now_ns, item)

    def over(self, now_ns: int) -> bool:
        """Whether the session is played; also writes what has waited long enough."""
        if self.schedule.left_open and not self.recording.ended:
            self.recording.end(now_ns, "stopped")
        if self.recording.due(now_ns):
            self.recording.flush()
        return self.schedule.over(now_ns)

    def take(self, now_ns: int) -> Step | None:
        """The next step, if one is due."""
        return self.schedule.take(now_ns)

    def wire(self, step: Step) -> tuple[bytes, bytes]:
        """A step's bytes: to be sent, and to be recorded, which hold no credential.

        A masked frame gets a fresh key (RFC 6455, section 5.3).
        """
        item = step.item
        if isinstance(item, Garbage):
            return item.data, item.data
        assert isinstance(item, Frame)
        if item.mask is not None:
            item = replace(item, mask=os.urandom(4))
        if self._fresh is not None:
            item = self._fresh.frame(item)
            filled = self._fresh.with_secrets(item)
            if filled is not item:
                # Compressed, the recorded one would not be what the window holds.
                return filled.serialize(), item.serialize()
        if step.deflate and self._deflater is not None:
            item = self._deflater.deflate(item)
        data = item.serialize()
        return data, data

    def sent(self, now_ns: int, what: bytes | ExpectedEnding) -> None:
        """Record what this side did."""
        if isinstance(what, ExpectedEnding):
            self._done = True
            self.recording.eof(Eof(now_ns, self._from_client, what.how))
        elif not self.recording.ended and self.recording.data(now_ns, self._from_client, what):
            self.recording.flush()

    def closing(self, now_ns: int, *, was_reset: bool) -> None:
        """Record that this side closes the connection, if it has not ended already.

        Where nothing ended the session, giving up is no ending of it: it stays "stopped".
        """
        session = self.recording.session
        over = self._done or self.recording.ended or session.derived_ending is None
        if not over and not was_reset:
            self.recording.eof(Eof(now_ns, self._from_client))
