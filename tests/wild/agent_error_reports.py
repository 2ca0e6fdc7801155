"""Reports of voice agents with an error message, or a close that nobody asked for."""

from __future__ import annotations

from agent_limit_reports import user_turn
from bug_report import Report
from openai_reports import BETA
from provider_sessions import (
    answered,
    b64,
    chunks,
    elevenlabs,
    gemini,
    gemini_audio,
    gemini_content,
    gemini_good,
    gemini_ready,
    gemini_says,
    openai,
    openai_error,
    pcm,
    response_done,
    session_event,
    spoken_turn,
)
from tool_call_reports import known_call
from unanswered_agent_reports import NO_KEY, mute
from wire_session import WireSession
from wrong_answer_reports import configured, response, silence

NOT_ACTIVE = "Cancellation failed: no active response found"
CUSTOM_VOICE = "Unknown parameter: 'session.custom_voice_id'."
THREAD = (
    "Thread was cancelled when writing StartStep status to channel.; Failed to close the "
    "streaming context; status = CANCELLED:"
)
NOT_LIVE = "gemini-2.0-flash-001 is not supported in the live api."
INTERNAL = "Internal error encountered."
MISSING = "Missing required dynamic variables in first message: {'user_name'}"


def cancels_nothing(*, active: bool) -> WireSession:
    """The caller speaks into the end of an answer; the app cancels it."""
    session = response(spoken_turn(configured()).wait(0.3), 1, 2.0)
    if active:
        return silence(session, 3.0).app_closes(1000)
    silence(session, 1.0)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 5000})
    session.app({"type": "response.cancel"})
    session.server(openai_error("response_cancel_not_active", NOT_ACTIVE), after=0.1)
    return session.app_closes(1000, after=0.1)


def custom_voice(*, known: bool) -> WireSession:
    session = openai("/v1/realtime?model=gpt-4o-realtime-preview", {"OpenAI-Beta": "realtime=v1"})
    session.accept().server(session_event("session.created", BETA))
    fields = BETA if known else BETA | {"custom_voice_id": None}
    session.app({"type": "session.update", "session": fields})
    if not known:
        fault = openai_error("unknown_parameter", CUSTOM_VOICE, "session.custom_voice_id")
        return session.server(fault, after=0.1).app_closes(1000, after=0.5)
    session.server(session_event("session.updated", BETA), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def closed_in_turn(code: int | None, reason: str) -> WireSession:
    """Two turns; the server closes in the middle of the second answer."""
    session = user_turn(gemini_says(user_turn(gemini_ready()).wait(0.3)).wait(1.0)).wait(0.3)
    for data in chunks(pcm(0.8, 24_000), 9600):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.02)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    return session.server_closes(code, reason)


def two_turns() -> WireSession:
    session = gemini_says(user_turn(gemini_ready()).wait(0.3)).wait(1.0)
    return gemini_says(user_turn(session).wait(0.3)).app_closes(1000, after=2.0)


def vanishes() -> WireSession:
    """The connection ends without a Close frame, while the app sends silence."""
    session = gemini_says(user_turn(gemini_ready()).wait(0.3))
    return mute(session, 9.0).drop(by_client=False, how="reset").drop(by_client=True)


def without_variable(*, given: bool) -> WireSession:
    """The agent's first message has a variable, which the app leaves out."""
    session = elevenlabs("convai/conversation", "agent_id=agent_0123456789abcdef")
    data: dict[str, object] = {"type": "conversation_initiation_client_data"}
    if not given:
        return session.app(data).server_closes(1008, MISSING, after=0.2)
    session.app(data | {"dynamic_variables": {"user_name": "Ada"}})
    kind = "conversation_initiation_metadata"
    form = {"agent_output_audio_format": "pcm_16000", "user_input_audio_format": "pcm_16000"}
    session.server({"type": kind, f"{kind}_event": {"conversation_id": "conv_1", **form}})
    for number, each in enumerate(chunks(pcm(2.0), 16_000), 1):
        event = {"audio_base_64": b64(each), "event_id": number}
        session.server({"type": "audio", "audio_event": event})
    return session.app_closes(1000, after=3.0)


