"""When the audio of a track is heard, in session time; static/app/players.js does the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .arrival_map import Point


@dataclass(frozen=True, slots=True)
class Placement:
    """A piece of a track's audio.

    Attributes:
        at_s: when it is heard, seconds of the session.
        start_s: its position in the track's audio, seconds.
        length_s: seconds.
    """

    at_s: float
    start_s: float
    length_s: float


def placements(points: Sequence[Point], start_s: float, seconds: float) -> Iterator[Placement]:
    """The pieces of a stretch of a track: each when it arrived, or behind what came before it.

    Args:
        points: of the track's `ArrivalMap`.
        start_s, seconds: the stretch.
    """
    free = 0.0
    for (before, t, _), (after, _, _) in pairwise(points):
        first, last = max(before, start_s), min(after, start_s + seconds)
        if last <= first:
            continue
        at = max(free, t)
        yield Placement(at, first, last - first)
        free = at + last - first
