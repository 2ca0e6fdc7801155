"""What may lead to a failure: found where the session shows it, and put first by `diagnose`."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Sequence

import pytest

from live_source import live
from speech_sessions import GEMINI_AUDIO, SpeechSession, dg_result
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.error_classes import error_classes
from wsproxy.diagnose.rules import credentials, likely_causes, quiet_source
from wsproxy.diagnose.rules.audio import declared_late
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.redact import HeadRedactor
from wsproxy.session import Session
from wsproxy.trace import Eof, FrameRecord, Request, Response, Start
from wsproxy.wire import Frame, Opcode, RuleChecker

CATALOG = load()
LISTEN = ("deepgram", "listen", "/v1/listen?encoding=linear16&sample_rate=16000")
UNDECLARED = ("deepgram", "listen", "/v1/listen?model=nova-3")
STREAMING = ("assemblyai", "streaming", "/v3/ws?sample_rate=16000")
PCM = speech(2.0, 16_000)
KEEPALIVE = '{"type": "KeepAlive"}'
HTML = b"<!DOCTYPE html><html><body>not found</body></html>" * 3
WAV = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)

SentMessages = Sequence[bytes | str]


def facts_of(
    api: tuple[str, str, str],
    messages: SentMessages,
    end: float,
    close: tuple[int, str] = (1011, "NET-0001"),
) -> SessionFacts:
    """The app says this, a message every 0.1 s; the server closes `end` seconds after that."""
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(0, "GET", "wss", "h", 443, api[2]))
    session.add(Response(0, 101))
    for number, message in enumerate(messages, 1):
        opcode, payload = (1, message.encode()) if isinstance(message, str) else (2, message)
        session.add(FrameRecord(number * 100_000_000, True, opcode, payload))
    t_ns = len(messages) * 100_000_000 + int(end * 1e9)
    session.add(FrameRecord(t_ns, False, 8, close[0].to_bytes(2, "big") + close[1].encode()))
    return SessionFacts(session, CATALOG)


def ended_after(silence: float) -> SessionFacts:
    """A message, then nothing for this time, then the end of the connection without a Close."""
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=LISTEN[0], api=LISTEN[1]))
    session.add(Request(0, "GET", "wss", "h", 443, LISTEN[2]))
    session.add(Response(0, 101))
    session.add(FrameRecord(100_000_000, True, 2, PCM))
    session.add(Eof(100_000_000 + int(silence * 1e9), False, "eof"))
    return SessionFacts(session, CATALOG)


def cut(size: int = 3200, data: bytes = PCM) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def broken_after(pieces: int, pause: float) -> SessionFacts:
    """Ten seconds of audio every two seconds; then the connection breaks."""
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=LISTEN[0], api=LISTEN[1]))
    session.add(Request(0, "GET", "wss", "h", 443, LISTEN[2]))
    session.add(Response(0, 101))
    for number in range(1, pieces + 1):
        session.add(FrameRecord(number * 2 * 10**9, True, 2, PCM * 5))
    session.add(Eof(pieces * 2 * 10**9 + int(pause * 1e9), False, "reset"))
    return SessionFacts(session, CATALOG)


def left_after(silence: float) -> SessionFacts:
    """A message, then nothing for this time, then the app closes."""
    facts = facts_of(LISTEN, [PCM], 10)
    session = Session()
    session.start, session.request, session.response = (
        facts.session.start,
        facts.session.request,
        facts.session.response,
    )
    session.add(FrameRecord(100_000_000, True, 2, PCM))
    session.add(FrameRecord(100_000_000 + int(silence * 1e9), True, 8, b"\x03\xe8"))
    return SessionFacts(session, CATALOG)


def compressing(*, deflate: bool) -> SessionFacts:
    """The first message of the app is compressed; the server agreed to it, or did not."""
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=LISTEN[0], api=LISTEN[1]))
    session.add(Request(0, "GET", "wss", "h", 443, LISTEN[2]))
    session.add(Response(0, 101))
    rule = RuleChecker(from_client=True, deflate=deflate).check(
        Frame(Opcode.TEXT, b"x", rsv=4, mask=b"abcd", wire_length=7)
    )
    session.add(FrameRecord(100, True, 1, b"x", rsv=4, broken_rule=rule))
    session.add(FrameRecord(200, False, 8, b"\x03\xea"))
    return SessionFacts(session, CATALOG)


def with_subprotocols(marker: str) -> SessionFacts:
    """A key among the subprotocols, redacted as the recorder does it, which was refused."""
    headers = [("Sec-WebSocket-Protocol", marker + "0123456789" * 4)]
    redact = HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes)
    redacted = redact(headers, LISTEN[2])
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=LISTEN[0], api=LISTEN[1]))
    request = Request(
        0,
        "GET",
        "wss",
        "h",
        443,
        redacted.path,
        headers=redacted.headers,
        redacted=redacted.entries,
    )
    session.add(request)
    session.add(Response(0, 401))
    return SessionFacts(session, CATALOG)


def with_key(key: str) -> SessionFacts:
    """A session of Gemini with this as the API key, redacted as the recorder does it."""
    path = f"/ws/google.ai.x?key={key}"
    redacted = HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes)([], path)
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider="gemini", api="live"))
    session.add(
        Request(0, "GET", "wss", "h", 443, redacted.path, headers=[], redacted=redacted.entries)
    )
    session.add(Response(0, 101))
    session.add(FrameRecord(200, False, 8, b"\x03\xef"))
    return SessionFacts(session, CATALOG)


def pinging(count: int) -> SessionFacts:
    """The app's pings are not answered; it leaves."""
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0))
    session.add(Request(0, "GET", "wss", "h", 443, "/"))
    session.add(Response(0, 101))
    for number in range(count):
        session.add(FrameRecord(number * 10**9, True, 9, b"ka"))
    session.add(Eof(count * 10**9, True, "eof"))
    return SessionFacts(session, CATALOG)


