"""The frames of a session in columns, with a bounded amount of their contents.

Of a long session the first and the last frames are kept. How much of each content is kept depends
on how much there is: all contents together stay within a budget.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappush, heappushpop
from itertools import chain, islice

from wsproxy.trace import FrameRecord, FrameRun
from wsproxy.wire import Close, Opcode

KEPT_FIRST = 8_000  # frames
KEPT_LAST = 24_000
KEPT_GAPS = 20  # of each direction
_GAP_NS = 1_000_000_000  # without data frames of a direction
MAX_NOTES = 2_000  # frames with something unusual
TEXT_BUDGET = 1_000_000  # bytes of all texts
BINARY_BUDGET = 200_000  # bytes of all binary payloads
MAX_TEXT, MAX_BINARY = 20_000, 256  # of one payload
_MIN_TEXT, _MIN_BINARY = 24, 8
_HELD = 16_000_000  # bytes of payloads held while the session is read
_LONG = 240  # bytes of a text in which base64 is looked for
_SEARCHED = 256 << 10  # of its bytes: a message may have 64 MiB
_BASE64 = re.compile(rb'"([A-Za-z0-9+/_-]{24})[A-Za-z0-9+/_-]{200,}+={0,2}"')
_NUMBERS = re.compile(rb"(\[(?:\s*+[\d.e-]++\s*+,){16})(?:\s*+[\d.e-]++\s*+,){100,}+[^\]]*+\]")
_CLOSE, _BINARY = int(Opcode.CLOSE), int(Opcode.BINARY)


@dataclass(slots=True)
class TableFrame:
    """A frame, its payload shortened.

    Attributes:
        number: from 1.
        t_ns: since the start of the session.
        length: bytes of its complete payload.
        payload: the beginning; long base64 in it is replaced by its length.
        shortened: whether `payload` is not all of it.
        is_text: whether it is a part of a text message, or a Close frame.
        notes: what is unusual about it, by name.
    """

    number: int
    t_ns: int
    from_client: bool
    opcode: int
    length: int
    payload: bytes
    shortened: bool
    is_text: bool
    notes: dict[str, object]


@dataclass(frozen=True, slots=True, order=True)
class TimeGap:
    """A time without data frames of one direction.

    Attributes:
        length_ns: how long it was.
        start_ns: when it began.
        after_frame: the frame before it.
    """

    length_ns: int
    start_ns: int
    after_frame: int


def _start(gap: TimeGap) -> int:
    return gap.start_ns


class FrameTable:
    """Collects the frames of a session, in their order.

    Args:
        before: how many frames are not added, because they are before the first one that is.
        is_text: whether the message that is open before it is text: of the server, and of the
            client.

    Attributes:
        count: number of frames so far.
    """

    def __init__(self, before: int = 0, is_text: tuple[bool, bool] = (False, False)) -> None:
        self.count = before
        self._forgotten = before
        self._first: list[TableFrame] = []
        self._between: list[TableFrame] = []
        self._last: deque[TableFrame] = deque(maxlen=KEPT_LAST)
        self._limit = MAX_TEXT  # bytes of a payload, while the session is read
        self._held = 0
        self._notes = 0
        self._is_text = list(is_text)  # the open message of each direction
        self._data: list[tuple[int, int] | None] = [None, None]  # its last data frame
        self._gaps: tuple[list[TimeGap], list[TimeGap]] = ([], [])

    def add(self, record: FrameRecord) -> None:
        """Add the next frame."""
        self.count += 1
        opcode, side = record.opcode, record.from_client
        if opcode <= _BINARY:
            self._add_gap(record.t_ns, from_client=side)
            if opcode:
                self._is_text[side] = opcode == Opcode.TEXT
        is_text = self._is_text[side] if opcode <= _BINARY else opcode == _CLOSE
        self._keep(self._frame(self.count, record, is_text=is_text))

    def add_run(self, run: FrameRun) -> None:
        """Add the next frames, as `add` of each would do, at a fraction of the time."""
        for start, end, text in run.pieces():
            self._add_binaries(run, start, end)
            if text is not None:
                self.add(text)

    def _add_binaries(self, run: FrameRun, start: int, end: int) -> None:
        """Add binary messages of a run, by their indices, between which there is no text."""
        side = run.from_client
        for t_ns, payload in zip(run.times[start:end], run.payloads[start:end], strict=True):
            self.count += 1
            self._add_gap(t_ns, from_client=side)
            kept, length = payload[:MAX_BINARY], len(payload)
            self._keep(
                TableFrame(
                    self.count, t_ns, side, _BINARY, length, kept, length > MAX_BINARY, False, {}
                )
            )
        if end > start:
            self._is_text[side] = False

    def _keep(self, frame: TableFrame) -> None:
        """Keep the next frame as one of the first, or of the last."""
        self._held += len(frame.payload)
        if len(self._first) < KEPT_FIRST:
            self._first.append(frame)
        else:
            if len(self._last) == KEPT_LAST:
                self._held -= len(self._last[0].payload)
            self._last.append(frame)
        while self._held > _HELD and self._limit > _MIN_TEXT:
            self._shorten()

    def after(self, number: int) -> list[TableFrame]:
        """The frames that are kept of those after a number."""
        known = max(0, number - self._forgotten)
        if known < len(self._first):
            return [*self._first[known:], *self._last]
        missing = min(self.count - number, len(self._last))
        return list(islice(reversed(self._last), missing))[::-1]

    def forget(self) -> None:
        """Forget the frames so far; gaps are found across them."""
        self._forgotten = self.count
        for kept in (self._first, self._between, self._last):
            kept.clear()
        self._limit, self._held = MAX_TEXT, 0

    def keeps(self, number: int) -> bool:
        """Whether a frame is one of the first or of the last."""
        last = self._last[0].number if self._last else self.count + 1
        first = number - self._forgotten
        return 0 < first <= len(self._first) or last <= number <= self.count

    def add_between(self, number: int, record: FrameRecord) -> None:
        """Keep a frame as well that was not kept; such frames have to be added in their order."""
        is_text = record.opcode in (Opcode.TEXT, _CLOSE)
        self._between.append(self._frame(number, record, is_text=is_text))

    def _frame(self, number: int, record: FrameRecord, *, is_text: bool) -> TableFrame:
        limit = self._limit if is_text else MAX_BINARY
        payload, shortened = record.payload[:limit], len(record.payload) > limit
        if is_text and len(record.payload) > _LONG:
            payload, shortened = _beginning(record.payload, limit)
        return TableFrame(
            number,
            record.t_ns,
            record.from_client,
            record.opcode,
            len(record.payload) + record.cut,
            payload,
            shortened or record.cut > 0,
            is_text,
            self._noted(record),
        )

    def _noted(self, record: FrameRecord) -> dict[str, object]:
        notes: dict[str, object] = {}
        if not record.fin:
            notes["fin"] = False
        if record.broken_rule:
            notes["broken_rule"] = record.broken_rule[:200]
        if record.redacted:
            names = dict.fromkeys(str(each.get("name") or "a key") for each in record.redacted)
            notes["redacted"] = ", ".join(names)[:200]
        if record.cut:
            notes["cut"] = record.cut
        if record.deflated:
            notes["deflated"] = True
        self._notes += bool(notes)
        return notes if self._notes <= MAX_NOTES else {}

    def _add_gap(self, t_ns: int, *, from_client: bool) -> None:
        last = self._data[from_client]
        self._data[from_client] = (t_ns, self.count)
        if last is None or t_ns - last[0] < _GAP_NS:
            return
        gap, gaps = TimeGap(t_ns - last[0], *last), self._gaps[from_client]
        (heappush if len(gaps) < KEPT_GAPS else heappushpop)(gaps, gap)

    def _shorten(self) -> None:
        """Make room by halving the longest payloads."""
        self._limit //= 2
        self._held = 0
        for frame in self:
            if len(frame.payload) > self._limit:
                frame.payload, frame.shortened = frame.payload[: self._limit], True
            self._held += len(frame.payload)

    def __iter__(self) -> Iterator[TableFrame]:
        """The frames that are kept."""
        return chain(self._first, self._between, self._last)

    def gaps(self, until_ns: int, *, from_client: bool) -> list[TimeGap]:
        """The longest times without data frames of a direction, in their order.

        Args:
            until_ns: the end of the session; the time from the last data frame to it is one too.
        """
        gaps, last = sorted(self._gaps[from_client], key=_start), self._data[from_client]
        if last is not None and until_ns - last[0] >= _GAP_NS:
            gaps.append(TimeGap(until_ns - last[0], *last))
        return gaps

    def limits(self) -> tuple[int, int]:
        """How many bytes of a text, and of a binary payload, keep all of them in the budgets."""
        return limits_of(list(self))


def limits_of(
    frames: Sequence[TableFrame], largest: tuple[int, int] = (MAX_TEXT, MAX_BINARY)
) -> tuple[int, int]:
    """How many bytes of a text, and of a binary payload, keep all of them in the budgets.

    Args:
        largest: of both, where there is room.
    """
    texts = [len(frame.payload) for frame in frames if frame.is_text]
    binaries = [len(frame.payload) for frame in frames if not frame.is_text]
    return (
        fitting_limit(texts, TEXT_BUDGET, largest[0], _MIN_TEXT),
        fitting_limit(binaries, BINARY_BUDGET, largest[1], _MIN_BINARY),
    )


def ranges_of(frames: Iterable[TableFrame]) -> list[tuple[int, int]]:
    """The numbers of frames: first and last of each run."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame.number - 1:
            runs[-1] = (runs[-1][0], frame.number)
        else:
            runs.append((frame.number, frame.number))
    return runs


