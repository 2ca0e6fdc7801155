"""Findings of a session: the condition, its evidence, causes and remedies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wsproxy.catalog import GENERIC, TRAFFIC, Advice, Catalog, Condition, Hit, candidates, explains
from wsproxy.catalog.envelope import json_object
from wsproxy.session import Session
from wsproxy.wire import accept_key

from .evidence import Evidence, plural, quoted, seconds
from .measurements import CHECKS, handshake, silence_before_close, who_ended
from .outcome import is_consequence, rank
from .rules import RULES
from .session_facts import Measure, SessionFacts

_SEVERITIES = ("error", "warning", "info")
_MAX_FRAMES = 20  # frame numbers in a finding
_MAX_RELATED = 8  # related conditions in a finding
_MAX_NAME = 60  # characters of the name of an error
_MAX_NAMES = 40  # words that are compared with the names of conditions


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition of the catalog, or a fault in the traffic, with its evidence.

    Attributes:
        id: the id of the condition, or `unknown.*`, `protocol.*` or `trace.*`.
        severity: "error", "warning" or "info".
        causes, remedies: most likely first.
        retry: "yes", "wait", "fix-first", "maybe" or "no-error".
        seen: the causes for which there is evidence; `causes` starts with them.
        source: the document that describes it: `document`, `section`, `url`.
        related: ids of similar conditions, where no condition of the provider matches.
    """

    id: str
    severity: str
    title: str
    meaning: str
    evidence: Sequence[Evidence] = ()
    causes: Sequence[str] = ()
    remedies: Sequence[str] = ()
    seen: Sequence[str] = ()
    retry: str = "maybe"
    retry_note: str = ""
    source: dict[str, str] = field(default_factory=dict)
    confidence: str = "high"
    disagreement: str = ""
    related: Sequence[str] = ()


def diagnose(session: Session, catalog: Catalog, *, measured: bool = True) -> list[Finding]:
    """The findings of a session, the most severe first.

    In this order: what ended the session; other errors that the server reported; problems that
    the rules detect, likely causes of the first finding before the rest; what the trace lacks.

    Args:
        measured: whether to run the rules as well, which takes milliseconds.
    """
    facts = SessionFacts(session, catalog, with_rules=measured)
    hits = candidates(session, catalog)
    findings = [_condition_finding(facts, hit) for hit in hits]
    if session.failed and not explains(session, hits):
        findings.insert(0, _unknown_failure(facts))
    findings += _wrong_accept_key(session)
    findings += _protocol_violations(session)
    if measured:
        findings += _rule_findings(facts, findings)
    findings += _trace_losses(session)
    return sorted(findings, key=lambda f: _SEVERITIES.index(f.severity))


def summary(session: Session, catalog: Catalog) -> str:
    """How the session ended, in one sentence."""
    provider = catalog.provider(session.provider or "")
    host = quoted(session.request.host) if session.request else "the server"
    server = provider.name if provider else host
    who = {"client": "The app", "server": server}.get(session.closed_by or "", "Nobody")
    opened = session.opened_ns
    facts = SessionFacts(session, catalog)
    after = f" {seconds(facts.ended_ns - (opened or 0)):.1f} s after the upgrade" if opened else ""
    match session.ending:
        case "close" if session.close is not None:
            code = session.close.code
            how = (
                "without a code" if code is None else f"with {code} {quoted(session.close.reason)}"
            )
            return f"{who} closed the session{after} {how.rstrip()}{_dropped(session)}."
        case "refused" | "http" if session.response is not None:
            what = "the upgrade" if session.ending == "refused" else "the request"
            return f"{server} refused {what} with HTTP {session.response.status}."
        case "failed" if session.failure is not None:
            where = _WHERE.get(session.failure.where, session.failure.where)
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


def _dropped(session: Session) -> str:
    """The suffix for a side that closed the session and also reset the connection."""
    by_client = session.closes[0].from_client
    ended = (session.sent if by_client else session.received).ended
    if ended is None or ended.how != "reset":
        return ""
    answered = any(close.from_client is not by_client for close in session.closes)
    return " and reset the connection" + ("" if answered else " before it was answered")


