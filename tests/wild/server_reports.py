"""Further reports about servers of one's own, and about what stands in front of them."""

from __future__ import annotations

from audio_samples import mulaw, wav
from bug_report import Report
from provider_sessions import HELLO, b64, chunks, pcm
from wire_session import BROWSER, NODE, WireSession


def page_of_the_app() -> WireSession:
    body = (
        b'<!doctype html><html lang="en"><head><title>Jarvis</title></head>'
        b'<body><div id="root"></div></body></html>'
    )
    headers = {"Server": "nginx/1.27.0", "Content-Type": "text/html"}
    session = WireSession("wss://jarvis.example.com/ws/voice", agent=BROWSER)
    return session.refuse(200, "OK", body, headers)


def upgrade_header_lost() -> WireSession:
    body = b"<html><head><title>404 Not Found</title></head><body>nginx/1.25.5</body></html>"
    headers = {"Server": "nginx/1.25.5", "Content-Type": "text/html"}
    session = WireSession("wss://onyx.example.com/api/voice/transcribe/stream", agent=BROWSER)
    return session.refuse(404, "Not Found", body, headers)


def own_server(words: bool = False) -> WireSession:
    session = WireSession("wss://api.example.com/v2/voice?uid=test", agent=NODE).accept()
    session.stream(chunks(pcm(3.0), 5450), 0.17)
    if words:
        session.server({"type": "transcript", "text": HELLO})
    return session.server_closes(1000, after=0.5)


def own_server_silent() -> WireSession:
    return own_server()


def twilio(payload: bytes) -> WireSession:
    """Twilio connects to an app, which sends it audio."""
    session = WireSession("wss://voice.example.com/media", agent="twilio-media-streams").accept()
    start = {"streamSid": "MZ1", "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000}}
    session.app({"event": "connected", "protocol": "Call"}, {"event": "start", "start": start})
    for _ in range(20):
        session.app({"event": "media", "media": {"payload": b64(b"\xff" * 160)}}, after=0.02)
    for data in chunks(payload, 4000):
        session.server({"event": "media", "streamSid": "MZ1", "media": {"payload": b64(data)}})
    return session.app({"event": "stop", "streamSid": "MZ1"}, after=3.0).app_closes(1000)


def twilio_gets_wav() -> WireSession:

    return twilio(wav(pcm(2.0, 24_000), 24_000))


def twilio_gets_mulaw() -> WireSession:

    return twilio(mulaw(pcm(2.0, 8000)))


REPORTS = [
    Report(
        "page-for-an-upgrade",
        "gateway",
        "omnigentx/jarvis#14",
        "fix(deploy): proxy /ws/ to backend so hands-free voice connects",
        "the WebSocket does not open",
        "nginx answers 200 with the page of the app: the path is not passed on",
        page_of_the_app,
        ("200", "page|html|not (a|upgrade)|web server|gateway|intermediary|nginx|path"),
        lambda: own_server(words=True),
        "the path is passed on",
        ("200",),
    ),
    Report(
        "nginx-404",
        "gateway",
        "onyx-dot-app/onyx#9558",
        "fix(voice): add WebSocket upgrade headers to nginx configs",
        "404 from nginx",
        "nginx does not pass the headers of the upgrade on",
        upgrade_header_lost,
        ("404", "nginx|gateway|intermediary|path|address"),
        lambda: own_server(words=True),
        "they are passed on",
        ("404",),
    ),
    Report(
        "own-server-silent",
        "unknown",
        "BasedHardware/omi#3563",
        "/v2/voice WebSocket closes immediately - no audio processing",
        "audio is sent, nothing comes, the server closes",
        "not known; the server sends no message and closes with 1000",
        own_server_silent,
        ("no(t| message| answer| result)|unknown|without",),
        lambda: own_server(words=True),
        "a transcript comes",
        ("sent (nothing|no message)",),
    ),
    Report(
        "twilio-gets-wav",
        "format",
        "twilio/media-streams#56",
        "bidirectional media-streams does not support Google Text-to-speech audio encodings",
        "a loud noise in place of speech",
        "a WAV file is sent where Twilio takes mu-law at 8 kHz",
        twilio_gets_wav,
        ("wav", "mu-?law|declare|agreed|container"),
        twilio_gets_mulaw,
        "mu-law is sent",
        ("wav",),
    ),
]
