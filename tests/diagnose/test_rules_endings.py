"""What an ending itself shows of its cause: each rule with a near miss."""

from __future__ import annotations

import pytest

from ended_sessions import CATALOG, UNKNOWN, S, session_at
from speech_sessions import SpeechSession, cartesia_chunk, cartesia_request
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.rules import endings
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session import Session
from wsproxy.trace import End, Eof, Failure, FrameRecord, Record, Request, Response, Start

PING, PONG = 9, 10
NOTHING_SENT = "traffic.outcome.nothing-sent"


def failed(message: str, where: str = "tls-server") -> Session:
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0))
    session.add(Request(0, "GET", "wss", "speech.test", 443, "/"))
    session.add(Failure(1, where, False, message))
    return session


def opened(*records: Record) -> Session:
    session = session_at(UNKNOWN, Response(1, 101))
    for record in records:
        session.add(record)
    return session


def closed(code: int, *, by_client: bool, large: bool) -> Session:
    """A large message of the side that did not close, or of the one that closed."""
    sender = by_client is not large
    return opened(
        FrameRecord(1, True, 2, b"abc"),
        FrameRecord(2, sender, 2, bytes(5000)),
        FrameRecord(S, by_client, 8, code.to_bytes(2, "big")),
    )


def pinged(pongs: int) -> Session:
    answers = [FrameRecord(S, False, PONG, b"a")] * pongs
    end = FrameRecord(9 * S, True, 8, (1011).to_bytes(2, "big") + b"keepalive ping timeout")
    return opened(FrameRecord(1, True, PING, b"a"), *answers, end)


def ended(seconds: int) -> Session:
    return opened(FrameRecord(1, True, 2, b"a"), Eof(seconds * S, False, "eof"))


def spoken_until(*, spoken: bool) -> Session:
    """A text has its audio or not when the connection ends."""
    talk = SpeechSession("cartesia", "tts").app(cartesia_request()).server(cartesia_chunk())
    talk.wait(1).app(cartesia_request())
    if spoken:
        talk.server(cartesia_chunk())
    session = talk.session
    session.add(Eof(int(talk.t * S) + 1, False, "eof"))
    session.add(End(int(talk.t * S) + 2, "eof", "server"))
    return session


OTHER = failed("certificate verify failed")
CASES: list[tuple[Measure, Session, Session]] = [
    (endings.certificate_expired, failed("verify failed: certificate has expired"), OTHER),
    (endings.certificate_not_trusted, failed("self-signed certificate in chain"), OTHER),
    (endings.certificate_of_another, failed("Hostname mismatch, not valid for 'x'"), OTHER),
    (endings.not_tls, failed("[SSL: WRONG_VERSION_NUMBER] wrong version number"), OTHER),
    (endings.connection_refused, failed("[Errno 111] Connection refused", "connect"), OTHER),
    (endings.connection_timed_out, failed("timed out", "connect"), OTHER),
    (endings.proxy_wants_credentials, failed("407 Proxy Authentication", "proxy"), OTHER),
    (endings.pongs_came, pinged(1), pinged(0)),
    (endings.pongs_missing, pinged(0), pinged(1)),
    (
        endings.too_big_for_server,
        closed(1009, by_client=False, large=True),
        closed(1009, by_client=True, large=True),
    ),
    (
        endings.too_big_for_app,
        closed(1009, by_client=True, large=True),
        closed(1009, by_client=False, large=True),
    ),
    (endings.open_for_long, ended(400), ended(90)),
    (endings.text_unspoken, spoken_until(spoken=False), spoken_until(spoken=True)),
]


@pytest.mark.parametrize("rule, shown, near", CASES, ids=[rule.__name__ for rule, *_ in CASES])
def test_ending_rule_reports_its_session_and_no_near_miss(
    rule: Measure, shown: Session, near: Session
) -> None:
    assert rule(SessionFacts(shown, CATALOG))
    assert rule(SessionFacts(near, CATALOG)) == []


def test_ending_rules_each_have_a_case_and_a_condition() -> None:
    assert {rule for rule, *_ in CASES} == set(endings.RULES)
    advice = [each for c in CATALOG.conditions for each in (*c.causes, *c.remedies)]
    assert {rule.__name__ for rule in endings.RULES} <= {each.when for each in advice}


@pytest.mark.parametrize(
    "session, text",
    [
        (failed("verify failed: certificate has expired"), "has expired"),
        (failed("407 Proxy Authentication Required", "proxy"), "a name and a password"),
        (failed("[Errno 111] Connection refused", "connect"), "nothing listens"),
        (pinged(1), "its event loop or thread was blocked"),
        (pinged(0), "No pong came"),
    ],
)
def test_diagnose_ending_names_the_cause_that_it_shows(session: Session, text: str) -> None:
    [first, *_] = diagnose(session, CATALOG)

    assert text in first.seen[0]
    assert not any("Read the" in remedy for remedy in first.remedies)


def test_diagnose_connection_that_ended_at_once_was_not_idle() -> None:
    [first, *_] = diagnose(ended(1), CATALOG)

    assert first.id == "rfc6455.end.server-eof"
    assert not any("nothing was sent" in cause for cause in first.causes)


@pytest.mark.parametrize("by_client, side", [(True, "server"), (False, "app")])
def test_diagnose_message_too_big_shows_the_frame_of_its_sender(by_client: bool, side: str) -> None:
    [first, *_] = diagnose(closed(1009, by_client=by_client, large=True), CATALOG)

    text = f"the {side}'s largest frame has 5000 bytes (binary, frame 2)"
    assert text in [evidence.text for evidence in first.evidence]


@pytest.mark.parametrize("ending, ids", [("stopped", []), ("close", [NOTHING_SENT])])
def test_diagnose_open_session_did_not_end_without_audio(ending: str, ids: list[str]) -> None:
    session = SpeechSession("deepgram", "listen").wait(2)
    if ending == "close":
        found = session.close()
    else:
        found = session.session
        found.add(End(2 * S, ending))

    assert [each.id for each in diagnose(found, CATALOG) if each.id == NOTHING_SENT] == ids
