"""Reports of speech output and calls that were kept back until all others were explained."""

from __future__ import annotations

from audio_samples import mulaw, wav
from bug_report import Report
from call_quiet_reports import hiss, quiet
from deepgram_reports import speaking
from provider_sessions import HELLO, VOICE, chunks, elevenlabs, elevenlabs_audio, pcm
from speech_quiet_reports import KEY
from wire_session import WireSession

MEDIA_START = (
    "MEDIA_START connection_id:media/1 channel:WebSocket/media/1 format:ulaw "
    "optimal_frame_size:160 ptime:20"
)


def asterisk(*, late: bool) -> WireSession:
    """Audio of the caller, and the message that says what it is."""
    session = WireSession("wss://voice.example.com/asterisk", agent="Asterisk").accept()
    if late:
        session.stream(quiet(0.2), 0.02)
    session.app(MEDIA_START)
    session.stream(quiet(2.0), 0.02)
    session.stream(chunks(mulaw(pcm(2.0, 8000)), 160), 0.019, from_client=False)
    return session.stream(quiet(2.0), 0.02).app_closes(1000)


def odd_frame(*, odd: bool) -> WireSession:
    """A file in buffered mode, again and again."""
    session = WireSession("wss://voice.example.com/asterisk", agent="Asterisk").accept()
    session.app(MEDIA_START)
    for _ in range(3):
        session.server("START_MEDIA_BUFFERING")
        data = mulaw(pcm(2.0, 8000))
        for part in chunks(data[: -70 if odd else len(data)], 5000):
            session.server(part, after=0.1)
        session.server("STOP_MEDIA_BUFFERING").app("MEDIA_BUFFERING_COMPLETED", after=0.1)
        session.stream(quiet(3.0), 0.02)
    return session.app_closes(1000)


def never_ended(*, ends: bool) -> WireSession:
    query = "model_id=eleven_monolingual_v1"
    session = elevenlabs(f"text-to-speech/{VOICE}/stream-input", query)
    session.app({"text": " ", "voice_settings": {"stability": 0.5, "similarity_boost": True}})
    session.app({"text": "Hello World "})
    if not ends:
        return session.app_closes(1000, after=18.0)
    session.app({"text": ""})
    for data in chunks(pcm(1.0, 22_050), 9600):
        session.server(elevenlabs_audio(data), after=0.1)
    return session.server({"audio": None, "isFinal": True}).server_closes(1000)


def vonage(data: bytes) -> WireSession:
    """A file in frames of 640 bytes, one each 18 ms."""
    session = WireSession("wss://voice.example.com/socket", agent="Nexmo/MediaProxy").accept()
    form = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}
    session.app(form)
    session.stream(chunks(hiss(0.5, 16_000), 640), 0.02)
    session.stream(chunks(data, 640), 0.018, from_client=False)
    session.stream(chunks(hiss(2.0, 16_000), 640), 0.02)
    return session.app_closes(1000)


def volcengine(*, known: bool) -> WireSession:
    """A binary protocol: four bytes, an event, the id of the session, JSON or audio."""
    url = "wss://openspeech.bytedance.com/api/v3/tts/bidirection"
    session = WireSession(url, KEY | {"X-Api-Resource-Id": "volc.service_type.10029"}).accept()

    def event(number: int, payload: bytes, kind: int = 0x14) -> bytes:
        name = b"1e76389912b4450e"
        head = bytes([0x11, kind, 0x10, 0]) + number.to_bytes(4, "big")
        return (
            head + len(name).to_bytes(4, "big") + name + len(payload).to_bytes(4, "big") + payload
        )

    if known:
        session.app(event(100, b'{"event":100,"req_params":{"speaker":"zh_female"}}'))
        session.server(event(150, b"{}", 0x94), after=0.1)
    session.app(event(200, b'{"event":200,"req_params":{"text":"' + HELLO.encode() + b'"}}'))
    if not known:
        reason = "non-exist session: 1e76389912b4450ea4fc892f179e5d0f"
        return session.server_closes(1000, reason, after=0.1)
    for data in chunks(pcm(2.0, 24_000), 9600):
        session.server(event(352, data, 0xB4), after=0.05)
    session.app(event(102, b"{}")).server(event(152, b"{}", 0x94), after=0.1)
    return session.app_closes(1000, after=1.0)


