"""Reports of voice agents that fall silent without an error message."""

from __future__ import annotations

import random
from array import array

from agent_limit_reports import user_turn
from audio_samples import mulaw
from bug_report import Report
from elevenlabs_reports import agent as elevenlabs_agent
from elevenlabs_reports import greets, user_speaks
from provider_sessions import (
    HELLO,
    Json,
    answered,
    append,
    b64,
    chunks,
    elevenlabs,
    gemini_audio,
    gemini_content,
    gemini_ready,
    gemini_says,
    pcm,
    realtime,
    response_done,
)
from tool_call_reports import called, gemini_calls, output_of, tool_response
from wire_session import WireSession

ZEROS = bytes(3200)
"""100 ms of digital silence at 16 kHz."""
NO_KEY = ("credential", "quota")


def mute(session: WireSession, seconds: float) -> WireSession:
    return session.stream([ZEROS] * round(seconds * 10), 0.1, gemini_audio)


# -- Gemini Live


def text_is_injected(*, answers: bool) -> WireSession:
    """A call; then the app has the agent say a text, while the line is silent."""
    session = gemini_says(user_turn(gemini_ready({"inputAudioTranscription": {}})).wait(0.3))
    mute(session, 2.0).app({"realtimeInput": {"text": "This is voicemail. Say: please call back."}})
    mute(session, 0.8)
    if answers:
        gemini_says(session)
        return mute(session, 2.0).app_closes(1000)
    return mute(session, 19.0).app_closes(1000)


def waits_for_the_user(*, begins: bool) -> WireSession:
    """The system instruction tells the agent to speak first; nobody says anything."""
    instruction = {"parts": [{"text": "Greet the user as soon as the conversation begins."}]}
    session = gemini_ready({"systemInstruction": instruction})
    if begins:
        turn = {"role": "user", "parts": [{"text": "Hello."}]}
        session.app({"clientContent": {"turns": [turn], "turnComplete": True}})
        gemini_says(session.wait(0.4))
        return room(session, 3.0).app_closes(1000)
    return room(session, 15.0).app_closes(1000)


def room(session: WireSession, seconds: float) -> WireSession:
    """The noise of a quiet room, as a microphone delivers it."""
    dice = random.Random(1)
    noise = array("h", (dice.randint(-12, 12) for _ in range(round(seconds * 16_000))))
    return session.stream(chunks(noise.tobytes(), 3200), 0.1, gemini_audio)


def after_an_interruption(*, answers: bool) -> WireSession:
    """The caller interrupts, and asks again after that."""
    session = user_turn(gemini_ready({"inputAudioTranscription": {}})).wait(0.3)
    gemini_says(session, 4.0)
    session.stream(chunks(pcm(1.0), 3200), 0.1, gemini_audio)
    session.server(gemini_content({"interrupted": True}))
    mute(session, 1.0)
    for question in ("Where is my parcel?", "Hello?"):
        session.server(gemini_content({"inputTranscription": {"text": question}}))
        if answers:
            gemini_says(session.wait(0.3))
        mute(session, 6.0)
        user_turn(session, 1.5)
    if answers:
        gemini_says(session.wait(0.3))
        return session.app_closes(1000, after=1.0)
    return mute(session, 6.0).app_closes(1000)


def empty_after_result(*, audio: bool) -> WireSession:
    """The agent's turn after a function's result is complete, and has nothing in it."""
    session = gemini_calls().app(tool_response(), after=0.5).wait(0.6)
    if audio:
        return mute(gemini_says(session), 2.0).app_closes(1000)
    usage = {"promptTokenCount": 2310, "totalTokenCount": 2310}
    session.server(gemini_content({"generationComplete": True}))
    session.server({**_complete(), "usageMetadata": usage})
    return mute(session, 8.0).app_closes(1000)


def _complete() -> Json:
    return {"serverContent": {"turnComplete": True}}


def text_in_place_of_audio(*, audio: bool) -> WireSession:
    """A turn of the agent has text, where the setup asks for audio."""
    session = gemini_says(user_turn(gemini_ready({"outputAudioTranscription": {}})).wait(0.3))
    user_turn(session.wait(1.0))
    part = {"text": "Sure, here is the menu."}
    session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.3)
    if audio:
        gemini_says(session)
    else:
        session.server(gemini_content({"generationComplete": True}))
        session.server(gemini_content({"turnComplete": True}))
    return mute(session, 6.0).app_closes(1000)


# -- OpenAI


