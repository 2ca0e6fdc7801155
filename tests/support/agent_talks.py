"""Conversations with a voice agent, message by message, as OpenAI Realtime and Gemini have them."""

from __future__ import annotations

import base64
from typing import Any

from speech_sessions import GEMINI_AUDIO, SpeechSession, spoken

Json = dict[str, Any]
APPEND = '{"type": "input_audio_buffer.append", "audio": "{audio}"}'


class Talk(SpeechSession):
    """A session with OpenAI Realtime whose audio is 16-bit PCM at 16 kHz in both directions."""

    def __init__(self, settings: Json | None = None) -> None:
        super().__init__("openai", "realtime")
        form = {"type": "audio/pcm", "rate": 16_000}
        audio: Json = {"input": {"format": form}, "output": {"format": form}}
        self.settings: Json = {"type": "realtime", "audio": audio, **(settings or {})}
        self.server({"type": "session.created", "session": {"id": "s"}})
        self.app({"type": "session.update", "session": self.settings})
        self.server({"type": "session.updated", "session": self.settings})

    def user(self, seconds: float = 1.5, pause: float = 0.6) -> Talk:
        """The user speaks, and is silent."""
        self.speak(seconds, template=APPEND)
        return self.quiet(pause)

    def quiet(self, seconds: float) -> Talk:
        self.speak(seconds, quiet=True, template=APPEND)
        return self

    def heard(self, text: str) -> Talk:
        """The words of the user come."""
        kind = "conversation.item.input_audio_transcription.completed"
        self.server({"type": kind, "transcript": text})
        return self

    def answer(
        self, seconds: float = 1.0, words: str = "", status: str = "completed", **fields: Any
    ) -> Talk:
        """The agent answers: all of its audio comes at once."""
        self.server({"type": "response.created", "response": {"id": "r", **fields}})
        if seconds:
            delta = base64.b64encode(spoken(seconds)).decode()
            self.server({"type": "response.output_audio.delta", "delta": delta})
        if words:
            self.server({"type": "response.output_audio_transcript.done", "transcript": words})
        self.server({"type": "response.done", "response": {"id": "r", "status": status, **fields}})
        return self

    def create(self, **fields: Any) -> Talk:
        self.app({"type": "response.create", **fields})
        return self

    def call(self, after: float) -> Talk:
        """The agent calls a function, which the app answers after some seconds."""
        item = {"type": "function_call", "call_id": "c", "name": "look"}
        self.server({"type": "response.output_item.done", "item": item}).wait(after)
        result = {"type": "function_call_output", "call_id": "c", "output": "1"}
        self.app({"type": "conversation.item.create", "item": result})
        return self.create()


class GeminiTalk(SpeechSession):
    """A session with Gemini Live."""

    def __init__(self, setup: Json | None = None, *, ready: bool = True) -> None:
        super().__init__("gemini", "live")
        self.app({"setup": {"model": "m", **(setup or {})}})
        if ready:
            self.server({"setupComplete": {}})

    def user(self, seconds: float = 1.5, pause: float = 0.6) -> GeminiTalk:
        self.speak(seconds, template=GEMINI_AUDIO)
        return self.quiet(pause)

    def quiet(self, seconds: float) -> GeminiTalk:
        self.speak(seconds, quiet=True, template=GEMINI_AUDIO)
        return self

    def content(self, **fields: Any) -> GeminiTalk:
        self.server({"serverContent": fields})
        return self

    def audio(self, seconds: float = 1.0) -> GeminiTalk:
        data = base64.b64encode(spoken(seconds)).decode()
        part = {"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": data}}
        return self.content(modelTurn={"parts": [part]})

    def answer(self, seconds: float = 1.0, words: str = "", tokens: int = 0) -> GeminiTalk:
        self.audio(seconds)
        if words:
            self.content(outputTranscription={"text": words})
        done: Json = {"serverContent": {"turnComplete": True}}
        if tokens:
            heard = {"modality": "AUDIO", "tokenCount": tokens}
            details = [{"modality": "TEXT", "tokenCount": 9}, heard]
            done["usageMetadata"] = {"promptTokensDetails": details}
        self.server(done)
        return self
