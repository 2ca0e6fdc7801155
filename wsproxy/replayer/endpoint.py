"""One end of a replayed session, sans-I/O: takes bytes and times, returns bytes, records both.

`player` connects it to an asyncio or a blocking connection.
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
        schedule: of the side to play.
        recording: holds start, request and response already.
        rewriter: rewrites messages; None sends them unchanged.
        deflate: the negotiated compression, None without.
    """

    def __init__(
        self,
        schedule: Schedule,
        recording: SessionWriter,
        *,
        rewriter: ValueRewriter | None = None,
        deflate: Deflate | None = None,
    ) -> None:
        self.schedule = schedule
        self.recording = recording
        self._rewriter = rewriter
        self._parser = FrameParser()
        self._from_client = from_client = schedule.script.from_client
        self._deflater = Deflater(deflate, from_client=from_client) if deflate else None
        self._inflater = Inflater(deflate, from_client=not from_client) if deflate else None
        self._direction_ended = False  # this side's direction

    def open(self, now_ns: int) -> None:
        """The upgrade is complete."""
        self.schedule.open(now_ns)

    def receive(self, now_ns: int, data: bytes) -> None:
        """Take bytes of the peer."""
        if not self.recording.ended and self.recording.data(now_ns, not self._from_client, data):
            self.recording.flush()
        for item in self._parser.feed(data):
            self._receive_item(now_ns, item)

    def peer_ended(self, now_ns: int, how: str) -> None:
        """The peer ended its direction: "eof" or "reset"."""
        for item in self._parser.end():
            self._receive_item(now_ns, item)
        self.schedule.receive(now_ns, ExpectedEnding(how))
        if not self.recording.ended:
            self.recording.eof(Eof(now_ns, not self._from_client, how))

    def _receive_item(self, now_ns: int, item: Frame | Garbage) -> None:
        if isinstance(item, Frame):
            if self._inflater is not None:
                payload = self._inflater.inflate(item)
                item = item if payload is None else replace(item, payload=payload)
            if self._rewriter is not None:
                self._rewriter.live_ids.observe(item)
        self.schedule.receive(now_ns, item)

    def poll_finished(self, now_ns: int) -> bool:
        """Whether the session has been played; also flushes the recording when that is due."""
        if self.schedule.default_ending and not self.recording.ended:
            self.recording.end(now_ns, "stopped")
        if self.recording.is_flush_due(now_ns):
            self.recording.flush()
        return self.schedule.is_over(now_ns)

    def next_step(self, now_ns: int) -> Step | None:
        """The next step, if one is due."""
        return self.schedule.next_step(now_ns)

    def encode(self, step: Step) -> tuple[bytes, bytes]:
        """The bytes of a step: to send, and to record; the latter hold no credential.

        A masked frame gets a new masking key (RFC 6455, section 5.3).
        """
        item = step.item
        if isinstance(item, Garbage):
            return item.data, item.data
        assert isinstance(item, Frame)
        if item.mask is not None:
            item = replace(item, mask=os.urandom(4))
        if self._rewriter is not None:
            item = self._rewriter.rewrite(item)
            filled = self._rewriter.with_credentials(item)
            if filled is not item:
                # Not compressed: the recorded bytes would not match the compression window.
                return filled.serialize(), item.serialize()
        if step.deflate and self._deflater is not None:
            item = self._deflater.deflate(item)
        data = item.serialize()
        return data, data

    def record_sent(self, now_ns: int, item: bytes | ExpectedEnding) -> None:
        """Record what this side sent."""
        if isinstance(item, ExpectedEnding):
            self._direction_ended = True
            self.recording.eof(Eof(now_ns, self._from_client, item.how))
        elif not self.recording.ended and self.recording.data(now_ns, self._from_client, item):
            self.recording.flush()

    def record_close(self, now_ns: int, *, was_reset: bool) -> None:
        """Record that this side closes the connection, if neither side has ended the session.

        If nothing ended the session, this is not an ending either: the session stays "stopped".
        """
        session = self.recording.session
        has_ending = self._direction_ended or self.recording.ended or session.derived_ending is None
        if not has_ending and not was_reset:
            self.recording.eof(Eof(now_ns, self._from_client))
