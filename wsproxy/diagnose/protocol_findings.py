"""Findings about the WebSocket protocol itself, and about what a trace lacks."""

from __future__ import annotations

from wsproxy.session import Session
from wsproxy.wire import accept_key
from wsproxy.wording import plural

from .evidence import Evidence, quoted, seconds
from .finding import Finding

_MAX_FRAMES = 20  # frame numbers in a finding


def wrong_accept_key(session: Session) -> list[Finding]:
    """A wrong Sec-WebSocket-Accept: a strict client fails the connection (section 4.1)."""
    key = session.request_header("sec-websocket-key")
    if not session.accepted or key is None:
        return []
    accept = session.response_header("sec-websocket-accept")
    if accept == accept_key(key):
        return []
    got = "none" if accept is None else quoted(accept)
    text = f"Sec-WebSocket-Accept is {got}; the request's key requires {accept_key(key)}"
    return [
        Finding(
            "protocol.wrong-accept-key",
            "error",
            "The upgrade response has a wrong Sec-WebSocket-Accept",
            "The peer does not implement the WebSocket protocol, or answered another request. "
            "Libraries reject the connection even though the status is 101.",
            [Evidence(text)],
            ["A cache or gateway on the path answered", "A server with its own handshake code"],
            ["Check the proxies and gateways between the app and the API"],
            "fix-first",
            source={"document": "RFC 6455", "section": "4.1", "url": ""},
        )
    ]


def protocol_violations(session: Session) -> list[Finding]:
    """Frames and bytes that violate RFC 6455."""
    if not session.broken and not session.sent.garbage and not session.received.garbage:
        return []
    evidence = [
        Evidence(f"frame {number}: {rule}", (number,), session.time_of(number))
        for number, rule in session.broken[:_MAX_FRAMES]
    ]
    for side, direction in (("app", session.sent), ("server", session.received)):
        if direction.garbage:
            text = f"{direction.garbage} bytes from the {side} are not a valid frame"
            evidence.append(Evidence(text, (), None, float(direction.garbage), "bytes"))
    # An incomplete last frame is a consequence of the end, not a violation.
    severity = "warning" if session.broken else "info"
    return [
        Finding(
            "protocol.broken-frames",
            severity,
            "Bytes that violate RFC 6455" if session.broken else "An incomplete frame",
            "A library that receives such a frame fails the connection.",
            evidence,
            remedies=["Check the library or gateway that sent these bytes"],
            source={"document": "RFC 6455", "section": "5 and 7", "url": ""},
        )
    ]


def trace_losses(session: Session) -> list[Finding]:
    """What the trace does not contain: gaps and losses."""
    evidence = [
        Evidence(
            f"from {seconds(g.t_ns):.3f} s to {seconds(g.until_ns):.3f} s: {quoted(g.reason, 200)}"
            + (f" ({plural(g.records, 'record')})" if g.records else "")
            + (f" ({g.size} bytes)" if g.size else ""),
            (),
            g.t_ns,
            seconds(g.until_ns - g.t_ns),
            "s",
        )
        for g in session.gaps
    ]
    evidence += [Evidence(quoted(str(loss), 200)) for loss in session.losses[:_MAX_FRAMES]]
    if not evidence:
        return []
    return [
        Finding(
            "trace.incomplete",
            "info",
            "The trace is incomplete",
            "The findings cannot include what the trace does not contain.",
            evidence,
            retry="no-error",
            source={"document": "docs/trace-format.md", "section": "", "url": ""},
        )
    ]