OGG = ("", "", "/v1/recognize")
UNKNOWN = ("", "", "/asr")
AZURE = ("azure_speech", "stt", "/speech/universal/v2")
CD = (
    b"RIFF\0\0\0\0WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 2, 44100, 176400, 4, 16)
    + b"data\0\0\0\0"
)
WATSON = ("ibm", "stt", "/v1/recognize")
L16 = "audio/l16;rate=16000"
NO_INTERIM = json.dumps({"action": "start", "content-type": L16, "interim_results": False})


def azure(data: bytes) -> bytes:
    head = b"Path: audio\r\nX-RequestId: 0A\r\nContent-Type: audio/x-wav\r\n"
    return struct.pack(">H", len(head)) + head + data


LAW = base64.b64encode(b"\xff\x7e\xfe\x7d" * 40).decode()
REALTIME = ("openai", "realtime", "/v1/realtime")
CREATE = '{"type": "response.create"}'
CREATED = {"type": "response.created", "response": {"id": "r"}}
DECLARES_OGG = '{"action": "start", "content-type": "audio/ogg;codecs=opus"}'
SHOWN = [
    (likely_causes.no_audio, facts_of(LISTEN, [], 10), (), 0.0),
    (likely_causes.only_keepalives, facts_of(LISTEN, [KEEPALIVE] * 3, 10), (1,), 3.0),
    (likely_causes.audio_stopped, facts_of(LISTEN, cut(), 10), (20,), 10.0),
    (quiet_source.silence_withheld, facts_of(LISTEN, cut(), 10), (20,), 10.0),
    (likely_causes.audio_not_ended, facts_of(LISTEN, cut(), 10), (20,), 10.0),
    (likely_causes.raw_undeclared, facts_of(UNDECLARED, cut(), 1), (1,), 64000.0),
    (likely_causes.text_for_audio, facts_of(LISTEN, [HTML], 1), (1,), 150.0),
    (likely_causes.container_and_encoding, facts_of(LISTEN, [WAV + PCM], 1), (1,), 64036.0),
    (likely_causes.small_chunks, facts_of(STREAMING, cut(640), 1), (1,), 20.0),
    (likely_causes.large_chunks, facts_of(STREAMING, [PCM], 1), (1,), 2000.0),
    (likely_causes.short_rest, facts_of(STREAMING, [*cut(), PCM[:640]], 1), (21,), 20.0),
    (likely_causes.written_by_hand, facts_of(STREAMING, ["{'type': 'Terminate'}"], 1), (1,), 21.0),
    (likely_causes.idle_at_end, ended_after(60), (1,), 60.0),
    (likely_causes.arrives_at_lower_rate, live(8000, chunk=800), (1,), 8000.0),
    (likely_causes.no_response_begun, facts_of(REALTIME, [CREATE], 1), (), 0.0),
    (likely_causes.compressed_unasked, compressing(deflate=False), (1,), None),
    (likely_causes.raw_for_container, facts_of(OGG, [DECLARES_OGG, *cut()], 1), (2,), 64000.0),
    (likely_causes.left_soon, left_after(0.5), (1,), 0.5),
    (likely_causes.undocumented_audio, facts_of(AZURE, [azure(CD + PCM)], 1), (1,), 64044.0),
    (likely_causes.undeclared_audio, facts_of(UNKNOWN, cut(), 1), (1,), 64000.0),
    (likely_causes.interim_off, facts_of(WATSON, [NO_INTERIM, *cut()], 1), (), None),
    (likely_causes.half_sample, facts_of(UNKNOWN, [*cut(), PCM[:1599]], 1), (21,), 1599.0),
    (likely_causes.app_pings_unanswered, pinging(2), (1, 2), 2.0),
    (likely_causes.sent_ahead, broken_after(5, 4.0), (1,), 50.0),
    (likely_causes.end_ignored, facts_of(LISTEN, [*cut(), b""], 6), (21,), 6.0),
    (credentials.unlike_own_keys, with_key("auth_tokens/0123456789"), (), 22.0),
    (credentials.subprotocols_without_space, with_subprotocols("token,"), (), None),
]
GOOD = [
    facts_of(LISTEN, [*cut(), KEEPALIVE], 0.2),
    facts_of(UNDECLARED, [WAV + PCM], 0.2),
    facts_of(STREAMING, [*cut(), '{"type": "Terminate"}'], 0.2),
    facts_of(("deepgram", "speak", "/v1/speak"), ['{"type": "Speak", "text": "Hello"}'], 1),
    ended_after(3),
    live(16_000),
    facts_of(OGG, ['{"content-type": "audio/l16;rate=16000"}', *cut()], 0.2),
    left_after(5.0),
    broken_after(1, 1.0),
    facts_of(LISTEN, [*cut(), b""], 0.5),
    pinging(1),
    with_key("AIza" + "0" * 35),
    with_subprotocols("token, "),
    facts_of(AZURE, [azure(WAV + b"data\0\0\0\0" + PCM)], 0.2),
    facts_of(WATSON, [NO_INTERIM, *cut(), '{"action": "stop"}'], 0.2),
    facts_of(UNKNOWN, ['{"encoding": "pcm_s16le", "sample_rate": 16000}', *cut()], 0.2),
]


