"""Rewrites a trace that a crash, a power cut or a bad disk has damaged as a clean one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol

from wsproxy.errors import TraceError, UsageError

from . import (
    VERSION,
    End,
    FindingRecord,
    FrameRecord,
    Gap,
    Loss,
    Record,
    Request,
    Start,
    TraceReader,
    bounded,
)
from .atomic_file import Replacement, sweep
from .lock import is_held
from .parts import later_parts, part_of, part_path

_NO_END = "the recording breaks off here: the recorder, or its machine, stopped without warning"
_NO_START = "the beginning of the recording is lost, and when the session began is an estimate"


class TraceSink(Protocol):
    """Writes the clean trace. The start record is written when the sink is opened.

    Raises:
        OSError: from the file, by any method.
    """

    def add(self, record: Record) -> None:
        """Write the next record unchanged."""

    def end(self, t_ns: int, ending: str) -> None:
        """Write the findings and the end record that follow from the records so far.

        Args:
            ending: the ending if the records do not show one.
        """

    def end_incomplete(self, recorded: End) -> None:
        """Do the same for a trace with missing records whose ending is known.

        Args:
            recorded: the end record of the damaged trace; its counts are not used.
        """

    def finish(self) -> None:
        """Write pending records and the seek table."""


Recognize = Callable[[str, str], tuple[str | None, str | None]]
OpenSink = Callable[[BinaryIO, Start], TraceSink]


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """The result of `recover`.

    Attributes:
        source: the trace that was read.
        later: files of its later parts; they are superfluous once `source` is replaced.
        path: the clean trace, None if none was needed.
        losses: parts of the source that could not be read and that held records, or may have.
        ended: whether the source had its end record.
        frames_missing: frames that the source's end record counts and that could not be read;
            0 without an end record.
    """

    source: Path
    later: list[Path]
    path: Path | None
    losses: list[Loss]
    ended: bool
    frames_missing: int

    @property
    def complete(self) -> bool:
        """Whether nothing that was recorded is missing."""
        return self.ended and not self.losses


class _Facts:
    """What the clean trace needs to know of the source: a fold that keeps no frames.

    Attributes:
        start, end: the records, None if they are lost.
        host, path: of the request; None and empty without one.
        last_ns: the latest time of a record.
        losses: parts of the source that held records, or may have.
        clean: whether the source has all that belongs to it and nothing else.
    """

    def __init__(self) -> None:
        self.start: Start | None = None
        self.end: End | None = None
        self.host: str | None = None
        self.path = ""
        self.last_ns = 0
        self.losses: list[Loss] = []
        self.clean = False
        self._frames = 0

    @classmethod
    def read(cls, source: Path) -> _Facts:
        """Read a trace. Unreadable bytes behind its end record are no loss."""
        facts = cls()
        losses_at_end = 0
        with TraceReader(source) as reader:
            for record in bounded(reader):
                facts._add(record)
                if isinstance(record, End):
                    losses_at_end = len(reader.losses)
            facts.losses = reader.losses
            facts.clean = not facts.losses and reader.last() is not None
        if facts.end is not None and all(loss.at_end for loss in facts.losses[losses_at_end:]):
            facts.losses = facts.losses[:losses_at_end]
        return facts

    def _add(self, record: Record) -> None:
        self.last_ns = max(self.last_ns, record.t_ns)
        match record:
            case FrameRecord():
                self._frames += 1
            case Start():
                self.start = record
            case Request():
                self.host, self.path = record.host, record.path
            case End():
                self.end = record

    @property
    def complete(self) -> bool:
        return self.end is not None and not self.losses

    @property
    def frames_missing(self) -> int:
        counted = self.end.frames_sent + self.end.frames_received if self.end is not None else 0
        return max(0, counted - self._frames)


def recover(
    source: Path,
    out: Path,
    *,
    always: bool,
    open_sink: OpenSink,
    recognize: Recognize,
) -> RecoveryResult:
    """Write what can be read of a trace as a clean one, if it needs that.

    The clean trace has an end record and findings, and a gap record wherever something is
    missing. All other records are unchanged. It gets its name once it is complete and on the
    disk.

    Args:
        out: the new trace, which must not exist; or `source` itself, which is then replaced.
        always: write a complete trace too. Otherwise a complete one is rewritten only in
            place, and only to remove what does not belong to it.
        open_sink: opens the writer of the clean trace.
        recognize: provider and API of a host and a path, in case the start record is lost.

    Raises:
        TraceError: nothing in it can be read.
        LimitExceeded: it holds more than may be read.
        UsageError: it is a later part of a trace, or still being written, or the new trace
            cannot be written.
    """
    later = _check_free(source)
    facts = _Facts.read(source)
    path = None
    if always or not facts.complete or (out == source and not facts.clean):
        _write(source, out, facts, open_sink, recognize)
        path = out
    ended = facts.end is not None
    return RecoveryResult(source, later, path, facts.losses, ended, facts.frames_missing)


def _write(
    source: Path, out: Path, facts: _Facts, open_sink: OpenSink, recognize: Recognize
) -> None:
    in_place = out == source
    if not in_place and out.exists():
        raise UsageError(f"{out} already exists; choose another name")
    sweep(out.parent)
    try:
        with Replacement(out, replace=in_place) as new:
            with TraceReader(source) as reader:
                start = facts.start or _start(source, facts, reader, recognize)
                _copy(reader, open_sink(new.file, start), start, facts)
            new.commit()
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None


def _check_free(source: Path) -> list[Path]:
    """Check that no recorder writes to a trace; returns the files of its later parts."""
    first, number = part_of(source)
    if number > 1 and first.exists():
        raise UsageError(f"{source} is a part of a trace; name the first one, {first.name}")
    later = [part_path(first, each) for each in later_parts(first, number)]
    for path in (source, *later):
        try:
            held = is_held(path)
        except OSError as error:
            raise TraceError(f"cannot read {path}: {error.strerror or error}") from None
        if held:
            raise UsageError(f"{path} is still being written; end its recorder first")
    return later


def _start(source: Path, facts: _Facts, reader: TraceReader, recognize: Recognize) -> Start:
    """A start record in place of a lost one, from the file's times and the request."""
    session = next((reader.session for _ in reader), None) or "unknown"
    provider, api = None, None
    if facts.host is not None:
        provider, api = recognize(facts.host, facts.path)
    # The file was last changed when the last block was written.
    began = max(0, source.stat().st_mtime_ns - facts.last_ns)
    return Start(0, VERSION, session, began, provider=provider, api=api)


