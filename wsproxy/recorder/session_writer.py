"""Records one session: bytes to frames to records. Not thread-safe."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from dataclasses import replace
from pathlib import Path

from wsproxy.redact import SessionRedactor
from wsproxy.session import Session
from wsproxy.trace import Bytes, End, Eof, FrameRecord, Gap, Record, Response, Start
from wsproxy.wire import (
    MAX_PAYLOAD,
    Deflate,
    Frame,
    FrameParser,
    Garbage,
    Inflater,
    Opcode,
    RuleChecker,
    header,
)

from .annotator import Annotate, Annotation
from .end_record import end_record
from .fsync import FsyncThread
from .trace_output import TraceOutput

MAX_CONTROL = 125  # bytes of a control frame's payload (RFC 6455, section 5.5)


class SessionWriter:
    """Records one session.

    A file that cannot be written never stops a session: lost records are counted, and reported
    in a gap record as soon as the file can be written again.

    Args:
        path: the trace to create, mode 0600. It must not exist.
        start: the first record.
        annotate: explains the session when it ends; used by `end`.
        redactor: removes credentials from every record; None: nothing is removed.
        max_payload: bytes stored of the payload of one frame.
        max_size: bytes after which the trace continues in another file, see `trace.parts`;
            None: never.
        syncer: syncs what was written; None: left to the operating system.
        must_create: raise if the file cannot be created. Otherwise its folder is created, and an
            error is handled like any other write error, and retried.

    Attributes:
        path: of the first part.
        session: what was recorded so far.
        ended: nothing more can be recorded.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        start: Start,
        *,
        annotate: Annotate | None = None,
        redactor: SessionRedactor | None = None,
        max_payload: int = MAX_PAYLOAD,
        max_size: int | None = None,
        syncer: FsyncThread | None = None,
        must_create: bool = True,
    ) -> None:
        self.path = path
        self.session = Session(with_audio=False)
        if must_create and path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._output = TraceOutput(
            path,
            start,
            max_size=max_size,
            syncer=syncer,
            make_folder=not must_create,
            on_gap=self.session.add,
        )
        self._annotate = annotate
        self._redactor = redactor
        self._max_payload = max_payload
        # The reason of a Close frame is stored whatever the limit is.
        limit = max(max_payload, MAX_CONTROL)
        self._parsers = {side: FrameParser(max_payload=limit) for side in (True, False)}
        self._inflaters: dict[bool, Inflater] = {}
        self._checkers = {side: RuleChecker(from_client=side) for side in (True, False)}
        self._frame_begun_ns = {True: 0, False: 0}  # when the incomplete frame began
        self._end: End | None = None  # how the session ended, when it has
        self.ended = False
        self.add(start)
        if must_create and self.fault is not None:
            raise self.fault

    @property
    def paths(self) -> list[Path]:
        """The files of the trace, in their order."""
        return self._output.paths

    @property
    def size(self) -> int:
        """Bytes in these files."""
        return self._output.size

    @property
    def fault(self) -> OSError | None:
        """Why nothing can be written at present."""
        return self._output.fault

    @property
    def incomplete(self) -> bool:
        """Whether records are missing: gap records are written or pending."""
        return bool(self.session.gaps) or self._output.incomplete

    @property
    def failures(self) -> int:
        """Number of failed writes."""
        return self._output.failures

    @property
    def error(self) -> OSError | None:
        """Why records are missing, if any could not be written or were removed."""
        return self._output.error

    # -- events

    def add(self, record: Record) -> None:
        """Add a record that needs no parsing: start, request, failure, gap."""
        if self._redactor is not None:
            record = self._redactor(record)
        self.session.add(record)
        self._output.write(record)

    def response(self, response: Response) -> None:
        """Add the response to the upgrade, which determines how frames are read."""
        self.add(response)
        extensions = header(((h[0], h[1]) for h in response.headers), "sec-websocket-extensions")
        deflate = Deflate.parse(extensions) if response.status == 101 else None
        if deflate is not None:
            for side in (True, False):
                self._inflaters[side] = Inflater(deflate, from_client=side)
                self._checkers[side] = RuleChecker(from_client=side, deflate=True)

    def data(self, t_ns: int, from_client: bool, data: bytes) -> bool:
        """Add bytes of one direction after the upgrade.

        Returns:
            Whether they completed a Close frame, so that the caller can flush at once.
        """
        close = False
        parser = self._parsers[from_client]
        waits = parser.is_inside_frame
        items = parser.feed(data)
        if items or not waits:
            self._frame_begun_ns[from_client] = t_ns
        for item in items:
            close |= self._add_frame(t_ns, from_client, item)
        return close

    def eof(self, eof: Eof) -> None:
        """One direction has ended; an incomplete frame is stored as bytes."""
        self._add_incomplete_frame(eof.t_ns, eof.from_client)
        self.add(eof)

    def message(self, t_ns: int, from_client: bool, opcode: Opcode, payload: bytes) -> None:
        """Add a complete message or a Close of the stock layer (capture level "messages")."""
        frame = Frame(opcode, payload, wire_length=len(payload))
        kept, cut, digest = self._truncated(frame, payload)
        self.add(
            FrameRecord(
                t_ns,
                from_client,
                int(opcode),
                kept,
                wire_length=len(payload),
                cut=cut,
                digest=digest,
            )
        )

    def end(self, t_ns: int, ending: str | None = None) -> None:
        """The session has ended: explain it, write the last records, close the file.

        Args:
            t_ns: time of the end.
            ending: the ending if the records do not determine it, such as "stopped".
        """
        self.end_traffic(t_ns, ending)
        if self._annotate is None:
            self.complete(Annotation())
        else:
            self.complete(self._annotate(self.session, self.readable_path, lambda: None))

    def end_traffic(self, t_ns: int, ending: str | None = None) -> None:
        """The session has ended: write everything but what `complete` writes.

        Args:
            t_ns, ending: as for `end`.
        """
        if self._end is not None or self.ended:
            return
        for side in (True, False):
            self._add_incomplete_frame(t_ns, side)
        self._output.flush()
        ending = self.session.derived_ending or ending or "unfinished"
        self._end = end_record(self.session, t_ns, ending)

    @property
    def readable_path(self) -> Path | None:
        """The trace, if all that was recorded so far can be read in it."""
        return self.paths[0] if self.paths and self.fault is None else None

    def complete(self, annotation: Annotation) -> None:
        """Write what is known of the ended session and the end record, and close the file."""
        if self.ended or self._end is None:
            return
        for finding in annotation.findings:
            self.add(finding)
        ids = [finding.id for finding in annotation.findings]
        self._close(replace(self._end, findings=ids, outcome=annotation.outcome))

    def abandon(self, t_ns: int, reason: str) -> None:
        """Stop recording because of an internal error: write a gap record, close the trace.

        Args:
            t_ns: time of the end.
            reason: of the gap record.
        """
        if not self.ended:
            gap = Gap(t_ns, t_ns, reason)
            self.session.add(gap)
            self._output.write(gap)
            ending = self.session.derived_ending or "unfinished"
            self._close(end_record(self.session, t_ns, ending))

    def _close(self, end: End) -> None:
        """Complete the end record with the state of the file, write it, and close the file."""
        self.ended = True
        self._output.settle()
        parts = self._output.parts if self._output.parts > 1 else None
        end = replace(end, complete=not self.incomplete, parts=parts)
        self.session.add(end)
        self._output.write(end)
        self._output.finish()

    def retry(self) -> None:
        """Try to write again at once, without waiting for the next record."""
        self._output.retry()

    def remove(self) -> None:
        """Remove the files; the session has ended."""
        while self.paths:
            with contextlib.suppress(OSError):
                self.paths[-1].unlink()
            self.paths.pop()

    def flush(self) -> None:
        """Write pending records."""
        self._output.flush()

    def is_flush_due(self, now_ns: int) -> bool:
        """Whether the oldest pending record is old enough to be written.

        Args:
            now_ns: on the session's clock.
        """
        return self._output.is_flush_due(now_ns)

    # -- bytes to records

    def _add_incomplete_frame(self, t_ns: int, from_client: bool) -> None:
        """Add the bytes of a frame that stays incomplete, with the time when it began."""
        for item in self._parsers[from_client].end():
            begun_ns = self._frame_begun_ns[from_client] if isinstance(item, Garbage) else t_ns
            self._add_frame(begun_ns, from_client, item)

    def _add_frame(self, t_ns: int, from_client: bool, item: Frame | Garbage) -> bool:
        if isinstance(item, Garbage):
            self.add(Bytes(t_ns, from_client, item.data, item.broken_rule))
            return False
        payload: bytes | None = item.payload
        checker = self._checkers[from_client]
        rule = checker.check(item)
        if self._inflaters:
            payload = self._inflaters[from_client].inflate(item)
        if item.opcode is not Opcode.BINARY:
            unreadable = checker.check_text(item, payload)  # may follow from another rule
            rule = rule or unreadable
        kept, cut, digest = item.payload if payload is None else payload, item.cut, item.digest
        if len(kept) > self._max_payload:
            kept, cut, digest = self._truncated(item, kept)
        self.add(
            FrameRecord(
                t_ns,
                from_client,
                int(item.opcode),
                kept,
                item.fin,
                item.rsv,
                item.mask,
                item.wire_length,
                payload is None,
                cut,
                rule,
                digest,
            )
        )
        return item.opcode is Opcode.CLOSE

    def _truncated(self, frame: Frame, payload: bytes) -> tuple[bytes, int, str | None]:
        """The stored part of a payload, the bytes cut off, and the digest of the full payload."""
        over = len(payload) - self._max_payload
        if over <= 0 or frame.control:
            return payload, frame.cut, frame.digest
        digest = frame.digest
        if not frame.cut:
            digest = hashlib.sha256(frame.payload).hexdigest()
        return payload[: self._max_payload], frame.cut + over, digest
