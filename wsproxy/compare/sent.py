"""Compare what two clients sent."""

from __future__ import annotations

from dataclasses import dataclass

from . import sequence
from .audio import compare_audio
from .content_difference import content_difference, message_differences
from .difference import Difference, count_difference, format_size
from .received import audio_difference, violations
from .session_digest import IN_FLIGHT_NS, SessionDigest
from .session_pair import SessionPair

# Compared in every pair of sessions.
FIELDS = ("messages_sent", "violations_sent", "audio_sent")


@dataclass(frozen=True, slots=True)
class SentComparison:
    """How the messages and the audio of two clients compare.

    Attributes:
        summary: "equal", "re-chunked", "different audio" or "different messages".
    """

    summary: str
    differences: list[Difference]


def compare_sent(pair: SessionPair) -> SentComparison:
    """Compare what two clients sent.

    Raises:
        TraceError: a trace cannot be read again.
    """
    left, right = pair.digests
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
    left, right = pair.digests
    a, b = left.sent.sequence, right.sent.sequence
    required_until, comparable_until = _server_ended_ns(left), _comparable_until_ns(pair)
    position = sequence.first_difference(
        a,
        b,
        lambda item: required_until is None or item.t_ns < required_until,
        lambda item: comparable_until is None or item.t_ns < comparable_until,
    )
    return message_differences(pair, a, b, position, "messages_sent")


def _keepalives(pair: SessionPair) -> list[Difference]:
    """A client that sends keepalives, and one that sends none or different ones."""
    left, right = pair.digests
    a, b = left.sent.sequence.nondeterministic, right.sent.sequence.nondeterministic
    missing = next((p for k, p in a.items() if k not in b and _sent_in_time(left, p.t_ns)), None)
    unexpected = next(
        (p for k, p in b.items() if k not in a and _sent_in_time(right, p.t_ns)), None
    )
    if missing is None and unexpected is None:
        return []
    if missing is not None and unexpected is not None:
        return [content_difference(pair, missing.frame, unexpected.frame, "messages_sent")]
    return [count_difference(missing, unexpected, "messages_sent")]


def _server_ended_ns(digest: SessionDigest) -> int | None:
    """When the server ended the session early: later messages of the client are not required."""
    return digest.received.ended_ns if digest.ended_early_by_server else None


def _sent_in_time(digest: SessionDigest, t_ns: int) -> bool:
    ended = _server_ended_ns(digest)
    return ended is None or t_ns < ended - IN_FLIGHT_NS


def _comparable_until_ns(pair: SessionPair) -> int | None:
    """Before when the recorded client had the time to send what the replayed one sent."""
    ended = _server_ended_ns(pair.right.digest)
    if ended is None:
        return None
    return (
        ended - IN_FLIGHT_NS - max(digest.sent.audio.chunk_interval_ns for digest in pair.digests)
    )


def _audio(pair: SessionPair) -> SentComparison:
    left, right = pair.digests
    a, b = left.sent.audio, right.sent.audio
    if a.size == b.size and a.content_digest == b.content_digest:
        return SentComparison(
            "equal" if a.chunking_digest == b.chunking_digest else "re-chunked", []
        )
    found = compare_audio(*pair.paths, pair.catalog, from_client=True)
    if found.first is not None:
        difference = audio_difference("audio_sent", pair, found.first, from_client=True)
        return SentComparison("different audio", [difference])
    required = a.required_size if left.ended_early_by_server else a.size
    comparable_until = _comparable_until_ns(pair)
    comparable = b.size if comparable_until is None else b.size_before(comparable_until)
    if a.size == b.size or b.size < required or comparable > a.size:
        expected = required if b.size < required else a.size
        return SentComparison(
            "different audio",
            [Difference("audio_sent", format_size(expected), format_size(b.size))],
        )
    return SentComparison("equal" if found.same_chunking else "re-chunked", [])
