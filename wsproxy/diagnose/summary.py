"""How a session ended, in one sentence."""

from __future__ import annotations

from wsproxy.catalog import Catalog, candidates
from wsproxy.session import Session

from .evidence import quoted, seconds
from .session_facts import SessionFacts

_REASON = 125  # characters of a close reason: all of it
_MEASURED = 95_000_000  # ns from which on a time is given in seconds


def summary(session: Session, catalog: Catalog, *, with_reason: bool = True) -> str:
    """How the session ended, in one sentence.

    Args:
        with_reason: whether the reason of a Close frame is in it.
    """
    facts = SessionFacts(session, catalog)
    host = quoted(session.request.host) if session.request else "the server"
    server = facts.server_name
    sides = {"client": _capital(facts.client_name), "server": server}
    who = sides.get(session.closed_by or "", "Nobody")
    opened = session.opened_ns
    after = f" {_lasting(facts.ended_ns - opened)} after the upgrade" if opened else ""
    match session.ending:
        case "close" if session.close is not None:
            code = session.close.code
            reason = _reason(session.close.reason) if with_reason else ""
            how = "without a code" if code is None else f"with {code} {reason}".rstrip(" .")
            return f"{who} closed the session{after} {how}{_dropped(session)}."
        case "refused" | "http" if session.response is not None:
            what = "the upgrade" if session.ending == "refused" else "the request"
            name = intermediary(session, catalog)
            refused_by = f"{name} (not {host})" if name else server
            return f"{refused_by} refused {what} with HTTP {session.response.status}."
        case "failed" if session.failure is not None:
            known = _WHERE.get(session.failure.where)
            where = known.format(host=host) if known else session.failure.where
            return f"The session did not start: {where}: {quoted(session.failure.message, 160)}."
        case "eof":
            return f"{who} ended the connection{after} without a Close frame."
        case "reset":
            return f"{who} reset the connection{after}."
        case "stopped":
            return "The recorder was stopped while the session was open."
        case _:
            return (
                "The trace ends while the session is open: "
                "the recorder is still running, or was killed."
            )


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _reason(reason: str) -> str:
    """A close reason; a sentence is in quotation marks, so that its end is seen."""
    shown = quoted(reason, _REASON).rstrip(" .")
    return f"“{shown}”" if " " in shown else shown


def _lasting(ns: int) -> str:
    return f"{seconds(ns):.1f} s" if ns >= _MEASURED else f"{ns / 1e6:.0f} ms"


def intermediary(session: Session, catalog: Catalog) -> str:
    """Who answered in place of the server; "" if the server answered."""
    hits = candidates(session, catalog)
    return hits[0].condition.intermediary if hits else ""


def _dropped(session: Session) -> str:
    """The suffix for a side that closed the session and also reset the connection."""
    by_client = session.closes[0].from_client
    ended = (session.sent if by_client else session.received).ended
    if ended is None or ended.how != "reset":
        return ""
    answered = any(close.from_client is not by_client for close in session.closes)
    return " and reset the connection" + ("" if answered else " before it was answered")


_WHERE = {
    "dns": "the host name {host} could not be resolved",
    "connect": "no connection to {host}",
    "proxy": "the upstream proxy refused",
    "tls-server": "TLS with the server failed",
    "tls-client": "TLS with the app failed",
    "handshake": "the opening handshake was interrupted",
    "http": "the HTTP exchange was interrupted",
    "request": "wsproxy could not forward the request",
    "recorder": "the recorder failed",
}
