"""Reports of voice agents whose answers are not what was asked for, without an error message."""

from __future__ import annotations

import math
from array import array

from agent_limit_reports import user_turn
from bug_report import Report
from openai_reports import BETA
from provider_sessions import (
    HELLO,
    REALTIME_SESSION,
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
    session_event,
    spoken_turn,
    transcribed,
)
from wire_session import Message, WireSession

NO_KEY = ("credential", "quota")
HINDI = "मेरा पार्सल अभी तक नहीं आया है।"


# -- OpenAI


def response(
    session: WireSession, number: int, seconds: float, fields: Json | None = None
) -> WireSession:
    """A response with audio, whose ids have this number."""
    ids = {"response_id": f"resp_{number}", "item_id": f"item_a{number}"}
    state: Json = {"object": "realtime.response", "id": f"resp_{number}", **(fields or {})}
    session.server({"type": "response.created", "response": {**state, "status": "in_progress"}})

    def delta(data: bytes) -> Message:
        return {"type": "response.output_audio.delta", **ids, "delta": b64(data)}

    session.stream(chunks(pcm(seconds, 24_000), 9600), 0.03, delta, from_client=False)
    transcript = {"type": "response.output_audio_transcript.done", **ids, "transcript": HELLO}
    session.server(transcript, {"type": "response.output_audio.done", **ids})
    item = {"id": ids["item_id"], "type": "message", "role": "assistant", "status": "completed"}
    usage = {"total_tokens": 120, "input_tokens": 80, "output_tokens": 40}
    done = {**state, "status": "completed", "output": [item], "usage": usage}
    return session.server({"type": "response.done", "response": done})


def silence(session: WireSession, seconds: float) -> WireSession:
    return session.stream([bytes(4800)] * round(seconds * 10), 0.1, append)


def greets_before_the_update(*, first: bool) -> WireSession:
    """The greeting is asked for before the settings are sent, with the default voice."""
    path = "/v1/realtime?model=gpt-4o-realtime-preview-2024-12-17"
    session = openai(path, {"OpenAI-Beta": "realtime=v1"}).accept()
    session.server(session_event("session.created", BETA | {"voice": "alloy"}))
    update = {"type": "session.update", "session": BETA | {"voice": "ash"}}
    updated = session_event("session.updated", BETA | {"voice": "ash"})
    if first:
        session.app({"type": "response.create"}, update)
        response(session.wait(0.2), 1, 1.5, {"voice": "alloy"}).server(updated)
    else:
        session.app(update).server(updated, after=0.1).app({"type": "response.create"})
        response(session.wait(0.2), 1, 1.5, {"voice": "ash"})
    spoken_turn(session.wait(2.0))
    response(session.wait(0.3), 2, 1.5, {"voice": "ash"})
    return session.app_closes(1000, after=2.0)


def configured(
    transcription: Json | None = None,
    detection: Json | None = None,
    instructions: str = "Be brief.",
) -> WireSession:
    audio = REALTIME_SESSION["audio"]
    heard = {**audio["input"], "transcription": transcription}
    heard["turn_detection"] = {"type": "server_vad", **(detection or {})}
    fields = {**REALTIME_SESSION, "instructions": instructions}
    fields["audio"] = {**audio, "input": heard}
    session = openai().accept().server(session_event("session.created"))
    session.app({"type": "session.update", "session": fields})
    return session.server(session_event("session.updated", fields), after=0.1)


def transcript_in_hindi(*, language: bool) -> WireSession:
    """English is spoken and answered; what the user said is written in another script."""
    model: Json = {"model": "gpt-4o-mini-transcribe"}
    session = configured(model | ({"language": "en"} if language else {}))
    for number, (english, guess) in enumerate(
        (
            ("Open my Google calendar.", "गूगल कॅलेंडर"),
            ("What should I collect?", "Pusul derlemeliyiz."),
        ),
        1,
    ):
        spoken_turn(session)
        text = english if language else guess
        response(transcribed(session, text), number, 1.5)
        session.wait(1.0)
    return session.app_closes(1000, after=1.0)


