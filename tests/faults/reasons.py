"""Why an end may see through the recorder what it would not see without it."""

from __future__ import annotations

from .table import PRELUDES, Fault

ANSWERS = "502"
HEADS = "whole heads"
SESSIONS = "two TLS sessions"
ENDS = "ends before the 101"
AHEAD = "connects ahead"
SILENT = "no alert"

REASONS = {
    ANSWERS: "Up to the 101 the app speaks HTTP with mitmproxy, which has accepted its connection "
    "and its TLS before it knows the upstream. What goes wrong behind it can only be told in HTTP: "
    "it answers 502, with the cause as text. The trace has the cause.",
    HEADS: "mitmproxy passes the head of a request or of an answer on when it is whole. Of a part "
    "nothing arrives.",
    SESSIONS: "TLS ends at the recorder, for else there is nothing to record. An alert, or what "
    "breaks TLS, is for one of the two sessions; the other side's connection is reset, before the "
    "101 closed.",
    ENDS: "Before the 101 mitmproxy does not tell a RST from a FIN, and takes either for an app "
    "that has left: it closes the upstream connection, and answers nothing. After the 101 the "
    "relay passes every end on as it came.",
    AHEAD: "mitmproxy connects before the app asks for anything, and once more for the request if "
    "that connection has ended.",
    SILENT: "mitmproxy closes the connection to a server whose certificate it refuses, without the "
    "alert that most libraries send.",
}

_TLS_ACTS = ("sends plain bytes into TLS", "sends a fatal TLS alert")


def reasons(fault: Fault) -> tuple[str, ...]:
    """The reasons for a fault to look different; none: it has to look the same."""
    if fault.stage in PRELUDES:
        return (SESSIONS,) if fault.what in _TLS_ACTS else ()
    if fault.by == "upstream":
        return _upstream(fault)
    return _client(fault)


def _upstream(fault: Fault) -> tuple[str, ...]:
    stalls = fault.what == "stalls for ever"
    match fault.stage:
        case "request in part":
            return (HEADS,) if stalls else (ANSWERS, AHEAD)
        case "answer in part" if fault.what == "sends garbage":
            return ()
        case "answer in part":
            return (HEADS,) if stalls else (ANSWERS, HEADS)
        case "TLS" if fault.what.startswith("certificate"):
            return (ANSWERS, SILENT)
    return () if stalls else (ANSWERS,)


def _client(fault: Fault) -> tuple[str, ...]:
    tls = fault.what in _TLS_ACTS
    match fault.stage, fault.what:
        case "TLS", "does not trust the CA":
            return (SESSIONS,)
        case "TLS", "speaks no TLS":
            return (ANSWERS,)
        case "TLS", "resets":
            return (ENDS,)
        case ("TLS", _) | ("instead of a request", _) | ("no answer yet", "vanishes"):
            return ()
        case "request in part", _:
            return (HEADS, SESSIONS) if tls else (HEADS, ENDS)
        case "answer in part", "vanishes":
            return (HEADS,)
        case "answer in part", _ if tls:
            return (HEADS, SESSIONS)
    return (SESSIONS,) if tls else (ENDS,)
