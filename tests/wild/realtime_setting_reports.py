"""Reports about settings of OpenAI Realtime sessions, and about turns that nobody ends."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from openai_reports import BETA, beta
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
from realtime_turn_reports import gateway
from reported_settings import azure_openai_preview
from tool_call_reports import called, known_call, output_of
from wire_session import WireSession

ACTIVE = (
    "Conversation already has an active response in progress: resp_1. Wait until the response is "
    "finished before creating a new one."
)
COMMIT_EMPTY = (
    "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but "
    "buffer only has 0.00ms of audio."
)
NOT_ACTIVE = "Cancellation failed: no active response found"
RESPONSE_MODALITIES = "Unknown parameter: 'response.modalities'."
SESSION_TYPE = "Unknown parameter: 'session.type'."
LONGEST = "Your session hit the maximum duration of 30 minutes."
NO_MODEL = "The model `gpt-realtime` does not exist or you do not have access to it."
ENABLED = "Unknown parameter: 'session.input_audio_transcription.enabled'."
ASH = (
    "Invalid value: 'ash'. Supported values are: 'amuch', 'dan', 'elan', 'marilyn', 'meadow', "
    "'breeze', 'cove', 'ember', 'jupiter', 'alloy', 'echo', and 'shimmer'."
)
SERVER_ERROR = (
    "The server had an error while processing your request. Sorry about that! You can retry your "
    "request, or contact us through our help center at help.openai.com if the error persists."
)
GATEWAY_ACTIVE = "Conversation already has an active response in progress."
TELEPHONE = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}


# -- a response too many, or none


def creates_too_early() -> WireSession:
    """Server VAD has begun a response; the app asks for another."""
    session = spoken_turn(realtime())
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=0.02)
    session.app({"type": "response.create", "event_id": "response_create_1"}, after=0.01)
    session.server(openai_error("conversation_already_has_active_response", ACTIVE), after=0.05)
    answered(session).server(response_done("completed"))
    answered(spoken_turn(session.wait(1.0))).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def creates_after_the_end() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    session.app({"type": "response.create"}, after=1.0)
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


def commits_after_vad() -> WireSession:
    """Speech that was synthesized before is sent at once; server VAD commits it."""
    session = realtime()
    for data in chunks(pcm(2.0, 24_000) + bytes(48_000), 24_000):
        session.app(append(data))
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 40}, after=0.2)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2300}, after=0.1)
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    session.app({"type": "input_audio_buffer.commit"})
    session.server(openai_error("input_audio_buffer_commit_empty", COMMIT_EMPTY), after=0.05)
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


def cancels_nothing() -> WireSession:
    """The app cancels whenever the user speaks, also when the agent has finished."""
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    session.stream(chunks(pcm(0.6, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 4000})
    session.app({"type": "response.cancel"})
    session.server(openai_error("response_cancel_not_active", NOT_ACTIVE), after=0.05)
    answered(spoken_turn(session, 1.4)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def cancels_a_response() -> WireSession:
    session = answered(spoken_turn(realtime()))
    session.app({"type": "response.cancel"})
    cancelled = {"type": "cancelled", "reason": "client_cancelled"}
    session.server(response_done("cancelled", cancelled), after=0.05)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def manual(*, commits: bool = True, creates: bool = True) -> WireSession:
    """Push to talk: the app ends the turns, as turn_detection is null."""
    session = openai().accept().server(session_event("session.created"))
    fields: Json = {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}},
    }
    fields["audio"]["input"]["turn_detection"] = None
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    session.stream(chunks(pcm(3.0, 24_000), 4800), 0.1, append)
    if commits:
        session.app({"type": "input_audio_buffer.commit"})
        session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"}, after=0.05)
    if not creates:
        return session.app_closes(1000, after=15.0)
    session.app({"type": "response.create"})
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


def gateway_refuses() -> WireSession:
    """A gateway counts a commit as the begin of a response; none was ever created."""
    session = gateway("gpt-realtime-mini").server(session_event("session.created"))
    fields: Json = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    session.stream(chunks(pcm(1.0, 24_000), 4800), 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"}, after=0.1)
    session.app({"type": "response.create"})
    session.server(openai_error(None, GATEWAY_ACTIVE), after=0.05)
    return session.app_closes(1000, after=10.0)


# -- settings


def beta_field_in_response() -> WireSession:
    """The app works with a session of the GA kind, until it answers a function call."""
    session = called("call_Aa1bB2cC3dD4eE5f").app(output_of("call_Aa1bB2cC3dD4eE5f"), after=0.5)
    session.server({"type": "conversation.item.added", "item": {"id": "item_3"}}, after=0.1)
    session.app({"type": "response.create", "response": {"modalities": ["text", "audio"]}})
    session.server(openai_error("unknown_parameter", RESPONSE_MODALITIES, "response.modalities"))
    session.stream(chunks(bytes(48_000 * 8), 4800), 0.1, append)
    return session.app_closes(1000)


def ga_type_at_beta() -> WireSession:
    session = azure_openai_preview()
    session.app({"type": "session.update", "session": {"type": "realtime", "instructions": "Hi"}})
    session.server(openai_error("unknown_parameter", SESSION_TYPE, "session.type"), after=0.1)
    return session.app_closes(1000, after=0.5)


def azure_refuses_voice() -> WireSession:
    session = azure_openai_preview()
    session.app({"type": "session.update", "session": {**BETA, "voice": "ash"}})
    session.server(openai_error("invalid_value", ASH, "session.voice"), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def azure_takes_voice() -> WireSession:
    session = azure_openai_preview()
    session.app({"type": "session.update", "session": BETA})
    session.server(session_event("session.updated", BETA), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def unknown_setting() -> WireSession:
    """The update is refused as one: also the format of the telephone does not apply."""
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-10-01"
    session = openai(path, {"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(session_event("session.created", BETA))
    transcription = {"enabled": True, "model": "whisper-1"}
    fields = BETA | TELEPHONE | {"input_audio_transcription": transcription}
    session.app({"type": "session.update", "session": fields})
    param = "session.input_audio_transcription.enabled"
    session.server(openai_error("unknown_parameter", ENABLED, param), after=0.1)
    session.stream(chunks(mulaw(pcm(4.0, 8000) + bytes(16_000)), 160), 0.02, append)
    return session.app_closes(1000, after=3.0)


def known_setting() -> WireSession:
    session = beta(TELEPHONE | {"input_audio_transcription": {"model": "whisper-1"}})
    session.stream(chunks(mulaw(pcm(2.0, 8000) + bytes(16_000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    telephone_answer(session)
    return session.server(response_done("completed")).app_closes(1000, after=2.0)


def telephone_answer(session: WireSession) -> WireSession:
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=0.3)
    ids = {"response_id": "resp_1", "item_id": "item_2"}
    for data in chunks(mulaw(pcm(1.5, 8000)), 800):
        delta = append(data)["audio"]
        session.server({"type": "response.output_audio.delta", **ids, "delta": delta})
    return session.server({"type": "response.output_audio.done", **ids})


def form(kind: str) -> Json:
    pcmu: Json = {"type": kind} if kind != "audio/pcm" else {"type": kind, "rate": 24000}
    audio = {"input": {"format": pcmu, "turn_detection": {"type": "server_vad"}}}
    return {"type": "realtime", "audio": {**audio, "output": {"format": pcmu, "voice": "marin"}}}


def hands_off(kind: str) -> WireSession:
    """Another agent takes over the call: its settings are sent; the telephone is the same."""
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": form("audio/pcmu")})
    session.server(session_event("session.updated", form("audio/pcmu")), after=0.1)
    telephone_turn(session)
    session.app({"type": "session.update", "session": form(kind)}, after=2.0)
    session.server(session_event("session.updated", form(kind)), after=0.1)
    if kind == "audio/pcmu":
        return telephone_turn(session).app_closes(1000, after=1.0)
    session.stream(chunks(mulaw(pcm(6.0, 8000) + bytes(32_000)), 160), 0.02, append)
    return session.app_closes(1000, after=5.0)


def telephone_turn(session: WireSession) -> WireSession:
    session.stream(chunks(mulaw(pcm(2.0, 8000) + bytes(16_000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    return telephone_answer(session).server(response_done("completed"))


# -- what comes of it


def ends_at_30_minutes(error: bool = True) -> WireSession:
    session = beta(TELEPHONE)
    session.stream(chunks(mulaw(pcm(2.0, 8000) + bytes(16_000)), 160), 0.02, append)
    telephone_answer(session).server(response_done("completed"))
    if not error:
        return session.app_closes(1000, after=1790.0)
    session.server(openai_error("session_expired", LONGEST), after=1793.0)
    return session.server_closes(1001)


def response_fails(code: str, message: str, turns: int = 1) -> WireSession:
    kind = "server_error" if code == "" else "invalid_request_error"
    error = {"type": kind, "code": code or None, "message": message}
    session = realtime()
    for _ in range(turns):
        spoken_turn(session)
        created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
        session.server({"type": "response.created", "response": created}, after=0.1)
        details = {"type": "failed", "error": error}
        session.server(response_done("failed", details), after=0.2)
    return session.app_closes(1000, after=2.0)


def microphone_dies(*, dies: bool = True) -> WireSession:
    """After two turns the browser gives zeros in place of the microphone."""
    session = realtime()
    for _ in range(2):
        answered(spoken_turn(session)).server(response_done("completed")).wait(1.0)
    if dies:
        session.stream(chunks(bytes(48_000 * 30), 4800), 0.1, append)
        return session.app_closes(1000)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def telephone_rate(rate: int) -> WireSession:
    """Speech at this rate, in real time, in a session of 24 kHz."""
    session = realtime()
    session.stream(chunks(pcm(8.0, rate), rate // 25), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
    session.stream(chunks(bytes(rate * 2), rate // 25), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2900})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    answered(session).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "oai-race-response",
        "message order",
        "livekit/agents#6817",
        "generate_reply() races server-VAD responses",
        "an error event; the second answer never comes",
        "a response is asked for while another is active",
        creates_too_early,
        ("already has an active response",),
        creates_after_the_end,
        "the first response had ended",
        ("active response",),
        ("^failed", "fault of the server"),
        complete=True,
    ),
    Report(
        "oai-commit-after-vad",
        "message order",
        "openai/openai-agents-js#748",
        "Realtime API throws input_audio_buffer_commit_empty when sending TTS-generated PCM",
        "an error event, although two seconds of speech were sent",
        "server VAD had committed the buffer before",
        commits_after_vad,
        ("0.00ms|buffer too small|nothing to commit|empty",),
        openai_good,
        "only the server commits",
        ("too small", "empty"),
        ("^failed", "no audio was sent"),
        complete=True,
    ),
    Report(
        "oai-cancels-nothing",
        "message order",
        "mapluisch/OpenAI-Realtime-API-for-Unity#5",
        "randomly stops working or cancellation failed occurs",
        "an error event when the user speaks",
        "no response is active when it is cancelled",
        cancels_nothing,
        ("no active response",),
        cancels_a_response,
        "a response is active",
        ("no active response",),
        ("^failed",),
        complete=True,
    ),
    Report(
        "oai-response-modalities",
        "parameter",
        "hkjarral/AVA-AI-Voice-Agent-for-Asterisk#190",
        "fix: Corregir bug de response.modalities en API GA",
        "the agent is silent after a function call",
        "the field of the beta in response.create is unknown",
        beta_field_in_response,
        (r"response\.modalities",),
        known_call,
        "response.create without that field",
        ("modalities",),
        ("function call.* not answered",),
    ),
    Report(
        "azure-session-type",
        "parameter",
        "pipecat-ai/pipecat#1324",
        "Support for Azure OpenAI Realtime API",
        "an error event after session.update",
        "the endpoint is of the beta and does not know session.type",
        ga_type_at_beta,
        (r"session\.type",),
        azure_takes_voice,
        "settings of the beta's kind",
        (r"session\.type",),
    ),
    Report(
        "azure-voice-ash",
        "parameter",
        "Azure-Samples/aoai-realtime-audio-sdk#94",
        "New voices don't work",
        "the agent speaks with the voice of before",
        "the deployment's model does not have this voice",
        azure_refuses_voice,
        ("Invalid value: 'ash'",),
        azure_takes_voice,
        "a voice that the model has",
        ("invalid value",),
    ),
    Report(
        "oai-30-minutes",
        "session limit",
        "twilio-samples/live-translation-openai-realtime-api#15",
        "How to Handle 30-Minute Session Expiry in Realtime API with Ongoing Twilio Calls?",
        "an error event after 30 minutes",
        "a session may last 30 minutes",
        ends_at_30_minutes,
        ("maximum duration of 30 minutes|longest time",),
        lambda: ends_at_30_minutes(error=False),
        "the app ends the session before",
        ("maximum duration", "longest time"),
        ("network",),
        complete=True,
    ),
    Report(
        "oai-model-no-access",
        "model",
        "openai/openai-realtime-console#561",
        "Error: The model `gpt-realtime` does not exist or you do not have access to it.",
        "the session opens; each response fails",
        "the account has no access to the model",
        lambda: response_fails("model_not_found", NO_MODEL),
        ("does not exist or you do not have access",),
        openai_good,
        "the account has access",
        ("does not exist",),
    ),
    Report(
        "oai-transcription-enabled",
        "parameter",
        "openai/openai-realtime-api-beta#9",
        "Bug: unknown parameter `session.input_audio_transcription.enabled`",
        "an error event; the agent does not hear the telephone",
        "a field is unknown, so that no setting applies, not even the audio format",
        unknown_setting,
        (r"input_audio_transcription\.enabled",),
        known_setting,
        "without that field",
        ("enabled",),
    ),
    Report(
        "oai-each-response-fails",
        "server fault",
        "openai/openai-realtime-api-beta#45",
        "Passing media event from Twilio to Realtime",
        "no answer; each response is failed",
        "an error of the server",
        lambda: response_fails("", SERVER_ERROR, 3),
        ("server had an error",),
        openai_good,
        "the responses are completed",
        ("server had an error",),
        ("credentials",),
    ),
    Report(
        "oai-commit-no-response",
        "missing result",
        "agentscope-ai/agentscope#2559",
        "fix(realtime): request a response after a caller-committed turn",
        "the user is never answered",
        "turn detection is off: a response has to be asked for",
        lambda: manual(creates=False),
        (r"response\.create|response (was|is) (not )?(asked|requested)|no response was",),
        manual,
        "a response is asked for",
        (r"response\.create", "asked for"),
        ("fault of the server",),
    ),
    Report(
        "gateway-active-response",
        "unknown",
        "maximhq/bifrost#7189",
        "[Bug]: Realtime audio commit blocks subsequent response.create with active-response error",
        "an error event, although no response was ever created",
        "the gateway counts wrongly",
        gateway_refuses,
        ("already has an active response",),
        manual,
        "the provider itself",
        ("active response",),
        ("all went well",),
    ),
    Report(
        "oai-handoff-pcm",
        "format",
        "openai/openai-agents-js#1676",
        "fix(extensions): keep Twilio handoffs on G.711 audio",
        "static, and the agent stops responding after a handoff",
        "the second session.update declares PCM; the telephone sends mu-law",
        lambda: hands_off("audio/pcm"),
        ("mu-law|µ-law|mulaw|g711|pcmu",),
        lambda: hands_off("audio/pcmu"),
        "the second session.update declares mu-law",
        ("mu-law", "µ-law", "mulaw"),
        complete=True,
    ),
    Report(
        "oai-microphone-dies",
        "audio",
        "community.openai.com/t#1374520",
        "Realtime API bug: WebSocket stops receiving messages mid-session",
        "the agent stops to react after some turns",
        "the audio that is sent is digital silence from there on",
        microphone_dies,
        ("silen(t|ce)",),
        lambda: microphone_dies(dies=False),
        "the microphone goes on",
        ("silent", "silence"),
        ("server stopped", "server is silent"),
        complete=True,
    ),
    Report(
        "oai-8k-as-24k",
        "format",
        "openai/openai-agents-python#304",
        "Issue when processing real time audio from a Twilio media stream",
        "transcripts are nonsense",
        "PCM of 8 kHz is sent in a session of 24 kHz",
        lambda: telephone_rate(8000),
        ("8,?000|8 kHz",),
        lambda: telephone_rate(24_000),
        "PCM of 24 kHz",
        ("8,?000 Hz", "8 kHz"),
    ),
]
