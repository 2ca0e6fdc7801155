"""Reports that were tried after the rules for agents and speech output had been written."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from deepgram_reports import agent as deepgram_agent
from deepgram_reports import agent_good as deepgram_agent_good
from deepgram_reports import agent_settings
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import greets, user_speaks
from openai_reports import beta
from provider_sessions import (
    HELLO,
    Json,
    answered,
    append,
    b64,
    cartesia_text,
    cartesia_tts,
    chunks,
    gemini_audio,
    openai_error,
    openai_good,
    pcm,
    realtime,
    response_done,
    spoken_turn,
)
from realtime_turn_reports import truncated_right
from speech_output_reports import inworld, inworld_good
from telephone_reports import SILENCE, agent_says, call, caller
from tool_call_reports import answered_call, called, gemini_calls, known_call, tool_response
from wire_session import WireSession

SHORTER = "Audio content of 3100ms is already shorter than 8300ms"
CALL_ID = (
    "Invalid 'item.call_id': string does not match pattern. Expected a string that matches the "
    "pattern '^[a-zA-Z0-9_-]+$'."
)
NOTHING_TO_COMMIT = "Error committing input audio buffer: the buffer is empty."
ACTIVE = "Conversation already has an active response"
NO_SPEECH = (
    "We waited too long for a websocket message. Please ensure that you're sending binary messages "
    "containing user speech."
)


# -- Cartesia


def continued(*texts: str, finished: bool) -> WireSession:
    session = cartesia_tts().accept()
    for number, text in enumerate(texts):
        last = finished and number == len(texts) - 1
        session.app({**cartesia_text("ctx-1"), "transcript": text, "continue": not last}, after=0.2)
    for data in chunks(pcm(2.0, 24_000), 9600):
        chunk = {"type": "chunk", "context_id": "ctx-1", "data": b64(data), "done": False}
        session.server({**chunk, "status_code": 206}, after=0.02)
    if finished:
        done = {"type": "done", "context_id": "ctx-1", "done": True, "status_code": 200}
        session.server(done)
    return session.app_closes(1000, after=4.0)


# -- agents


def tool_called() -> WireSession:
    session = user_speaks(greets(elevenlabs_agent()), seconds=1.5)
    event = {"tool_name": "messageClaudeCode", "tool_call_id": "call_1", "parameters": {}}
    session.server(
        {"type": "client_tool_call", "client_tool_call": {**event, "expects_response": True}}
    )
    return session


def tool_unanswered() -> WireSession:
    return user_speaks(tool_called().wait(8.0), seconds=1.5).app_closes(1000, after=12.0)


def tool_answered() -> WireSession:
    result = {"type": "client_tool_result", "tool_call_id": "call_1", "result": "sent"}
    session = tool_called().app({**result, "is_error": False}, after=0.4)
    return greets(session).app_closes(1000, after=2.0)


def telephone_text() -> WireSession:
    formats = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
    session = beta(formats)
    for number in range(3):
        session.stream(chunks(mulaw(pcm(2.0, 8000) + bytes(12_000)), 160), 0.02, append)
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
        ids: Json = {"response_id": f"resp_{number}", "item_id": f"item_{number}"}
        created = {"id": ids["response_id"], "status": "in_progress"}
        session.server({"type": "response.created", "response": created}, after=0.3)
        session.server({"type": "response.text.delta", **ids, "delta": HELLO}, after=0.3)
        session.server({"type": "response.text.done", **ids, "text": HELLO})
        done = response_done("completed")
        done["response"]["id"] = ids["response_id"]
        session.server(done)
    return session.app_closes(1000, after=2.0)


def late_interruption(*, clear: bool) -> WireSession:
    session = agent_says(caller(call(["inbound"]), SILENCE * 20), 12.0)
    caller(session, SILENCE * 200 + mulaw(pcm(2.0, 8000)))
    if clear:
        session.server({"event": "clear", "streamSid": "MZ1"})
    caller(session, SILENCE * 100)
    return session.app({"event": "stop", "streamSid": "MZ1"}).app_closes(1000)


def truncated_by_the_clock() -> WireSession:
    session = answered(spoken_turn(realtime()), 3.1).server(response_done("completed"))
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 9000}, after=5.0)
    at = {"item_id": "item_2", "content_index": 0, "audio_end_ms": 8300}
    session.app({"type": "conversation.item.truncate", **at})
    session.server(openai_error("invalid_value", SHORTER), after=0.1)
    answered(spoken_turn(session)).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def output(call_id: str) -> Json:
    item = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
    return {"type": "conversation.item.create", "item": item}


def call_id_with_slash() -> WireSession:
    session = called("call_Aa1").app(output("call_Aa1"), {"type": "response.create"}, after=0.3)
    answered(session).server(response_done("completed"))
    session.app(output("call_Aa1/finished"), after=2.0)
    fault = openai_error("invalid_value", CALL_ID, "item.call_id")
    return session.server(fault, after=0.1).app_closes(1000, after=3.0)


def no_response_requested() -> WireSession:
    session = called("call_Aa1").app(output("call_Aa1"), after=0.5)
    session.server({"type": "conversation.item.created", "item": {"id": "item_3"}}, after=0.1)
    session.stream(chunks(bytes(48_000 * 12), 4800), 0.1, append)
    return session.app_closes(1000)


def message_without_code() -> WireSession:
    settings = agent_settings()
    settings["audio"]["input"] = {"encoding": "mulaw", "sample_rate": 8000}
    session = deepgram_agent().app(settings).server({"type": "SettingsApplied"}, after=0.1)
    session.stream(chunks(mulaw(pcm(2.0, 8000)), 3200), 0.4)
    session.server({"type": "UserStartedSpeaking"})
    return session.server({"type": "Error", "message": NO_SPEECH}, after=10.0).server_closes(None)


def silent_after_result() -> WireSession:
    session = gemini_calls().app(tool_response(), after=0.5)
    session.stream(chunks(bytes(32_000 * 15), 3200), 0.1, gemini_audio)
    return session.app_closes(1000)


def too_many_contexts() -> WireSession:
    """No context is closed after its text."""
    session = inworld()
    for number in range(8):
        context = {"contextId": f"ctx-{number}"}
        session.app({**context, "create": {"voiceId": "Ashley", "modelId": "inworld-tts-1.5-max"}})
        session.app({**context, "send_text": {"text": HELLO, "flush_context": {}}})
        if number > 4:
            status = {"code": 8, "message": "Max contexts limit reached", "details": []}
            session.server({"result": {**context, "status": status}}, after=0.1).wait(8.0)
            continue
        for data in chunks(pcm(1.5, 24_000), 9600):
            session.server({"result": {**context, "audioChunk": {"audioContent": b64(data)}}})
        done = {**context, "flushCompleted": {}, "status": {"code": 0}}
        session.server({"result": done}).wait(8.0)
    return session.app_closes(1000)


def gives_up_at_an_error() -> WireSession:
    session = answered(spoken_turn(realtime()), 2.45).server(response_done("completed"))
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 9000}, after=2.5)
    at = {"item_id": "item_2", "content_index": 0, "audio_end_ms": 2535}
    session.app({"type": "conversation.item.truncate", **at})
    fault = openai_error("invalid_value", SHORTER.replace("3100", "2450").replace("8300", "2535"))
    return session.server(fault, after=0.1).app_closes(1000, after=0.05)


def errors_without_code() -> WireSession:
    """Server VAD has committed the audio and begun an answer; the app asks for both again."""
    session = spoken_turn(realtime())
    session.app({"type": "input_audio_buffer.commit"}, {"type": "response.create"})
    session.server(openai_error(None, NOTHING_TO_COMMIT), openai_error(None, ACTIVE))
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "ca-joined-words",
        "parameter",
        "livekit/agents#1180",
        "Sentence chunking for Cartesia TTS",
        "the agent says dot between two sentences",
        "the texts of two messages are joined without a space",
        lambda: continued("We are done.", "Is there more?", finished=True),
        ("space",),
        lambda: continued("We are done. ", "Is there more?", finished=True),
        "the first text ends with a space",
        ("space",),
        complete=True,
    ),
    Report(
        "ca-not-finished",
        "missing end",
        "pipecat-ai/pipecat#465",
        "[Cartesia] Fix streaming truncation bug with Twilio Fast API WS",
        "the end of the answer is not spoken",
        "the text of the context is never ended",
        lambda: continued("We are done. ", "Is there more?", finished=False),
        ("neither flushed nor ended|never ended",),
        lambda: continued("We are done. ", "Is there more?", finished=True),
        "the last text ends the context",
        ("neither flushed",),
    ),
    Report(
        "xi-tool-unanswered",
        "missing result",
        "slopus/happy#1032",
        "ElevenLabs Voice Agent: messageClaudeCode Tool Not Firing",
        "the agent calls the tool; nothing happens",
        "the app has a tool of another name, and does not answer",
        tool_unanswered,
        ("function call", "messageClaudeCode"),
        tool_answered,
        "the app answers",
        ("function call",),
    ),
    Report(
        "oai-telephone-text",
        "missing result",
        "hkjarral/AVA-AI-Voice-Agent-for-Asterisk#73",
        "[BUG] OpenAI Realtime - No audio output in responses",
        "a silent call; each response is completed",
        "the model answers in text, although audio is agreed",
        telephone_text,
        ("text only|without audio|no audio",),
        openai_good,
        "it answers in audio",
        ("text only", "no audio"),
    ),
    Report(
        "twilio-late-interruption",
        "message order",
        "openai/openai-agents-js#1173",
        "Twilio Extension Fails to interrupt playback if audio has already been fully sent.",
        "the agent talks on although it was interrupted",
        "no clear message is sent once all of the answer has been sent",
        lambda: late_interruption(clear=False),
        ("clear",),
        lambda: late_interruption(clear=True),
        "clear is sent",
        ("no clear",),
        complete=True,
    ),
    Report(
        "oai-truncate-clock",
        "parameter",
        "openclaw/openclaw#138592",
        "realtime conversation.item.truncate uses wall-clock, not audio played",
        "an error event when the caller interrupts",
        "audio_end_ms is the time that has passed, not the audio that was played",
        truncated_by_the_clock,
        ("already shorter than",),
        truncated_right,
        "audio_end_ms is within the audio",
        ("already shorter",),
        ("^failed",),
        complete=True,
    ),
    Report(
        "oai-call-id-slash",
        "parameter",
        "livekit/agents#5652",
        "AsyncToolset generates invalid OpenAI Realtime call_ids",
        "an error event; the result of the function never comes",
        "the id of the call has a slash",
        call_id_with_slash,
        (r"item\.call_id", "pattern"),
        known_call,
        "the id of the call",
        ("pattern",),
    ),
    Report(
        "oai-no-response-create",
        "missing result",
        "openai/openai-agents-python#1156",
        "Tool Call Results are not Appearing in Realtime API",
        "the agent says that it will look, then nothing",
        "no response is requested after the function's result",
        no_response_requested,
        ("response",),
        known_call,
        "a response is requested",
        ("requested no", "no response was requested"),
    ),
    Report(
        "dga-error-without-code",
        "timeout",
        "deepgram-devs/sts-twilio#6",
        "No replies coming back",
        "an error after the caller has begun to speak",
        "no more audio comes from the app",
        message_without_code,
        ("waited too long",),
        deepgram_agent_good,
        "audio goes on",
        ("waited too long",),
        ("larger than",),
    ),
    Report(
        "gem-silent-after-result",
        "missing result",
        "livekit/agents#4644",
        "fix(google): set tool_response_scheduling to IMMEDIATELY by default",
        "silence after a function's result",
        "the service waits until it is idle, which it never is while audio comes",
        silent_after_result,
        ("result|answer",),
        answered_call,
        "the agent speaks",
        ("no answer", "did not answer"),
        ("was not answered",),
    ),
    Report(
        "inw-max-contexts",
        "concurrency",
        "pipecat-ai/pipecat#3835",
        "InworldTTSService leaks WebSocket contexts",
        "silence after six turns",
        "no context is closed after its text",
        too_many_contexts,
        ("max contexts", "too many"),
        inworld_good,
        "each context is closed",
        ("max contexts",),
    ),
    Report(
        "oai-truncate-fatal",
        "parameter",
        "pipecat-ai/pipecat#2106",
        "invalid_request_error with OpenAI Realtime API from 0.0.69 onward",
        "the bot leaves after an error event",
        "a truncation too far, which the client takes for fatal",
        gives_up_at_an_error,
        ("already shorter than",),
        truncated_right,
        "audio_end_ms is within the audio",
        ("already shorter",),
        complete=True,
    ),
    Report(
        "oai-errors-without-code",
        "good session",
        "run-llama/openai_realtime_client#3",
        "Conversation already has an active response",
        "two errors in each turn",
        "nothing that fails: the app requests what server VAD has begun already",
        errors_without_code,
        ("active",),
        openai_good,
        "the app leaves it to the server",
        ("active",),
        fine=True,
    ),
]
