"""Reports about sessions that end: by a timeout, too early, or because a peer is gone."""

from __future__ import annotations

from bug_report import Report
from deepgram_reports import KEEP_ALIVE, assemblyai, assemblyai_good, speak_good
from deepgram_reports import speaking as deepgram_speaking
from provider_sessions import (
    HELLO,
    REQUEST_ID,
    Json,
    b64,
    chunks,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    gemini_audio,
    gemini_content,
    gemini_good,
    gemini_ready,
    listening,
    pcm,
    scribe,
    scribe_audio,
    speechmatics,
    speechmatics_final,
)
from reported_access import scribe_good, speechmatics_good
from wire_session import NODE, WireSession

NET_0000 = (
    "Deepgram did not provide a response message within the timeout window. "
    "See https://dpgr.am/net0000"
)
NET_0001 = (
    "Deepgram did not receive audio data or a text message within the timeout window. "
    "See https://dpgr.am/net0001"
)


# -- Deepgram


def empty_frame() -> WireSession:
    """A browser sends an empty recording; the app goes on."""
    session = listening().stream(chunks(pcm(3.0), 8000), 0.25)
    session.server(deepgram_result("good morning", 0.0, 3.0))
    session.app(b"", after=0.25).server(deepgram_metadata(3.0))
    return session.server_closes(1000)


def silent_keepalives() -> WireSession:
    session = listening()
    for _ in range(6):
        session.app(KEEP_ALIVE, after=5.0)
    return session.server_closes(1011, NET_0000, after=0.5)


def pause_without_keepalive() -> WireSession:
    session = listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0))
    return session.server_closes(1011, NET_0001, after=10.5)


