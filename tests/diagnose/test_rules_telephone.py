"""Rules about the media streams of telephone services, each with near misses."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from audio_samples import mulaw, wav
from speech_sessions import CATALOG, SpeechSession, spoken
from wsproxy.diagnose.rules import asterisk as asterisk_rules
from wsproxy.diagnose.rules import playback, received, telephone
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session

Json = dict[str, Any]
Build = Callable[[], Session]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


STREAM = {"streamSid": "MZ1"}
FORM = {"encoding": "audio/x-mulaw", "sampleRate": 8000}


def media(data: bytes, **fields: object) -> Json:
    return {"event": "media", **fields, "media": {"payload": b64(data)}}


def call(*, start: bool = True, form: Json = FORM) -> SpeechSession:
    session = SpeechSession(None, None)
    if start:
        session.app({"event": "start", **STREAM, "start": {**STREAM, "mediaFormat": form}})
    return session


def named(**fields: object) -> Session:
    session = call().app(media(mulaw(spoken(0.1, 8000)), **STREAM))
    return session.server(media(mulaw(spoken(0.5, 8000)), **fields)).wait(1).close()


def not_started(start: bool, event: str = "media") -> Session:
    message = media(mulaw(spoken(0.1, 8000)), **STREAM) | {"event": event}
    return call(start=start).app(message).wait(1).close()


def vonage(*sizes: int, kind: str = "websocket:connected") -> Session:
    session = SpeechSession(None, None)
    session.app({"event": kind, "content-type": "audio/l16;rate=8000"})
    data = spoken(2, 8000)
    for size in (*[320] * 20, *sizes):
        session.server(data[:size]).wait(0.019)
    return session.close()


def asterisk(*commands: str, wait: float = 3.0) -> Session:
    session = SpeechSession(None, None).app("MEDIA_START connection_id:a channel:b format:ulaw")
    session.server(*commands[:1], mulaw(spoken(1, 8000)), *commands[1:])
    return session.wait(wait).close()


def hung_up(wait: float, *, command: str = "HANGUP", last: str = "") -> Session:
    """Two seconds of audio, a wait, and a command; before it, perhaps another one."""
    session = SpeechSession(None, None).app("MEDIA_START connection_id:a channel:b format:ulaw")
    session.server(mulaw(spoken(2, 8000))).wait(wait)
    session.server(*([last] if last else []), command).wait(0.1)
    return session.close()


def written(after: float, *, room: bool = False, form: str = "ulaw") -> Session:
    """The queue is full; the app writes six seconds more, after a time or when there is room."""
    session = SpeechSession(None, None).app(f"MEDIA_START connection_id:a channel:b format:{form}")
    session.server(mulaw(spoken(6, 8000))).app("MEDIA_XOFF").wait(after)
    if room:
        session.app("MEDIA_XON")
    for _ in range(6):
        session.server(mulaw(spoken(1, 8000)))
    return session.wait(9).close()


def heard(pace: float, seconds: float = 9.0) -> Session:
    """Audio of the caller, in messages of 0.2 s."""
    session, data = call(), mulaw(spoken(seconds, 8000))
    for at in range(0, len(data), 1600):
        session.app(media(data[at : at + 1600], **STREAM)).wait(0.2 / pace - 0.001)
    return session.wait(1).close()


def mark(name: str, **fields: object) -> Json:
    return {"event": "mark", **STREAM, "mark": {"name": name}} | fields


def marks(*confirmed: str, sent: tuple[str, ...] = ("a", "b", "c"), plivo: bool = False) -> Session:
    session = call()
    for name in sent:
        session.server(media(mulaw(spoken(0.5, 8000)), **STREAM))
        session.server({"event": "checkpoint", "name": name} if plivo else mark(name)).wait(0.6)
        if name in confirmed:
            session.app({"event": "playedStream", "name": name} if plivo else mark(name))
    return session.wait(1).close()


def begins(*messages: str) -> Session:
    """The telephone's side sends these, and audio where it says so."""
    session = SpeechSession(None, None)
    for message in messages:
        session.app(mulaw(spoken(0.5, 8000)) if message == "audio" else message)
    return session.server(mulaw(spoken(0.5, 8000))).wait(1).close()


def hangs_up(after: float, verb: str = "hangup", first: str = "session:new") -> Session:
    """The app streams a text of 40 characters to jambonz; a list of verbs follows."""
    session = SpeechSession(None, None).app({"type": first, "msgid": "m1"})
    tokens = {"id": 1, "tokens": "Thank you for your call. " * 2}
    session.server({"type": "command", "command": "tts:tokens", "data": tokens}).wait(after)
    verbs = [{"verb": "say", "text": "Goodbye"}, {"verb": verb}]
    return session.server({"type": "command", "command": "redirect", "data": verbs}).close()


