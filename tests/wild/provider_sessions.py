"""How sessions with each provider begin, and the messages in them: what reports have in common."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from wire_session import BROWSER, PYTHON, Message, WireSession
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog.envelope import wrap
from wsproxy.wire import Frame

Json = dict[str, Any]

REQUEST_ID = "5f3c1f0e-6a17-4f0b-9d59-2f6c6a7f1b20"
DEEPGRAM_KEY = "0123456789abcdef" * 2 + "01234567"
OPENAI_KEY = "sk-proj-" + "Synthetic0" * 4
ELEVENLABS_KEY = "sk_" + "0123456789abcdef" * 3
GEMINI_KEY = "AIza" + "SyntheticKey" * 2 + "0123456789A"
AZURE_KEY = "0123456789abcdef" * 2
CARTESIA_KEY = "sk_car_" + "Synthetic0" * 2
AZURE_REQUEST = "0A" * 16
HELLO = "Good morning, the parcel has not arrived yet."
SPEECH_RATE = 16_000


@cache
def pcm(seconds: float, rate: int = SPEECH_RATE) -> bytes:
    """Synthetic speech, 16-bit little-endian, one channel."""
    return speech(seconds, rate)


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# -- Deepgram

LISTEN = "model=nova-2&encoding=linear16&sample_rate=16000&channels=1&interim_results=true"


def deepgram(query: str = LISTEN, path: str = "/v1/listen", agent: str = PYTHON) -> WireSession:
    """The request."""
    url = f"wss://api.deepgram.com{path}?{query}"
    return WireSession(url, {"Authorization": f"Token {DEEPGRAM_KEY}"}, agent=agent)


def listening(query: str = LISTEN) -> WireSession:
    return deepgram(query).accept({"dg-request-id": REQUEST_ID})


def deepgram_result(text: str, start: float, duration: float, *, final: bool = True) -> Json:
    words = [
        {"word": word, "start": start + n * 0.2, "end": start + n * 0.2 + 0.2, "confidence": 0.98}
        for n, word in enumerate(text.lower().split())
    ]
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": duration,
        "start": start,
        "is_final": final,
        "speech_final": final,
        "channel": {
            "alternatives": [
                {"transcript": text, "confidence": 0.98 if text else 0.0, "words": words}
            ]
        },
        "metadata": {"request_id": REQUEST_ID, "model_info": {"name": "2-general-nova"}},
        "from_finalize": False,
    }


def deepgram_metadata(duration: float) -> Json:
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": REQUEST_ID,
        "sha256": "9" * 64,
        "created": "2026-09-21T14:13:20.000Z",
        "duration": duration,
        "channels": 1 if duration else 0,
    }


def deepgram_refusal(code: str, message: str) -> Json:
    return {"err_code": code, "err_msg": message, "request_id": REQUEST_ID}


def deepgram_good(query: str = LISTEN, rate: int = SPEECH_RATE) -> WireSession:
    """Two seconds of speech are transcribed; the app ends the stream."""
    session = listening(query).stream(chunks(pcm(2.0, rate), rate // 5), 0.1)
    session.server(deepgram_result("good morning", 0.0, 1.0, final=False))
    session.server(deepgram_result(HELLO, 0.0, 2.0), after=0.1)
    session.app({"type": "CloseStream"})
    return session.server(deepgram_metadata(2.0)).server_closes(1000)


# -- OpenAI Realtime


def openai(
    path: str = "/v1/realtime?model=gpt-realtime", headers: Mapping[str, str] | None = None
) -> WireSession:
    """The request."""
    fields = {"Authorization": f"Bearer {OPENAI_KEY}", **(headers or {})}
    return WireSession(f"wss://api.openai.com{path}", fields)


def realtime() -> WireSession:
    """An opened session that was configured."""
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": REALTIME_SESSION})
    return session.server(session_event("session.updated"), after=0.1)


REALTIME_SESSION: Json = {
    "type": "realtime",
    "instructions": "Be brief.",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": {"type": "server_vad"},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
    },
}


def session_event(kind: str, session: Json | None = None) -> Json:
    fields = {"object": "realtime.session", "id": "sess_1", "model": "gpt-realtime"}
    fields |= REALTIME_SESSION if session is None else session
    return {"type": kind, "event_id": "event_1", "session": fields}


def append(data: bytes) -> Json:
    return {"type": "input_audio_buffer.append", "audio": b64(data)}


def openai_error(code: str | None, message: str, param: str | None = None) -> Json:
    fault = {
        "type": "invalid_request_error",
        "code": code,
        "message": message,
        "param": param,
        "event_id": None,
    }
    return {"type": "error", "event_id": "event_9", "error": fault}


def spoken_turn(session: WireSession, seconds: float = 2.0) -> WireSession:
    """The user says something for this time; server VAD finds its end."""
    session.stream(chunks(pcm(seconds, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
    session.stream(chunks(bytes(4800 * 5), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
    return committed(session)


def committed(session: WireSession) -> WireSession:
    """The server takes what was said for an item of the user, with an id of its own."""
    item = {"item_id": f"item_{_items(session) + 1}"}
    return session.server({"type": "input_audio_buffer.committed", **item})


def transcribed(session: WireSession, text: str, *, after: float = 0.4) -> WireSession:
    """The words of the latest item."""
    words = {"item_id": f"item_{_items(session)}", "content_index": 0, "transcript": text}
    kind = "conversation.item.input_audio_transcription.completed"
    return session.server({"type": kind, **words}, after=after)


def _items(session: WireSession) -> int:
    """How many items of the user there are."""
    frames = (event.what for event in session.events if isinstance(event.what, Frame))
    return sum(b'"input_audio_buffer.committed"' in frame.payload for frame in frames)


def response_done(status: str, details: Json | None = None) -> Json:
    usage = {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}
    if status in ("completed", "cancelled"):
        usage = {"total_tokens": 120, "input_tokens": 80, "output_tokens": 40}
    output = [{"id": "item_2", "type": "message", "role": "assistant", "status": "completed"}]
    return {
        "type": "response.done",
        "event_id": "event_8",
        "response": {
            "object": "realtime.response",
            "id": "resp_1",
            "status": status,
            "status_details": details,
            "output": output if usage["total_tokens"] else [],
            "usage": usage,
        },
    }


def answered(session: WireSession, seconds: float = 1.5, rate: int = 24_000) -> WireSession:
    """The agent says something."""
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=0.3)

    def delta(data: bytes) -> Message:
        ids = {"response_id": "resp_1", "item_id": "item_2"}
        return {"type": "response.output_audio.delta", **ids, "delta": b64(data)}

    session.stream(chunks(pcm(seconds, rate), rate // 5), 0.02, delta, from_client=False)
    session.server({"type": "response.output_audio_transcript.done", "transcript": HELLO})
    return session.server({"type": "response.output_audio.done", "response_id": "resp_1"})


def openai_good() -> WireSession:
    session = answered(spoken_turn(realtime()))
    return session.server(response_done("completed")).app_closes(1000, after=1.0)


# -- Gemini Live

BIDI = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
NATIVE_AUDIO = "models/gemini-2.5-flash-native-audio-preview-12-2025"


def gemini(model: str = NATIVE_AUDIO, setup: Json | None = None) -> WireSession:
    """The upgrade and the app's setup; the server has not answered it."""
    url = f"wss://generativelanguage.googleapis.com{BIDI}?key={GEMINI_KEY}"
    content = {"model": model, "generationConfig": {"responseModalities": ["AUDIO"]}}
    return WireSession(url).accept().app({"setup": content | (setup or {})})