def interrupted_unheard(*, truncates: bool) -> WireSession:
    """The user interrupts an answer that arrived in full; the app stops its playback."""
    session = response(spoken_turn(configured()).wait(0.3), 1, 9.0)
    silence(session, 1.0)
    session.stream(chunks(pcm(4.0, 24_000)[96_000:144_000], 4800), 0.1, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 3700})
    if truncates:
        at = {"item_id": "item_a1", "content_index": 0, "audio_end_ms": 2200}
        session.app({"type": "conversation.item.truncate", **at})
        session.server({"type": "conversation.item.truncated", **at}, after=0.05)
    silence(session, 0.5)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 4700})
    session.server({"type": "input_audio_buffer.committed", "item_id": "item_2"})
    response(session.wait(0.3), 2, 2.0)
    return silence(session, 3.0).app_closes(1000)


def greets_twice(*, user_speaks: bool) -> WireSession:
    """Server VAD answers the caller's hello, and then the app asks for its own greeting."""
    session = spoken_turn(configured(detection={"create_response": True}), 0.8)
    response(session.wait(0.3), 1, 1.5)
    if user_speaks:
        spoken_turn(silence(session, 1.5), 1.0)
    else:
        greeting = {"instructions": "Say: Hi John, this is a quick test."}
        session.app({"type": "response.create", "response": greeting}, after=0.02)
    response(session.wait(0.3), 2, 2.0)
    return silence(session, 4.0).app_closes(1000)


# -- Gemini Live


def cut_short(text: str) -> WireSession:
    """The transcript of the answer ends with this."""
    session = user_turn(gemini_ready({"outputAudioTranscription": {}})).wait(0.3)
    for words in ("The capital of France is Paris. ", "It lies on the river "):
        _says(session, pcm(0.8, 24_000))
        session.server(gemini_content({"outputTranscription": {"text": words}}))
    session.server(gemini_content({"outputTranscription": {"text": text}}))
    session.server(gemini_content({"generationComplete": True}))
    session.server(gemini_content({"turnComplete": True}))
    session.stream([bytes(3200)] * 60, 0.1, gemini_audio)
    return session.app_closes(1000)


def _says(session: WireSession, data: bytes) -> WireSession:
    for piece in chunks(data, 9600):
        part = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": b64(piece)}}
        session.server(gemini_content({"modelTurn": {"parts": [part]}}), after=0.02)
    return session


def heard_in_hindi(*, hindi: bool) -> WireSession:
    speech = {"languageCode": "en-US"}
    generation = {"responseModalities": ["AUDIO"], "speechConfig": speech}
    setup: Json = {"generationConfig": generation, "inputAudioTranscription": {}}
    session = gemini_ready({**setup, "outputAudioTranscription": {}})
    for turn in range(3):
        user_turn(session)
        text = HINDI if hindi and turn == 1 else "My parcel has not arrived yet."
        session.server(gemini_content({"inputTranscription": {"text": text}}), after=0.2)
        _says(session, pcm(1.5, 24_000))
        session.server(gemini_content({"outputTranscription": {"text": "I am sorry to hear it."}}))
        session.server(gemini_content({"generationComplete": True}))
        session.server(gemini_content({"turnComplete": True}), after=1.0)
    return session.app_closes(1000, after=1.0)


def pauses(seconds: float) -> WireSession:
    """The caller pauses in each sentence; the agent begins to answer, and is interrupted."""
    session = gemini_ready({"inputAudioTranscription": {}})
    for _ in range(3):
        session.stream(chunks(pcm(1.5), 3200), 0.1, gemini_audio)
        session.stream([bytes(3200)] * 9, 0.1, gemini_audio)
        session.server(gemini_content({"inputTranscription": {"text": "My number is four two"}}))
        if seconds > 1.0:
            gemini_says(session, 5.0)
            session.stream([bytes(3200)] * round(seconds * 10 - 9), 0.1, gemini_audio)
        else:
            _says(session, pcm(0.6, 24_000))
            session.stream([bytes(3200)], 0.1, gemini_audio)
        session.stream(chunks(pcm(4.0)[64_000:96_000], 3200), 0.1, gemini_audio)
        session.server(gemini_content({"interrupted": True}))
        if seconds <= 1.0:
            session.server(gemini_content({"turnComplete": True}))
        session.stream([bytes(3200)] * 9, 0.1, gemini_audio)
        session.server(gemini_content({"inputTranscription": {"text": "seven nine."}}))
        gemini_says(session)
        session.stream([bytes(3200)] * 30, 0.1, gemini_audio)
    return session.app_closes(1000)


