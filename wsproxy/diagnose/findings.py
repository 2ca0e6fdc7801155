"""From a session to findings: what it was, what shows it, what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from wsproxy import trace
from wsproxy.catalog import GENERIC, TRAFFIC, Advice, Catalog, Condition, Hit, candidates, explains
from wsproxy.catalog.envelope import json_object
from wsproxy.session import Session
from wsproxy.wire import accept_key

from .checks import CHECKS, handshake, silence_before_close, who_ended
from .evidence import Evidence, plural, quoted, seconds
from .rules import RULES
from .session_facts import Measure, SessionFacts

_SEVERITIES = ("error", "warning", "info")
_NAMED = 20  # frame numbers that a finding names
_NEAR = 8  # conditions that are named as near
_NAME = 60  # characters that a name has at the most
_WORDS = 40  # that are looked at for the name of a condition


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition, or a fault seen directly, with its evidence.

    Attributes:
        id: the condition's, or `unknown.*`, `protocol.*` or `trace.*`.
        severity: "error", "warning" or "info".
        causes, remedies: most likely first.
        retry: "yes", "wait", "fix-first", "maybe" or "no-error".
        seen: the causes that the traffic itself shows; they are the first of `causes`.
        source: the document that it rests on: `document`, `section`, `url`.
        related: ids of conditions that are near, where nothing of the provider's own fits.
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
    """What there is to say about a session, what to fix first coming first.

    That is: what ended it; what else it was told or did that is an error; what the traffic
    shows that would fail or spoil another session, the causes of the first before the rest;
    and what the trace lacks.

    Args:
        measured: look for what the traffic shows by itself as well, which takes milliseconds.
    """
    case = SessionFacts(session, catalog, with_rules=measured)
    hits = candidates(session, catalog)
    findings = [_condition(case, hit) for hit in hits]
    if session.failed and not explains(session, hits):
        findings.insert(0, _unknown(case))
    findings += _accept_key(session)
    findings += _protocol(session)
    if measured:
        findings += _violations(case, findings)
    findings += _incomplete(session)
    return sorted(findings, key=lambda f: _SEVERITIES.index(f.severity))


def annotate(session: Session, catalog: Catalog) -> list[trace.FindingRecord]:
    """The findings as records, for the end of a trace.

    What ended the session, without what else the traffic shows: measuring that takes many
    milliseconds, and the recorder has other sessions to write. `explain` does it.
    """
    return [
        trace.FindingRecord(
            session.duration_ns, f.id, f.severity, f.title, [e.text for e in f.evidence]
        )
        for f in diagnose(session, catalog, measured=False)
    ]


def summary(session: Session, catalog: Catalog) -> str:
    """What happened, in one sentence."""
    provider = catalog.provider(session.provider or "")
    host = quoted(session.request.host) if session.request else "the server"
    server = provider.name if provider else host
    who = {"client": "The app", "server": server}.get(session.closed_by or "", "Nobody")
    opened = session.opened_ns
    case = SessionFacts(session, catalog)
    after = f" {seconds(case.ended_ns - (opened or 0)):.1f} s after the upgrade" if opened else ""
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
            return f"The session never began: {where}: {quoted(session.failure.message, 160)}."
        case "eof":
            return f"{who} ended the connection{after} without a Close frame."
        case "reset":
            return f"{who} reset the connection{after}."
        case "stopped":
            return "The recorder was stopped while the session was open."
        case _:
            return (
                "The trace ends while the session is open: it is still being written, or was cut."
            )


def _dropped(session: Session) -> str:
    """Whether the side that closed the session also reset the connection."""
    by_client = session.closes[0].from_client
    ended = (session.sent if by_client else session.received).ended
    if ended is None or ended.how != "reset":
        return ""
    answered = any(close.from_client is not by_client for close in session.closes)
    return " and reset the connection" + ("" if answered else " before it was answered")


_WHERE = {
    "dns": "the host's name could not be resolved",
    "connect": "no connection to the server",
    "proxy": "the proxy on the way refused",
    "tls-server": "TLS with the server failed",
    "tls-client": "TLS with the app failed",
    "handshake": "the opening handshake broke off",
    "http": "the HTTP exchange broke off",
    "request": "wsproxy could not pass the request on",
    "recorder": "the recorder itself could not go on",
}


def _condition(case: SessionFacts, hit: Hit) -> Finding:
    """A condition with what fitted, and what its checks measure."""
    evidence = _matched(case, hit)
    for name in hit.condition.checks:
        evidence += [e for e in _measured(case, CHECKS, name) if e not in evidence]
    finding = _finding(case, hit.condition, evidence)
    if hit.condition.provider == GENERIC and case.session.failed:
        # It is what the code means anywhere; the provider's own words for it are not known.
        told = [*finding.evidence, *_last_words(case)]
        finding = replace(finding, evidence=told, related=_near(case))
    return finding


def _violations(case: SessionFacts, findings: Sequence[Finding]) -> list[Finding]:
    """What the rules find, what may be the cause of a finding at hand first."""
    named = _advised(case, findings)
    found = []
    for condition in case.catalog.conditions_of(TRAFFIC):
        for match in condition.matches:
            evidence = _measured(case, RULES, match.rule)
            if evidence:
                found.append((match.rule not in named, _finding(case, condition, evidence)))
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


def _measured(case: SessionFacts, measures: Mapping[str, Measure], name: str) -> list[Evidence]:
    """What a check or rule finds. A user's file may name one that this version has not."""
    if measures is RULES and not case.with_rules:
        return []
    measure = measures.get(name)
    return case.measured(measure) if measure is not None else []


