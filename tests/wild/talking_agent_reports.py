"""Reports of voice agents that talk too late, too often or not, without an error message."""

from __future__ import annotations

from agent_limit_reports import user_turn
from agent_silence_reports import xai, xai_settings
from bug_report import Report
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import greets, user_speaks
from openai_reports import BETA
from provider_sessions import (
    HELLO,
    Json,
    append,
    b64,
    chunks,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    openai,
    pcm,
    response_done,
    session_event,
    spoken_turn,
)
from tool_call_reports import TOOLS, output_of, tool_response
from unanswered_agent_reports import NO_ANSWER, NO_KEY, mute
from wire_session import Message, WireSession
from wrong_answer_reports import configured, response, silence

DEFAULT = "You are a helpful, witty, and friendly AI."

# -- OpenAI Realtime, and what has its messages


def slower(*delays: float) -> WireSession:
    """A telephone call: each answer begins so long after the caller's sentence."""
    session = configured()
    for number, delay in enumerate(delays, 1):
        response(silence(spoken_turn(session), delay), number, 1.5)
        silence(session, 2.0)
    return session.app_closes(1000)


def function_call(session: WireSession, number: int, arguments: str, *, words: bool) -> WireSession:
    """A response that calls a function; before that, it may say what the result will be."""
    ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
    state: Json = {"object": "realtime.response", "id": f"resp_{number}"}
    session.server({"type": "response.created", "response": {**state, "status": "in_progress"}})
    output: list[Json] = []
    if words:
        kind = "response.output_audio.delta"
        for data in chunks(pcm(2.5, 24_000), 9600):
            session.server({"type": kind, **ids, "delta": b64(data)}, after=0.03)
        session.server(
            {"type": "response.output_audio_transcript.done", **ids, "transcript": HELLO}
        )
        output.append({"id": ids["item_id"], "type": "message", "role": "assistant"})
    call = {"id": f"item_f{number}", "type": "function_call", "name": "collect_name"}
    call |= {"call_id": f"call_{number}", "arguments": arguments, "status": "completed"}
    session.server({"type": "response.output_item.done", **ids, "item": call})
    usage = {"total_tokens": 120, "input_tokens": 80, "output_tokens": 40}
    done = {**state, "status": "completed", "output": [*output, call], "usage": usage}
    return session.server({"type": "response.done", "response": done})


def says_and_calls(*, words: bool) -> WireSession:
    """The function's result is answered, too, as the app requests it."""
    session = xai().app({"type": "session.update", "session": xai_settings(24_000)})
    session.server({"type": "session.updated", "session": xai_settings(24_000)}, after=0.1)
    function_call(spoken_turn(session).wait(0.3), 1, '{"name": "Ada"}', words=words)
    session.app(output_of("call_1"), {"type": "response.create"}, after=0.3)
    response(session.wait(0.3), 2, 2.5)
    return silence(session, 3.0).app_closes(1000)


def calls_again(*arguments: str) -> WireSession:
    """One sentence of the user, and as many calls of the function."""
    session = spoken_turn(configured()).wait(0.3)
    for number, each in enumerate(arguments, 1):
        function_call(session, number, each, words=False)
        session.app(output_of(f"call_{number}"), {"type": "response.create"}, after=0.3)
        session.wait(0.4)
    response(session, len(arguments) + 1, 1.5)
    return silence(session, 2.0).app_closes(1000)


def tool_choice(choice: str, calls: int) -> WireSession:
    """The app lets the model choose, or not; it is never done with calls in the latter case."""
    tool = {"type": "function", "name": "collect_name", "parameters": {"type": "object"}}
    fields = BETA | {"tools": [tool], "tool_choice": choice}
    session = openai("/v1/realtime?model=gpt-4o-realtime-preview").accept()
    session.server(session_event("session.created", BETA))
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    spoken_turn(session).wait(0.3)
    for number in range(1, calls + 1):
        function_call(session, number, f'{{"place": "Paris {number}"}}', words=False)
        session.app(output_of(f"call_{number}"), {"type": "response.create"}, after=0.3)
        session.wait(0.4)
    if choice == "auto":
        response(session, calls + 1, 1.5)
    return silence(session, 1.0).app_closes(1000)


