"""Findings of a session: the condition, its evidence, causes and remedies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from wsproxy.catalog import (
    GENERIC,
    SEVERITIES,
    TRAFFIC,
    Advice,
    Catalog,
    Condition,
    Hit,
    candidates,
    explains,
)
from wsproxy.catalog.envelope import json_object
from wsproxy.catalog.failure_words import reports_failure
from wsproxy.catalog.server_sentence import MAX_SENTENCE, contains
from wsproxy.session import Session

from .carrier_cause import with_carrier
from .credential_cause import with_credentials
from .evidence import Evidence, quoted
from .finding import Finding
from .headline import (
    NAMELESS,
    Said,
    arranged,
    footnote,
    needs_sentence,
    new_condition,
    said_of_object,
    server_said,
    with_parameters,
    with_sentence,
)
from .measurements import CHECKS, handshake, silence_before_close, who_ended
from .outcome import ABSENCES, OBJECT_FAILED, is_consequence, rank
from .protocol_findings import protocol_violations, trace_losses, wrong_accept_key
from .request_cause import with_request
from .rule_advice import with_advice_of_rules
from .rules import RULES
from .session_facts import Measure, SessionFacts

_REASON = "close reason"
# Facts that the sentence about the end of the session has.
_IN_FIRST_LINE = ("close code", "status", "ending", "failed at", "failure")
_MESSAGE = 400  # characters of a message of the server in the evidence
_LONG_TEXT = 1000  # characters of a text that carries audio, or another mass of data
_MAX_FRAMES = 20  # frame numbers in a finding
_QUOTED = 60  # characters of a sentence by which it is recognized
_MAX_RELATED = 8  # related conditions in a finding
_MAX_NAME = 60  # characters of the name of an error
_MAX_NAMES = 40  # words that are compared with the names of conditions


def diagnose(session: Session, catalog: Catalog, *, measured: bool = True) -> list[Finding]:
    """The findings of a session, the most severe first.

    In this order: what ended the session; other errors that the server reported; problems that
    the rules detect, likely causes of the first finding before the rest; what the trace lacks.

    Args:
        measured: whether to run the rules as well, which takes milliseconds.
    """
    facts = SessionFacts(session, catalog, with_rules=measured)
    hits, said = candidates(session, catalog), server_said(facts)
    findings = [_condition_finding(facts, hit, said) for hit in hits]
    if session.failed and not explains(session, hits):
        findings.insert(0, _unknown_failure(facts, said))
    findings += wrong_accept_key(session)
    findings += protocol_violations(session)
    found = _rule_findings(facts, findings, hits) if measured else []
    survived = _survived_error(facts, hits, [*findings, *found], said)
    findings += [*survived, *_without_consequences(found, survived)]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    if measured:
        findings = with_carrier(findings, hits[0].condition if hits else None)
        findings = with_credentials(findings, session)
        findings = with_request(findings, facts)
    return [*findings, *trace_losses(session)]


def _condition_finding(facts: SessionFacts, hit: Hit, said: Said | None) -> Finding:
    """The finding of a condition, with the evidence of its match and its checks."""
    matched = _matched_evidence(facts, hit)
    checks = list(hit.condition.checks)
    if not facts.session.accepted and hit.stage == "elsewhere":
        checks.insert(0, "handshake")  # the condition expects an open session
    checked = [e for name in checks for e in _measured(facts, CHECKS, name)]
    # Without a Close frame, the checks say more than that the connection ended.
    evidence = [*checked, *matched] if hit.match.kind == "ending" else [*matched, *checked]
    said = said if said is not None and _concerns(hit, said) else None
    condition, notes = hit.condition, list[Evidence]()
    if said is not None and said.parameters and not needs_sentence(hit, said):
        condition = with_parameters(condition, said)
    elif said is not None and needs_sentence(hit, said):
        condition = with_sentence(facts, hit.condition, said, partial(_shown, facts))
        evidence = [*_proofs(facts, condition), *evidence]
        notes = _footnotes(facts, hit)
    # A name such as "NET-0001" is no better evidence than the code that it stands with.
    titled = condition is not hit.condition
    shown = said if said is not None and (titled or said.sentence.is_prose) else None
    finding = _finding(facts, condition, [*arranged(evidence, shown), *notes])
    if said is not None:
        finding = _with_said(finding, said, titled=titled)
    if hit.condition.provider == GENERIC and facts.session.failed:
        # Only the general meaning of the code is known, not what this provider means by it.
        last = [] if said is not None else _last_server_text(facts)
        related = _related_conditions(facts)
        finding = replace(finding, evidence=[*finding.evidence, *last], related=related)
    return finding


def _proofs(facts: SessionFacts, condition: Condition) -> list[Evidence]:
    """The evidence of the causes that the traffic shows."""
    rules = [advice.when for advice in condition.causes if advice.when]
    return [evidence for rule in rules for evidence in _measured(facts, RULES, rule)]


def _with_said(finding: Finding, said: Said, *, titled: bool = True) -> Finding:
    kind = said.kind.id if said.kind is not None else ""
    sentence = quoted(said.sentence.text, MAX_SENTENCE)
    return replace(finding, sentence=sentence, error_class=kind, quotes_traffic=titled)


def _concerns(hit: Hit, said: Said) -> bool:
    """Whether what the server said is about the condition that matched."""
    if not hit.condition.is_problem:
        return _is_reason_of_normal_close(hit, said)
    return said.sentence.ends if hit.about_end else _is_about(hit, said)


def _is_reason_of_normal_close(hit: Hit, said: Said) -> bool:
    """Whether a server that closed with a normal code says something else in its reason."""
    sentence = said.sentence
    if hit.match.kind != "close" or sentence.where != _REASON:
        return False
    return said.kind is not None or reports_failure(sentence.text)


def _is_about(hit: Hit, said: Said) -> bool:
    """Whether a condition matched the message of the sentence."""
    return any(fact.frame == said.sentence.frame for fact in hit.facts)


def _footnotes(facts: SessionFacts, hit: Hit) -> list[Evidence]:
    close, response = facts.session.close, facts.session.response
    code = close.code if close is not None else response.status if response is not None else None
    return footnote(hit.condition, code) if hit.condition.provider == GENERIC else []


def _survived_error(
    facts: SessionFacts, hits: Sequence[Hit], findings: Sequence[Finding], said: Said | None
) -> list[Finding]:
    """An error that the server sent in a message, and that no other finding is about.

    It is an error if it was the server's last word, else a warning: the session continued.
    """
    if said is None or said.sentence.where != "message" or facts.session.failed:
        return []
    known = {fact.frame for hit in hits for fact in hit.facts}
    # What is missing may be a consequence of the error: its evidence names the last message. So may
    # other evidence of a problem, after the first.
    problems = [f.evidence for f in findings if f.is_problem and f.id not in ABSENCES]
    shown = [e for evidence in problems for e in evidence if e is evidence[0] or _tells(e, said)]
    known.update(frame for evidence in shown for frame in evidence.frames)
    if said.sentence.frame in known:
        return []
    severity = "error" if said.sentence.ends else "warning"
    condition = new_condition(facts, said, severity, NAMELESS, partial(_shown, facts))
    evidence = [*said.evidence, *who_ended(facts)]
    return [_with_said(_finding(facts, condition, evidence), said)]


def _tells(evidence: Evidence, said: Said) -> bool:
    """Whether a piece of evidence contains the server's sentence."""
    return contains(evidence.text, said.sentence.text[:_QUOTED])


