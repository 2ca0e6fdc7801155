"""How the session ends: Close frames, and the end of the connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsproxy.errors import InvalidValue, UsageError
from wsproxy.trace import Eof
from wsproxy.wire import Close, Opcode

from .change import Change
from .draft import Draft, Item
from .places import Value, parse_number

_ENDS = ("eof", "reset", "silence")
_MAX_REASON = 123  # bytes (RFC 6455, section 5.5)
_ANSWER_NS = 1_000_000  # after which one side answers the other


def closing(draft: Draft, t_ns: int, close: Close) -> list[Item]:
    """The server closes, the client answers, both end the connection (RFC 6455, section 7)."""
    return [
        draft.new_frame(t_ns, False, Opcode.CLOSE, close.serialize()),
        draft.new_frame(t_ns + _ANSWER_NS, True, Opcode.CLOSE, answer(close).serialize()),
        *ended(t_ns + 2 * _ANSWER_NS, "eof"),
    ]


def answer(close: Close) -> Close:
    """The Close with which a library answers one: its code; 1002 where that may not be sent."""
    code = close.code
    forbidden = code is not None and (code < 1000 or code in (1004, 1005, 1006, 1015))
    return Close(1002 if forbidden else code)


def ended(t_ns: int, how: str, *, by_client: bool = False) -> list[Item]:
    """The connection is ended by one side ("eof" or "reset"), and after an "eof" by the other."""
    first = Item(Eof(t_ns, by_client, how))
    return [first] if how == "reset" else [first, Item(Eof(t_ns, not by_client))]


def drop_tail(draft: Draft, at: int, tail: Sequence[Item]) -> None:
    """Put a new end in the place of all items from an index on."""
    draft.items[at:] = tail
    draft.end_ns = draft.items[-1].t_ns


@dataclass(frozen=True, slots=True)
class SetClose(Change):
    """The server closes with another code and reason, or nobody closes.

    A client that closed first answers the server's Close instead. A session without a Close
    gets one where it ended otherwise.

    Attributes:
        close: None: there is no Close frame.
    """

    close: Close | None

    @classmethod
    def parse(cls, text: str) -> SetClose:
        """Read "1011", "1011:NET-0001" or "none".

        Raises:
            UsageError: it is none of these, or the reason is too long for a Close frame.
        """
        if text.strip().lower() == "none":
            return cls(None)
        code, _, reason = text.partition(":")
        form = "CODE, CODE:REASON or none, such as 1011:NET-0001; a code is at most 65535"
        value = Value("close", text, form)
        number = parse_number(code, value, 0xFFFF)
        if len(reason.encode("utf-8", "replace")) > _MAX_REASON:
            raise value.wrong(f"a reason has at most {_MAX_REASON} bytes")
        return cls(Close(number, reason))

    def __str__(self) -> str:
        if self.close is None:
            return "close none"
        reason = f":{self.close.reason}" if self.close.reason else ""
        return f"close {self.close.code}{reason}"

    def apply(self, draft: Draft) -> None:
        draft.opened_ns(self)
        closes = [item for item in draft.items if item.is_close]
        if self.close is None:
            if not closes:
                raise UsageError(f"{self}: there is no Close frame in the session")
            draft.remove(closes)
        elif not closes:
            self._where_it_ended(draft, self.close)
        elif closes[0].from_client:
            self._before_the_client(draft, self.close, closes)
        else:
            self._instead(draft, self.close, closes)

    def _instead(self, draft: Draft, close: Close, closes: Sequence[Item]) -> None:
        draft.set_payload(closes[0], close.serialize())
        echo = next((item for item in closes if item.from_client), None)
        if echo is not None:
            draft.set_payload(echo, answer(close).serialize())

    def _before_the_client(self, draft: Draft, close: Close, closes: Sequence[Item]) -> None:
        echo = closes[0]
        at = draft.items.index(echo)
        late = [i for i in draft.items[at:] if i.frame is not None and i.from_client is False]
        draft.items.insert(at, draft.new_frame(echo.t_ns, False, Opcode.CLOSE, close.serialize()))
        draft.set_payload(echo, answer(close).serialize())
        draft.remove(late)  # nothing follows a Close (section 5.5.1)

    def _where_it_ended(self, draft: Draft, close: Close) -> None:
        at = draft.first_end()
        t_ns = draft.items[at].t_ns if at < len(draft.items) else draft.end_ns
        drop_tail(draft, at, closing(draft, t_ns, close))


@dataclass(frozen=True, slots=True)
class SetEnd(Change):
    """How the connection ends; Close frames stay.

    Attributes:
        how: "eof" (FIN), "reset" (RST) or "silence" (it does not).
    """

    how: str

    @classmethod
    def parse(cls, text: str) -> SetEnd:
        """Read "eof", "reset" or "silence".

        Raises:
            UsageError: it is none of these.
        """
        how = text.strip().lower()
        if how not in _ENDS:
            raise InvalidValue("end", text, f"expected {', '.join(_ENDS)}", _ENDS)
        return cls(how)

    def __str__(self) -> str:
        return f"end {self.how}"

    def apply(self, draft: Draft) -> None:
        draft.opened_ns(self)
        old = [item for item in draft.items if isinstance(item.record, Eof)]
        if self.how == "silence":
            draft.left_open = "stopped"
            draft.remove(old)
            return
        by_client = bool(old and old[0].from_client)
        t_ns = old[0].t_ns if old else draft.end_ns
        if old and self.how == "reset":
            # Nothing comes after a reset, from either side.
            del draft.items[draft.items.index(old[0]) :]
            draft.end_ns = t_ns
        draft.remove(old)
        draft.items += ended(draft.end_ns, self.how, by_client=by_client)
