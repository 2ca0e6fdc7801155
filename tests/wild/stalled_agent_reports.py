"""The last reports of voice agents without an error message, tried after all of these changes."""

from __future__ import annotations

import random
from array import array

from agent_limit_reports import user_turn
from bug_report import Report
from deepgram_reports import agent as deepgram_agent
from deepgram_reports import agent_settings
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import greets, user_speaks
from provider_sessions import (
    append,
    b64,
    chunks,
    committed,
    gemini,
    gemini_content,
    gemini_ready,
    gemini_says,
    pcm,
    spoken_turn,
    transcribed,
)
from tool_call_reports import called, output_of
from unanswered_agent_reports import NO_ANSWER, NO_KEY, mute
from wire_session import WireSession
from wrong_answer_reports import configured, response, silence


def asks_for_a_greeting(*, model: str, answers: bool) -> WireSession:
    session = gemini(model).server(b'{"setupComplete": {}}', after=0.1)
    turn = {"role": "user", "parts": [{"text": "Greet the user."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
    if answers:
        gemini_says(session.wait(0.6))
        return mute(session, 3.0).app_closes(1000)
    return mute(session, 14.0).app_closes(1000)


def freezes(*, frozen: bool) -> WireSession:
    """The audio stops in the middle of an answer; nothing more comes."""
    session = gemini_says(user_turn(gemini_ready()).wait(0.3))
    user_turn(mute(session, 2.0))
    if not frozen:
        gemini_says(session.wait(0.3), 3.0)
        return mute(session, 4.0).app_closes(1000)
    for data in chunks(pcm(1.2, 24_000), 9600):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.1)
    mute(session, 5.0)
    user_turn(session, 1.0)
    return mute(session, 4.0).app_closes(1000)


def stalls(seconds: float) -> WireSession:
    """The audio of each answer pauses for so long after its first second."""
    session = gemini_ready({"outputAudioTranscription": {}})
    for _ in range(2):
        user_turn(session).wait(0.3)
        for part_number in range(2):
            for data in chunks(pcm(1.2, 24_000), 9600):
                part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
                session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.02)
            if part_number == 0:
                mute(session, seconds)
        text = {"text": "Your parcel is on its way to you."}
        session.server(gemini_content({"outputTranscription": text}))
        session.server(gemini_content({"generationComplete": True}))
        session.server(gemini_content({"turnComplete": True}))
        mute(session, 3.0)
    return session.app_closes(1000)


def one_empty_turn(*, empty: bool) -> WireSession:
    """A turn ends with nothing in it; the caller asks again, and is answered."""
    session = gemini_says(user_turn(gemini_ready({"inputAudioTranscription": {}})).wait(0.3))
    user_turn(mute(session, 2.0))
    session.server(gemini_content({"inputTranscription": {"text": "Which one is mine?"}}))
    if not empty:
        gemini_says(session.wait(0.3))
        return mute(session, 3.0).app_closes(1000)
    session.server(gemini_content({"turnComplete": True}), after=0.3)
    user_turn(mute(session, 8.0), 1.0)
    session.server(gemini_content({"inputTranscription": {"text": "Hello?"}}))
    gemini_says(session.wait(0.3))
    return mute(session, 3.0).app_closes(1000)


def stalls_at_a_function(*, answers: bool) -> WireSession:
    """Nothing follows a function call, until the user speaks again."""
    session = called("call_1")
    if answers:
        session.app(output_of("call_1"), {"type": "response.create"}, after=0.3)
        response(session.wait(0.3), 2, 2.0)
        return silence(session, 4.0).app_closes(1000)
    silence(session, 9.0)
    spoken_turn(session, 1.0)
    response(session.wait(0.3), 2, 1.5)
    return silence(session, 4.0).app_closes(1000)


def answers_noise(*, spoken: bool) -> WireSession:
    """Server VAD takes noise for speech, and the agent answers it."""
    session = configured({"model": "whisper-1"})
    dice = random.Random(1)
    for number in range(1, 4):
        if spoken:
            spoken_turn(session)
        else:
            noise = array("h", (dice.randint(-160, 160) for _ in range(24_000 * 3)))
            session.stream(chunks(noise.tobytes(), 4800), 0.1, append)
            session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 900})
            session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 1500})
            committed(session)
        text = "What is the price of it?" if spoken else ""
        transcribed(session, text, after=0.2)
        response(session.wait(0.3), number, 1.5)
        session.wait(2.0)
    return session.app_closes(1000)


def mixes_both_voices(*, echo: bool) -> WireSession:
    """What is taken for the user begins with the user's words, and goes on with the agent's."""
    session = deepgram_agent().app(agent_settings()).server({"type": "SettingsApplied"}, after=0.1)
    said = (
        "Hello! I'm Sarah from the parcel service. How can I help you today?",
        "It seems there is a mix-up with names! How may I help you?",
        "I am here to assist you with your parcel. What is its number?",
        "Please tell me what you need, and I will look it up.",
    )
    heard = (
        "Hello. I'm Sarah from the parcel service.",
        "a mix up with names how may I help you",
        "assist you with your parcel what is its number",
    )
    own = ("I want my parcel.", "The blue one that I ordered.", "It is four two seven.")
    for number, text in enumerate(said):
        message = {"type": "ConversationText", "role": "assistant", "content": text}
        session.server(message, after=0.3)
        session.stream(chunks(pcm(2.0, 24_000), 9600), 0.02, from_client=False)
        session.server({"type": "AgentAudioDone"})
        if number < len(heard):
            session.server({"type": "UserStartedSpeaking"}, after=0.2)
            session.stream(chunks(pcm(1.8), 3200), 0.1).stream([bytes(3200)] * 6, 0.1)
            words = heard[number] if echo else own[number]
            session.server({"type": "ConversationText", "role": "user", "content": words})
    return session.stream([bytes(3200)] * 20, 0.1).app_closes(1000)