def ends(after: float, *, by: str = "server", last: Json | None = None) -> Session:
    """The app sends four seconds at once, and ends the stream."""
    session = call().server(media(mulaw(spoken(4, 8000)), **STREAM)).wait(after)
    if last is not None:
        (session.app if last["event"] == "stop" else session.server)(last)
    return session.close(by=by)


def clears(
    after: float,
    *,
    speaks: bool = False,
    length: float = 4.0,
    key: bool = False,
    more: bool = False,
) -> Session:
    session = call().app(media(mulaw(spoken(0.1, 8000)), **STREAM)).wait(3)
    session.server(media(mulaw(spoken(length, 8000)), **STREAM)).wait(after)
    if speaks:
        data = mulaw(spoken(1.0, 8000))
        session.app(media(data, **STREAM))
    if key:
        session.app({"event": "dtmf", **STREAM, "dtmf": {"digit": "1"}})
    session.server({"event": "clear", **STREAM}).wait(1)
    if more:
        session.server(media(mulaw(spoken(1.0, 8000)), **STREAM))
    return session.wait(3).close()


def pieces(count: int, every: float, length: float = 0.5, speaks: bool = False) -> Session:
    session = call()
    for _ in range(count):
        session.server(media(mulaw(spoken(length, 8000)), **STREAM))
        if speaks:
            session.app(media(mulaw(spoken(1.0, 8000)), **STREAM))
        session.wait(every)
    return session.close()


