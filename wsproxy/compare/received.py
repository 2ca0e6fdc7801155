"""What differs in what two servers said."""

from __future__ import annotations

from collections.abc import Callable

from . import sequence
from .difference import Difference, amount, at_place, counted
from .pair import Pair
from .sequence import ENOUGH, Item
from .story import ON_ITS_WAY_NS, Story, Told
from .text import around_difference
from .transcript import Distance

# What is always compared.
FIELDS = ("messages", "passing", "violations", "audio_received")

_SAME_AUDIO = 0.1  # part of the audio that may be missing, or too much


def compare_received(pair: Pair, heard: Distance | None) -> list[Difference]:
    """Compare what two servers said.

    Args:
        heard: how far the transcripts are apart, None where there is none.
    """
    left, right = pair.stories
    return [
        *_messages(left, right),
        *_passing(left, right),
        *_errors(left, right),
        *violations("violations", left.received, right.received),
        *_audio(pair),
        *_transcripts(heard, pair.rules.max_wer),
    ]


def _messages(left: Story, right: Story) -> list[Difference]:
    a, b = left.received.sequence, right.received.sequence
    at = sequence.first_difference(a, b, _due(left), _due(right))
    return [] if at is None else [at_place("messages", a, b, at)]


def _due(story: Story) -> Callable[[Item], bool]:
    """Which messages had to come, or came so early that they do not depend on the moment.

    What came after the app had ended the session was on its way; of results and audio also
    what came just before.
    """
    ended = story.sent.ended_ns
    if not story.left or ended is None:
        return lambda item: True
    return lambda item: item.t_ns < (ended - ON_ITS_WAY_NS if item.run else ended)


def _passing(left: Story, right: Story) -> list[Difference]:
    """Kinds that are a matter of the moment, and came often on one side only."""
    a, b = left.received.sequence.passing, right.received.sequence.passing
    lost = [counted(p, None) for key, p in a.items() if key not in b and p.count >= ENOUGH]
    new = [counted(None, p) for key, p in b.items() if key not in a and p.count >= ENOUGH]
    return lost + new


def _errors(left: Story, right: Story) -> list[Difference]:
    """What errors and warnings say; how many there are is told by `messages`."""
    for a, b in zip(left.errors, right.errors, strict=False):
        if a[1] != b[1]:
            return [Difference("error", *around_difference(a[1], b[1]), a[0], b[0])]
    return []


def violations(field: str, left: Told, right: Told) -> list[Difference]:
    """The rules of RFC 6455 that two sides broke."""
    a, b = left.violations, right.violations
    if list(a) == list(b):
        return []
    first = [next((frame for frame in v.values() if frame), None) for v in (a, b)]
    return [Difference(field, list(a), list(b), *first)]


def _audio(pair: Pair) -> list[Difference]:
    a, b = (
        story.received.sound.due if story.left else story.received.sound.size
        for story in pair.stories
    )
    allowed = 0.0 if pair.rules.strict else _SAME_AUDIO * max(a, b)
    return [] if abs(a - b) <= allowed else [Difference("audio_received", amount(a), amount(b))]


def _transcripts(heard: Distance | None, max_wer: float) -> list[Difference]:
    if heard is None or heard.rate <= max_wer:
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