def _without_consequences(found: Sequence[Finding], errors: Sequence[Finding]) -> list[Finding]:
    return [each for each in found if not is_consequence(each.id, each.evidence, errors)]


def _rule_findings(
    facts: SessionFacts, findings: Sequence[Finding], hits: Sequence[Hit]
) -> list[Finding]:
    """The findings of the rules, likely causes of the other findings first.

    Args:
        hits: what is known about an intermediary needs no rule.
    """
    named = any(hit.condition.intermediary for hit in hits)
    likely = _advised(facts, findings)
    found = []
    for condition in facts.catalog.conditions_of(TRAFFIC):
        for match in condition.matches:
            if named and match.rule == "gateway_between":
                continue
            evidence = _measured(facts, RULES, match.rule)
            if evidence and not is_consequence(condition.id, evidence, findings):
                order = match.rule not in likely, rank(condition.id)
                shown = _rule_finding(facts, condition, evidence)
                shown = replace(shown, rules={match.rule: "", **shown.rules})
                found.append((order, shown))
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


def _rule_finding(facts: SessionFacts, condition: Condition, evidence: list[Evidence]) -> Finding:
    """The finding of a rule; that of a failed object has the server's words as its title."""
    said = said_of_object(facts) if condition.id == OBJECT_FAILED else None
    if said is None:
        return _finding(facts, condition, evidence)
    titled = with_sentence(facts, condition, said, partial(_shown, facts))
    return _with_said(_finding(facts, titled, evidence), said)


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
    fitting, remedies = _split_by_evidence(facts, condition.remedies)
    found = Finding(
        condition.id,
        condition.severity,
        condition.title,
        condition.meaning,
        evidence,
        [*seen, *others],
        [*fitting, *remedies],
        list(seen),
        condition.retry,
        condition.retry_note,
        {"document": source.document, "section": source.section, "url": source.url},
        condition.confidence,
        condition.disagreement,
        quoting=[text for text in seen if text not in {advice.text for advice in condition.causes}],
        rules={name: text for text, name in seen.items()},
        fitting=list(fitting),
    )
    return with_advice_of_rules(found, facts)