def context_shrinks(*, shrinks: bool) -> WireSession:
    """The tokens of the prompt, turn by turn."""
    session = gemini_ready({"sessionResumption": {"handle": "Synthetic0" * 4}})
    for turn, heard in enumerate((2016, 2367, 2758, 351 if shrinks else 3109)):
        _says(user_turn(session).wait(0.3), pcm(1.5, 24_000))
        session.server(gemini_content({"generationComplete": True}))
        text = 17_707 + 50 * turn - (600 if shrinks and turn == 3 else 0)
        details = [
            {"modality": "TEXT", "tokenCount": text},
            {"modality": "AUDIO", "tokenCount": heard},
        ]
        usage = {"promptTokenCount": text + heard, "promptTokensDetails": details}
        done = {"serverContent": {"turnComplete": True}}
        session.server({**done, "usageMetadata": {**usage, "totalTokenCount": text + heard + 60}})
        session.stream([bytes(3200)] * 20, 0.1, gemini_audio)
    return session.app_closes(1000)


def tone(seconds: float) -> bytes:
    wave = (
        round(9000 * math.sin(math.tau * 440 * n / 24_000)) for n in range(round(24e3 * seconds))
    )
    return array("h", wave).tobytes()


def ends_in_a_tone(*, tones: bool) -> WireSession:
    session = user_turn(gemini_ready({"outputAudioTranscription": {}})).wait(0.3)
    _says(session, pcm(2.0, 24_000))
    session.server(gemini_content({"outputTranscription": {"text": "The parcel is on its "}}))
    _says(session, tone(8.0) if tones else pcm(4.0, 24_000))
    if not tones:
        session.server(gemini_content({"outputTranscription": {"text": "way, and comes today."}}))
    session.server(gemini_content({"generationComplete": True}))
    session.server(gemini_content({"turnComplete": True}), after=1.0)
    return session.app_closes(1000, after=2.0)


def instructs_as(role: str) -> WireSession:
    """New instructions in the middle of a session, as a turn of this role."""
    session = gemini_says(user_turn(gemini_ready()).wait(0.3)).wait(1.0)
    turn = {"role": role, "parts": [{"text": "From now on, answer in French only."}]}
    session.app({"clientContent": {"turns": [turn], "turnComplete": False}})
    gemini_says(user_turn(session.wait(1.0)).wait(0.3))
    return session.app_closes(1000, after=2.0)


