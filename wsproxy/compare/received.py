"""Compare what two servers sent."""

from __future__ import annotations

from collections.abc import Callable

from wsproxy.session.declared_audio import declared_format

from . import sequence
from .audio import AudioDifference, compare_audio
from .content_difference import content_difference, message_differences
from .difference import Difference, count_difference, format_size
from .sequence import MIN_OCCURRENCES, SequenceItem
from .session_digest import IN_FLIGHT_NS, DirectionDigest, SessionDigest
from .session_pair import SessionPair
from .transcript import TranscriptDistance

# Compared in every pair of sessions.
FIELDS = ("messages", "nondeterministic", "violations", "audio_received")


def compare_received(pair: SessionPair, distance: TranscriptDistance | None) -> list[Difference]:
    """Compare what two servers sent.

    Args:
        distance: between the transcripts; None where neither has words.
    """
    left, right = pair.digests
    return [
        *_messages(pair),
        *_nondeterministic(left, right),
        *_errors(pair),
        *_results(pair, distance),
        *violations("violations", left.received, right.received),
        *_audio(pair),
        *_transcripts(distance, pair.rules.max_wer),
    ]


def _messages(pair: SessionPair) -> list[Difference]:
    left, right = pair.digests
    a, b = left.received.sequence, right.received.sequence
    position = sequence.first_difference(a, b, _required_items(left), _required_items(right))
    return message_differences(pair, a, b, position, "messages")


def _required_items(digest: SessionDigest) -> Callable[[SequenceItem], bool]:
    """Which messages do not depend on when the client ended the session.

    Messages after its end were on their way; so were results and audio just before it.
    """
    ended = digest.sent.ended_ns
    if not digest.ended_by_client or ended is None:
        return lambda item: True
    return lambda item: item.t_ns < (ended - IN_FLIGHT_NS if item.repeatable else ended)


def _nondeterministic(left: SessionDigest, right: SessionDigest) -> list[Difference]:
    """Timing-dependent kinds that were frequent on one side and absent on the other."""
    a, b = left.received.sequence.nondeterministic, right.received.sequence.nondeterministic
    missing = [
        count_difference(p, None)
        for key, p in a.items()
        if key not in b and p.count >= MIN_OCCURRENCES
    ]
    unexpected = [
        count_difference(None, p)
        for key, p in b.items()
        if key not in a and p.count >= MIN_OCCURRENCES
    ]
    return missing + unexpected


def _errors(pair: SessionPair) -> list[Difference]:
    """The first error whose text differs; `messages` compares how many there are."""
    left, right = pair.digests
    for a, b in zip(left.errors, right.errors, strict=False):
        if a[1] != b[1]:
            return [content_difference(pair, a[0], b[0], "error")]
    return []


def same_segmentation(left: SessionDigest, right: SessionDigest) -> bool:
    """Whether the final results divide the text in the same way, as far as both go."""
    pairs = zip(left.results, right.results, strict=False)
    return _same_result_count(left, right) and all(a.text_digest == b.text_digest for a, b in pairs)


def _same_result_count(left: SessionDigest, right: SessionDigest) -> bool:
    """Whether all surplus results of one side may have been on their way at its end."""
    a, b = left.results, right.results
    extra = [*a[len(b) :], *b[len(a) :]]
    required_until = left.required_until_ns if len(a) > len(b) else right.required_until_ns
    return all(required_until is not None and result.t_ns >= required_until for result in extra)


def _results(pair: SessionPair, distance: TranscriptDistance | None) -> list[Difference]:
    """The first final result that differs in more than its text, if both divide it alike."""
    left, right = pair.digests
    if distance is None or not distance.equal or not same_segmentation(left, right):
        return []
    for a, b in zip(left.results, right.results, strict=False):
        if a.content_digest != b.content_digest:
            return [content_difference(pair, a.frame, b.frame, "results")]
    return []


def violations(field: str, left: DirectionDigest, right: DirectionDigest) -> list[Difference]:
    """The RFC 6455 rules that two sides broke."""
    a, b = left.violations, right.violations
    if list(a) == list(b):
        return []
    first, other = (next((frame for frame in v.values() if frame), None) for v in (a, b))
    return [Difference(field, list(a), list(b), first, other)]


def _audio(pair: SessionPair) -> list[Difference]:
    """The server's audio, byte by byte; only its size if there is a tolerance."""
    left, right = pair.digests
    a, b = left.received.audio, right.received.audio
    allowed = pair.rules.audio_tolerance
    if allowed is not None and not pair.rules.strict:
        x, y = (
            s.received.audio.required_size if s.ended_by_client else s.received.audio.size
            for s in pair.digests
        )
        if abs(x - y) <= allowed * max(x, y):
            return []
        return [Difference("audio_received", format_size(x), format_size(y))]
    if a.size == b.size and a.content_digest == b.content_digest:
        return []
    found = compare_audio(*pair.paths, pair.catalog, from_client=False)
    if found.first is not None:
        return [audio_difference("audio_received", pair, found.first, from_client=False)]
    if (
        a.size != b.size
        and b.size >= _required_audio_size(left)
        and a.size >= _required_audio_size(right)
    ):
        return []
    return [Difference("audio_received", format_size(a.size), format_size(b.size))]


def _required_audio_size(digest: SessionDigest) -> int:
    """Bytes of the server's audio that do not depend on when the client ended the session."""
    audio, required_until = digest.received.audio, digest.required_until_ns
    if required_until is None:
        return audio.size
    return audio.size_before(required_until - audio.chunk_interval_ns)


def audio_difference(
    name: str, pair: SessionPair, where: AudioDifference, *, from_client: bool
) -> Difference:
    """Two audio streams that differ from a byte on."""
    digest, other = pair.digests
    side, other_side = (s.sent if from_client else s.received for s in (digest, other))
    time_in_audio = _time_in_audio(digest, where.offset, from_client=from_client)
    location = f"others from byte {where.offset}{time_in_audio} on"
    return Difference(
        name,
        format_size(side.audio.size),
        f"{format_size(other_side.audio.size)}, {location}",
        where.recorded_frame,
        where.replayed_frame,
    )


def _time_in_audio(digest: SessionDigest, offset: int, *, from_client: bool) -> str:
    """The time of a byte in the audio, if the audio's format is known."""
    form = declared_format(digest.session, digest.api)
    if form is None or form.from_client is not from_client or not form.bytes_per_second:
        return ""
    return f" ({form.duration(offset):.3f} s)"


def _transcripts(distance: TranscriptDistance | None, max_wer: float | None) -> list[Difference]:
    if distance is None or distance.equal or (max_wer is not None and distance.rate <= max_wer):
        return []
    return [
        Difference(
            "transcript",
            distance.recorded or None,
            distance.replayed or None,
            distance.recorded_frame,
            distance.replayed_frame,
        )
    ]