def _advised(case: SessionFacts, findings: Sequence[Finding]) -> set[str]:
    """The rules that the causes of these findings name."""
    known = {c.id: c for c in case.catalog.conditions_of(case.session.provider)}
    conditions = (known[f.id] for f in findings if f.id in known)
    return {advice.when for c in conditions for advice in c.causes if advice.when}


def _finding(case: SessionFacts, condition: Condition, evidence: list[Evidence]) -> Finding:
    source = condition.source
    seen, others = _by_traffic(case, condition.causes)
    remedies = [text for part in _by_traffic(case, condition.remedies) for text in part]
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


def _by_traffic(case: SessionFacts, advice: Sequence[Advice]) -> tuple[list[str], list[str]]:
    """What the traffic speaks for, and the rest; each in the catalog's order."""
    parts: tuple[list[str], list[str]] = ([], [])
    for item in advice:
        shown = bool(item.when) and bool(_measured(case, RULES, item.when))
        parts[not shown].append(item.text)
    return parts


def _matched(case: SessionFacts, hit: Hit) -> list[Evidence]:
    """What of the traffic fitted the condition; of a message all that it says."""
    out = _message(case, hit)
    # What is in the message has been said with it.
    facts = [f for f in hit.facts if not out or not f.name.startswith("message ")]
    for fact in facts:
        t_ns = None
        frames: tuple[int, ...] = ()
        if fact.frame is not None and 0 < fact.frame <= case.session.frame_count:
            t_ns, frames = case.session.frame(fact.frame).t_ns, (fact.frame,)
        where = f" (frame {fact.frame})" if frames else ""
        number = float(fact.value) if fact.value.isdecimal() and len(fact.value) < 10 else None
        text = f"{fact.name}: {quoted(fact.value, 200)}{where}"
        out.append(Evidence(text, frames, t_ns, number, "code" if number is not None else None))
    return [*out, *_reason(case, hit)]


def _reason(case: SessionFacts, hit: Hit) -> list[Evidence]:
    """The reason of the Close frame, where it was not what fitted."""
    close = case.session.close
    if hit.match.kind != "close" or close is None or not close.reason:
        return []
    if any(fact.name == "close reason" for fact in hit.facts):
        return []
    text = f"close reason: {quoted(close.reason, 200)} (frame {close.frame})"
    return [Evidence(text, (close.frame,), close.t_ns)]


def _message(case: SessionFacts, hit: Hit) -> list[Evidence]:
    """The server's message that fitted, in its own words."""
    if hit.match.kind != "message" or not hit.facts or (frame := hit.facts[0].frame) is None:
        return []
    for said in case.server_json:
        if said.frame == frame:
            text = quoted(json.dumps(said.content, ensure_ascii=False), 240)
            line = f"the server said: {text} (frame {frame})"
            return [Evidence(line, (frame,), said.t_ns)]
    return []


def _unknown(case: SessionFacts) -> Finding:
    """A failure that the catalog does not know, with everything seen."""
    session = case.session
    seen = [*who_ended(case)]
    kind = session.ending
    if session.close is not None:
        close = session.close
        text = f"close code {close.code}, reason: {quoted(close.reason, 200) or 'none'}"
        value = float(close.code) if close.code is not None else None
        seen.insert(0, Evidence(text, (close.frame,), close.t_ns, value, "code"))
    if kind in ("refused", "http", "failed"):
        seen += handshake(case)
    else:
        seen += silence_before_close(case)
    seen += _last_words(case)
    return Finding(
        f"unknown.{kind}",
        "error",
        "A failure that the catalog does not know",
        "No documented condition fits what was seen; nothing is guessed.",
        seen,
        remedies=["Send the trace and the request id to the provider's support"],
        related=_near(case),
    )


