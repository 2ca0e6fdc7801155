"""The outcome of a session with its findings, and findings that are consequences of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wsproxy.session import Session
from wsproxy.session.outcome import FAILED, SUCCEEDED, UNPROVEN, Outcome

from .evidence import Evidence

OBJECT_FAILED = "traffic.outcome.object-failed"
# Conditions of something that is missing: no second error where another one explains it.
ABSENCES = frozenset(
    f"traffic.outcome.{name}"
    for name in (
        "answer-missing",
        "empty-transcripts",
        "no-results",
        "closed-in-speech",
        "no-final",
        "words-dropped",
        "results-stopped",
        "agent-silent",
        "never-ready",
        "closed-silently",
        "no-audio-for-text",
        "left-early",
        "nothing-sent",
        "ended-at-once",
        "no-user-audio",
    )
) | {
    "traffic.transcription.never-committed",
    "traffic.transcription.no-words-model",
    "traffic.speech.no-audio",
    "traffic.speech.texts-without-audio",
}
# With one of these, what came is no proof of success.
_DOUBTS = (
    "traffic.outcome.results-stopped",
    "traffic.outcome.closed-in-speech",
    "traffic.outcome.no-final",
    "traffic.outcome.words-dropped",
    "traffic.transcription.never-committed",
    "traffic.transcription.no-words-model",
    "traffic.words.unsure",
    "traffic.words.one-word",
    "traffic.words.end-early",
    "traffic.outcome.left-early",
    "traffic.outcome.agent-silent",
    "traffic.received.other-samples",
    "traffic.telephone.other-samples",
    "traffic.received.noise",
    "traffic.exchange.text-after-end",
    "traffic.exchange.text-not-flushed",
    "traffic.exchange.context-reused",
    "traffic.exchange.call-unanswered",
    "traffic.exchange.result-unanswered",
    "traffic.exchange.request-unanswered",
    "traffic.exchange.turn-not-ended",
    "traffic.exchange.answer-not-requested",
    "traffic.exchange.answered-in-text",
    "traffic.exchange.turns-without-audio",
    "traffic.received.silent",
    "traffic.exchange.always-interrupted",
    "traffic.received.text",
    "traffic.speech.texts-without-audio",
    "traffic.speech.words-unspoken",
    "traffic.speech.spelling-cut-short",
    "traffic.conversation.hears-itself",
    "traffic.conversation.calls-repeated",
)
# With one of these, an agent answers something else than what was said.
_MISHEARD = (
    "traffic.audio.format-mismatch",
    "traffic.signal.other-samples",
    "traffic.signal.wrong-rate",
)
# Conditions of audio, which may be the cause of what is missing.
_OUTCOMES = (
    "traffic.transcription.",
    "traffic.words.",
    "traffic.outcome.",
    "traffic.exchange.",
    "traffic.conversation.",
    "traffic.speech.",
    "traffic.telephone.",
)
_AUDIO = ("traffic.audio.", "traffic.signal.", "traffic.carrier.", "traffic.received.")
# What is missing or late whatever the audio is.
_OWED = (
    "traffic.exchange.call-unanswered",
    "traffic.exchange.result-unanswered",
    "traffic.exchange.request-unanswered",
    "traffic.conversation.call-answered-late",
)
# What such a limit ends has been done until then.
_ENDS_BY_TIME = ("server.session-limit", "server.silence", "server.timeout")
_HEADERS = "traffic.signal.second-header"


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
    """The rank of a rule's finding: faulty audio, then what is missing, then the others.

    First of all are answers that are missing whatever the audio is.
    """
    if condition == _HEADERS:
        return -1  # a header in each message is more than that the first bytes are one
    if condition in _OWED:
        return -1
    if condition.startswith(_AUDIO):
        return 0
    return 1 if condition.startswith(_OUTCOMES) else 2


def outcome(session: Session, findings: Sequence[FindingLike]) -> Outcome | None:
    """The outcome of a session; None where it was read without its messages.

    An error that was found makes it a failure, whatever came before it. Results that stopped, or
    that are not what was agreed, are no proof of success; nor is an agent's answer to audio that
    is not what is declared.
    """
    found = session.outcome
    if found is None or found.kind == FAILED:
        return found
    error = next((finding for finding in findings if finding.severity == "error"), None)
    if error is not None:
        return Outcome(FAILED, error.title, _first_frames(error), found.figures)
    api = session.timeline.api if session.timeline else None
    doubts = _DOUBTS + _MISHEARD if api is not None and api.audio.origin == "both" else _DOUBTS
    doubt = next((f for f in findings if f.id in doubts or _is_reason_of_end(f, session)), None)
    if doubt is None or found.kind != SUCCEEDED:
        return found
    return Outcome(UNPROVEN, doubt.title, _first_frames(doubt), found.figures)


def _is_reason_of_end(finding: FindingLike, session: Session) -> bool:
    """Whether a finding is what the server said of a failure when it closed with a normal code."""
    close = session.close
    if close is None or close.from_client or not finding.id.startswith("server."):
        return False
    if finding.id in _ENDS_BY_TIME:
        return False
    return close.frame in _first_frames(finding)


def _first_frames(finding: FindingLike) -> tuple[int, ...]:
    return tuple(frame for e in finding.evidence[:1] for frame in e.frames)
