"""Reports about turns of OpenAI Realtime, and about what refuses or ends its sessions."""

from __future__ import annotations

import random

from audio_samples import mulaw
from bug_report import Report
from openai_reports import beta
from provider_sessions import (
    HELLO,
    answered,
    append,
    b64,
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
from reported_settings import azure_openai_preview
from wire_session import WireSession

SHORTER = "Audio content of 1500ms is already shorter than 57340ms"
NOT_OUTPUT = "Only model output audio messages can be truncated"


def truncates(session: WireSession, end_ms: int) -> WireSession:
    at = {"item_id": "item_2", "content_index": 0, "audio_end_ms": end_ms}
    return session.app({"type": "conversation.item.truncate", **at})


def truncated_too_far() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 5000}, after=1.0)
    truncates(session, 57_340).server(openai_error("invalid_value", SHORTER), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def truncated_right() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 5000}, after=1.0)
    done = {"type": "conversation.item.truncated", "item_id": "item_2", "audio_end_ms": 900}
    truncates(session, 900).server(done, after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def truncated_before_audio() -> WireSession:
    session = spoken_turn(realtime())
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=0.3)
    item = {"id": "item_2", "type": "message", "role": "assistant"}
    session.server({"type": "response.output_item.added", "item": item})
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 3000})
    session.server(response_done("cancelled", {"type": "cancelled", "reason": "turn_detected"}))
    truncates(session, 0).server(openai_error("unsupported_content_type", NOT_OUTPUT), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def noise(seconds: float) -> bytes:
    values = random.Random(7)
    return bytes(values.randrange(256) for _ in range(round(seconds * 8000)))


def voice_of_noise(voice: str, seconds: float = 3.0) -> WireSession:
    formats = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
    session = beta(formats | {"voice": voice})
    session.stream(chunks(mulaw(pcm(2.0, 8000) + bytes(8000)), 160), 0.02, append)
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=4.0)
    for data in chunks(noise(seconds), 800):
        ids = {"response_id": "resp_1", "item_id": "item_2"}
        session.server({"type": "response.audio.delta", **ids, "delta": b64(data)}, after=0.02)
    session.server({"type": "response.audio.done", "response_id": "resp_1"})
    return session.server(response_done("completed")).app_closes(1000, after=1.0)


def text_answers() -> WireSession:
    """The history has the agent's words as text: it goes on as text, without audio."""
    session = realtime()
    item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": HELLO}]}
    session.app({"type": "conversation.item.create", "item": item})
    session.server({"type": "conversation.item.created", "item": {"id": "item_0", **item}})
    for number in range(2):
        spoken_turn(session)
        created = {"object": "realtime.response", "id": f"resp_{number}", "status": "in_progress"}
        session.server({"type": "response.created", "response": created}, after=0.3)
        for word in HELLO.split():
            delta = {"response_id": f"resp_{number}", "item_id": "item_2", "delta": f"{word} "}
            session.server({"type": "response.output_text.delta", **delta}, after=0.02)
        session.server({"type": "response.output_text.done", "text": HELLO})
        session.server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def azure_expired() -> WireSession:
    session = azure_openai_preview()
    fields = {"modalities": ["audio", "text"], "input_audio_format": "pcm16"}
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.server_closes(1001, "session_expired", after=1791.0)


def azure_closed_1001() -> WireSession:
    session = azure_openai_preview()
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.server_closes(1001, after=20.0)


CLOUDFLARE = {"server": "cloudflare", "cf-ray": "982f883ba815e15a-MRS", "x-openai-proxy-wasm": "v0"}


def unknown_call_id() -> WireSession:
    return openai("/v1/realtime?call_id=rtc_9c3f").refuse(404, "Not Found", b"", CLOUDFLARE)


def unknown_path() -> WireSession:
    return openai("/v1/realtimes?model=gpt-realtime").refuse(404, "Not Found", b"", CLOUDFLARE)


def no_access() -> WireSession:
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-10-01"
    return openai(path, {"OpenAI-Beta": "realtime=v1"}).refuse(403, "Forbidden", b"", CLOUDFLARE)


