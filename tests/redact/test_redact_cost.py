"""Time of redaction is linear in the text; time and memory are limited for each record."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest

from wsproxy.catalog import load
from wsproxy.redact import HeadRedactor, SessionRedactor, Suspect, finder, suspects
from wsproxy.redact.known_secrets import KnownSecrets
from wsproxy.redact.prefilter import Prefilter
from wsproxy.trace import Bytes, FrameRecord, Record, Request, Response

pytestmark = pytest.mark.cost

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
SIZE = 4 << 10  # characters of the shorter text
RATIO = 2.5  # of the time for twice as much, at most
QUICK = 0.025  # s
KEY = "0123456789abcdef0123456789abcdef01234567"

# Each is repeated; it can make an expression look far ahead many times.
PIECES = """
name=x |name=x&|<input type="hidden" name="a" value="b">|<input name=a value=b><label for=a>x
"api_key":["abcd",|"api_key":{"value":"x",|credentials:{|{\\"api_key\\":\\"x|"token":"
authorization of Bearer |Bearer |Bearer Bearer |Bearer;|bearer token key |Key="|key:|key=|token:
https://user:password@h/?token=abc1234 |://|a://|a://u:|://a@|?token=a1|?|&|;|; a=|#
a-|-a|a.|_|-eyJaaaaaaaa|eyJ|.eyJ|eyJaaaaaaaa.|sk-|-sk_a|sk_aaaaaaaaaaaaaaaa |AKIA|xoxb-|ghp_|ya29.
-----BEGIN |-----BEGIN PRIVATE KEY-----|auth_tokens/|temp:|0123456789abcdef
"|\\|\\"|\\\\"|\\n|\\u005c|":"|" |": |'|'k':|[|{|}|["a",|"token","|"authorization","value":"
%|%25|%2525|%%25|a=%2|x%|&amp;|&#38;#38;|&#|<|<a |<a b=|<a b="|<token>a1|</|QUJDREVG|eyJhIjoiYiJ9
1|1.|.|=|: | |\0|a\0|\0a|é|\t|{"type":"x","a":[1,2]}
"""
LINES = ('name="api_key"\r\n', 'name="api_key"\r\n\r\nabc\r\n', "\n", "a: b1\n")
TEXTS = [piece for line in PIECES.splitlines() for piece in line.split("|") if piece] + [*LINES]


def head(text: str) -> Record:
    headers = [["X-Thing", text], ["Authorization", text], ["Sec-WebSocket-Protocol", text]]
    return Request(0, "GET", "wss", "h", 443, f"/p/{text}?{text}", headers=headers)


def body(text: str) -> Record:
    content = text.encode()
    return Response(0, 401, body=content, body_length=len(content))


def cut_body(text: str) -> Record:
    content = text.encode()
    return Response(0, 401, body=content, body_length=len(content) + 1)


WAYS: dict[str, Callable[[str], Record]] = {
    "message": lambda text: FrameRecord(0, True, 1, text.encode()),
    "binary": lambda text: FrameRecord(0, True, 2, b"\x01\xff" + text.encode()),
    "fragment": lambda text: FrameRecord(0, True, 1, text.encode(), fin=False),
    "body": body,
    "cut body": cut_body,
    "head": head,
}


def seconds(record: Record, times: int = 1) -> float:
    """CPU seconds for one record in a session with a key; the minimum of several runs."""
    took = []
    for _ in range(times):
        redactor = SessionRedactor(REDACT)
        redactor(Request(0, "GET", "wss", "h", 1, "/", headers=[["Authorization", f"Token {KEY}"]]))
        begun = time.process_time()
        redactor(record)
        took.append(time.process_time() - begun)
    return min(took)


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("way", WAYS)
def test_session_redactor_repeated_piece_takes_time_linear_in_its_length(way: str) -> None:
    make = WAYS[way]
    size = SIZE // 4 if way == "head" else SIZE  # it stands in five places of a head
    for piece in TEXTS:
        once = piece * (size // len(piece))
        # A fast run is linear: quadratic work takes ten times as long.
        if seconds(make(once * 2)) < QUICK:
            continue
        ratios = (seconds(make(once * 2), 3) / seconds(make(once), 3) for _ in range(4))
        assert any(ratio < RATIO for ratio in ratios), piece


@pytest.mark.parametrize("piece", ['"api_key":["abcd",', '"api_key":{"value":"x",', "a=%"])
def test_session_redactor_nested_or_escaped_text_takes_bounded_memory(piece: str) -> None:
    text = piece * ((1 << 15) // len(piece))
    tracemalloc.start()
    seconds(FrameRecord(0, True, 1, text.encode()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * len(text)


@pytest.fixture
def small_budget(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(finder, "MAX_EXAMINED", 1 << 14)
    return 1 << 14


def test_session_redactor_record_over_the_budget_is_kept_as_its_length(small_budget: int) -> None:
    payload = b'{"api_key":"abcdefgh1234"}' * (2 * small_budget // 26)
    redactor = SessionRedactor(REDACT)
    record = redactor(FrameRecord(0, True, 1, payload))
    assert isinstance(record, FrameRecord)
    assert (record.payload, record.cut) == (b"", len(payload))
    entry = {"where": "message", "name": "", "length": len(payload), "why": "budget"}
    assert record.redacted == [entry]
    after = redactor(FrameRecord(0, True, 1, b'{"api_key":"abcdefgh1234"}'))
    assert isinstance(after, FrameRecord)
    assert after.payload == b'{"api_key":"REDACTED"}'


def test_session_redactor_bytes_over_the_budget_are_zeros(small_budget: int) -> None:
    data = b'{"api_key":"abcdefgh1234"}' * (2 * small_budget // 26)
    record = SessionRedactor(REDACT)(Bytes(0, True, data, "reserved opcode"))
    assert isinstance(record, Bytes)
    assert record.data == bytes(len(data))


def test_suspects_text_over_the_budget_is_one(small_budget: int) -> None:
    assert suspects("a b " * small_budget) == [Suspect("text", "", "budget")]


def test_session_redactor_head_over_the_budget_is_left_out_and_reported(small_budget: int) -> None:
    value = "a " * small_budget
    request = SessionRedactor(REDACT)(
        Request(0, "GET", "wss", "h", 1, "/", headers=[["X-A", value], ["X-B", "b"]])
    )
    assert isinstance(request, Request)
    assert request.headers[0] == ["X-A", "REDACTED"]
    entry = {"where": "header", "name": "X-A", "length": len(value), "why": "budget"}
    assert entry in request.redacted


def test_prefilter_many_known_credentials_cost_no_more_than_one() -> None:
    message = b'{"type":"Results","text":"and so my fellow americans"}' * 150

    def took(count: int) -> float:
        known = KnownSecrets()
        for n in range(count):
            known.learn(f"{n:03d}k3vQ9xT7mB2nR8sW4yH6jL1pD5f")
        prefilter = Prefilter(REDACT.find, known)
        times = []
        for _ in range(5):
            begun = time.process_time()
            for _ in range(20):
                assert not prefilter.may_hold_in_text(message)
                assert known.spans(message) == []
            times.append(time.process_time() - begun)
        return min(times)

    assert any(took(200) < 2 * took(1) for _ in range(4))