def _last_words(case: SessionFacts) -> list[Evidence]:
    """The server's last text before the end, whatever it is."""
    before = [m for m in case.session.messages(from_client=False) if m.t_ns <= case.ended_ns]
    return [
        Evidence(
            f"the server's last text: {quoted(m.text, 200)} (frame {m.frame})", (m.frame,), m.t_ns
        )
        for m in before[-1:]
    ]


def _near(case: SessionFacts) -> list[str]:
    """Conditions of the same API that are like what was seen, the most alike first.

    Alike are names that are written nearly so, then the same close code or status.
    """
    from difflib import get_close_matches  # noqa: PLC0415  # 10 ms, for what is seldom needed

    session = case.session
    close, response = session.close, session.response
    here = [
        condition
        for condition in case.catalog.conditions_of(session.provider)
        if not condition.apis or session.api in condition.apis
    ]
    names = {condition.id.rpartition(".")[2].lower(): condition.id for condition in here}
    near = [
        names[name]
        for word in _words(case)
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
    return list(dict.fromkeys(near))[:_NEAR]


def _words(case: SessionFacts) -> list[str]:
    """What may be the name of an error: the reason, and short values of the last message."""
    close, response = case.session.close, case.session.response
    words = [close.reason] if close is not None else []
    contents = [said.content for said in case.server_json[-1:]]
    if response is not None and response.body and not case.session.accepted:
        contents.append(json_object(response.body.decode("utf-8", "replace")) or {})
    for content in contents:
        values = [v for value in content.values() for v in _values(value)]
        words += [value for value in values if isinstance(value, str)]
    return [word for word in words if 0 < len(word) <= _NAME][:_WORDS]


def _values(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else [value]


def _accept_key(session: Session) -> list[Finding]:
    """A wrong Sec-WebSocket-Accept: a strict client fails the connection (section 4.1)."""
    key = session.request_header("sec-websocket-key")
    if not session.accepted or key is None:
        return []
    accept = session.response_header("sec-websocket-accept")
    if accept == accept_key(key):
        return []
    got = "none" if accept is None else quoted(accept)
    text = f"Sec-WebSocket-Accept is {got}; the request's key asks for {accept_key(key)}"
    return [
        Finding(
            "protocol.wrong-accept-key",
            "error",
            "The answer to the upgrade has a wrong accept key",
            "Who answered does not speak the WebSocket protocol, or answered another request. "
            "Libraries refuse the connection though the status is 101.",
            [Evidence(text)],
            ["A cache or a gateway on the way answered", "A server with its own handshake code"],
            ["Look at what stands between the app and the API"],
            "fix-first",
            source={"document": "RFC 6455", "section": "4.1", "url": ""},
        )
    ]


def _protocol(session: Session) -> list[Finding]:
    """Frames and bytes that break RFC 6455."""
    if not session.broken and not session.sent.garbage and not session.received.garbage:
        return []
    evidence = [
        Evidence(f"frame {number}: {rule}", (number,), session.frame(number).t_ns)
        for number, rule in session.broken[:_NAMED]
    ]
    for side, direction in (("app", session.sent), ("server", session.received)):
        if direction.garbage:
            text = f"{direction.garbage} bytes from the {side} are no valid frame"
            evidence.append(Evidence(text, (), None, float(direction.garbage), "bytes"))
    # The beginning of a frame whose end never came is the end's doing, not a broken rule.
    severity = "warning" if session.broken else "info"
    return [
        Finding(
            "protocol.broken-frames",
            severity,
            "Bytes that RFC 6455 does not allow" if session.broken else "A frame that is not whole",
            "The receiving library fails the connection over a frame that breaks a rule.",
            evidence,
            remedies=["Look at the library, or the gateway, that made these bytes"],
            source={"document": "RFC 6455", "section": "5 and 7", "url": ""},
        )
    ]


def _incomplete(session: Session) -> list[Finding]:
    """What the trace lacks."""
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
    evidence += [Evidence(quoted(str(loss), 200)) for loss in session.losses[:_NAMED]]
    if not evidence:
        return []
    return [
        Finding(
            "trace.incomplete",
            "info",
            "The trace is not complete",
            "What is missing from it is missing from these findings as well.",
            evidence,
            retry="no-error",
            source={"document": "docs/trace-format.md", "section": "", "url": ""},
        )
    ]
