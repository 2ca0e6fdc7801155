"""Reports of agents that fail silently, tried after the rules about conversations."""

from __future__ import annotations

from collections.abc import Sequence

from agent_limit_reports import user_turn
from audio_samples import mulaw
from bug_report import Report
from deepgram_reports import agent as deepgram_agent
from deepgram_reports import agent_settings
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import user_speaks
from provider_sessions import (
    HELLO,
    Json,
    b64,
    chunks,
    elevenlabs,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    pcm,
)
from unanswered_agent_reports import NO_ANSWER, NO_KEY, mute
from wire_session import WireSession

# -- Deepgram


def injects(*, refused: bool) -> WireSession:
    """A good turn; then the app has the agent ask whether somebody is there."""
    session = deepgram_agent().app(agent_settings()).server({"type": "SettingsApplied"}, after=0.1)
    session.stream(chunks(pcm(2.0), 3200), 0.1).stream([bytes(3200)] * 6, 0.1)
    session.server({"type": "ConversationText", "role": "user", "content": HELLO}, after=0.1)
    said = {"type": "ConversationText", "role": "assistant", "content": "I am sorry to hear that."}
    session.server(said, after=0.4)
    session.stream(chunks(pcm(1.5, 24_000), 9600), 0.01, from_client=False)
    session.server({"type": "AgentAudioDone"}).stream([bytes(3200)] * 60, 0.1)
    session.app({"type": "InjectAgentMessage", "content": "Are you still on the line?"})
    if refused:
        refusal = {"type": "InjectionRefused", "message": "The user is speaking."}
        session.server(refusal, after=0.1)
        return session.stream([bytes(3200)] * 20, 0.1).app_closes(1000)
    return session.stream([bytes(3200)] * 180, 0.1).app_closes(1000)


# -- Gemini Live


def asks_into_a_script(*, answers: bool) -> WireSession:
    """The microphone is opened while the agent reads a text."""
    session = gemini_ready({"inputAudioTranscription": {}})
    turn = {"role": "user", "parts": [{"text": "Please read the entire script now."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
    for data in chunks(pcm(6.0, 24_000), 9600):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(data)}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.05)
    session.stream(chunks(pcm(1.0), 3200), 0.1, gemini_audio)
    session.server(gemini_content({"interrupted": True}))
    session.server(gemini_content({"turnComplete": True}))
    session.stream(chunks(pcm(4.0)[32_000:80_000], 3200), 0.1, gemini_audio)
    mute(session, 0.7)
    if answers:
        return mute(gemini_says(session), 2.0).app_closes(1000)
    return mute(session, 13.0).app_closes(1000)


def heard_and_not_answered(*, answers: bool) -> WireSession:
    session = user_turn(gemini_ready({"inputAudioTranscription": {}}))
    session.server(gemini_content({"inputTranscription": {"text": "Hello, who are you?"}}))
    if answers:
        gemini_says(session.wait(0.3))
    mute(session, 4.0)
    user_turn(session, 1.0)
    session.server(gemini_content({"inputTranscription": {"text": "Hello?"}}))
    if answers:
        gemini_says(session.wait(0.3))
        return session.app_closes(1000, after=1.0)
    return mute(session, 5.0).app_closes(1000)


def swallows(*, swallowed: bool) -> WireSession:
    """One sentence is ignored; the next one ends a turn that has nothing in it."""
    session = gemini_says(user_turn(gemini_ready({"inputAudioTranscription": {}})).wait(0.4))
    mute(session, 5.5)
    user_turn(session, 1.8)
    if swallowed:
        for number in range(12):
            mute(session, 0.9)
            update = {"newHandle": f"Synthetic{number}", "resumable": True}
            session.server({"sessionResumptionUpdate": update})
        user_turn(session, 1.5)
        session.server(gemini_content({"inputTranscription": {"text": "Hello?"}}))
        session.server(gemini_content({"turnComplete": True}))
        return mute(session, 6.0).app_closes(1000)
    gemini_says(session.wait(0.4))
    return mute(session, 3.0).app_closes(1000)


# -- ElevenLabs


def voice_in_extra_body(*, extra: bool) -> WireSession:
    session = elevenlabs("convai/conversation", "agent_id=agent_0123456789abcdef")
    voice = {"voice_id": "EXAVITQu4vr4xnSDxMaL"}
    data: Json = {"type": "conversation_initiation_client_data"}
    data |= {"custom_llm_extra_body": voice if extra else {}}
    data["conversation_config_override"] = {} if extra else {"tts": voice}
    session.app(data)
    kind = "conversation_initiation_metadata"
    formats = {"agent_output_audio_format": "ulaw_8000", "user_input_audio_format": "ulaw_8000"}
    session.server({"type": kind, f"{kind}_event": {"conversation_id": "conv_1"} | formats})
    agent_says(session, HELLO)
    user_says(session, "Where is it?")
    agent_says(session, "On its way.")
    return session.app_closes(1000, after=2.0)


def agent_says(session: WireSession, words: str) -> WireSession:
    text = {"agent_response": words}
    session.server({"type": "agent_response", "agent_response_event": text}, after=0.4)
    for number in range(3):
        event = {"audio_base_64": b64(mulaw(pcm(0.5, 8000))), "event_id": number + 1}
        session.server({"type": "audio", "audio_event": event})
    return session


def user_says(session: WireSession, words: str) -> WireSession:
    user_speaks(session.wait(1.5), seconds=1.5)
    said = {"user_transcript": words}
    return session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.3)


