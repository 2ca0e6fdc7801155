"""The frames that a page lists without scripts: the first, the last, and those of the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from wsproxy.report.safe_text import short
from wsproxy.report.text import compact

from .frame_table import TableFrame, content_of
from .reading import SessionContent, named_frames

FIRST, LAST = 20, 30
AROUND = 2  # frames before and after one of the evidence
MAX_LINKED = 300  # frames that other parts of the page name
_TEXT, _NAMED_TEXT = 200, 4000  # characters
_BINARY = 16  # bytes


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A frame, or frames that are not listed.

    Attributes:
        number: of the frame; 0 for frames that are not listed.
        skipped: how many are not listed.
        named: whether it is evidence of a finding.
    """

    number: int = 0
    t: float = 0.0
    side: str = ""
    opcode: str = ""
    length: int = 0
    text: str = ""
    notes: str = ""
    named: bool = False
    skipped: int = 0


def static_rows(content: SessionContent) -> Iterator[FrameRow]:
    """The rows, in the order of the frames."""
    named = set(named_frames(content.findings))
    around = {n + step for n in named for step in range(-AROUND, AROUND + 1)}
    around |= set(islice(_linked(content), MAX_LINKED))
    table, limits, last = content.frames, content.frames.limits(), 0
    for frame in table:
        number = frame.number
        if number > FIRST and number <= table.count - LAST and number not in around:
            continue
        if number > last + 1:
            yield FrameRow(skipped=number - last - 1)
        last = number
        yield _row(frame, limits, named=number in named)
    if last < table.count:
        yield FrameRow(skipped=table.count - last)


def _linked(content: SessionContent) -> Iterator[int]:
    """Frames that other parts of the page name."""
    yield from (close.frame for close in content.session.closes)
    for _, recorder in content.tracks:
        yield from (fault.where.frame for fault in recorder.report().faults)
    for side in (True, False):
        for gap in content.frames.gaps(content.session.ended_ns, from_client=side):
            yield from (gap.after_frame, gap.after_frame + 1)
    yield from (event.frame for event in content.timeline.events)


def _row(frame: TableFrame, limits: tuple[int, int], *, named: bool) -> FrameRow:
    if frame.is_text:
        text = compact(content_of(frame, limits))
    else:
        rest = " …" if frame.length > _BINARY else ""
        text = f"{frame.payload[:_BINARY].hex(' ')}{rest}"
    return FrameRow(
        frame.number,
        frame.t_ns / 1e9,
        "c" if frame.from_client else "s",
        f"{frame.opcode:x}",
        frame.length,
        short(text, _NAMED_TEXT if named else _TEXT),
        short(", ".join(_note(*item) for item in frame.notes.items()), _TEXT),
        named,
    )


def _note(name: str, value: object) -> str:
    match name:
        case "fin":
            return "more fragments follow"
        case "cut":
            return f"{value} bytes not recorded"
        case "deflated":
            return "could not be inflated"
    return f"{name.replace('_', ' ')}: {value}"
