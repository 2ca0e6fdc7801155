"""The frames of a session, folded: traffic, audio, and the messages that are kept.

The part of a `Session` that runs for every frame. Nearly all frames of most sessions are messages
of audio: these wait, and many are added at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Protocol

from wsproxy.trace import FrameRecord, FrameRun
from wsproxy.wire import AssembledMessage, MessageAssembler, Opcode

from .audio_carrier import CarriedAudio
from .head_tail_buffer import (
    KEPT_BINARIES,
    KEPT_BINARY,
    KEPT_MESSAGES,
    KEPT_TEXT,
    HeadTailBuffer,
    KeptMessage,
    failures,
    none,
    objects,
)
from .message_block import MessageBlock
from .message_pack import json_of_map
from .messages import CompleteMessage
from .session_audio import SessionAudio, declares_format
from .traffic import KEPT_FRAMES, Traffic

KEPT_MESSAGE = 1 << 20  # bytes kept of a message in several frames until it is complete
KEPT_TEXT_FRAME = 24 << 20  # bytes read of a text in one frame, of which copies are made
_BRACE = ord("{")
# Bytes of messages with audio that wait, to be added at once. A recorder has many sessions, what
# reads has few.
_HELD_READING, _HELD_RECORDING = 512 << 10, 64 << 10
_SHORT = 64 << 10  # bytes of a message that waits, at most
_SHORT_TEXT = 1 << 10  # bytes of a text that is hardly audio
# Frames, and those of a run, after which nothing waits: the traffic keeps KEPT_FRAMES of the last
# ones, in a ring.
_MAX_WAIT = KEPT_FRAMES // 2
_first_byte = itemgetter(0)
_CLOSE = int(Opcode.CLOSE)
_BINARY = int(Opcode.BINARY)  # data frames have this opcode or a lower one


class MessageListener(Protocol):
    """What reads every message, see `Timeline`."""

    def add_audio(self, block: MessageBlock, start: int) -> None: ...

    def add_fragment(self, message: AssembledMessage, frame: FrameRecord) -> None: ...

    def add_message(self, complete: CompleteMessage, carried: CarriedAudio | None) -> None: ...


class FrameFold:
    """The frames of both directions.

    Args:
        with_audio: whether `audio` has tracks.

    Attributes:
        frame_count: number of frames.
        listener: reads every message; None: nothing does. Before it is asked for anything,
            `tell_listener` has to be called.
    """

    def __init__(self, *, with_audio: bool = True) -> None:
        self.frame_count = 0
        self.listener: MessageListener | None = None
        self._traffic = Traffic()
        self._audio = SessionAudio(with_tracks=with_audio)
        self._in_blocks = self._audio.in_blocks
        owner = weakref.proxy(self)  # no reference cycle, see `Session.release`
        self._audio.before_declaration = lambda: owner._before_declaration()  # noqa: PLW0108
        self._messages = tuple(HeadTailBuffer(KEPT_MESSAGES, failures) for _ in range(2))
        self._audio_messages = tuple(HeadTailBuffer(KEPT_BINARIES, none) for _ in range(2))
        self._binaries = tuple(HeadTailBuffer(KEPT_BINARIES, objects) for _ in range(2))
        self._assemblers = tuple(
            MessageAssembler(keep_text=KEPT_MESSAGE, keep_binary=KEPT_MESSAGE) for _ in range(2)
        )
        self._message_begun_ns = [0, 0]
        self._max_held = _HELD_READING if with_audio else _HELD_RECORDING
        self._waiting = [MessageBlock(False), MessageBlock(True)]
        # Texts that are not in the traffic yet. Nothing of that direction waits before them.
        self._texts = [MessageBlock.of_texts(False), MessageBlock.of_texts(True)]
        # Of the direction whose messages the listener has not read, and how many it has.
        self._untold_side, self._told = False, 0
        self._recent: list[list[KeptMessage]] = [[], []]  # may still be kept

    def add(self, frame: FrameRecord) -> int:
        """Add the next frame; returns its number."""
        # Plain numbers for opcodes: this runs for every frame of every session.
        opcode, payload, from_client = frame.opcode, frame.payload, frame.from_client
        number = self.frame_count = self.frame_count + 1
        if not number % _MAX_WAIT:
            self._add_all_waiting()
        if (
            opcode == _BINARY
            and frame.fin
            and self._in_blocks[from_client]
            and 0 < len(payload) <= _SHORT
            and not (payload[0] == _BRACE and _may_be_json(payload))
        ):
            # Audio and nothing else: nearly all frames of most sessions.
            self._assemblers[from_client].open = None
            if from_client is not self._untold_side:
                self._tell_other(from_client)
            block = self._waiting[from_client]
            block.add(number, frame)
            if block.size >= self._max_held:
                self._add_waiting(from_client)
            return number
        if opcode <= _BINARY or opcode == _CLOSE:
            self._add_waiting(from_client)
        length = len(payload) + frame.cut
        self._traffic.add(
            number, frame.t_ns, from_client, opcode, frame.fin, length, frame.wire_length
        )
        if opcode <= _BINARY:
            self._add_data(frame, number)
        return number

    def add_run(self, run: FrameRun) -> None:
        """Add the next frames."""
        if run.times and (
            not self._in_blocks[run.from_client]
            or max(run.lengths) > _SHORT
            or any(map(_may_be_json, _with_brace(run.payloads)))
        ):
            for frame in run.frames():
                self.add(frame)
            return
        # At once for all short texts: for one it costs as much. Long ones are mostly audio.
        short = [text.payload for _, text in run.texts if len(text.payload) <= _SHORT_TEXT]
        may_declare = declares_format(b"".join(short))
        for start, end, text in run.pieces():
            if start < end:
                self._add_audio(run, start, end)
            if text is None:
                break
            if text.payload:
                is_long = len(text.payload) > _SHORT_TEXT
                self._add_text(text, may_declare=may_declare or is_long)
            else:
                self.add(text)
        for block in self._texts:  # `add` counts on it that none of them wait
            if block.numbers:
                self._add_waiting(block.from_client)
        self._waiting[run.from_client].take_over()

    def _add_audio(self, run: FrameRun, start: int, end: int) -> None:
        """Add binary messages of a run, by their indices, between which there is no text."""
        side, first, before = run.from_client, self.frame_count + 1, self.frame_count // _MAX_WAIT
        self.frame_count += end - start
        if self.frame_count // _MAX_WAIT != before:
            self._add_all_waiting()
        self._assemblers[side].open = None
        if side is not self._untold_side:
            self._tell_other(side)
        if self._texts[side].numbers:
            self._add_waiting(side)
        block = self._waiting[side]
        block.extend(first, run, start, end)
        if block.size >= self._max_held:
            self._add_waiting(side)

    def _add_text(self, text: FrameRecord, *, may_declare: bool) -> None:
        """Add a text message that is complete and not empty."""
        number = self.frame_count = self.frame_count + 1
        if not number % _MAX_WAIT:
            self._add_all_waiting()
        side, t_ns, payload = text.from_client, text.t_ns, text.payload
        self._assemblers[side].open = None
        length = len(payload)
        if self._waiting[side].numbers:
            self._add_waiting(side)
        self._texts[side].add_text(number, t_ns, length, text.wire_length)
        complete = CompleteMessage(number, t_ns, side, True, payload, length)
        self._add_message(complete, self._audio.add(complete, may_declare=may_declare))

    def _add_waiting(self, from_client: bool) -> None:
        """Add the messages of a direction that wait: binary ones, or texts."""
        texts = self._texts[from_client]
        if texts.numbers:
            self._texts[from_client] = MessageBlock.of_texts(from_client)
            self._traffic.add_all(texts)
        block = self._waiting[from_client]
        if not block.numbers:
            return
        if from_client is self._untold_side:
            self.tell_listener()
            if self._waiting[from_client] is not block:
                return  # the listener asked for the audio, so that they were added
            self._told = 0
        self._waiting[from_client] = MessageBlock(from_client)
        self._traffic.add_all(block)
        track = self._audio.plain[from_client]
        if track is not None and not self._audio.ended:
            track.add_all(block)
        self._hold_recent(block)

    def _hold_recent(self, block: MessageBlock) -> None:
        """Hold the latest of the messages that waited: they may be among those that are kept."""
        side, count = block.from_client, 0
        if self._binaries[side].has_first:
            count = max(0, len(block) - KEPT_BINARIES)
        self._recent[side] += [
            (number, t_ns, side, payload[:KEPT_BINARY], length)
            for number, t_ns, payload, length in zip(
                block.numbers[count:],
                block.times[count:],
                block.payloads[count:],
                block.lengths[count:],
                strict=True,
            )
        ]
        if not self._binaries[side].has_first:
            self._keep_recent(side)
        del self._recent[side][:-KEPT_BINARIES]

    def _keep_recent(self, from_client: bool) -> None:
        """Add the latest of the messages that waited to those that are kept; JSON is none."""
        recent, self._recent[from_client] = self._recent[from_client], []
        for message in recent:
            self._binaries[from_client].add(message)

    def _add_all_waiting(self) -> None:
        self._add_waiting(True)
        self._add_waiting(False)

    def _before_declaration(self) -> None:
        self._add_all_waiting()
        self.tell_listener()

    def tell_listener(self) -> None:
        """Let the listener read the messages that it has not read yet."""
        block, told = self._waiting[self._untold_side], self._told
        count = len(block.numbers)
        if count > told and self.listener is not None:
            self._told = count
            self.listener.add_audio(block, told)

    def _tell_other(self, from_client: bool) -> None:
        """Let the listener read the other direction's messages, before those of this one."""
        self.tell_listener()
        self._untold_side, self._told = from_client, len(self._waiting[from_client].numbers)

    @property
    def traffic(self) -> Traffic:
        """The frames of both directions, in running totals."""
        self._add_all_waiting()
        return self._traffic

    @property
    def audio(self) -> SessionAudio:
        """The audio of both directions, whatever carries it."""
        self._add_all_waiting()
        return self._audio

    @property
    def declaration_count(self) -> int:
        """How many messages so far may declare a format of audio."""
        return self._audio.declaring.count

    def _add_data(self, frame: FrameRecord, number: int) -> None:
        side, assembler = frame.from_client, self._assemblers[frame.from_client]
        if frame.fin and frame.opcode != Opcode.CONTINUATION:
            # Nearly all messages are one frame: no AssembledMessage is made for them.
            assembler.open = None
            is_text, data = frame.opcode == Opcode.TEXT, frame.payload
            if is_text and len(data) > KEPT_TEXT_FRAME:
                data = data[:KEPT_TEXT_FRAME]
            length = len(frame.payload) + frame.cut
            complete = CompleteMessage(number, frame.t_ns, side, is_text, data, length)
        else:
            message = assembler.add(frame, number)
            assert message is not None, "a data frame"
            if message.frames == 1:
                self._message_begun_ns[side] = frame.t_ns
            if self.listener is not None:
                self.tell_listener()
                self.listener.add_fragment(message, frame)
            if not frame.fin:
                return
            complete = self._of_fragments(message, side)
        if not (complete.is_text or side) and _is_json(complete.data):
            # Some servers send all messages as binary ones; for what they say it is all the same.
            # An app that does so may well do it by mistake.
            complete = complete._replace(is_text=True)
        elif not complete.is_text and (found := json_of_map(complete.data, complete.length)):
            text, length = found
            complete = complete._replace(is_text=True, data=text, length=length, packed=True)
        self._add_message(complete, self._audio.add(complete))

    def _add_message(self, complete: CompleteMessage, carried: CarriedAudio | None) -> None:
        """Keep a complete message, and let the listener read it."""
        number, t_ns, side, is_text, data, length, _, _ = complete
        buffers = self._binaries
        if is_text:
            buffers = self._audio_messages if carried is not None else self._messages
        else:
            self._keep_recent(side)
        kept = data[: KEPT_TEXT if is_text else KEPT_BINARY]
        buffers[side].add((number, t_ns, side, kept, length))
        if self.listener is not None:
            self.tell_listener()
            self.listener.add_message(complete, carried)

    def _of_fragments(self, message: AssembledMessage, from_client: bool) -> CompleteMessage:
        """A message in several frames, as far as they have arrived."""
        begun_ns, data = self._message_begun_ns[from_client], message.content
        return CompleteMessage(
            message.number, begun_ns, from_client, message.is_text, data, message.length, True
        )

    @property
    def ended(self) -> bool:
        """Whether the session has ended."""
        return self._traffic.ended

    def end(self) -> None:
        """The session has ended: what comes now does not count."""
        if self.traffic.ended:
            return
        for side, assembler in zip((False, True), self._assemblers, strict=True):
            if assembler.open is not None:  # it stays incomplete
                self.audio.add(self._of_fragments(assembler.open, side))
        self.traffic.ended = self.audio.ended = True

    # -- messages that are kept

    def texts(self, *, from_client: bool) -> list[KeptMessage]:
        """The text messages kept of a direction."""
        return sorted(chain(self._messages[from_client], self._audio_messages[from_client]))

    def binaries(self, *, from_client: bool) -> Iterator[KeptMessage]:
        """The binary messages kept of a direction."""
        self._add_waiting(from_client)
        self._keep_recent(from_client)
        return iter(self._binaries[from_client])

    def time_of(self, frame: int) -> int | None:
        """When a frame came, ns; None if neither it nor its message is kept."""
        if self.traffic.is_kept(frame):
            return self._traffic.frame(frame).t_ns
        self._keep_recent(True)
        self._keep_recent(False)
        kept = chain(*self._messages, *self._audio_messages, *self._binaries)
        return next((message[1] for message in kept if message[0] == frame), None)


def _with_brace(payloads: Sequence[bytes]) -> list[bytes]:
    """Those of many that begin with a brace, as one of 256 messages of audio does."""
    firsts = bytes(map(_first_byte, payloads))
    found, at = [], firsts.find(_BRACE)
    while at >= 0:
        found.append(payloads[at])
        at = firsts.find(_BRACE, at + 1)
    return found


def _may_be_json(payload: bytes) -> bool:
    """Whether binary data that begins with a brace may be an object in JSON, by its end."""
    return b"}" in payload[-4:]


def _is_json(data: bytes) -> bool:
    """Whether binary data is an object in JSON; audio is not UTF-8."""
    if data[:1] != b"{" or data[-4:].rstrip()[-1:] != b"}":
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