def gateway(model: str) -> WireSession:
    key = {"Authorization": "Bearer sk-" + "Synthetic0" * 3}
    return WireSession(f"wss://gateway.example.com/v1/realtime?model={model}", key).accept()


def gateway_silent() -> WireSession:
    session = gateway("gemini-live-2.5-flash-native-audio")
    session.app({"type": "session.update", "session": {"modalities": ["audio"]}}, after=0.1)
    return session.server_closes(1011, "Internal server error", after=229.0)


def gateway_good() -> WireSession:
    session = gateway("gpt-realtime").server(session_event("session.created"))
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "oai-truncate-too-far",
        "parameter",
        "twilio-samples/speech-assistant-openai-realtime-api-python#45",
        "last_assistant_item should be updated when item_id of response.audio.delta type changes",
        "an error event when the caller interrupts",
        "audio_end_ms is beyond the end of the audio",
        truncated_too_far,
        ("already shorter than",),
        truncated_right,
        "audio_end_ms is within the audio",
        ("already shorter",),
        ("^failed",),
        complete=True,
    ),
    Report(
        "oai-truncate-no-audio",
        "parameter",
        "livekit/agents#6158",
        "fix(openai): skip realtime truncate when no audio was played",
        "an error event when the user interrupts early",
        "an item without audio is truncated",
        truncated_before_audio,
        ("only model output audio messages can be truncated",),
        truncated_right,
        "the item has audio",
        ("can be truncated",),
        complete=True,
    ),
    Report(
        "oai-text-answers",
        "missing result",
        "openai/openai-realtime-api-beta#72",
        "Respond only with text and without audio",
        "the agent answers in text, although audio is agreed",
        "the history has the agent's words as text",
        text_answers,
        ("no audio|without audio|text only|only text",),
        openai_good,
        "no history",
        ("no audio", "only text", "without audio"),
    ),
    Report(
        "azure-session-expired",
        "session limit",
        "sonichi/sutando#1307",
        "feat(voice): Azure realtime 30-min session-expired reconnect",
        "1001 after 30 minutes",
        "a session may last 30 minutes",
        azure_expired,
        ("session_expired|session expired|30 minutes|longest time",),
        azure_closed_1001,
        "1001 without that reason",
        ("expired",),
        ("network",),
        complete=True,
    ),
    Report(
        "oai-call-404",
        "unknown",
        "openai/openai-realtime-console#562",
        "404 Not Found when connecting to Realtime API session using callId",
        "404 without a body",
        "not known; the call goes on",
        unknown_call_id,
        ("404", "call_id"),
        unknown_path,
        "another path",
        ("call_id",),
        ("cloudflare's", "model does not exist"),
    ),
    Report(
        "oai-403-no-access",
        "credentials",
        "openai/openai-realtime-api-beta#2",
        'Could not connect to "wss://api.openai.com/v1/realtime"',
        "403 with a valid key",
        "the account has no access to this API",
        no_access,
        ("403", "access|permission|not allowed|may not|allow"),
        openai_good,
        "the account has access",
        ("403",),
        ("key is wrong", "cloudflare's"),
    ),
    Report(
        "gateway-silent-1011",
        "server fault",
        "BerriAI/litellm#37604",
        "fix(realtime): bound Vertex credential resolution and make realtime failures loud",
        "the socket opens, nothing comes for four minutes, then 1011",
        "the gateway waits for a token of its own",
        gateway_silent,
        ("internal server error",),
        gateway_good,
        "another model",
        ("internal server error",),
        ("the app sent no", "no audio was sent", "did not accept the credentials"),
    ),
    Report(
        "oai-voice-noise",
        "format",
        "openai/openai-agents-python#1941",
        "Voice Incompatibility Issue with Twilio Media Streams: fable, onyx, and nova voices",
        "distorted noise in place of a voice",
        "Realtime does not offer this voice; what it sends is noise",
        lambda: voice_of_noise("fable"),
        ("noise",),
        openai_good,
        "a voice that is offered",
        ("noise",),
    ),
]
