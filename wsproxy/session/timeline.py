"""The timeline of a session: audio, transcript, control events, latency, and what proves success.

Unlike `Session`, which folds its messages into it, a timeline reads all of them: it is used for
finished traces. Its memory is bounded however long the session is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from wsproxy.catalog import Catalog
from wsproxy.catalog.envelope import field as field_of
from wsproxy.trace import FrameRecord, Response
from wsproxy.wire import AssembledMessage

from .audio_carrier import BINARY, FRAMED, CarriedAudio
from .audio_meter import AudioMeter
from .control_events import ControlEvents
from .exchange_tracker import ExchangeTracker
from .format_timeline import AudioSession
from .latency import Latency
from .message import MessageReader, SessionMessage
from .message_block import MessageBlock
from .message_kinds import is_error
from .messages import CompleteMessage
from .promise_tracker import PromiseTracker
from .request_query import query_parameters
from .success_tracker import SuccessTracker
from .transcript import KEPT_RESULTS, UNKNOWN_API, Result, SessionTranscript
from .word_times import WordTimes

_TEXT_FIELDS = ("text", "transcript")  # of a text to speak, where the catalog names none
_STRICT = ("azure", "event-stream")  # envelopes without which a binary message means nothing
KEPT_ERRORS = 20  # frames of error messages


class TimedSession(AudioSession, Protocol):
    """The part of a `Session` that its timeline reads."""

    @property
    def provider(self) -> str | None: ...
    @property
    def api(self) -> str | None: ...


class Timeline:
    """What happened in a session, in the terms of speech.

    Args:
        session: which folds its messages into the timeline.
        catalog: describes the messages of the known APIs.
        keep_results: of the transcript, see `SessionTranscript`.

    Attributes:
        api: whose messages these are; None if unknown.
        sent, received: the audio of the client, and of the server.
        characters, texts: of the texts to speak that the client sent, and their number.
        first_text_frame, last_text: of them, the latter as (frame, time in ns); None without one.
        server_messages: how many messages the server sent.
        last_server_ns, last_server_frame: of the server's last message; None if there was none.
        error_frames: of the server's first messages whose kind is an error.
        speech_at_words, speech_at_answer: seconds of speech that had been sent at the last result
            with words, and at the last answer of an agent.
        is_ready: whether the server has sent a message for which the API's clients wait.
        unwrapped: (frame, length) of the client's first binary message that is not in the API's
            envelope; None if all are.
        unwrapped_count: how many there are.
    """

    def __init__(
        self, session: TimedSession, catalog: Catalog, keep_results: int = KEPT_RESULTS
    ) -> None:
        self._session = session
        self._catalog = catalog
        self._keep_results = keep_results
        self._opened_ns: int | None = None
        self.latency = Latency()
        self.characters = 0
        self.texts = 0
        self.first_text_frame: int | None = None
        self.last_text: tuple[int, int] | None = None
        self.server_messages = 0
        self.last_server_ns: int | None = None
        self.last_server_frame: int | None = None
        self.error_frames: list[int] = []
        self.speech_at_words: float = 0.0
        self.speech_at_answer: float = 0.0
        # The frames for which these two are measured.
        self._followed = (0, 0)
        self._settled = (0, False)
        self.is_ready = False
        self.unwrapped: tuple[int, int] | None = None
        self.unwrapped_count = 0
        self.begin()

    def begin(self) -> None:
        """Take the API from the session's start record, before the first message."""
        session = self._session
        api = self.api = self._catalog.api(session.provider, session.api)
        envelope = api.envelope if api is not None else ""
        # Binary messages are JSON, and never audio; or they mean nothing without an envelope.
        self._has_json_in_binary, self._needs_envelope = envelope == "json", envelope in _STRICT
        self._messages = MessageReader(api)
        session.audio.declare_fields(api.audio.fields if api else ())
        self.sent = AudioMeter(session, api, from_client=True)
        self.received = AudioMeter(session, api, from_client=False)
        self.transcript = SessionTranscript(api, self._keep_results)
        self.events = ControlEvents((api or UNKNOWN_API).vocabulary)
        self.success = SuccessTracker(api)
        self.exchange = ExchangeTracker(api)
        self.word_times = WordTimes()
        self.promises = PromiseTracker(api)

    def add_response(self, response: Response) -> None:
        """Add the response to the upgrade."""
        if response.status == 101:
            request = self._session.request
            self._opened_ns = response.t_ns
            self.word_times.add_request(request)
            self.latency.upgrade = (response.t_ns - (request.t_ns if request else 0)) / 1e9
            self.promises.add_settings("", {"query": query_parameters(request)})

    def add_message(self, complete: CompleteMessage, carried: CarriedAudio | None) -> None:
        """Add a complete message of either direction.

        Args:
            carried: its audio, None where it has none.
        """
        frame, t_ns, from_client = complete.frame, complete.t_ns, complete.from_client
        if carried is not None and carried.carrier == BINARY and self._has_json_in_binary:
            carried = None
        if carried is not None:
            if from_client:
                self.sent.add(1, carried.size, t_ns, t_ns)
                self._check_envelope(frame, complete.length, carried.carrier)
                if complete.is_text and self.exchange.user_turns.may_end_turn(complete.data):
                    self.exchange.add(self._messages.read(complete))
                return
            self._add_server_message(frame, t_ns)
            self._add_server_audio((frame, frame), (t_ns,), (carried.size,))
            if carried.carrier in (BINARY, FRAMED):
                return
        elif not from_client:
            self._add_server_message(frame, t_ns)
        message = self._messages.read(complete)
        if from_client:
            self._add_sent(message)
        else:
            self._add_received(message, has_audio=carried is not None)
        self.success.add(message)
        self.exchange.add(message)
        self.word_times.add(message)

    def add_fragment(self, message: AssembledMessage, frame: FrameRecord) -> None:
        """Only complete messages are read."""

    def add_audio(self, block: MessageBlock, start: int) -> None:
        """Add binary messages that are audio, in short for `add_message`.

        Args:
            block: messages between which nothing was declared, and the other side sent nothing.
            start: index of the first one that is new.
        """
        if self._has_json_in_binary:
            for at in range(start, len(block)):
                number, t_ns = block.numbers[at], block.times[at]
                payload, length = block.payloads[at], block.lengths[at]
                message = CompleteMessage(number, t_ns, block.from_client, False, payload, length)
                self.add_message(message, None)
        elif block.from_client:
            if self._needs_envelope:
                for number, length in zip(
                    block.numbers[start:], block.lengths[start:], strict=True
                ):
                    self._check_envelope(number, length, BINARY)
            self.sent.add(*block.totals(start))
        else:
            times, lengths = block.times[start:], block.lengths[start:]
            first, last = block.numbers[start], block.numbers[-1]
            self._add_server_message(first, times[0])
            self.server_messages += len(times) - 1
            self.last_server_ns, self.last_server_frame = times[-1], last
            self._add_server_audio((first, last), times, lengths)

    # -- the client

    def _check_envelope(self, frame: int, length: int, carrier: str) -> None:
        """Note audio without the envelope that the API requires."""
        if carrier == BINARY and self._needs_envelope:
            self.unwrapped_count += 1
            self.unwrapped = self.unwrapped or (frame, length)

    def _add_sent(self, message: SessionMessage) -> None:
        if text := self._text_to_speak(message):
            self.texts += 1
            self.characters += text
            self.first_text_frame = self.first_text_frame or message.frame
            self.last_text = message.frame, message.t_ns
            self.latency.add_text(message.t_ns)
        if self.api is not None and message.kind in self.api.vocabulary.keepalive:
            self._session.audio.keep_open(from_client=True)
        if message.content is not None:
            self.promises.add_settings(message.kind, message.content)
        self.events.add(message)

    def _text_to_speak(self, message: SessionMessage) -> int:
        """The characters of a text to speak."""
        if self.api is None or self.api.audio.origin != "server" or message.content is None:
            return 0
        if message.kind == "ssml":
            return message.length
        paths = (self.api.vocabulary.text,) if self.api.vocabulary.text else _TEXT_FIELDS
        found = (field_of(message.content, path) for path in (*paths, "inputs.0.text"))
        return next((len(text) for text in found if isinstance(text, str) and text.strip()), 0)

    # -- speech, which is known later than what it is compared with

    def settle(self, state: tuple[int, bool]) -> None:
        """Analyze all audio so far, unless that was done in the same state of the session.

        Args:
            state: its number of frames, and whether it has ended: nothing else adds audio.
        """
        if state == self._settled:
            return
        self._settled = state
        self.sent.settle()
        self.received.settle()
        self._follow_speech(math.inf)

    def follow_speech(self, from_client: bool) -> None:
        """Use what is known of the speech of a direction: a part of its audio was analyzed."""
        if from_client:
            self._follow_speech(self.sent.last_analyzed_frame)

    def _follow_speech(self, until: float) -> None:
        """Use what is known of the client's speech up to a frame."""
        self.latency.follow_speech(self.sent, until)
        words, answer = self.transcript.last_frame, self.exchange.agent_turns.last_frame
        if words is not None and self._followed[0] < words <= until:
            self.speech_at_words = self._speech_before(words)
            self._followed = words, self._followed[1]
        if self._followed[1] < answer <= until:
            self.speech_at_answer = self._speech_before(answer)
            self._followed = self._followed[0], answer

    def _speech_before(self, frame: int) -> float:
        found = self.sent.speech_before(frame)
        return found.seconds if found is not None else 0.0

    # -- the server

    def _add_server_audio(
        self, frames: tuple[int, int], times: Sequence[int], sizes: Sequence[int]
    ) -> None:
        """Add messages with audio between which the client sent nothing.

        Args:
            frames: the first and the last one.
        """
        before = self.received.seconds
        size = sum(sizes)
        self.received.add(len(sizes), size, times[0], times[-1])
        now = self.received.seconds
        turn = self.exchange.agent_turns.add_audio(frames, (times[0], times[-1]), len(times))
        length = None if before is None or now is None else now - before
        if length is None or len(times) == 1:
            turn.add_seconds(length, times[0])
        else:
            share = length / max(1, size)
            for t_ns, size in zip(times, sizes, strict=True):
                turn.add_seconds(size * share, t_ns)
        self.latency.add_server_audio(frames[0], times[0])
        if self.latency.has_many_waiting:
            self.sent.settle()
            self._follow_speech(math.inf)

    def _add_server_message(self, frame: int, t_ns: int) -> None:
        self.server_messages += 1
        self.last_server_ns, self.last_server_frame = t_ns, frame
        if self.latency.first_message is None and self._opened_ns is not None:
            self.latency.first_message = (t_ns - self._opened_ns) / 1e9

    def _add_result(self, result: Result, message: SessionMessage) -> None:
        if result.by_agent:
            self.exchange.agent_turns.add_words(message)
            return
        self.latency.add_result(result, self.sent)
        if result.text:
            self.promises.add_result(result, message.content or {}, self.sent.seconds)

    def _add_received(self, message: SessionMessage, *, has_audio: bool) -> None:
        if self.api is not None and message.kind in self.api.vocabulary.ready:
            self.is_ready = True
        result = self.transcript.add(message)
        if result is not None:
            self._add_result(result, message)
        self.promises.add_message(message)
        if result is not None:
            return
        if is_error(message.kind) and len(self.error_frames) < KEPT_ERRORS:
            self.error_frames.append(message.frame)
        if message.content is not None and not has_audio:
            self.events.add(message)
