"""Sessions in the terms of speech, for tests of timelines and outcomes: no file, no connection."""

from __future__ import annotations

import base64
import functools
import json
from typing import Any

from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.catalog.envelope import wrap
from wsproxy.session import Session
from wsproxy.session.outcome import Outcome
from wsproxy.trace import End, FrameRecord, Request, Response, Start
from wsproxy.wire import Close, Opcode

Content = str | bytes | dict[str, Any]
S = 1_000_000_000
CATALOG = load()
CHUNK = 0.1  # seconds
RATE = 16_000  # samples a second
PIECE = 20.0  # seconds of speech that are made at a time


def spoken(seconds: float, rate: int = RATE) -> bytes:
    return _speech(rate, -(-seconds // PIECE) * PIECE)[: int(seconds * rate) * 2]


@functools.cache
def _speech(rate: int, seconds: float) -> bytes:
    """What shorter pieces are the beginning of: they are made once."""
    return speech(seconds, rate)


class SpeechSession:
    """Builds a session of an API, step by step.

    Args:
        provider, api: of the catalog; the path is that of its URL.
        path: another path.
    """

    def __init__(self, provider: str | None, api: str | None, path: str = "") -> None:
        known = CATALOG.api(provider, api)
        self.known = known
        url = known.url if known else "wss://speech.example/"
        host, _, rest = url.partition("://")[2].partition("/")
        self.t = 0.0
        self.number = 0
        self.ended_by = "client"
        self.session = Session.analyzing(CATALOG)
        self._add(Start(0, 1, "0123456789abcdef", S, provider=provider, api=api))
        self._add(Request(0, "GET", "wss", host, 443, path or f"/{rest}"))
        self._add(Response(S // 100, 101, "Switching Protocols"))

    def _add(self, record: Any) -> None:
        self.session.add(record)

    def wait(self, seconds: float) -> SpeechSession:
        self.t += seconds
        return self

    def app(self, message: Content) -> SpeechSession:
        return self._message(message, from_client=True)

    def server(self, *messages: Content) -> SpeechSession:
        for message in messages:
            self._message(message, from_client=False)
        return self

    def _message(self, message: Content, *, from_client: bool) -> SpeechSession:
        if isinstance(message, dict):
            message = wrap(self.known.envelope if self.known else "", json.dumps(message))
        is_text = isinstance(message, str)
        payload = message.encode() if isinstance(message, str) else message
        opcode = Opcode.TEXT if is_text else Opcode.BINARY
        self.number += 1
        self.t += 0.001
        self._add(
            FrameRecord(
                int(self.t * S), from_client, int(opcode), payload, wire_length=len(payload) + 6
            )
        )
        return self

    def speak(self, seconds: float, *, quiet: bool = False, template: str = "") -> SpeechSession:
        """Send audio in real time: 16-bit PCM at 16 kHz in binary messages, or in a template."""
        data = bytes(int(seconds * 32_000)) if quiet else spoken(seconds)
        size = int(CHUNK * 32_000)
        for start in range(0, len(data), size):
            chunk = data[start : start + size]
            if template:
                self.app(template.replace("{audio}", base64.b64encode(chunk).decode()))
            else:
                self.app(chunk)
            self.wait(CHUNK - 0.001)
        return self

    def close(self, code: int | None = 1000, reason: str = "", *, by: str = "client") -> Session:
        """End the session."""
        payload = Close(code, reason).serialize()
        self.t += 0.001
        t_ns = int(self.t * S)
        self._add(FrameRecord(t_ns, by == "client", 8, payload, wire_length=len(payload) + 2))
        self._add(End(t_ns + 1, "close", by, code, reason))
        return self.session


def outcome_of(session: Session) -> Outcome:
    found = session.outcome
    assert found is not None
    return found


# -- messages


def dg_result(text: str, *, final: bool = True, start: float = 0.0, duration: float = 1.0) -> str:
    alternatives = [{"transcript": text, "words": []}]
    return json.dumps(
        {
            "type": "Results",
            "is_final": final,
            "start": start,
            "duration": duration,
            "channel_index": [0, 1],
            "channel": {"alternatives": alternatives},
        }
    )


END = '{"type": "CloseStream"}'
METADATA = '{"type": "Metadata", "duration": 5.0, "channels": 1}'
OPENAI_APPEND = '{"type": "input_audio_buffer.append", "audio": "{audio}"}'
GEMINI_AUDIO = (
    '{"realtimeInput": {"audio": {"data": "{audio}", "mimeType": "audio/pcm;rate=16000"}}}'
)


def response_done(status: str, **details: Any) -> dict[str, Any]:
    output = details.pop("output", ["item"] if status == "completed" else [])
    response: dict[str, Any] = {"id": "resp_1", "status": status, "output": output}
    if details:
        response["status_details"] = {"type": status, **details}
    return {"type": "response.done", "response": response}


def cartesia_request(**fields: Any) -> dict[str, Any]:
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
    return {"context_id": "a", "transcript": "Good morning.", "output_format": output, **fields}


def cartesia_chunk(seconds: float = 0.5) -> dict[str, Any]:
    data = base64.b64encode(spoken(seconds)).decode()
    return {"type": "chunk", "context_id": "a", "data": data, "done": False}


CARTESIA_DONE = {"type": "done", "context_id": "a", "done": True}
