"""The end record that follows from the other records of a session."""

from __future__ import annotations

from dataclasses import replace

from wsproxy.session import Session
from wsproxy.trace import End
from wsproxy.trace.records import MAX_INT


def end_record(session: Session, t_ns: int, ending: str) -> End:
    """What an end record says of a session; the session has it as its own from then on.

    Args:
        ending: one of ENDINGS.
    """
    # closed_by follows from the ending, so the fold is asked after it has an end.
    session.end = End(t_ns, ending)
    close = session.close
    session.end = replace(
        session.end,
        closed_by=session.closed_by,
        close_code=close.code if close else None,
        close_reason=close.reason if close else None,
        frames_sent=session.sent.frames,
        frames_received=session.received.frames,
        # Lengths that a trace from elsewhere only claims may add up to anything.
        bytes_sent=min(session.sent.size, MAX_INT),
        bytes_received=min(session.received.size, MAX_INT),
        heuristic_redactions=session.heuristic_redactions or None,
    )
    return session.end