REPORTS = [
    Report(
        "oai-greets-before-update",
        "wrong voice",
        "livekit/agents#1835",
        "fix initial session update for realtime model",
        "the greeting has another voice than the rest",
        "response.create is sent before the session.update that sets the voice",
        lambda: greets_before_the_update(first=True),
        ("voice", "alloy", "before|first|until|after"),
        lambda: greets_before_the_update(first=False),
        "the update comes first",
        ("voice",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-transcript-in-hindi",
        "wrong language",
        "pydantic/pydantic-ai#8360",
        "Realtime: expose input transcription language (and prompt) in model settings",
        "English speech is transcribed in other languages, and answered in English",
        "no language is set for the transcription: it is guessed",
        lambda: transcript_in_hindi(language=False),
        ("language|script", "transcri"),
        lambda: transcript_in_hindi(language=True),
        "the language is set",
        ("language", "script "),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-interrupted-unheard",
        "history",
        "openai/openai-agents-python#2009",
        "Realtime agents: truncations not handled by the SDK when interrupt on VAD is set",
        "the agent believes that all of an interrupted answer was heard",
        "no conversation.item.truncate follows the interruption",
        lambda: interrupted_unheard(truncates=False),
        ("truncate",),
        lambda: interrupted_unheard(truncates=True),
        "it follows",
        ("truncate",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "oai-greets-twice",
        "two answers",
        "openclaw/openclaw#85846",
        "OpenAI realtime: outbound calls greet caller twice",
        "the agent introduces itself twice",
        "server VAD makes a response to the caller's hello, and the app asks for a greeting",
        lambda: greets_twice(user_speaks=False),
        (
            r"two|twice|second|both|double|again",
            r"response\.create|create_response|turn detection|automatic|VAD",
        ),
        lambda: greets_twice(user_speaks=True),
        "the second answer is to a second question",
        ("twice", "two answers", "second"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-cut-short",
        "cut off",
        "googleapis/js-genai#707",
        "Gemini Live API responses cut off prematurely with turnComplete",
        "the agent stops in the middle of a sentence",
        "the service completes the turn there; nobody interrupted it",
        lambda: cut_short("and its most famous"),
        (
            r"middle of|mid-|incomplete|unfinished|cut|breaks off|not complete",
            r"turnComplete|generationComplete|turn|answer",
        ),
        lambda: cut_short("Seine."),
        "the sentence is complete",
        ("middle of", "mid-", "cut", "unfinished"),
        (*NO_KEY, "did not answer", "user interrupted"),
        complete=True,
    ),
    Report(
        "gem-heard-in-hindi",
        "wrong language",
        "google/adk-python#5542",
        "SpeechConfig.language_code does not constrain input audio transcription language",
        "English speech is transcribed in another language",
        "languageCode is the language of the output: the input's language is guessed",
        lambda: heard_in_hindi(hindi=True),
        ("language|script", "transcri"),
        lambda: heard_in_hindi(hindi=False),
        "the transcripts are English",
        ("language", "script "),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-pause-ends-turn",
        "turn ends early",
        "google-gemini/gemini-live-api-examples#37",
        "a 1.0 s mid-sentence pause closes the turn while the caller is still speaking",
        "the agent answers half of a sentence, stops, and answers the other half",
        "the service takes a pause of one second for the end of the turn",
        lambda: pauses(1.0),
        (r"pause|silence|too early|middle|still speaking|went on|spoke on",),
        lambda: pauses(4.0),
        "the callers interrupt long answers",
        ("pause", "too early", "still speaking"),
        (*NO_KEY, "did not answer", "echo"),
        complete=True,
    ),
    Report(
        "gem-context-shrinks",
        "history",
        "livekit/agents-js#2346",
        "google realtime: conversation context lost on session resumption",
        "the agent greets again in the middle of a conversation",
        "the model has lost the audio of the conversation: its prompt has far fewer tokens",
        lambda: context_shrinks(shrinks=True),
        ("context|history|tokens|forg", "drop|fell|fewer|less|lost|shr[au]nk"),
        lambda: context_shrinks(shrinks=False),
        "the tokens grow",
        ("context", "history", "tokens"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-ends-in-a-tone",
        "audio",
        "googleapis/python-genai#2715",
        "native audio degenerates into a sustained non-speech tone while transcription stalls",
        "the agent's voice becomes a tone",
        "the model's audio is a steady tone for seconds, and no words belong to it",
        lambda: ends_in_a_tone(tones=True),
        ("tone|no speech|not speech|hum|beep",),
        lambda: ends_in_a_tone(tones=False),
        "speech to the end",
        ("tone", "no speech"),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
    Report(
        "gem-system-role",
        "no effect",
        "livekit/agents#5049",
        "avoid session restart on update_instructions, use mid-session client content",
        "new instructions have no effect, and there is no error",
        "a turn of role system in clientContent is ignored",
        lambda: instructs_as("system"),
        ("role", "system"),
        lambda: instructs_as("user"),
        "the role is user",
        ("role",),
        (*NO_KEY, "did not answer"),
        complete=True,
    ),
]
"""Reports."""
