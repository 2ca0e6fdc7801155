"""How strictly two sessions are compared, and what a difference is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .learned_variation import NOTHING, LearnedVariation
from .sequence import MessageSequence, Nondeterministic, Place

_KINDS_SHOWN = 12  # on either side of the first one that differs


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How strictly two sessions are compared. By default every compared field has to be equal.

    Attributes:
        strict: every frame has to be equal, and no value is volatile.
        max_wer: tolerance: word errors for each word of the recorded transcript; case and
            punctuation do not count then. None: the texts have to be equal.
        audio_tolerance: tolerance: the part of the received audio's bytes that may be missing
            or too much; what is in the audio does not count then. None: it has to be equal.
        varying: what other recordings of the recorded session show to vary.
    """

    strict: bool = False
    max_wer: float | None = None
    audio_tolerance: float | None = None
    varying: LearnedVariation = NOTHING

    @property
    def tolerance(self) -> dict[str, float]:
        """The tolerances that were asked for: "wer", "audio"."""
        given = {"wer": self.max_wer, "audio": self.audio_tolerance}
        return {name: value for name, value in given.items() if value is not None}


STANDARD = Tolerances()


@dataclass(frozen=True, slots=True)
class Difference:
    """A compared field with another value.

    Attributes:
        recorded_frame, replayed_frame: numbers of the frames that it is about, if any.
        path: of a message's content, the dotted path of the JSON value that differs.
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


def names(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The keys of both, in their order."""
    return list(dict.fromkeys([*a, *b]))


def amount(count: int) -> str:
    """Bytes, as a difference shows them."""
    return f"{count} bytes"


def counted(
    a: Nondeterministic | None, b: Nondeterministic | None, name: str = "nondeterministic"
) -> Difference:
    left, right = (f"{p.count} x {p.kind}" if p else None for p in (a, b))
    return Difference(name, left, right, a.frame if a else None, b.frame if b else None)


def at_place(name: str, a: MessageSequence, b: MessageSequence, at: Place) -> Difference:
    """Two orders of messages, each shown around the first kind that differs."""
    i, j = at
    frames = (_frame(a, i), _frame(b, j))
    return Difference(name, _kinds(a, i), _kinds(b, j), *frames)


def _frame(told: MessageSequence, at: int) -> int | None:
    return told.items[at].frame if at < len(told.items) else None


def _kinds(told: MessageSequence, at: int) -> list[str]:
    first = at - _KINDS_SHOWN if at > _KINDS_SHOWN + 1 else 0
    last = at + _KINDS_SHOWN
    kinds = [item.kind for item in told.items[first:last]]
    return [*(["…"] if first else []), *kinds, *(["…"] if last < len(told.items) else [])]