def content_of(frame: TableFrame, limits: tuple[int, int]) -> str:
    """A frame's payload as text, shortened: binary in hexadecimal."""
    payload = frame.payload[: limits[not frame.is_text]]
    if frame.opcode == _CLOSE:
        return str(Close.parse(payload))
    return payload.decode("utf-8", "replace") if frame.is_text else payload.hex()


def is_shortened(frame: TableFrame, limits: tuple[int, int]) -> bool:
    """Whether `content_of` leaves out a part."""
    return frame.shortened or len(frame.payload) > limits[not frame.is_text]


def fitting_limit(sizes: list[int], budget: int, largest: int, least: int) -> int:
    """The largest limit for each of some sizes with which all together fit a budget."""
    left, count = budget, len(sizes)
    for size in sorted(sizes):
        if size * count > left:
            return max(least, left // count)
        left -= size
        count -= 1
    return largest


def _beginning(payload: bytes, limit: int) -> tuple[bytes, bool]:
    """The beginning of a payload with long base64 in it replaced, and whether that is not all."""
    head = payload[:_SEARCHED]
    replaced = _NUMBERS.sub(_shorter_numbers, _BASE64.sub(_shorter_base64, head))
    return replaced[:limit], replaced != payload or len(replaced) > limit


def _shorter_base64(match: re.Match[bytes]) -> bytes:
    return b'"%s\xe2\x80\xa6 (%d characters)"' % (match[1], len(match[0]) - 2)


def _shorter_numbers(match: re.Match[bytes]) -> bytes:
    return b'%s"\xe2\x80\xa6 (%d numbers)"]' % (match[1], match[0].count(b",") + 1)