@pytest.mark.parametrize(
    "rule, shown, frames, value", SHOWN, ids=[rule.__name__ for rule, *_ in SHOWN]
)
def test_cause_rule_is_found(
    rule: Measure, shown: SessionFacts, frames: tuple[int, ...], value: float | None
) -> None:
    [evidence] = rule(shown)
    assert tuple(evidence.frames) == frames
    assert evidence.value == pytest.approx(value)


def test_compression_that_was_agreed_to_is_no_cause() -> None:
    assert likely_causes.compressed_unasked(compressing(deflate=True)) == []


def test_silence_withheld_after_silence_behind_the_speech_has_no_evidence() -> None:
    spoken = SpeechSession("gemini", "live").speak(3, template=GEMINI_AUDIO)
    assert len(quiet_source.silence_withheld(facts(spoken.wait(10)))) == 1
    ended = SpeechSession("gemini", "live").speak(3, template=GEMINI_AUDIO)
    ended.speak(4, quiet=True, template=GEMINI_AUDIO)
    assert quiet_source.silence_withheld(facts(ended.wait(10))) == []


def test_raw_undeclared_after_words_came_has_no_evidence() -> None:
    spoken = SpeechSession("deepgram", "listen", "/v1/listen?model=nova-3").speak(3)
    assert len(likely_causes.raw_undeclared(facts(spoken))) == 1
    heard = SpeechSession("deepgram", "listen", "/v1/listen?model=nova-3").speak(3)
    assert likely_causes.raw_undeclared(facts(heard.server(dg_result("good morning")))) == []


