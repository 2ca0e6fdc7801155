"""Reports about timeouts, idle connections and faults of a service."""

from __future__ import annotations

from bug_report import Report
from gemini_reports import closes as gemini_closes
from provider_reports import gladia, gladia_final, gladia_good, sarvam, sarvam_good
from provider_sessions import (
    CARTESIA_KEY,
    HELLO,
    REQUEST_ID,
    azure_audio,
    azure_listening,
    b64,
    cartesia_text,
    cartesia_tts,
    chunks,
    gemini_audio,
    gemini_good,
    gemini_ready,
    pcm,
)
from reported_access import azure_transcribed, cartesia_good
from wire_session import NODE, WireSession


def never_finishes() -> WireSession:
    """`continue` stays true: the service waits for more of the same utterance."""
    session = cartesia_tts().accept().app({**cartesia_text("ctx-1"), "continue": True})
    for data in chunks(pcm(1.5, 24_000), 9600):
        session.server({"type": "chunk", "context_id": "ctx-1", "data": b64(data), "done": False})
    return session.server_closes(1000, "connection idle timeout", after=300.0)


def muted_caller() -> WireSession:
    query = f"model=ink-whisper&encoding=pcm_s16le&sample_rate=16000&api_key={CARTESIA_KEY}"
    url = f"wss://api.cartesia.ai/stt/websocket?{query}&cartesia_version=2025-04-16"
    session = WireSession(url, agent=NODE).accept()
    return session.server_closes(1001, "Idle timeout", after=180.4)


def gladia_pause() -> WireSession:
    session = gladia().server(gladia_final(HELLO))
    return session.drop(by_client=False, after=30.0).drop(by_client=True)


def sarvam_pause() -> WireSession:
    """Nobody speaks for a minute; the connection is cut, and the app goes on."""
    session = sarvam(wrap=True)
    result = {"request_id": REQUEST_ID, "transcript": HELLO, "language_code": "en-IN"}
    session.server({"type": "data", "data": result}, after=0.3)
    return session.drop(by_client=False, how="reset", after=62.0).drop(by_client=True)


def azure_idle() -> WireSession:
    session = azure_listening().stream(chunks(pcm(2.0), 3200), 0.1, azure_audio)
    return session.server_closes(1000, "Idle timeout", after=300.0)


def deadline() -> WireSession:
    reason = "Request trace id: 434a1f2042ea7643, [ORIGINAL ERROR] RPC::DEADLINE_EXCEEDED: "
    return gemini_talks().server_closes(1011, reason, after=1.0)


def unavailable() -> WireSession:
    return gemini_talks().server_closes(1011, "The service is currently unavailable.")


def no_json() -> WireSession:
    reason = "Request trace id: 5abe86c1d2f3a4b5, [ORIGINAL ERROR] generic::invalid_argument: "
    return gemini_talks().server_closes(1008, (reason + "application/json isn't")[:123])


def gemini_talks() -> WireSession:
    return gemini_ready().stream(chunks(pcm(4.0), 3200), 0.1, gemini_audio)


def xai_stream_times_out() -> WireSession:
    url = "wss://api.x.ai/v1/stt?sample_rate=16000&encoding=pcm&interim_results=true"
    session = WireSession(url, {"Authorization": "Bearer xai-" + "Synthetic0" * 8}).accept()
    session.server({"type": "transcript.created"})
    session.stream(chunks(pcm(2.0), 3200), 0.1)
    partial = {"type": "transcript.partial", "text": HELLO, "is_final": True, "start": 0.0}
    session.server(partial).server({"type": "error", "message": "ASR stream timed out"}, after=4.0)
    return session.stream(chunks(pcm(6.0), 3200), 0.1).app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "ca-never-finishes",
        "timeout",
        "cartesia-ai/cartesia-python#39",
        "Return from `_TTSContext` after receiving DONE",
        "the app hangs for five minutes, then the connection is idle",
        "the context is never finished: continue stays true",
        never_finishes,
        ("idle", "continue|done|context|end"),
        cartesia_good,
        "continue is false",
        ("idle",),
        complete=True,
    ),
    Report(
        "ca-idle-1001",
        "timeout",
        "livekit/agents-js#2494",
        "fix(stt): survive routine idle-timeout reconnects instead of closing the session",
        "1001 every three minutes while the caller is muted",
        "no audio is sent for three minutes",
        muted_caller,
        ("idle", "audio|180|3 min|sent nothing|nothing"),
        cartesia_good,
        "the session is used",
        ("idle",),
    ),
    Report(
        "gl-pause",
        "timeout",
        "pipecat-ai/pipecat#1643",
        "Add a keepalive task to GladiaSTTService",
        "the connection is gone after a pause",
        "no audio came for 30 seconds",
        gladia_pause,
        ("30(\\.\\d+)? ?s", "audio|idle|silence|nothing|without"),
        gladia_good,
        "no pause",
        ("30",),
    ),
    Report(
        "sarvam-pause",
        "timeout",
        "pipecat-ai/pipecat#3699",
        "SarvamSTTService: WebSocket dies during call with no reconnection or keepalive",
        "each message fails after a pause, without a Close",
        "the service or a proxy cuts the connection after a minute without audio",
        sarvam_pause,
        ("62(\\.\\d+)? ?s|60|idle|pause|silence", "reset|without a close|ended"),
        sarvam_good,
        "no pause",
        ("reset",),
    ),
    Report(
        "az-idle",
        "timeout",
        "Azure-Samples/cognitive-services-speech-sdk#210",
        'Missing CANCELED-Event "Too many requests"',
        "1000 with the reason Idle timeout",
        "the app sent nothing for five minutes, and did not end the turn",
        azure_idle,
        ("idle timeout",),
        azure_transcribed,
        "the turn ends",
        ("idle",),
    ),
    Report(
        "gem-deadline",
        "server fault",
        "google-gemini/cookbook#387",
        'I am getting "RPC::DEADLINE_EXCEEDED" if I run it a little while.',
        "1011 after two or three minutes",
        "a deadline inside the service passed",
        deadline,
        ("DEADLINE_EXCEEDED|deadline",),
        lambda: gemini_closes(1011, "Internal error occurred."),
        "another reason",
        ("deadline",),
        ("audio stopped", "waited too long"),
    ),
    Report(
        "gem-unavailable",
        "server fault",
        "googleapis/python-genai#760",
        'Error with Gemini Live API ("gemini-2.0-flash-live-001") and WebSockets',
        "1011 now and then",
        "the service is unavailable",
        unavailable,
        ("unavailable",),
        gemini_good,
        "the service works",
        ("unavailable",),
    ),
    Report(
        "gem-no-json",
        "parameter",
        "googleapis/python-genai#182",
        "Websocket connection closes when gemini executes code using Matplotlib",
        "1008 after the model ran code",
        "the service does not take JSON there; its sentence is cut",
        no_json,
        ("application/json isn't",),
        gemini_good,
        "no code is run",
        ("application/json",),
        ("policy was violated",),
    ),
    Report(
        "xai-asr-timeout",
        "timeout",
        "livekit/agents#7279",
        "fix(xai): reconnect STT stream on server-side error",
        "the transcript stops for the rest of the call",
        "an error message ended the stream; the connection stays open",
        xai_stream_times_out,
        ("ASR stream timed out",),
        gemini_good,
        "no error message",
        ("timed out",),
    ),
]