def no_silence_is_sent(*, silence: bool) -> WireSession:
    """A bridge that gets no packets while its user is silent; server VAD hears no end."""
    session = realtime().stream(chunks(pcm(2.5, 24_000), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 60})
    if not silence:
        return session.app_closes(1000, after=22.0)
    session.stream(chunks(bytes(4800 * 6), 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2600})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_1"})
    answered(session).server(response_done("completed"))
    return session.app_closes(1000, after=2.0)


def unknown_function(*, answers: bool) -> WireSession:
    """The app has no function of that name, and sends no output."""
    session = called("call_Aa1bB2cC3dD4eE5f")
    if answers:
        session.app(output_of("call_Aa1bB2cC3dD4eE5f"), {"type": "response.create"}, after=0.3)
        answered(session).server(response_done("completed"))
        return session.app_closes(1000, after=1.0)
    session.stream(chunks(bytes(48_000 * 14), 4800), 0.1, append)
    return session.app_closes(1000)


# -- ElevenLabs


def first_message_override(*, allowed: bool) -> WireSession:
    """The app sets the agent's first message; nothing is said until the user speaks."""
    session = elevenlabs("convai/conversation", "agent_id=agent_0123456789abcdef")
    kind = "conversation_initiation_metadata"
    formats = {"agent_output_audio_format": "ulaw_8000", "user_input_audio_format": "ulaw_8000"}
    override = {"agent": {"first_message": HELLO, "prompt": {"prompt": "Be brief."}}}
    data = {"type": "conversation_initiation_client_data", "conversation_config_override": override}
    session.app(data)
    session.server({"type": kind, f"{kind}_event": {"conversation_id": "conv_1"} | formats})
    if allowed:
        greets(session)
    for number in range(6):
        session.stream([b"\xff" * 320] * 50, 0.04, lambda each: {"user_audio_chunk": b64(each)})
        session.server({"type": "ping", "ping_event": {"event_id": number + 10}})
        session.app({"type": "pong", "event_id": number + 10})
    user_speaks(session, seconds=1.0)
    said = {"user_transcript": "Hello?"}
    session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.4)
    text = {"agent_response": "Hi, how can I help?"}
    session.server({"type": "agent_response", "agent_response_event": text}, after=0.2)
    for number in range(3):
        event = {"audio_base_64": b64(_ulaw(0.5)), "event_id": number + 20}
        session.server({"type": "audio", "audio_event": event})
    return session.app_closes(1000, after=2.0)


def no_transcript_events(*, events: bool) -> WireSession:
    """Both sides are heard; only pings and audio come."""
    session = elevenlabs_agent()
    for turn in range(2):
        if events:
            greets(session)
        else:
            for number in range(4):
                event = {"audio_base_64": b64(_ulaw(0.5)), "event_id": 10 * turn + number + 1}
                session.server({"type": "audio", "audio_event": event})
        session.server({"type": "ping", "ping_event": {"event_id": 10 * turn + 9}})
        session.app({"type": "pong", "event_id": 10 * turn + 9})
        user_speaks(session.wait(1.0))
        if events:
            said = {"user_transcript": "What is the price of it?"}
            session.server({"type": "user_transcript", "user_transcription_event": said}, after=0.2)
    greets(session) if events else session.server(
        {"type": "audio", "audio_event": {"audio_base_64": b64(_ulaw(1.0)), "event_id": 31}},
        after=0.4,
    )
    return session.app_closes(1000, after=2.0)


def _ulaw(seconds: float) -> bytes:
    return mulaw(pcm(seconds, 8000))


NO_ANSWER = "no answer|not answer|none came|no response|nothing"

