"""The frames of a session made public: every message, every control frame, every odd byte."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from wsproxy.diagnose.audio import LOOKED_AT, TEXTS, declared, sniff
from wsproxy.diagnose.containers import CUT
from wsproxy.diagnose.samples import KINDS
from wsproxy.mutate.draft import Draft, Item, messages
from wsproxy.trace import Bytes, FrameRecord
from wsproxy.wire import Close, Opcode

from . import binary, containers
from .encoded import Sound
from .noise import Noise, NoiseSource, kind_of_noise
from .texts import Texts, is_text

_UNKNOWN = frozenset({"nothing", "silence", "too little to tell", "data of no known kind"})


class Traffic:
    """Makes the frames of a draft public, one direction after the other.

    Args:
        texts: replaces texts.
        chance: decides the noise.

    Attributes:
        notes: what of an audio container could not be kept.
    """

    def __init__(self, draft: Draft, texts: Texts, chance: random.Random) -> None:
        self._draft = draft
        self._texts = texts
        self._chance = chance
        self._source = NoiseSource(chance)
        self._envelope = draft.api.envelope if draft.api else ""
        self.notes: list[str] = []

    def scrub(self) -> None:
        """Replace what is in the frames; their sizes, times and order stay."""
        for from_client in (True, False):
            pieces: list[bytes] = []

            def collect(data: bytes, pieces: list[bytes] = pieces) -> bytes:
                pieces.append(data)
                return data

            self._messages(from_client, collect, write=False)
            noise = deque(self._noise(pieces, from_client=from_client))

            def given(data: bytes, noise: deque[bytes] = noise) -> bytes:
                return noise.popleft()

            self._messages(from_client, given, write=True)
        begun: set[bool] = set()
        for item in self._draft.items:
            match item.record:
                case FrameRecord(opcode=Opcode.CLOSE):
                    item.record = replace(item.record, payload=self._close(item.record.payload))
                case FrameRecord(opcode=Opcode.PING | Opcode.PONG):
                    item.record = replace(item.record, payload=self._ping(item.record.payload))
                case Bytes():
                    first = item.record.from_client not in begun
                    begun.add(item.record.from_client)
                    item.record = self._garbage(item.record, first=first)

    # -- messages

    def _messages(self, from_client: bool, sound: Sound, *, write: bool) -> None:
        for message in messages(self._draft.items, from_client=from_client):
            if any(frame.deflated for frame in message.frames):
                made = self._texts.aliases.data(message.content) if write else message.content
            elif message.is_text:
                made = self._text(message.content, sound, from_client=from_client)
            else:
                made = binary.scrubbed(
                    message.content, self._envelope, self._texts, sound, from_client=from_client
                )
            if write:
                _put(message.items, made)

    def _text(self, content: bytes, sound: Sound, *, from_client: bool) -> bytes:
        if self._envelope != "azure":
            return self._texts.bytes(content, sound, from_client=from_client)
        text = content.decode("utf-8", "surrogateescape")
        made = binary.azure_text(text, self._texts, sound, from_client=from_client)
        return made.encode("utf-8", "surrogateescape")

    # -- audio

    def _noise(self, pieces: Sequence[bytes], *, from_client: bool) -> list[bytes]:
        """Noise for each piece of the audio of one side; each WAV stream is one of its own."""
        starts = [n for n, piece in enumerate(pieces) if n and piece.startswith(b"RIFF")]
        out: list[bytes] = []
        for start, end in pairwise([0, *starts, len(pieces)]):
            out += self._stream(pieces[start:end], from_client=from_client)
        return out

    def _stream(self, pieces: Sequence[bytes], *, from_client: bool) -> list[bytes]:
        head = bytearray()
        for piece in pieces:
            head += piece
            if len(head) > 2 * LOOKED_AT:
                break
        kind = sniff(bytes(head))
        name = kind.removesuffix(CUT)
        if name in KINDS or name in _UNKNOWN or name in TEXTS:
            noise = Noise(
                kind_of_noise(kind, self._encoding(from_client=from_client)), self._source
            )
            return [noise.like(piece) for piece in pieces]
        whole = b"".join(pieces)
        if name == "WAV" and (header := containers.wav_header(whole)) is not None:
            return self._wav(header, pieces)
        filled = containers.fill(kind, whole, self._chance.randbytes)
        if filled.note:
            self.notes.append(filled.note)
        return _cut(filled.data, pieces)

    def _wav(self, header: bytes, pieces: Sequence[bytes]) -> list[bytes]:
        at = len(header)
        samples = b"".join(pieces)[at : at + LOOKED_AT]
        noise = Noise(kind_of_noise(sniff(samples), "linear16"), self._source)
        out, start = [], 0
        for piece in pieces:
            kept = header[start : start + len(piece)]
            out.append(kept + noise.like(piece[len(kept) :]))
            start += len(piece)
        return out

    def _encoding(self, *, from_client: bool) -> str:
        form = declared(self._draft.session, self._draft.api)
        return form.encoding if form is not None and form.from_client is from_client else "linear16"

    # -- what is no message

    def _close(self, payload: bytes) -> bytes:
        if len(payload) <= 2:
            return payload if Close.parse(payload).code is not None else bytes(len(payload))
        reason = payload[2:].decode("utf-8", "surrogateescape")
        return payload[:2] + self._texts.failure(reason).encode("utf-8", "surrogateescape")

    def _ping(self, payload: bytes) -> bytes:
        return self._texts.aliases.data(payload) if payload else payload

    def _garbage(self, record: Bytes, *, first: bool) -> Bytes:
        """The head of the frame that was none stays, since it is what is wrong."""
        aliases = self._texts.aliases
        if is_text(record.data):
            made = binary.markup_or_message(
                record.data, self._texts, aliases.data, from_client=record.from_client
            )
        else:
            kept = _header_size(record.data) if first else 0
            made = record.data[:kept] + aliases.data(record.data[kept:])
        return replace(record, data=made, broken_rule=self._texts.failure(record.broken_rule))


def _header_size(data: bytes) -> int:
    """Bytes of a frame's header (RFC 6455, section 5.2), were it one."""
    if len(data) < 2:
        return len(data)
    size = 2 + {126: 2, 127: 8}.get(data[1] & 0x7F, 0)
    return min(len(data), size + (4 if data[1] & 0x80 else 0))


def _put(items: Sequence[Item], made: bytes) -> None:
    at = 0
    for item in items:
        frame = item.record
        assert isinstance(frame, FrameRecord)
        size = len(frame.payload)
        item.record = replace(frame, payload=made[at : at + size])
        at += size
    assert at == len(made), "what was made is as long as what it stands for"


def _cut(data: bytes, like: Sequence[bytes]) -> list[bytes]:
    out, at = [], 0
    for piece in like:
        out.append(data[at : at + len(piece)])
        at += len(piece)
    return out
