"""Such reports of OpenAI Realtime, and of servers that have its messages."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from openai_reports import BETA
from provider_sessions import (
    OPENAI_KEY,
    Json,
    append,
    b64,
    chunks,
    openai,
    pcm,
    response_done,
    session_event,
    spoken_turn,
    transcribed,
    wav_header,
)
from tool_call_reports import called, output_of
from unanswered_agent_reports import NO_ANSWER, NO_KEY
from voice_agent_reports import quiet
from wire_session import Message, WireSession
from wrong_answer_reports import configured, response, silence

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"


# -- compatibles of OpenAI Realtime


def glm(*, tools: bool) -> WireSession:
    """Each 100 ms are a WAV file of their own; with tools, server VAD finds no end."""
    url = "wss://open.bigmodel.cn/api/paas/v4/realtime"
    session = WireSession(url, {"Authorization": "Bearer " + "Synthetic0" * 4}).accept()
    session.server({"type": "session.created", "session": {"id": "sess_1", "model": "glm"}})
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
    fields: Json = {"modalities": ["audio", "text"], "input_audio_format": "wav"}
    fields |= {"output_audio_format": "pcm", "tools": [tool] if tools else []}
    fields["turn_detection"] = {"type": "server_vad", "silence_duration_ms": 500}
    fields["beta_fields"] = {"chat_mode": "audio", "tts_source": "e2e"}
    session.app({"type": "session.update", "session": fields})
    session.server({"type": "session.updated", "session": fields}, after=0.1)

    def wav(data: bytes) -> Message:
        return {"type": "input_audio_buffer.append", "audio": b64(wav_header() + data)}

    session.stream(chunks(pcm(2.5), 3200), 0.1, wav)
    session.server({"type": "input_audio_buffer.speech_started"})
    if tools:
        session.stream([bytes(3200)] * 150, 0.1, wav)
        return session.app_closes(1000)
    session.stream([bytes(3200)] * 7, 0.1, wav)
    session.server({"type": "input_audio_buffer.speech_stopped"})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    kind = "response.audio.delta"
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server({"type": kind, "response_id": "r1", "delta": b64(data)}, after=0.05)
    session.server({"type": "response.audio_transcript.done", "transcript": "你好。"})
    return session.server(response_done("completed")).app_closes(1000, after=2.0)


def local_server() -> WireSession:
    url = "ws://127.0.0.1:8765/v1/realtime?model=local"
    return WireSession(url, {"Authorization": f"Bearer {OPENAI_KEY}"}).accept()


def waits_for_confirmation(*, confirmed: bool) -> WireSession:
    """The app sends its audio when the settings are confirmed."""
    session = local_server().server(session_event("session.created"))
    session.app({"type": "session.update", "session": configuration()})
    if not confirmed:
        return session.app_closes(1000, after=15.0)
    session.server(session_event("session.updated", configuration()), after=0.1)
    response(spoken_turn(session).wait(0.3), 1, 1.5)
    return session.app_closes(1000, after=2.0)


def configuration() -> Json:
    detection = {"type": "server_vad"}
    audio: Json = {"input": {"turn_detection": detection}, "output": {"voice": "marin"}}
    return {"type": "realtime", "instructions": "Be brief.", "audio": audio}


def speech_model(used: str) -> WireSession:
    """A server with other models: the app chooses one of them for the speech."""
    session = local_server()
    wanted: Json = {"modalities": ["audio", "text"], "voice": "thorsten", "temperature": 0.7}
    wanted["speech_model"] = "speaches-ai/piper-de_DE-thorsten-high"
    default = {**wanted, "voice": "af_heart", "speech_model": "speaches-ai/Kokoro-82M-v1.0-ONNX"}
    session.server({"type": "session.created", "session": {"id": "sess_1", **default}})
    session.app({"type": "session.update", "session": wanted})
    updated = {"id": "sess_1", **wanted, "speech_model": used}
    session.server({"type": "session.updated", "session": updated}, after=0.1)
    response(spoken_turn(session).wait(0.3), 1, 1.5)
    return session.app_closes(1000, after=2.0)


# -- OpenAI


def instructs_one_answer(*, whole: bool) -> WireSession:
    """One answer is requested with instructions of its own."""
    session = spoken_turn(configured(detection={"create_response": False}))
    instructions = "Greet the caller in one sentence."
    if whole:
        instructions = f"Be brief. {instructions}"
    session.app({"type": "response.create", "response": {"instructions": instructions}})
    response(session.wait(0.3), 1, 1.5)
    spoken_turn(session.wait(1.0)).app({"type": "response.create"})
    response(session.wait(0.3), 2, 1.5)
    return session.app_closes(1000, after=2.0)


def truncates(*, seconds: float) -> WireSession:
    """The user speaks so long after the beginning of an answer of two seconds."""
    session = response(spoken_turn(configured()).wait(0.3), 1, 2.0)
    silence(session, seconds)
    session.stream(chunks(pcm(4.0, 24_000)[96_000:144_000], 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 9700})
    at = {"item_id": "item_a1", "content_index": 0, "audio_end_ms": 1100}
    session.app({"type": "conversation.item.truncate", **at})
    session.server({"type": "conversation.item.truncated", **at}, after=0.05)
    silence(session, 0.5)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 10_700})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_2"})
    response(session.wait(0.3), 2, 2.0)
    return silence(session, 3.0).app_closes(1000)


def slow_function(seconds: float) -> WireSession:
    session = silence(called("call_1"), seconds)
    session.app(output_of("call_1"), {"type": "response.create"})
    response(session.wait(0.4), 2, 2.0)
    return silence(session, 3.0).app_closes(1000)


def hears_itself(*, echo: bool) -> WireSession:
    """No echo cancellation: the answers are cancelled, as the microphone hears them."""
    session = spoken_turn(configured({"model": "whisper-1"}, {"type": "semantic_vad"}))
    for number in range(1, 6):
        ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
        state = {"object": "realtime.response", "id": f"resp_{number}"}
        session.server({"type": "response.created", "response": state}, after=0.3)
        kind = "response.output_audio.delta"
        for data in chunks(pcm(2.0, 24_000), 9600):
            session.server({"type": kind, **ids, "delta": b64(data)}, after=0.02)
        if not echo:
            session.server({"type": "response.done", "response": {**state, "status": "completed"}})
            spoken_turn(silence(session, 3.0))
            continue
        heard = bytes(9600) + quiet(pcm(2.0, 24_000), 0.3)[:57_600]
        session.stream(chunks(heard, 4800), 0.1, append)
        session.server({"type": "input_audio_buffer.speech_started", "item_id": f"item_u{number}"})
        reason = {"type": "cancelled", "reason": "turn_detected"}
        done = {**state, "status": "cancelled", "status_details": reason}
        session.server({"type": "response.done", "response": done})
        silence(session, 0.5)
        text = {"item_id": f"item_u{number}", "transcript": "Good morning, the"}
        session.server({"type": TRANSCRIBED, **text})
    return silence(session, 2.0).app_closes(1000)


def answers_in(*languages: str, instructions: str = "Be brief.", question: str = "") -> WireSession:
    """The user speaks English; the first thing that is said may be another one."""
    texts = {
        "en": "Your parcel is on its way, and it will be with you this afternoon.",
        "es": "Su paquete está en camino y llegará a su casa esta tarde.",
    }
    session = configured({"model": "whisper-1", "language": "en"}, instructions=instructions)
    for number, language in enumerate(languages, 1):
        spoken_turn(session)
        words = question if number == 1 else ""
        transcribed(session, words or "Where is the parcel that I ordered?", after=0.3)
        ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
        state = {"object": "realtime.response", "id": f"resp_{number}"}
        session.server({"type": "response.created", "response": state}, after=0.2)
        kind = "response.output_audio.delta"
        for data in chunks(pcm(2.5, 24_000), 9600):
            session.server({"type": kind, **ids, "delta": b64(data)}, after=0.02)
        text = {**ids, "transcript": texts[language]}
        session.server({"type": "response.output_audio_transcript.done", **text})
        session.server({"type": "response.done", "response": {**state, "status": "completed"}})
        session.wait(2.0)
    return session.app_closes(1000)


def telephone_speaks_on(*, stops: bool) -> WireSession:
    """A bridge to a telephone: ten seconds of an answer arrive at once."""
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-10-01"
    session = openai(path, {"OpenAI-Beta": "realtime=v1"}).accept()
    fields = BETA | {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
    session.server(session_event("session.created", BETA))
    session.app({"type": "session.update", "session": fields})
    session.server(session_event("session.updated", fields), after=0.1)
    for number, length in ((1, 10.0), (2, 2.0)):
        caller(session, mulaw(pcm(2.0, 8000)))
        session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 100})
        if number == 2 and stops:
            at = {"item_id": "item_a1", "content_index": 0, "audio_end_ms": 2500}
            session.app({"type": "conversation.item.truncate", **at})
            session.server({"type": "conversation.item.truncated", **at}, after=0.05)
        caller(session, b"\xff" * 4800)
        session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2100})
        state = {"object": "realtime.response", "id": f"resp_{number}", "status": "in_progress"}
        session.server({"type": "response.created", "response": state}, after=0.3)
        ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
        for data in chunks(mulaw(pcm(length, 8000)), 4000):
            session.server({"type": "response.audio.delta", **ids, "delta": b64(data)}, after=0.02)
        done = {**state, "status": "completed", "output": [{"id": ids["item_id"]}]}
        session.server({"type": "response.done", "response": done})
        caller(session, b"\xff" * 12_000)
    return session.app_closes(1000)


def caller(session: WireSession, data: bytes) -> WireSession:
    return session.stream(chunks(data, 160), 0.02, append)


REPORTS = [
    Report(
        "glm-vad-with-tools",
        "no answer",
        "MetaGLM/glm-realtime-sdk#21",
        "speech_stopped never comes when server_vad and tools are both enabled",
        "the conversation is stuck after the first sentence",
        "with tools, the service's turn detection finds no end of the speech",
        lambda: glm(tools=True),
        (f"speech_stopped|end of|{NO_ANSWER}", "spoke|speech|turn"),
        lambda: glm(tools=False),
        "the end is found, and the agent answers",
        ("not answer", "no answer", "speech_stopped"),
        (*NO_KEY, "no speech"),
    ),
    Report(
        "oai-truncates-what-was-heard",
        "history",
        "openai/openai-agents-js#523",
        "Latest output_audio transcripts item is removed when a user interrupts",
        "the agent's words vanish from the history when the user speaks",
        "each speech of the user is taken for an interruption, long after the answer's end",
        lambda: truncates(seconds=8.0),
        ("truncate", "played|heard|after|end|whole|complete|already"),
        lambda: truncates(seconds=0.9),
        "the user interrupts",
        ("truncate",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-slow-function",
        "latency",
        "inkbox-ai/hermes-agent-plugin#7",
        "Realtime calls: long-running tool calls block the agent mid-call",
        "the agent is silent for half a minute in the middle of a call",
        "the app answers the function call after so long",
        lambda: slow_function(28.0),
        ("function|tool", r"2[78](\.\d)? s|long|late|slow"),
        lambda: slow_function(1.0),
        "it answers at once",
        ("function", "late"),
        (*NO_KEY, "did not answer", "was not answered", "microphone"),
        complete=True,
    ),
    Report(
        "oai-hears-itself",
        "echo",
        "AIProxyTeam/AIProxySwift#240",
        "Realtime OpenAI Model Hearing Itself",
        "the model interrupts itself in a loop",
        "the microphone hears the loudspeaker",
        lambda: hears_itself(echo=True),
        ("echo|itself|own voice",),
        lambda: hears_itself(echo=False),
        "headphones",
        ("echo", "itself"),
        (*NO_KEY, "did not answer"),
    ),
    Report(
        "hf-not-confirmed",
        "no effect",
        "huggingface/speech-to-speech#413",
        "Send session.updated after session.update",
        "the client sits idle until it gives up",
        "the server does not confirm session.update, and the app waits for that",
        lambda: waits_for_confirmation(confirmed=False),
        (r"session\.updated?|confirm|acknowledg", "never|not|no |without"),
        lambda: waits_for_confirmation(confirmed=True),
        "it is confirmed",
        (r"session\.update",),
        (*NO_KEY, "microphone"),
    ),
    Report(
        "oai-telephone-speaks-on",
        "interruption",
        "twilio-samples/speech-assistant-openai-realtime-api-node#9",
        "AI does not stop speaking after VAD detects interrupt",
        "the agent speaks on when the caller interrupts",
        "the audio of the answer has all arrived; the app neither stops nor truncates it",
        lambda: telephone_speaks_on(stops=False),
        ("truncate|stop|interrupt",),
        lambda: telephone_speaks_on(stops=True),
        "it is truncated",
        ("truncate",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "sp-speech-model",
        "no effect",
        "speaches-ai/speaches#557",
        "Realtime session.update: speech_model not honored for TTS",
        "the voice is the chosen one, and the model is the default one",
        "the server takes the message and keeps its speech_model",
        lambda: speech_model("speaches-ai/Kokoro-82M-v1.0-ONNX"),
        ("speech_model", "no effect|default|another|not "),
        lambda: speech_model("speaches-ai/piper-de_DE-thorsten-high"),
        "it is applied",
        ("speech_model",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-response-instructions",
        "no effect",
        "livekit/agents#5394",
        "prepend session instructions in realtime generate_reply",
        "for one answer, the agent forgets who it is",
        "the instructions of a response replace those of the session",
        lambda: instructs_one_answer(whole=False),
        ("instructions", "replace|instead|in place|override|without"),
        lambda: instructs_one_answer(whole=True),
        "they contain those of the session",
        ("instructions",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-answers-in-spanish",
        "wrong language",
        "pipecat-ai/pipecat#2437",
        "Foundational 19: Respond in English",
        "the agent speaks Spanish to a user who speaks English",
        "the model chooses the language, unless the instructions name one",
        lambda: answers_in("en", "es", "en", "es"),
        ("language|Spanish",),
        lambda: answers_in("en", "en", "en", "en"),
        "all answers are English",
        ("language", "Spanish"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
]
"""Reports."""