def _copy(reader: TraceReader, sink: TraceSink, start: Start, facts: _Facts) -> None:
    """Write the records of the clean trace, in their order."""
    last_ns = start.t_ns
    for record in _body(reader, facts):
        last_ns = max(last_ns, record.t_ns)
        sink.add(record)
    if facts.end is None:
        sink.end(last_ns, "unfinished")
        return
    end = replace(facts.end, parts=None)  # all parts become one file
    if facts.complete:
        sink.add(end)
        sink.finish()
    else:
        sink.end_incomplete(end)


def _body(reader: TraceReader, facts: _Facts) -> Iterator[Record]:
    """The records between start and end, gaps where some are missing.

    Findings are kept if nothing is missing.
    """
    if facts.start is None:
        yield Gap(0, 0, _NO_START)
    reported: tuple[int, Loss | None] = (0, None)
    now_ns = 0
    for record in bounded(reader):
        if (losses := _count(reader)) != reported:
            yield Gap(now_ns, max(now_ns, record.t_ns), _reason(reader.losses[reported[0] :]))
            reported = losses
        now_ns = max(now_ns, record.t_ns)
        if isinstance(record, Start | End) or (
            isinstance(record, FindingRecord) and not facts.complete
        ):
            continue
        yield record
    if facts.end is None:
        lost = reader.losses[reported[0] :]
        yield Gap(now_ns, now_ns, f"{_NO_END}; {_reason(lost)}" if lost else _NO_END)


def _count(reader: TraceReader) -> tuple[int, Loss | None]:
    """Changes with each loss: beyond MAX_LOSSES the last one grows instead of their number."""
    return len(reader.losses), reader.losses[-1] if reader.losses else None


def _reason(losses: list[Loss]) -> str:
    if not losses:
        return "more of the file is not readable"
    first, *others = losses
    more = f" (and {len(others)} more)" if others else ""
    return f"of the recorder's file, {first}{more}"