def gemini_ready(setup: Json | None = None) -> WireSession:
    return gemini(setup=setup).server(b'{"setupComplete": {}}', after=0.1)


def gemini_audio(data: bytes) -> Json:
    blob = {"data": b64(data), "mimeType": "audio/pcm;rate=16000"}
    return {"realtimeInput": {"audio": blob}}


def gemini_says(session: WireSession, seconds: float = 1.5) -> WireSession:
    for data in chunks(pcm(seconds, 24_000), 9600):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}))
    session.server(gemini_content({"generationComplete": True}))
    return session.server(gemini_content({"turnComplete": True}))


def gemini_content(content: Json) -> bytes:
    return json.dumps({"serverContent": content}).encode()


def gemini_good() -> WireSession:
    session = gemini_ready().stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    return gemini_says(session.wait(0.3)).app_closes(1000, after=1.0)


# -- ElevenLabs

VOICE = "JBFqnCBsd6RMkjVDRZzb"


def elevenlabs(path: str, query: str) -> WireSession:
    url = f"wss://api.elevenlabs.io/v1/{path}?{query}"
    return WireSession(url, {"xi-api-key": ELEVENLABS_KEY}).accept()


def elevenlabs_tts() -> WireSession:
    query = "model_id=eleven_flash_v2_5&output_format=pcm_24000"
    session = elevenlabs(f"text-to-speech/{VOICE}/stream-input", query)
    return session.app({"text": " ", "voice_settings": {"stability": 0.5, "similarity_boost": 0.8}})