REPORTS = [
    Report(
        "gem-text-unanswered",
        "no answer",
        "google-gemini/gemini-live-api-examples#55",
        "Model ignores realtimeInput.text injection: receives text but produces no audio response",
        "the agent stays silent after a text that it should speak",
        "the model does not answer a realtimeInput.text; there is no error",
        lambda: text_is_injected(answers=False),
        ("text|realtimeInput|app asked", NO_ANSWER),
        lambda: text_is_injected(answers=True),
        "the agent speaks it",
        ("not answer", "none came"),
        (*NO_KEY, "user spoke", "too quiet"),
    ),
    Report(
        "gem-waits-for-the-user",
        "no greeting",
        "googleapis/python-genai#1533",
        "Gemini 2.5 Flash Live API native audio - model can't initiate the conversation",
        "the agent does not greet, although its instructions say so",
        "the model speaks after an input only; the app sends silence and no text",
        lambda: waits_for_the_user(begins=False),
        (
            r"no speech|silen|nobody|nothing was said|neither",
            r"text|clientContent|speaks? first|begin|greet|start|asked for (no|an) answer",
        ),
        lambda: waits_for_the_user(begins=True),
        "the app sends a text first",
        ("silen", "nothing was said"),
        (*NO_KEY,),
    ),
    Report(
        "gem-silent-after-interruption",
        "no answer",
        "livekit/livekit#4484",
        "Agent stops responding after interrupted",
        "the agent hangs after small interruptions",
        "after `interrupted`, the model answers no further turn",
        lambda: after_an_interruption(answers=False),
        ("interrupt", NO_ANSWER),
        lambda: after_an_interruption(answers=True),
        "each turn is answered",
        ("not answer", "no answer"),
        (*NO_KEY, "no speech", "echo"),
    ),
    Report(
        "gem-empty-after-result",
        "no answer",
        "googleapis/js-genai#1578",
        "Gemini 3.1 Flash Live native-audio can produce runaway/no-audio output",
        "silence after the result of a function",
        "the turn after the toolResponse is complete and has no audio",
        lambda: empty_after_result(audio=False),
        ("function|tool", "no audio|without (any )?audio|empty|nothing"),
        lambda: empty_after_result(audio=True),
        "the turn has audio",
        ("no audio", "empty", "without"),
        (*NO_KEY, "user spoke", "was not answered"),
    ),
    Report(
        "gem-text-for-audio",
        "no audio",
        "livekit/agents#7390",
        "speak Gemini Live turns that come back as text in audio mode",
        "one turn of the agent is not heard",
        "the turn has a text part and no audio, although the setup asks for audio",
        lambda: text_in_place_of_audio(audio=False),
        ("text", "no audio|without (any )?audio|in place of|instead of"),
        lambda: text_in_place_of_audio(audio=True),
        "audio follows the text",
        ("no audio", "without"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-no-silence-sent",
        "no answer",
        "bielcarpi/hermes-live-voice#55",
        "client audio.end is discarded: clients that never stream silence get no response",
        "the agent never answers; audio arrives, nothing looks wrong",
        "server VAD needs silence after the speech; the app sends none",
        lambda: no_silence_is_sent(silence=False),
        (
            r"silence|audio (stop|end)|no audio (after|follow)|stopped sending|speech_stopped"
            r"|end of (the |its )?(speech|turn)",
            NO_ANSWER,
        ),
        lambda: no_silence_is_sent(silence=True),
        "half a second of silence follows the speech",
        ("silence", "not answer"),
        (*NO_KEY, "no speech", "too quiet"),
    ),
    Report(
        "oai-unknown-function",
        "no answer",
        "openai/openai-agents-python#3286",
        "Realtime unknown tool calls do not send model-visible output",
        "silence after a function call",
        "the app sends no output for a function that it does not know",
        lambda: unknown_function(answers=False),
        ("function|tool", "not answered|no answer|no output|without (an )?(answer|output)"),
        lambda: unknown_function(answers=True),
        "the app sends an output",
        ("not answered", "no output"),
        (*NO_KEY, "user spoke"),
    ),
    Report(
        "xi-first-message-not-enabled",
        "no greeting",
        "MemberJunction/MJ#3557",
        "ElevenLabs realtime: agent cannot speak first",
        "nothing is said until the user speaks",
        "the override of first_message is not enabled for this agent, and is dropped",
        lambda: first_message_override(allowed=False),
        ("first_message|first message|override", r"not |never|no |ignored|dropped|without"),
        lambda: first_message_override(allowed=True),
        "the agent says it",
        ("first_message", "first message", "override"),
        (*NO_KEY, "no speech"),
        complete=True,
    ),
    Report(
        "xi-no-transcript-events",
        "no transcript",
        "elevenlabs/elevenlabs-python#452",
        "callback_agent_response and callback_user_transcript not working",
        "audio in both directions, and no transcripts",
        "the agent's client events leave out user_transcript and agent_response",
        lambda: no_transcript_events(events=False),
        ("transcript|agent_response|words", r"no |none|not |without|0 words|event"),
        lambda: no_transcript_events(events=True),
        "the events come",
        ("no transcript", "no words", "0 words"),
        (*NO_KEY, "did not answer", "audio is silent"),
        complete=True,
    ),
]
"""Reports."""
