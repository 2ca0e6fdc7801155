"""The evidence of a finding: a sentence, its figure, and the frames that show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact measured in a session.

    Attributes:
        text: one line; text from the traffic in it is escaped.
        frames: numbers of the frames that show it.
        t_ns: ns since the start of the session.
        value: the figure, in units of `unit`.
        detail: whether it is only worth reading where all is shown: it says what the end of the
            session, the last frames or other evidence say already, or that all is as usual.
    """

    text: str
    frames: Sequence[int] = field(default_factory=tuple)
    t_ns: int | None = None
    value: float | None = None
    unit: str | None = None
    detail: bool = False


def seconds(ns: float) -> float:
    """Nanoseconds as seconds, rounded to milliseconds."""
    return round(ns / 1e9, 3)


def quoted(text: str, limit: int = 80) -> str:
    """Text from the traffic on one line, shortened, with control characters escaped."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in short)


def frame_list(numbers: Sequence[int], limit: int = 5, *, of: int = 0) -> str:
    """The first few of some frame numbers, in words.

    Args:
        of: how many there are, if `numbers` are only the first of them.
    """
    count = max(of, len(numbers))
    shown = numbers[:limit]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"frame {', '.join(map(str, shown))}{more}"
