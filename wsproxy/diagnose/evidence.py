"""What a finding rests on: a sentence with its figure, and where in the traffic it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact measured in a session.

    Attributes:
        text: for people; what comes from the traffic in it is escaped.
        frames: numbers of the frames that it is about.
        t_ns: when, ns since the session's start.
        value: the figure, in `unit`.
    """

    text: str
    frames: Sequence[int] = field(default_factory=tuple)
    t_ns: int | None = None
    value: float | None = None
    unit: str | None = None


def seconds(ns: float) -> float:
    """Nanoseconds as seconds, rounded to milliseconds."""
    return round(ns / 1e9, 3)


def quoted(text: str, limit: int = 80) -> str:
    """Text from the traffic, shortened, on one line, with nothing in it that a terminal obeys."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in short)


def named(numbers: Sequence[int], limit: int = 5) -> str:
    """Frame numbers, the first few of them."""
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"frame {', '.join(map(str, numbers[:limit]))}{more}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"
