"""Turns one session, as it happens, into a trace.

Used by the capture addon's writer thread and by replay, so that a replayed session is
recorded by the very code that recorded the first one. Not thread-safe: one thread
owns a recording.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy import __version__
from wsproxy.session import Session
from wsproxy.trace import (
    SUFFIX,
    VERSION,
    Bytes,
    End,
    Eof,
    Finding,
    FrameRecord,
    Gap,
    Record,
    Response,
    Start,
    TraceWriter,
)
from wsproxy.trace.lock import hold
from wsproxy.wire import (
    Deflate,
    Frame,
    FrameParser,
    Garbage,
    Inflater,
    Opcode,
    RuleChecker,
    header,
)

FLUSH_AFTER_NS = 90_000_000  # a block is written once its first record is this old

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # of providers and APIs in the catalog

Diagnose = Callable[[Session], list[Finding]]


@dataclass(frozen=True, slots=True)
class Clock:
    """Times of a session: monotonic, from its start.

    Attributes:
        started_at_ns: Unix time of the session's start, ns.
        origin_ns: the monotonic clock at the session's start, ns.
    """

    started_at_ns: int
    origin_ns: int

    @classmethod
    def start(cls) -> Clock:
        return cls(time.time_ns(), time.monotonic_ns())

    def now(self) -> int:
        """Nanoseconds since the session's start."""
        return time.monotonic_ns() - self.origin_ns


def new_start(clock: Clock, **values: object) -> Start:
    """The first record of a new session, with a fresh id."""
    fields: dict[str, object] = {"wsproxy": __version__, **values}
    return Start(
        t_ns=0,
        version=VERSION,
        session=secrets.token_hex(8),
        started_at_ns=clock.started_at_ns,
        **fields,  # type: ignore[arg-type]  # checked by Start's own callers
    )


def trace_path(folder: Path, start: Start) -> Path:
    """Where a session's trace goes; nothing in the name comes from the traffic.

    Nor from another trace that this one replays, which may say anything to be its provider.
    """
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start.started_at_ns / 1e9))
    names = [name for name in (start.provider, start.api) if name and _NAME.fullmatch(name)]
    return folder / "-".join([when, *(names or ["websocket"]), f"{start.session[:8]}{SUFFIX}"])


