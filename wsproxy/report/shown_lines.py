"""The lines of a finding that a screen shows: what a reader needs first, and nothing twice.

What the first line and the last frames say already is left out, and so are causes without evidence
beside one that the session shows, and fixes for other causes. `--all` shows everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wsproxy.catalog.server_sentence import contains
from wsproxy.diagnose import Finding

_EVIDENCE, _CAUSES, _REMEDIES = 5, 3, 3  # lines of each kind
_LONG = 30  # characters of a sentence from which on it is not repeated
_ABOVE = "(the sentence above)"


@dataclass(frozen=True, slots=True)
class ShownLines:
    """The lines of a finding.

    Attributes:
        seen: causes that the session shows; `causes` are the others.
        hidden: how many lines are left out, by their kind.
    """

    seen: Sequence[str]
    evidence: Sequence[str]
    causes: Sequence[str]
    remedies: Sequence[str]
    hidden: Mapping[str, int]


def all_lines(finding: Finding) -> ShownLines:
    """All lines of a finding."""
    others = [cause for cause in finding.causes if cause not in finding.seen]
    evidence = [each.text for each in finding.evidence]
    return ShownLines(finding.seen, evidence, others, finding.remedies, {})


def first_lines(finding: Finding) -> ShownLines:
    """The lines of a finding for its first screen."""
    others = [cause for cause in finding.causes if cause not in finding.seen]
    evidence = _evidence(finding)
    causes = [] if finding.seen else others[:_CAUSES]
    remedies = (finding.fitting or finding.remedies)[:_REMEDIES]
    return ShownLines(
        [cause for cause in finding.seen if not _is_in(cause, finding.title)],
        evidence,
        causes,
        remedies,
        {
            "evidence line": len(finding.evidence) - len(evidence),
            "cause": len(others) - len(causes),
            "fix": len(finding.remedies) - len(remedies),
        },
    )


def _evidence(finding: Finding) -> list[str]:
    shown = [each for each in finding.evidence if not each.detail] or finding.evidence[:1]
    new = [each.text for each in shown if not any(contains(s, each.text) for s in finding.seen)]
    return [_without_sentence(text, finding) for text in new[:_EVIDENCE]]


def _without_sentence(text: str, finding: Finding) -> str:
    """A line of evidence without the server's sentence if it is the title."""
    sentence = finding.sentence
    if len(sentence) < _LONG or sentence not in finding.title:
        return text
    for spelling in (sentence, sentence.rstrip(".")):
        if spelling in text:
            return text.replace(spelling, _ABOVE, 1)
    return text


def _is_in(cause: str, title: str) -> bool:
    """Whether the first clause of a cause is in the title."""
    return contains(title, cause.partition(";")[0])
