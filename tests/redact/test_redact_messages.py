"""Messages, complete and in fragments; what the heuristics find, and what they must not find."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from traces import SESSION, make_trace, read_trace
from wsproxy.catalog import load
from wsproxy.cli.main import cli
from wsproxy.redact import HeadRedactor, SessionRedactor, Suspect, suspects
from wsproxy.redact.heuristics import by_entropy, by_name, by_shape
from wsproxy.redact.messages import limit_entries
from wsproxy.scrub import scrub
from wsproxy.trace import (
    End,
    FrameRecord,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
    TraceWriter,
    find_traces,
)

CATALOG = load()
SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
SECRET = "s3cr3t-0123456789-Abcdef"
UUID = "ff836b96-b1b7-4c3a-b5f9-3ff2f567584e"


def redactor() -> SessionRedactor:
    return SessionRedactor(HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes))


def text(payload: bytes, *, fin: bool = True, opcode: int = 1, side: bool = True) -> FrameRecord:
    return FrameRecord(0, side, opcode, payload, fin=fin)


def payload_of(record: object) -> bytes:
    assert isinstance(record, FrameRecord)
    return record.payload


def cleaned(payload: bytes) -> bytes:
    return payload_of(redactor()(text(payload)))


def in_fragments(clean: SessionRedactor, parts: list[bytes]) -> list[bytes]:
    last = len(parts) - 1
    return [
        payload_of(clean(text(part, fin=n == last, opcode=0 if n else 1)))
        for n, part in enumerate(parts)
    ]


MESSAGES = {
    "field": json.dumps({"api_key": SECRET, "model": "nova"}),
    "scheme": json.dumps({"a": {"authorization": f"Bearer {SECRET}"}}),
    "escapes": json.dumps({"xi-api-key": SECRET + '"\\é', "x": "\\"}),
    "string": json.dumps({"config": json.dumps({"api_key": SECRET})}),
    "shape": json.dumps({"say": "it is sk_" + SECRET.replace("-", "") + " now"}),
    "url": json.dumps({"url": f"wss://h/p?a=b&token={SECRET}&c=d"}),
    "user": json.dumps({"url": f"https://me:{SECRET}@h/p"}),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_session_redactor_message_is_redacted(name: str) -> None:
    out = cleaned(MESSAGES[name].encode())
    assert b"REDACTED" in out
    assert SECRET.encode() not in out
    json.loads(out)


@pytest.mark.parametrize("name", ["field", "escapes"])
def test_session_redactor_credential_across_any_fragment_border_is_redacted(name: str) -> None:
    """The reassembled message equals the unfragmented one for every border."""
    message = MESSAGES[name].encode()
    complete = cleaned(message)
    for cut in range(1, len(message)):
        parts = in_fragments(redactor(), [message[:cut], message[cut:]])
        assert b"".join(parts) == complete, cut


@given(st.lists(st.integers(0, 60), max_size=20))
def test_session_redactor_message_in_any_fragments_is_redacted(cuts: list[int]) -> None:
    message = MESSAGES["field"].encode()
    at = [0, *sorted(min(cut, len(message)) for cut in cuts), len(message)]
    parts = [message[a:b] for a, b in itertools.pairwise(at)]
    assert b"".join(in_fragments(redactor(), parts)) == cleaned(message)


@pytest.mark.parametrize("name", ["scheme", "string", "shape", "url", "user"])
def test_session_redactor_other_credential_across_fragments_is_redacted(name: str) -> None:
    message = MESSAGES[name].encode()
    for cut in range(1, len(message)):
        parts = in_fragments(redactor(), [message[:cut], message[cut:]])
        assert SECRET[9:].encode() not in b"".join(parts), cut


def test_session_redactor_repetition_across_fragments_is_redacted() -> None:
    message = b'{"error": "no such key: ' + SECRET.encode() + b'", "x": 1}'
    for cut in range(1, len(message)):
        clean = redactor()
        clean(text(MESSAGES["field"].encode()))
        parts = in_fragments(clean, [message[:cut], message[cut:]])
        kept = b"".join(parts).replace(b'{"error": "no such key: ', b"")
        assert SECRET[3:].encode() not in kept
        assert len(kept) <= len(b'REDACTED", "x": 1}') + 3


def test_session_redactor_control_frame_between_fragments_is_separate() -> None:
    clean = redactor()
    first = payload_of(clean(text(b'{"api_key": "abc', fin=False)))
    ping = payload_of(clean(text(b"ping", opcode=9)))
    rest = payload_of(clean(text(b'def"}', opcode=0)))
    assert (first, ping, rest) == (b'{"api_key": "REDACTED', b"ping", b'"}')


def test_session_redactor_long_message_in_one_frame_is_redacted() -> None:
    audio = base64.b64encode(random.Random(1).randbytes(1 << 19)).decode()
    message = json.dumps({"audio": audio, "api_key": SECRET, "more": audio}).encode()
    assert cleaned(message) == message.replace(SECRET.encode(), b"REDACTED")


# -- rules


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Acme-Secret", "abcd"),
        ("api-token", "hunter22"),
        ("X-Custom-Key", "a1B2c3D4e5F6g7H8"),
        ("session", "9f8a7b6c5d4e3f2a1b0c"),
        ("password", "correct horse battery"),
        ("x-foo", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN"),
        ("x-foo", "AKIAIOSFODNN7EXAMPLE"),
        ("x-foo", "sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
        ("x-foo", "0123456789abcdef0123456789abcdef01234567"),
        ("x-foo", "a9f8A7s6d5F4g3H2j1k0L9z8X7c6"),
    ],
)
def test_heuristics_credential_is_found(name: str, value: str) -> None:
    assert by_name(name, value) or by_shape(name, value) or by_entropy(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("keyterm", "Deepgram2Nova3Keyterm99"),
        ("keywords", "abc123def456ghi789jkl012"),
        ("max_tokens", "1234567890123456"),
        ("token", " Hello"),
        ("token", "international"),
        ("transaction_key", "deprecated"),
        ("idempotency-key", "0123456789abcdef0123456789abcdef"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("session_id", UUID),
        ("session", UUID),
        ("sha256", "ab" * 32),
        ("x-stainless-runtime-version", "v22.11.0"),
        ("user-agent", "Python/3.13.0 websockets/14.1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-amz-date", "20261121T104005Z"),
        ("x-amz-signedheaders", "host;x-amz-date"),
        ("model", "nova-3-general-2026-11-01.12345"),
        ("token_type", "Bearer"),
    ],
)
def test_heuristics_harmless_value_is_not_found(name: str, value: str) -> None:
    assert not (by_name(name, value) or by_shape(name, value) or by_entropy(name, value))


@pytest.mark.one_python
def test_session_redactor_samples_are_unchanged() -> None:
    """All samples were recorded with redaction."""
    records = 0
    for path in find_traces([str(SAMPLES)]):
        clean = redactor()
        with TraceReader(path) as reader:
            for record in reader:
                records += 1
                assert clean(record) == record, path
                assert suspects(record) == [], path
    assert records > 1000


def test_session_redactor_audio_and_transcripts_are_unchanged() -> None:
    chance = random.Random(7)
    words = (SAMPLES.parent / "README.md").read_text()
    clean = redactor()
    for n in range(300):
        audio = base64.b64encode(chance.randbytes(chance.randrange(1, 3000))).decode()
        transcript = words[n * 10 : n * 10 + 200]
        for message in (
            {"audio": audio, "id": UUID},
            {"transcript": transcript, "event_id": "event_B1x"},
        ):
            payload = json.dumps(message).encode()
            assert payload_of(clean(text(payload))) == payload
        raw = chance.randbytes(640)
        assert payload_of(clean(text(raw, opcode=2))) == raw


# -- bodies and reports


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"token": SECRET}),
        json.dumps({"client_secret": {"value": SECRET, "expires_at": 1}}),
        json.dumps({"id": UUID, "url": f"wss://api.gladia.io/v2/live?token={SECRET}"}),
        f"grant_type=client&client_secret={SECRET}",
        f'--x\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{SECRET}\r\n--x--',
        f"Invalid credentials: Token {SECRET}",
        json.dumps({"token": SECRET})[:-6],
    ],
)
def test_session_redactor_body_is_redacted(body: str) -> None:
    for record in (
        Response(0, 201, body=body.encode(), body_length=len(body) + 6),
        Request(0, "POST", "https", "h", 443, "/v2/live", body=body.encode()),
    ):
        out = redactor()(record)
        assert isinstance(out, Request | Response)
        assert SECRET[:-6].encode() not in (out.body or b"")
        assert len(out.redacted) == 1


def test_session_redactor_decompressed_body_is_redacted() -> None:
    body_text = json.dumps({"model": "nova-3", "api_key": SECRET}).encode()
    request = Request(
        0, "POST", "https", "h", 443, "/", headers=[["Content-Encoding", "gzip"]], body=body_text
    )
    for body in (body_text, body_text[:-4]):  # the rest of it need not have come
        out = redactor()(replace(request, body=body))
        assert isinstance(out, Request)
        assert (out.body or b"").startswith(b'{"model": "nova-3", "api_key": "REDACTED')
        assert [entry["name"] for entry in out.redacted] == ["api_key"]


def test_suspects_record_and_text_are_reported() -> None:
    request = Request(
        0, "GET", "wss", "h", 443, f"/p?token={SECRET}", headers=[["X-Secret", "abcd"]]
    )
    assert suspects(request) == [
        Suspect("header", "X-Secret", "name"),
        Suspect("query", "token", "place"),
    ]
    assert suspects(f"see https://h/?token={SECRET}") == [Suspect("text", "token", "place")]
    assert suspects("nothing to see") == []
    assert suspects(text(b'{"acme": "a9f8A7s6d5F4g3H2j1k0L9z8X7c6"}')) == [
        Suspect("message", "acme", "entropy")
    ]


# -- more entries than fit in a record


@pytest.mark.one_python
@pytest.mark.parametrize("pieces", [1, 3])
def test_session_redactor_message_with_20_000_keys_stays_within_format_limits(
    tmp_path: Path, pieces: int
) -> None:
    """A record with more maps than a reader accepts made the rest of its block unreadable."""
    message = json.dumps([{"api_key": f"key-{n}-abc"} for n in range(20_000)]).encode()
    size = len(message) // pieces + 1
    parts = [message[at : at + size] for at in range(0, len(message), size)]
    clean = redactor()
    records: list[Record] = [Start(0, 1, SESSION, 0)]
    for n, part in enumerate(parts):
        records.append(clean(text(part, fin=n == pieces - 1, opcode=0 if n else 1)))
    records += [clean(text(b"after")), End(5, "stopped")]
    with (tmp_path / "t.wstrace").open("wb", buffering=0) as file:
        writer = TraceWriter(file, SESSION)
        for record in records:
            writer.write(record)
        writer.finish()
    read, reader = read_trace(tmp_path / "t.wstrace")
    assert reader.losses == []
    assert read == records
    payload = b"".join(payload_of(record) for record in read[1 : 1 + pieces])
    assert b"key-" not in payload
    assert payload.count(b"REDACTED") == 20_000
    first = read[1]
    assert isinstance(first, FrameRecord)
    assert first.redacted is not None
    *each, last = first.redacted
    assert len(each) == 999
    assert {entry["name"] for entry in each} == {"api_key"}
    assert last == {"where": "message", "name": "", "more": last["more"]}
    assert last["more"] >= 20_000 // pieces - 999
    done = CliRunner().invoke(cli, ["show", str(tmp_path / "t.wstrace")])
    assert f"(redacted: api_key, {last['more']:,} more)" in done.output


def test_session_redactor_head_with_too_many_keys_has_limited_entries() -> None:
    headers = [["X-Secret", f"a1b2c3d4-{n}"] for n in range(3000)]
    body = b'{"api_key": "abc-1234"}'
    for record in (
        Request(0, "GET", "wss", "h", 443, "/", headers=headers, body=body),
        Response(0, 401, headers=headers, body=body),
    ):
        clean = redactor()(record)
        assert isinstance(clean, Request | Response)
        assert len(clean.redacted) == 1000
        assert clean.redacted[-1]["more"] >= 2002


@pytest.mark.parametrize("count", [999, 1000, 1001])
def test_limit_entries_at_the_limit_keeps_all(count: int) -> None:
    taken = [{"where": "body", "name": str(n)} for n in range(count)]
    limited = limit_entries(taken)
    assert len(limited) == min(count, 1000)
    assert limited[:999] == taken[:999]
    assert (limited == taken) == (count <= 1000)
    assert sum(entry.get("more", 1) for entry in limited) == count


def test_scrub_number_of_further_redactions_stays(tmp_path: Path) -> None:
    more = {"where": "message", "name": "", "more": 5}
    frame = replace(text(b'{"api_key": "REDACTED"}'), redacted=[more])
    trace = make_trace(tmp_path / "t.wstrace", [Start(0, 1, SESSION, 0), frame, End(5, "stopped")])
    read, _ = read_trace(scrub(trace, tmp_path / "public.wstrace").path)
    assert [record.redacted for record in read if isinstance(record, FrameRecord)] == [[more]]


@pytest.mark.parametrize(
    ("length", "kept"), [(25, b"model=nova-3&session=demo"), (40, b"model=nova-3&session=REDACTED")]
)
def test_session_redactor_last_field_of_a_form_is_cut_only_if_the_body_is(
    length: int, kept: bytes
) -> None:
    request = Request(
        0,
        "POST",
        "https",
        "h",
        443,
        "/v1/x",
        headers=[["Content-Length", str(length)]],
        body=b"model=nova-3&session=demo",
    )
    written = redactor()(request)
    assert isinstance(written, Request)
    assert written.body == kept


# -- digests of cut messages


def test_session_redactor_digest_of_a_cut_message_is_keyed() -> None:
    """Without a key, a guessed password could be tested against the digest."""
    plain = hashlib.sha256(b'{"password": "hunter22"}').hexdigest()
    frame = FrameRecord(0, True, 1, b"", cut=24, digest=plain)
    digests = []
    for key in (b"a" * 32, b"a" * 32, b"b" * 32):
        clean = SessionRedactor(HeadRedactor(CATALOG.credentials, key))(frame)
        assert isinstance(clean, FrameRecord)
        digests.append(clean.digest)
    first, same, other = digests
    assert first == same != other
    assert first is not None
    assert first.startswith("hmac-sha256:")
    assert plain not in first


def test_session_redactor_digest_that_is_keyed_stays() -> None:
    frame = FrameRecord(0, True, 1, b"", cut=24, digest="hmac-sha256:" + "ab" * 32)
    assert redactor()(frame) == frame
