"""The page of two sessions: where they differ, then both of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.compare import Comparison, Difference, compare
from wsproxy.report import differences as report
from wsproxy.report.safe_text import short

from .page import SessionView, render, view_of
from .reading import read_content

SECOND = "b-"  # prefix of everything about the second session
_VALUE = 500  # characters of a value
_MAX_DIFFERENCES = 200


def pair_page(
    first: Path,
    second: Path,
    catalog: Catalog,
    *,
    max_audio: int,
    step: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """The page of two traces, in parts.

    Args:
        max_audio: bytes that all audio may have in the page; 0: none is embedded.
        step: is called with what is being done.

    Raises:
        TraceError: a trace cannot be read.
    """
    step(f"comparing {first.name} and {second.name}")
    found = compare(first, second)  # it refuses what holds too much
    each = max_audio // 2
    views = [
        view_of(read_content(path, catalog, max_audio=each, step=step), prefix)
        for path, prefix in ((first, ""), (second, SECOND))
    ]
    data = difference_data(found, *views)
    return render("pair.html.j2", views, data_difference=data)


def difference_data(found: Comparison, a: SessionView, b: SessionView) -> dict[str, Any]:
    """What differs; `page_data` describes it."""
    in_a, in_b = report.what(found.recorded), report.what(found.replayed)
    ended = f"in both, {in_a}" if in_a == in_b else f"in A, {in_a}; in B, {in_b}"
    verdict = "same" if found.same else "different"
    listed = [_difference(each, a, b) for each in found.differences[:_MAX_DIFFERENCES]]
    placed = [each for each in listed if each["a_t"] is not None or each["b_t"] is not None]
    opened = [view.data["session"]["opened"] for view in (a, b)]
    offset = round(opened[0] - opened[1], 4) if None not in opened else 0.0
    return {
        "verdict": verdict,
        "summary": short(f"{verdict.capitalize()}: {ended}.", 2 * _VALUE),
        "words": report.words(found.sent, found.wer),
        "equal": found.equal,
        "differences": listed,
        "first": min(placed, key=lambda each: _aligned(each, offset), default=None),
        "offset": offset,
        "latency": [
            {
                "name": report.LATENCY.get(name, name),
                "a": round(values["recorded"] / 1e3, 4),
                "b": round(values["replayed"] / 1e3, 4),
            }
            for name, values in found.latency.items()
        ],
        "not_compared": report.qualified(found.not_compared, found.notes),
    }


def _difference(found: Difference, a: SessionView, b: SessionView) -> dict[str, Any]:
    shown = [report.value_text(value, _VALUE) for value in (found.recorded, found.replayed)]
    return {
        "field": found.field,
        "path": short(found.path, 200) if found.path else None,
        "a": shown[0],
        "b": shown[1],
        "a_frame": found.recorded_frame,
        "b_frame": found.replayed_frame,
        "a_t": a.time_of(found.recorded_frame),
        "b_t": b.time_of(found.replayed_frame),
    }


def _aligned(difference: dict[str, Any], offset: float) -> float:
    """When it is, on the axis of the first session."""
    if difference["a_t"] is not None:
        return float(difference["a_t"])
    return float(difference["b_t"]) + offset
