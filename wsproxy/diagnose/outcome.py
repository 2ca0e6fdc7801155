"""The outcome of a session with its findings, and findings that are consequences of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsproxy.session import Session
from wsproxy.session.outcome import FAILED, Outcome

from .evidence import Evidence

OBJECT_FAILED = "traffic.outcome.object-failed"
# Conditions of something that is missing: no second error where another one explains it.
ABSENCES = frozenset(
    f"traffic.outcome.{name}"
    for name in (
        "answer-missing",
        "empty-transcripts",
        "no-results",
        "results-stopped",
        "agent-silent",
        "never-ready",
        "no-audio-for-text",
    )
)
_AUDIO = ("traffic.audio.", "traffic.signal.")  # conditions of audio, which may be the cause


class FindingLike(Protocol):
    """What is read of a finding."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def evidence(self) -> Sequence[Evidence]: ...


def is_consequence(
    condition: str, evidence: Sequence[Evidence], findings: Sequence[FindingLike]
) -> bool:
    """Whether a condition is only a consequence of errors that were found, or the same error.

    Args:
        condition: its id.
        evidence: for it.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if condition in ABSENCES:
        return bool(errors)
    if condition == OBJECT_FAILED and evidence:
        shown = {frame for finding in errors for e in finding.evidence for frame in e.frames}
        return bool(set(evidence[0].frames) & shown)
    return False


def rank(condition: str) -> int:
    """The rank of a rule's finding: faulty audio, then what is missing, then the others."""
    if condition.startswith(_AUDIO):
        return 0
    return 1 if condition.startswith("traffic.outcome.") else 2


def outcome(session: Session, findings: Sequence[FindingLike]) -> Outcome | None:
    """The outcome of a session; None where it was read without its messages.

    An error that was found makes it a failure, whatever came before it.
    """
    found = session.outcome
    error = next((finding for finding in findings if finding.severity == "error"), None)
    if found is None or found.kind == FAILED or error is None:
        return found
    frames = tuple(frame for e in error.evidence[:1] for frame in e.frames)
    return Outcome(FAILED, error.title, frames, found.figures)