def app_cancels(*, cancels: bool) -> WireSession:
    """The server shall not interrupt; the app cancels as soon as the user makes a sound."""
    detection = {"create_response": False, "interrupt_response": False}
    session = spoken_turn(configured(detection=detection))
    for number in (1, 2):
        session.app({"type": "response.create"})
        state = {"object": "realtime.response", "id": f"resp_{number}"}
        created = {"type": "response.created", "response": {**state, "status": "in_progress"}}
        session.server(created, after=0.3)
        ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
        for data in chunks(pcm(1.0, 24_000), 9600):
            delta = {"type": "response.output_audio.delta", **ids, "delta": b64(data)}
            session.server(delta, after=0.2)
        session.stream(chunks(pcm(0.6, 24_000), 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 4000})
        if cancels:
            session.app({"type": "response.cancel"}, after=0.05)
        status = "cancelled" if cancels else "completed"
        details = {"type": "cancelled", "reason": "client_cancelled"} if cancels else None
        done = response_done(status, details)
        done["response"] |= {"id": f"resp_{number}", "output": [{"id": ids["item_id"]}]}
        session.server(done, after=0.1)
        silence(session, 0.5)
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 4600})
        session.server({"type": "input_audio_buffer.committed", "item_id": f"item_u{number}"})
        silence(session, 3.0)
    return session.app_closes(1000)


def not_created(*, created: bool) -> WireSession:
    """A gateway that sends no response.created: the app takes the answer for one that hangs."""
    url = "wss://realtime.example.com/v1/realtime?model=gemini"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 4}).accept()
    session.server({"type": "session.created", "session": {"id": "sess_1"}})
    session.app({"type": "session.update", "session": {"modalities": ["text", "audio"]}})
    session.server({"type": "session.updated", "session": {"id": "sess_1"}}, after=0.1)
    spoken_turn(session).wait(0.3)
    state = {"object": "realtime.response", "id": "resp_1"}
    if created:
        session.server({"type": "response.created", "response": state})
    for data in chunks(pcm(5.0, 24_000), 9600):
        delta = {"type": "response.audio.delta", "response_id": "resp_1", "delta": b64(data)}
        session.server(delta, after=0.2)
    if created:
        session.server(response_done("completed"))
        return silence(session, 3.0).app_closes(1000)
    session.app({"type": "response.cancel"}, after=0.1)
    return session.app_closes(1000, after=3.0)


def never_set(*, sets: bool) -> WireSession:
    """The app connects again after an error; the new session has the defaults."""
    default = BETA | {"instructions": f"Your knowledge cutoff is 2023-10. {DEFAULT}"}
    session = openai("/v1/realtime?model=gpt-4o-realtime-preview").accept()
    session.server(session_event("session.created", default))
    if sets:
        fields = BETA | {"instructions": "You are the voice of a shop."}
        session.app({"type": "session.update", "session": fields})
        session.server(session_event("session.updated", fields), after=0.1)
    for number in (1, 2):
        response(spoken_turn(session).wait(0.3), number, 1.5)
        session.wait(2.0)
    return session.app_closes(1000)


# -- Ultravox


def hangs_up_again(calls: int) -> WireSession:
    """Each result makes the agent speak, and it has nothing to say but the same call."""
    url = "wss://voice.ultravox.ai/calls/0b1c2d3e-0000-4000-8000-000000000000/server_web_socket"
    session = WireSession(url).accept()
    session.server({"type": "call_started", "callId": "0b1c2d3e-0000-4000-8000-000000000000"})
    session.server({"type": "state", "state": "listening"})
    session.stream(chunks(pcm(2.0, 48_000), 9600), 0.1)
    session.server(
        {"type": "transcript", "role": "user", "text": HELLO, "final": True, "ordinal": 1}
    )
    session.server({"type": "state", "state": "speaking"}, after=0.2)
    session.stream(chunks(pcm(1.5, 48_000), 9600), 0.05, from_client=False)
    text = "Thank you, and good bye."
    session.server(
        {"type": "transcript", "role": "agent", "text": text, "final": True, "ordinal": 2}
    )
    session.server({"type": "state", "state": "listening"})
    for number in range(calls):
        call = {"toolName": "hangup", "invocationId": f"inv_{number}", "parameters": {}}
        session.server({"type": "client_tool_invocation", **call}, after=0.3)
        result = {"invocationId": f"inv_{number}", "result": "Do not call hangup again."}
        session.app({"type": "client_tool_result", **result}, after=0.02)
    return session.app_closes(1000, after=1.0)


# -- Gemini Live


