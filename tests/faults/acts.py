"""What an end does: one that works, and one that has a fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wire_bytes import BINARY, MASK, TEXT, accepted, close, frame, upgrade

from .ends import End

Script = Callable[[End], None]
HELLO = frame(TEXT, b'{"type":"hello"}', mask=MASK)
AUDIO = frame(BINARY, bytes(range(200)), mask=MASK)
FRAGMENT = frame(TEXT, b'{"type":', fin=False, mask=MASK)
BYE = close(1000, mask=MASK)
BROKEN = close(1002, mask=MASK)
RESULT = frame(TEXT, b'{"type":"Results"}')
SPEECH = frame(BINARY, bytes(range(200)))
PIECE = frame(TEXT, b'{"type":', fin=False)
END = close(1000)
REFUSED = close(1002)
LAST = frame(TEXT, b'{"type":"last"}')
REQUEST = upgrade("/chat", "localhost")
ACCEPTED = accepted()
GARBAGE = b"\xf3what is this?\r\n\r\n" * 20
PAGE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\r\nno backend\r\n"
PLAIN = b"This is no TLS record.\r\n\r\n"


def good_server(end: End) -> None:
    """Up to the first result."""
    end.begin()
    end.note_request()
    end.send_head(ACCEPTED)
    end.need(len(HELLO))
    end.send(RESULT)


def good_client(end: End) -> None:
    """Up to the first result."""
    end.begin()
    end.send_head(REQUEST)
    end.note_answer()
    end.send(HELLO)
    end.need(len(RESULT))


def expects_answer(end: End) -> None:
    end.begin()
    end.send_head(REQUEST)
    end.note_answer()


@dataclass(frozen=True)
class Act:
    """What one end does, and how the other one takes it after the upgrade.

    Attributes:
        tls: as in Fault.
    """

    what: str
    do: Script
    take: Script
    tls: tuple[bool, ...] = (False, True)


def reset(end: End) -> None:
    end.reset()
    end.acted.set()


def half_close(end: End) -> None:
    end.close_notify()
    end.eof()
    end.acted.set()
    end.until_end()


def cut_off(end: End) -> None:
    end.eof()
    end.acted.set()
    end.until_end()


def vanish(end: End) -> None:
    end.vanish()
    end.acted.set()


def speak_garbage(end: End) -> None:
    end.send(GARBAGE)
    end.acted.set()
    end.until_end()


def speak_plainly(end: End) -> None:
    end.send_raw(PLAIN)
    end.acted.set()
    end.until_end()


def send_page(end: End) -> None:
    end.send(PAGE)
    half_close(end)


def alert(end: End) -> None:
    end.alert()
    end.eof()
    end.acted.set()
    end.until_end()


def watch(end: End) -> None:
    end.watch()


def say_last(word: bytes) -> Script:
    """Go on for a moment with an end that does not send any more."""

    def take(end: End) -> None:
        end.until_end()
        if end.saw[-1:] == ["eof"]:
            end.send(word)
            end.close_notify()
            end.eof()

    return take


def refuse_garbage(end: End) -> None:
    """Fail the connection, as a library does for what is no frame."""
    while not end.received.endswith(GARBAGE):
        end.need(len(end.received) + 1)
    end.send(BROKEN if end.is_client else REFUSED)
    end.close_notify()
    end.eof()
    end.until_end()


RESETS = Act("resets", reset, watch)
STALLS = Act("stalls forever", End.fall_silent, End.wait_in_vain)
GARBLES = Act("sends garbage", speak_garbage, refuse_garbage)
PLAINLY = Act("sends plain bytes into TLS", speak_plainly, watch, (True,))
ALERTS = Act("sends a fatal TLS alert", alert, watch, (True,))


def half_closes(word: bytes) -> tuple[Act, Act]:
    return (
        Act("half-closes", half_close, say_last(word)),
        Act("half-closes without close-notify", cut_off, say_last(word), (True,)),
    )


SERVER_ACTS = (
    RESETS,
    *half_closes(HELLO),
    STALLS,
    GARBLES,
    Act("sends an HTTP page", send_page, watch),
    PLAINLY,
    ALERTS,
)
CLIENT_ACTS = (
    Act("vanishes", vanish, lambda end: end.poke(LAST)),
    RESETS,
    *half_closes(LAST),
    GARBLES,
    PLAINLY,
    ALERTS,
)