def elevenlabs_audio(data: bytes) -> Json:
    return {"audio": b64(data), "isFinal": None, "normalizedAlignment": None, "alignment": None}


def scribe() -> WireSession:
    query = "model_id=scribe_v2_realtime&audio_format=pcm_16000"
    session = elevenlabs("speech-to-text/realtime", query)
    config = {"sample_rate": 16000, "audio_format": "pcm_16000", "model_id": "scribe_v2_realtime"}
    return session.server(
        {"message_type": "session_started", "session_id": REQUEST_ID, "config": config}
    )


def scribe_audio(data: bytes) -> Json:
    return {
        "message_type": "input_audio_chunk",
        "audio_base_64": b64(data),
        "commit": False,
        "sample_rate": 16000,
    }


# -- Azure Speech


def azure_message(path: str, content: Json) -> str:
    head = f"Path: {path}\r\nX-RequestId: {AZURE_REQUEST}\r\nContent-Type: application/json\r\n\r\n"
    return head + json.dumps(content)


def azure_audio(data: bytes) -> bytes:
    head = f"Path: audio\r\nX-RequestId: {AZURE_REQUEST}\r\nContent-Type: audio/x-wav\r\n".encode()
    return struct.pack(">H", len(head)) + head + data


def wav_header(rate: int = 16_000, channels: int = 1, bits: int = 16) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)
    return b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + form + b"data\0\0\0\0"


def azure_stt(region: str = "westeurope") -> WireSession:
    """The request."""
    host = f"{region}.stt.speech.microsoft.com"
    path = "/speech/recognition/conversation/cognitiveservices/v1?language=en-US&format=simple"
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    return WireSession(f"wss://{host}{path}", headers)


def azure_listening(header: bytes | None = None) -> WireSession:
    session = azure_stt().accept()
    context = {"context": {"system": {"name": "SpeechSDK", "version": "1.40.0"}}}
    session.app(azure_message("speech.config", context))
    session.app(azure_audio(header or wav_header()))
    tag = {"context": {"serviceTag": REQUEST_ID}}
    return session.server(azure_message("turn.start", tag), after=0.05)


def azure_phrase(status: str, text: str = "", duration: float = 2.0) -> str:
    fields = {"RecognitionStatus": status, "DisplayText": text, "Offset": 0}
    return azure_message("speech.phrase", fields | {"Duration": int(duration * 1e7)})


def azure_tts(host: str = "westeurope.tts.speech.microsoft.com") -> WireSession:
    """The request."""
    headers = {"Ocp-Apim-Subscription-Key": AZURE_KEY, "X-ConnectionId": "0B" * 16}
    return WireSession(f"wss://{host}/cognitiveservices/websocket/v1", headers, agent=BROWSER)


def azure_speaking(voice: str) -> WireSession:
    """The app asks for speech."""
    session = azure_tts().accept()
    context = {"context": {"system": {"name": "SpeechSDK", "version": "1.40.0"}}}
    session.app(azure_message("speech.config", context))
    output = {"synthesis": {"audio": {"outputFormat": "raw-24khz-16bit-mono-pcm"}}}
    session.app(azure_message("synthesis.context", output))
    ssml = (
        f"Path: ssml\r\nX-RequestId: {AZURE_REQUEST}\r\nContent-Type: application/ssml+xml\r\n\r\n"
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en-US">'
        f'<voice name="{voice}">{HELLO}</voice></speak>'
    )
    return session.app(ssml)


# -- Amazon Transcribe


