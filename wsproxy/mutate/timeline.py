"""Removes or inserts time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wsproxy.errors import UsageError
from wsproxy.trace import Bytes, FrameRecord, Gap

from .change import Change, Value, format_seconds, parse_time
from .draft import Draft, DraftRecord, messages


@dataclass(frozen=True, slots=True)
class Cut(Change):
    """Removes all data between two times; later records move forward.

    A message has the time of its first frame and is removed completely. Close frames and the ends
    of the connection are kept, so the session ends as before.

    Attributes:
        begin_ns: ns since the session's start; 0: its beginning.
        end_ns: ns since the session's start; None: its end.
    """

    begin_ns: int = 0
    end_ns: int | None = None

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Read "5s..7.5s", "..3s" or "10s..".

        Raises:
            UsageError: it is invalid.
        """
        value = Value("cut", text, "FROM..TO, such as 5s..7.5s, ..3s or 10s..")
        begin, dots, end = text.partition("..")
        if not dots or not (begin.strip() or end.strip()):
            raise value.error()
        begin_ns = parse_time(begin, value) if begin.strip() else 0
        end_ns = parse_time(end, value) if end.strip() else None
        if end_ns is not None and end_ns <= begin_ns:
            raise value.error("it ends before it begins")
        return cls(begin_ns, end_ns)

    def __str__(self) -> str:
        begin = format_seconds(self.begin_ns) if self.begin_ns else ""
        end = format_seconds(self.end_ns) if self.end_ns is not None else ""
        return f"cut {begin}..{end}"

    def apply(self, draft: Draft) -> None:
        begin = max(self.begin_ns, draft.opened_ns(self))
        draft.check_time(max(begin, self.end_ns or 0), self)
        end = draft.end_ns if self.end_ns is None else self.end_ns
        if end <= begin:
            raise UsageError(f"{self}: that is before the upgrade is complete")
        last = draft.end_ns if self.end_ns is None else end - 1
        draft.remove(_records_between(draft, begin, last))
        for item in draft.items:
            _move_record(item, begin, end)
        draft.end_ns = _without_interval(draft.end_ns, begin, end)


def _records_between(draft: Draft, first: int, last: int) -> list[DraftRecord]:
    """The data of both sides in a closed interval of times, without the session's end."""
    removed = []
    for side in (True, False):
        for message in messages(draft.items, from_client=side):
            if first <= message.items[0].t_ns <= last:
                removed += message.items
    for item in draft.items:
        match item.record:
            case FrameRecord() as frame:
                is_between = frame.opcode >= 8 and not item.is_close and first <= item.t_ns <= last
            case Bytes():
                is_between = first <= item.t_ns <= last
            case Gap() as gap:
                is_between = first <= gap.t_ns and gap.until_ns <= last
            case _:
                is_between = False
        if is_between:
            removed.append(item)
    return removed


def _without_interval(t_ns: int, begin: int, end: int) -> int:
    """A time after the interval between two others is removed, ns."""
    return t_ns if t_ns <= begin else max(begin, t_ns - (end - begin))


def _move_record(item: DraftRecord, begin: int, end: int) -> None:
    item.move_to(_without_interval(item.t_ns, begin, end))
    if isinstance(item.record, Gap):
        item.record = replace(
            item.record, until_ns=_without_interval(item.record.until_ns, begin, end)
        )


@dataclass(frozen=True, slots=True)
class Stall(Change):
    """Delays everything after a time.

    Attributes:
        at_ns: ns since the session's start.
        for_ns: the delay, ns.
        client_only: do not delay the server's data before the client ends the session.
    """

    at_ns: int
    for_ns: int
    client_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Stall:
        """Read "5s+15s" or "5s+15s:client".

        Raises:
            UsageError: it is invalid.
        """
        value = Value("stall", text, "AT+FOR, such as 5s+15s, or 5s+15s:client")
        times, colon, side = text.partition(":")
        at, plus, length = times.partition("+")
        if not plus or (colon and side.strip().lower() != "client"):
            raise value.error()
        return cls(parse_time(at, value), parse_time(length, value), client_only=bool(colon))

    def __str__(self) -> str:
        side = ":client" if self.client_only else ""
        return f"stall {format_seconds(self.at_ns)}+{format_seconds(self.for_ns)}{side}"

    def apply(self, draft: Draft) -> None:
        draft.check_time(self.at_ns, self)
        if self.at_ns < draft.opened_ns(self):
            raise UsageError(f"{self}: that is before the upgrade is complete")
        first = draft.first_end()
        client_ends = first < len(draft.items) and draft.items[first].from_client is True
        for index, item in enumerate(draft.items):
            # The server's records after the client's end are a reaction to it.
            follows = client_ends and index > first
            if item.t_ns > self.at_ns and (not self.client_only or item.from_client or follows):
                _delay(item, self.for_ns)
        draft.sort()
        if not self.client_only:
            draft.end_ns += self.for_ns
        draft.end_ns = max(draft.end_ns, draft.items[-1].t_ns)


def _delay(item: DraftRecord, for_ns: int) -> None:
    item.move_to(item.t_ns + for_ns)
    if isinstance(item.record, Gap):
        item.record = replace(item.record, until_ns=item.record.until_ns + for_ns)
