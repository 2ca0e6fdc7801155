"""What a recorder writes at the end of a trace: the same findings that `explain` shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wsproxy.catalog import Catalog
from wsproxy.errors import WsproxyError
from wsproxy.recorder.annotator import Annotation
from wsproxy.session import Session
from wsproxy.trace import FindingRecord

from .findings import diagnose
from .outcome import outcome


def annotate(
    session: Session,
    path: Path | None = None,
    rest: Callable[[], None] = lambda: None,
    *,
    catalog: Catalog,
) -> Annotation:
    """Explain a session that has ended.

    Args:
        session: as far as it is in memory.
        path: its trace, in which only the last records are missing; None: use what is in
            memory, without the rules.
        rest: called again and again; what it raises ends the reading.
    """
    complete = _read(session, path, rest, catalog) if path is not None else None
    findings = diagnose(complete or session, catalog, measured=complete is not None)
    records = [
        FindingRecord(session.duration_ns, f.id, f.severity, f.title, [e.text for e in f.evidence])
        for f in findings
    ]
    found = outcome(complete, findings) if complete is not None else None
    return Annotation(records, found.kind if found is not None else None)


def _read(
    session: Session, path: Path, rest: Callable[[], None], catalog: Catalog
) -> Session | None:
    """Read all of a session: from memory if it is short, else from its trace.

    Returns:
        None if it cannot be read.
    """
    complete = session.analyzed(catalog)
    if complete is not None:
        return complete
    try:
        complete = Session.read(path, catalog=catalog, rest=rest)
    except WsproxyError:
        return None
    if session.end is not None:
        complete.add(session.end)
    return complete
