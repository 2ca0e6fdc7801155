"""Why an end may see through the recorder what it would not see without it."""

from __future__ import annotations

from .table import PRELUDES, Case, Fault

ANSWERS = "502"
HEADS = "complete heads"
SESSIONS = "two TLS sessions"
ENDS = "ends before the 101"
AHEAD = "connects early"
SILENT = "no alert"
CLOSES = "closes"
EITHER = "TLS is optional"
HTTP = "HTTP only"
BOTH = "FIN is close-notify"

REASONS = {
    ANSWERS: "Until the 101 the app speaks HTTP with mitmproxy, which accepts its connection and "
    "its TLS before it connects to the upstream. mitmproxy reports an upstream failure in HTTP: "
    "with a 502 and the cause as text. The trace also has the cause.",
    HEADS: "mitmproxy forwards the head of a request or of a response when it is complete. A "
    "partial head is not forwarded.",
    SESSIONS: "TLS ends at the recorder; otherwise there is nothing to record. An alert, or data "
    "that breaks TLS, affects one of the two TLS sessions. The other side's connection is reset; "
    "before the 101 it is closed.",
    ENDS: "Before the 101 mitmproxy does not distinguish a RST from a FIN, and treats both as an "
    "app that has disconnected. It closes the upstream connection and sends no response. After "
    "the 101 the relay forwards every end unchanged.",
    AHEAD: "mitmproxy connects before the app sends a request. If that connection has ended, it "
    "connects again for the request.",
    SILENT: "mitmproxy closes the connection to a server whose certificate it rejects, without "
    "the alert that most libraries send.",
    CLOSES: "In reverse mode mitmproxy connects to the upstream as soon as the app connects. If "
    "that fails it closes the app's connection, and the trace has the cause.",
    EITHER: "The port of reverse mode accepts connections with TLS and without. An app that does "
    "not use TLS by mistake gets a response.",
    HTTP: "In reverse mode mitmproxy expects HTTP, and answers anything else with 400.",
    BOTH: "Without TLS there is one way to end a direction, FIN. With TLS there are two, and the "
    "correct one is a close-notify before the FIN. A peer that waits for the close-notify would "
    "wait forever. A FIN from the end without TLS therefore reaches the end with TLS as both.",
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
        case "TLS", "does not use TLS" if case.fault.by == "client":
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
    return ("stalls forever", "sends an HTTP page") if case.server_tls else ("sends garbage",)


def _alike(fault: Fault) -> tuple[str, ...]:
    """The reasons where both ends have TLS, or neither."""
    if fault.stage in PRELUDES:
        return (SESSIONS,) if fault.what in _TLS_ACTS else ()
    if fault.by == "upstream":
        return _upstream(fault)
    return _client(fault)


def _upstream(fault: Fault) -> tuple[str, ...]:
    stalls = fault.what == "stalls forever"
    match fault.stage:
        case "partial request":
            return (HEADS,) if stalls else (ANSWERS, AHEAD)
        case "partial response" if fault.what == "sends garbage":
            return ()
        case "partial response":
            return (HEADS,) if stalls else (ANSWERS, HEADS)
        case "TLS" if fault.what.startswith("certificate"):
            return (ANSWERS, SILENT)
    return () if stalls else (ANSWERS,)


def _client(fault: Fault) -> tuple[str, ...]:
    tls = fault.what in _TLS_ACTS
    match fault.stage, fault.what:
        case "TLS", "does not trust the CA":
            return (SESSIONS,)
        case "TLS", "does not use TLS":
            return (ANSWERS,)
        case "TLS", "resets":
            return (ENDS,)
        case ("TLS", _) | ("instead of a request", _) | ("no response yet", "vanishes"):
            return ()
        case "partial request", _:
            return (HEADS, SESSIONS) if tls else (HEADS, ENDS)
        case "partial response", "vanishes":
            return (HEADS,)
        case "partial response", _ if tls:
            return (HEADS, SESSIONS)
    return (SESSIONS,) if tls else (ENDS,)
