"""Further reports about OpenAI Realtime, judged before anything was changed for them."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from provider_sessions import (
    Json,
    answered,
    append,
    chunks,
    openai,
    openai_error,
    openai_good,
    pcm,
    realtime,
    response_done,
    session_event,
    spoken_turn,
)
from wire_session import WireSession

BETA_DISABLED = (
    "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API."
)
NO_TYPE = "Missing required parameter: 'session.type'."
G711 = "Invalid value: 'g711-ulaw'. Supported values are: 'pcm16', 'g711_ulaw', and 'g711_alaw'."
INVALID_AUDIO = (
    "Invalid 'audio'. Expected base64-encoded audio bytes (mono PCM16 at 24kHz) but got an "
    "invalid value."
)
BETA: Json = {
    "modalities": ["text", "audio"],
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "voice": "alloy",
    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
}


def beta(fields: Json | None = None) -> WireSession:
    """A session of the older kind, configured."""
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-10-01"
    session = openai(path, {"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(session_event("session.created", BETA))
    session.app({"type": "session.update", "session": BETA | (fields or {})})
    return session.server(session_event("session.updated", BETA | (fields or {})), after=0.1)


def wrong_format_name() -> WireSession:
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-10-01"
    session = openai(path, {"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(session_event("session.created", BETA))
    session.app({"type": "session.update", "session": BETA | {"input_audio_format": "g711-ulaw"}})
    session.server(openai_error("invalid_value", G711, "session.input_audio_format"), after=0.1)
    return session.app_closes(1000, after=0.5)


def invalid_audio() -> WireSession:
    session = realtime()
    for data in chunks(pcm(0.5, 24_000), 4800):
        session.app(
            {"type": "input_audio_buffer.append", "audio": {"audio": append(data)["audio"]}}
        )
        session.server(openai_error("invalid_value", INVALID_AUDIO, "audio.audio"), after=0.1)
    return session.app_closes(1000, after=0.5)


def without_type() -> WireSession:
    """The configuration is refused; the conversation goes on with the defaults."""
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": {"instructions": "Be brief.", "tools": []}})
    session.server(openai_error("missing_required_parameter", NO_TYPE, "session.type"), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def beta_is_disabled() -> WireSession:
    session = openai(headers={"OpenAI-Beta": "realtime=v1"}).accept()
    session.app({"type": "session.update", "session": BETA})
    session.server(openai_error("beta_api_shape_disabled", BETA_DISABLED), after=0.1)
    return session.server_closes(4000, "invalid_request_error.beta_api_shape_disabled")


def telephone_as_pcm16() -> WireSession:
    """Speech is found to begin, and never to stop."""
    session = beta({"output_audio_format": "g711_ulaw"})
    session.stream(chunks(mulaw(pcm(1.0, 8000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 512})
    session.stream(chunks(mulaw(pcm(6.0, 8000) + bytes(64_000)), 160), 0.02, append)
    return session.app_closes(1000, after=1.0)


def telephone_declared() -> WireSession:
    formats = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
    session = beta(formats).stream(chunks(mulaw(pcm(3.0, 8000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 512})
    session.stream(chunks(mulaw(bytes(16_000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 3100})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    delta = {"type": "response.audio.delta", "response_id": "resp_1", "item_id": "item_2"}
    for data in chunks(mulaw(pcm(1.5, 8000)), 800):
        session.server(delta | {"delta": append(data)["audio"]})
    session.server(response_done("completed"))
    return session.app_closes(1000, after=2.0)


def microphone_16k() -> WireSession:
    session = realtime().stream(chunks(pcm(8.0, 16_000), 2730), 0.0853125, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 5100})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    answered(session).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def incomplete() -> WireSession:
    session = answered(spoken_turn(realtime()))
    details = {"type": "incomplete", "reason": "max_output_tokens"}
    return session.server(response_done("incomplete", details)).app_closes(1000, after=1.0)


def shared_pool() -> WireSession:
    """Each message has the complete pool of buffers, of which only a slice is new."""
    session, pool = realtime(), bytearray(8192)
    for number, data in enumerate(chunks(pcm(3.0, 24_000), 1024)):
        at = number % 8 * 1024
        pool[at : at + len(data)] = data
        session.app(append(bytes(pool)), after=len(data) / 48_000)
    session.app({"type": "response.create"})
    answered(session).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "oai-g711-spelling",
        "parameter",
        "64bit/async-openai#349",
        "Fix: serde rename of G711ULAW AudioFormat in Realtime Types",
        "an error event; the configuration has no effect",
        "the format is written g711-ulaw, not g711_ulaw",
        wrong_format_name,
        ("g711-ulaw",),
        telephone_declared,
        "the name is right",
        ("invalid value",),
    ),
    Report(
        "oai-audio-as-object",
        "format",
        "Azure-Samples/aoai-realtime-audio-sdk#95",
        "Invalid 'audio'. Expected base64-encoded audio bytes",
        "an error event for each chunk, although the file has the right format",
        "the JSON of the message is wrong, not the audio",
        invalid_audio,
        ("Invalid 'audio'",),
        openai_good,
        "the JSON is right",
        ("invalid 'audio'",),
    ),
    Report(
        "oai-session-type",
        "parameter",
        "TanStack/ai#586",
        "Realtime SDP exchange uses deprecated Beta endpoint",
        "the agent talks, without the instructions and the tools",
        "session.update is refused: it has no session.type",
        without_type,
        (r"session\.type",),
        openai_good,
        "the field is there",
        (r"session\.type", "missing required"),
        complete=True,
    ),
    Report(
        "oai-beta-disabled",
        "parameter",
        "langwatch/scenario#602",
        "Realtime adapter sends retired `OpenAI-Beta: realtime=v1` header",
        "4000 at once",
        "the beta of the API, which a header asks for, has ended",
        beta_is_disabled,
        ("beta",),
        openai_good,
        "without the header",
        ("beta",),
    ),
    Report(
        "oai-mulaw-as-pcm16",
        "format",
        "twilio-samples/speech-assistant-openai-realtime-api-python#6",
        "server VAD doesn't seem to pick up voice stopping",
        "speech_started comes, speech_stopped does not",
        "the telephone's mu-law is declared as pcm16",
        telephone_as_pcm16,
        ("mu-?law", "pcm16|16-bit|declare"),
        telephone_declared,
        "declared as g711_ulaw",
        ("another format",),
    ),
    Report(
        "oai-16k-as-24k",
        "sample rate",
        "Natively-AI-assistant/natively-cluely-ai-assistant#85",
        "Fix websocket bug with OpenAI",
        "wrong transcripts",
        "the microphone's 16 kHz are sent where 24 kHz is the rate",
        microphone_16k,
        ("16000", "24000"),
        openai_good,
        "24 kHz",
        ("16000",),
        complete=True,
    ),
    Report(
        "oai-incomplete",
        "missing result",
        "Azure-Samples/aoai-realtime-audio-sdk#26",
        "Stop playing the audio before the end of the text",
        "a long story stops in the middle of a sentence",
        "the response reaches its limit of tokens",
        incomplete,
        ("incomplete", "max_output_tokens|limit of tokens|token"),
        openai_good,
        "a short answer",
        ("incomplete", "token"),
    ),
    Report(
        "oai-shared-pool",
        "carrier",
        "openai/openai-realtime-api-beta#39",
        "Issue with client.appendInputAudio",
        "the model answers as if nothing had been said",
        "chunk.buffer is Node's pool of buffers, so each message repeats the ones before it",
        shared_pool,
        ("repeat|again|same (audio|bytes)|twice|times real time|duplicate",),
        openai_good,
        "each chunk once",
        ("repeat", "same audio", "times real time"),
        complete=True,
    ),
]