_WHERE = {
    "dns": "the host name could not be resolved",
    "connect": "no connection to the server",
    "proxy": "the upstream proxy refused",
    "tls-server": "TLS with the server failed",
    "tls-client": "TLS with the app failed",
    "handshake": "the opening handshake was interrupted",
    "http": "the HTTP exchange was interrupted",
    "request": "wsproxy could not forward the request",
    "recorder": "the recorder failed",
}


def _condition_finding(facts: SessionFacts, hit: Hit) -> Finding:
    """The finding of a condition, with the evidence of its match and its checks."""
    evidence = _matched_evidence(facts, hit)
    for name in hit.condition.checks:
        evidence += [e for e in _measured(facts, CHECKS, name) if e not in evidence]
    finding = _finding(facts, hit.condition, evidence)
    if hit.condition.provider == GENERIC and facts.session.failed:
        # Only the general meaning of the code is known, not what this provider means by it.
        last_evidence = [*finding.evidence, *_last_server_text(facts)]
        finding = replace(finding, evidence=last_evidence, related=_related_conditions(facts))
    return finding


def _rule_findings(facts: SessionFacts, findings: Sequence[Finding]) -> list[Finding]:
    """The findings of the rules, likely causes of the other findings first."""
    likely = _advised(facts, findings)
    found = []
    for condition in facts.catalog.conditions_of(TRAFFIC):
        for match in condition.matches:
            evidence = _measured(facts, RULES, match.rule)
            if evidence and not is_consequence(condition.id, evidence, findings):
                order = match.rule not in likely, rank(condition.id)
                found.append((order, _finding(facts, condition, evidence)))
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


def _measured(facts: SessionFacts, measures: Mapping[str, Measure], name: str) -> list[Evidence]:
    """The evidence of a check or rule; a user's catalog may name one that does not exist."""
    if measures is RULES and not facts.with_rules:
        return []
    measure = measures.get(name)
    return facts.measured(measure) if measure is not None else []


def _advised(facts: SessionFacts, findings: Sequence[Finding]) -> set[str]:
    """The names of the rules that detect causes of these findings."""
    known = {c.id: c for c in facts.catalog.conditions_of(facts.session.provider)}
    conditions = (known[f.id] for f in findings if f.id in known)
    return {advice.when for c in conditions for advice in c.causes if advice.when}


def _finding(facts: SessionFacts, condition: Condition, evidence: list[Evidence]) -> Finding:
    source = condition.source
    seen, others = _split_by_evidence(facts, condition.causes)
    remedies = [text for part in _split_by_evidence(facts, condition.remedies) for text in part]
    return Finding(
        condition.id,
        condition.severity,
        condition.title,
        condition.meaning,
        evidence,
        [*seen, *others],
        remedies,
        seen,
        condition.retry,
        condition.retry_note,
        {"document": source.document, "section": source.section, "url": source.url},
        condition.confidence,
        condition.disagreement,
    )


def _split_by_evidence(
    facts: SessionFacts, advice: Sequence[Advice]
) -> tuple[list[str], list[str]]:
    """The advice for which there is evidence, and the rest, each in the catalog's order."""
    parts: tuple[list[str], list[str]] = ([], [])
    for item in advice:
        shown = bool(item.when) and bool(_measured(facts, RULES, item.when))
        parts[not shown].append(item.text)
    return parts


def _matched_evidence(facts: SessionFacts, hit: Hit) -> list[Evidence]:
    """The facts that matched the condition; of a message, all of its content."""
    out = _matched_message(facts, hit)
    # The evidence of the message already contains its fields.
    shown = [f for f in hit.facts if not out or not f.name.startswith("message ")]
    for fact in shown:
        t_ns = None
        frames: tuple[int, ...] = ()
        if fact.frame is not None and 0 < fact.frame <= facts.session.frame_count:
            t_ns, frames = facts.session.frame(fact.frame).t_ns, (fact.frame,)
        where = f" (frame {fact.frame})" if frames else ""
        number = float(fact.value) if fact.value.isdecimal() and len(fact.value) < 10 else None
        text = f"{fact.name}: {quoted(fact.value, 200)}{where}"
        out.append(Evidence(text, frames, t_ns, number, "code" if number is not None else None))
    return [*out, *_close_reason(facts, hit)]


