"""The messages of a session for a comparison, as the fold of the session completes them.

Holds nothing of plain binary messages: they are audio, whose fragments are parts of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import weakref
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from wsproxy.catalog import Api, Catalog
from wsproxy.catalog.envelope import Json, holders
from wsproxy.session import Session
from wsproxy.session.audio_carrier import BINARY, FRAMED, CarriedAudio
from wsproxy.session.frame_fold import KEPT_MESSAGE
from wsproxy.session.message import MessageReader
from wsproxy.session.message_block import MessageBlock
from wsproxy.session.message_kinds import kind_of_json
from wsproxy.session.messages import CompleteMessage
from wsproxy.trace import FrameRecord, FrameRun, Record, Start, TraceReader, bounded_runs
from wsproxy.wire import AssembledMessage, Opcode

_BYTES_A_VALUE = 32  # of text, which cost as much as a value of JSON


class ComparedChunk(NamedTuple):
    """The audio of a message, or of one frame of a plain binary message.

    Attributes:
        frame: number of the frame; of a message that is not plain audio, of its first one.
        t_ns: time of its last byte.
        data: as much as was recorded.
        length: bytes of all of it.
        done: whether the message is complete.
    """

    frame: int
    t_ns: int
    data: bytes
    length: int
    done: bool = True


class MessagePart(NamedTuple):
    """A message, a frame of a plain binary message, or several plain binary messages.

    Attributes:
        frame, t_ns: number of its first frame, and time of its last byte; of several messages
            those of the first.
        kind: see `kind_of`; "binary" for plain audio, "text" for text that is not a JSON object.
        content: the JSON object without its audio, None without one.
        text: of a message that is not a JSON object.
        audio: the audio in it; nothing in a message without any.
    """

    from_client: bool
    frame: int
    t_ns: int
    kind: str
    content: Json | None = None
    text: str = ""
    audio: Sequence[ComparedChunk] = ()


class MessagePartReader:
    """Reads the messages of a session: listens to its fold.

    Args:
        session: to which the records are added.
        catalog: describes the messages of the known APIs.

    Attributes:
        api: the API whose messages these are; None if unknown.
    """

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self.api: Api | None = None
        self._text_size = 0  # bytes that were read
        self._session = session
        self._catalog = catalog
        self._record: Record | FrameRun | None = None  # that is being added
        self._parts: list[MessagePart] = []
        self._rest = [_digest(), _digest()]  # of bytes beyond what the fold keeps of a message
        self._envelope = ""
        self._reader = MessageReader(None)
        session.listen(weakref.proxy(self))  # no reference cycle

    def add(self, record: Record | FrameRun) -> list[MessagePart]:
        """Add the next record to the session.

        Returns:
            What it completes. Plain audio waits until the end of the session at most, see `end`.
        """
        self._record = record
        if isinstance(record, FrameRun):
            self._session.add_run(record)
        else:
            self._session.add(record)
            if isinstance(record, Start):
                self._begin(self._catalog.api(record.provider, record.api))
            elif not isinstance(record, FrameRecord) or record.opcode == Opcode.CLOSE:
                self._session.tell_listener()
        return self._completed()

    def end(self) -> list[MessagePart]:
        """What waited when the last record was added."""
        self._session.tell_listener()
        return self._completed()

    def read(self, path: str | os.PathLike[str]) -> Iterator[MessagePart]:
        """The messages of both sides of a trace.

        Raises:
            TraceError: the trace cannot be read.
            LimitExceeded: it holds more than may be read, or than may be compared.
        """
        with TraceReader(path) as reader:
            for record in bounded_runs(reader):
                yield from self.add(record)
                self.check_values(reader)
        yield from self.end()

    def check_values(self, reader: TraceReader) -> None:
        """Read no more of a trace that costs more to compare than a recording of its size.

        Raises:
            LimitExceeded: it has more JSON values than the reader's allowance.
        """
        values = self._reader.values + self._text_size // _BYTES_A_VALUE
        if values > reader.allowance.values:
            reader.stop(f"it has over {reader.allowance.values:,} JSON values to compare")

    def _begin(self, api: Api | None) -> None:
        self.api = api
        self._envelope = api.envelope if api else ""
        self._reader = MessageReader(api, sys.maxsize)
        self._session.audio.declare_fields(api.audio.fields if api else ())

    def _completed(self) -> list[MessagePart]:
        parts, self._parts = self._parts, []
        return parts

    # -- as a listener of the session's fold

    def add_audio(self, block: MessageBlock, start: int) -> None:
        """Add binary messages in one frame each."""
        columns = (block.numbers, block.times, block.payloads, block.lengths)
        chunks = [*map(ComparedChunk, *(column[start:] for column in columns))]
        if not self._envelope:
            self._add_audio(block.from_client, chunks)
            return
        for frame, t_ns, data, length, _ in chunks:
            complete = CompleteMessage(frame, t_ns, block.from_client, False, data, length)
            self.add_message(complete, CarriedAudio(BINARY, "", length, partial(bytes, data)))

    def add_fragment(self, message: AssembledMessage, frame: FrameRecord) -> None:
        """Add a frame of a message in several frames."""
        number, payload, side = self._session.frame_count, frame.payload, frame.from_client
        if not message.is_text and not self._envelope:
            length = len(payload) + frame.cut
            chunk = ComparedChunk(number, frame.t_ns, payload, length, frame.fin)
            self._add_audio(side, [chunk], message.number)
            return
        if message.frames == 1:
            self._rest[side] = _digest()
        self._rest[side].update(payload[message.kept_of_last :])

    def add_message(self, complete: CompleteMessage, carried: CarriedAudio | None) -> None:
        """Add a complete message."""
        frame, t_ns, from_client, is_text, data, length, fragmented, _ = complete
        record, payload = self._record, data
        if type(record) is FrameRecord and (fragmented or is_text):
            t_ns, payload = record.t_ns, record.payload  # of its last frame
        if not is_text and not self._envelope:
            if not fragmented:
                self._add_audio(from_client, [ComparedChunk(frame, t_ns, data, length)])
            return
        kept = data[:KEPT_MESSAGE]
        self._text_size += len(kept)
        kind, content, text, audio = "text" if is_text else BINARY, None, "", b""
        if len(kept) < length:
            # Too long to be parsed as JSON, but its content is compared.
            rest = self._rest[from_client] if fragmented else _digest(payload[KEPT_MESSAGE:])
            text = kept.decode("utf-8", "replace") if is_text else kept.hex()
            text += f"{length - len(kept)} more bytes: {rest.hexdigest()}"
        elif (content := self._reader.read(complete).content) is not None:
            kind = kind_of_json(content, self.api.vocabulary.kind if self.api else "")
            audio = self._audio_in(content, carried)
        elif is_text:
            text = data.decode("utf-8", "replace")
        else:
            audio = data
        chunks = [ComparedChunk(frame, t_ns, audio, len(audio))] if audio or kind == BINARY else ()
        self._parts.append(MessagePart(from_client, frame, t_ns, kind, content, text, chunks))

    def _audio_in(self, content: Json, carried: CarriedAudio | None) -> bytes:
        """The audio of a message; "<audio>" replaces it in the content.

        Nothing unless it stands where the API has audio: other content is compared as it is.
        """
        if self.api is None or carried is None or not (audio := carried.data()):
            return b""
        if carried.carrier in (BINARY, FRAMED):
            return audio if self._envelope != "json" else b""
        found = False
        for path in self.api.audio.fields:
            for holder, name in holders(content, path):
                value = holder[name]
                if isinstance(value, str) and value.encode("utf-8", "replace") in carried.encoded:
                    holder[name] = "<audio>"
                    found = True
        return audio if found else b""

    def _add_audio(
        self, from_client: bool, chunks: Sequence[ComparedChunk], frame: int | None = None
    ) -> None:
        first = chunks[0]
        self._parts.append(
            MessagePart(from_client, frame or first.frame, first.t_ns, BINARY, audio=chunks)
        )


def _digest(data: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(data, digest_size=16)


def canonical(content: Mapping[str, Any] | list[Any] | str) -> str:
    """JSON text that is equal for equal values."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))
