"""What several sessions show together."""

from __future__ import annotations

from wsproxy.catalog import load
from wsproxy.diagnose import Finding
from wsproxy.diagnose.session_groups import SessionSpan, findings_across
from wsproxy.redact import HeadRedactor
from wsproxy.session import Session
from wsproxy.trace import End, FrameRecord, Request, Response, Start

CATALOG = load()
S = 10**9


def session(
    begin: float, lasts: float, *, status: int = 101, code: int = 1000, reason: str = "",
    key: str = "key one", host: str = "api.deepgram.com",
) -> Session:  # fmt: skip
    """A session at Deepgram, with the time of its start and its duration in seconds."""
    redacted = HeadRedactor(CATALOG.credentials, b"k")([("Authorization", f"Token {key}")])
    found = Session()
    found.add(Start(0, 1, "0123456789abcdef", int(begin * S), provider="deepgram", api="listen"))
    headers = [*redacted.headers, ["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    found.add(
        Request(
            0, "GET", "wss", host, 443, "/v1/listen", headers=headers, redacted=redacted.entries
        )
    )
    found.add(Response(0, status))
    if status == 101:
        payload = code.to_bytes(2, "big") + reason.encode()
        found.add(FrameRecord(int(lasts * S), False, 8, payload))
    found.add(End(int(lasts * S), "close" if status == 101 else "refused", "server", code))
    return found


def together(sessions: list[Session]) -> list[Finding]:
    return findings_across(
        span for session in sessions if (span := SessionSpan.of(session)) is not None
    )


def ids(sessions: list[Session]) -> list[str]:
    return [finding.id for finding in together(sessions)]


def storm(gap: float, code: int = 1011, host: str = "api.deepgram.com") -> list[Session]:
    return [session(n * (1 + gap), 1, code=code, host=host) for n in range(5)]


def test_findings_across_storm_is_found() -> None:
    (finding,) = together(storm(0.2)[::-1])
    assert finding.id == "traffic.sessions.reconnect-storm"
    (evidence,) = finding.evidence
    assert evidence.value == 5
    assert "5 sessions with api.deepgram.com/v1/listen" in evidence.text
    assert "0.20 s" in evidence.text


def test_findings_across_sessions_with_pauses_are_no_storm() -> None:
    assert ids(storm(30)) == []  # with a pause
    assert ids(storm(0.2, code=1000)) == []  # of good sessions
    assert ids(storm(0.2)[:3]) == []  # of three
    apart = [session(n * 1.2, 1, code=1011, host=f"host{n}") for n in range(5)]
    assert ids(apart) == []  # of several endpoints


def test_findings_across_same_key_at_once_is_found() -> None:
    open_ones = [session(0, 100), session(1, 100)]
    (finding,) = together([*open_ones, session(50, 0.1, status=429)])
    assert finding.id == "traffic.sessions.same-key-at-once"
    assert finding.evidence[0].value == 2


def test_findings_across_refusal_by_close_reason_is_found() -> None:
    closed = session(50, 1, code=3009, reason="Too many concurrent sessions")
    assert ids([session(0, 100), closed]) == ["traffic.sessions.same-key-at-once"]


def test_findings_across_other_key_or_other_time_has_no_finding() -> None:
    refused = session(50, 0.1, status=429)
    assert ids([session(0, 100, key="another"), refused]) == []
    assert ids([session(0, 10), refused]) == []
    assert ids([session(0, 100), session(50, 0.1, status=401)]) == []


def test_session_span_of_session_without_start_is_none() -> None:
    assert ids([Session()]) == []
    assert ids([]) == []
