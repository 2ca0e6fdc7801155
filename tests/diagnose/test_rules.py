"""Rules on timing, messages and credentials: what breaks each, and what does not."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refused_upgrades import HEX32, HEX40, REFUSED, refused, token
from traces import RECORDS
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import TRAFFIC, load
from wsproxy.diagnose import RULES, diagnose
from wsproxy.diagnose.rules import credentials, messages, timing
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session import Session
from wsproxy.trace import Eof, FrameRecord, Request, Response, Start

CATALOG = load()
S = 1_000_000_000
CHUNK = speech(0.1, 16_000)


@dataclass(frozen=True)
class Api:
    provider: str
    name: str
    path: str


LISTEN = Api("deepgram", "listen", "/v1/listen?encoding=linear16&sample_rate=16000")
SPEAK = Api("deepgram", "speak", "/v1/speak?encoding=linear16&sample_rate=16000")
STREAMING = Api("assemblyai", "streaming", "/v3/ws?sample_rate=16000")
SPEECHMATICS = Api("speechmatics", "rt", "/v2/en")
REVAI = Api("revai", "stream", "/speechtotext/v1/stream?content_type=audio/x-raw")
OPENAI = Api("openai", "realtime", "/v1/realtime")
GEMINI = Api("gemini", "live", "/ws/x")
XAI = Api("xai", "realtime", "/v1/realtime")


class Talk:
    """A session that is put together message by message; times in seconds."""

    def __init__(self, api: Api = LISTEN) -> None:
        self.session = Session.analyzing(CATALOG)
        self.session.add(Start(0, 1, "0123456789abcdef", 0, provider=api.provider, api=api.name))
        self.session.add(Request(0, "GET", "wss", "h", 443, api.path))
        self.session.add(Response(0, 101))

    def app(self, at: float, message: str | bytes, opcode: int | None = None) -> Talk:
        return self._frame(at, True, message, opcode)

    def server(self, at: float, message: str | bytes, opcode: int | None = None) -> Talk:
        return self._frame(at, False, message, opcode)

    def _frame(
        self, at: float, from_client: bool, content: str | bytes, opcode: int | None
    ) -> Talk:
        payload = content.encode() if isinstance(content, str) else content
        opcode = opcode or (1 if isinstance(content, str) else 2)
        self.session.add(FrameRecord(int(at * S), from_client, opcode, payload))
        return self

    def audio(
        self, since: float, count: int, every: float = 0.1, chunk: str | bytes = CHUNK
    ) -> Talk:
        for number in range(count):
            self.app(since + number * every, chunk)
        return self

    def close(
        self, at: float, by: str = "server", code: int = 1000, reason: str = ""
    ) -> SessionFacts:
        payload = code.to_bytes(2, "big") + reason.encode()
        self.session.add(FrameRecord(int(at * S), by == "client", 8, payload))
        return SessionFacts(self.session, CATALOG)


def say(**fields: object) -> str:
    return json.dumps(fields)


END = say(type="CloseStream")
TERMINATE = say(type="Terminate")


def result(start: float, duration: float = 0.1) -> str:
    return say(type="Results", start=start, duration=duration, channel={})


def results(behind: float) -> SessionFacts:
    talk = Talk()
    for number in range(200):
        talk.audio(number / 10, 1)
        if number % 20 == 19 and number / 10 > behind:
            talk.server(number / 10 + 0.01, result(number / 10 - behind))
    return talk.app(20, END).close(20.2)


def uses(model: str) -> str:
    return say(type="session.update", session={"model": model})


MANUAL = say(setup={"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}})
GEMINI_AUDIO = say(realtimeInput={"audio": {"data": b64encode(CHUNK).decode()}})


# (rule, a session that breaks it, frames, value): and one near it that does not.
Rule = Callable[[SessionFacts], object]
BROKEN: list[tuple[Rule, SessionFacts, tuple[int, ...], float | None, SessionFacts]] = [
    (
        timing.first_audio_late,
        Talk().audio(11, 5).close(12),
        (1,),
        11.0,
        Talk().audio(9.9, 5).close(11),
    ),
    (
        timing.silent_too_long,
        Talk().audio(0, 5).audio(12, 5).close(13),
        (5,),
        11.6,
        Talk().audio(0, 5).app(8, say(type="KeepAlive")).audio(12, 5).close(13),
    ),
    (
        timing.audio_too_fast,
        Talk().audio(0, 100, every=0.02).close(3),
        (1,),
        4.81,
        Talk().audio(0, 100, every=0.095).close(11),
    ),
    (
        timing.audio_too_slow,
        Talk().audio(0, 60, every=0.2).close(13),
        (1, 60),
        0.51,
        # A pause is no slowness.
        Talk().audio(0, 30).audio(9, 30).close(13),
    ),
    (
        timing.chunk_duration,
        Talk(STREAMING).audio(0, 10, 0.02, CHUNK[:640]).close(1),
        (1, 2, 3, 4, 5),
        20.0,
        # The rest of a recording may be short.
        Talk(STREAMING).audio(0, 10).app(1, CHUNK[:640]).close(2),
    ),
    (
        timing.session_too_long,
        Talk(STREAMING).audio(0, 2).close(10_800),
        (),
        10800.0,
        Talk(STREAMING).audio(0, 2).close(10_799),
    ),
    (
        timing.slow_first_result,
        Talk().audio(0, 60).server(6, result(0)).close(7),
        (61,),
        6.0,
        Talk().audio(0, 60).server(4, result(0)).close(7),
    ),
    (timing.result_latency, results(4.0), (61,), 4.0, results(1.0)),
    (
        timing.tts_first_byte,
        Talk(SPEAK).app(0, say(type="Speak", text="Hi")).app(1, say(type="Flush"))
        .server(5, CHUNK).close(6),
        (3,),
        4.0,
        # The clock runs from the flush.
        Talk(SPEAK).app(0, say(type="Speak", text="Hi")).app(9, say(type="Flush"))
        .server(10, CHUNK).close(11),
    ),
    (
        messages.json_as_binary,
        Talk().audio(0, 2).app(1, say(type="KeepAlive").encode()).close(2),
        (3,),
        1.0,
        Talk().audio(0, 2).app(1, b'{"type": "Other"}').close(2),
    ),
    (
        messages.invalid_json,
        Talk(STREAMING).app(0, "{'type': 'Terminate'}").close(1),
        (1,),
        1.0,
        Talk(REVAI).app(0, "EOS").close(1),
    ),
    (
        messages.unknown_kind,
        Talk().app(0, say(type="Keepalive")).close(1),
        (1,),
        1.0,
        Talk().app(0, say(type="KeepAlive")).app(0.1, say(text="no kind")).close(1),
    ),
    (
        messages.text_as_audio,
        Talk(STREAMING).app(0, "QUJD" * 100).close(1),
        (1,),
        1.0,
        Talk(OPENAI).app(0, "QUJD" * 100).close(1),
    ),
    (
        messages.audio_before_ready,
        Talk(SPEECHMATICS).app(0, say(message="StartRecognition")).audio(0.1, 2)
        .server(0.5, say(message="RecognitionStarted")).close(1),
        (2, 3),
        2.0,
        Talk(SPEECHMATICS).app(0, say(message="StartRecognition"))
        .server(0.5, say(message="RecognitionStarted")).audio(0.6, 2).close(1),
    ),
    (
        messages.message_too_big,
        Talk(SPEAK).app(0, "x" * 2_000_001).close(1),
        (1,),
        2_000_001.0,
        Talk(SPEAK).app(0, "x" * 2_000_000).close(1),
    ),
    (
        messages.too_many_characters,
        Talk(SPEAK).app(0, say(type="Speak", text="x" * 2001)).close(1),
        (1,),
        2001.0,
        Talk(SPEAK).app(0, say(type="Speak", text="x" * 2000)).close(1),
    ),
    (
        messages.data_after_end,
        Talk().audio(0, 2).app(0.3, END).audio(0.4, 2).close(1),
        (4, 5),
        2.0,
        Talk().audio(0, 2).app(0.3, END).close(1, "client"),
    ),
    (
        messages.no_graceful_end,
        Talk().audio(0, 10).close(1.4, "client"),
        (10,),
        0.5,
        Talk().audio(0, 10).app(1.0, END).close(1.4, "client"),
    ),
    (
        messages.flushed_only,
        Talk().audio(0, 10).app(1.2, say(type="Finalize")).close(31.2, "client"),
        (11,),
        30.0,
        Talk().audio(0, 10).app(1.2, say(type="Finalize")).close(11.2, "client"),
    ),
    (
        messages.pings_unanswered,
        Talk().app(1, b"a", 9).server(1.1, b"a", 10).app(2, b"b", 9).app(3, b"c", 9).close(5),
        (3, 4),
        2.0,
        Talk().app(1, b"a", 9).app(2, b"b", 9).server(2.1, b"b", 10).app(3, b"c", 9).close(5),
    ),
    (
        messages.audio_before_turn,
        Talk(GEMINI).app(0, MANUAL).audio(0.1, 3, chunk=GEMINI_AUDIO).close(1),
        (2,),
        None,
        Talk(GEMINI)
        .app(0, MANUAL)
        .app(0.1, say(realtimeInput={"activityStart": {}}))
        .audio(0.2, 3, chunk=GEMINI_AUDIO)
        .close(1),
    ),
    (
        messages.sent_again,
        Talk(GEMINI).app(0, MANUAL).app(0.1, MANUAL).close(1),
        (1, 2),
        2.0,
        Talk(GEMINI).app(0, MANUAL).audio(0.1, 3, chunk=GEMINI_AUDIO).close(1),
    ),
    (
        messages.nested_in_itself,
        Talk(XAI).app(0, say(type="start", start={"user": "Sam"})).close(1),
        (1,),
        None,
        Talk(XAI).app(0, say(type="session.update", session={"voice": "ara"})).close(1),
    ),
    (
        messages.other_model,
        Talk(XAI).app(0, uses("grok-voice-think")).server(0.1, uses("grok-voice-fast")).close(1),
        (1, 2),
        None,
        Talk(XAI).app(0, uses("grok-voice-latest")).server(0.1, uses("grok-voice-fast-1")).close(1),
    ),
    (
        messages.empty_message,
        Talk().audio(0, 5).app(0.5, b"").server(0.6, b"{}", 1).close(0.7),
        (6,),
        0.2,
        Talk().audio(0, 5).app(0.41, b"").close(0.7),
    ),
]  # fmt: skip


def flushes(count: int, every: float) -> SessionFacts:
    talk = Talk(SPEAK)
    for number in range(count):
        talk.app(number * every, say(type="Flush"))
    return talk.close(count * every + 1)


BROKEN.append((messages.flush_too_often, flushes(25, 2.0), (1,), 25.0, flushes(25, 4.0)))


def named(
    rows: Sequence[
        tuple[Callable[[SessionFacts], object], SessionFacts, object, object, SessionFacts]
    ],
) -> list[str]:
    return [rule.__name__ for rule, *_ in rows]


@pytest.mark.parametrize("rule, broken, frames, value, near", BROKEN, ids=named(BROKEN))
def test_rule_broken_is_found_and_near_miss_is_not(
    rule: Callable[[SessionFacts], list[object]],
    broken: SessionFacts,
    frames: tuple[int, ...],
    value: float | None,
    near: SessionFacts,
) -> None:
    [evidence] = RULES[rule.__name__](broken)
    assert tuple(evidence.frames) == frames
    assert evidence.value == pytest.approx(value, abs=0.02)
    assert rule(near) == []


def held_to_talk(*between: str) -> SessionFacts:
    """Speech while a key is held, three times; in each pause these messages."""
    talk = Talk()
    for number in range(3):
        talk.audio(number * 8.0, 20)
        for message in between:
            talk.app(number * 8.0 + 5.0, message)
    return talk.close(24)


def test_flushed_only_of_speech_output_is_meant() -> None:
    talk = Talk(SPEAK).app(0, say(type="Speak", text="Hello.")).app(0.1, say(type="Flush"))
    assert messages.flushed_only(talk.server(1, CHUNK).close(40, "client")) == []


def test_json_as_binary_of_an_unknown_api_is_found_where_other_json_is_text() -> None:
    texts = [say(config={"sample_rate": 16000})]
    [evidence] = messages.json_as_binary(to_own_server(*texts, *[CHUNK] * 4, b'{"eof": 1}'))
    assert evidence.frames == (6,)
    assert messages.json_as_binary(to_own_server(*texts, *[CHUNK] * 4, say(eof=1))) == []
    assert messages.json_as_binary(to_own_server(*[CHUNK] * 4, b'{"eof": 1}')) == []


def to_own_server(*sent: str | bytes) -> SessionFacts:
    session = Session.analyzing(CATALOG)
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=None, api=None))
    session.add(Request(0, "GET", "ws", "h", 80, "/"))
    session.add(Response(0, 101))
    for number, message in enumerate(sent):
        opcode = 1 if isinstance(message, str) else 2
        content = message.encode() if isinstance(message, str) else message
        session.add(FrameRecord(number * S // 10, True, opcode, content))
    session.add(FrameRecord(len(sent) * S, True, 8, b"\x03\xe8"))
    return SessionFacts(session, CATALOG)


def test_audio_too_slow_pauses_with_keepalives_are_meant() -> None:
    assert timing.audio_too_slow(held_to_talk(say(type="KeepAlive"))) == []
    assert timing.audio_too_slow(held_to_talk())


@pytest.mark.parametrize("by", ["eof", "reset"])
def test_no_graceful_end_without_close_frame_is_found(by: str) -> None:
    talk = Talk().audio(0, 10)
    talk.session.add(Eof(int(1.4 * S), True, by))
    assert messages.no_graceful_end(SessionFacts(talk.session, CATALOG))


# -- refused upgrades


@pytest.mark.parametrize("rule, broken, value, near", REFUSED)
def test_credential_rules_refused_session_shows_the_fault_of_the_key(
    rule: Callable[[SessionFacts], list[object]],
    broken: SessionFacts,
    value: float,
    near: SessionFacts,
) -> None:
    [evidence] = RULES[rule.__name__](broken)
    assert evidence.value == value
    assert rule(near) == []


def test_credential_rules_evidence_contains_no_key() -> None:
    for _, broken, _, _ in REFUSED:
        for finding in diagnose(broken.session, CATALOG):
            shown = json.dumps([finding.meaning, *(e.text for e in finding.evidence)])
            assert not re.search(rf"{HEX40}|{HEX32}|sk-proj|abcdef\b", shown)


def test_credential_rules_accepted_session_has_no_finding() -> None:
    talk = Talk()
    talk.session.request = refused("deepgram", headers=token("Basic abc")).session.request
    case = talk.audio(0, 5).close(1)
    assert [rule(case) for rule in credentials.RULES] == [[]] * len(credentials.RULES)


def test_rules_each_have_a_session_that_breaks_them() -> None:
    tested = {row[0].__name__ for row in BROKEN} | {row[0].__name__ for row in REFUSED}
    rules = {*timing.RULES, *messages.RULES, *credentials.RULES}
    assert tested == {rule.__name__ for rule in rules}


def test_traffic_conditions_each_have_their_own_rule() -> None:
    conditions = CATALOG.conditions_of(TRAFFIC)
    rules = [match.rule for condition in conditions for match in condition.matches]
    assert len(rules) == len(set(rules)) == len(conditions)
    assert set(rules) <= set(RULES)


# -- together


def good_sessions() -> dict[str, SessionFacts]:
    speak = Talk(SPEAK).app(0, say(type="Speak", text="Hello")).app(0.1, say(type="Flush"))
    return {
        "listen": Talk().audio(0, 50).server(1, result(0)).app(5, END).close(5.2),
        "speak": speak.server(0.5, CHUNK).server(0.6, say(type="Flushed")).close(1, "client"),
        "streaming": Talk(STREAMING).audio(0, 50).app(5, TERMINATE)
        .server(5.1, say(type="Termination")).close(5.2),
    }  # fmt: skip


@pytest.mark.parametrize("name", good_sessions())
def test_diagnose_good_session_has_only_the_finding_of_its_end(name: str) -> None:
    findings = diagnose(good_sessions()[name].session, CATALOG)
    assert [f.id for f in findings if f.severity != "info"] == []


def test_diagnose_lists_the_end_of_the_session_before_other_findings() -> None:
    talk = Talk(STREAMING).app(0, say(type="terminate")).audio(0.1, 10, 0.02, CHUNK[:640])
    error = say(type="Error", error_code=3006, error="Invalid Message Type: terminate")
    case = talk.server(1, error).close(1, code=3006, reason="Invalid Message Type: terminate")
    found = [finding.id for finding in diagnose(case.session, CATALOG)]
    assert found[0] == "assemblyai.streaming.3006-message-type"
    # The cause of that one, then the one that would end the next session.
    assert found[1] == "traffic.messages.unknown-kind"
    assert "traffic.timing.chunk-duration" in found[2:]


APIS = [(p.id, api.name) for p in CATALOG.providers for api in p.apis] + [("nobody", "nothing")]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
ODD = st.builds(
    FrameRecord,
    st.integers(0, 10**11),
    st.booleans(),
    st.sampled_from([0, 1, 2, 8, 9, 10]),
    st.one_of(
        st.binary(max_size=300),
        JSON.map(lambda value: json.dumps({"type": value, "text": value, "start": value}).encode()),
        JSON.map(lambda value: json.dumps(value).encode()),
    ),
)


@pytest.mark.one_python
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(APIS),
    st.sampled_from(["/", "/?encoding=linear16&sample_rate=16000", "/?sample_rate=" + "9" * 5000]),
    st.sampled_from([101, 200, 401, 500]),
    st.lists(st.one_of(ODD, RECORDS), max_size=25),
)
def test_diagnose_any_session_never_raises(
    api: tuple[str, str], path: str, status: int, records: list[object]
) -> None:
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    session.add(Request(0, "GET", "wss", "h", 443, path))
    session.add(Response(0, status))
    for record in records:
        session.add(record)  # type: ignore[arg-type]
    for finding in diagnose(session, CATALOG):
        assert finding.title
        assert all(0 < frame <= session.frame_count for e in finding.evidence for frame in e.frames)
