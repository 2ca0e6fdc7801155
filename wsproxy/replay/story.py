"""What is compared of a session: kinds of messages and the audio, straight from a trace.

Streams: holds a few names and one frame, never the audio.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from wsproxy.trace import Eof, FrameRecord, Record, TraceReader
from wsproxy.wire import Opcode

MAX_TEXT = 1 << 20  # bytes of a text message that are read for its kind
_ON_ITS_WAY_NS = 50_000_000  # between an app and a server
MAX_KINDS = 1000  # kinds of one direction that are told apart

# Fields that name the kind of a JSON message, in the order in which they are asked.
_KIND_FIELDS = ("type", "message_type", "event", "action")
_CODE_FIELDS = ("error_code", "err_code")  # errors of different codes are different kinds


@dataclass(frozen=True, slots=True)
class Kind:
    """The first message of a kind: its name, its frame's number and time."""

    name: str
    frame: int
    t_ns: int


@dataclass(slots=True)
class Told:
    """One direction's messages.

    Attributes:
        kinds: in the order of their first appearance. Repeats are not told: how often
            interim results come depends on the moment.
        chunks: number of binary messages.
        audio: payload bytes of binary messages.
    """

    kinds: list[Kind] = field(default_factory=list)
    chunks: int = 0
    audio: int = 0
    _names: set[str] = field(default_factory=set)
    _message: tuple[int, Opcode] = (0, Opcode.TEXT)
    _text: bytearray = field(default_factory=bytearray)

    @property
    def names(self) -> list[str]:
        return [kind.name for kind in self.kinds]

    def take(self, number: int, frame: FrameRecord) -> None:
        """Take the direction's next data frame."""
        opcode = Opcode(frame.opcode)
        if opcode is not Opcode.CONTINUATION:
            self._message = (number, opcode)
            self._text.clear()
        first, opcode = self._message
        if opcode is Opcode.BINARY:
            self.audio += len(frame.payload) + frame.cut
            self.chunks += frame.fin
            self._name("binary", first, frame.t_ns)
            return
        self._text += frame.payload[: MAX_TEXT - len(self._text)]
        if frame.fin:
            self._name(kind_of(bytes(self._text)), first, frame.t_ns)

    def _name(self, name: str, frame: int, t_ns: int) -> None:
        if name not in self._names and len(self._names) < MAX_KINDS:
            self._names.add(name)
            self.kinds.append(Kind(name, frame, t_ns))


def kind_of(text: bytes) -> str:
    """The kind of a text message: what its JSON says that it is, or the names of its fields."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "text"
    if not isinstance(message, dict):
        return "text"
    code = next((c for name in _CODE_FIELDS if isinstance(c := message.get(name), str | int)), "")
    for name in _KIND_FIELDS:
        value = message.get(name)
        if isinstance(value, str) and value:
            return f"{value[:80]} {code}"[:120].rstrip()
    return "{" + ", ".join(sorted(message)[:8])[:80] + "}"


@dataclass(slots=True)
class Story:
    """The messages of a trace, by direction.

    Attributes:
        audio_due: bytes of the client's audio that came before the server ended the
            session; what came after was on its way, and is a matter of the moment.
        ended_ns: when the server sent its Close or ended its direction, if it did.
    """

    sent: Told = field(default_factory=Told)
    received: Told = field(default_factory=Told)
    audio_due: int = 0
    ended_ns: int | None = None

    @property
    def kinds_due(self) -> list[str]:
        """Kinds of the client's messages that were not on their way when the server ended."""
        until = self.ended_ns - _ON_ITS_WAY_NS if self.ended_ns is not None else None
        return [kind.name for kind in self.sent.kinds if until is None or kind.t_ns < until]

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Story:
        """Read a trace.

        Raises:
            TraceError: it cannot be read.
        """
        story = cls()
        number = 0
        with TraceReader(path) as reader:
            for record in reader:
                number += isinstance(record, FrameRecord)
                if isinstance(record, FrameRecord) and record.opcode <= Opcode.BINARY:
                    told = story.sent if record.from_client else story.received
                    told.take(number, record)
                elif story.ended_ns is None and _ends(record):
                    story.ended_ns = record.t_ns
                if story.ended_ns is None:
                    story.audio_due = story.sent.audio
        return story


def _ends(record: Record) -> bool:
    """Whether the server ends the session."""
    match record:
        case FrameRecord(opcode=Opcode.CLOSE) | Eof():
            return not record.from_client
    return False


def _data_frames(path: str | os.PathLike[str]) -> Iterator[tuple[int, FrameRecord]]:
    with TraceReader(path) as reader:
        frames = (record for record in reader if isinstance(record, FrameRecord))
        for number, frame in enumerate(frames, 1):
            if frame.opcode <= Opcode.BINARY:
                yield number, frame


@dataclass(frozen=True, slots=True)
class AudioDifference:
    """Where the client's audio first differs: offset in it, and the frames there."""

    offset: int
    recorded_frame: int
    replayed_frame: int


def first_audio_difference(
    recorded: str | os.PathLike[str], replayed: str | os.PathLike[str]
) -> AudioDifference | None:
    """Compare the binary messages of two clients as two streams of bytes.

    Returns:
        The first byte that differs; None if one stream is the other's beginning.
    """
    left, right = _audio(recorded), _audio(replayed)
    a, b = next(left, None), next(right, None)
    offset = 0
    while a is not None and b is not None:
        size = min(len(a[1]), len(b[1]))
        if a[1][:size] != b[1][:size]:
            at = next(i for i, (x, y) in enumerate(zip(a[1], b[1], strict=False)) if x != y)
            return AudioDifference(offset + at, a[0], b[0])
        offset += size
        a = (a[0], a[1][size:]) if size < len(a[1]) else next(left, None)
        b = (b[0], b[1][size:]) if size < len(b[1]) else next(right, None)
    return None


def _audio(path: str | os.PathLike[str]) -> Iterator[tuple[int, memoryview]]:
    """(frame number, bytes) of the client's binary messages, none of them empty."""
    opcode = Opcode.TEXT
    for number, frame in _data_frames(path):
        if not frame.from_client:
            continue
        if frame.opcode != Opcode.CONTINUATION:
            opcode = Opcode(frame.opcode)
        if opcode is Opcode.BINARY and frame.payload:
            yield number, memoryview(frame.payload)
