"""The messages of one direction, opened as they come: kind, JSON, audio.

Holds one text message, at most MAX_TEXT of it; of plain binary messages nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog import Api
from wsproxy.envelope import Json, read
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .kinds import MAX_TEXT, kind_of_json

_BEFORE_VALUE = (b",", b"[", b"{")  # one of them stands before each value of JSON
_BYTES_A_VALUE = 32  # of text, which cost as much


@dataclass(frozen=True, slots=True)
class Part:
    """A message, or a frame of a plain binary one.

    Attributes:
        frame, t_ns: number of the frame that began it, and when its last byte came.
        kind: as `kind_of` has it; "binary" for plain audio, "text" for what is no JSON object.
        content: the JSON object without its audio, None where there is none.
        text: of a message that is no JSON object.
        audio: the audio in it.
        cut: bytes of audio that were not recorded; they followed.
        done: whether the message ends here.
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


class Messages:
    """Reads one direction's data frames.

    Args:
        api: whose messages these are, None if not known.
    """

    def __init__(self, api: Api | None) -> None:
        self._api = api
        self._envelope = api.envelope if api else ""
        self._first = 0
        self._is_text = False
        self._content = bytearray()
        self._over = 0  # bytes beyond what is kept
        self._over_sum = hashlib.blake2b(digest_size=16)

    def take(self, number: int, frame: FrameRecord) -> Part | None:
        """Take the direction's next data frame.

        Args:
            number: of the frame, from 1.

        Returns:
            What is complete with it, None where more has to come.
        """
        if frame.opcode != Opcode.CONTINUATION:
            self._first, self._is_text = number, frame.opcode == Opcode.TEXT
            self._content.clear()
            if self._over:
                self._over, self._over_sum = 0, hashlib.blake2b(digest_size=16)
        if not self._is_text and not self._envelope:
            return Part(
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

    def _open(self, t_ns: int) -> Part:
        data = bytes(self._content)
        values = sum(map(data.count, _BEFORE_VALUE)) + len(data) // _BYTES_A_VALUE
        if self._over:
            # Too long to be read as JSON; what it says is compared all the same.
            text = data.decode("utf-8", "replace") if self._is_text else data.hex()
            text += f"{self._over} more bytes: {self._over_sum.hexdigest()}"
            kind = "text" if self._is_text else "binary"
            return Part(self._first, t_ns, kind, text=text, values=values)
        raw: str | bytes = data.decode("utf-8", "replace") if self._is_text else data
        try:
            content, audio = read(self._envelope, raw)
        except (ValueError, RecursionError, IndexError):
            content, audio = None, b""
        if content is None:
            if isinstance(raw, bytes):
                return Part(self._first, t_ns, "binary", audio=raw, values=values)
            return Part(self._first, t_ns, "text", text=raw, values=values)
        kind = kind_of_json(content, self._api.vocabulary.kind if self._api else "")
        if self._api is not None and not audio:
            content, audio = _without_audio(content, self._api.audio.fields, kind)
        return Part(self._first, t_ns, kind, content, audio=audio, values=values)


def check_values(reader: TraceReader, values: int) -> None:
    """Read no more of a trace that costs more to compare than a recording of its size.

    Args:
        values: sum of the `Part.values` so far.

    Raises:
        LimitExceeded: they are more than the reader's allowance has.
    """
    if values > reader.allowance.values:
        reader.stop(f"it has over {reader.allowance.values:,} JSON values to compare")


def _without_audio(content: Json, paths: tuple[str, ...], kind: str) -> tuple[Json, bytes]:
    """Take the base64 out of a message."""
    audio = b""
    for path in paths:
        for holder, name in _holders(content, path.split(".")):
            value = holder[name]
            # OpenAI names text and audio alike; only the kind tells them apart.
            if not isinstance(value, str) or (name == "delta" and "audio.delta" not in kind):
                continue
            audio += _decoded(value)
            holder[name] = "<audio>"
    return content, audio


def _holders(value: object, path: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects in which the last name of a path stands."""
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
    """JSON of which equal values give equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