REPORTS = [
    Report(
        "oai-cancels-after-the-end",
        "order",
        "openai/openai-agents-js#189",
        "Live call error: Cancellation failed: no active response found",
        "the call ends with an error event when the caller interrupts",
        "the app cancels a response that is complete, and takes the refusal for a failure",
        lambda: cancels_nothing(active=False),
        ("cancel", "no active response|not active|no response|nothing"),
        lambda: cancels_nothing(active=True),
        "nothing is cancelled",
        ("cancel",),
        NO_KEY,
        complete=True,
    ),
    Report(
        "oai-custom-voice",
        "parameter",
        "livekit/agents#1403",
        "Unknown parameter error when using `openai.realtime.RealtimeModel`",
        "the session is not configured",
        "the library sends back a field of session.created that session.update does not take",
        lambda: custom_voice(known=False),
        (r"custom_voice_id", "unknown"),
        lambda: custom_voice(known=True),
        "the field is left out",
        ("custom_voice_id",),
        NO_KEY,
    ),
    Report(
        "gem-thread-cancelled",
        "server fault",
        "google/adk-python#3692",
        "ConnectionClosedError with error code 1011 (internal error)",
        "1011 in the middle of a conversation",
        "a fault of the service; its reason names a thread that was cancelled",
        lambda: closed_in_turn(1011, THREAD),
        ("Thread was cancelled",),
        two_turns,
        "no close",
        ("Thread", "internal"),
        (*NO_KEY, "policy"),
    ),
    Report(
        "gem-1000-in-an-answer",
        "unknown",
        "google/adk-python#4587",
        "Intermittent WebSocket closure (Code 1000) in run_live",
        "the SDK raises an error 1000 None",
        "the server closes in the middle of an answer, with 1000 and no reason",
        lambda: closed_in_turn(1000, ""),
        ("server closed|closed by the server|server ended", "answer|turn|middle|reason|1000"),
        two_turns,
        "the app closes",
        ("server closed",),
        NO_KEY,
    ),
    Report(
        "gem-not-a-live-model",
        "model",
        "google/adk-python#252",
        "adk-web does not give UI message when Live API fails",
        "1007; the page shows that the model is speaking",
        "the model has no Live API",
        lambda: gemini("models/gemini-2.0-flash-001").server_closes(1007, NOT_LIVE, after=0.2),
        ("gemini-2.0-flash-001", "not supported"),
        gemini_good,
        "a model of the Live API",
        ("not supported",),
        (*NO_KEY, "UTF-8"),
    ),
    Report(
        "gem-internal-in-call",
        "server fault",
        "googleapis/python-genai#985",
        "ConnectionClosedError: 1011 Internal error encountered during live session",
        "1011 some minutes into a session",
        "a fault of the service",
        lambda: closed_in_turn(1011, INTERNAL),
        ("internal error",),
        known_call,
        "another session, without a fault",
        ("internal error",),
        (*NO_KEY, "parameter"),
    ),
    Report(
        "gem-no-close-frame",
        "network",
        "google/adk-python#3035",
        "WebSocket Connection Timeout with Gemini Live API",
        "no close frame received or sent",
        "the connection is reset on the server's side, without a Close frame",
        vanishes,
        ("without a Close|no Close|reset",),
        two_turns,
        "a Close frame",
        ("without a Close", "reset"),
        (*NO_KEY, "1011"),
    ),
    Report(
        "xi-no-variable",
        "parameter",
        "simliai/create-simli-app-elevenlabs#2",
        "Issue with Websocket while Audio Input",
        "the connection is closed when the app wants to send audio",
        "the agent needs a dynamic variable that the app does not send",
        lambda: without_variable(given=False),
        ("dynamic variables", "user_name"),
        lambda: without_variable(given=True),
        "it is sent",
        ("dynamic variables",),
        NO_KEY,
    ),
]
"""Reports."""
