"""Why an end may see through the recorder what it would not see without it."""

from __future__ import annotations

from .table import PRELUDES, Case, Fault

ANSWERS = "502"
HEADS = "whole heads"
SESSIONS = "two TLS sessions"
ENDS = "ends before the 101"
AHEAD = "connects ahead"
SILENT = "no alert"
CLOSES = "closes"
EITHER = "TLS or not"
HTTP = "HTTP only"
BOTH = "FIN is close-notify"

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
    CLOSES: "In reverse mode mitmproxy connects to the upstream as soon as the app connects. If "
    "that fails it closes the app's connection, and the trace has the cause.",
    EITHER: "The port of reverse mode takes connections with TLS and without: what an app sends "
    "without TLS by mistake is answered.",
    HTTP: "In reverse mode mitmproxy expects HTTP, and answers 400 to what is none.",
    BOTH: "Without TLS there is one way to end a direction, FIN. With TLS there are two, and the "
    "proper one is a close-notify before the FIN: a peer that waits for it would wait in vain. So "
    "a FIN from the end without TLS reaches the end with TLS as both.",
}

_TLS_ACTS = ("sends plain bytes into TLS", "sends a fatal TLS alert")


def reasons(case: Case) -> tuple[str, ...]:
    """The reasons for a case to look different; none: it has to look the same."""
    mixed = _mixed(case) if case.is_mixed else None
    return _alike(case.fault) if mixed is None else mixed


def _mixed(case: Case) -> tuple[str, ...] | None:
    """The reasons that only mixed schemes have, and reverse mode; None: those of the others."""
    match case.fault.stage, case.fault.what:
        case "connect", _ if not case.fault.gives_up:
            return (CLOSES,)
        case "TLS", "speaks no TLS" if case.fault.by == "client":
            return (ANSWERS, EITHER)
        case "instead of a request", _:
            return (HTTP,)
        case stage, what if stage in PRELUDES and what in _bare_fin(case):
            return (BOTH,)
    return None


def _bare_fin(case: Case) -> tuple[str, ...]:
    """The faults after which the end without TLS sends a FIN that has no close-notify directly."""
    if case.fault.by == "client":
        return ("vanishes", "sends garbage") if case.server_tls else ()
    return ("stalls for ever", "sends an HTTP page") if case.server_tls else ("sends garbage",)


def _alike(fault: Fault) -> tuple[str, ...]:
    """The reasons where both ends have TLS, or neither."""
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