def _split_by_evidence(
    facts: SessionFacts, advice: Sequence[Advice]
) -> tuple[dict[str, str], list[str]]:
    """The advice for which a rule finds evidence, with its name, and the rest."""
    seen: dict[str, str] = {}
    others: list[str] = []
    for item in advice:
        if found := _measured(facts, RULES, item.when):
            seen[item.with_evidence(found[0].text)] = item.when
        elif not item.only_if_seen:
            others.append(str(item))
    return seen, others


def _shown(facts: SessionFacts, rule: str) -> bool:
    """Whether there is evidence for a rule."""
    return bool(rule) and bool(_measured(facts, RULES, rule))


def _matched_evidence(facts: SessionFacts, hit: Hit) -> list[Evidence]:
    """The facts that matched the condition; of a message, all of its content."""
    out = _matched_message(facts, hit)
    # The evidence of the message already contains its fields.
    shown = [f for f in hit.facts if not out or not f.name.startswith("message ")]
    shown.sort(key=lambda fact: fact.name == "ending")  # the least of them
    for fact in shown:
        t_ns = None
        frames: tuple[int, ...] = ()
        if fact.frame is not None and 0 < fact.frame <= facts.session.frame_count:
            t_ns, frames = facts.session.time_of(fact.frame), (fact.frame,)
        where = f" (frame {fact.frame})" if frames else ""
        number = float(fact.value) if fact.value.isdecimal() and len(fact.value) < 10 else None
        text = f"{fact.name}: {quoted(fact.value, 200)}{where}"
        unit = "code" if number is not None else None
        out.append(Evidence(text, frames, t_ns, number, unit, detail=fact.name in _IN_FIRST_LINE))
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
            text = quoted(json.dumps(message.content, ensure_ascii=False), _MESSAGE)
            line = f"the server sent: {text} (frame {frame})"
            return [Evidence(line, (frame,), message.t_ns)]
    return []


def _unknown_failure(facts: SessionFacts, said: Said | None) -> Finding:
    """The finding of a failure that no condition matches."""
    session = facts.session
    if said is not None and said.sentence.ends:
        evidence = arranged(_unknown_evidence(facts), said)
        condition = new_condition(
            facts, said, "error", f"unknown.{session.ending}", partial(_shown, facts)
        )
        return _with_said(_finding(facts, condition, evidence), said)
    return Finding(
        f"unknown.{session.ending}",
        "error",
        "Unknown failure: no condition of the catalog matches",
        "No documented condition matches this failure.",
        _unknown_evidence(facts),
        remedies=["Send the trace and the request id to the provider's support"],
        related=_related_conditions(facts),
    )


def _unknown_evidence(facts: SessionFacts) -> list[Evidence]:
    session, kind = facts.session, facts.session.ending
    evidence = [*who_ended(facts)]
    if session.close is not None:
        close = session.close
        text = f"close code {close.code}, reason: {quoted(close.reason, 200) or 'none'}"
        value = float(close.code) if close.code is not None else None
        evidence.insert(0, Evidence(text, (close.frame,), close.t_ns, value, "code"))
    if kind in ("refused", "http", "failed"):
        evidence += handshake(facts)
    else:
        evidence += silence_before_close(facts)
    return [*evidence, *_last_server_text(facts)]


def _last_server_text(facts: SessionFacts) -> list[Evidence]:
    """The server's last text message before the end."""
    before = [m for m in facts.session.messages(from_client=False) if m.t_ns <= facts.ended_ns]
    return [
        Evidence(
            f"the server's last text: {quoted(m.text, 200)} (frame {m.frame})",
            (m.frame,),
            m.t_ns,
            detail=len(m.text) > _LONG_TEXT,
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
