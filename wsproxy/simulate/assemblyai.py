"""AssemblyAI's /v3/ws (Universal-Streaming): audio in, Turn messages out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from wsproxy.audio.encodings import AudioFormat
from wsproxy.catalog.model import ClosePattern, Refusal

from .api import Action, ApiQuotas, ApiRequest, SimulatedApi, number, to_json
from .recognizer import RecognizedWord, Recognizer, sentence

_PARTIAL = 0.5  # seconds of audio between partial turns
_TURN_SILENCE = 0.4  # seconds of quiet that end a turn
_REASON_BYTES = 123  # that fit into a Close frame (RFC 6455, section 5.5)
_POINTER = "See Error message for details"


class AssemblyAIStreaming(SimulatedApi):
    """One live transcription.

    Fails a session as documented, with an Error message before the Close frame: 3007 for
    audio messages of the wrong duration or faster than real time, 3006 for invalid messages
    and for inactivity, 1008 without a key, 3008 after the maximum duration,
    3009 with too many sessions.
    """

    def __init__(self, request: ApiRequest, limits: ApiQuotas) -> None:
        super().__init__(request, limits)
        query = request.query
        rate = number(query.get("sample_rate")) or 16_000
        self._recognizer = Recognizer(AudioFormat(query.get("encoding") or "pcm_s16le", rate))
        self._format_turns = query.get("format_turns", "").lower() == "true"
        self._turn_silence = _seconds(query.get("min_turn_silence"), 1000) or _TURN_SILENCE
        self._inactivity = _seconds(query.get("inactivity_timeout"))
        self._opened = self._last_activity = 0.0
        self._first_audio: float | None = None
        self._turn = 0
        self._last_partial = 0.0  # seconds of audio

    @property
    def audio_seconds(self) -> float:
        return self._recognizer.seconds

    def opened(self, now: float) -> Sequence[Action]:
        self._opened = self._last_activity = now
        if not self.request.good_credential:
            return _error(1008, "Unauthorized Connection: Missing Authorization header")
        if self.request.sessions >= self.limits.sessions:
            return _error(3009, "Unauthorized Connection: Too many concurrent sessions")
        expires = int(self.request.now + self.limits.session)
        return [to_json(type="Begin", id=self.request.request_id, expires_at=expires)]

    def deadline(self) -> float | None:
        expiry = self._opened + self.limits.session
        if self._inactivity is None:
            return expiry
        return min(expiry, self._last_activity + self._inactivity)

    def on_deadline(self, now: float) -> Sequence[Action]:
        if now >= self._opened + self.limits.session:
            return _error(3008, "Session Expired: Maximum session duration exceeded")
        return _error(
            3006,
            "Session terminated due to inactivity: "
            f"No messages received for {self._inactivity:g} seconds",
        )

    def text(self, message: str, now: float) -> Sequence[Action]:
        self._last_activity = now
        try:
            content = json.loads(message)
        except ValueError:
            return _error(3006, f"Invalid JSON: {message}")
        if not isinstance(content, dict):
            return _error(3006, f"Invalid Message: {message}")
        match content.get("type"):
            case "Terminate":
                return self._finish(now)
            case "ForceEndpoint":
                return self._end_turn()
            case "UpdateConfiguration":
                self._configure(content)
                return ()
            case "KeepAlive":
                return ()
            case other:
                return _error(3006, f"Invalid Message Type: {other}")

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        self._last_activity = now
        recognizer = self._recognizer
        if recognizer.format.bytes_per_second:
            seconds = len(message) / recognizer.format.bytes_per_second
            shortest, longest = self.limits.chunk
            if not shortest <= seconds <= longest:
                return _error(
                    3007,
                    f"Input duration violation: {seconds * 1000:.1f} ms. "
                    f"Expected between {shortest * 1000:g} and {longest * 1000:g} ms",
                )
        if self._first_audio is None:
            self._first_audio = now
        actions: list[Action] = []
        for at in recognizer.add(message):
            actions += self._step(at)
        elapsed = now - self._first_audio
        if recognizer.format.bytes_per_second and recognizer.seconds > elapsed + self.limits.ahead:
            return _error(
                3007,
                f"Audio Transmission Rate Exceeded: Received {recognizer.seconds:.1f} sec. "
                f"audio in {elapsed:.1f} sec",
            )
        return actions

    def _configure(self, content: dict[str, Any]) -> None:
        if isinstance(content.get("format_turns"), bool):
            self._format_turns = content["format_turns"]
        if isinstance(content.get("min_turn_silence"), int):
            self._turn_silence = max(0.1, content["min_turn_silence"] / 1000)

    def _step(self, at: float) -> Sequence[Action]:
        """The messages after one more frame, at `at` seconds of audio."""
        recognizer = self._recognizer
        if recognizer.words and recognizer.quiet >= self._turn_silence:
            return self._end_turn()
        if recognizer.words and at - self._last_partial >= _PARTIAL:
            self._last_partial = at
            return [self._turn_message(recognizer.words)]
        return ()

    def _end_turn(self) -> list[Action]:
        words = self._recognizer.take()
        if not words:
            return []
        actions: list[Action] = [self._turn_message(words, end=True)]
        if self._format_turns:
            actions.append(self._turn_message(words, end=True, formatted=True))
        self._turn += 1
        self._last_partial = self._recognizer.seconds
        return actions

    def _turn_message(
        self, words: list[RecognizedWord], *, end: bool = False, formatted: bool = False
    ) -> str:
        transcript = " ".join(word.text for word in words)
        return to_json(
            type="Turn",
            turn_order=self._turn,
            turn_is_formatted=formatted,
            end_of_turn=end,
            transcript=sentence(words) if formatted else transcript,
            utterance=transcript if end else "",
            end_of_turn_confidence=0.95 if end else 0.1,
            words=[
                {
                    "start": round(word.start * 1000),
                    "end": round(word.end * 1000),
                    "text": word.text,
                    "confidence": word.confidence,
                    "word_is_final": True,
                }
                for word in words
            ],
        )

    def _finish(self, now: float) -> list[Action]:
        termination = to_json(
            type="Termination",
            audio_duration_seconds=round(self.audio_seconds),
            session_duration_seconds=round(now - self._opened),
        )
        return [*self._end_turn(), termination, ClosePattern(1000)]


def _error(code: int, text: str) -> list[Action]:
    """The Error message, and the Close frame whose reason has room for 123 bytes."""
    fits = len(text.encode()) <= _REASON_BYTES
    message = to_json(type="Error", error_code=code, error=text)
    return [message, ClosePattern(code, text if fits else _POINTER)]


def _seconds(text: str | None, unit: int = 1) -> float | None:
    """A query parameter in units of 1/`unit` seconds; None where it is missing."""
    try:
        value = float(text or "") / unit
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None


class RetiredApi(SimulatedApi):
    """Real-time v2: every upgrade is refused, as documented since it was shut down."""

    def refusal(self) -> Refusal | None:
        return Refusal(410, (), '{"error": "Deprecated endpoint"}', "application/json")
