"""An API that plays the server's part of a dialogue in the catalog."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from wsproxy.audio.base64_text import decode_base64
from wsproxy.audio.containers import read_header
from wsproxy.audio.encodings import AudioFormat, encoding_named
from wsproxy.catalog import Dialogue
from wsproxy.catalog.dialogue import Answer
from wsproxy.catalog.envelope import Json, field, json_object, read, wrap
from wsproxy.catalog.model import Api as CatalogApi
from wsproxy.catalog.model import ClosePattern

from .api import Action, ApiAnswer, ApiQuotas, ApiRequest, SimulatedApi, number
from .dialogue_template import AUDIO, fill, named_uuid, opaque_id
from .dialogue_turn import (
    HELLO,
    ClientTurn,
    audio_pieces,
    declared_formats,
    has_value,
    spoken_text,
)
from .recognizer import Recognizer

_RATE = 16_000
_PAUSE = 0.5  # seconds of quiet that end a turn
_INTERIM = 0.5  # seconds of audio between interim results
_AUDIO_IDLE, _TEXT_IDLE = 0.4, 0.1  # seconds without a message that end a turn
# Fields with which clients say that a text is complete.
_COMPLETE = {"flush": True, "text_end": True, "continue": False, "commit": True}
_RESPONSE = "{response}"


def is_audio(text: str) -> bool:
    """Whether a message of an envelope has audio after its headers instead of JSON."""
    content = json_object(text) or {}
    return content.get("Path") == "audio" or content.get(":event-type") == "AudioEvent"


class DialogueApi(SimulatedApi):
    """Plays the server's part of the dialogue that the catalog has for an API.

    The client's messages are not validated: they only determine when the server sends, and
    what. Its audio becomes words, which are reported when it pauses; its texts become audio.
    """

    deadline_fails = False

    def __init__(self, request: ApiRequest, limits: ApiQuotas, known: CatalogApi) -> None:
        super().__init__(request, limits)
        self._dialogue = known.dialogue or Dialogue(close="client")
        self._vocabulary = known.vocabulary
        self._kind = known.vocabulary.kind
        self.envelope = known.envelope
        self._audio = known.audio
        self._plain = known.url.startswith("http")
        self._fields: dict[str, Any] = {}  # of the client's messages, the last ones
        self._examples = _merged((*self._dialogue.setup, *self._dialogue.say))
        self._setup_seen = 0  # messages
        self._audio_bytes = 0  # of the client's audio
        self._chunks = 0  # messages of the client with audio
        self._sent = 0  # messages
        self._turn_count = 0
        self._said: list[str] = []  # sentences of the client
        self._turns: dict[str, ClientTurn] = {}  # by the value of `Dialogue.context`
        self._speaking = ""  # the turn that audio belongs to
        self._recognizer: Recognizer | None = None
        self._last_interim = 0.0  # seconds of audio

    @property
    def audio_seconds(self) -> float:
        """The duration of the client's audio, if it is 16-bit samples of one channel."""
        rate = number(self.request.query.get(self._audio.rate_query)) or _RATE
        return self._audio_bytes / 2 / rate

    def follows_setup(self, message: str | bytes) -> bool:
        return not self._is_setup(message, *self._read(message))

    def answer(self, body: bytes) -> ApiAnswer:
        if self._plain:
            return ApiAnswer(200, (), b'{"simulated": true}', "application/json")
        if self._dialogue.http and self.request.method == "POST":
            text = self._filled(self._dialogue.http, ClientTurn(0), {})
            return ApiAnswer(201, (), text.encode(), "application/json")
        return super().answer(body)

    # -- events

    def opened(self, now: float) -> Sequence[Action]:
        dialogue = self._dialogue
        first = dialogue.greeting if dialogue.setup else (*dialogue.greeting, *dialogue.opening)
        return self._server_messages(first, ClientTurn(0), HELLO)

    def text(self, message: str, now: float) -> Sequence[Action]:
        return self._receive(message, now)

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        return self._receive(message, now)

    def deadline(self) -> float | None:
        due = [turn.changed + self._idle(turn) for turn in self._turns.values()]
        return min(due, default=None) if not self._manual else None

    def on_deadline(self, now: float) -> Sequence[Action]:
        due = [key for key, turn in self._turns.items() if turn.changed + self._idle(turn) <= now]
        return [action for key in due for action in self._finish_turn(key)]

    def _idle(self, turn: ClientTurn) -> float:
        return _TEXT_IDLE if turn.text else _AUDIO_IDLE

    # -- the client's messages

    def _read(self, message: str | bytes) -> tuple[Json, bytes]:
        """The fields of a message, and its audio."""
        content, audio = read(self.envelope, message)
        content = content or {}
        # Of an API that only speaks, these are fields of the server.
        paths = self._audio.fields if self._audio.origin != "server" else ()
        encoded = (field(content, path) for path in paths)
        found = (value.encode() for value in encoded if isinstance(value, str))
        return content, audio or b"".join(map(decode_base64, found))

    def _receive(self, message: str | bytes, now: float) -> Sequence[Action]:
        content, audio = self._read(message)
        if self._is_end(message, content):
            return self._end()
        is_setup = self._is_setup(message, content, audio)
        if not audio:
            self._fields.update(content)
        key = str(field(content, self._dialogue.context) or "")
        opening: list[Action] = []
        if is_setup:
            opening = self._set_up(message, content)
            if self._kind or not spoken_text(content, self._vocabulary.text, ""):
                return opening
        if audio:
            return self._hear(key, content, audio, now)
        answer = self._answer_to(message, content)
        if answer is not None:
            return [*opening, *self._answer(key, content, answer)]
        return [*opening, *self._read_text(key, message, content, now)]

    def _is_setup(self, message: str | bytes, content: Json, audio: bytes) -> bool:
        setup = self._dialogue.setup
        if audio or message == b"":
            return False
        if self._kind:
            return any(self._is_same_kind(each, message, content) for each in setup)
        return self._setup_seen < len(setup) and bool(content)

    def _set_up(self, message: str | bytes, content: Json) -> list[Action]:
        first = self._setup_seen == 0
        self._setup_seen += 1
        opens = first or self._is_same_kind(self._dialogue.setup[0], message, content)
        if not opens or (not self._kind and not first):
            return []
        return self._server_messages(self._dialogue.opening, ClientTurn(0, content), HELLO)

    def _is_end(self, message: str | bytes, content: Json) -> bool:
        return any(self._is_same_kind(end, message, content) for end in self._dialogue.end)

    def _is_same_kind(self, example: str, message: str | bytes, content: Json) -> bool:
        """Whether a message has the same type; where types have no names, the same fields."""
        wanted = json_object(example)
        if wanted is None:
            return message in (example, example.encode())
        if self._kind and (kind := field(wanted, self._kind)) is not None:
            return field(content, self._kind) == kind
        return _contains(content, wanted)

    def _end(self) -> list[Action]:
        """The rest of the replies, the farewell, and the end."""
        actions = [action for key in list(self._turns) for action in self._finish_turn(key)]
        farewell = self._server_messages(
            self._dialogue.farewell, ClientTurn(self._turn_count), HELLO
        )
        return [*actions, *farewell, *self._close()]

    def _close(self) -> Sequence[Action]:
        match self._dialogue.close:
            case "server":
                return [ClosePattern(1000)]
            case "":
                return [ClosePattern(None)]
        return ()

    def _answer_to(self, message: str | bytes, content: Json) -> Answer | None:
        found = (a for a in self._dialogue.answers if self._is_same_kind(a.to, message, content))
        return next(found, None)

    def _answer(self, key: str, content: Json, answer: Answer) -> list[Action]:
        actions = self._finish_turn(key) if self._is_pending(key) else []
        for text in answer.messages:
            turn = self._new_turn(content)
            spoken = turn.values(0.0)["answer"]
            texts = self._dialogue.response if text == _RESPONSE else (text,)
            actions += self._server_messages(texts, turn, spoken)
        return actions

    # -- text to synthesize

    def _read_text(
        self, key: str, message: str | bytes, content: Json, now: float
    ) -> Sequence[Action]:
        raw = message if isinstance(message, str) else ""
        text = spoken_text(content, self._vocabulary.text, raw) if self._dialogue.say else ""
        if text:
            turn = self._turns.setdefault(key, self._new_turn())
            turn.text += text
            turn.changed = now
            turn.content.update(content)
        kind = field(content, self._kind) if self._kind else None
        complete = kind in self._vocabulary.flush or any(
            content.get(name) is value for name, value in _COMPLETE.items()
        )
        return self._finish_turn(key) if complete and self._is_pending(key) else ()

    # -- audio of the client

    @property
    def _manual(self) -> bool:
        """Whether only the client's messages end a turn."""
        return any(map(self._holds, self._dialogue.manual))

    def _holds(self, condition: str) -> bool:
        return has_value(self._fields, self.request.query, condition)

    def _asked(self, name: str) -> Sequence[str]:
        """The messages of a group; none if the client has to ask for them and did not."""
        conditions = dict(self._dialogue.asked)
        messages: Sequence[str] = getattr(self._dialogue, name)
        return messages if name not in conditions or self._holds(conditions[name]) else ()

    @property
    def _reacts(self) -> bool:
        dialogue = self._dialogue
        return bool(dialogue.started or dialogue.interim or dialogue.reply or dialogue.response)

    @property
    def _heard_words(self) -> bool:
        recognizer = self._recognizer
        return recognizer is not None and bool(recognizer.words or recognizer.in_word)

    def _hear(self, key: str, content: Json, audio: bytes, now: float) -> list[Action]:
        self._audio_bytes += len(audio)
        self._chunks += 1
        if not self._reacts:
            return []
        if self._recognizer is None:
            self._recognizer = Recognizer(self._client_format(audio))
        self._speaking = key
        actions: list[Action] = []
        for at in self._recognizer.add(_without_wav_header(audio)):
            actions += self._step(key, content, at, now)
        if (turn := self._turns.get(key)) is not None:
            turn.changed = now
        acknowledged = self._server_messages(self._dialogue.acknowledge, ClientTurn(0, content), "")
        if content.get("commit") is True and self._is_pending(key):
            actions += self._finish_turn(key)
        return [*acknowledged, *actions]

    def _step(self, key: str, content: Json, at: float, now: float) -> list[Action]:
        """The messages after one more piece of audio, at `at` seconds of it."""
        recognizer = self._recognizer
        assert recognizer is not None
        if not self._heard_words:
            return []
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = self._new_turn(content)
            self._last_interim = at
        actions: list[Action] = []
        if not turn.started:
            turn.started = True
            actions += self._server_messages(
                self._asked("started"), turn, "", start=recognizer.word_start
            )
        if recognizer.words and recognizer.quiet >= _PAUSE and not self._manual:
            return [*actions, *self._finish_turn(key)]
        is_new = len(recognizer.words) > len(turn.words)
        if is_new and at - self._last_interim >= _INTERIM:
            self._last_interim = at
            turn.words = list(recognizer.words)
            actions += self._server_messages(self._asked("interim"), turn, "", final=False)
        return actions

    def _client_format(self, first: bytes) -> AudioFormat:
        """The format of the client's audio, as its header or the client's messages declare it."""
        header = read_header(first) if first.startswith(b"RIFF") else None
        if header is not None:
            return AudioFormat(header.encoding or "linear16", header.rate or _RATE)
        audio, query = self._audio, self.request.query
        encoding = query.get(audio.encoding_query) or field(self._fields, audio.encoding_field)
        rate = query.get(audio.rate_query) or field(self._fields, audio.rate_field)
        name = str(encoding or audio.default_encoding or "linear16").lower()
        found = re.search(r"(?:rate=|_)(\d{4,5})(?!\d)", name)
        hertz = number(str(rate)) or (int(found[1]) if found else 0)
        if encoding_named(name) is None:
            name = re.sub(r"_\d+$", "", name)
        return AudioFormat(name, hertz or audio.default_rate or _RATE)

    # -- the server's messages

    def _new_turn(self, content: Mapping[str, Any] | None = None) -> ClientTurn:
        return ClientTurn(self._turn_count, dict(content or {}))

    def _is_pending(self, key: str) -> bool:
        turn = self._turns.get(key)
        heard = key == self._speaking and self._heard_words
        return turn is not None and (turn.pending or heard)

    def _finish_turn(self, key: str) -> list[Action]:
        """Reply to a turn of the client."""
        turn, dialogue = self._turns.pop(key), self._dialogue
        if self._recognizer is not None and key == self._speaking and not turn.text:
            turn.words = self._recognizer.take()
        if not turn.pending:
            return []
        self._turn_count += 1
        actions: list[Action] = []
        if not turn.started:
            actions += self._server_messages(self._asked("started"), turn, "")
        actions += self._server_messages(self._asked("stopped"), turn, "")
        self._said.append(turn.values(0.0)["text"])
        actions += self._server_messages(dialogue.reply, turn, turn.text)
        if not (any(map(self._holds, dialogue.mute)) or self._manual):
            spoken = turn.values(0.0)["answer"]
            actions += self._server_messages(self._asked("response"), turn, spoken)
        return actions

    def _server_messages(
        self, templates: Sequence[str], turn: ClientTurn, spoken: str, **values: object
    ) -> list[Action]:
        """Fill templates.

        Args:
            spoken: what "{audio}" says.
            values: replace the turn's.
        """
        total = self._recognizer.seconds if self._recognizer else 0.0
        known = {"final": True, **turn.values(total), **values}
        known["words"] = [self._word(word, known) for word in turn.words]
        pieces = self._pieces(spoken, turn) if any(map(_has_audio, templates)) else []
        actions: list[Action] = []
        for template in templates:
            for piece in pieces if _has_audio(template) else [b""]:
                actions.append(self._server_message(template, turn, known, piece))
        return actions

    def _server_message(
        self, template: str, turn: ClientTurn, values: Mapping[str, Any], audio: bytes
    ) -> str | bytes:
        self._sent += 1
        if template == AUDIO:
            return audio
        encoded = base64.b64encode(audio).decode() if AUDIO in template else ""
        filled = self._filled(template, turn, {**values, "audio": encoded})
        return wrap(self.envelope, filled, audio if is_audio(filled) else b"")

    def _filled(self, template: str, turn: ClientTurn, values: Mapping[str, Any]) -> str:
        known = {**values, **self._session_values()}
        return fill(template, known, lambda name: self._lookup(name, turn))

    def _session_values(self) -> dict[str, Any]:
        request = self.request
        return {
            "id": request.request_id,
            "event": opaque_id("event", request.request_id, self._sent),
            "created": request.created,
            "host": request.headers.get("host", "localhost"),
            "ws": "wss" if request.secure else "ws",
            "epoch": int(request.now),
            "chunks": self._chunks,
            "sequence": self._sent - 1,
            "said": " ".join(self._said),
        }

    def _lookup(self, name: str, turn: ClientTurn) -> object:
        """The value of a placeholder with a dot in its name; None for an unknown one."""
        scope, _, rest = name.partition(".")
        request_id = self.request.request_id
        match scope:
            case "client":
                places = (turn.content, self._fields, self._examples)
                found = (field(place, rest) for place in places)
                return next((value for value in found if value is not None), None)
            case "turn":
                return opaque_id(rest, request_id, turn.number)
            case "session":
                return opaque_id(rest, request_id)
            case "uuid":
                return named_uuid(rest, request_id)
        return None

    def _word(self, word: Any, values: Mapping[str, Any]) -> object:
        own = {
            "word": word.text,
            "start": word.start,
            "end": word.end,
            "duration": round(word.end - word.start, 3),
            "confidence": word.confidence,
            "final": values["final"],
        }
        return json.loads(fill(self._dialogue.word or "{}", own, lambda _: None))

    def _pieces(self, spoken: str, turn: ClientTurn) -> list[bytes]:
        declared = declared_formats({**self._fields, **turn.content}, self.request.query)
        if self._audio.origin == "both":
            declared = [text for text in declared if "audio.output" in text]
        rate = self._audio.default_rate or _RATE
        container = self._dialogue.container
        return audio_pieces(spoken, declared, rate, zlib.crc32(spoken.encode()), container)


def _has_audio(template: str) -> bool:
    return AUDIO in template or is_audio(template)


def _merged(messages: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in messages:
        found.update(json_object(text) or {})
    return found


def _contains(content: object, wanted: object) -> bool:
    """Whether a message has these fields, at any depth; null stands for any value."""
    if wanted is None:
        return True
    if isinstance(wanted, dict):
        return isinstance(content, dict) and all(
            name in content and _contains(content[name], value) for name, value in wanted.items()
        )
    return content == wanted


def _without_wav_header(audio: bytes) -> bytes:
    at = audio.find(b"data", 12, 4096) if audio.startswith(b"RIFF") else -1
    return audio[at + 8 :] if at > 0 else audio
