"""Reports about Deepgram, AssemblyAI and Speechmatics: who waits, how fast, and refusals."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from deepgram_reports import assemblyai, assemblyai_good
from provider_sessions import (
    DEEPGRAM_KEY,
    HELLO,
    REQUEST_ID,
    chunks,
    deepgram_good,
    deepgram_metadata,
    deepgram_result,
    listening,
    pcm,
    speechmatics,
    speechmatics_final,
)
from stt_refused_reports import NOT_AUTHORIZED, flux, flux_good
from wire_session import NODE, WireSession


def waits_for_metadata() -> WireSession:
    query = "model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true"
    return listening(query).app_closes(1000, after=10.0)


def key_as_bearer(scheme: str = "Bearer") -> WireSession:
    url = "wss://api.deepgram.com/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
    session = WireSession(url, {"Authorization": f"{scheme} {DEEPGRAM_KEY}"}, agent=NODE)
    return session.refuse(401, "Unauthorized", NOT_AUTHORIZED | {"request_id": REQUEST_ID})


def flux_too_many() -> WireSession:
    body = {"err_code": "TOO_MANY_REQUESTS", "err_msg": "Too many requests. Please try again later"}
    return flux("eot_threshold=0.7").refuse(429, "Too Many Requests", body)


def flux_long_term() -> WireSession:
    term = "%20".join(["Aurelian", "Receptionist"] * 5)
    session = flux(f"keyterm=Kyu&keyterm={term}")
    return session.refuse(400, "Bad Request", b"", {"dg-request-id": REQUEST_ID})


def empty_speech_final(last: str = "") -> WireSession:
    query = "model=nova-2&encoding=linear16&sample_rate=16000&interim_results=true&endpointing=500"
    session = listening(query).stream(chunks(pcm(3.0), 3200), 0.1)
    session.server(deepgram_result(HELLO, 0.0, 3.0) | {"speech_final": False})
    session.stream(chunks(bytes(32_000), 3200), 0.1)
    session.server(deepgram_result(last, 3.0, 1.0)).app({"type": "CloseStream"})
    return session.server(deepgram_metadata(4.0)).server_closes(1000)


def mulaw_for_pcm() -> WireSession:
    session = assemblyai().server({"type": "Begin", "id": REQUEST_ID, "expires_at": 1790003600})
    session.stream(chunks(mulaw(pcm(8.0, 8000)), 3200), 0.4)
    turn = {"type": "Turn", "turn_order": 0, "end_of_turn": True, "transcript": "", "words": []}
    session.server(turn).app({"type": "Terminate"})
    done = {"type": "Termination", "audio_duration_seconds": 2, "session_duration_seconds": 8}
    return session.server(done).server_closes(1000)


def file_at_once() -> WireSession:
    """Two minutes of audio; the service reads at its own pace, and gives up the connection."""
    session = speechmatics().server({"message": "RecognitionStarted", "id": REQUEST_ID}, after=0.1)
    session.stream(chunks(pcm(30.0) * 4, 65_536), 0.01)
    for number in range(1, 11):
        session.server({"message": "AudioAdded", "seq_no": number}, after=1.5)
    session.server(speechmatics_final("Good morning. ", 0.2, 1.8))
    return session.drop(by_client=False, how="reset", after=1.0)


def file_at_its_pace() -> WireSession:
    session = speechmatics().server({"message": "RecognitionStarted", "id": REQUEST_ID}, after=0.1)
    for number, data in enumerate(chunks(pcm(10.0), 6400), 1):
        session.app(data, after=0.2).server({"message": "AudioAdded", "seq_no": number})
    session.app({"message": "EndOfStream", "last_seq_no": 50})
    session.server(speechmatics_final("Good morning. ", 0.2, 9.8), after=0.5)
    return session.server({"message": "EndOfTranscript"}).app_closes(1000)


REPORTS = [
    Report(
        "dg-waits-for-metadata",
        "order",
        "ray-amjad/hyperwhisper-app#101",
        "fix(windows): stop Deepgram live streaming from timing out before it starts",
        "the session does not start within 10 seconds",
        "the app waits for Metadata, which comes at the end, before it sends audio",
        waits_for_metadata,
        ("no audio|sent nothing|nothing was sent|no message",),
        deepgram_good,
        "audio is sent",
        ("no audio", "nothing"),
        ("credential", "server fault"),
    ),
    Report(
        "dg-key-as-bearer",
        "credentials",
        "OpenWhispr/openwhispr#2149",
        "fix(transcription): repair BYOK Deepgram and AssemblyAI streaming",
        "401 with a key that works elsewhere",
        "an API key is sent as Bearer; it needs the scheme Token",
        key_as_bearer,
        ("token", "bearer"),
        lambda: key_as_bearer("Token"),
        "the right scheme, and a wrong key",
        ("bearer",),
        ("has expired|is expired", "quota"),
    ),
    Report(
        "dg-flux-429",
        "concurrency",
        "deepgram/deepgram-python-sdk#726",
        "Streaming STT (flux-general-en) WebSocket handshake rejected with HTTP 429",
        "429 on the upgrade",
        "the limit of streams at once is reached",
        flux_too_many,
        ("too many|concurren|rate limit",),
        lambda: flux_good("eot_threshold=0.7"),
        "below the limit",
        ("too many", "concurren"),
        ("credential", "quota is used up"),
    ),
    Report(
        "dg-flux-long-keyterm",
        "parameter",
        "deepgram/deepgram-python-sdk#616",
        "[Bug]: Deepgram Flux connection failing if key term length is greater than 100",
        "400 without a reason",
        "a key term has more than 100 characters",
        flux_long_term,
        ("keyterm", "100"),
        lambda: flux_good("keyterm=Kyu"),
        "short key terms",
        ("keyterm",),
        ("credential", "model (does|is) not"),
    ),
    Report(
        "dg-empty-speech-final",
        "good session",
        "jambonz/jambonz-feature-server#998",
        "partial deepgram transcript followed by empty final transcript",
        "the result that ends the speech is empty",
        "nothing: its words are in the final result before it",
        empty_speech_final,
        (),
        lambda: empty_speech_final("Yes."),
        "the last result has words",
        ("empty",),
        fine=True,
    ),
    Report(
        "sm-file-at-once",
        "pace",
        "speechmatics/speechmatics-js-sdk#27",
        "sendAudio is not rate limited and can cause issues when sending faster than real-time",
        "the connection breaks before the file has been transcribed",
        "a file is sent much faster than real time",
        file_at_once,
        ("fast|real time",),
        file_at_its_pace,
        "the file is sent at its own pace",
        ("fast", "real time"),
        ("credential", "quota"),
    ),
    Report(
        "aai-mulaw-as-pcm",
        "format",
        "bolna-ai/bolna#847",
        "Use mulaw@8000 for SIP-trunk across transcribers and language-ID",
        "empty transcripts of each call over a SIP trunk",
        "the telephone's mu-law at 8 kHz is declared as linear PCM at 16 kHz",
        mulaw_for_pcm,
        ("µ-law|u-law|mu-law|mulaw",),
        assemblyai_good,
        "PCM",
        ("law",),
        ("credential", "silen"),
    ),
]
