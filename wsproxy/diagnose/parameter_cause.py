"""A refused request with a value that a program printed, such as None, as a cause of the refusal.

A refusal often has no words. A parameter whose value is what a language prints for a missing
value, for a truth value or for an object is hardly meant: it becomes part of the headline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .finding import Finding
from .parameters import printed_values
from .session_facts import SessionFacts

_OTHER_CAUSES = (401, 402, 403, 407, 408, 409, 426, 429)  # statuses with a meaning of their own


def with_printed_values(findings: Sequence[Finding], facts: SessionFacts) -> list[Finding]:
    """The findings, the first one with the printed values of the URL if it was refused."""
    first, response = next(iter(findings), None), facts.session.response
    if first is None or first.severity != "error" or response is None or facts.session.accepted:
        return list(findings)
    if not 400 <= response.status < 500 or response.status in _OTHER_CAUSES:
        return list(findings)
    values = list(printed_values(facts))
    if not values:
        return list(findings)
    names = ", ".join(value.text for value in values[:2])
    title = first.title if names in first.title else f"{first.title} ({names})"
    known = {value.evidence.text.rpartition(": ")[0] for value in values}
    evidence = [each for each in first.evidence if each.text not in known]
    named = replace(
        first,
        title=title,
        evidence=[*(value.evidence for value in values), *evidence],
        quotes_traffic=True,
    )
    return [named, *findings[1:]]