def paced(rate: int, declared: int, pace: float = 1.0) -> Session:
    form = {"encoding": "audio/x-l16", "sampleRate": declared}
    session, data = call(form=form), spoken(6, rate)
    for at in range(0, len(data), rate // 5):
        session.server(media(data[at : at + rate // 5], **STREAM)).wait(0.099 / pace)
    return session.close()


def said(data: bytes) -> Session:
    return call().server(media(data, **STREAM)).wait(1).close()


ERROR = json.dumps({"detail": {"status": "quota_exceeded", "message": "No credits. " * 10}})


def telephone_call(tracks: list[str], *, at: float, clear: bool = False) -> Session:
    """The app sends six seconds at once; the caller speaks after some seconds."""
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000}
    start = {"streamSid": "MZ1", "tracks": tracks, "mediaFormat": form}
    session = SpeechSession(None, None).app({"event": "start", "start": start})
    data = mulaw(spoken(6, 8000))
    for begin in range(0, len(data), 4000):
        session.server(media(data[begin : begin + 4000]))
    said = b"\xff" * int(8000 * at) + mulaw(spoken(2, 8000))
    for begin in range(0, len(said), 800):
        session.app(media(said[begin : begin + 800])).wait(0.099)
    if clear:
        session.server({"event": "clear", "streamSid": "MZ1"})
    return session.close()


CASES: list[tuple[Any, Build, str, list[Build]]] = [
    (
        playback.playback_cleared_unheard,
        lambda: clears(0.2),
        "the app sent clear (frame 4) 0.2 s after the beginning of its audio",
        [
            lambda: clears(2.0),
            lambda: clears(0.2, length=1.0),
            lambda: clears(0.2, speaks=True),
            lambda: clears(0.2, key=True),
            lambda: clears(0.2, more=True),
        ],
    ),
    (
        telephone.stream_unnamed,
        named,
        "1 message without streamSid, from frame 3 on",
        [lambda: named(**STREAM)],
    ),
    (
        telephone.stream_unnamed,
        lambda: named(streamSid="MZ2"),
        "with another streamSid (MZ2)",
        [],
    ),
    (
        telephone.stream_not_started,
        lambda: not_started(start=False),
        "the first message is media (frame 1)",
        [lambda: not_started(start=True), lambda: not_started(start=False, event="audio")],
    ),
    (
        telephone.telephone_frame_size,
        lambda: vonage(160),
        "1 message has 160 bytes (frame 22); 20 ms of 16-bit samples at 8000 Hz are 320",
        [vonage, lambda: vonage(160, kind="connected")],
    ),
    (
        asterisk_rules.buffering_not_ended,
        lambda: asterisk("START_MEDIA_BUFFERING"),
        "START_MEDIA_BUFFERING (frame 2) was not followed by STOP_MEDIA_BUFFERING",
        [
            lambda: asterisk("START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING"),
            lambda: asterisk("START_MEDIA_BUFFERING", wait=1.0),
            asterisk,
        ],
    ),
    (
        asterisk_rules.hung_up_early,
        lambda: hung_up(0.5),
        "HANGUP (frame 3) came 0.5 s after the last audio (frame 2), of which 1.5 s",
        [
            lambda: hung_up(2.2),
            lambda: hung_up(0.5, command="GET_STATUS"),
            lambda: hung_up(0.5, last="FLUSH_MEDIA"),
        ],
    ),
    (
        asterisk_rules.queue_overflowed,
        lambda: written(0.5),
        "the app sent 6.0 s of audio before MEDIA_XON: about 3.5 s of it did not fit",
        [
            lambda: written(0.5, room=True),
            lambda: written(5.0),
            lambda: written(0.5, form="opus"),
        ],
    ),
    (
        telephone.call_too_fast,
        lambda: heard(1.5),
        "9.0 s of the caller's audio came in",
        [lambda: heard(1.0), lambda: heard(1.5, seconds=4.0), lambda: heard(20.0, seconds=200.0)],
    ),
    (
        playback.mark_unconfirmed,
        lambda: marks("b", "c"),
        "the mark a (frame 3) was never confirmed, and b, which the app sent after it, was",
        [
            lambda: marks("a", "b", "c"),
            lambda: marks("a"),
            lambda: marks(),
            lambda: marks("b", sent=("a", "a", "b")),
        ],
    ),
    (
        playback.mark_unconfirmed,
        lambda: marks("a", "c", plivo=True),
        "the mark b (frame 6) was never confirmed",
        [lambda: marks("a", "b", "c", plivo=True)],
    ),
    (
        playback.playback_cut_off,
        lambda: ends(1.0),
        "3.0 s had still to be played",
        [
            lambda: ends(4.0),
            lambda: ends(1.0, by="client"),
            lambda: ends(1.0, last={"event": "stop"}),
            lambda: ends(1.0, last={"event": "clear", **STREAM}),
        ],
    ),
    (
        playback.playback_ran_dry,
        lambda: pieces(8, 2.0),
        "4.0 s of audio came in 8 pieces",
        [
            lambda: pieces(8, 0.3),
            lambda: pieces(3, 2.0),
            lambda: pieces(8, 2.5, length=2.0),
            lambda: pieces(8, 2.0, speaks=True),
        ],
    ),
    (
        received.received_at_lower_rate,
        lambda: paced(8000, 16_000),
        "0.50 times real time at 16000 Hz is real time at 8000 Hz",
        [lambda: paced(16_000, 16_000), lambda: paced(16_000, 16_000, pace=0.8)],
    ),
    (
        received.received_text,
        lambda: said(ERROR.encode()),
        'is JSON: {"detail"',
        [lambda: said(mulaw(spoken(1, 8000)))],
    ),
    (
        telephone.stream_is_one_way,
        lambda: telephone_call(["inbound", "outbound"], at=1.0),
        "both tracks",
        [lambda: telephone_call(["inbound"], at=1.0)],
    ),
    (
        telephone.call_other_samples,
        lambda: said(wav(spoken(1, 8000), 8000)),
        "the app's audio is WAV",
        [lambda: said(mulaw(spoken(1, 8000)))],
    ),
    (
        telephone.start_late,
        lambda: begins("audio", "MEDIA_START format:ulaw"),
        "audio came from frame 1 on",
        [
            lambda: begins("MEDIA_START format:ulaw", "audio"),
            lambda: begins("audio", "something else"),
            lambda: begins("audio"),
        ],
    ),
    (
        telephone.hung_up_on_text,
        lambda: hangs_up(0.5),
        "came 0.5 s after the text",
        [
            lambda: hangs_up(4.0),
            lambda: hangs_up(0.5, verb="pause"),
            lambda: hangs_up(0.5, first="start"),
        ],
    ),
    (
        playback.playback_not_cleared,
        lambda: telephone_call(["inbound"], at=1.0),
        "sent no clear message",
        [
            lambda: telephone_call(["inbound"], at=1.0, clear=True),
            lambda: telephone_call(["inbound"], at=8.0),
        ],
    ),
]


@pytest.mark.parametrize("rule, faulty, text, near_misses", CASES)
def test_rule_finds_the_fault_and_not_its_near_misses(
    rule: Any, faulty: Build, text: str, near_misses: list[Build]
) -> None:
    [evidence, *_] = rule(SessionFacts(faulty(), CATALOG))
    assert text in evidence.text
    found = [rule(SessionFacts(near(), CATALOG)) for near in near_misses]
    assert found == [[] for _ in near_misses]


def test_telephone_rules_each_have_a_case() -> None:
    assert {row[0] for row in CASES} >= {*telephone.RULES, *playback.RULES}


@pytest.mark.parametrize(
    "form",
    [
        {"encoding": "PCMU", "sample_rate": 8000},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        {"encoding": "base64", "sample_rate": "16000"},
    ],
    ids=["Telnyx", "Twilio", "Exotel"],
)
def test_pace_of_a_call_is_that_of_the_format_in_its_start_message(form: Json) -> None:
    name = "mediaFormat" if "sampleRate" in form else "media_format"
    is_pcm = form["encoding"] == "base64"
    session = SpeechSession(None, None).app({"event": "start", "start": {name: form}})
    data = spoken(6, 16_000) if is_pcm else mulaw(spoken(6, 8000))
    for at in range(0, len(data), 640 if is_pcm else 160):
        session.server(media(data[at : at + (640 if is_pcm else 160)])).wait(0.03)
    [evidence] = received.received_too_slowly(SessionFacts(session.close(), CATALOG))
    assert "0.65 times real time" in evidence.text
