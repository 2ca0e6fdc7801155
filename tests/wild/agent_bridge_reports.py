"""Reports that were tried last: agents behind telephones, frameworks and gateways."""

from __future__ import annotations

import random

from agent_limit_reports import user_turn
from audio_samples import mulaw
from bug_report import Report
from provider_sessions import (
    BIDI,
    GEMINI_KEY,
    HELLO,
    VOICE,
    Json,
    answered,
    b64,
    chunks,
    elevenlabs,
    elevenlabs_audio,
    gemini,
    gemini_audio,
    gemini_content,
    gemini_good,
    gemini_ready,
    gemini_says,
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

UNKNOWN_META = "Unknown parameter: 'session.tools[0].meta'."
SHORTER = "Audio content of 2650ms is already shorter than 9100ms"
ACTIVE = (
    "Conversation already has an active response in progress: resp_1. Wait until the response is "
    "finished before creating a new one."
)
NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."
BAD_MODEL = "Invalid resource field value in the request."
UNAVAILABLE = "The service is currently unavailable."
FIVE = (
    "Maximum simultaneous contexts per WebSocket connection exceeded (5). Please close an existing "
    "context before opening a new "
)
FULL_PATH = (
    "projects/voice-1/locations/us-central1/publishers/google/models/gemini-2.0-flash-live-001"
)


# -- OpenAI


def tools(*, meta: bool) -> WireSession:
    """The tools of an MCP server are added when the session runs."""
    tool: Json = {"type": "function", "name": "find_parcel", "description": "Finds a parcel."}
    tool["parameters"] = {"type": "object", "properties": {"number": {"type": "string"}}}
    if meta:
        tool["meta"] = None
    session = realtime()
    fields = {"type": "realtime", "tools": [tool], "tool_choice": "auto"}
    session.app({"type": "session.update", "event_id": "tools_update_1", "session": fields})
    if meta:
        fault = openai_error("unknown_parameter", UNKNOWN_META, "session.tools[0].meta")
        fault["error"]["event_id"] = "tools_update_1"
        session.server(fault, after=0.1)
    else:
        session.server(session_event("session.updated", fields), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=3.0)


def truncated(*, to_ms: int) -> WireSession:
    """The user interrupts the agent; the app tells how much of it was played."""
    session = answered(spoken_turn(realtime()), 2.65)
    session.server(response_done("completed"))
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 5000}, after=0.5)
    item: Json = {"item_id": "item_2", "content_index": 0, "audio_end_ms": to_ms}
    session.app({"type": "conversation.item.truncate", **item})
    if to_ms > 2650:
        session.server(openai_error("invalid_value", SHORTER), after=0.05)
    else:
        session.server({"type": "conversation.item.truncated", **item}, after=0.05)
    spoken_turn(session)
    if to_ms > 2650:
        return session.app_closes(1000, after=25.0)
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


def two_tools(*, parallel: bool) -> WireSession:
    """The model calls two functions in one response; the app asks for a response after each."""
    session = spoken_turn(realtime())
    created = {"object": "realtime.response", "id": "resp_0", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=0.3)
    output = []
    for number in (1, 2) if parallel else (1,):
        item = {"type": "function_call", "id": f"item_{number}", "call_id": f"call_{number}"}
        item |= {"name": "find_parcel", "arguments": '{"number": "7"}', "status": "completed"}
        output.append(item)
        session.server({"type": "response.output_item.done", "response_id": "resp_0", "item": item})
    done = response_done("completed")
    done["response"] |= {"id": "resp_0", "output": output}
    session.server(done)
    for number, item in enumerate(output):
        result = {"type": "function_call_output", "call_id": item["call_id"], "output": "{}"}
        session.app({"type": "conversation.item.create", "item": result}, after=0.2)
        session.server({"type": "conversation.item.added", "item": result}, after=0.05)
        session.app({"type": "response.create"})
        if number:
            session.server(openai_error("conversation_already_has_active_response", ACTIVE))
        else:
            resp = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
            session.server({"type": "response.created", "response": resp}, after=0.1)
    for data in chunks(pcm(1.5, 24_000), 4800):
        ids = {"response_id": "resp_1", "item_id": "item_3"}
        session.server({"type": "response.output_audio.delta", **ids, "delta": b64(data)})
    session.server({"type": "response.output_audio.done", "response_id": "resp_1"})
    return session.server(response_done("completed")).app_closes(1000, after=3.0)


def no_quota_at_once() -> WireSession:
    fault = openai_error("insufficient_quota", NO_QUOTA)
    fault["error"]["type"] = "insufficient_quota"
    return openai().accept().server(fault, after=0.2).server_closes(1013, after=0.05)


# -- Gemini Live


