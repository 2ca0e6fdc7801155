"""How a session ended, and which side ended it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsproxy.trace import End, Eof, Failure, Request, Response
from wsproxy.wire import is_upgrade

from .direction import Direction
from .messages import CloseInfo

_NORMAL_CODES = (1000, 1001, None)


class EndingFacts(Protocol):
    """What a session knows of its end; `Session` describes each."""

    request: Request | None
    response: Response | None
    end: End | None
    closes: list[CloseInfo]
    failures: list[Failure]
    sent: Direction
    received: Direction

    @property
    def accepted(self) -> bool: ...
    @property
    def first_ended(self) -> Eof | None: ...
    @property
    def duration_ns(self) -> int: ...


def recorded(session: EndingFacts) -> str:
    """The ending in the end record, or else the one that the records show."""
    if session.end is not None:
        return session.end.ending
    return derived(session) or "unfinished"


def derived(session: EndingFacts) -> str | None:
    """The ending that the records show, without the end record."""
    if session.response is not None and not session.accepted:
        return "refused" if _requested_upgrade(session.request) else "http"
    if session.closes:
        return "close"
    if session.first_ended is not None and session.accepted:
        return "reset" if session.first_ended.how == "reset" else "eof"
    if session.failures:
        return "failed"
    return None


def _requested_upgrade(request: Request | None) -> bool:
    return request is None or is_upgrade((h[0], h[1]) for h in request.headers)


def ended_by(session: EndingFacts) -> str | None:
    """Which side ended it: "client", "server", or None."""
    ending = recorded(session)
    if ending == "close" and session.closes:
        return _side(session.closes[0].from_client)
    if ending in ("eof", "reset") and session.first_ended is not None:
        return _side(session.first_ended.from_client)
    if ending in ("refused", "http"):
        return "server"
    if ending == "failed" and session.failures:
        return _side_of_failure(session.failures)
    # The records that show it may be in a lost part of the trace.
    return session.end.closed_by if session.end is not None else None


def _side_of_failure(failures: Sequence[Failure]) -> str | None:
    first = failures[0]
    return None if first.where == "recorder" else _side(first.from_client)


def _side(from_client: bool) -> str:
    return "client" if from_client else "server"


def time_of_end(session: EndingFacts) -> int:
    """When its first Close frame came, or else when the connection ended; ns."""
    if session.closes:
        return session.closes[0].t_ns
    for direction in (session.received, session.sent):
        if direction.ended is not None:
            return direction.ended.t_ns
    return session.duration_ns


def is_failure(session: EndingFacts) -> bool:
    """Whether the ending is not a normal one."""
    ending = recorded(session)
    if ending != "close":
        return ending not in ("stopped", "unfinished")
    lost = session.end.close_code if session.end is not None else None
    code = session.closes[0].code if session.closes else lost
    return code not in _NORMAL_CODES
