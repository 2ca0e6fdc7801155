"""Reports about functions that an agent calls, and their answers."""

from __future__ import annotations

from bug_report import Report
from gemini_reports import NO_AUDIO_MODEL
from gemini_reports import talking as gemini_talks
from openai_reports import BETA
from provider_sessions import (
    Json,
    answered,
    chunks,
    gemini_audio,
    gemini_content,
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

NO_TOOL_TYPE = "Missing required parameter: 'session.tools[0].type'."
UNKNOWN_CALL = "Tool call ID 'call_Xz0z4X8aSYDdkTf2' not found in conversation."
UNKNOWN_NAME = 'Invalid JSON payload received. Unknown name "functionResponse": Cannot find field.'
NOT_FOUND = "Requested entity was not found."
WEATHER: Json = {
    "name": "get_weather",
    "description": "The weather at a place.",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
}
TOOLS: Json = {"tools": [{"functionDeclarations": [WEATHER]}]}


# -- OpenAI Realtime


def tool_without_type() -> WireSession:
    """The configuration is refused; the conversation goes on with the defaults."""
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": {**BETA, "tools": [WEATHER]}})
    fault = openai_error("missing_required_parameter", NO_TOOL_TYPE, "session.tools[0].type")
    answered(spoken_turn(session.server(fault, after=0.1))).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


def output_of(call: str) -> Json:
    item = {"type": "function_call_output", "call_id": call, "output": '{"name": "Ada"}'}
    return {"type": "conversation.item.create", "item": item}


def called(call: str) -> WireSession:
    session = spoken_turn(realtime())
    created = {"object": "realtime.response", "id": "resp_1", "status": "in_progress"}
    session.server({"type": "response.created", "response": created}, after=0.3)
    item = {"id": "item_2", "type": "function_call", "call_id": call, "name": "collect_name"}
    session.server({"type": "response.output_item.done", "item": {**item, "arguments": "{}"}})
    done = response_done("completed")
    done["response"]["output"] = [{**item, "arguments": "{}", "status": "completed"}]
    return session.server(done)


def unknown_call() -> WireSession:
    session = called("call_Aa1bB2cC3dD4eE5f").app(output_of("call_Xz0z4X8aSYDdkTf2"), after=0.5)
    session.server(openai_error("invalid_tool_call_id", UNKNOWN_CALL), after=0.1)
    return session.app_closes(1000, after=6.0)


def known_call() -> WireSession:
    session = called("call_Xz0z4X8aSYDdkTf2").app(output_of("call_Xz0z4X8aSYDdkTf2"), after=0.5)
    session.server({"type": "conversation.item.created", "item": {"id": "item_3"}}, after=0.1)
    answered(session.app({"type": "response.create"})).server(response_done("completed"))
    return session.app_closes(1000, after=1.0)


# -- Gemini Live


def gemini_calls() -> WireSession:
    session = gemini_ready(TOOLS).stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(16_000), 3200), 0.1, gemini_audio)
    call = {"id": "function-call-1", "name": "get_weather", "args": {"location": "Oslo"}}
    return session.server({"toolCall": {"functionCalls": [call]}}, after=0.4)


def tool_response(name: str = "get_weather") -> Json:
    answer = {"id": "function-call-1", "name": name, "response": {"result": "4 degrees"}}
    return {"toolResponse": {"functionResponses": [answer]}}


def unanswered_call() -> WireSession:
    """The app does not know the function, and says nothing."""
    session = gemini_calls().stream(chunks(bytes(32_000 * 10), 3200), 0.1, gemini_audio)
    session.stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    session.stream(chunks(bytes(32_000 * 10), 3200), 0.1, gemini_audio)
    return session.app_closes(1000)


def answered_call() -> WireSession:
    session = gemini_says(gemini_calls().app(tool_response(), after=0.5).wait(0.5))
    return session.app_closes(1000, after=1.0)


def wrong_name_of_the_message() -> WireSession:
    answer = {"functionCallId": "function-call-1", "functionName": "get_weather"}
    session = gemini_calls().app({"functionResponse": answer}, after=0.5)
    return session.server_closes(1007, UNKNOWN_NAME, after=0.05)


