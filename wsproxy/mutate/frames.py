"""Changes to single frames."""

from __future__ import annotations

from dataclasses import dataclass

from wsproxy.errors import UsageError

from .change import Change
from .draft import Draft
from .places import Value, parse_frame, parse_number

MAX_TEXT = 1 << 20  # bytes of a payload that is given on the command line
_TOLD = 120  # characters of it that are told


@dataclass(frozen=True, slots=True)
class Drop(Change):
    """Removes a frame, or those from one number to another."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Drop:
        """Read "5" or "5..9".

        Raises:
            UsageError: it is neither.
        """
        value = Value("drop", text, "a frame or a range of them, such as 5 or 5..9")
        begin, dots, end = text.partition("..")
        first = parse_frame(begin, value)
        last = parse_frame(end, value) if dots else first
        if last < first:
            raise value.wrong("it ends before it begins")
        return cls(first, last)

    def __str__(self) -> str:
        more = f"..{self.last}" if self.last != self.first else ""
        return f"drop {self.first}{more}"

    def apply(self, draft: Draft) -> None:
        draft.find(self.first, self)
        draft.find(self.last, self)
        draft.remove([i for i in draft.items if self.first <= i.number <= self.last])


@dataclass(frozen=True, slots=True)
class Corrupt(Change):
    """Flips all bits of one byte of a frame's payload.

    Attributes:
        offset: which; None: the one in the middle.
    """

    frame: int
    offset: int | None = None

    @classmethod
    def parse(cls, text: str) -> Corrupt:
        """Read "40" or "40:17".

        Raises:
            UsageError: it is neither.
        """
        value = Value("corrupt", text, "FRAME or FRAME:OFFSET, such as 40 or 40:17")
        frame, colon, offset = text.partition(":")
        return cls(
            parse_frame(frame, value),
            parse_number(offset, value, 1 << 30) if colon else None,
        )

    def __str__(self) -> str:
        at = f":{self.offset}" if self.offset is not None else ""
        return f"corrupt {self.frame}{at}"

    def apply(self, draft: Draft) -> None:
        item = draft.find(self.frame, self)
        assert item.frame is not None
        payload = bytearray(item.frame.payload)
        at = len(payload) // 2 if self.offset is None else self.offset
        if at >= len(payload):
            raise UsageError(f"{self}: the payload of frame {self.frame} has {len(payload)} bytes")
        payload[at] ^= 0xFF
        draft.set_payload(item, bytes(payload))


@dataclass(frozen=True, slots=True)
class Replace(Change):
    """Gives a frame another payload; it stays the kind of frame that it is."""

    frame: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Replace:
        """Read "40=TEXT".

        Raises:
            UsageError: there is no frame in it, or more text than MAX_TEXT.
        """
        frame, equals, payload = text.partition("=")
        value = Value("replace", text, "FRAME=TEXT")
        if not equals:
            raise value.wrong()
        number = parse_frame(frame, value)
        if len(payload.encode("utf-8", "surrogateescape")) > MAX_TEXT:
            raise value.wrong(f"the text is longer than {MAX_TEXT} bytes")
        return cls(number, payload)

    def __str__(self) -> str:
        more = "…" if len(self.text) > _TOLD else ""
        return f"replace {self.frame}={self.text[:_TOLD]}{more}"

    def apply(self, draft: Draft) -> None:
        item = draft.find(self.frame, self)
        draft.set_payload(item, self.text.encode("utf-8", "surrogateescape"))