def reset(kind: str) -> WireSession:
    """The caller interrupts; the app wants to discard the speech."""
    session = speaking().app({"type": "Speak", "text": HELLO}, {"type": "Flush"})
    session.stream(chunks(pcm(1.0, 24_000), 9600), 0.02, from_client=False)
    session.app({"type": kind}, after=0.3)
    if kind == "Clear":
        session.server({"type": "Cleared", "sequence_id": 0}, after=0.05)
        return session.app({"type": "Close"}, after=1.0).server_closes(1000)
    reason = "Unable to parse JSON message. Refer to API documentation. DATA-0000"
    return session.server_closes(1008, reason, after=0.05)


REPORTS = [
    Report(
        "asterisk-audio-before-start",
        "message order",
        "asterisk/asterisk#1712",
        "[bug]: Asterisk 22.7 chan_websocket MEDIA_START event delayed",
        "the app does not know the format of the first audio",
        "audio comes before MEDIA_START, which should be the first message",
        lambda: asterisk(late=True),
        ("MEDIA_START|start message", "before|first|late"),
        lambda: asterisk(late=False),
        "MEDIA_START is the first message",
        ("MEDIA_START", "start message"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "xi-waits-for-ever",
        "missing end",
        "elevenlabs/elevenlabs-docs#30",
        "Issue on docs: websockets example",
        "the example waits for the first answer for ever",
        "a short text is kept until more comes, or it is flushed or ended",
        lambda: never_ended(ends=False),
        ("no audio|flush|ended",),
        lambda: never_ended(ends=True),
        "the text is ended",
        ("no audio", "neither flushed"),
        ("credential",),
    ),
    Report(
        "vonage-wav-file",
        "format",
        "Vonage/vonage-node-sdk#124",
        "How to send audio back through a websocket connection?",
        "a crackle at the beginning",
        "a WAV file is sent as it is: its header is played, and its last frame is too short",
        lambda: vonage(wav(pcm(3.0), 16_000)),
        ("WAV|header",),
        lambda: vonage(pcm(3.2)),
        "raw samples",
        ("WAV", "header"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "volc-unknown-session",
        "message order",
        "xinnan-tech/xiaozhi-esp32-server#1402",
        "Volcengine TTS error",
        "received 1000 (OK) non-exist session",
        "the text is for a session that the server does not have any more",
        lambda: volcengine(known=False),
        ("non-exist session",),
        lambda: volcengine(known=True),
        "the session was started in this connection",
        ("non-exist",),
        ("credential", "quota"),
    ),
    Report(
        "dgs-reset",
        "parameter",
        "deepgram/deepgram-go-sdk#347",
        '[Bug] speak v1 has no Clear method, and Reset() sends {"type":"Reset"}',
        "1008 when the caller interrupts",
        "the API has no message Reset; Clear discards the speech",
        lambda: reset("Reset"),
        ("Reset|message|parse|kind", "Reset|not (have|know)|unknown|invalid|Clear|could not"),
        lambda: reset("Clear"),
        "the message is Clear",
        ("Reset",),
        ("credential", "quota"),
    ),
]
"""Reports."""

UNSOLVED = [
    # What is sent is lawful: a fault of the service drops the rest.
    Report(
        "asterisk-odd-frame",
        "format",
        "asterisk/asterisk#2006",
        "[bug]: WebSocket Channel, odd frame is dropped after `STOP_MEDIA_BUFFERING`",
        "the end of each file is missing",
        "the audio is no multiple of a frame; what is left over is dropped at STOP_MEDIA_BUFFERING",
        lambda: odd_frame(odd=True),
        ("frame|multiple|160", "left|rest|remain|drop|not played|fill|short"),
        lambda: odd_frame(odd=False),
        "the audio is a multiple of a frame",
        ("multiple", "left over"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use."""
