"""Reports about the media streams of telephone services."""

from __future__ import annotations

from audio_samples import alaw, mulaw
from bug_report import Report
from openai_reports import beta, telephone_declared
from provider_sessions import Json, answered, append, b64, chunks, pcm, response_done
from wire_session import Message, WireSession

SILENCE = b"\xff" * 160
TWILIO = "TwilioMediaStreams/1.0"


def call(tracks: list[str]) -> WireSession:
    """Twilio connects to an app."""
    session = WireSession("wss://voice.example.com/media", agent=TWILIO).accept()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"streamSid": "MZ1", "callSid": "CA1", "tracks": tracks, "mediaFormat": form}
    session.app({"event": "connected", "protocol": "Call", "version": "1.0.0"})
    return session.app({"event": "start", "sequenceNumber": "1", "start": start})


def heard(data: bytes) -> Message:
    return {"event": "media", "media": {"track": "inbound", "payload": b64(data)}}


def said(data: bytes) -> Json:
    return {"event": "media", "streamSid": "MZ1", "media": {"payload": b64(data)}}


def agent_says(session: WireSession, seconds: float) -> WireSession:
    """In one burst, as the service makes it: the telephone keeps it until it has played it."""
    for data in chunks(mulaw(pcm(seconds, 8000)), 4000):
        session.server(said(data))
    return session


def caller(session: WireSession, data: bytes) -> WireSession:
    return session.stream(chunks(data, 160), 0.02, heard)


def barge_in(*, clear: bool) -> WireSession:
    """The caller speaks while eight seconds of the agent's speech wait to be played."""
    session = agent_says(caller(call(["inbound"]), SILENCE * 20), 8.0)
    caller(session, SILENCE * 50 + mulaw(pcm(2.0, 8000)))
    if clear:
        session.server({"event": "clear", "streamSid": "MZ1"})
    agent_says(caller(session, SILENCE * 40), 2.0)
    caller(session, SILENCE * 100)
    return session.app({"event": "stop", "streamSid": "MZ1"}).app_closes(1000)


def one_way() -> WireSession:
    session = agent_says(caller(call(["inbound", "outbound"]), SILENCE * 20), 3.0)
    session.server({"event": "mark", "streamSid": "MZ1", "mark": {"name": "greeting"}})
    caller(session, SILENCE * 200 + mulaw(pcm(2.0, 8000)) + SILENCE * 50)
    agent_says(session, 2.0)
    caller(session, SILENCE * 100)
    return session.app({"event": "stop", "streamSid": "MZ1"}).app_closes(1000)


def two_way() -> WireSession:
    session = agent_says(caller(call(["inbound"]), SILENCE * 20), 3.0)
    session.server({"event": "mark", "streamSid": "MZ1", "mark": {"name": "greeting"}})
    caller(session, SILENCE * 180)
    session.app({"event": "mark", "streamSid": "MZ1", "mark": {"name": "greeting"}})
    caller(session, mulaw(pcm(2.0, 8000)) + SILENCE * 50)
    agent_says(session, 2.0)
    caller(session, SILENCE * 120)
    return session.app({"event": "stop", "streamSid": "MZ1"}).app_closes(1000)


def a_law_as_mu_law() -> WireSession:
    """The telephone network uses A-law; the app passes its bytes on as mu-law."""
    formats = {"input_audio_format": "g711_ulaw", "output_audio_format": "g711_ulaw"}
    session = beta(formats).stream(chunks(alaw(pcm(4.0, 8000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_started", "audio_start_ms": 512})
    session.stream(chunks(alaw(bytes(16_000)), 160), 0.02, append)
    session.server({"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 4100})
    answered(session, 1.5, 4000).server(response_done("completed"))
    return session.app_closes(1000, after=2.0)


REPORTS = [
    Report(
        "twilio-no-clear",
        "message order",
        "cloudflare/agents#2261",
        "barge-in never stops Twilio playback (no Media Streams `clear` event)",
        "the agent talks on although it was interrupted",
        "no clear message is sent when the caller speaks",
        lambda: barge_in(clear=False),
        ("clear",),
        lambda: barge_in(clear=True),
        "clear is sent",
        ("no clear", "without a clear"),
        complete=True,
    ),
    Report(
        "twilio-one-way",
        "carrier",
        "pipecat-ai/pipecat#2157",
        "Twilio Audio Response Issue",
        "the caller does not hear the agent",
        "a stream that <Start> opened is one-way: what the app sends is not played",
        one_way,
        ("one-?way|does not play|<Connect>|only listens",),
        two_way,
        "a stream that <Connect> opened",
        ("one-?way", "not play"),
        complete=True,
    ),
    Report(
        "tel-alaw-as-mulaw",
        "format",
        "dograh-hq/dograh#256",
        "fix: honor telnyxs per-call codec in bidirectional stream",
        "static for the entire call",
        "A-law is passed on, and mu-law is declared",
        a_law_as_mu_law,
        ("A-law", "u-?law|mu-?law|µ-law|declare"),
        telephone_declared,
        "mu-law is sent",
        ("A-law",),
    ),
]