def pong_missing() -> WireSession:
    """The app's library closes because the Pong of its Ping does not come."""
    session = listening().stream(chunks(pcm(2.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 2.0)).ping(from_client=True, answered=False)
    session.stream(chunks(pcm(4.0), 3200), 0.1).wait(16.0)
    return session.app_goes(1011, "keepalive ping timeout")


def finishes_and_closes() -> WireSession:
    """CloseStream, and at once a Close: the last results are lost."""
    session = listening().stream(chunks(pcm(4.0), 3200), 0.1)
    session.server(deepgram_result("good morning", 0.0, 2.0))
    return session.app({"type": "CloseStream"}).app_closes(1000)


def speech_cut_off() -> WireSession:
    """The app leaves while the audio of its text is coming."""
    session = deepgram_speaking().app({"type": "Speak", "text": HELLO}).app({"type": "Flush"})
    session.stream(chunks(pcm(0.8, 24_000), 9600), 0.02, from_client=False)
    return session.app_closes(1000)


def flux_1005() -> WireSession:
    headers = {"Authorization": "Token " + "0" * 40}
    query = "model=flux-general-en&encoding=linear16&sample_rate=16000"
    session = WireSession(f"wss://api.deepgram.com/v2/listen?{query}", headers, agent=NODE)
    session.accept().server({"type": "Connected", "request_id": REQUEST_ID, "sequence_id": 0})
    for number in range(1, 3):
        session.stream(chunks(pcm(2.0), 2560), 0.08)
        session.server(turn(number, "EndOfTurn"))
    return session.stream(chunks(pcm(1.0), 2560), 0.08).server_closes(None)


def turn(number: int, event: str) -> Json:
    window = {"audio_window_start": 0.0, "audio_window_end": 2.0, "end_of_turn_confidence": 0.9}
    words = [{"word": "good", "confidence": 0.9}, {"word": "morning", "confidence": 0.9}]
    turn_info = {"type": "TurnInfo", "event": event, "turn_index": number, "sequence_id": number}
    return turn_info | window | {"transcript": "good morning", "words": words}


# -- Cartesia


# -- AssemblyAI, Gladia, Sarvam, ElevenLabs, Azure, Speechmatics


def closes_before_begin() -> WireSession:
    return assemblyai().server_closes(1008, after=0.3)


def scribe_dropped() -> WireSession:
    session = scribe().stream(chunks(pcm(4.0), 3200), 0.1, scribe_audio)
    session.server({"message_type": "partial_transcript", "text": HELLO})
    session.stream(chunks(pcm(2.0), 3200), 0.1, scribe_audio)
    return session.drop(by_client=False).drop(by_client=True)


def closes_before_end() -> WireSession:
    """The app's library closes the connection at the end of its file."""
    session = speechmatics().server({"message": "RecognitionStarted", "id": "1"}, after=0.1)
    for number, data in enumerate(chunks(pcm(4.0), 3200), 1):
        session.app(data, after=0.1).server({"message": "AudioAdded", "seq_no": number})
    session.server(speechmatics_final("Good morning. ", 0.2, 1.8))
    return session.app({"message": "EndOfStream", "last_seq_no": 40}).app_closes(1000)


# -- Gemini, Mistral


def stream_end_too_short() -> WireSession:
    """A dictation: 1.2 seconds are not enough for the rest of the transcript."""
    setup: Json = {"inputAudioTranscription": {}}
    session = gemini_ready(setup).stream(chunks(pcm(6.0), 3200), 0.1, gemini_audio)
    session.server(gemini_content({"inputTranscription": {"text": "Good morning, the "}}))
    session.app({"realtimeInput": {"audioStreamEnd": True}})
    return session.app_closes(1000, after=1.2)


def voxtral() -> WireSession:
    url = "wss://api.mistral.ai/v1/audio/transcriptions/realtime?model=voxtral-mini-transcribe"
    headers = {"Authorization": "Bearer " + "Synthetic0" * 3 + "ab"}
    session = WireSession(url, headers).accept()
    session.server({"type": "session.created", "session": {"request_id": REQUEST_ID}})
    audio = {"encoding": "pcm_s16le", "sample_rate": 16000}
    session.app({"type": "session.update", "session": {"audio_format": audio}})
    session.stream(
        chunks(pcm(4.0), 3200), 0.1, lambda d: {"type": "input_audio.append", "audio": b64(d)}
    )
    for text in ("Good ", "morning, the parcel"):
        session.server({"type": "transcription.text.delta", "text": text})
    return session.app({"type": "input_audio.end"})


def voxtral_leaves() -> WireSession:
    return voxtral().app_closes(1000)


def voxtral_good() -> WireSession:
    done = {"type": "transcription.done", "text": HELLO, "language": "en", "segments": []}
    return voxtral().server(done, after=0.4).server_closes(1000)


# -- OpenAI's protocol, spoken by an app that knows an older one


def leaves_at_created() -> WireSession:
    url = "wss://api.openai.com/v1/realtime?intent=transcription"
    session = WireSession(url, {"Authorization": "Bearer sk-proj-" + "Synthetic0" * 4}).accept()
    created: Json = {"type": "transcription_session.created", "event_id": "event_1"}
    created["session"] = {"object": "realtime.transcription_session", "id": "sess_1"}
    return session.server(created).app_closes(1000, after=0.01)


REPORTS = [
    Report(
        "dg-empty-frame",
        "message order",
        "deepgram/deepgram-js-sdk#257",
        "Live Streaming not working on mobile iOS - connection closing without error",
        "1000 without a reason after some seconds of good results, on one kind of browser",
        "the recorder sends an empty binary message, which ends the stream",
        empty_frame,
        ("empty|zero|0 bytes", "binary|message|frame"),
        deepgram_good,
        "CloseStream ends the stream",
        ("empty",),
        complete=True,
    ),
    Report(
        "dg-keepalives-net0000",
        "silence",
        "deepgram/deepgram-dotnet-sdk#133",
        "Live transcription silence is being treated as an error",
        "1011 after 30 seconds, although KeepAlive is sent",
        "no audio was sent at all",
        silent_keepalives,
        ("no audio|without audio", "KeepAlive|net0000|timeout"),
        deepgram_good,
        "audio is sent",
        ("no audio",),
    ),
    Report(
        "dg-pause-net0001",
        "timeout",
        "deepgram/deepgram-python-sdk#319",
        "Deepgram audio timeout window error",
        "1011 in a pause",
        "neither audio nor KeepAlive came for ten seconds",
        pause_without_keepalive,
        ("10(\\.\\d+)? ?s|audio|KeepAlive",),
        deepgram_good,
        "no pause",
        ("KeepAlive",),
    ),
    Report(
        "dg-keepalive-ping",
        "network",
        "deepgram/deepgram-python-sdk#326",
        "Error: keepalive ping timeout; no close frame received",
        "1011 with the reason keepalive ping timeout, while audio is sent",
        "the app's own library closed: no Pong came for its Ping",
        pong_missing,
        ("ping|pong", "app|client"),
        deepgram_good,
        "no Ping is open",
        ("ping timeout",),
        ("internal error of the service", "Deepgram closed"),
    ),
    Report(
        "dg-finish-and-close",
        "missing end",
        "deepgram/deepgram-js-sdk#198",
        "Bug: (alpha/beta) LiveClient closing too early - lost transcript events",
        "the last results are missing",
        "the app closes right after CloseStream, without waiting for the last results",
        finishes_and_closes,
        ("app|client", "before|without waiting|without|too early", "result|Metadata|transcript"),
        deepgram_good,
        "the app waits for the server's Close",
        ("before", "too early"),
    ),
    Report(
        "dg-speech-cut-off",
        "missing end",
        "livekit/agents#3608",
        "fix(deepgram): send CloseStream message before closing TTS WebSocket",
        "the speech is cut off",
        "the app leaves while audio is coming: before Flushed, and without Close",
        speech_cut_off,
        ("Flushed|Close|before|without", "app|client"),
        speak_good,
        "the app waits for Flushed",
        ("before",),
    ),
    Report(
        "dg-flux-1005",
        "unknown",
        "livekit/agents-js#1813",
        "fix(deepgram): recover Flux STT WebSocket closes",
        "the stream ends in the middle of speech as if it were complete",
        "not known: the server sends a Close without a code",
        flux_1005,
        ("1005|without a (code|status)|no (code|status)", "server|Deepgram"),
        deepgram_good,
        "the app ends the stream",
        ("1005",),
        complete=True,
    ),
    Report(
        "aai-1008-before-begin",
        "unknown",
        "OpenWhispr/openwhispr#1239",
        "AssemblyAI streaming startup hangs when the WebSocket closes before Begin",
        "the app waits for ever",
        "not known: the server closes with 1008 before Begin, and gives no reason",
        closes_before_begin,
        ("1008", "before|without|no reason|first message|not (say|give)"),
        assemblyai_good,
        "Begin comes",
        ("1008",),
    ),
    Report(
        "xi-scribe-dropped",
        "network",
        "livekit/agents#4609",
        "ElevenLabs STT stream does not reconnect after mid-stream WebSocket disconnection",
        "the transcript stops",
        "the connection ends in the middle of speech, without a Close",
        scribe_dropped,
        ("without a close|close frame", "server|ElevenLabs|connection"),
        scribe_good,
        "the app ends the session",
        ("without a close",),
    ),
    Report(
        "sm-closes-before-end",
        "missing end",
        "speechmatics/speechmatics-python-sdk#45",
        "[BUG] RT package doesn't wait for final transcripts before closing session",
        "the transcript does not cover the whole file",
        "the app closes without waiting for EndOfTranscript",
        closes_before_end,
        ("EndOfTranscript|before|without waiting", "app|client"),
        speechmatics_good,
        "the app waits for EndOfTranscript",
        ("before",),
    ),
    Report(
        "gem-stream-end-too-short",
        "missing end",
        "DevEmperor/DictateKeyboard#372",
        "Bug : Gemini 3.5 Transcribe Live — final words frequently missing when stopping",
        "the last words are missing",
        "the app leaves 1.2 seconds after audioStreamEnd, before the rest of the transcript",
        stream_end_too_short,
        ("app|client", "before|without|1\\.2", "transcript|turn|answer|result|complete"),
        gemini_good,
        "the turn is complete",
        ("before",),
    ),
    Report(
        "mistral-leaves",
        "missing end",
        "gojargo/jargo#99",
        "provider/mistral: STT never emits a final transcription",
        "no final transcript",
        "the app closes right after input_audio.end, before transcription.done",
        voxtral_leaves,
        ("transcription\\.done|before|without", "app|client"),
        voxtral_good,
        "the app waits for transcription.done",
        ("before",),
    ),
    Report(
        "oai-leaves-at-created",
        "unknown",
        "richiejp/VoxInput#22",
        "Can't use Realtime with OpenAI",
        "the app cannot use the session",
        "the app closes as soon as it sees transcription_session.created, which it does not know",
        leaves_at_created,
        ("app|client", "closed|left|ended|leaves", "sent nothing|nothing|no audio|without|before"),
        gemini_good,
        "the session is used",
        ("sent nothing",),
    ),
]