def entity_not_found() -> WireSession:
    return gemini_calls().app(tool_response(), after=0.5).server_closes(1008, NOT_FOUND, after=0.1)


def audio_during_a_call() -> WireSession:
    """The microphone goes on while the app works on the function."""
    session = gemini_ready(TOOLS).stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    gemini_says(session.wait(0.3)).stream(chunks(pcm(2.0), 3200), 0.1, gemini_audio)
    call = {"id": "function-call-1", "name": "get_weather", "args": {"location": "Oslo"}}
    session.server({"toolCall": {"functionCalls": [call]}}, after=0.4)
    session.stream(chunks(bytes(32_000), 3200), 0.1, gemini_audio)
    return session.server_closes(1007, NO_AUDIO_MODEL)


def without_a_call() -> WireSession:
    return gemini_talks().server_closes(1007, NO_AUDIO_MODEL)


def unnamed_response() -> WireSession:
    session = gemini_calls().app(tool_response(""), after=0.5).wait(0.5)
    words = {"text": "I am sorry, there was a system error."}
    session.server(gemini_content({"outputTranscription": words}))
    return gemini_says(session).app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "oai-tool-without-type",
        "parameter",
        "twilio-samples/speech-assistant-openai-realtime-api-python#3",
        "Problem using tools",
        "the agent answers, without its tools",
        "the tool lacks its type, so that all settings are refused",
        tool_without_type,
        (r"session\.tools\[0\]\.type",),
        openai_good,
        "no tools",
        ("missing required",),
    ),
    Report(
        "oai-unknown-call",
        "session state",
        "livekit/agents#3344",
        "Tools throw error when working with OpenAI Realtime API",
        "an error event after each function call; the agent falls silent",
        "the answer belongs to a call that is not in this conversation",
        unknown_call,
        ("not found in conversation",),
        known_call,
        "the call is in the conversation",
        ("not found",),
    ),
    Report(
        "gem-unanswered-call",
        "missing result",
        "mastra-ai/mastra#22970",
        "an unknown tool name sends no functionResponse, so the turn is never answered",
        "silence until the caller hangs up; no error",
        "the app never answers a function call; the service waits for it",
        unanswered_call,
        ("call", "answer|response"),
        answered_call,
        "the call is answered",
        ("function call",),
    ),
    Report(
        "gem-tool-response-name",
        "parameter",
        "google-gemini/cookbook#906",
        "Gemini Live API - Websocket Tool Call Response - BidiGenerateContentToolResponse",
        "1007 as soon as the function's result is sent",
        "the message has a name that the API does not know",
        wrong_name_of_the_message,
        ("unknown name|functionResponse",),
        answered_call,
        "the name is right",
        ("unknown name",),
        ("UTF-8", "not valid text"),
    ),
    Report(
        "gem-entity-not-found",
        "unknown",
        "google-gemini/deprecated-generative-ai-js#487",
        'Gemini Live API frequently Closes with "Requested entity was not found"',
        "1008 after a function's result, now and then",
        "not known; the server names no entity",
        entity_not_found,
        ("requested entity was not found",),
        answered_call,
        "the conversation goes on",
        ("entity",),
        ("policy of the peer", "model does not exist", "api key", "credentials"),
    ),
    Report(
        "gem-audio-during-call",
        "message order",
        "hkjarral/AVA-AI-Voice-Agent-for-Asterisk#598",
        "unguarded concurrent audio send during tool-call handling causes WebSocket close 1007",
        "1007 in a conversation that worked, about a second after a function call",
        "audio is sent while a function call has no answer yet",
        audio_during_a_call,
        ("CONTENT_TYPE_AUDIO", "function call|tool call"),
        without_a_call,
        "no function is called",
        ("function call", "tool call"),
    ),
    Report(
        "gem-unnamed-response",
        "parameter",
        "roomkit-live/roomkit#42",
        "fix(gemini): name the function a Live tool result answers",
        "the agent says that an error occurred, whatever the function returned",
        "the answer of the function does not name it",
        unnamed_response,
        ("name",),
        answered_call,
        "the function is named",
        ("name of the function", "does not name"),
        complete=True,
    ),
]