def mulaw_as_pcm(*, converted: bool = False) -> WireSession:
    """The frames of a telephone are passed on; the agent greets because of a text."""
    session = gemini_ready()
    turn = {"role": "user", "parts": [{"text": "Greet the caller."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
    gemini_says(session.wait(0.4))
    if converted:
        gemini_says(user_turn(session).wait(0.3))
        return session.app_closes(1000, after=1.0)
    speech = mulaw(bytes(8000) + pcm(3.0, 8000) + bytes(16_000 * 2) + pcm(2.0, 8000))
    session.stream(chunks(speech, 160), 0.02, gemini_audio)
    session.stream(chunks(mulaw(bytes(16_000 * 8)), 160), 0.02, gemini_audio)
    return session.app_closes(1000)


def model_path() -> WireSession:
    """The path of a model on Vertex AI, behind the prefix of the other service."""
    return gemini(f"models/{FULL_PATH}").server_closes(1007, BAD_MODEL, after=0.1)


def session_resume(*, as_setup: bool = False) -> WireSession:
    handle = "6f1c2d3e-4b5a-4c6d-8e7f-9a0b1c2d3e4f"
    if as_setup:
        return gemini_says(user_turn(gemini_ready({"sessionResumption": {}}))).app_closes(1000)
    url = f"wss://generativelanguage.googleapis.com{BIDI}?key={GEMINI_KEY}"
    session = WireSession(url).accept()
    session.app({"session_resume": {"handle": handle, "context": []}})
    return session.app_closes(1000, after=30.0)


def unavailable() -> WireSession:
    session = gemini_ready({"sessionResumption": {}})
    for number in range(4):
        gemini_says(user_turn(session).wait(0.3))
        update = {"newHandle": f"handle-{number}", "resumable": True}
        session.server({"sessionResumptionUpdate": update}, after=0.1)
    user_turn(session)
    return session.server_closes(1011, UNAVAILABLE, after=4.0)


def transcription(*, of_user: bool) -> WireSession:
    """Both transcriptions were asked for."""
    session = gemini_ready({"inputAudioTranscription": {}, "outputAudioTranscription": {}})
    for _ in range(3):
        user_turn(session)
        if of_user:
            session.server(gemini_content({"inputTranscription": {"text": HELLO}}), after=0.2)
        session.server(gemini_content({"outputTranscription": {"text": "Let me look."}}), after=0.3)
        gemini_says(session)
    return session.app_closes(1000, after=1.0)


# -- speech output and telephones


def flushed_contexts(count: int) -> WireSession:
    """A context that had no text is opened by a flush, one for each interruption."""
    session = elevenlabs(
        f"text-to-speech/{VOICE}/multi-stream-input",
        "model_id=eleven_flash_v2_5&output_format=pcm_24000&auto_mode=true",
    )
    first = {"context_id": "10000000-0000-4000-8000-000000000000"}
    session.app({"text": " ", **first}, {"text": "Let me look. ", **first})
    session.app({"context_id": first["context_id"], "flush": True})
    for data in chunks(pcm(1.0, 24_000), 9600):
        session.server(elevenlabs_audio(data) | {"contextId": first["context_id"]}, after=0.1)
    for number in range(1, count):
        context = f"1000000{number}-0000-4000-8000-000000000000"
        session.app({"context_id": context, "flush": True}, after=1.2)
    if count > 5:
        return session.server_closes(1008, FIVE, after=0.05)
    session.app({"context_id": first["context_id"], "close_context": True})
    final = {"isFinal": True, "contextId": first["context_id"]}
    session.server(final, after=0.1)
    return session.app({"close_socket": True}).server_closes(1000)


def paced(every: float) -> WireSession:
    """The app sends the caller a frame of 20 ms each time its timer has run out."""
    session = WireSession("wss://voice.example.com/media", agent="twilio-media-streams").accept()
    start: Json = {"accountSid": "AC1", "streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"]}
    start["mediaFormat"] = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    session.app({"event": "start", "sequenceNumber": "1", "start": start, "streamSid": "MZ1"})
    noise = random.Random(3)
    number = 2
    for frame in chunks(mulaw(pcm(8.0, 8000)), 160):
        heard = bytes(noise.choice(b"\xff\x7f\xfe\x7e\xfd\x7d") for _ in range(160))
        media = {"track": "inbound", "chunk": str(number), "timestamp": "20", "payload": b64(heard)}
        frame_of = {"event": "media", "sequenceNumber": str(number), "streamSid": "MZ1"}
        session.app({**frame_of, "media": media}, after=every / 2)
        said = {"event": "media", "streamSid": "MZ1", "media": {"payload": b64(frame)}}
        session.server(said, after=every / 2)
        number += 1
    session.server({"event": "mark", "streamSid": "MZ1", "mark": {"name": "end"}})
    session.app({"event": "mark", "streamSid": "MZ1", "mark": {"name": "end"}}, after=0.2)
    stop = {"accountSid": "AC1", "callSid": "CA1"}
    session.app({"event": "stop", "streamSid": "MZ1", "stop": stop}, after=1.0)
    return session.app_closes(1000)


REPORTS = [
    Report(
        "oai-tool-meta",
        "parameter",
        "livekit/agents#3210",
        "OpenAI Realtime API rejects session.tools meta field in v1.2.6",
        "the tools of an MCP server are not there",
        "the tool has a field meta, which the API does not know: session.update is refused",
        lambda: tools(meta=True),
        (r"tools\[0\]\.meta|\bmeta\b", "session.update|refus|reject|unknown"),
        lambda: tools(meta=False),
        "the tool has no such field",
        ("meta", "refused"),
        complete=True,
    ),
    Report(
        "oai-truncate-then-silent",
        "order",
        "pipecat-ai/pipecat#3677",
        "OpenAIRealtimeLLMService Error",
        "after an interruption the bot says nothing any more",
        "truncate names more audio than there is",
        lambda: truncated(to_ms=9100),
        ("truncate|shorter", "9100|longer|shorter"),
        lambda: truncated(to_ms=2000),
        "it names less",
        ("shorter",),
    ),
    Report(
        "oai-two-results",
        "order",
        "openai/openai-agents-python#3405",
        "fix(realtime): coalesce response.create across parallel tool calls",
        "no voice after two function calls",
        "a response is asked for after each of the two results: the second finds one active",
        lambda: two_tools(parallel=True),
        ("active response|response.*active|another one is active",),
        lambda: two_tools(parallel=False),
        "there is one function call",
        ("active",),
        complete=True,
    ),
    Report(
        "oai-quota-1013",
        "quota",
        "BerriAI/litellm#33608",
        "fix(e2e): recover llm_translation/realtime suite",
        "no session.created",
        "the account has no quota",
        no_quota_at_once,
        ("quota",),
        openai_good,
        "it has",
        ("quota",),
        ("overload", "try again later"),
    ),
    Report(
        "gem-mulaw-as-pcm",
        "audio",
        "pipecat-ai/pipecat#1823",
        "Twilio <- Pipecat -> Gemini Live",
        "the agent greets, and never hears the caller",
        "mu-law of 8 kHz is sent as PCM of 16 kHz",
        mulaw_as_pcm,
        ("mu-?law|G\\.711|companded",),
        lambda: mulaw_as_pcm(converted=True),
        "it is converted",
        ("mu-?law",),
    ),
    Report(
        "gem-vertex-model-path",
        "model",
        "mastra-ai/mastra#10256",
        "GeminiLiveVoice Vertex AI WebSocket Connection Fails",
        "1007 after setup",
        "the path of a model on Vertex AI, with models/ before it, at the other service",
        model_path,
        ("Invalid resource field value|model",),
        gemini_good,
        "a name of this service",
        ("invalid",),
        ("UTF-8",),
    ),
    Report(
        "gem-session-resume",
        "order",
        "mastra-ai/mastra#18119",
        "resumeSession() always times out",
        "setupComplete never comes",
        "the app sends session_resume, which is no message of the API, in place of setup",
        session_resume,
        ("setup|session_resume",),
        lambda: session_resume(as_setup=True),
        "it asks for resumption in setup",
        ("session_resume", "never"),
    ),
    Report(
        "gem-unavailable-later",
        "server",
        "kazunori279/adk-streaming-guide#11",
        "Session resumption cannot recover from Live API backend failures (1011 errors)",
        "1011 in the middle of a conversation",
        "the service is unavailable",
        unavailable,
        ("unavailable",),
        gemini_good,
        "the service is there",
        ("unavailable",),
        ("go ?away",),
    ),
    Report(
        "gem-no-input-transcription",
        "missing result",
        "pipecat-ai/pipecat#3780",
        "Gemini Live: User transcription not returned (only assistant transcription)",
        "the words of the user are not transcribed",
        "inputTranscription was asked for, and never comes",
        lambda: transcription(of_user=False),
        ("transcri",),
        lambda: transcription(of_user=True),
        "it comes",
        ("never|no transcri",),
        complete=True,
    ),
    Report(
        "xi-flushed-contexts",
        "limit",
        "pipecat-ai/pipecat#4114",
        "ElevenLabsTTSService WebSocket Error: Maximum simultaneous contexts exceeded",
        "1008 after some interruptions",
        "each flush opens a context, and none is closed",
        lambda: flushed_contexts(6),
        ("contexts",),
        lambda: flushed_contexts(3),
        "there are three",
        ("exceeded|too many",),
    ),
    Report(
        "twilio-paced-late",
        "audio",
        "openclaw/openclaw#119070",
        "RealtimeAudioPacer accumulates timer drift, causing Twilio underruns/choppy audio",
        "the caller hears gaps",
        "the app sends frames of 20 ms every 25 ms",
        lambda: paced(0.025),
        ("slow|late|real time|gap",),
        lambda: paced(0.0199),
        "every 20 ms",
        ("slow|gap",),
        complete=True,
    ),
]