def same_sentence(*texts: str) -> WireSession:
    """One generation: the sentences, with seven seconds of silence before each further one."""
    session = user_turn(gemini_ready({**TOOLS, "outputAudioTranscription": {}})).wait(0.3)
    for number, text in enumerate(texts):
        mute(session, 7.0 if number else 0.1)
        for data in chunks(pcm(2.5, 24_000), 9600):
            part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
            session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.02)
        session.server(gemini_content({"outputTranscription": {"text": text}}))
    call = {"id": "function-call-1", "name": "get_weather", "args": {"location": "Oslo"}}
    session.server({"toolCall": {"functionCalls": [call]}}, after=0.2)
    session.app(tool_response(), after=0.3)
    gemini_says(session.wait(0.3))
    return mute(session, 2.0).app_closes(1000)


def call_dropped(*, answers: bool) -> WireSession:
    """The app asks for an answer without tools; the model calls one all the same."""
    session = gemini_says(user_turn(gemini_ready(TOOLS)).wait(0.3)).wait(1.0)
    turn = {"role": "user", "parts": [{"text": "Say good bye."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
    call = {"id": "function-call-1", "name": "get_weather", "args": {"location": "Oslo"}}
    session.server({"toolCall": {"functionCalls": [call]}}, after=0.5)
    if answers:
        gemini_says(session.app(tool_response(), after=0.2).wait(0.3))
        return mute(session, 2.0).app_closes(1000)
    user_turn(mute(session, 6.0))
    return mute(session, 8.0).app_closes(1000)


def file_of_speech(*, silent_end: float) -> WireSession:
    """A file, sent at once, with so much silence at its end."""
    session = gemini_ready()
    data = pcm(3.0) + bytes(round(32_000 * silent_end))
    session.stream(chunks(data, 3200), 0.01, gemini_audio)
    if silent_end:
        return gemini_says(session.wait(0.5)).app_closes(1000, after=1.0)
    return session.app_closes(1000, after=20.0)


# -- ElevenLabs


def ends_while_it_plays(*, waits: float) -> WireSession:
    """The agent says good bye, and the server closes so long after that."""
    session = user_speaks(greets(elevenlabs_agent()))
    said = {"user_transcript": "That is all, thank you."}
    session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.2)
    greets(session)
    tool = {"tool_name": "end_call", "tool_call_id": "call_1", "tool_type": "system"}
    session.server(
        {"type": "agent_tool_response", "agent_tool_response": {**tool, "is_error": False}}
    )

    def quiet(data: bytes) -> Message:
        return {"user_audio_chunk": b64(data)}

    session.stream([b"\xff" * 320] * round(waits * 25), 0.04, quiet)
    return session.server_closes(1000)


REPORTS = [
    Report(
        "oai-slower",
        "latency",
        "twilio-samples/speech-assistant-openai-realtime-api-node#38",
        "realtime slows down",
        "after some minutes an answer takes half a minute",
        "the service begins each answer later than the one before",
        lambda: slower(0.6, 0.7, 0.8, 14.0, 31.0),
        ("late|latency|slow|long", r"31|3[0-2](\.\d)? s|14"),
        lambda: slower(0.6, 0.7, 0.8, 0.7, 0.6),
        "each answer begins at once",
        ("late", "slow"),
        (*NO_KEY, "did not answer", "never"),
        complete=True,
    ),
    Report(
        "xai-says-and-calls",
        "two answers",
        "livekit/agents#6411",
        "post-tool reply fires even when the function-call response already produced audio",
        "the caller hears two answers to one question",
        "a response speaks and calls a function; the app requests another one for its result",
        lambda: says_and_calls(words=True),
        ("twice|two|second|again|both", "function|tool"),
        lambda: says_and_calls(words=False),
        "the response with the call says nothing",
        ("twice", "two answers"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-same-call-again",
        "function calls",
        "openai/openai-realtime-api-beta#31",
        "Tool is called repeatedly",
        "one question makes ten calls of the function",
        "the model repeats the call with the same arguments, as each result is answered so",
        lambda: calls_again(*['{"lat": 59.9, "lng": 10.7}'] * 8),
        ("function|tool|collect_name", "again|repeat|same|times|8"),
        lambda: calls_again('{"lat": 59.9, "lng": 10.7}', '{"lat": 48.9, "lng": 2.4}'),
        "two places are asked for",
        ("again", "repeat", "same"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-tool-required",
        "function calls",
        "livekit/agents#1145",
        "tool_choice=required results in endless loop when using RealtimeModel",
        "the agent calls functions for ever, and says nothing",
        "tool_choice is required: each response has to call a function",
        lambda: tool_choice("required", 8),
        ("tool_choice|required|again|repeat|times|8",),
        lambda: tool_choice("auto", 1),
        "tool_choice is auto",
        ("tool_choice", "required", "again"),
        (*NO_KEY,),
    ),
    Report(
        "uv-hangup-again",
        "function calls",
        "aplisay/llm-agent#354",
        "stop Ultravox re-calling hangup after the first result",
        "the agent calls hangup ten times in three seconds",
        "each result makes the agent take a turn, as none says that it shall not",
        lambda: hangs_up_again(10),
        ("hangup|tool|function|client_tool", "again|repeat|same|times|10"),
        lambda: hangs_up_again(1),
        "it is called once",
        ("again", "repeat"),
        (*NO_KEY,),
        complete=True,
    ),
    Report(
        "gem-same-sentence",
        "repetition",
        "google-gemini/gemini-live-api-examples#46",
        "the model repeats the same sentence 2-4 times inside one generation",
        "the caller hears one sentence four times, with seconds of silence between",
        "the generation stalls, and the model says the same again",
        lambda: same_sentence(*["Perfect, one moment while I update the system."] * 4),
        ("same|again|repeat|times|more than once", "words|sentence|said|says|speak|spoke|text"),
        lambda: same_sentence("Perfect, one moment.", "I have found it, it rains."),
        "there are two sentences",
        ("same", "repeat"),
        (*NO_KEY, "did not answer", "user's speech"),
        complete=True,
    ),
    Report(
        "oai-app-cancels",
        "interruption",
        "livekit/agents#6635",
        "RealtimeModel forces response.cancel even when OpenAI interrupt_response=False",
        "the agent stops at any sound, although interrupt_response is false",
        "the app itself sends response.cancel when speech is reported",
        lambda: app_cancels(cancels=True),
        (r"response\.cancel|cancel", "app|interrupt"),
        lambda: app_cancels(cancels=False),
        "it does not",
        ("cancel",),
        (*NO_KEY, "did not answer", "echo"),
        complete=True,
    ),
    Report(
        "gw-not-created",
        "interruption",
        "Project-N-E-K-O/N.E.K.O#2900",
        "Realtime voice responses can be interrupted",
        "answers are cut off after five seconds",
        "the server sends no response.created: the app cancels the answer, and closes",
        lambda: not_created(created=False),
        (r"cancel|response\.created|response\.done",),
        lambda: not_created(created=True),
        "response.created comes",
        ("cancel",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-never-set",
        "no effect",
        "livekit/agents#1183",
        "System prompt is ignored after fatal errors with realtime api",
        "the agent has another voice and another role than before",
        "the new session is never configured: it has the defaults",
        lambda: never_set(sets=False),
        (r"session\.update|settings|instructions|configur", "default|never|no |not "),
        lambda: never_set(sets=True),
        "session.update is sent",
        (r"session\.update", "default"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-call-dropped",
        "function calls",
        "livekit/agents#6002",
        "Gemini realtime does not support GPT-style tool control",
        "the agent is silent from the call of a function on",
        "the app drops the call, and sends no answer to it",
        lambda: call_dropped(answers=False),
        ("function|tool", "not answered|no answer|never|unanswered"),
        lambda: call_dropped(answers=True),
        "it is answered",
        ("not answered", "no answer"),
        (*NO_KEY, "microphone"),
    ),
    Report(
        "gem-file-without-silence",
        "no answer",
        "google-gemini/cookbook#408",
        "Gemini 2.0 Live API hangs for certain audios",
        "for some files, no answer comes",
        "the file ends in the middle of the speech: no silence ends the turn",
        lambda: file_of_speech(silent_end=0.0),
        (NO_ANSWER, "silence|end of|audioStreamEnd|turn"),
        lambda: file_of_speech(silent_end=1.0),
        "the file ends in silence",
        ("not answer", "no answer"),
        (*NO_KEY, "no speech"),
    ),
    Report(
        "xi-ends-while-it-plays",
        "cut off",
        "elevenlabs/packages#419",
        "Last sentence cuts off before the conversation is ended.",
        "the agent's last sentence is cut off",
        "the server closes as soon as it has sent the audio, which still has to be played",
        lambda: ends_while_it_plays(waits=0.1),
        ("play", "close|end|left"),
        lambda: ends_while_it_plays(waits=3.0),
        "it waits until it is played",
        ("play",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
]
"""Reports."""
