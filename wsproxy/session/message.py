"""The messages of a session, each read once: kind, JSON, audio of the envelope.

Holds the messages that are being assembled, at most KEPT bytes of each, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import Json, read
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import EMPTY
from wsproxy.trace import FrameRecord
from wsproxy.wire import MessageAssembler, Opcode

KEPT = 4 << 20  # bytes of a message that are read
MAX_VALUES = 4_000_000  # JSON values that are parsed in a session
_SHORT = 40  # characters of a text that is a kind by itself, such as EOS
# Names of the field with a message's type, for APIs of which none is known.
_KIND_FIELDS = ("type", "message_type", "event", "action")


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """A complete message.

    Attributes:
        frame: number of the frame that began it.
        t_ns: time of its last byte.
        kind: its type as the API names it; "(empty)" for no content, a short text for itself;
            empty for other messages.
        content: the JSON object, with the headers of the envelope; None for something else.
        data: the bytes of a binary message that are audio, or not in the API's envelope.
        is_text: text or binary.
        length: bytes of all of it.
    """

    frame: int
    t_ns: int
    from_client: bool
    kind: str
    content: Json | None
    data: bytes = field(repr=False)
    is_text: bool
    length: int


class MessageStream:
    """Reads the messages of both directions from data frames.

    Args:
        api: whose messages these are; None if unknown.
    """

    def __init__(self, api: Api | None) -> None:
        self._envelope = api.envelope if api else ""
        self._kind_path = api.vocabulary.kind if api else "type"
        self._assemblers = tuple(
            MessageAssembler(keep_text=KEPT, keep_binary=KEPT) for _ in range(2)
        )
        self._values = MAX_VALUES

    def add(self, frame: FrameRecord, number: int) -> SessionMessage | None:
        """Add the next data frame.

        Args:
            number: of the frame, from 1.

        Returns:
            The message that it completes, None if it continues.
        """
        message = self._assemblers[frame.from_client].add(frame, number)
        if message is None or not message.finished:
            return None
        data = message.content
        content: Json | None = None
        audio = b"" if message.is_text else data
        kind = "" if message.length else EMPTY
        if data and (message.is_text or self._envelope):
            text = data.decode("utf-8", "replace") if message.is_text else ""
            if self._may_read(data, is_text=message.is_text):
                content, audio = read(self._envelope, text if message.is_text else data)
            if content is not None:
                kind = self._kind(content)
            elif message.is_text:
                audio, kind = b"", text.strip() if len(text) <= _SHORT else ""
            else:
                audio = data
        return SessionMessage(
            message.number,
            frame.t_ns,
            frame.from_client,
            kind,
            content,
            audio,
            message.is_text,
            message.length,
        )

    def begin(self, *, from_client: bool) -> None:
        """A message of one frame has come, which a caller reads itself."""
        self._assemblers[from_client].open = None

    def _may_read(self, data: bytes, *, is_text: bool) -> bool:
        """Whether JSON is read: a hostile trace may hold more than there is time for."""
        if is_text:
            self._values -= data.count(b",") + data.count(b"[") + data.count(b"{")
        return self._values >= 0

    def _kind(self, content: Json) -> str:
        if not self._kind_path:
            return next(iter(content), "")
        value = field_of(content, self._kind_path)
        if isinstance(value, str):
            return value
        found = (content.get(name) for name in _KIND_FIELDS)
        return next((value for value in found if isinstance(value, str)), "")


def is_data(opcode: int) -> bool:
    """Whether a frame is part of a message."""
    return opcode <= Opcode.BINARY
