"""Reports about the order of messages, their fields, and settings that a service refuses."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import agent as deepgram_agent
from deepgram_reports import agent_good as deepgram_agent_good
from deepgram_reports import agent_settings
from elevenlabs_reports import tts_good
from gemini_reports import vertex
from provider_sessions import (
    HELLO,
    REALTIME_SESSION,
    REQUEST_ID,
    Json,
    answered,
    append,
    b64,
    cartesia_text,
    cartesia_tts,
    chunks,
    elevenlabs,
    elevenlabs_audio,
    elevenlabs_tts,
    gemini_audio,
    gemini_good,
    gemini_ready,
    openai,
    openai_error,
    openai_good,
    pcm,
    realtime,
    response_done,
    scribe,
    scribe_audio,
    session_event,
    spoken_turn,
)
from reported_access import cartesia_good, scribe_good
from wire_session import WireSession

GREETING = "Error parsing client message. Check the greeting field against the API spec."
NO_MODEL = "You must not provide a model parameter for transcription sessions."
REALTIME_TYPE = "Passing a transcription session update event to a realtime session is not allowed."
NO_TURNS = "Turn detection is not supported for this transcription model."
OLD_EVENT = (
    "Invalid value: 'transcription_session.update'. Supported values are: 'session.update', "
    "'input_audio_buffer.append', 'input_audio_buffer.commit', and 'input_audio_buffer.clear'."
)
VOICE_FIXED = "Cannot update a conversation's voice if assistant audio is present."
NO_TEXT = "Missing required parameter: 'item.content[0].text'."
NO_WORDS = (
    "transcript empty or contains only punctuation: first transcript for WS is empty or contains "
    "only punctuation"
)
SETTINGS_TWICE = (
    "voice_settings field must be provided in the first message and then either be not provided "
    "or not change."
)
THROTTLED = (
    "Commit request ignored: only 0.01s of uncommitted audio. You need at least 0.3s of "
    "uncommitted audio before committing."
)
ARGUMENT = "Request contains an invalid argument."
TRANSCRIPTION: Json = {
    "type": "transcription",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "gpt-realtime-whisper"},
        }
    },
}


# -- Deepgram's agent


def greeting() -> WireSession:
    settings = agent_settings()
    settings["agent"]["greeting"] = {"text": "Hello! How can I help you?"}
    fault = {"type": "Error", "description": GREETING, "code": "UNPARSABLE_CLIENT_MESSAGE"}
    return deepgram_agent().app(settings).server(fault, after=0.1).server_closes(None)


# -- OpenAI Realtime, xAI


def transcribing(query: str, update: Json, fault: Json) -> WireSession:
    """The service refuses the settings of a transcription; the app sends audio all the same."""
    session = openai(f"/v1/realtime?{query}").accept()
    session.server(session_event("session.created")).app(update)
    session.server(fault, after=0.1).stream(chunks(pcm(1.0, 24_000), 4800), 0.1, append)
    return session.app_closes(1000, after=3.0)


def model_of_a_transcription() -> WireSession:
    session = openai("/v1/realtime?model=gpt-4o-realtime-preview&intent=transcription").accept()
    return session.server(openai_error("invalid_parameter", NO_MODEL)).server_closes(1000)


def transcription_in_a_conversation() -> WireSession:
    update = {"type": "session.update", "session": TRANSCRIPTION}
    fault = openai_error("invalid_parameter", REALTIME_TYPE, "session.type")
    return transcribing("model=gpt-realtime", update, fault)


def turns_of_a_transcription() -> WireSession:
    settings = {**TRANSCRIPTION, "audio": {"input": dict(TRANSCRIPTION["audio"]["input"])}}
    settings["audio"]["input"]["turn_detection"] = {"type": "server_vad"}
    fault = openai_error("invalid_parameter", NO_TURNS, "session.audio.input.turn_detection")
    update = {"type": "session.update", "session": settings}
    return transcribing("intent=transcription", update, fault)


def withdrawn_event() -> WireSession:
    settings = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}}
    update = {"type": "transcription_session.update", "session": settings}
    return transcribing("intent=transcription", update, openai_error("invalid_value", OLD_EVENT))


def transcribed() -> WireSession:
    session = openai("/v1/realtime?intent=transcription").accept()
    session.server(session_event("session.created", TRANSCRIPTION))
    session.app({"type": "session.update", "session": TRANSCRIPTION})
    session.server(session_event("session.updated", TRANSCRIPTION), after=0.1)
    session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
    session.app({"type": "input_audio_buffer.commit"})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    kind = "conversation.item.input_audio_transcription.completed"
    session.server({"type": kind, "item_id": "item_1", "transcript": HELLO}, after=0.4)
    return session.app_closes(1000, after=0.5)


def voice_changes() -> WireSession:
    session = answered(spoken_turn(realtime())).server(response_done("completed"))
    audio = {"output": {"voice": "alloy"}}
    session.app({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
    session.server(openai_error("cannot_update_voice", VOICE_FIXED), after=0.1)
    return session.app_closes(1000, after=2.0)


def history_with_audio() -> WireSession:
    session = realtime()
    content = [{"type": "output_audio", "transcript": HELLO}]
    item = {"type": "message", "role": "assistant", "content": content}
    session.app({"type": "conversation.item.create", "item": item})
    fault = openai_error("missing_required_parameter", NO_TEXT, "item.content[0].text")
    return session.server(fault, after=0.1).app_closes(1000, after=5.0)


def xai(query: str = "") -> WireSession:
    headers = {"Authorization": "Bearer xai-" + "Synthetic0" * 8}
    session = WireSession(f"wss://api.x.ai/v1/realtime{query}", headers).accept()
    return session.server({"type": "conversation.created", "conversation": {"id": "conv_1"}})


def xai_configured(query: str, asked: str, used: str) -> WireSession:
    session = xai(query)
    settings = {**REALTIME_SESSION, "voice": "ara"}
    session.app({"type": "session.update", "session": {**settings, "model": asked}})
    updated = {"object": "realtime.session", "id": "sess_1", **settings, "model": used}
    return session.server({"type": "session.updated", "session": updated}, after=0.1)


def xai_waits_for_created() -> WireSession:
    """The app keeps its audio until an event comes that this service does not send."""
    model = "grok-voice-think-fast-1.0"
    return xai_configured(f"?model={model}", model, model).app_closes(1000, after=25.0)


def xai_other_model() -> WireSession:
    session = xai_configured("", "grok-voice-think-fast-1.0", "grok-voice-fast-1.0")
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def xai_good() -> WireSession:
    model = "grok-voice-think-fast-1.0"
    session = xai_configured(f"?model={model}", model, model)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


# -- Gemini Live

MANUAL: Json = {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}}


def audio_before_activity() -> WireSession:
    """Push to talk: the microphone starts while the connection opens."""
    session = gemini_ready(MANUAL).stream(chunks(pcm(0.3), 3200), 0.1, gemini_audio)
    return session.server_closes(1007, ARGUMENT, after=0.05)


def audio_in_activity() -> WireSession:
    session = gemini_ready(MANUAL).app({"realtimeInput": {"activityStart": {}}})
    session.stream(chunks(pcm(0.3), 3200), 0.1, gemini_audio)
    return session.server_closes(1007, ARGUMENT, after=0.05)


def not_in_this_region() -> WireSession:
    model = "projects/p/locations/us-east5/publishers/google/models/gemini-live-2.5-flash"
    reason = f"Publisher Model `{model}` was not found or your project does not have access to it."
    return vertex(model).server_closes(1008, reason[:123], after=0.1)


# -- Cartesia, ElevenLabs


def nothing_to_say() -> WireSession:
    session = cartesia_tts().accept().app({**cartesia_text("ctx-1"), "transcript": " "})
    fault = {"type": "error", "context_id": "ctx-1", "status_code": 400, "done": True}
    return session.server(fault | {"error": NO_WORDS}).app_closes(1000, after=1.0)


def settings_twice() -> WireSession:
    session = elevenlabs_tts().app({"text": HELLO + " "})
    session.server(elevenlabs_audio(pcm(0.5, 24_000)))
    session.app({"text": HELLO + " ", "voice_settings": {"stability": 0.9, "speed": 1.1}})
    return session.server_closes(1008, SETTINGS_TWICE[:123])


def commits_too_often() -> WireSession:
    session = scribe().stream(chunks(pcm(2.0), 3200), 0.1, scribe_audio)
    session.app({**scribe_audio(b""), "commit": True})
    session.server({"message_type": "committed_transcript", "text": HELLO}, after=0.3)
    session.app({**scribe_audio(pcm(0.01)), "commit": True})
    session.server({"message_type": "commit_throttled", "error": THROTTLED}, after=0.1)
    return session.app_closes(1000, after=1.0)


def scribe_old_fields() -> WireSession:
    """The fields of the messages have other names than the API's."""
    session = scribe().stream(chunks(pcm(4.0), 3200), 0.1, lambda d: {"audio_base64": b64(d)})
    return session.app({"type": "commit"}).app_closes(1000, after=5.0)


