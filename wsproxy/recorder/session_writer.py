"""One session on its way to disk. Not thread-safe: one thread owns a recording."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from wsproxy.redact import SessionRedactor
from wsproxy.session import Session
from wsproxy.trace import Bytes, End, Eof, FindingRecord, FrameRecord, Gap, Record, Response, Start
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

from .end_record import end_record
from .fsync import FsyncThread
from .trace_output import TraceOutput

MAX_CONTROL = 125  # bytes of a control frame's payload (RFC 6455, section 5.5)

Diagnose = Callable[[Session], list[FindingRecord]]


class SessionWriter:
    """One session on its way to disk.

    A file that cannot be written never stops a session: what could not be written is
    counted, and told in a gap record as soon as the file can be written again.

    Args:
        path: the trace to create, mode 0600. It must not exist.
        start: the first record.
        diagnose: names the findings when the session ends.
        guard: takes credentials out of every record; None: nothing is taken out.
        max_payload: bytes of one frame that are kept.
        max_size: bytes after which the trace goes on in another file, see `trace.parts`;
            None: never.
        syncer: brings what was written to the disk itself; None: left to the system.
        insist: raise if the file cannot be created; else its folder is made, and what is
            in the way is a fault like any other, and tried again.

    Attributes:
        path: of the first part.
        session: what was recorded so far.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        start: Start,
        *,
        diagnose: Diagnose | None = None,
        guard: SessionRedactor | None = None,
        max_payload: int = MAX_PAYLOAD,
        max_size: int | None = None,
        syncer: FsyncThread | None = None,
        insist: bool = True,
    ) -> None:
        self.path = path
        self.session = Session()
        if insist and path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        self._output = TraceOutput(
            path,
            start,
            max_size=max_size,
            syncer=syncer,
            make_folder=not insist,
            told=self.session.add,
        )
        self._diagnose = diagnose
        self._guard = guard
        self._max_payload = max_payload
        # What a Close says is kept whatever the limit.
        limit = max(max_payload, MAX_CONTROL)
        self._parsers = {side: FrameParser(max_payload=limit) for side in (True, False)}
        self._inflaters: dict[bool, Inflater] = {}
        self._checkers = {side: RuleChecker(from_client=side) for side in (True, False)}
        self._begun_ns = {True: 0, False: 0}  # when the frame began that is not whole yet
        self.ended = False
        self.add(start)
        if insist and self.fault is not None:
            raise self.fault

    @property
    def paths(self) -> list[Path]:
        """The files that the trace is in, in their order."""
        return self._output.paths

    @property
    def size(self) -> int:
        """Bytes in these files."""
        return self._output.size

    @property
    def fault(self) -> OSError | None:
        """Why nothing can be written at the moment."""
        return self._output.fault

    @property
    def incomplete(self) -> bool:
        """Whether records are missing, as far as the trace tells or would tell."""
        return bool(self.session.gaps) or self._output.incomplete

    @property
    def failures(self) -> int:
        """How often writing has failed."""
        return self._output.failures

    @property
    def error(self) -> OSError | None:
        """Why a part of the trace is missing, if one could not be written or kept."""
        return self._output.error

    # -- what happened

    def add(self, record: Record) -> None:
        """Take a record that needs no reading of bytes: start, request, failure, gap."""
        if self._guard is not None:
            record = self._guard(record)
        self.session.add(record)
        self._output.write(record)

    def response(self, response: Response) -> None:
        """Take the answer to the upgrade, which decides how frames are read."""
        self.add(response)
        extensions = header(((h[0], h[1]) for h in response.headers), "sec-websocket-extensions")
        deflate = Deflate.parse(extensions) if response.status == 101 else None
        if deflate is not None:
            for side in (True, False):
                self._inflaters[side] = Inflater(deflate, from_client=side)
                self._checkers[side] = RuleChecker(from_client=side, deflate=True)

    def data(self, t_ns: int, from_client: bool, data: bytes) -> bool:
        """Take bytes of one direction after the upgrade.

        Returns:
            Whether a Close frame was among them, so that the caller can flush at once.
        """
        close = False
        parser = self._parsers[from_client]
        waits = parser.is_inside_frame
        items = parser.feed(data)
        if items or not waits:
            self._begun_ns[from_client] = t_ns
        for item in items:
            close |= self._take(t_ns, from_client, item)
        return close

    def eof(self, eof: Eof) -> None:
        """One direction has ended; what is left of a frame is kept as bytes."""
        self._take_rest(eof.t_ns, eof.from_client)
        self.add(eof)

    def message(self, t_ns: int, from_client: bool, opcode: Opcode, payload: bytes) -> None:
        """Take a whole message or a Close as the stock layer saw it (capture level "messages")."""
        frame = Frame(opcode, payload, wire_length=len(payload))
        kept, cut, digest = self._limited(frame, payload)
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
        """The session is over: diagnose it, write the end record, close the file.

        Args:
            t_ns: when.
            ending: what to call it where the records show none: "stopped" if the
                recorder was.
        """
        if self.ended:
            return
        for side in (True, False):
            self._take_rest(t_ns, side)
        end = end_record(self.session, t_ns, self.session.derived_ending or ending or "unfinished")
        findings = self._diagnose(self.session) if self._diagnose else []
        for finding in findings:
            self.add(finding)
        self._close(replace(end, findings=[finding.id for finding in findings]))

    def abandon(self, t_ns: int, reason: str) -> None:
        """Take no more of the session, for a fault of ours: the trace says so, and is closed.

        Args:
            t_ns: when.
            reason: of the gap record.
        """
        if not self.ended:
            gap = Gap(t_ns, t_ns, reason)
            self.session.add(gap)
            self._output.write(gap)
            ending = self.session.derived_ending or "unfinished"
            self._close(end_record(self.session, t_ns, ending))

    def _close(self, end: End) -> None:
        """Write the end record, with what only the file can tell, and close the file."""
        self.ended = True
        self._output.settle()
        parts = self._output.parts if self._output.parts > 1 else None
        end = replace(end, complete=not self.incomplete, parts=parts)
        self.session.add(end)
        self._output.write(end)
        self._output.finish()

    def try_again(self) -> None:
        """Something can be written again, it seems: do not wait for the next record."""
        self._output.try_again()

    def remove(self) -> None:
        """Remove what was written; the session has ended."""
        while self.paths:
            with contextlib.suppress(OSError):
                self.paths[-1].unlink()
            self.paths.pop()

    def flush(self) -> None:
        """Write what is pending."""
        self._output.flush()

    def due(self, now_ns: int) -> bool:
        """Whether the oldest pending record is too old to stay in memory alone.

        Args:
            now_ns: on the session's clock.
        """
        return self._output.due(now_ns)

    # -- bytes to records

    def _take_rest(self, t_ns: int, from_client: bool) -> None:
        """Take what came of a frame whose end will not come, with the time when it began."""
        for item in self._parsers[from_client].end():
            begun_ns = self._begun_ns[from_client] if isinstance(item, Garbage) else t_ns
            self._take(begun_ns, from_client, item)

    def _take(self, t_ns: int, from_client: bool, item: Frame | Garbage) -> bool:
        if isinstance(item, Garbage):
            self.add(Bytes(t_ns, from_client, item.data, item.broken_rule))
            return False
        payload: bytes | None = item.payload
        checker = self._checkers[from_client]
        rule = checker.check(item)
        if self._inflaters:
            payload = self._inflaters[from_client].inflate(item)
        if item.opcode is not Opcode.BINARY:
            rule = checker.check_text(item, payload) or rule
        kept, cut, digest = item.payload if payload is None else payload, item.cut, item.digest
        if len(kept) > self._max_payload:
            kept, cut, digest = self._limited(item, kept)
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

    def _limited(self, frame: Frame, payload: bytes) -> tuple[bytes, int, str | None]:
        """What is kept of a frame's payload, how much is not, and the digest of the whole."""
        over = len(payload) - self._max_payload
        if over <= 0 or frame.control:
            return payload, frame.cut, frame.digest
        digest = frame.digest
        if not frame.cut:
            digest = hashlib.sha256(frame.payload).hexdigest()
        return payload[: self._max_payload], frame.cut + over, digest
