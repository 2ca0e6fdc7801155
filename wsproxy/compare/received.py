"""What differs in what two servers said."""

from __future__ import annotations

from collections.abc import Callable

from wsproxy.session.declared_audio import declared_format

from . import sequence
from .audio import AudioDifference, compare_audio
from .content_difference import content_difference
from .difference import Difference, amount, at_place, counted
from .sequence import ENOUGH, SequenceItem
from .session_digest import ON_ITS_WAY_NS, DirectionDigest, SessionDigest
from .session_pair import SessionPair
from .transcript import Distance

# What is always compared.
FIELDS = ("messages", "nondeterministic", "violations", "audio_received")


def compare_received(pair: SessionPair, heard: Distance | None) -> list[Difference]:
    """Compare what two servers said.

    Args:
        heard: how far the transcripts are apart, None where there is none.
    """
    left, right = pair.stories
    return [
        *_messages(pair),
        *_passing(left, right),
        *_errors(pair),
        *_results(pair, heard),
        *violations("violations", left.received, right.received),
        *_audio(pair),
        *_transcripts(heard, pair.rules.max_wer),
    ]


def _messages(pair: SessionPair) -> list[Difference]:
    left, right = pair.stories
    a, b = left.received.sequence, right.received.sequence
    at = sequence.first_difference(a, b, _due(left), _due(right))
    if at is None:
        return []
    x, y = (
        told.items[i] if i < len(told.items) else None for told, i in zip((a, b), at, strict=True)
    )
    if x is None or y is None or x.kind != y.kind:
        return [at_place("messages", a, b, at)]
    return [content_difference(pair, x.frame, y.frame, "messages", from_client=False)]


def _due(story: SessionDigest) -> Callable[[SequenceItem], bool]:
    """Which messages had to come, or came so early that they do not depend on the moment.

    What came after the app had ended the session was on its way; of results and audio also
    what came just before.
    """
    ended = story.sent.ended_ns
    if not story.left or ended is None:
        return lambda item: True
    return lambda item: item.t_ns < (ended - ON_ITS_WAY_NS if item.run else ended)


def _passing(left: SessionDigest, right: SessionDigest) -> list[Difference]:
    """Kinds that are a matter of the moment, and came often on one side only."""
    a, b = left.received.sequence.passing, right.received.sequence.passing
    lost = [counted(p, None) for key, p in a.items() if key not in b and p.count >= ENOUGH]
    new = [counted(None, p) for key, p in b.items() if key not in a and p.count >= ENOUGH]
    return lost + new


def _errors(pair: SessionPair) -> list[Difference]:
    """What errors and warnings say; how many there are is told by `messages`."""
    left, right = pair.stories
    for a, b in zip(left.errors, right.errors, strict=False):
        if a[1] != b[1]:
            return [content_difference(pair, a[0], b[0], "error", from_client=False)]
    return []


def same_cuts(left: SessionDigest, right: SessionDigest) -> bool:
    """Whether the words of two sessions come in the same final results, as far as both go."""
    pairs = zip(left.results, right.results, strict=False)
    return _count_fits(left, right) and all(a.words == b.words for a, b in pairs)


def _count_fits(left: SessionDigest, right: SessionDigest) -> bool:
    """Whether neither has a result too many, but for those that were on their way."""
    a, b = left.results, right.results
    extra = [*a[len(b) :], *b[len(a) :]]
    firm = left.firm_ns if len(a) > len(b) else right.firm_ns
    return all(firm is not None and result.t_ns >= firm for result in extra)


def _results(pair: SessionPair, heard: Distance | None) -> list[Difference]:
    """What final results say beside their words, where they are cut alike."""
    left, right = pair.stories
    if heard is None or not heard.equal or not same_cuts(left, right):
        return []
    for a, b in zip(left.results, right.results, strict=False):
        if a.content != b.content:
            return [content_difference(pair, a.frame, b.frame, "results", from_client=False)]
    return []


def violations(field: str, left: DirectionDigest, right: DirectionDigest) -> list[Difference]:
    """The rules of RFC 6455 that two sides broke."""
    a, b = left.violations, right.violations
    if list(a) == list(b):
        return []
    first, other = (next((frame for frame in v.values() if frame), None) for v in (a, b))
    return [Difference(field, list(a), list(b), first, other)]


def _audio(pair: SessionPair) -> list[Difference]:
    """The server's audio, byte for byte; with a tolerance, how much it is."""
    left, right = pair.stories
    a, b = left.received.sound, right.received.sound
    allowed = pair.rules.audio_tolerance
    if allowed is not None and not pair.rules.strict:
        x, y = (s.received.sound.due if s.left else s.received.sound.size for s in pair.stories)
        near = abs(x - y) <= allowed * max(x, y)
        return [] if near else [Difference("audio_received", amount(x), amount(y))]
    if a.size == b.size and a.content == b.content:
        return []
    found = compare_audio(*pair.paths, left.api, right.api, from_client=False)
    if found.first is not None:
        return [audio_difference("audio_received", pair, found.first, from_client=False)]
    if a.size != b.size and b.size >= _firm_audio(left) and a.size >= _firm_audio(right):
        return []
    return [Difference("audio_received", amount(a.size), amount(b.size))]


def _firm_audio(story: SessionDigest) -> int:
    """Bytes of the server's audio that had to come, whenever the app left."""
    sound, firm = story.received.sound, story.firm_ns
    return sound.size if firm is None else sound.until(firm - sound.step_ns)


def audio_difference(
    name: str, pair: SessionPair, where: AudioDifference, *, from_client: bool
) -> Difference:
    """Two streams of audio that differ from a byte on."""
    story, other = pair.stories
    side, other_side = (s.sent if from_client else s.received for s in (story, other))
    second = _second(story, where.offset, from_client=from_client)
    there = f"others from byte {where.offset}{second} on"
    return Difference(
        name,
        amount(side.sound.size),
        f"{amount(other_side.sound.size)}, {there}",
        where.recorded_frame,
        where.replayed_frame,
    )


def _second(story: SessionDigest, offset: int, *, from_client: bool) -> str:
    """Where in the audio a byte is, where its format tells."""
    form = declared_format(story.session, story.api)
    if form is None or form.from_client is not from_client or not form.bytes_per_second:
        return ""
    return f" ({form.duration(offset):.3f} s)"


def _transcripts(heard: Distance | None, max_wer: float | None) -> list[Difference]:
    if heard is None or heard.equal or (max_wer is not None and heard.rate <= max_wer):
        return []
    return [
        Difference(
            "transcript",
            heard.recorded or None,
            heard.replayed or None,
            heard.recorded_frame,
            heard.replayed_frame,
        )
    ]
