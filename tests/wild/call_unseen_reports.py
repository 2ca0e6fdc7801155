"""Further reports about telephone calls that go wrong without an error message."""

from __future__ import annotations

from audio_samples import mulaw
from bug_report import Report
from call_quiet_reports import STREAM, call, hangs_up, hiss, listens, mark, quiet, says
from provider_sessions import Json, b64, chunks, pcm
from speech_further_reports import CLEAR, asks
from telephone_reports import TWILIO
from wire_session import Message, WireSession


def vonage(every: float) -> WireSession:
    """Three answers; each frame of 20 ms waits for a timer."""
    session = WireSession("wss://voice.example.com/vonage", agent="VonageVoice/1.0").accept()
    form = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}
    session.app({**form, "call_id": "redacted"})
    begun = session.now
    for _ in range(3):
        session.wait(1.0).stream(chunks(pcm(4.0), 640), every, from_client=False)
    length, session.now = session.now + 2.0 - begun, begun
    session.stream(chunks(hiss(length, 16_000), 640), 0.02)
    return session.app_closes(1000)


def next_call(*, old: bool) -> WireSession:
    """The call before was interrupted; the app kept the id of its stream."""
    session = asks(call())
    name = "MZfedcba9876543210fedcba9876543210" if old else STREAM
    for data in chunks(mulaw(pcm(3.0, 8000)), 4000):
        session.server({"event": "media", "streamSid": name, "media": {"payload": b64(data)}})
    session.server(mark("a") | {"streamSid": name})
    return hangs_up(listens(asks(listens(session, 3.5)), 3.0))


def own_echo(*, echo: bool) -> WireSession:
    """The line sends the app's voice back; the app takes it for the caller's."""
    session = says(call(), mulaw(pcm(5.0, 8000))).server(mark("greeting"))
    if not echo:
        listens(session, 5.2).app(mark("greeting"))
        return hangs_up(listens(asks(session), 2.0))
    listens(session, 0.2).server(CLEAR).app(mark("greeting"))
    return hangs_up(listens(session, 8.0))


def both_tracks(*, both: bool) -> WireSession:
    """An app that records the call, as one stream."""
    session = WireSession("wss://voice.example.com/record", agent=TWILIO).accept()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    tracks = ["inbound", "outbound"] if both else ["inbound"]
    start: Json = {"streamSid": STREAM, "callSid": "CA1", "tracks": tracks, "mediaFormat": form}
    session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    session.app({"event": "start", "streamSid": STREAM, "start": start})

    def of(track: str, data: bytes) -> Message:
        payload = {"track": track, "payload": b64(data)}
        return {"event": "media", "streamSid": STREAM, "media": payload}

    callee = quiet(8.0)
    for data, other in zip(chunks(mulaw(pcm(8.0, 8000)), 160), callee, strict=False):
        session.app(of("inbound", data), after=0.018)
        if both:
            session.app(of("outbound", other), after=0.002)
    return hangs_up(session)


REPORTS = [
    Report(
        "vonage-slow-timer",
        "pace",
        "HybridAIOne/hybridclaw#1458",
        "fix(voice): smooth Vonage realtime playback and drop the opening goodbye",
        "the voice is choppy, as of a robot",
        "a timer lets one frame of 20 ms go each 24 ms: the line runs out of audio",
        lambda: vonage(0.024),
        ("slower|gap|pace|late|ran out|run out|behind|real time",),
        lambda: vonage(0.0195),
        "the frames come in time",
        ("slower", "gap", "ran out"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "twilio-stream-of-last-call",
        "parameter",
        "deepgram/deepgram-twilio-streaming-voice-agent#13",
        "After call gets interrupted, TTS is not working on subsequent calls",
        "nothing is heard in the second call",
        "the app sends with the streamSid of the call before",
        lambda: next_call(old=True),
        ("streamSid|name", "another|other|not"),
        lambda: next_call(old=False),
        "the streamSid of this call",
        ("streamSid", "do not name"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "twilio-own-echo",
        "message order",
        "openclaw/openclaw#10949",
        "[Bug]: Voice-call barge-in cancels TTS playback due to echo (STT picks up TTS output)",
        "a burst of sound in place of the message",
        "the app clears its own sentence at once, although the caller does not speak",
        lambda: own_echo(echo=True),
        ("clear", "play|heard|caller"),
        lambda: own_echo(echo=False),
        "the sentence is played",
        ("clear",),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""

UNSOLVED = [
    # An app that keeps the two tracks apart gets the same messages.
    Report(
        "twilio-both-tracks",
        "format",
        "jremi/twilio-media-stream-save-audio-file#1",
        'Works for "inbound_track" but not for "both_tracks"',
        "the recording is slow and broken",
        "the stream has two tracks, whose messages alternate; they are joined as one",
        lambda: both_tracks(both=True),
        ("inbound|both|two", "track|outbound"),
        lambda: both_tracks(both=False),
        "one track",
        ("outbound", "two tracks", "both tracks"),
        ("credential",),
        complete=True,
    ),
]
"""Reports whose sign has a lawful use."""
