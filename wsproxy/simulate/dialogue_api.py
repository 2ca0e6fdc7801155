"""An API of which the catalog has a good session in short: it says its part of that."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence

from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import Dialogue
from wsproxy.catalog.envelope import Json, field, json_object, read, wrap
from wsproxy.catalog.model import Api as Known
from wsproxy.catalog.model import ClosePattern

from .api import Action, ApiAnswer, ApiRequest, SimulatedApi, number
from .limits import ApiQuotas

AUDIO = "{audio}"
_RATE = 16_000


@functools.cache
def sample() -> bytes:
    """100 ms of 16-bit speech at 16 kHz, which stands for any audio."""
    return speech(0.1, _RATE)


def spoken(text: str, envelope: str, request_id: str, audio: bytes | None = None) -> str | bytes:
    """A message of a dialogue as it goes onto the wire.

    Args:
        text: as in the catalog; "{audio}" and "{id}" in it are filled in.
        audio: what "{audio}" stands for, and what follows the header of an audio message in
            an envelope; None: `sample`.
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
    """Says what the catalog's dialogue of an API has for the server.

    It checks nothing: what the client says only tells when it is the server's turn.
    """

    def __init__(self, request: ApiRequest, limits: ApiQuotas, known: Known) -> None:
        super().__init__(request, limits)
        self._dialogue = known.dialogue or Dialogue(close="client")
        self._kind = known.vocabulary.kind
        self.envelope = known.envelope
        self._audio = known.audio
        self._plain = known.url.startswith("http")
        self._heard = 0  # messages
        self._bytes = 0  # of the client's audio
        self._replied = False

    @property
    def audio_seconds(self) -> float:
        """Of the client's audio, taken for 16-bit samples of one channel."""
        rate = number(self.request.query.get(self._audio.rate_query)) or _RATE
        return self._bytes / 2 / rate

    @property
    def begun(self) -> bool:
        return self._heard >= len(self._dialogue.setup)

    def answer(self, body: bytes) -> ApiAnswer:
        if self._plain:
            return ApiAnswer(200, (), b'{"simulated": true}', "application/json")
        return super().answer(body)

    def opened(self, now: float) -> Sequence[Action]:
        return () if self._dialogue.setup else self._say(self._dialogue.opening)

    def text(self, message: str, now: float) -> Sequence[Action]:
        return self._hear(message)

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        return self._hear(message)

    def _hear(self, message: str | bytes) -> Sequence[Action]:
        content, audio = read(self.envelope, message)
        if self._is_end(message, content):
            return [*self._say(self._dialogue.farewell), *self._close()]
        self._bytes += len(audio) + self._encoded(content or {})
        self._heard += 1
        if self._heard <= len(self._dialogue.setup):
            return self._say(self._dialogue.opening) if self._heard == 1 else ()
        if self._replied:
            return ()
        self._replied = True
        return self._say(self._dialogue.reply)

    def _encoded(self, content: Json) -> int:
        """Bytes of audio in the base64 of a message."""
        values = (field(content, path) for path in self._audio.fields)
        return sum(len(value) * 3 // 4 for value in values if isinstance(value, str))

    def _is_end(self, message: str | bytes, content: Json | None) -> bool:
        return any(self._alike(end, message, content) for end in self._dialogue.end)

    def _alike(self, end: str, message: str | bytes, content: Json | None) -> bool:
        """Of the same kind; where kinds have no names, with the same fields."""
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

    def _say(self, messages: Sequence[str]) -> list[Action]:
        return [spoken(text, self.envelope, self.request.request_id) for text in messages]
