"""Write the recording of an attempt as a trace that states its origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from wsproxy.catalog import Catalog
from wsproxy.diagnose.annotation import annotate
from wsproxy.errors import UsageError
from wsproxy.recorder import OfflineTraceWriter
from wsproxy.redact import hide_bytes
from wsproxy.session import Session
from wsproxy.trace import End, FindingRecord, FrameRecord, Record, Start, TraceReader
from wsproxy.trace.atomic_file import Replacement, check_free, new_file
from wsproxy.wire import Opcode


def check_writable(out: Path, trace: Path, *, force: bool) -> None:
    """Check that a trace can be written, before the search begins.

    Raises:
        UsageError: it cannot be written, or the file exists.
    """
    if out.is_dir():
        raise UsageError(f"{out} is a folder; give the name of a file")
    check_free(out, force=force, source=trace)
    try:
        with Replacement(out):
            pass  # the temporary file is removed
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror or error}") from None


def write(
    recorded: Path,
    out: Path,
    *,
    origin: str,
    changes: Sequence[str],
    catalog: Catalog,
    credentials: tuple[str, ...] = (),
    force: bool = False,
) -> Session:
    """Copy the recording of an attempt. The file gets its name once it is complete.

    Args:
        origin: id of the session that was distilled.
        changes: what was done to it, one line each.
        catalog: for the findings.
        credentials: values that were filled into messages and must be redacted.
        force: replace an existing file.

    Raises:
        UsageError: the trace cannot be written.
        TraceError: the recording cannot be read.
    """
    with new_file(out, force=force) as new, TraceReader(recorded) as reader:
        records = iter(reader)
        start = next(records)
        assert isinstance(start, Start)  # every replay begins with it
        start = replace(start, mode="distill", origin=origin, changes=list(changes))
        trace = OfflineTraceWriter(new.file, start, partial(annotate, catalog=catalog))
        end = None
        for record in records:
            match record:
                case End():
                    end = record
                case FindingRecord():
                    pass  # the writer adds new ones
                case _:
                    trace.add(_redact(record, credentials))
        if end is not None:
            trace.end(end.t_ns, end.ending)
        else:
            trace.end(trace.session.last_ns, "unfinished")
    return trace.session


def _redact(record: Record, credentials: tuple[str, ...]) -> Record:
    if not isinstance(record, FrameRecord) or record.opcode != Opcode.TEXT or not credentials:
        return record
    payload = hide_bytes(record.payload, credentials)
    if payload == record.payload:
        return record
    redacted = replace(record, payload=payload, rsv=record.rsv & 3)
    return replace(redacted, wire_length=len(redacted.frame.serialize()))
