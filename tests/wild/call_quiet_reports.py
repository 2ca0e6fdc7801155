"""Reports about telephone calls that go wrong without an error message.

Noise, gaps, a voice that nobody hears or that is cut off. The telephone service is the client of
the WebSocket; the app is its server.
"""

from __future__ import annotations

import json

from audio_samples import MP3_FRAME, mulaw, scaled
from bug_report import Report
from provider_sessions import Json, b64, chunks, pcm
from telephone_reports import TWILIO
from wire_session import Message, WireSession

STREAM = "MZ0123456789abcdef0123456789abcdef"
QUOTA = {
    "detail": {
        "status": "quota_exceeded",
        "message": "You have 0 credits remaining, while 57 credits are required for this request.",
    }
}


def hiss(seconds: float, rate: int = 8000) -> bytes:
    """Of a line on which nobody speaks: 16-bit samples."""
    return scaled(bytes(round(seconds * rate) * 2), 0.0, 40.0)


def quiet(seconds: float) -> list[bytes]:
    """Frames of 20 ms from the caller, who listens."""
    return list(chunks(mulaw(hiss(seconds)), 160))


# -- Twilio


def call(*, starts: bool = True) -> WireSession:
    session = WireSession("wss://voice.example.com/media", agent=TWILIO).accept()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start: Json = {"streamSid": STREAM, "callSid": "CA1", "tracks": ["inbound"]}
    if starts:
        session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        session.app({"event": "start", "streamSid": STREAM, "start": start | {"mediaFormat": form}})
    return listens(session, 0.4)


def heard(data: bytes) -> Message:
    payload = {"track": "inbound", "payload": b64(data)}
    return {"event": "media", "streamSid": STREAM, "media": payload}


def listens(session: WireSession, seconds: float) -> WireSession:
    return session.stream(quiet(seconds), 0.02, heard)


def media(data: bytes) -> Message:
    return {"event": "media", "streamSid": STREAM, "media": {"payload": b64(data)}}


def mark(name: str) -> Json:
    return {"event": "mark", "streamSid": STREAM, "mark": {"name": name}}


def says(session: WireSession, data: bytes, size: int = 4000, every: float = 0.002) -> WireSession:
    return session.stream(chunks(data, size), every, media, from_client=False)


def hangs_up(session: WireSession) -> WireSession:
    session.app({"event": "stop", "streamSid": STREAM, "stop": {"callSid": "CA1"}})
    return session.app_closes(1000)


def played(data: bytes) -> WireSession:
    """The app sends this as its first sentence."""
    return hangs_up(listens(says(call(), data), 4.0))


def gaps(every: float) -> WireSession:
    """A sentence of ten seconds, half a second at a time."""
    session = call()
    for data in chunks(mulaw(pcm(10.0, 8000)), 4000):
        says(session, data)
        listens(session, every)
    return hangs_up(listens(session, 10.0))


def nameless(*, starts: bool) -> WireSession:
    """What the app sends has the name that the start message had."""
    session = call(starts=starts)
    for data in chunks(mulaw(pcm(2.0, 8000)), 4000):
        name: Json = {"streamSid": STREAM} if starts else {}
        session.server({"event": "media", **name, "media": {"payload": b64(data)}})
    return hangs_up(listens(session, 4.0))


def goodbye(*, waits: bool) -> WireSession:
    """The last sentence lasts six seconds; it is sent in one burst."""
    session = says(call(), mulaw(pcm(6.0, 8000))).server(mark("goodbye"))
    if not waits:
        return listens(session, 2.0).server_closes(1000)
    listens(session, 6.0).app(mark("goodbye"))
    return session.server_closes(1000, after=0.1)


# -- others


def vonage(last: int) -> WireSession:
    """The first message names the format; audio goes in frames of 20 ms."""
    session = WireSession("wss://voice.example.com/socket", agent="VonageVoice/1.0").accept()
    form = {"event": "websocket:connected", "content-type": "audio/l16;rate=16000"}
    session.app({**form, "call_id": "redacted"})
    session.stream(chunks(hiss(0.5, 16_000), 640), 0.02)
    session.stream(chunks(pcm(3.0), 640), 0.018, from_client=False)
    session.server(pcm(0.02)[:last], after=0.018)
    return session.drop(by_client=True, after=0.05)


