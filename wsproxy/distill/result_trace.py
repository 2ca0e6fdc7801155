"""The recording of an attempt, as a trace of its own that says what it came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from wsproxy.catalog import Catalog
from wsproxy.diagnose import annotate
from wsproxy.errors import UsageError
from wsproxy.recorder import OfflineTraceWriter
from wsproxy.redact import hide_bytes
from wsproxy.session import Session
from wsproxy.trace import End, FindingRecord, FrameRecord, Record, Start, TraceReader
from wsproxy.trace.atomic_file import Replacement, check_free, new_file
from wsproxy.wire import Opcode


def check_place(out: Path, trace: Path, *, force: bool) -> None:
    """See that a trace can be written there, before anything is done for it.

    Raises:
        UsageError: it cannot, or there is a file already.
    """
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give the name of a file")
    check_free(out, force=force, source=trace)
    try:
        with Replacement(out):
            pass  # it is taken away again
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None


def write(
    recorded: Path,
    out: Path,
    *,
    origin: str,
    changes: Sequence[str],
    catalog: Catalog,
    secrets: tuple[str, ...] = (),
    force: bool = False,
) -> Session:
    """Copy the recording of an attempt. The file has its name once it is complete.

    Args:
        origin: id of the session that it was distilled from.
        changes: what was done to that one, a line each.
        catalog: by whose conditions it is explained.
        secrets: credentials that were put into messages, to be taken out again.
        force: replace what is there.

    Raises:
        UsageError: it cannot be written.
        TraceError: the recording cannot be read.
    """
    with new_file(out, force=force) as new, TraceReader(recorded) as reader:
        records = iter(reader)
        start = next(records)
        assert isinstance(start, Start)  # a replay wrote it
        start = replace(start, mode="distill", origin=origin, changes=list(changes))
        trace = OfflineTraceWriter(new.file, start, partial(annotate, catalog=catalog))
        end = None
        for record in records:
            match record:
                case End():
                    end = record
                case FindingRecord():
                    pass  # they are found anew
                case _:
                    trace.add(_hidden(record, secrets))
        if end is not None:
            trace.end(end.t_ns, end.ending)
        else:
            trace.end(trace.session.last_ns, "unfinished")
    return trace.session


def _hidden(record: Record, secrets: tuple[str, ...]) -> Record:
    if not isinstance(record, FrameRecord) or record.opcode != Opcode.TEXT or not secrets:
        return record
    payload = hide_bytes(record.payload, secrets)
    if payload == record.payload:
        return record
    hidden = replace(record, payload=payload, rsv=record.rsv & 3)
    return replace(hidden, wire_length=len(hidden.frame.serialize()))
