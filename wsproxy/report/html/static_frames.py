"""The frames that a page lists without scripts: the first, the last, and those of the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wsproxy.diagnose import Finding
from wsproxy.report.text import compact, short

from .frame_table import Frame, content_of
from .reading import SessionContent

FIRST, LAST = 20, 30
AROUND = 2  # frames before and after one of the evidence
MAX_NAMED = 200  # frames of the evidence
_TEXT, _NAMED_TEXT = 200, 4000  # characters


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


def named_frames(findings: Sequence[Finding]) -> list[int]:
    """The frames of the evidence, the most important first."""
    found = dict.fromkeys(
        number for finding in findings for each in finding.evidence for number in each.frames
    )
    return list(found)[:MAX_NAMED]


def static_rows(content: SessionContent, findings: Sequence[Finding]) -> Iterator[FrameRow]:
    """The rows, in the order of the frames."""
    named = set(named_frames(findings))
    around = {n + step for n in named for step in range(-AROUND, AROUND + 1)}
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


def _row(frame: Frame, limits: tuple[int, int], *, named: bool) -> FrameRow:
    text = content_of(frame, limits)
    if frame.is_text:
        text = compact(text)
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
