"""An API that plays the server's part of a dialogue in the catalog."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence

from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import Dialogue
from wsproxy.catalog.envelope import Json, field, json_object, read, wrap
from wsproxy.catalog.model import Api as CatalogApi
from wsproxy.catalog.model import ClosePattern

from .api import Action, ApiAnswer, ApiQuotas, ApiRequest, SimulatedApi, number

AUDIO = "{audio}"
_RATE = 16_000


@functools.cache
def sample() -> bytes:
    """100 ms of 16-bit speech at 16 kHz."""
    return speech(0.1, _RATE)


def wire_message(
    text: str, envelope: str, request_id: str, audio: bytes | None = None
) -> str | bytes:
    """Encode a message of a dialogue for the wire.

    Args:
        text: as in the catalog; "{audio}" and "{id}" in it are replaced.
        audio: replaces "{audio}", and follows the headers of an audio message in an envelope;
            None for `sample`.
    """
    audio = sample() if audio is None else audio
    if text == AUDIO:
        return audio
    filled = text.replace("{id}", request_id)
    if AUDIO in filled:
        filled = filled.replace(AUDIO, base64.b64encode(audio).decode())
    return wrap(envelope, filled, audio if is_audio(filled) else b"")


def is_audio(text: str) -> bool:
    """Whether a message of an envelope has audio after its headers instead of JSON."""
    content = json_object(text) or {}
    return content.get("Path") == "audio" or content.get(":event-type") == "AudioEvent"


class DialogueApi(SimulatedApi):
    """Plays the server's part of the dialogue that the catalog has for an API.

    The client's messages are not validated: they only determine when the server sends.
    """

    def __init__(self, request: ApiRequest, limits: ApiQuotas, known: CatalogApi) -> None:
        super().__init__(request, limits)
        self._dialogue = known.dialogue or Dialogue(close="client")
        self._kind = known.vocabulary.kind
        self.envelope = known.envelope
        self._audio = known.audio
        self._plain = known.url.startswith("http")
        self._received = 0  # messages
        self._audio_bytes = 0  # of the client's audio
        self._replied = False

    @property
    def audio_seconds(self) -> float:
        """The duration of the client's audio, if it is 16-bit samples of one channel."""
        rate = number(self.request.query.get(self._audio.rate_query)) or _RATE
        return self._audio_bytes / 2 / rate

    @property
    def setup_done(self) -> bool:
        return self._received >= len(self._dialogue.setup)

    def answer(self, body: bytes) -> ApiAnswer:
        if self._plain:
            return ApiAnswer(200, (), b'{"simulated": true}', "application/json")
        return super().answer(body)

    def opened(self, now: float) -> Sequence[Action]:
        return () if self._dialogue.setup else self._server_messages(self._dialogue.opening)

    def text(self, message: str, now: float) -> Sequence[Action]:
        return self._receive(message)

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        return self._receive(message)

    def _receive(self, message: str | bytes) -> Sequence[Action]:
        content, audio = read(self.envelope, message)
        if self._is_end(message, content):
            return [*self._server_messages(self._dialogue.farewell), *self._close()]
        self._audio_bytes += len(audio) + self._encoded(content or {})
        self._received += 1
        if self._received <= len(self._dialogue.setup):
            return self._server_messages(self._dialogue.opening) if self._received == 1 else ()
        if self._replied:
            return ()
        self._replied = True
        return self._server_messages(self._dialogue.reply)

    def _encoded(self, content: Json) -> int:
        """The number of bytes of audio in the base64 fields of a message."""
        values = (field(content, path) for path in self._audio.fields)
        return sum(len(value) * 3 // 4 for value in values if isinstance(value, str))

    def _is_end(self, message: str | bytes, content: Json | None) -> bool:
        return any(self._is_same_kind(end, message, content) for end in self._dialogue.end)

    def _is_same_kind(self, end: str, message: str | bytes, content: Json | None) -> bool:
        """Whether a message has the same type; where types have no names, the same fields."""
        wanted = json_object(end)
        if wanted is None or content is None:
            return end == message
        if self._kind and (kind := field(wanted, self._kind)) is not None:
            return field(content, self._kind) == kind
        return wanted.items() <= content.items()

    def _close(self) -> Sequence[Action]:
        match self._dialogue.close:
            case "server":
                return [ClosePattern(1000)]
            case "":
                return [ClosePattern(None)]
        return ()

    def _server_messages(self, messages: Sequence[str]) -> list[Action]:
        return [wire_message(text, self.envelope, self.request.request_id) for text in messages]
