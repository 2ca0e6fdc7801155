"""Deepgram's /v1/speak: text in, audio out."""

from __future__ import annotations

import json
import re
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from wsproxy.audio.encodings import AudioFormat, encoding_named
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog.model import ClosePattern, Refusal

from . import deepgram_http
from .api import Action, ApiAnswer, ApiQuotas, ApiRequest, SimulatedApi, number, to_json

_MODELS = re.compile(r"^aura(-\d)?\b")
_RATES = {
    "linear16": (8_000, 16_000, 24_000, 32_000, 48_000),
    "mulaw": (8_000, 16_000),
    "alaw": (8_000, 16_000),
}
_CHARACTER_SECONDS = 0.06  # seconds of speech
_MAX_SPEECH = 60.0  # seconds of speech at one Flush
_MESSAGE_SECONDS = 0.2  # seconds of speech in one message


@dataclass(frozen=True, slots=True)
class _Fault:
    message: str


def _text_or_url(body: str) -> str | _Fault:
    """The text to synthesize in a JSON body; for a URL, a synthetic text."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or ("text" in found) is ("url" in found):
        wanted = "Please specify exactly one of `text` or `url` in the JSON body."
        return _Fault(f"Failed to deserialize JSON payload. {wanted}")
    if "text" in found:
        return str(found["text"])
    if not re.match(r"https?://[^\s/]+", str(found["url"])):
        return _Fault("Failed to parse URL in JSON body.")
    return "text of the URL"


class DeepgramSpeak(SimulatedApi):
    """One live speech synthesis.

    Fails a session as documented: MESSAGE-0000 for a binary message, DATA-0000 for one
    that is not JSON or of an unknown type, BIG-0000 and BIG-0001 for too large ones,
    DATA-0001 for too many characters in a short time, NET-0001 for a silent client.
    """

    answer_headers = ("dg-request-id",)

    def __init__(self, request: ApiRequest, limits: ApiQuotas) -> None:
        super().__init__(request, limits)
        self._encoding = request.query.get("encoding") or "linear16"
        fallback = 24_000 if self._encoding == "linear16" else 8_000
        self._rate = number(request.query.get("sample_rate")) or fallback
        self._text = ""
        self._flushed = 0
        self._cleared = 0
        self._audio_bytes = 0  # bytes of audio
        self._last_activity = 0.0
        self._recent: deque[tuple[float, int]] = deque()  # (when, characters)

    @property
    def audio_seconds(self) -> float:
        return AudioFormat(self._encoding, self._rate).duration(self._audio_bytes)

    def refusal(self) -> Refusal | None:
        request = self.request
        return (
            deepgram_http.refused_credential(request)
            or deepgram_http.refused_number(request, "sample_rate")
            or self._refused_format()
            or deepgram_http.refused_model(request, _MODELS)
            or deepgram_http.refused_crowd(
                request, self.limits.sessions, "Too Many Requests", "Please try again later."
            )
        )

    def answer(self, body: bytes) -> ApiAnswer:
        """Synthesize a text by plain HTTP."""
        if self.request.method == "GET":
            return super().answer(body)
        refusal = self.refusal() or self._refused_body(body)
        if refusal is not None:
            return ApiAnswer.of(refusal)
        return ApiAnswer(200, (), self._encode(speech(0.5, self._rate)), "audio/l16")

    def _refused_body(self, body: bytes) -> Refusal | None:
        """Check the documented limits: size, content type, encoding, exactly one text or URL."""
        request, limits = self.request, self.limits
        if len(body) > limits.message_bytes:
            message = "Payload size exceeds limit of 2MB."
            return deepgram_http.refused(request, 413, "PAYLOAD_TOO_LARGE", message)
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind not in ("text/plain", "application/json"):
            message = "`Content-Type` header is not supported."
            return deepgram_http.refused(request, 415, "UNSUPPORTED_MEDIA_TYPE", message)
        try:
            text = body.decode()
        except UnicodeDecodeError:
            message = "Failed to decode payload as UTF-8."
            return deepgram_http.refused(request, 400, "PAYLOAD_ERROR", message)
        if kind == "application/json":
            found = _text_or_url(text)
            if isinstance(found, _Fault):
                return deepgram_http.refused(request, 400, "PAYLOAD_ERROR", found.message)
            text = found
        return self._refused_text(text)

    def _refused_text(self, text: str) -> Refusal | None:
        if not text.strip():
            message = "Input text contains no characters."
            return deepgram_http.refused(self.request, 400, "Bad Request", message)
        if len(text) > self.limits.text_characters:
            message = (
                f"Input text exceeds maximum character limit of {self.limits.text_characters}."
            )
            return deepgram_http.refused(self.request, 413, "Payload Too Large", message)
        return None

    def _refused_format(self) -> Refusal | None:
        rates = _RATES.get(self._encoding)
        if rates is None:
            reason = f"encoding={self._encoding} is not one of {', '.join(_RATES)}"
        elif self._rate not in rates:
            known = ", ".join(map(str, rates))
            reason = f"sample_rate must be {known} when encoding={self._encoding}"
        else:
            return None
        message = f"Unsupported audio format: {reason}"
        return deepgram_http.refused(self.request, 400, "INVALID_QUERY_PARAMETER", message)

    def opened(self, now: float) -> Sequence[Action]:
        self._last_activity = now
        name = self.request.query.get("model") or "aura-asteria-en"
        return [
            to_json(
                type="Metadata",
                request_id=self.request.request_id,
                model_name=name,
                model_version=deepgram_http.MODEL_VERSION,
                model_uuid=deepgram_http.MODEL_UUID,
            )
        ]

    def deadline(self) -> float | None:
        return self._last_activity + self.limits.speak_silence

    def on_deadline(self, now: float) -> Sequence[Action]:
        return [ClosePattern(1011, "NET-0001")]

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        return [ClosePattern(1003, "MESSAGE-0000")]

    def text(self, message: str, now: float) -> Sequence[Action]:
        self._last_activity = now
        if len(message.encode()) > self.limits.message_bytes:
            return [ClosePattern(1009, "BIG-0000")]
        match _parsed(message):
            case {"type": "Speak", "text": str(text)}:
                return self._speak(text, now)
            case {"type": "Flush"}:
                return self._flush()
            case {"type": "Clear"}:
                self._text = ""
                self._cleared += 1
                return [to_json(type="Cleared", sequence_id=self._cleared - 1)]
            case {"type": "Close"}:
                return [*(self._flush() if self._text else ()), ClosePattern(1000)]
            case _:
                return [ClosePattern(1008, "DATA-0000")]

    def _speak(self, text: str, now: float) -> Sequence[Action]:
        if len(text) > self.limits.text_characters:
            return [ClosePattern(1009, "BIG-0001")]
        self._recent.append((now, len(text)))
        while self._recent[0][0] < now - self.limits.characters_window:
            self._recent.popleft()
        if sum(count for _, count in self._recent) > self.limits.characters:
            return [ClosePattern(1008, "DATA-0001")]
        self._text += text
        return ()

    def _encode(self, samples: bytes) -> bytes:
        encoding = encoding_named(self._encoding)
        law = encoding.law if encoding else None
        return samples if law is None else law.encode_pcm(samples)

    def _flush(self) -> list[Action]:
        """Synthesize the buffered text, and report that."""
        text, self._text = self._text, ""
        seconds = min(len(text) * _CHARACTER_SECONDS, _MAX_SPEECH)
        audio = self._encode(speech(seconds, self._rate, zlib.crc32(text.encode())))
        self._audio_bytes += len(audio)
        size = (
            int(self._rate * _MESSAGE_SECONDS)
            * AudioFormat(self._encoding, self._rate).sample_bytes
        )
        actions: list[Action] = [audio[at : at + size] for at in range(0, len(audio), size)]
        self._flushed += 1
        return [*actions, to_json(type="Flushed", sequence_id=self._flushed - 1)]


def _parsed(message: str) -> object:
    try:
        return json.loads(message)
    except ValueError:
        return None
