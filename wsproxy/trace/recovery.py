"""Makes a clean trace of one that a crash, a power cut or a bad disk has left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from wsproxy.errors import TraceError, UsageError
from wsproxy.recorder import Diagnose, OfflineTraceWriter
from wsproxy.recorder.end_record import end_record
from wsproxy.session import Session, bounded

from . import VERSION, End, FindingRecord, Gap, Loss, Record, Start, TraceReader
from .atomic_file import Replacement, sweep
from .lock import is_held
from .parts import later_parts, part_of, part_path

Recognise = Callable[[str, str], tuple[str | None, str | None]]

_NO_END = "the recording breaks off here: the recorder, or its machine, stopped without warning"
_NO_START = "the beginning of the recording is lost, and when the session began is an estimate"


@dataclass(frozen=True, slots=True)
class RecoveryResult:
    """What became of a trace.

    Attributes:
        source: the trace that was read.
        later: files of its later parts; nobody needs them once `source` is replaced by a
            trace that has all.
        path: the clean trace; None: none is needed.
        session: what is in it.
        losses: parts of the source that could not be read and that held records, or may have.
        ended: whether the source had its end record.
        clean: whether there is nothing in the source that does not belong to it, and all
            that does.
        frames_missing: so many fewer frames than the source's end record has counted; 0
            without one.
    """

    source: Path
    later: list[Path]
    path: Path | None
    session: Session
    losses: list[Loss]
    ended: bool
    clean: bool
    frames_missing: int

    @property
    def whole(self) -> bool:
        """Whether nothing that was recorded is missing."""
        return self.ended and not self.losses


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the clean trace needs of the whole session, so that only one fold of it is held.

    Attributes:
        host, path: of the request; None and empty without one.
        whole, frames_missing: as in `RecoveryResult`.
    """

    start: Start | None
    end: End | None
    host: str | None
    path: str
    last_ns: int
    whole: bool
    frames_missing: int


def recover(
    source: Path,
    out: Path,
    *,
    always: bool,
    diagnose: Diagnose,
    recognise: Recognise,
) -> RecoveryResult:
    """Write what can be read of a trace as a clean one, if it needs that.

    It has an end record and findings, and a gap record wherever something is missing. All
    other records are as they were. It has its name once it is whole and on the disk.

    Args:
        out: the new trace, which is not there yet; or `source` itself, which is then replaced.
        always: also if nothing is missing in the source. Without that, one that is whole is
            written anew only in its own place, to rid it of what does not belong to it.
        diagnose: names the findings.
        recognise: provider and API of a host and a path, should the start record be lost.

    Raises:
        TraceError: nothing in it can be read.
        LimitExceeded: it holds more than may be read.
        UsageError: it is a later part of a trace, or still being written, or the new trace
            cannot be written.
    """
    later = _check_free(source)
    session, losses, clean = _read(source)
    facts = _facts(session, losses)
    path = None
    if always or not facts.whole or (out == source and not clean):
        # One fold of a trace from a stranger may hold half a gigabyte: never two at once.
        del session
        path, session = out, _write(source, out, facts, diagnose, recognise)
    return RecoveryResult(
        source, later, path, session, losses, facts.end is not None, clean, facts.frames_missing
    )


def _facts(session: Session, losses: list[Loss]) -> _Facts:
    request, end = session.request, session.end
    host, path = (request.host, request.path) if request is not None else (None, "")
    counted = end.frames_sent + end.frames_received if end is not None else 0
    return _Facts(
        session.start,
        end,
        host,
        path,
        session.last_ns,
        whole=end is not None and not losses,
        frames_missing=max(0, counted - session.sent.frames - session.received.frames),
    )


def _write(
    source: Path, out: Path, facts: _Facts, diagnose: Diagnose, recognise: Recognise
) -> Session:
    """Write the clean trace; what is in it now."""
    in_place = out == source
    if not in_place and out.exists():
        raise UsageError(f"{out} is there already; it is not overwritten")
    sweep(out.parent)
    try:
        with Replacement(out, replace=in_place) as new:
            with TraceReader(source) as reader:
                start = facts.start or _start(source, facts, reader, recognise)
                trace = OfflineTraceWriter(new.file, start, diagnose)
                _copy(bounded(reader), reader, trace, facts)
            new.commit()
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None
    return trace.session


def _check_free(source: Path) -> list[Path]:
    """Make sure that nobody writes a trace; returns the files of its later parts."""
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


def _read(source: Path) -> tuple[Session, list[Loss], bool]:
    """The facts of a trace, the losses among its records, and whether it is clean.

    What is not readable behind its end is no loss.
    """
    session = Session()
    after_end = 0
    with TraceReader(source) as reader:
        for record in bounded(reader):
            session.add(record)
            if isinstance(record, End):
                after_end = len(reader.losses)
        losses = reader.losses
        clean = not losses and reader.last() is not None
    if session.end is not None and all(loss.at_end for loss in losses[after_end:]):
        losses = losses[:after_end]
    return session, losses, clean


def _start(source: Path, facts: _Facts, reader: TraceReader, recognise: Recognise) -> Start:
    """In place of one that is lost: what the file and the request say."""
    session = next((reader.session for _ in reader), None) or "unknown"
    provider, api = None, None
    if facts.host is not None:
        provider, api = recognise(facts.host, facts.path)
    # The file was last changed when the last block was written.
    began = max(0, source.stat().st_mtime_ns - facts.last_ns)
    return Start(0, VERSION, session, began, provider=provider, api=api)


def _copy(
    records: Iterator[Record], reader: TraceReader, trace: OfflineTraceWriter, facts: _Facts
) -> None:
    """Write the records of the clean trace, in their order."""
    for record in _body(records, reader, facts):
        trace.add(record)
    # All parts become one file.
    old = replace(facts.end, parts=None) if facts.end is not None else None
    if old is None:
        trace.end(trace.session.last_ns, "unfinished")
    elif facts.whole:
        trace.add(old)
        trace.finish()
    else:
        # How it ended is known, even if what showed it is lost.
        counted = end_record(trace.session, old.t_ns, old.ending)
        trace.end_as(
            replace(
                counted,
                closed_by=old.closed_by,
                close_code=old.close_code,
                close_reason=old.close_reason,
                complete=False,
            )
        )


def _body(records: Iterator[Record], reader: TraceReader, facts: _Facts) -> Iterator[Record]:
    """All records behind the first, gaps where some are missing; findings if all is there."""
    if facts.start is None:
        yield Gap(0, 0, _NO_START)
    told: tuple[int, Loss | None] = (0, None)
    now_ns = 0
    for record in records:
        if (losses := _count(reader)) != told:
            yield Gap(now_ns, max(now_ns, record.t_ns), _reason(reader.losses[told[0] :]))
            told = losses
        now_ns = max(now_ns, record.t_ns)
        if isinstance(record, Start | End) or (
            isinstance(record, FindingRecord) and not facts.whole
        ):
            continue
        yield record
    if facts.end is None:
        lost = reader.losses[told[0] :]
        yield Gap(now_ns, now_ns, f"{_NO_END}; {_reason(lost)}" if lost else _NO_END)


def _count(reader: TraceReader) -> tuple[int, Loss | None]:
    """Tells whether there are more losses: from some number on the last one grows instead."""
    return len(reader.losses), reader.losses[-1] if reader.losses else None


def _reason(losses: list[Loss]) -> str:
    if not losses:
        return "more of the file is not readable"
    first, *others = losses
    more = f" (and {len(others)} more)" if others else ""
    return f"of the recorder's file, {first}{more}"
