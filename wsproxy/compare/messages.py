"""Read the messages of one direction: kind, JSON, audio.

Holds one text message, at most MAX_TEXT bytes of it, and nothing of plain binary messages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import Json, read
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .message_kinds import MAX_TEXT, kind_of_json


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
    """

    frame: int
    t_ns: int
    kind: str
    content: Json | None = None
    text: str = ""
    audio: bytes = b""
    cut: int = 0
    done: bool = True

    @property
    def has_audio(self) -> bool:
        return bool(self.audio or self.cut or self.kind == "binary")


class MessageReader:
    """Reads one direction's data frames.

    Args:
        api: the API whose messages these are, None if unknown.
    """

    def __init__(self, api: Api | None) -> None:
        self._api = api
        self._envelope = api.envelope if api else ""
        self._first = 0
        self._is_text = False
        self._content = bytearray()
        self._over = 0  # bytes beyond MAX_TEXT
        self._over_sum = hashlib.blake2b(digest_size=16)

    def take(self, number: int, frame: FrameRecord) -> MessagePart | None:
        """Take the next data frame of the direction.

        Args:
            number: of the frame, from 1.

        Returns:
            The message that it completes; None if the message continues.
        """
        if frame.opcode != Opcode.CONTINUATION:
            self._first, self._is_text = number, frame.opcode == Opcode.TEXT
            self._content.clear()
            if self._over:
                self._over, self._over_sum = 0, hashlib.blake2b(digest_size=16)
        if not self._is_text and not self._envelope:
            return MessagePart(
                self._first,
                frame.t_ns,
                "binary",
                audio=frame.payload,
                cut=frame.cut,
                done=frame.fin,
            )
        room = MAX_TEXT - len(self._content)
        self._content += frame.payload[:room]
        if len(frame.payload) > room or frame.cut:
            self._over_sum.update(frame.payload[room:])
            self._over += len(frame.payload) - min(room, len(frame.payload)) + frame.cut
        return self._open(frame.t_ns) if frame.fin else None

    def _open(self, t_ns: int) -> MessagePart:
        data = bytes(self._content)
        if self._over:
            # Too long to be parsed as JSON, but its content is compared.
            text = data.decode("utf-8", "replace") if self._is_text else data.hex()
            text += f"{self._over} more bytes: {self._over_sum.hexdigest()}"
            return MessagePart(self._first, t_ns, "text" if self._is_text else "binary", text=text)
        raw: str | bytes = data.decode("utf-8", "replace") if self._is_text else data
        try:
            content, audio = read(self._envelope, raw)
        except (ValueError, RecursionError, IndexError):
            content, audio = None, b""
        if content is None:
            if isinstance(raw, bytes):
                return MessagePart(self._first, t_ns, "binary", audio=raw)
            return MessagePart(self._first, t_ns, "text", text=raw)
        kind = kind_of_json(content, self._api.vocabulary.kind if self._api else "")
        if self._api is not None and not audio:
            content, audio = _without_audio(content, self._api.audio.fields, kind)
        return MessagePart(self._first, t_ns, kind, content, audio=audio)


def read_messages(
    path: str | os.PathLike[str], api: Api | None, *, from_client: bool
) -> Iterator[tuple[int, MessagePart]]:
    """The messages of one side of a trace, each with the number of its last frame.

    Raises:
        TraceError: the trace cannot be read.
    """
    messages = MessageReader(api)
    with TraceReader(path) as reader:
        frames = (record for record in reader if isinstance(record, FrameRecord))
        for number, frame in enumerate(frames, 1):
            if frame.from_client is from_client and frame.opcode <= Opcode.BINARY:
                part = messages.take(number, frame)
                if part is not None:
                    yield number, part


def _without_audio(content: Json, paths: tuple[str, ...], kind: str) -> tuple[Json, bytes]:
    """Separate the base64 audio from a message."""
    audio = b""
    for path in paths:
        for holder, name in _holders(content, path.split(".")):
            value = holder[name]
            # OpenAI uses one field name for text and audio; only the kind distinguishes them.
            if not isinstance(value, str) or (name == "delta" and "audio.delta" not in kind):
                continue
            audio += _decoded(value)
            holder[name] = "<audio>"
    return content, audio


def _holders(value: object, path: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects that hold the last name of a path, each with that name."""
    name, *rest = path
    if isinstance(value, list) and name == "*" and rest:
        for item in value:
            yield from _holders(item, rest)
    elif isinstance(value, dict) and name in value:
        if rest:
            yield from _holders(value[name], rest)
        else:
            yield value, name


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode("utf-8", "surrogatepass")


def canonical(content: Mapping[str, Any] | list[Any] | str) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
