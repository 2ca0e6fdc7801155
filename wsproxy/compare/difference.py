"""A difference between two sessions, and the tolerances of a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .learned_variation import NO_VARIATION, LearnedVariation
from .sequence import MessageSequence, Nondeterministic, Position

_KINDS_SHOWN = 12  # on either side of the first kind that differs


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How strictly two sessions are compared. By default every compared field must be equal.

    Attributes:
        strict: every frame must be equal, and no value counts as volatile.
        max_wer: largest word error rate of the transcript; case and punctuation are then
            ignored. None: the texts must be equal.
        audio_tolerance: largest part (0 to 1) of the received audio's bytes that may be missing
            or surplus; the content of the audio is then ignored. None: it must be equal.
        variation: what other recordings of the recorded session show to vary.
    """

    strict: bool = False
    max_wer: float | None = None
    audio_tolerance: float | None = None
    variation: LearnedVariation = NO_VARIATION

    @property
    def tolerance(self) -> dict[str, float]:
        """The tolerances that are set: "wer", "audio"."""
        values = {"wer": self.max_wer, "audio": self.audio_tolerance}
        return {name: value for name, value in values.items() if value is not None}


STANDARD = Tolerances()


@dataclass(frozen=True, slots=True)
class Difference:
    """A compared field whose values differ.

    Attributes:
        field: name of the compared field.
        recorded_frame, replayed_frame: numbers of the frames concerned; None without any.
        path: dotted path of the JSON value that differs, for a message's content.
    """

    field: str
    recorded: Any
    replayed: Any
    recorded_frame: int | None = None
    replayed_frame: int | None = None
    path: str | None = None

    def as_json(self) -> dict[str, Any]:
        out = {"field": self.field, "recorded": self.recorded, "replayed": self.replayed}
        if self.path is not None:
            out["path"] = self.path
        if self.recorded_frame is not None or self.replayed_frame is not None:
            out["frames"] = {"recorded": self.recorded_frame, "replayed": self.replayed_frame}
        return out


def merged_keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The keys of both mappings, in order, without duplicates."""
    return list(dict.fromkeys([*a, *b]))


def format_size(count: int) -> str:
    """A number of bytes as text."""
    return f"{count} bytes"


def count_difference(
    a: Nondeterministic | None, b: Nondeterministic | None, name: str = "nondeterministic"
) -> Difference:
    """Two counts of a kind of message; None where a side has none."""
    left, right = (f"{p.count} x {p.kind}" if p else None for p in (a, b))
    return Difference(name, left, right, a.frame if a else None, b.frame if b else None)


def sequence_difference(
    name: str, a: MessageSequence, b: MessageSequence, position: Position
) -> Difference:
    """Two sequences of messages, each shown around the first kind that differs."""
    i, j = position
    frames = (_frame_at(a, i), _frame_at(b, j))
    return Difference(name, _kinds_around(a, i), _kinds_around(b, j), *frames)


def _frame_at(sequence: MessageSequence, position: int) -> int | None:
    return sequence.items[position].frame if position < len(sequence.items) else None


def _kinds_around(sequence: MessageSequence, position: int) -> list[str]:
    first = position - _KINDS_SHOWN if position > _KINDS_SHOWN + 1 else 0
    last = position + _KINDS_SHOWN
    kinds = [item.kind for item in sequence.items[first:last]]
    return [*(["…"] if first else []), *kinds, *(["…"] if last < len(sequence.items) else [])]