def telnyx(every: float) -> WireSession:
    """Frames of 20 ms, each after a timer."""
    session = WireSession("wss://voice.example.com/media-stream", agent="Telnyx").accept()
    session.app({"event": "connected", "version": "1.0.0"})
    form = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}
    start = {"call_control_id": "v3:1", "media_format": form}
    session.app({"event": "start", "sequence_number": "1", "start": start, "stream_id": "s1"})

    def inbound(data: bytes) -> Message:
        media = {"track": "inbound", "payload": b64(data)}
        return {"event": "media", "stream_id": "s1", "media": media}

    session.stream(quiet(0.4), 0.02, inbound)
    for data in chunks(mulaw(pcm(8.0, 8000)), 160):
        session.server({"event": "media", "media": {"payload": b64(data)}}, after=every)
    session.stream(quiet(2.0), 0.02, inbound)
    session.app({"event": "stop", "stream_id": "s1", "stop": {"call_control_id": "v3:1"}})
    return session.app_closes(1000)


def exotel(rate: int) -> WireSession:
    """The stream has 16 kHz, as its address asks; the app's audio has another rate."""
    url = "wss://voice.example.com/exotel?sample-rate=16000"
    session = WireSession(url, agent="exotel-stream").accept().app({"event": "connected"})
    form = {"encoding": "base64", "sample_rate": "16000", "bit_rate": "256kbps"}
    start = {"stream_sid": "e1", "call_sid": "c1", "media_format": form}
    session.app({"event": "start", "sequence_number": 1, "stream_sid": "e1", "start": start})

    def frame(data: bytes) -> Message:
        return {"event": "media", "stream_sid": "e1", "media": {"payload": b64(data)}}

    session.stream(chunks(hiss(2.0, 16_000), 3200), 0.1, frame)
    session.stream(chunks(pcm(6.0, rate), rate // 5), 0.1, frame, from_client=False)
    session.stream(chunks(hiss(2.0, 16_000), 3200), 0.1, frame)
    return session.app({"event": "stop", "stream_sid": "e1"}).app_closes(1000)


def asterisk(*, stops: bool) -> WireSession:
    """Its channel chan_websocket takes commands as text, and audio as binary messages."""
    session = WireSession("wss://voice.example.com/asterisk", agent="Asterisk").accept()
    begin = "MEDIA_START connection_id:media/1 channel:WebSocket/media/1 format:ulaw"
    session.app(f"{begin} optimal_frame_size:160 ptime:20")
    session.stream(quiet(0.4), 0.02).server("START_MEDIA_BUFFERING")
    for data in chunks(mulaw(pcm(2.0, 8000)), 1000):
        session.server(data)
    if stops:
        session.server("STOP_MEDIA_BUFFERING")
    return session.stream(quiet(6.0), 0.02).app_closes(1000)


REPORTS = [
    Report(
        "asterisk-buffers",
        "missing end",
        "bolna-ai/bolna#773",
        "sip-trunk: flush media buffer per response so the welcome message plays at call connect",
        "the welcome message is played after the caller has spoken",
        "the app begins to buffer its audio, and does not end that",
        lambda: asterisk(stops=False),
        ("STOP_MEDIA_BUFFERING|buffer",),
        lambda: asterisk(stops=True),
        "the app ends the buffering",
        ("BUFFERING", "buffer"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "twilio-error-as-audio",
        "carrier",
        "twilio-labs/call-gpt#18",
        "Getting click sounds and static sounds on the phone when run.",
        "a click instead of the agent's voice",
        "the error message of the speech service is sent on as audio",
        lambda: played(json.dumps(QUOTA).encode()),
        ("JSON|text|not audio",),
        lambda: played(mulaw(pcm(2.0, 8000))),
        "speech is sent",
        ("JSON", "text in place", "not audio"),
        ("credential",),
        complete=True,
    ),
    Report(
        "twilio-mp3",
        "format",
        "voxos-ai/bolna#52",
        "Error receiving twillio response from the synthesizer",
        "noise; the same audio is fine in a file",
        "MP3 is sent where mu-law is played",
        lambda: played(MP3_FRAME * 60),
        ("MP3",),
        lambda: played(mulaw(pcm(2.0, 8000))),
        "mu-law is sent",
        ("MP3",),
        ("credential",),
        complete=True,
    ),
    Report(
        "twilio-pcm",
        "format",
        "Barty-Bart/elevenlabs-twilio-ai-caller#1",
        "Twilio - 31951 Stream - Protocol - Invalid message",
        "the agent is not heard, or very noisy",
        "the agent's 16-bit PCM of 16 kHz is passed on where mu-law is played",
        lambda: played(pcm(3.0)),
        ("PCM|16-bit|linear16|not mu-?law|not u-?law|not .*-law",),
        lambda: played(mulaw(pcm(2.0, 8000))),
        "mu-law is sent",
        ("PCM", "16-bit"),
        ("credential",),
        complete=True,
    ),
    Report(
        "twilio-without-start",
        "message order",
        "twilio-labs/call-gpt#46",
        "Media Stream `start` event is not coming for deployed server",
        "the caller hears nothing",
        "the app did not get the start message, so what it sends has no streamSid",
        lambda: nameless(starts=False),
        ("streamSid|stream ?id|start",),
        lambda: nameless(starts=True),
        "the start message comes",
        ("streamSid", "no start"),
        ("credential",),
        complete=True,
    ),
    Report(
        "twilio-gaps",
        "pace",
        "openclaw/openclaw#52111",
        "[voice-call plugin] Twilio: bot audio cuts out in multi-second gaps during phone calls",
        "gaps of one to three seconds in each sentence",
        "the app sends the audio slower than it is played",
        lambda: gaps(2.0),
        ("gap|slower|pause|late|ran out|run out|underrun|behind",),
        lambda: gaps(0.1),
        "the audio comes faster than it is played",
        ("gap", "slower", "ran out"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "telnyx-choppy",
        "pace",
        "ZeframLou/call-me#12",
        "Audio stuttering/choppy speech quality during calls",
        "the voice stutters",
        "a timer that should take 18 ms takes 31 ms: 20 ms of audio come each 31 ms",
        lambda: telnyx(0.031),
        ("slower|gap|pace|late|ran out|run out|behind|real time",),
        lambda: telnyx(0.0198),
        "the frames come in time",
        ("slower", "gap", "ran out"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "twilio-goodbye",
        "missing end",
        "vellum-ai/vellum-assistant#38339",
        "fix(calls): wait for goodbye audio to drain before hanging up phone calls",
        "the call ends in the middle of the goodbye",
        "the app ends the stream while the telephone still has four seconds to play",
        lambda: goodbye(waits=False),
        ("play|mark", "clos|end|before|cut"),
        lambda: goodbye(waits=True),
        "the app waits until it was played",
        ("not played", "cut off", "still"),
        ("credential", "no audio"),
        complete=True,
    ),
    Report(
        "vonage-frame-size",
        "format",
        "vocodedev/vocode-core#727",
        "Intermittent Vonage Disconnections Due to Mismatched Audio Chunk Size",
        "calls end with 1006 at random",
        "Vonage takes frames of 20 ms only; the last frame of a sentence is shorter",
        lambda: vonage(320),
        ("640|320|size|20 ms",),
        lambda: vonage(640),
        "all frames have 20 ms, and the caller's network fails",
        ("frame size", "640", "shorter"),
        ("credential",),
    ),
    Report(
        "exotel-8k-as-16k",
        "sample rate",
        "dograh-hq/dograh#639",
        "Add Exotel telephony provider for Connect Voice AI",
        "the voice is too fast and choppy",
        "the stream has 16 kHz; the app's audio has 8 kHz",
        lambda: exotel(8000),
        ("8 ?kHz|8000|rate|half|slower",),
        lambda: exotel(16_000),
        "the app's audio has 16 kHz",
        ("8000", "slower", "8 kHz"),
        ("credential", "no audio"),
        complete=True,
    ),
]
"""Reports."""