def transcribe() -> WireSession:
    query = "language-code=en-US&media-encoding=pcm&sample-rate=16000"
    host = "transcribestreaming.us-east-1.amazonaws.com:8443"
    signature = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDSYNTHETIC%2F20260921%2Fus-east-1"
        "%2Ftranscribe%2Faws4_request&X-Amz-Date=20260921T141320Z&X-Amz-Expires=300"
        f"&X-Amz-SignedHeaders=host&X-Amz-Signature={'0123456789abcdef' * 4}"
    )
    url = f"wss://{host}/stream-transcription-websocket?{signature}&{query}"
    return WireSession(url).accept({"x-amzn-RequestId": REQUEST_ID})


def aws_audio(data: bytes) -> Message:
    return wrap("event-stream", "", data)


def aws_exception(kind: str, message: str) -> Message:
    head = {
        ":message-type": "exception",
        ":exception-type": kind,
        ":content-type": "application/json",
    }
    return wrap("event-stream", json.dumps(head | {"Message": message}))


def aws_transcript(text: str) -> Message:
    head = {
        ":message-type": "event",
        ":event-type": "TranscriptEvent",
        ":content-type": "application/json",
    }
    result = {"IsPartial": False, "StartTime": 0.0, "EndTime": 2.0, "ResultId": REQUEST_ID}
    result["Alternatives"] = [{"Transcript": text, "Items": []}]
    return wrap("event-stream", json.dumps(head | {"Transcript": {"Results": [result]}}))


# -- others


def speechmatics(audio_format: Json | None = None) -> WireSession:
    """The upgrade and the app's start of the recognition."""
    headers = {"Authorization": "Bearer " + "Synthetic0" * 3}
    session = WireSession("wss://eu2.rt.speechmatics.com/v2/", headers).accept()
    raw = {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000}
    config = {"language": "en", "enable_partials": True, "max_delay": 2}
    start = {"message": "StartRecognition", "audio_format": audio_format or raw}
    return session.app(start | {"transcription_config": config})


def speechmatics_final(text: str, start: float, end: float) -> Json:
    metadata = {"transcript": text, "start_time": start, "end_time": end}
    return {"message": "AddTranscript", "metadata": metadata, "results": []}


def cartesia_tts() -> WireSession:
    url = f"wss://api.cartesia.ai/tts/websocket?api_key={CARTESIA_KEY}&cartesia_version=2025-04-16"
    return WireSession(url)


def cartesia_text(context: str) -> Json:
    output = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24000}
    voice = {"mode": "id", "id": REQUEST_ID}
    request = {"context_id": context, "model_id": "sonic-2", "transcript": HELLO, "voice": voice}
    return request | {"output_format": output, "language": "en", "continue": False}


def cartesia_says(session: WireSession, context: str) -> WireSession:
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server(
            {
                "type": "chunk",
                "context_id": context,
                "data": b64(data),
                "done": False,
                "status_code": 206,
                "step_time": 20.0,
            }
        )
    done = {"type": "done", "context_id": context, "done": True, "status_code": 200}
    return session.server(done)


WATSON = "/speech-to-text/api/v1/recognize?model=en-US_BroadbandModel"


def watson(headers: Mapping[str, str] | None = None) -> WireSession:
    """The request."""
    fields = headers or {"Authorization": "Bearer " + "Synthetic0" * 8}
    return WireSession(f"wss://stream.watsonplatform.net{WATSON}", fields)


def watson_listening(inactivity: int = 30) -> WireSession:
    start = {"action": "start", "content-type": "audio/l16;rate=16000;channels=1"}
    session = watson().accept()
    session.app(start | {"interim_results": True, "inactivity_timeout": inactivity})
    return session.server('{\n   "state": "listening"\n}')


def watson_result(text: str) -> Json:
    alternative = {"transcript": text, "confidence": 0.9}
    return {"results": [{"final": True, "alternatives": [alternative]}], "result_index": 0}


def sent_as(kind: str) -> Callable[[bytes], Message]:
    """Audio in a carrier that the API does not take.

    Args:
        kind: "base64", "buffer-json" (Node's form of a Buffer), "object-blob" or "empty-object".
    """
    carriers: dict[str, Callable[[bytes], Message]] = {
        "base64": b64,
        "buffer-json": lambda data: {"type": "Buffer", "data": list(data)},
        "object-blob": lambda _: "[object Blob]",
        "empty-object": lambda _: "{}",
    }
    return carriers[kind]
