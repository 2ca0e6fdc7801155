"""The end record of a session, derived from its other records."""

from __future__ import annotations

from dataclasses import replace

from wsproxy.session import Session
from wsproxy.trace import End
from wsproxy.trace.records import MAX_INT


def end_record(session: Session, t_ns: int, ending: str) -> End:
    """The end record of a session; it becomes `session.end`.

    Args:
        ending: one of ENDINGS.
    """
    # closed_by depends on the ending, so the session needs one before it is read.
    session.end = End(t_ns, ending)
    close = session.close
    session.end = replace(
        session.end,
        closed_by=session.closed_by,
        close_code=close.code if close else None,
        close_reason=close.reason if close else None,
        frames_sent=session.sent.frames,
        frames_received=session.received.frames,
        # Lengths that an untrusted trace claims may add up to any number.
        bytes_sent=min(session.sent.size, MAX_INT),
        bytes_received=min(session.received.size, MAX_INT),
        heuristic_redactions=session.heuristic_redactions or None,
    )
    return session.end
