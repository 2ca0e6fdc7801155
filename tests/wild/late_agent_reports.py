"""Reports of voice agents that were searched out after the changes for the others."""

from __future__ import annotations

from agent_limit_reports import user_turn
from bug_report import Report
from provider_sessions import (
    REALTIME_SESSION,
    Json,
    append,
    b64,
    chunks,
    committed,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    openai,
    pcm,
    response_done,
    session_event,
    spoken_turn,
    transcribed,
)
from tool_call_reports import called, output_of
from unanswered_agent_reports import NO_ANSWER, NO_KEY, mute
from wire_session import WireSession
from wrong_answer_reports import configured, response, silence

ASKS = "Good morning! Before starting, are you an individual or a professional?"


# -- OpenAI Realtime


def says(session: WireSession, number: int, text: str, *, late: bool = False) -> WireSession:
    """An answer; a part of its audio may come after its end."""
    ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
    state: Json = {"object": "realtime.response", "id": f"resp_{number}"}
    session.server({"type": "response.created", "response": {**state, "status": "in_progress"}})
    deltas = [
        {"type": "response.output_audio.delta", **ids, "delta": b64(data)}
        for data in chunks(pcm(2.5, 24_000), 9600)
    ]
    for delta in deltas[:-3] if late else deltas:
        session.server(delta, after=0.02)
    session.server({"type": "response.output_audio_transcript.done", **ids, "transcript": text})
    session.server({"type": "response.output_audio.done", **ids})
    done = response_done("completed")
    done["response"] |= {"id": f"resp_{number}", "output": [{"id": ids["item_id"]}]}
    session.server(done)
    for delta in deltas[-3:] if late else ():
        session.server(delta, after=0.03)
    return session


def asks_again(*, again: bool) -> WireSession:
    """The agent's first sentence comes twice, and once more after the user's answer."""
    session = configured({"model": "whisper-1", "language": "en"})
    says(session.app({"type": "response.create"}).wait(0.3), 1, ASKS)
    silence(session, 2.6)
    if again:
        says(session.app({"type": "response.create"}).wait(0.3), 2, ASKS)
        silence(session, 3.0)
    transcribed(spoken_turn(session), "I am an individual.")
    says(session.wait(0.3), 3, ASKS if again else "Good, how may I help you?")
    return silence(session, 3.0).app_closes(1000)


def no_user_words(*, asks: bool) -> WireSession:
    """The app waits for the words of the user, and has not asked for them."""
    session = configured({"model": "whisper-1"} if asks else None)
    for number in (1, 2):
        spoken_turn(session)
        if asks:
            transcribed(session, "Where is my parcel?")
        response(session.wait(0.3), number, 1.5)
        silence(session, 2.0)
    return session.app_closes(1000)


def audio_after_done(*, late: bool) -> WireSession:
    """The last tenths of a second of each answer come after response.done."""
    session = configured()
    for number in (1, 2, 3):
        says(spoken_turn(session).wait(0.3), number, f"Answer {number}.", late=late)
        silence(session, 3.0)
    return session.app_closes(1000)


def never_requested(*, requested: bool) -> WireSession:
    """No turn detection: the app commits what was said, and waits for an answer."""
    session = realtime_by_hand()
    for number in (1, 2):
        session.stream(chunks(pcm(2.0, 24_000), 4800), 0.1, append)
        session.app({"type": "input_audio_buffer.commit"})
        committed(session.wait(0.05))
        if requested:
            response(session.app({"type": "response.create"}).wait(0.3), number, 1.5)
        session.wait(8.0)
    return session.app_closes(1000)


def realtime_by_hand() -> WireSession:
    fields = {**REALTIME_SESSION, "audio": {"input": {"turn_detection": None}}}
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": fields})
    return session.server(session_event("session.updated", fields), after=0.1)


def call_ignored(*, answers: bool) -> WireSession:
    """The app has no place for calls in what it records, and goes on without an answer."""
    session = called("call_1")
    if answers:
        session.app(output_of("call_1"), {"type": "response.create"}, after=0.2)
        response(session.wait(0.3), 2, 1.5)
        return silence(session, 2.0).app_closes(1000)
    silence(session, 6.0)
    spoken_turn(session)
    return silence(session, 6.0).app_closes(1000)


# -- Gemini Live


def half_duplex(*, streams: bool) -> WireSession:
    """The app sends what the user said after a pause; while the agent speaks, it sends nothing."""
    session = gemini_ready()
    for _ in range(2):
        session.stream(chunks(pcm(2.0) + bytes(16_000), 3200), 0.005, gemini_audio)
        gemini_says(session.wait(0.5), 8.0)
        if streams:
            mute(session, 2.0).stream(chunks(pcm(1.0), 3200), 0.1, gemini_audio)
            session.server(gemini_content({"interrupted": True}))
            mute(session, 2.0)
        else:
            session.wait(8.0)
    return session.app_closes(1000, after=1.0)


