"""Time taken out of a session, or put into it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wsproxy.errors import UsageError
from wsproxy.trace import Bytes, FrameRecord, Gap

from .change import Change
from .draft import Draft, Item, messages
from .places import Value, parse_time, seconds


@dataclass(frozen=True, slots=True)
class Cut(Change):
    """Removes both sides' data between two times, and closes the gap.

    A message belongs to the time of its first frame, and goes as a whole. Close frames and
    the ends of the connection stay: a session that is cut short ends as it did.

    Attributes:
        begin_ns: from when, since the session's start; 0: its beginning.
        end_ns: to when; None: its end.
    """

    begin_ns: int = 0
    end_ns: int | None = None

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Read "5s..7.5s", "..3s" or "10s..".

        Raises:
            UsageError: it is none of these.
        """
        value = Value("cut", text, "FROM..TO, such as 5s..7.5s, ..3s or 10s..")
        begin, dots, end = text.partition("..")
        if not dots or not (begin.strip() or end.strip()):
            raise value.wrong()
        begin_ns = parse_time(begin, value) if begin.strip() else 0
        end_ns = parse_time(end, value) if end.strip() else None
        if end_ns is not None and end_ns <= begin_ns:
            raise value.wrong("it ends before it begins")
        return cls(begin_ns, end_ns)

    def __str__(self) -> str:
        begin = seconds(self.begin_ns) if self.begin_ns else ""
        end = seconds(self.end_ns) if self.end_ns is not None else ""
        return f"cut {begin}..{end}"

    def apply(self, draft: Draft) -> None:
        begin = max(self.begin_ns, draft.opened_ns(self))
        draft.check_time(max(begin, self.end_ns or 0), self)
        end = draft.end_ns if self.end_ns is None else self.end_ns
        if end <= begin:
            raise UsageError(f"{self}: that is before the upgrade is done")
        last = draft.end_ns if self.end_ns is None else end - 1
        draft.remove(_between(draft, begin, last))
        for item in draft.items:
            _move(item, begin, end)
        draft.end_ns = _closed(draft.end_ns, begin, end)


def _between(draft: Draft, first: int, last: int) -> list[Item]:
    """What the sides said from one time to another, both included, but for its end."""
    gone = []
    for side in (True, False):
        for message in messages(draft.items, from_client=side):
            if first <= message.items[0].t_ns <= last:
                gone += message.items
    for item in draft.items:
        match item.record:
            case FrameRecord() as frame:
                inside = frame.opcode >= 8 and not item.is_close and first <= item.t_ns <= last
            case Bytes():
                inside = first <= item.t_ns <= last
            case Gap() as gap:
                inside = first <= gap.t_ns and gap.until_ns <= last
            case _:
                inside = False
        if inside:
            gone.append(item)
    return gone


def _closed(t_ns: int, begin: int, end: int) -> int:
    """A time after what is between two others is taken out."""
    return t_ns if t_ns <= begin else max(begin, t_ns - (end - begin))


def _move(item: Item, begin: int, end: int) -> None:
    item.at(_closed(item.t_ns, begin, end))
    if isinstance(item.record, Gap):
        item.record = replace(item.record, until_ns=_closed(item.record.until_ns, begin, end))


@dataclass(frozen=True, slots=True)
class Stall(Change):
    """Everything after a time comes later.

    Attributes:
        at_ns: from when on, since the session's start.
        for_ns: how much later.
        client_only: what the server sends stays in its time, up to where the client ends the
            session.
    """

    at_ns: int
    for_ns: int
    client_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Stall:
        """Read "5s+15s" or "5s+15s:client".

        Raises:
            UsageError: it is neither.
        """
        value = Value("stall", text, "AT+FOR, such as 5s+15s, or 5s+15s:client")
        times, colon, side = text.partition(":")
        at, plus, length = times.partition("+")
        if not plus or (colon and side.strip().lower() != "client"):
            raise value.wrong()
        return cls(parse_time(at, value), parse_time(length, value), client_only=bool(colon))

    def __str__(self) -> str:
        side = ":client" if self.client_only else ""
        return f"stall {seconds(self.at_ns)}+{seconds(self.for_ns)}{side}"

    def apply(self, draft: Draft) -> None:
        draft.check_time(self.at_ns, self)
        if self.at_ns < draft.opened_ns(self):
            raise UsageError(f"{self}: that is before the upgrade is done")
        first = draft.first_end()
        client_ends = first < len(draft.items) and draft.items[first].from_client is True
        for index, item in enumerate(draft.items):
            # What the server does after the client's end, it does because of that.
            follows = client_ends and index > first
            if item.t_ns > self.at_ns and (not self.client_only or item.from_client or follows):
                _delay(item, self.for_ns)
        draft.sort()
        if not self.client_only:
            draft.end_ns += self.for_ns
        draft.end_ns = max(draft.end_ns, draft.items[-1].t_ns)


def _delay(item: Item, for_ns: int) -> None:
    item.at(item.t_ns + for_ns)
    if isinstance(item.record, Gap):
        item.record = replace(item.record, until_ns=item.record.until_ns + for_ns)