def scribe_binary() -> WireSession:
    query = "model_id=scribe_v2"
    session = elevenlabs("speech-to-text/realtime", query)
    session.server({"message_type": "session_started", "session_id": REQUEST_ID, "config": {}})
    for data in chunks(pcm(1.0), 3200):
        session.app(data, after=0.1)
        session.server({"message_type": "input_error", "error": "Invalid message received"})
    return session.app_closes(1000, after=2.0)


# -- keys in the wrong place


REPORTS = [
    Report(
        "dg-agent-greeting",
        "parameter",
        "deepgram-starters/node-voice-agent#5",
        "Feat/agent v1 update",
        "an error event right after the settings",
        "the greeting has another type than the API's",
        greeting,
        ("greeting",),
        deepgram_agent_good,
        "the settings are right",
        ("greeting",),
    ),
    Report(
        "oai-transcription-with-model",
        "parameter",
        "openai/openai-python#2253",
        "How to initiate realtime transcription session?",
        "an error event as soon as the session opens",
        "a transcription session takes no model in the URL",
        model_of_a_transcription,
        ("model parameter", "model=gpt-4o-realtime-preview|intent=transcription"),
        transcribed,
        "no model in the URL",
        ("model parameter",),
    ),
    Report(
        "oai-transcription-update",
        "parameter",
        "crmitchelmore/justspeaktoit#427",
        "fix(mac,ios): unify OpenAI Realtime transcription on GA payload",
        "an error event; no transcript",
        "the URL opened a conversation, which cannot be made a transcription",
        transcription_in_a_conversation,
        ("transcription session update event to a realtime session",),
        transcribed,
        "the URL opens a transcription",
        ("not allowed",),
    ),
    Report(
        "oai-whisper-turns",
        "parameter",
        "y0sif/whisrs#34",
        "Fix OpenAI Realtime GA connection",
        "an error event; no transcript",
        "this model has no turn detection, which the settings ask for",
        turns_of_a_transcription,
        ("turn detection",),
        transcribed,
        "no turn detection is asked for",
        ("turn detection",),
    ),
    Report(
        "oai-old-update-event",
        "parameter",
        "Natively-AI-assistant/natively-cluely-ai-assistant#175",
        "[Bug]: OpenAIStreamingSTT.ts Websockets needs to be updated to latest API Spec",
        "an error event; no transcript",
        "the event transcription_session.update was withdrawn",
        withdrawn_event,
        (r"transcription_session\.update",),
        transcribed,
        "session.update is sent",
        (r"transcription_session\.update",),
    ),
    Report(
        "oai-cannot-update-voice",
        "parameter",
        "openai/openai-agents-python#1661",
        "error: cannot update a conversation's voice if assistant audio is present bug",
        "an error event in the middle of a conversation",
        "the voice cannot change once the agent has spoken",
        voice_changes,
        ("voice", "audio is present|cannot_update_voice|spoken"),
        openai_good,
        "the voice does not change",
        ("cannot update",),
        ("format of the audio",),
        complete=True,
    ),
    Report(
        "oai-history-audio",
        "parameter",
        "openai/openai-agents-js#963",
        "session.updateHistory doesn't support audio turns",
        "an error event; the history is not restored",
        "an item of the history has audio content without its text",
        history_with_audio,
        (r"item\.content\[0\]\.text",),
        openai_good,
        "no history is sent",
        ("missing required",),
    ),
    Report(
        "xai-waits-for-created",
        "message order",
        "gptme/gptme-contrib#709",
        "fix(gptme-voice): treat session.updated as ready signal for xAI provider",
        "the call stays silent",
        "the app keeps its audio back until session.created, which this service does not send",
        xai_waits_for_created,
        ("no audio|without audio|never sent|sent nothing|nothing was sent",),
        xai_good,
        "the app sends audio after session.updated",
        ("no audio", "sent nothing"),
    ),
    Report(
        "xai-model-ignored",
        "model",
        "pipecat-ai/pipecat#4401",
        "fix(xai/realtime): pass model as query param on connect",
        "the agent answers, with another model than the configured one",
        "the model of session.update is ignored: it belongs in the URL",
        xai_other_model,
        ("grok-voice-think-fast", "grok-voice-fast", "model"),
        xai_good,
        "the model is in the URL",
        ("another model", "other model"),
        complete=True,
    ),
    Report(
        "gem-audio-before-activity",
        "message order",
        "BasedHardware/omi#7611",
        "fix(desktop): Gemini PTT — buffer audio until activityStart (fixes close 1007)",
        "push to talk does nothing; 1007",
        "audio came before activityStart, with automatic detection disabled",
        audio_before_activity,
        ("activityStart",),
        audio_in_activity,
        "audio comes after activityStart",
        ("activityStart", "before"),
    ),
    Report(
        "gem-vertex-region",
        "region",
        "BerriAI/litellm#39851",
        "fix(realtime): relay the upstream websocket close to the client instead of hanging",
        "1008 at once",
        "the model is not published in this region",
        not_in_this_region,
        ("publisher model", "us-east5"),
        gemini_good,
        "a model that is there",
        ("publisher model",),
        ("policy was violated",),
    ),
    Report(
        "ca-nothing-to-say",
        "parameter",
        "livekit/agents#3084",
        "fix cartesia error when input text is empty",
        "an error message in place of audio",
        "the language model called a tool and said nothing: the text is empty",
        nothing_to_say,
        ("empty", "transcript|text"),
        cartesia_good,
        "there is text",
        ("empty",),
    ),
    Report(
        "xi-settings-twice",
        "parameter",
        "dograh-hq/dograh#334",
        "[Bug]: unable to run agent with ElevenLabs",
        "1008 after some sentences",
        "voice_settings changed after the first message",
        settings_twice,
        ("voice_settings",),
        tts_good,
        "the settings come once",
        ("voice_settings",),
        ("policy was violated",),
    ),
    Report(
        "xi-commit-throttled",
        "parameter",
        "elevenlabs/packages#378",
        "commit_throttled errors can not be handled when using scribe connections",
        "the SDK knows no such message",
        "too little audio was sent since the last commit",
        commits_too_often,
        ("commit", r"0\.3 ?s|too little|throttled|uncommitted"),
        scribe_good,
        "one commit after enough audio",
        ("commit request", "throttled"),
        complete=True,
    ),
    Report(
        "xi-scribe-old-fields",
        "carrier",
        "freestyle-voice/freestyle#60",
        "fix: rewrite ElevenLabs WebSocket streaming to match actual API spec",
        "no transcript",
        "the messages have audio_base64 and no message_type, which the API does not know",
        scribe_old_fields,
        ("audio_base_64|message_type|does not (take|have|know)", "text messages|form|audio_base64"),
        scribe_good,
        "the fields are the API's",
        ("does not (take|have|know)",),
    ),
    Report(
        "xi-scribe-binary",
        "carrier",
        "crmitchelmore/justspeaktoit#405",
        "fix(mac): use ElevenLabs Scribe realtime protocol correctly",
        "input_error for each message; no transcript",
        "the audio is sent in binary messages; the API takes base64 in JSON",
        scribe_binary,
        ("binary|bytes", "base64|json"),
        scribe_good,
        "base64 in JSON",
        ("bytes in place",),
    ),
]
