"""What the condition of a rule advises, for a finding whose cause the rule shows.

The condition of a failure lists the remedies of all of its causes. Where a rule shows the cause,
the rule's own condition knows what to do about it, and whether a retry can help.
"""

from __future__ import annotations

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
    is_of_request = _OF_REQUEST & finding.rules.keys() and finding.retry in _HOPEFUL
    return finding.fix_first() if is_of_request else finding


def _advised(finding: Finding, condition: Condition) -> Finding:
    fitting = list(finding.fitting)
    if not fitting:
        fitting = [str(each) for each in condition.remedies if not each.when]
    lasts = condition.id.startswith(_LASTING) and condition.retry == "fix-first"
    changed = finding.with_fitting(fitting)
    return changed.fix_first() if lasts and finding.retry in _HOPEFUL else changed
