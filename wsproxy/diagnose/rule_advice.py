"""What the condition of a rule advises, for a finding whose cause the rule shows.

The condition of a failure lists the remedies of all of its causes. Where a rule shows the cause,
the rule's own condition knows what to do about it, and whether a retry can help.
"""

from __future__ import annotations

from dataclasses import replace

from wsproxy.catalog import TRAFFIC, Condition

from .finding import Finding
from .rules import request
from .session_facts import SessionFacts

# What is sent is wrong: it is wrong again in the next session.
_LASTING = ("traffic.audio.", "traffic.signal.", "traffic.carrier.", "traffic.messages.")
# So is a wrong setting of the request.
_OF_REQUEST = frozenset(rule.__name__ for rule in request.RULES)
_HOPEFUL = ("yes", "maybe")


def with_advice_of_rules(finding: Finding, facts: SessionFacts) -> Finding:
    """The finding with the remedies, and the retry advice, of the rule of its first cause."""
    first = next((rule for rule, cause in finding.rules.items() if cause in finding.seen[:1]), None)
    for condition in facts.catalog.conditions_of(TRAFFIC) if first is not None else ():
        if condition.id != finding.id and any(m.rule == first for m in condition.matches):
            finding = _advised(finding, condition)
            break
    return _fix_first(finding) if _OF_REQUEST & finding.rules.keys() else finding


def _advised(finding: Finding, condition: Condition) -> Finding:
    fitting = list(finding.fitting)
    if not fitting:
        fitting = [str(each) for each in condition.remedies if not each.when]
    others = [each for each in finding.remedies if each not in fitting]
    lasts = condition.id.startswith(_LASTING) and condition.retry == "fix-first"
    changed = replace(finding, fitting=fitting, remedies=[*fitting, *others])
    return _fix_first(changed) if lasts else changed


def _fix_first(finding: Finding) -> Finding:
    if finding.retry not in _HOPEFUL:
        return finding
    return replace(finding, retry="fix-first", retry_note="")
