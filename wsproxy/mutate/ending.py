"""Changes the end of the session: Close frames, and the end of the connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsproxy.errors import InvalidValue, UsageError
from wsproxy.trace import Eof
from wsproxy.wire import Close, Opcode

from .change import Change, Value, parse_number
from .draft import Draft, DraftRecord

_ENDS = ("eof", "reset", "silence")
_MAX_REASON = 123  # bytes (RFC 6455, section 5.5)
_REPLY_NS = 1_000_000  # ns, delay of the peer's reply


def closing_handshake(draft: Draft, t_ns: int, close: Close) -> list[DraftRecord]:
    """A closing handshake by the server, and the end of TCP (RFC 6455, section 7)."""
    return [
        draft.new_frame(t_ns, False, Opcode.CLOSE, close.serialize()),
        draft.new_frame(t_ns + _REPLY_NS, True, Opcode.CLOSE, close_reply(close).serialize()),
        *connection_end(t_ns + 2 * _REPLY_NS, "eof"),
    ]


def close_reply(close: Close) -> Close:
    """A library's reply to a Close: the same code, or 1002 if that must not be sent."""
    code = close.code
    forbidden = code is not None and (code < 1000 or code in (1004, 1005, 1006, 1015))
    return Close(1002 if forbidden else code)


def connection_end(t_ns: int, how: str, *, by_client: bool = False) -> list[DraftRecord]:
    """One side ends the connection ("eof" or "reset"); the peer follows an "eof"."""
    first = DraftRecord(Eof(t_ns, by_client, how))
    return [first] if how == "reset" else [first, DraftRecord(Eof(t_ns, not by_client))]


def replace_tail(draft: Draft, at: int, tail: Sequence[DraftRecord]) -> None:
    """Replace all items from an index on by a new end."""
    draft.items[at:] = tail
    draft.end_ns = draft.items[-1].t_ns


@dataclass(frozen=True, slots=True)
class SetClose(Change):
    """Makes the server close with another code and reason, or removes the Close frames.

    If the client closed first, its Close becomes the reply. A session without a Close gets one at
    its end.

    Attributes:
        close: None: remove the Close frames.
    """

    close: Close | None

    @classmethod
    def parse(cls, text: str) -> SetClose:
        """Read "1011", "1011:NET-0001" or "none".

        Raises:
            UsageError: it is invalid, or the reason is too long for a Close frame.
        """
        if text.strip().lower() == "none":
            return cls(None)
        code, _, reason = text.partition(":")
        expected = "CODE, CODE:REASON or none, such as 1011:NET-0001; a code is at most 65535"
        value = Value("close", text, expected)
        number = parse_number(code, value, 0xFFFF)
        if len(reason.encode("utf-8", "replace")) > _MAX_REASON:
            raise value.error(f"a reason has at most {_MAX_REASON} bytes")
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
            self._add_close(draft, self.close)
        elif closes[0].from_client:
            self._close_before_client(draft, self.close, closes)
        else:
            self._replace_close(draft, self.close, closes)

    def _replace_close(self, draft: Draft, close: Close, closes: Sequence[DraftRecord]) -> None:
        draft.set_payload(closes[0], close.serialize())
        echo = next((item for item in closes if item.from_client), None)
        if echo is not None:
            draft.set_payload(echo, close_reply(close).serialize())

    def _close_before_client(
        self, draft: Draft, close: Close, closes: Sequence[DraftRecord]
    ) -> None:
        echo = closes[0]
        at = draft.items.index(echo)
        late = [i for i in draft.items[at:] if i.frame is not None and i.from_client is False]
        draft.items.insert(at, draft.new_frame(echo.t_ns, False, Opcode.CLOSE, close.serialize()))
        draft.set_payload(echo, close_reply(close).serialize())
        draft.remove(late)  # no data may follow a Close (section 5.5.1)

    def _add_close(self, draft: Draft, close: Close) -> None:
        at = draft.first_end()
        t_ns = draft.items[at].t_ns if at < len(draft.items) else draft.end_ns
        replace_tail(draft, at, closing_handshake(draft, t_ns, close))


@dataclass(frozen=True, slots=True)
class SetEnd(Change):
    """Changes how the connection ends; Close frames are unchanged.

    Attributes:
        how: "eof" (FIN), "reset" (RST) or "silence" (it remains open).
    """

    how: str

    @classmethod
    def parse(cls, text: str) -> SetEnd:
        """Read "eof", "reset" or "silence".

        Raises:
            UsageError: it is invalid.
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
            draft.default_ending = "stopped"
            draft.remove(old)
            return
        by_client = bool(old and old[0].from_client)
        t_ns = old[0].t_ns if old else draft.end_ns
        if old and self.how == "reset":
            # No data follows a reset, from either side.
            del draft.items[draft.items.index(old[0]) :]
            draft.end_ns = t_ns
        draft.remove(old)
        draft.items += connection_end(draft.end_ns, self.how, by_client=by_client)
