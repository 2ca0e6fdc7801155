"""What differs in what two apps sent."""

from __future__ import annotations

from dataclasses import dataclass

from . import sequence
from .audio import compare_audio
from .content_difference import content_difference
from .difference import Difference, amount, at_place, counted
from .received import audio_difference, violations
from .session_digest import ON_ITS_WAY_NS, SessionDigest
from .session_pair import SessionPair

# What is always compared.
FIELDS = ("messages_sent", "violations_sent", "audio_sent")


@dataclass(frozen=True, slots=True)
class SentComparison:
    """How what two apps sent compares.

    Attributes:
        word: "equal", "re-chunked", "different audio" or "different messages".
    """

    word: str
    differences: list[Difference]


def compare_sent(pair: SessionPair) -> SentComparison:
    """Compare what two apps sent.

    Raises:
        TraceError: a trace cannot be read again.
    """
    left, right = pair.stories
    messages = [
        *_messages(pair),
        *_keepalives(pair),
        *violations("violations_sent", left.sent, right.sent),
    ]
    audio = _audio(pair)
    if messages:
        return SentComparison("different messages", messages + audio.differences)
    return audio


def _messages(pair: SessionPair) -> list[Difference]:
    left, right = pair.stories
    a, b = left.sent.sequence, right.sent.sequence
    due, firm = _ended_ns(left), _firm_ns(pair)
    at = sequence.first_difference(
        a,
        b,
        lambda item: due is None or item.t_ns < due,
        lambda item: firm is None or item.t_ns < firm,
    )
    if at is None:
        return []
    x, y = (
        told.items[i] if i < len(told.items) else None for told, i in zip((a, b), at, strict=True)
    )
    if x is None or y is None or x.kind != y.kind:
        return [at_place("messages_sent", a, b, at)]
    return [content_difference(pair, x.frame, y.frame, "messages_sent", from_client=True)]


def _keepalives(pair: SessionPair) -> list[Difference]:
    """An app that keeps the session open, and one that does not or says something else."""
    left, right = pair.stories
    a, b = left.sent.sequence.passing, right.sent.sequence.passing
    lost = next((p for k, p in a.items() if k not in b and _in_time(left, p.t_ns)), None)
    new = next((p for k, p in b.items() if k not in a and _in_time(right, p.t_ns)), None)
    if lost is None and new is None:
        return []
    if lost is not None and new is not None:
        return [content_difference(pair, lost.frame, new.frame, "messages_sent", from_client=True)]
    return [counted(lost, new, "messages_sent")]


def _ended_ns(story: SessionDigest) -> int | None:
    """When the server ended the session, if what the app sent then was on its way."""
    return story.received.ended_ns if story.cut_short else None


def _in_time(story: SessionDigest, t_ns: int) -> bool:
    ended = _ended_ns(story)
    return ended is None or t_ns < ended - ON_ITS_WAY_NS


def _firm_ns(pair: SessionPair) -> int | None:
    """Until when the second app sent what the first would have had time for as well."""
    ended = _ended_ns(pair.right.story)
    if ended is None:
        return None
    return ended - ON_ITS_WAY_NS - max(story.sent.sound.step_ns for story in pair.stories)


def _audio(pair: SessionPair) -> SentComparison:
    left, right = pair.stories
    a, b = left.sent.sound, right.sent.sound
    if a.size == b.size and a.content == b.content:
        return SentComparison("equal" if a.cuts == b.cuts else "re-chunked", [])
    found = compare_audio(*pair.paths, left.api, right.api, from_client=True)
    if found.first is not None:
        told = audio_difference("audio_sent", pair, found.first, from_client=True)
        return SentComparison("different audio", [told])
    due = a.due if left.cut_short else a.size
    until = _firm_ns(pair)
    firm = b.size if until is None else b.until(until)
    if a.size == b.size or b.size < due or firm > a.size:
        expected = due if b.size < due else a.size
        return SentComparison(
            "different audio", [Difference("audio_sent", amount(expected), amount(b.size))]
        )
    return SentComparison("equal" if found.same_cuts else "re-chunked", [])