class Recording:
    """One session on its way to disk.

    A file that cannot be written never stops a session: what could not be written is
    counted, and told in a gap record as soon as the file can be written again.

    Args:
        path: the trace to create, mode 0600. It must not exist.
        start: the first record.
        diagnose: names the findings when the session ends.
        max_payload: bytes of one frame that are kept.

    Raises:
        OSError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        start: Start,
        *,
        diagnose: Diagnose | None = None,
        max_payload: int = 64 << 20,
    ) -> None:
        self.path = path
        self.session = Session()
        self.error: OSError | None = None
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        # It gets its name once it can be read: no trace is ever an empty file.
        unnamed = path.with_name(f".{path.name}.new")
        fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = open(fd, "wb", buffering=0)  # noqa: SIM115  # closed by end()
        hold(fd)  # nobody recovers what is still being written
        self._writer = TraceWriter(self._file, start.session)
        self._diagnose = diagnose
        self._parsers = {side: FrameParser(max_payload=max_payload) for side in (True, False)}
        self._inflaters: dict[bool, Inflater] = {}
        self._checkers = {side: RuleChecker(from_client=side) for side in (True, False)}
        self._pending_since: int | None = None
        self._lost: Gap | None = None
        self.ended = False
        self.add(start)
        self.flush()
        unnamed.rename(path)

    # -- what happened

    def add(self, record: Record) -> None:
        """Take a record that needs no reading of bytes: start, request, failure, gap."""
        self.session.add(record)
        self._write(record)

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
        for item in self._parsers[from_client].feed(data):
            close |= self._take(t_ns, from_client, item)
        return close

    def eof(self, eof: Eof) -> None:
        """One direction has ended; what is left of a frame is kept as bytes."""
        for item in self._parsers[eof.from_client].end():
            self._take(eof.t_ns, eof.from_client, item)
        self.add(eof)

    def message(self, t_ns: int, from_client: bool, opcode: Opcode, payload: bytes) -> None:
        """Take a whole message or a Close as the stock layer saw it (capture level "messages")."""
        self.add(FrameRecord(t_ns, from_client, int(opcode), payload, wire_length=len(payload)))

    def end(self, t_ns: int, ending: str | None = None) -> None:
        """The session is over: diagnose it, write the end record, close the file.

        Args:
            t_ns: when.
            ending: what to call it where the records show none: "stopped" if the
                recorder was.
        """
        if self.ended:
            return
        self.ended = True
        for side in (True, False):
            for item in self._parsers[side].end():
                self._take(t_ns, side, item)
        end = self._end_record(t_ns, self.session.derived_ending or ending or "unfinished")
        self.session.add(end)
        findings = self._diagnose(self.session) if self._diagnose else []
        for finding in findings:
            self.add(finding)
        end = replace(
            end,
            complete=not self.session.gaps and self._lost is None,
            findings=[finding.id for finding in findings],
        )
        self.add(end)
        try:
            self._writer.finish()
        except OSError as error:
            self.error = error
        finally:
            self._file.close()

    # -- to disk

    def flush(self) -> None:
        """Write what is pending."""
        self._pending_since = None
        pending = self._writer.pending
        if not pending:
            return
        try:
            self._writer.flush()
        except OSError as error:
            self._lose(pending, error)

    def due(self, now_ns: int) -> bool:
        """Whether the oldest pending record is too old to stay in memory alone.

        Args:
            now_ns: on the session's clock.
        """
        return self._pending_since is not None and now_ns - self._pending_since >= FLUSH_AFTER_NS

    def _write(self, record: Record) -> None:
        if self._lost is not None and not self._tell_gap(record.t_ns):
            return
        pending = self._writer.pending
        try:
            self._writer.write(record)
        except OSError as error:
            self._lose(pending + 1, error)
        if self._writer.pending and self._pending_since is None:
            self._pending_since = record.t_ns
        elif not self._writer.pending:
            self._pending_since = None

    def _lose(self, records: int, error: OSError) -> None:
        self.error = error
        t_ns = self.session.last_ns
        if self._lost is None:
            self._lost = Gap(t_ns, t_ns, f"cannot write: {error.strerror or error}", 0)
        self._lost = replace(self._lost, until_ns=t_ns, records=self._lost.records + records)

    def _tell_gap(self, t_ns: int) -> bool:
        """Try to write the gap record by itself; while that fails the disk is still out."""
        assert self._lost is not None
        gap = replace(self._lost, until_ns=t_ns)
        try:
            self._writer.write(gap)
            self._writer.flush()
        except OSError:
            self._lost = replace(gap, records=gap.records + 1)
            return False
        self.session.add(gap)
        self._lost = None
        return True

    # -- bytes to records

    def _take(self, t_ns: int, from_client: bool, item: Frame | Garbage) -> bool:
        if isinstance(item, Garbage):
            self.add(Bytes(t_ns, from_client, item.data, item.broken_rule))
            return False
        payload: bytes | None = item.payload
        rule = self._checkers[from_client].check(item)
        if self._inflaters:
            payload = self._inflaters[from_client].inflate(item)
        self.add(
            FrameRecord(
                t_ns,
                from_client,
                int(item.opcode),
                item.payload if payload is None else payload,
                item.fin,
                item.rsv,
                item.mask,
                item.wire_length,
                payload is None,
                item.cut,
                rule,
            )
        )
        return item.opcode is Opcode.CLOSE

    def _end_record(self, t_ns: int, ending: str) -> End:
        session = self.session
        # closed_by follows from the ending, so the fold is asked after it has an end.
        probe = End(t_ns, ending)
        session.end = probe
        close = session.close
        return replace(
            probe,
            closed_by=session.closed_by,
            close_code=close.code if close else None,
            close_reason=close.reason if close else None,
            frames_sent=session.sent.frames,
            frames_received=session.received.frames,
            bytes_sent=session.sent.size,
            bytes_received=session.received.size,
        )
