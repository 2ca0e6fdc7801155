"""Deepgram's /v1/listen: audio in, Results out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from wsproxy.audio.containers import is_container, read_header
from wsproxy.audio.encodings import AudioFormat
from wsproxy.audio.sniff import is_plain_text
from wsproxy.catalog.model import ClosePattern, Refusal

from . import deepgram_http
from .api import Action, ApiAnswer, ApiQuotas, ApiRequest, SimulatedApi, number, to_json
from .recognizer import RecognizedWord, Recognizer, sentence

_MODELS = re.compile(
    r"^(\d-)?(nova|enhanced|base|whisper|general|meeting|phonecall|conversationalai)\b"
)

_INTERIM = 0.5  # seconds of audio between interim results
_SEGMENT = 4.0  # seconds of audio after which a result becomes final
_MIN_PAUSE = 0.2  # seconds; gaps between words are shorter


class DeepgramListen(SimulatedApi):
    """One live transcription.

    Fails a session as documented: NET-0001 where neither audio nor (after the first
    audio) a KeepAlive came for `limits.silence` seconds; DATA-0000 where the audio is text,
    or is in no container and its encoding was not declared.
    """

    answer_headers = ("dg-request-id",)

    def __init__(self, request: ApiRequest, limits: ApiQuotas) -> None:
        super().__init__(request, limits)
        query = request.query
        self._interim = query.get("interim_results") == "true"
        self._vad_events = query.get("vad_events") == "true"
        self._punctuate = "true" in (query.get("punctuate"), query.get("smart_format"))
        self._endpointing = _milliseconds(query.get("endpointing", "10"))
        self._utterance_end = _milliseconds(query.get("utterance_end_ms", ""))
        self._channels = number(query.get("channels")) or 1
        self._recognizer: Recognizer | None = None
        self._sha256 = hashlib.sha256()
        self._last_activity: float = 0.0  # when audio or a KeepAlive last came
        self._start = 0.0  # of the current segment, seconds of audio
        self._last_result = 0.0  # seconds of audio
        self._last_word_end: float | None = None  # of the current utterance
        self._speaking = False

    @property
    def audio_seconds(self) -> float:
        return self._recognizer.seconds if self._recognizer else 0.0

    def refusal(self) -> Refusal | None:
        request = self.request
        busy = "Too many requests. Please try again later"
        return (
            deepgram_http.refused_credential(request)
            or deepgram_http.refused_number(request, "sample_rate", "channels")
            or deepgram_http.refused_model(request, _MODELS)
            or deepgram_http.refused_crowd(request, self.limits.sessions, "TOO_MANY_REQUESTS", busy)
        )

    def answer(self, body: bytes) -> ApiAnswer:
        """Transcribe recorded audio or a URL in JSON; the transcript is synthetic."""
        if self.request.method == "GET":
            return super().answer(body)
        refusal = self.refusal() or self._refused_body(body)
        if refusal is not None:
            return ApiAnswer.of(refusal)
        alternative = {"transcript": "Hello.", "confidence": 0.99, "words": []}
        results = {"channels": [{"alternatives": [alternative]}]}
        metadata = {"request_id": self.request.request_id, "created": self.request.created}
        body_text = json.dumps({"metadata": metadata, "results": results})
        return ApiAnswer(200, (), body_text.encode(), "application/json")

    def _refused_body(self, body: bytes) -> Refusal | None:
        request = self.request
        if "json" in request.headers.get("content-type", ""):
            fault = deepgram_http.refused_json(request, body)
            if fault is not None or b'"url"' in body:
                return fault
            details = "Json deserialize error: missing field `url` at line 1 column 2"
            return deepgram_http.refused_category(request, details)
        if body and is_plain_text(body):
            message = "Bad Request: failed to process audio: corrupt or unsupported data"
            return deepgram_http.refused(request, 400, "Bad Request", message)
        return None

    def opened(self, now: float) -> Sequence[Action]:
        self._last_activity = now
        return ()

    def deadline(self) -> float | None:
        return self._last_activity + self.limits.silence

    def on_deadline(self, now: float) -> Sequence[Action]:
        return [ClosePattern(1011, "NET-0001")]

    def text(self, message: str, now: float) -> Sequence[Action]:
        try:
            kind = json.loads(message)["type"]
        except (ValueError, TypeError, KeyError):
            kind = None
        match kind:
            case "KeepAlive":
                if self._recognizer is not None:
                    self._last_activity = now
                return ()
            case "Finalize":
                return [self._results(final=True, speech_final=True, from_finalize=True)]
            case "CloseStream":
                return self._finish()
            case "Configure":
                return [to_json(type="ConfigureSuccess", request_id=self.request.request_id)]
            case _:
                return [
                    to_json(
                        type="Error",
                        variant="SchemaError",
                        description="The message is not one that a client may send",
                        message=message[:200],
                    )
                ]

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        if not message:
            # Documented to close the stream; most clients send it by mistake.
            return self._finish()
        self._last_activity = now
        if self._recognizer is None:
            audio = self._format(message)
            if audio is None:
                return [ClosePattern(1008, "DATA-0000")]
            self._recognizer = Recognizer(audio)
        self._sha256.update(message)
        actions: list[Action] = []
        for at in self._recognizer.add(message):
            actions += self._step(self._recognizer, at)
        return actions

    def _format(self, first: bytes) -> AudioFormat | None:
        """The format of the audio, by the query or its first bytes; None where it is not audio."""
        query = self.request.query
        if is_plain_text(first):
            return None
        header = read_header(first)
        if header is not None and header.encoding and header.rate and header.channels:
            return AudioFormat(header.encoding, header.rate, header.channels)
        encoding = query.get("encoding", "")
        if not encoding and not is_container(first):
            return None
        return AudioFormat(encoding, number(query.get("sample_rate")) or 16_000, self._channels)

    def _step(self, recognizer: Recognizer, at: float) -> list[Action]:
        """The messages after one more frame, at `at` seconds of audio."""
        actions: list[Action] = []
        if recognizer.in_word and not self._speaking:
            self._speaking = True
            if self._vad_events:
                start = round(recognizer.word_start, 3)
                actions.append(to_json(type="SpeechStarted", channel=[0], timestamp=start))
        pause = self._endpointing is not None and recognizer.quiet >= max(
            self._endpointing, _MIN_PAUSE
        )
        if recognizer.words and pause:
            actions.append(self._results(final=True, speech_final=True))
        elif at - self._start >= _SEGMENT and not recognizer.in_word:
            actions.append(self._results(final=True))
        elif self._interim and recognizer.words and at - self._last_result >= _INTERIM:
            actions.append(self._results())
        end = self._last_word_end
        if end is not None and self._utterance_end is not None:
            quiet = not recognizer.in_word and not recognizer.words
            if quiet and at - end >= self._utterance_end:
                self._last_word_end = None
                actions.append(to_json(type="UtteranceEnd", channel=[0, 1], last_word_end=end))
        return actions

    def _results(
        self, *, final: bool = False, speech_final: bool = False, from_finalize: bool = False
    ) -> str:
        recognizer = self._recognizer
        now = recognizer.seconds if recognizer else 0.0
        words: list[RecognizedWord] = []
        if recognizer is not None:
            words = recognizer.take() if final else list(recognizer.words)
        start, self._last_result = self._start, now
        if final:
            self._start = now
        if words and final:
            self._last_word_end = words[-1].end
        if speech_final:
            self._speaking = False
        return to_json(
            type="Results",
            channel_index=[0, self._channels],
            duration=round(now - start, 3),
            start=round(start, 3),
            is_final=final,
            speech_final=speech_final,
            channel={"alternatives": [self._alternative(words)]},
            metadata={
                "request_id": self.request.request_id,
                "model_info": self._model_info,
                "model_uuid": deepgram_http.MODEL_UUID,
            },
            from_finalize=from_finalize,
        )

    def _alternative(self, words: list[RecognizedWord]) -> dict[str, Any]:
        transcript = " ".join(word.text for word in words)
        found: list[dict[str, Any]] = []
        for word in words:
            item = {
                "word": word.text,
                "start": word.start,
                "end": word.end,
                "confidence": word.confidence,
            }
            if self._punctuate:
                item["punctuated_word"] = word.text
            found.append(item)
        if self._punctuate and words:
            transcript = sentence(words)
            marked = transcript.split(" ")
            found[0]["punctuated_word"], found[-1]["punctuated_word"] = marked[0], marked[-1]
        confidence = round(sum(w.confidence for w in words) / len(words), 3) if words else 0.0
        return {"transcript": transcript, "confidence": confidence, "words": found}

    @property
    def _model_info(self) -> dict[str, str]:
        name = self.request.query.get("model") or "general-nova-3"
        return {"name": name, "version": deepgram_http.MODEL_VERSION, "arch": name.split("-")[0]}

    def _finish(self) -> list[Action]:
        """The last results and the closing Metadata."""
        actions: list[Action] = []
        if self._recognizer is not None:
            actions.append(self._results(final=True, speech_final=True))
        info = self._model_info
        actions.append(
            to_json(
                type="Metadata",
                transaction_key="deprecated",
                request_id=self.request.request_id,
                sha256=self._sha256.hexdigest(),
                created=self.request.created,
                duration=round(self.audio_seconds, 4),
                channels=self._channels if self._recognizer else 0,
                models=[deepgram_http.MODEL_UUID],
                model_info={deepgram_http.MODEL_UUID: info},
            )
        )
        return [*actions, ClosePattern(1000)]


def _milliseconds(text: str) -> float | None:
    """A query parameter in milliseconds, as seconds; None where it is disabled."""
    if text == "true":
        return 0.0
    value = number(text)
    return None if value is None else value / 1000
