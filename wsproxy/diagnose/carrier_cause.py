"""A failure for want of audio, where the app sent its audio in a form that the API does not take.

The condition keeps its id and what it means. Its title, evidence and retry advice say what was
sent instead, and the finding about the carrier is no second one for the same failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsproxy.catalog import Condition

from .finding import Finding

_FINDINGS = ("traffic.carrier.wrong", "traffic.messages.text-as-audio")
_RULES = frozenset(
    {
        "base64_for_audio",
        "binary_for_json",
        "numbers_for_audio",
        "object_for_audio",
        "text_as_audio",
        "texts_for_audio",
        "twilio_forwarded",
    }
)


def with_carrier(findings: Sequence[Finding], condition: Condition | None) -> list[Finding]:
    """The findings, the first one with the carrier of the audio as its cause if that is so.

    Args:
        condition: of the first finding; None if it has none.
    """
    carrier = next((each for each in findings if each.id in _FINDINGS), None)
    cause = _cause(findings[0], condition) if findings and condition is not None else ""
    if carrier is None or not cause or findings[0].severity != "error":
        return list(findings)
    first = replace(
        findings[0],
        title=f"{findings[0].title}: {_clause(cause)}",
        evidence=[*carrier.evidence, *findings[0].evidence],
        retry="fix-first",
        retry_note="",
    )
    return [first, *(each for each in findings[1:] if each is not carrier)]


def _cause(finding: Finding, condition: Condition) -> str:
    """The cause of a finding that is a carrier, and that the session shows; "" if none is."""
    carriers = {advice.text for advice in condition.causes if advice.when in _RULES}
    return next((text for text in finding.seen if text in carriers), "")


def _clause(cause: str) -> str:
    """The first clause of a cause, as the end of a sentence."""
    clause = cause.partition(";")[0].partition(", which")[0]
    word, _, rest = clause.partition(" ")
    return f"{word.lower()} {rest}" if word in ("The", "A", "An", "Text", "Audio") else clause
