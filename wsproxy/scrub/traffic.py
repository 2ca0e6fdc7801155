"""Scrubs the frames of a session: messages, control frames, and bytes that are not frames."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from wsproxy.audio import container_noise
from wsproxy.audio.containers import HEADLESS
from wsproxy.audio.encodings import SAMPLE_KINDS
from wsproxy.audio.noise import Noise, NoiseSource, kind_of_noise
from wsproxy.audio.sniff import (
    EMPTY,
    SILENCE,
    SNIFFED_BYTES,
    TEXT_KINDS,
    TOO_SHORT,
    UNIDENTIFIED,
    sniff,
)
from wsproxy.mutate.draft import Draft, DraftRecord, messages
from wsproxy.session.declared_audio import declared_format
from wsproxy.trace import Bytes, FrameRecord
from wsproxy.wire import Close, Opcode

from . import binary_messages
from .text_encodings import AudioReplacer
from .texts import TextScrubber, is_text

_UNKNOWN = frozenset({EMPTY, SILENCE, TOO_SHORT, UNIDENTIFIED})


class FrameScrubber:
    """Scrubs the frames of a draft, one direction after the other.

    Args:
        texts: scrubs texts.
        chance: source of the noise.

    Attributes:
        notes: parts of audio containers that could not be kept.
    """

    def __init__(self, draft: Draft, texts: TextScrubber, chance: random.Random) -> None:
        self._draft = draft
        self._texts = texts
        self._random = chance
        self._source = NoiseSource(chance)
        self._envelope = draft.api.envelope if draft.api else ""
        self.notes: list[str] = []

    def scrub(self) -> None:
        """Replace the payloads; sizes, times and order are unchanged."""
        for from_client in (True, False):
            pieces: list[bytes] = []

            def collect(data: bytes, pieces: list[bytes] = pieces) -> bytes:
                pieces.append(data)
                return data

            self._messages(from_client, collect, write=False)
            noise = deque(self._audio_noise(pieces, from_client=from_client))

            def given(data: bytes, noise: deque[bytes] = noise) -> bytes:
                return noise.popleft()

            self._messages(from_client, given, write=True)
        started: set[bool] = set()
        for item in self._draft.items:
            match item.record:
                case FrameRecord(opcode=Opcode.CLOSE):
                    item.record = replace(item.record, payload=self._close(item.record.payload))
                case FrameRecord(opcode=Opcode.PING | Opcode.PONG):
                    item.record = replace(item.record, payload=self._ping(item.record.payload))
                case Bytes():
                    first = item.record.from_client not in started
                    started.add(item.record.from_client)
                    item.record = self._scrub_bytes(item.record, first=first)

    # -- messages

    def _messages(self, from_client: bool, replace_audio: AudioReplacer, *, write: bool) -> None:
        for message in messages(self._draft.items, from_client=from_client):
            if any(frame.deflated for frame in message.frames):
                new_payload = (
                    self._texts.aliases.data(message.content) if write else message.content
                )
            elif message.is_text:
                new_payload = self._text(message.content, replace_audio, from_client=from_client)
            else:
                new_payload = binary_messages.scrub_binary(
                    message.content,
                    self._envelope,
                    self._texts,
                    replace_audio,
                    from_client=from_client,
                )
            if write:
                _set_payload(message.items, new_payload)

    def _text(self, content: bytes, replace_audio: AudioReplacer, *, from_client: bool) -> bytes:
        if self._envelope != "azure":
            return self._texts.message_bytes(content, replace_audio, from_client=from_client)
        text = content.decode("utf-8", "surrogateescape")
        new_payload = binary_messages.azure_text(
            text, self._texts, replace_audio, from_client=from_client
        )
        return new_payload.encode("utf-8", "surrogateescape")

    # -- audio

    def _audio_noise(self, pieces: Sequence[bytes], *, from_client: bool) -> list[bytes]:
        """Noise for each piece of one side's audio; each WAV stream is handled separately."""
        starts = [n for n, piece in enumerate(pieces) if n and piece.startswith(b"RIFF")]
        out: list[bytes] = []
        for start, end in pairwise([0, *starts, len(pieces)]):
            out += self._stream_noise(pieces[start:end], from_client=from_client)
        return out

    def _stream_noise(self, pieces: Sequence[bytes], *, from_client: bool) -> list[bytes]:
        head = bytearray()
        for piece in pieces:
            head += piece
            if len(head) > 2 * SNIFFED_BYTES:
                break
        kind = sniff(bytes(head))
        name = kind.removesuffix(HEADLESS)
        if name in SAMPLE_KINDS or name in _UNKNOWN or name in TEXT_KINDS:
            noise = Noise(
                kind_of_noise(kind, self._encoding(from_client=from_client)), self._source
            )
            return [noise.replace(piece) for piece in pieces]
        stream = b"".join(pieces)
        if name == "WAV" and (header := container_noise.wav_header(stream)) is not None:
            return self._wav_noise(header, pieces)
        filled = container_noise.replace_audio(kind, stream, self._random.randbytes)
        if filled.note:
            self.notes.append(filled.note)
        return _cut(filled.data, pieces)

    def _wav_noise(self, header: bytes, pieces: Sequence[bytes]) -> list[bytes]:
        at = len(header)
        samples = b"".join(pieces)[at : at + SNIFFED_BYTES]
        noise = Noise(kind_of_noise(sniff(samples), "linear16"), self._source)
        out, start = [], 0
        for piece in pieces:
            kept = header[start : start + len(piece)]
            out.append(kept + noise.replace(piece[len(kept) :]))
            start += len(piece)
        return out

    def _encoding(self, *, from_client: bool) -> str:
        form = declared_format(self._draft.session, self._draft.api)
        return form.encoding if form is not None and form.from_client is from_client else "linear16"

    # -- control frames and invalid bytes

    def _close(self, payload: bytes) -> bytes:
        if len(payload) <= 2:
            return payload if Close.parse(payload).code is not None else bytes(len(payload))
        reason = payload[2:].decode("utf-8", "surrogateescape")
        return payload[:2] + self._texts.error_text(reason).encode("utf-8", "surrogateescape")

    def _ping(self, payload: bytes) -> bytes:
        return self._texts.aliases.data(payload) if payload else payload

    def _scrub_bytes(self, record: Bytes, *, first: bool) -> Bytes:
        """Scrub invalid bytes; the header of the invalid frame stays, because it is the error."""
        aliases = self._texts.aliases
        if is_text(record.data):
            new_payload = binary_messages.scrub_text_bytes(
                record.data, self._texts, aliases.data, from_client=record.from_client
            )
        else:
            kept = _header_size(record.data) if first else 0
            new_payload = record.data[:kept] + aliases.data(record.data[kept:])
        return replace(
            record, data=new_payload, broken_rule=self._texts.error_text(record.broken_rule)
        )


def _header_size(data: bytes) -> int:
    """Length of a frame's header (RFC 6455, section 5.2), bytes."""
    if len(data) < 2:
        return len(data)
    size = 2 + {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    return min(len(data), size + (4 if data[1] & 0x80 else 0))


def _set_payload(items: Sequence[DraftRecord], new_payload: bytes) -> None:
    at = 0
    for item in items:
        frame = item.record
        assert isinstance(frame, FrameRecord)
        size = len(frame.payload)
        item.record = replace(frame, payload=new_payload[at : at + size])
        at += size
    assert at == len(new_payload), "what was made is as long as what it stands for"


def _cut(data: bytes, like: Sequence[bytes]) -> list[bytes]:
    out, at = [], 0
    for piece in like:
        out.append(data[at : at + len(piece)])
        at += len(piece)
    return out