def facts(talk: SpeechSession) -> SessionFacts:
    return SessionFacts(talk.close(), CATALOG)


def test_no_response_begun_after_response_created_has_no_evidence() -> None:
    session = SpeechSession("openai", "realtime").app(CREATE).server(CREATED).close()
    assert likely_causes.no_response_begun(SessionFacts(session, CATALOG)) == []


def test_arrives_at_lower_rate_after_a_later_declaration_examines_that_part() -> None:
    """A telephone's mu-law under PCM, which a second session.update declares."""
    session = SpeechSession("openai", "realtime")
    for form in ({"type": "audio/pcmu"}, {"type": "audio/pcm", "rate": 24000}):
        audio = {"input": {"format": form}}
        session.app({"type": "session.update", "session": {"audio": audio}})
        for _ in range(150):
            session.app({"type": "input_audio_buffer.append", "audio": LAW})
            session.wait(0.019)
    [evidence] = likely_causes.arrives_at_lower_rate(SessionFacts(session.close(), CATALOG))
    assert "mu-law or A-law at 8000 Hz; declared: pcm at 24000 Hz" in evidence.text
    assert tuple(evidence.frames) == (152,)


@pytest.mark.parametrize(("rate", "found"), [(16_000, 1), (24_000, 0)])
def test_declared_late_is_another_format_after_the_first_audio(rate: int, found: int) -> None:
    """The API's default is 24 kHz."""
    session = SpeechSession("openai", "realtime").server({"type": "session.created"})
    session.app({"type": "input_audio_buffer.append", "audio": LAW})
    form = {"format": {"type": "audio/pcm", "rate": rate}}
    session.app({"type": "session.update", "session": {"audio": {"input": form}}})
    session.app({"type": "input_audio_buffer.append", "audio": LAW})
    assert len(declared_late(SessionFacts(session.close(), CATALOG))) == found


@pytest.mark.parametrize("rule", likely_causes.RULES, ids=lambda rule: rule.__name__)
def test_cause_rule_good_session_has_no_evidence(rule: Measure) -> None:
    assert [rule(good) for good in GOOD] == [[]] * len(GOOD)


def test_cause_rules_are_all_tested() -> None:
    assert {rule for rule, *_ in SHOWN} >= set(likely_causes.RULES)


def test_cause_rules_each_belong_to_a_condition() -> None:
    named = {advice.when for c in CATALOG.conditions for advice in (*c.causes, *c.remedies)}
    named |= {advice.when for each in error_classes() for advice in each.causes}
    assert {rule.__name__ for rule in likely_causes.RULES} <= named


@pytest.mark.parametrize(
    "messages, first",
    [
        ([], "started its audio source more than 10 seconds later, or never"),
        (cut(), "The audio source stopped"),
    ],
)
def test_diagnose_causes_with_evidence_come_first(messages: SentMessages, first: str) -> None:
    finding = diagnose(facts_of(LISTEN, messages, 11).session, CATALOG)[0]
    assert finding.id == "deepgram.listen.NET-0001"
    assert first in finding.causes[0]
    assert first in finding.seen[0]
    causes = CATALOG.condition("deepgram.listen.NET-0001").causes
    always = [str(cause) for cause in causes if not cause.only_if_seen]
    assert len(always) < len(causes)
    assert sorted(finding.causes) == sorted(always)


def test_diagnose_cause_only_if_seen_is_listed_where_the_session_has_it() -> None:
    finding = diagnose(facts_of(LISTEN, ["[object Blob]"] * 5, 11).session, CATALOG)[0]
    assert [text for text in finding.causes if "[object Blob]" in text] == finding.seen[:1]


def test_diagnose_causes_without_evidence_keep_the_order_of_the_catalog() -> None:
    text = json.dumps({"type": "Speak", "text": "Hello"})
    closed = facts_of(("deepgram", "speak", "/v1/speak"), [text], 1, (1011, "NET-0000"))
    finding = diagnose(closed.session, CATALOG)[0]
    condition = CATALOG.condition("deepgram.speak.NET-0000")
    assert list(finding.causes) == [str(cause) for cause in condition.causes]
    assert finding.seen == []
