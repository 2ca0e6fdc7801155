"""Reports about results that do not come, or that are of another kind than the app expects."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import KEEP_ALIVE
from order_reports import transcribed
from provider_sessions import (
    HELLO,
    Json,
    answered,
    b64,
    chunks,
    deepgram_metadata,
    deepgram_result,
    listening,
    openai,
    pcm,
    response_done,
    session_event,
    spoken_turn,
    watson,
    watson_result,
)
from reported_access import watson_good
from wire_session import WireSession

LISTENING = '{\n   "state": "listening"\n}'


def voxtral_served(seconds_with_words: int) -> WireSession:
    """A server of one's own; half a minute of speech."""
    session = WireSession("ws://vllm.example.net:8000/v1/realtime").accept()
    session.server({"type": "session.created", "id": "sess-1", "created": 1790000000})
    session.app({"type": "session.update", "model": "mistralai/Voxtral-Mini-4B-Realtime-2602"})
    session.app({"type": "input_audio_buffer.commit"})
    for second in range(30):
        sound = pcm(30.0)[second * 32_000 : (second + 1) * 32_000]
        session.stream(
            chunks(sound, 6400),
            0.2,
            lambda data: {"type": "input_audio_buffer.append", "audio": b64(data)},
        )
        if second < seconds_with_words:
            session.server({"type": "transcription.delta", "delta": " good morning"})
    if seconds_with_words == 30:
        session.app({"type": "input_audio_buffer.commit", "final": True})
        session.server({"type": "transcription.done", "text": "good morning " * 30}, after=0.3)
    return session.app_closes(1000, after=1.0)


def muted_after_speech() -> WireSession:
    """The app sends audio only while the microphone is open."""
    session = listening().stream(chunks(pcm(1.5), 3200), 0.1)
    session.server(deepgram_result("yeah", 0.0, 1.1, final=False))
    for _ in range(4):
        session.app(KEEP_ALIVE, after=4.8)
    return session.app_closes(1000, after=1.0)


def silence_after_speech() -> WireSession:
    session = listening().stream(chunks(pcm(1.5), 3200), 0.1)
    session.server(deepgram_result("yeah", 0.0, 1.1, final=False))
    session.stream(chunks(bytes(64_000), 3200), 0.1)
    session.server(deepgram_result("yeah", 0.0, 2.0)).app({"type": "CloseStream"})
    return session.server(deepgram_metadata(3.5)).server_closes(1000)


def no_interim_results() -> WireSession:
    start = {"action": "start", "content-type": "audio/l16;rate=16000;channels=1"}
    session = watson().accept().app(start | {"interim_results": False, "inactivity_timeout": -1})
    session.server(LISTENING).stream(chunks(pcm(20.0), 6400), 0.2)
    return session.app_closes(1000, after=2.0)


def watson_model(url: str, start: Json) -> WireSession:
    headers = {"Authorization": "Bearer " + "Synthetic0" * 8}
    session = WireSession(f"wss://stream.watsonplatform.net/speech-to-text{url}", headers).accept()
    kind = {"action": "start", "content-type": "audio/l16;rate=16000", "interim_results": True}
    session.app(kind | start).server(LISTENING).stream(chunks(pcm(4.0), 3200), 0.1)
    session.app({"action": "stop"}).server(watson_result("oh hi oh "), after=0.3)
    return session.server(LISTENING).app_closes(1000)


def model_in_the_start() -> WireSession:
    return watson_model("/api/v1/recognize", {"model": "ja-JP_BroadbandModel"})


def model_in_the_url() -> WireSession:
    return watson_model("/api/v1/recognize?model=ja-JP_BroadbandModel", {})


def conversation() -> WireSession:
    """The app asks for transcripts, and gets answers as well."""
    session = openai("/v1/realtime?model=gpt-4o-mini-realtime-preview").accept()
    session.server(session_event("session.created"))
    transcription = {"model": "gpt-4o-mini-transcribe"}
    settings: Json = {"type": "realtime", "audio": {"input": {"transcription": transcription}}}
    session.app({"type": "session.update", "session": settings})
    session.server(session_event("session.updated"), after=0.1)
    spoken_turn(session)
    kind = "conversation.item.input_audio_transcription.completed"
    session.server({"type": kind, "item_id": "item_1", "transcript": HELLO}, after=0.4)
    return answered(session).server(response_done("completed")).app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "voxtral-stalls",
        "missing result",
        "vllm-project/vllm#44461",
        "[Bugfix][Voxtral Realtime] Fix token feedback timeout silent hang",
        "the transcript stops; the connection stays open",
        "a task of the server has died: results stop while audio goes on",
        lambda: voxtral_served(10),
        ("stop|last result|no (more|further)|since", "result|transcript|words"),
        lambda: voxtral_served(30),
        "results come to the end",
        ("stopped",),
    ),
    Report(
        "dg-muted",
        "missing result",
        "livekit/agents#931",
        "Deepgram doesn't seem to always send end of speech events.",
        "the final transcript comes twenty seconds late, or never",
        "the app sends no audio while it is muted: without audio, no end of speech is found",
        muted_after_speech,
        ("final", "audio"),
        silence_after_speech,
        "silence is sent, and the final result comes",
        ("no final",),
        ("credential",),
    ),
    Report(
        "ibm-no-interim",
        "missing result",
        "watson-developer-cloud/node-sdk#431",
        "[speech-to-text] interim_results: false in stream disables all results?",
        "no results at all",
        "without interim results, all results come when the app ends the stream",
        no_interim_results,
        ("interim_results|stop|end of the stream|never ended",),
        watson_good,
        "the app ends the stream",
        ("never",),
    ),
    Report(
        "ibm-model-in-start",
        "model",
        "watson-developer-cloud/speech-to-text-websockets-ruby#8",
        "[Speech to Text] The model parameter for websocket doesn't take effect.",
        "English words for Japanese speech",
        "the model is named in the first message, and belongs in the URL",
        model_in_the_start,
        ("model", "URL|query"),
        model_in_the_url,
        "the model is in the URL",
        ("belongs", "ignored"),
        complete=True,
    ),
    Report(
        "oai-answers",
        "good session",
        "davidmigloz/langchain_dart#686",
        "Issue with OpenAI Realtime API for Speech Transcription",
        "answers come in place of transcripts",
        "nothing: the URL opens a conversation, which has answers and transcripts",
        conversation,
        (),
        transcribed,
        "a session for transcription",
        ("no answer",),
        fine=True,
    ),
]