def stuck_in_listening(*, answers: bool) -> WireSession:
    session = greets(elevenlabs_agent())
    for number in range(3):
        user_speaks(session.wait(1.0), seconds=1.5)
        session.stream([b"\xff" * 320] * 75, 0.04, lambda each: {"user_audio_chunk": b64(each)})
        session.server({"type": "ping", "ping_event": {"event_id": number + 50}})
        session.app({"type": "pong", "event_id": number + 50})
        if answers:
            said = {"user_transcript": "What is the price of it?"}
            session.server({"type": "user_transcript", "user_transcription_event": said})
            greets(session)
    return session.server_closes(1000, after=2.0)


REPORTS = [
    Report(
        "gem-greeting-never-comes",
        "no greeting",
        "livekit/agents#5260",
        "generate_reply times out on first dialogue with gemini-3.1-flash-live-preview",
        "the agent does not greet; the same code works with another model",
        "this model does not answer a clientContent",
        lambda: asks_for_a_greeting(model="models/gemini-3.1-flash-live-preview", answers=False),
        ("text|clientContent|app asked", NO_ANSWER),
        lambda: asks_for_a_greeting(model="models/gemini-2.5-flash-live", answers=True),
        "the model answers",
        ("not answer", "none came"),
        (*NO_KEY, "user spoke", "microphone"),
    ),
    Report(
        "gem-freezes",
        "no answer",
        "google-gemini/gemini-live-api-examples#54",
        "Model audio output freezes mid-conversation - stops producing audio with no error",
        "the agent stops in mid-sentence, and never speaks again",
        "the service sends nothing more of the answer, nor of later ones",
        lambda: freezes(frozen=True),
        (f"stop|never came|did not come|freez|{NO_ANSWER}",),
        lambda: freezes(frozen=False),
        "the answer is complete",
        ("stop", "never came", "not answer"),
        (*NO_KEY, "no speech", "microphone"),
    ),
    Report(
        "gem-stalls-in-mid-sentence",
        "audio",
        "google-gemini/gemini-live-api-examples#57",
        "gemini live stalls mid sentence",
        "the agent pauses in mid-sentence, and goes on",
        "the audio comes in bursts, with more time between them than they take to play",
        lambda: stalls(3.0),
        (r"stall|gap|pause|late|slow|real time|ran out|runs? (dry|out)",),
        lambda: stalls(0.5),
        "the next burst comes in time",
        ("stall", "gap", "ran out"),
        (*NO_KEY, "did not answer", "no speech"),
        complete=True,
    ),
    Report(
        "gem-one-empty-turn",
        "no answer",
        "googleapis/python-genai#2117",
        "Gemini Live API Native Audio Premature turnComplete",
        "the agent stays silent, until the caller says hello",
        "a turn is complete, and has no audio",
        lambda: one_empty_turn(empty=True),
        (f"no audio|without (any )?audio|empty|{NO_ANSWER}",),
        lambda: one_empty_turn(empty=False),
        "the turn has audio",
        ("no audio", "empty", "not answer"),
        (*NO_KEY, "no speech"),
        complete=True,
    ),
    Report(
        "oai-stalls-at-a-function",
        "no answer",
        "pipecat-ai/pipecat#917",
        "OpenAI Realtime function calling bug",
        "the assistant does not respond after a function call, until it is asked again",
        "the app answers no function call",
        lambda: stalls_at_a_function(answers=False),
        ("function|tool", "not answered|no answer|no output|without (an )?(answer|output)"),
        lambda: stalls_at_a_function(answers=True),
        "it answers",
        ("not answered", "no output"),
        (*NO_KEY, "user spoke"),
    ),
    Report(
        "oai-answers-noise",
        "noise",
        "openai/openai-agents-python#301",
        "Streamed Voice Agent Demo - Multiple Performance Issues",
        "the agent answers although nobody speaks",
        "the detection of speech takes noise for it",
        lambda: answers_noise(spoken=False),
        (r"noise|no (audible )?speech|nobody|without speech|sensitiv|threshold",),
        lambda: answers_noise(spoken=True),
        "the user speaks",
        ("noise", "no speech", "nobody"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "dga-hears-itself",
        "echo",
        "deepgram-devs/flask-agent-function-calling-demo#11",
        "Agent transcribes its own voice and gets interrupted during user conversation",
        "the agent answers its own words",
        "the microphone hears the loudspeaker",
        lambda: mixes_both_voices(echo=True),
        ("echo|itself|own (voice|words|speech|output)",),
        lambda: mixes_both_voices(echo=False),
        "a user answers",
        ("echo", "itself"),
        (*NO_KEY, "did not answer"),
    ),
    Report(
        "xi-stuck-in-listening",
        "no answer",
        "elevenlabs/packages#336",
        "Agent stops randomly while being stuck in listening mode",
        "the agent listens, never answers, and the session ends without a warning",
        "not known: the speech is neither transcribed nor answered",
        lambda: stuck_in_listening(answers=False),
        (NO_ANSWER, "spoke|speech"),
        lambda: stuck_in_listening(answers=True),
        "it answers",
        ("not answer", "no answer"),
        (*NO_KEY, "no speech"),
    ),
]
"""Reports."""