def _close_reason(facts: SessionFacts, hit: Hit) -> list[Evidence]:
    """The close reason, where it is not among the facts that matched."""
    close = facts.session.close
    if hit.match.kind != "close" or close is None or not close.reason:
        return []
    if any(fact.name == "close reason" for fact in hit.facts):
        return []
    text = f"close reason: {quoted(close.reason, 200)} (frame {close.frame})"
    return [Evidence(text, (close.frame,), close.t_ns)]


def _matched_message(facts: SessionFacts, hit: Hit) -> list[Evidence]:
    """The server's message that matched, verbatim."""
    if hit.match.kind != "message" or not hit.facts or (frame := hit.facts[0].frame) is None:
        return []
    for message in facts.server_json:
        if message.frame == frame:
            text = quoted(json.dumps(message.content, ensure_ascii=False), 240)
            line = f"the server sent: {text} (frame {frame})"
            return [Evidence(line, (frame,), message.t_ns)]
    return []


def _unknown_failure(facts: SessionFacts) -> Finding:
    """The finding of a failure that no condition matches."""
    session = facts.session
    evidence = [*who_ended(facts)]
    kind = session.ending
    if session.close is not None:
        close = session.close
        text = f"close code {close.code}, reason: {quoted(close.reason, 200) or 'none'}"
        value = float(close.code) if close.code is not None else None
        evidence.insert(0, Evidence(text, (close.frame,), close.t_ns, value, "code"))
    if kind in ("refused", "http", "failed"):
        evidence += handshake(facts)
    else:
        evidence += silence_before_close(facts)
    evidence += _last_server_text(facts)
    return Finding(
        f"unknown.{kind}",
        "error",
        "Unknown failure: no condition of the catalog matches",
        "No documented condition matches this failure.",
        evidence,
        remedies=["Send the trace and the request id to the provider's support"],
        related=_related_conditions(facts),
    )


def _last_server_text(facts: SessionFacts) -> list[Evidence]:
    """The server's last text message before the end."""
    before = [m for m in facts.session.messages(from_client=False) if m.t_ns <= facts.ended_ns]
    return [
        Evidence(
            f"the server's last text: {quoted(m.text, 200)} (frame {m.frame})", (m.frame,), m.t_ns
        )
        for m in before[-1:]
    ]


def _related_conditions(facts: SessionFacts) -> list[str]:
    """Conditions of the same API that are similar to this failure, the most similar first.

    First those with a similarly spelled name, then those with the same close code or status.
    """
    from difflib import get_close_matches  # noqa: PLC0415  # imported in 10 ms, and rarely needed

    session = facts.session
    close, response = session.close, session.response
    here = [
        condition
        for condition in facts.catalog.conditions_of(session.provider)
        if not condition.apis or session.api in condition.apis
    ]
    names = {condition.id.rpartition(".")[2].lower(): condition.id for condition in here}
    near = [
        names[name]
        for word in _possible_error_names(facts)
        for name in get_close_matches(word.lower(), names, n=2, cutoff=0.8)
    ]
    for condition in here:
        for match in condition.matches:
            if close is not None and close.code is not None and match.code is not None:
                fits = close.code in match.code
            elif close is None and response is not None and match.status is not None:
                fits = response.status in match.status
            else:
                fits = False
            if fits:
                near.append(condition.id)
    return list(dict.fromkeys(near))[:_MAX_RELATED]


def _possible_error_names(facts: SessionFacts) -> list[str]:
    """Words that may be the name of an error: close reason, short values of the last message."""
    close, response = facts.session.close, facts.session.response
    words = [close.reason] if close is not None else []
    contents = [message.content for message in facts.server_json[-1:]]
    if response is not None and response.body and not facts.session.accepted:
        contents.append(json_object(response.body.decode("utf-8", "replace")) or {})
    for content in contents:
        values = [v for value in content.values() for v in _flat_values(value)]
        words += [value for value in values if isinstance(value, str)]
    return [word for word in words if 0 < len(word) <= _MAX_NAME][:_MAX_NAMES]


def _flat_values(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else [value]


def _wrong_accept_key(session: Session) -> list[Finding]:
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


def _protocol_violations(session: Session) -> list[Finding]:
    """Frames and bytes that violate RFC 6455."""
    if not session.broken and not session.sent.garbage and not session.received.garbage:
        return []
    evidence = [
        Evidence(f"frame {number}: {rule}", (number,), session.frame(number).t_ns)
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


def _trace_losses(session: Session) -> list[Finding]:
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