def resumes_the_old(*, resumes: bool) -> WireSession:
    """A text in the middle of an answer: the audio of that answer goes on, and no other comes."""
    session = user_turn(gemini_ready({"outputAudioTranscription": {}})).wait(0.3)

    def part(text: str) -> None:
        for data in chunks(pcm(2.0, 24_000), 9600):
            blob = {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}
            content: Json = {"modelTurn": {"parts": [{"inlineData": blob}]}}
            session.server(gemini_content(content), after=0.05)
        session.server(gemini_content({"outputTranscription": {"text": text}}))

    part("Whales are the largest animals that ever lived. ")
    turn = {"role": "user", "parts": [{"text": "Speak about bees instead."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
    if not resumes:
        session.server(gemini_content({"interrupted": True}), after=0.1)
        session.server(gemini_content({"turnComplete": True}))
        part("Bees live in colonies.")
    else:
        part("A blue whale weighs as much as thirty elephants.")
    session.server(gemini_content({"generationComplete": True}))
    session.server(gemini_content({"turnComplete": True}))
    return mute(session, 12.0 if resumes else 3.0).app_closes(1000)


def reply_times_out(*, answers: bool) -> WireSession:
    """Right after the start, the app has the agent begin; nothing comes in ten seconds."""
    session = gemini_ready()
    turn = {"role": "user", "parts": [{"text": "Greet the caller."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
    if answers:
        gemini_says(session.wait(0.5))
        return mute(session, 3.0).app_closes(1000)
    return mute(session, 12.0).app_closes(1000)


REPORTS = [
    Report(
        "oai-asks-again",
        "repetition",
        "openai/openai-agents-js#445",
        "Realtime agent stuck in a conversational loop after 0.1.0 update",
        "the agent asks its first question two or three times",
        "answers are requested again, and have the same words",
        lambda: asks_again(again=True),
        ("again|twice|same|repeat|two", "answer|said|sentence|words|question"),
        lambda: asks_again(again=False),
        "it asks once",
        ("again", "twice", "same"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-audio-after-done",
        "cut off",
        "fuwei007/OpenAI-realtimeapi-dotnetsdk#73",
        "Audio is cut off randomly from AI responses",
        "the last words of answers are not heard",
        "audio of an answer comes after response.output_audio.done, when the app has stopped",
        lambda: audio_after_done(late=True),
        ("audio", "after"),
        lambda: audio_after_done(late=False),
        "all audio comes before",
        ("after its end", "after the end", "came after"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-half-duplex",
        "interruption",
        "gradio-app/fastrtc#417",
        "Agent is not interruptible.",
        "the agent speaks on when the user speaks",
        "the app sends no audio while the agent speaks",
        lambda: half_duplex(streams=False),
        ("no audio|sent nothing|not send|stopped|pause", "agent|answer|interrupt|while"),
        lambda: half_duplex(streams=True),
        "audio is sent all the time",
        ("no audio", "interrupt"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-resumes-the-old",
        "interruption",
        "google/adk-python#2972",
        "Interrupt the ongoing bidirectional audio using text",
        "the agent speaks on about the old topic; the text has no answer of its own",
        "the text does not interrupt the answer, and none follows",
        lambda: resumes_the_old(resumes=True),
        (NO_ANSWER, "text|asked|request"),
        lambda: resumes_the_old(resumes=False),
        "it interrupts",
        ("not answer", "no answer"),
        (*NO_KEY, "microphone"),
    ),
    Report(
        "gem-reply-times-out",
        "no answer",
        "livekit/agents#4623",
        "generate_reply timed out waiting for generation_created event",
        "the agent does not begin, and the library raises a timeout",
        "the service generates nothing for the first turn of the client",
        lambda: reply_times_out(answers=False),
        (NO_ANSWER, "asked|request|text"),
        lambda: reply_times_out(answers=True),
        "it is answered",
        ("not answer", "no answer"),
        (*NO_KEY, "microphone"),
    ),
    Report(
        "oai-never-requested",
        "no answer",
        "langwatch/scenario#711",
        "support proceed()/generated turns (not just scripted user())",
        "audio is sent, and the wait for a response ends in a timeout",
        "turn_detection is null, and the app never sends response.create",
        lambda: never_requested(requested=False),
        (r"response\.create|request", "never|not |no "),
        lambda: never_requested(requested=True),
        "it is sent",
        (r"response\.create",),
        (*NO_KEY, "microphone"),
    ),
    Report(
        "oai-call-ignored",
        "function calls",
        "langwatch/scenario#630",
        "Realtime voice adapter drops model tool/function calls",
        "the agent's calls are in no result, and the agent is silent after them",
        "the app drops the call, and sends no output",
        lambda: call_ignored(answers=False),
        ("function|tool|call", "not answered|no answer|unanswered|never"),
        lambda: call_ignored(answers=True),
        "the output is sent",
        ("not answered", "no answer"),
        (*NO_KEY, "microphone"),
    ),
]
"""Reports."""

UNSOLVED = [
    # Many apps of speech to speech want no transcript.
    Report(
        "oai-no-user-words",
        "missing words",
        "sashirestela/simple-openai#258",
        "Not receiving user transcription in Realtime API",
        "the words of the user never come",
        "no transcription of the input is set",
        lambda: no_user_words(asks=False),
        ("transcri", "not |no |never"),
        lambda: no_user_words(asks=True),
        "it is set",
        ("transcri",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
]
"""What is lawful, and usual."""
