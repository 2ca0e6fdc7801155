"""A failure for want of audio, where the app sent its audio in a form that the API does not take.

The condition keeps its id and what it means. Its title, evidence and retry advice say what was
sent instead, and the finding about the carrier is no second one for the same failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsproxy.catalog import Condition
from wsproxy.catalog.model import Advice

from .finding import Finding

_CARRIER = ("traffic.carrier.wrong", "traffic.messages.text-as-audio")
_FINDINGS = {  # of the rules that a cause may rest on
    "base64_for_audio": _CARRIER,
    "binary_for_json": _CARRIER,
    "numbers_for_audio": _CARRIER,
    "object_for_audio": _CARRIER,
    "other_field": _CARRIER,
    "text_as_audio": _CARRIER,
    "texts_for_audio": _CARRIER,
    "twilio_forwarded": _CARRIER,
    "format_mismatch": ("traffic.audio.format-mismatch",),
    "container_header_missing": ("traffic.audio.container-header-missing",),
}
_CONTAINERS = ("format_mismatch", "container_header_missing")


def with_carrier(findings: Sequence[Finding], condition: Condition | None) -> list[Finding]:
    """The findings, the first one with the carrier of the audio as its cause if that is so.

    Args:
        condition: of the first finding; None if it has none.
    """
    if not findings or condition is None or findings[0].severity != "error":
        return list(findings)
    cause = _cause(findings[0], condition)
    ids = _FINDINGS[cause.when] if cause is not None else ()
    carrier = next((each for each in findings if each.id in ids), None)
    if cause is None or carrier is None:
        return list(findings)
    first = replace(
        findings[0],
        title=f"{findings[0].title}: {_clause(cause.text)}",
        evidence=[*carrier.evidence, *findings[0].evidence],
    ).with_fitting(findings[0].fitting or carrier.remedies)
    return [first.fix_first(), *(each for each in findings[1:] if each is not carrier)]


def _cause(finding: Finding, condition: Condition) -> Advice | None:
    """The cause of a finding that is a carrier, and that the session shows; None if none is.

    A format is the cause only of a condition that says nothing of formats by itself.
    """
    for advice in condition.causes:
        is_hidden = advice.only_if_seen or advice.when not in _CONTAINERS
        if advice.when in _FINDINGS and is_hidden and advice.text in finding.seen:
            return advice
    return None


def _clause(cause: str) -> str:
    """The first clause of a cause, as the end of a sentence."""
    clause = cause.partition(";")[0].partition(", which")[0]
    word, _, rest = clause.partition(" ")
    return f"{word.lower()} {rest}" if word in ("The", "A", "An", "Text", "Audio") else clause