def loops(transcripts: Sequence[str]) -> WireSession:
    """The agent's words, and what is taken for the user's."""
    session = agent_says(elevenlabs_agent(), "Hello, this is the parcel service.")
    answers = (
        "How can I help you with your parcel today?",
        "I am glad to look that up, what is the number?",
        "Please tell me the number on your receipt.",
    )
    for heard, answer in zip(transcripts, answers, strict=True):
        user_says(session, heard)
        agent_says(session, answer)
    return session.app_closes(1000, after=2.0)


OWN_WORDS = (
    "Hello, this is the parcel service.",
    "how can i help you with your parcel today",
    "I'm glad to look that up. What is the number?",
)
OTHER_WORDS = ("Good morning.", "I want to know where my parcel is.", "It is four two seven.")

REPORTS = [
    Report(
        "dga-inject-ignored",
        "no answer",
        "deepgram/deepgram-js-sdk#463",
        "InjectAgentMessage frequently ignored despite no audible agent/user speech",
        "the agent does not say the text; neither a refusal nor an error comes",
        "the service ignores the message",
        lambda: injects(refused=False),
        ("inject|text|app asked", NO_ANSWER),
        lambda: injects(refused=True),
        "the service refuses it",
        ("not answer", "none came"),
        (*NO_KEY, "user spoke", "microphone"),
    ),
    Report(
        "gem-asks-into-a-script",
        "no answer",
        "googleapis/python-genai#1987",
        "VAD doesn't trigger model response after barge-in during interactive audio session",
        "the agent stops, as it should, and never answers the question",
        "after the interruption, the model does not answer",
        lambda: asks_into_a_script(answers=False),
        ("interrupt", NO_ANSWER),
        lambda: asks_into_a_script(answers=True),
        "it answers",
        ("not answer", "no answer"),
        (*NO_KEY, "no speech"),
    ),
    Report(
        "gem-heard-and-not-answered",
        "no answer",
        "google-gemini/genai-processors#30",
        "Live CLI agent never starts speaking - hangs after initial connection",
        "the words of the user are printed, and no reply comes",
        "the model does not answer, by a fault of the service",
        lambda: heard_and_not_answered(answers=False),
        (NO_ANSWER, "spoke|speech|words"),
        lambda: heard_and_not_answered(answers=True),
        "it answers",
        ("not answer", "no answer"),
        (*NO_KEY, "no speech", "microphone"),
    ),
    Report(
        "gem-swallows-a-sentence",
        "no answer",
        "google-gemini/gemini-live-api-examples#38",
        "a turn left open after an ignored utterance never closes on its own",
        "a sentence of the caller is ignored, and the next one is not answered either",
        "the service leaves the turn open; the next sentence closes it without output",
        lambda: swallows(swallowed=True),
        (f"{NO_ANSWER}|empty|without (any )?audio|ignored",),
        lambda: swallows(swallowed=False),
        "both are answered",
        ("not answer", "no answer", "empty"),
        (*NO_KEY, "no speech", "microphone"),
    ),
    Report(
        "xi-voice-in-extra-body",
        "wrong voice",
        "elevenlabs/elevenlabs-python#424",
        "Voice ID Override Not Applied in Conversational SDK",
        "the agent has the voice of its configuration",
        "voice_id is in the body for the language model, where nothing reads it",
        lambda: voice_in_extra_body(extra=True),
        ("voice_id", "place|extra_body|override|tts"),
        lambda: voice_in_extra_body(extra=False),
        "it is in conversation_config_override.tts",
        ("voice_id",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "xi-answers-itself",
        "echo",
        "elevenlabs/examples#169",
        "conversational AI agent Python Example looping/stuttering",
        "the agent takes its own output as input, without an end",
        "the microphone hears the loudspeaker: the user's transcripts are the agent's words",
        lambda: loops(OWN_WORDS),
        ("echo|itself|own (voice|words|speech|output)",),
        lambda: loops(OTHER_WORDS),
        "a user answers",
        ("echo", "itself"),
        (*NO_KEY, "did not answer"),
    ),
]
"""Reports."""
