"""Read the messages of one direction: kind, JSON, audio.

Holds one text message, at most MAX_TEXT bytes of it, and nothing of plain binary messages.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import Json, read
from wsproxy.session.message_kinds import MAX_TEXT, kind_of_json
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import AssembledMessage, MessageAssembler, Opcode

from .base64_audio import separate_audio

_BEFORE_VALUE = (b",", b"[", b"{")  # one of them stands before each value of JSON
_BYTES_A_VALUE = 32  # of text, which cost as much


@dataclass(frozen=True, slots=True)
class MessagePart:
    """A message, or one frame of a plain binary message.

    Attributes:
        frame, t_ns: number of its first frame, and time of its last byte.
        kind: see `kind_of`; "binary" for plain audio, "text" for text that is not a JSON object.
        content: the JSON object without its audio, None without one.
        text: of a message that is not a JSON object.
        audio: the audio in it.
        cut: bytes of audio at its end that were not recorded.
        done: whether the message is complete.
        values: how many JSON values had to be read for it, at most.
    """

    frame: int
    t_ns: int
    kind: str
    content: Json | None = None
    text: str = ""
    audio: bytes = b""
    cut: int = 0
    done: bool = True
    values: int = 0

    @property
    def has_audio(self) -> bool:
        return bool(self.audio or self.cut or self.kind == "binary")


class MessagePartReader:
    """Reads one direction's data frames.

    Args:
        api: the API whose messages these are, None if unknown.
    """

    def __init__(self, api: Api | None) -> None:
        self._api = api
        self._envelope = api.envelope if api else ""
        self._assembler = MessageAssembler(
            keep_text=MAX_TEXT, keep_binary=MAX_TEXT if self._envelope else 0
        )
        self._over_sum = _digest()  # of bytes beyond what is kept
        self._is_over = False  # whether it has any

    def take(self, number: int, frame: FrameRecord) -> MessagePart | None:
        """Take the next data frame of the direction.

        Args:
            number: of the frame, from 1.

        Returns:
            The message that it completes; None if the message continues.
        """
        message = self._assembler.add(frame, number)
        if message is None:
            return None
        if not message.is_text and not self._envelope:
            return MessagePart(
                message.number,
                frame.t_ns,
                "binary",
                audio=frame.payload,
                cut=frame.cut,
                done=frame.fin,
            )
        if message.frames == 1 and self._is_over:
            self._over_sum, self._is_over = _digest(), False
        if message.kept_of_last < len(frame.payload):
            self._over_sum.update(frame.payload[message.kept_of_last :])
            self._is_over = True
        return self._open(message, frame.t_ns) if message.finished else None

    def _open(self, message: AssembledMessage, t_ns: int) -> MessagePart:
        number, data = message.number, message.content
        over = message.length - len(data)
        values = sum(map(data.count, _BEFORE_VALUE)) + len(data) // _BYTES_A_VALUE
        if over:
            # Too long to be parsed as JSON, but its content is compared.
            text = data.decode("utf-8", "replace") if message.is_text else data.hex()
            text += f"{over} more bytes: {self._over_sum.hexdigest()}"
            kind = "text" if message.is_text else "binary"
            return MessagePart(number, t_ns, kind, text=text, values=values)
        raw: str | bytes = data.decode("utf-8", "replace") if message.is_text else data
        try:
            content, audio = read(self._envelope, raw)
        except (ValueError, RecursionError, IndexError):
            content, audio = None, b""
        if content is None:
            if isinstance(raw, bytes):
                return MessagePart(number, t_ns, "binary", audio=raw, values=values)
            return MessagePart(number, t_ns, "text", text=raw, values=values)
        kind = kind_of_json(content, self._api.vocabulary.kind if self._api else "")
        if self._api is not None and not audio:
            content, audio = separate_audio(content, self._api.audio.fields, kind)
        return MessagePart(number, t_ns, kind, content, audio=audio, values=values)


def check_values(reader: TraceReader, values: int) -> None:
    """Read no more of a trace that costs more to compare than a recording of its size.

    Args:
        values: sum of the `MessagePart.values` so far.

    Raises:
        LimitExceeded: they are more than the reader's allowance has.
    """
    if values > reader.allowance.values:
        reader.stop(f"it has over {reader.allowance.values:,} JSON values to compare")


def _digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def read_messages(
    path: str | os.PathLike[str], api: Api | None, *, from_client: bool, first_frame: int = 1
) -> Iterator[tuple[int, MessagePart]]:
    """The messages of one side of a trace, each with the number of its last frame.

    Args:
        first_frame: number of the frame to start at; the frames before it are skipped.

    Raises:
        TraceError: the trace cannot be read.
    """
    messages = MessagePartReader(api)
    with TraceReader(path) as reader:
        frames = (record for record in reader if isinstance(record, FrameRecord))
        for number, frame in enumerate(frames, 1):
            if number < first_frame:
                continue
            if frame.from_client is from_client and frame.opcode <= Opcode.BINARY:
                part = messages.take(number, frame)
                if part is not None:
                    yield number, part


def canonical(content: Mapping[str, Any] | list[Any] | str) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
