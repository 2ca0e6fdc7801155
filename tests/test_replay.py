"""Both ends of a replay over real sockets: what they agree on, and what they do not."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import errno
import ipaddress
import os
import secrets
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wsproxy.catalog import load
from wsproxy.errors import ConnectFailed, TraceError, UsageError
from wsproxy.recording import Clock, Recording, new_start
from wsproxy.redact import Redactor
from wsproxy.replay import ClientOptions, Pace, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replay import server as replay_server
from wsproxy.replay.recorded import Records
from wsproxy.replay.verdict import judge_played
from wsproxy.session import Session
from wsproxy.trace import Eof, Failure, FrameRecord, Request, Response, TraceReader, TraceWriter
from wsproxy.wire import Close, Frame, Opcode, accept_key

MS = 1_000_000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


class Maker:
    """Writes a trace as if it had been recorded: a millisecond a thing that happens."""

    def __init__(self, path: Path, *, status: int = 101, **start: object) -> None:
        clock = Clock(1_700_000_000_000_000_000, 0)
        self.path = path
        self.recording = Recording(path, new_start(clock, **start))
        self.t_ns = 0
        self.recording.add(
            Request(
                0,
                "GET",
                "wss",
                "api.deepgram.com",
                443,
                "/v1/listen?encoding=linear16&sample_rate=16000",
                headers=[
                    ["Host", "api.deepgram.com"],
                    ["Upgrade", "websocket"],
                    ["Connection", "Upgrade"],
                    ["Sec-WebSocket-Key", KEY],
                    ["Sec-WebSocket-Version", "13"],
                    ["Sec-WebSocket-Extensions", "permessage-deflate"],
                    ["Authorization", "Token REDACTED"],
                ],
                redacted=[{"where": "header", "name": "Authorization"}],
            )
        )
        if status == 101:
            accept = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
            accept.append(["Sec-WebSocket-Accept", accept_key(KEY)])
            accept.append(["dg-request-id", "9a8b7c6d-0000-4000-8000-000000000001"])
            self.recording.response(
                Response(self.tick(), 101, "Switching Protocols", headers=accept)
            )

    def tick(self, ms: int = 1) -> int:
        self.t_ns += ms * MS
        return self.t_ns

    def wait(self, ms: int) -> Maker:
        self.tick(ms)
        return self

    def client(self, *frames: Frame) -> Maker:
        for frame in frames:
            masked = Frame(
                frame.opcode, frame.payload, frame.fin, frame.rsv, secrets.token_bytes(4)
            )
            self.recording.data(self.tick(), True, masked.serialize())
        return self

    def server(self, *frames: Frame) -> Maker:
        for frame in frames:
            self.recording.data(self.tick(), False, frame.serialize())
        return self

    def raw(self, from_client: bool, data: bytes) -> Maker:
        self.recording.data(self.tick(), from_client, data)
        return self

    def eof(self, from_client: bool, how: str = "eof") -> Maker:
        self.recording.eof(Eof(self.tick(), from_client, how))
        return self

    def refused(self, status: int, headers: list[list[str]], body: bytes) -> Maker:
        self.recording.response(
            Response(self.tick(), status, "No", headers=headers, body=body, body_length=len(body))
        )
        return self

    def done(self, ending: str | None = None) -> Path:
        self.recording.end(self.tick(), ending)
        return self.path


def text(content: str) -> Frame:
    return Frame(Opcode.TEXT, content.encode())


def audio(size: int = 640, fill: int = 1) -> Frame:
    return Frame(Opcode.BINARY, bytes([fill]) * size)


def close(code: int | None = 1000, reason: str = "") -> Frame:
    return Frame(Opcode.CLOSE, Close(code, reason).serialize())


RESULTS = '{"type":"Results","is_final":true}'
METADATA = '{"type":"Metadata","request_id":"9a8b7c6d-0000-4000-8000-000000000001"}'


def both_eof(maker: Maker) -> Path:
    return maker.eof(False).eof(True).done()


def good(m: Maker) -> Path:
    m.client(audio(), audio(), audio()).server(text(RESULTS))
    m.client(text('{"type":"CloseStream"}')).server(text(METADATA), close(1000)).client(close(1000))
    return both_eof(m)


def close_1011(m: Maker) -> Path:
    m.client(audio(), audio()).wait(100).server(close(1011, "NET-0001")).client(close(1011))
    return both_eof(m)


def close_bare(m: Maker) -> Path:
    return both_eof(m.client(audio()).server(close(None)).client(close(None)))


def close_utf8(m: Maker) -> Path:
    return both_eof(m.client(audio()).server(close(4000, "é" * 61)).client(close(4000)))


def close_by_client(m: Maker) -> Path:
    return both_eof(m.client(audio(), close(3000, "bye")).server(close(3000)))


def server_reset(m: Maker) -> Path:
    return m.client(audio()).server(text(RESULTS)).eof(False, "reset").done()


def server_eof(m: Maker) -> Path:
    return both_eof(m.client(audio()).server(text(RESULTS)))


def client_reset(m: Maker) -> Path:
    return m.client(audio()).server(text(RESULTS)).client(audio()).eof(True, "reset").done()


def client_vanishes(m: Maker) -> Path:
    m.client(audio()).server(text(RESULTS)).raw(True, b"\x82\xfe\x02\x80abcdhalf")
    return m.eof(True).eof(False).done()


def fragments(m: Maker) -> Path:
    m.client(
        Frame(Opcode.BINARY, b"a" * 100, fin=False),
        Frame(Opcode.PING, b"between"),
        Frame(Opcode.CONTINUATION, b"b" * 200, fin=False),
    )
    m.server(Frame(Opcode.PONG, b"between"), Frame(Opcode.PING, b"you?"))
    m.client(Frame(Opcode.PONG, b"you?"), Frame(Opcode.CONTINUATION, b"c" * 5))
    m.server(
        Frame(Opcode.TEXT, b'{"type":', fin=False),
        Frame(Opcode.PING, b"two"),
        Frame(Opcode.CONTINUATION, b'"Results"}'),
    )
    m.client(Frame(Opcode.PONG, b"two"), close(1000))
    return both_eof(m.server(close(1000)))


def invalid_opcode(m: Maker) -> Path:
    m.client(audio()).raw(True, b"\x8b\x80abcd").server(close(1002, "invalid opcode"))
    return both_eof(m.client(close(1002)))


def bad_bits(m: Maker) -> Path:
    m.client(audio(), Frame(Opcode.BINARY, b"x", rsv=2)).server(close(1002))
    return m.eof(False, "reset").done()


def after_the_close(m: Maker) -> Path:
    m.client(audio()).server(close(1011, "first"), text(RESULTS), close(1000, "second"))
    return both_eof(m.client(close(1011)))


def masked_by_server(m: Maker) -> Path:
    m.client(audio()).server(Frame(Opcode.TEXT, RESULTS.encode(), mask=b"abcd"))
    return both_eof(m.client(close(1002)).server(close(1002)))


def refused(m: Maker) -> Path:
    headers = [["Content-Type", "application/json"], ["dg-error", "Invalid credentials."]]
    body = b'{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"1"}'
    return m.refused(401, headers, body).done()


def left_open(m: Maker) -> Path:
    return m.client(audio()).server(text(RESULTS)).wait(50).done("stopped")


ACCEPTED: list[Callable[[Maker], Path]] = [
    good,
    close_1011,
    close_bare,
    close_utf8,
    close_by_client,
    server_reset,
    server_eof,
    client_reset,
    client_vanishes,
    fragments,
    invalid_opcode,
    bad_bits,
    after_the_close,
    masked_by_server,
    left_open,
]


def build(kind: Callable[[Maker], Path], folder: Path) -> Path:
    folder.mkdir(exist_ok=True, parents=True)
    status = 401 if kind is refused else 101
    path = folder / f"{kind.__name__}.wstrace"
    return kind(Maker(path, status=status, provider="deepgram", api="listen"))


def records(folder: Path) -> Records:
    return Records(folder, Redactor(load().credentials, b"key"))


async def both_ends(
    client_trace: Path, server_trace: Path, folder: Path, *, pace: str = "recorded"
) -> tuple[Verdict, Verdict]:
    """Replay one trace as the client against another as the server."""
    out = records(folder / "out")
    options = ServerOptions(pace=Pace.parse(pace), timeout=2)
    async with ReplayServer(server_trace, options, out) as server:
        to = ClientOptions(server.url, pace=Pace.parse(pace), timeout=2)
        client = await replay_client(client_trace, to, out)
        return client, await server.verdict()


def told(path: Path, from_client: bool) -> list[tuple[object, ...]]:
    """What a direction carried, without times and keys, Pongs last: a Pong answers a Ping
    that comes when it comes.
    """
    out: list[tuple[object, ...]] = []
    with TraceReader(path) as reader:
        for record in reader:
            if getattr(record, "from_client", None) is not from_client:
                continue
            if isinstance(record, FrameRecord):
                masked = record.mask is not None
                out.append((record.opcode, record.fin, record.rsv, masked, record.payload))
            elif isinstance(record, Eof):
                out.append(("eof", record.how))
            else:
                out.append(("bytes", getattr(record, "data", b"")))
    return sorted(out, key=lambda item: item[0] == Opcode.PONG)


@pytest.mark.parametrize("pace", ["recorded", "fast"])
@pytest.mark.parametrize("kind", [*ACCEPTED, refused])
def test_both_ends_agree(kind: Callable[[Maker], Path], pace: str, tmp_path: Path) -> None:
    trace = build(kind, tmp_path)
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace=pace))
    assert client.verdict == "reproduced", client.as_json()
    assert server.verdict == "reproduced", server.as_json()
    assert told(client.trace, True) == told(trace, True)
    assert told(client.trace, False) == told(trace, False)


def test_a_recording_of_messages_replays(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "t.wstrace", capture="messages")
    for from_client, frame in (
        (True, audio()),
        (False, text(RESULTS)),
        (False, close(1011, "NET-0001")),
        (True, close(1011)),
    ):
        maker.recording.message(maker.tick(), from_client, frame.opcode, frame.payload)
    trace = maker.done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert Session.read(client.trace).broken == []  # masked, as a client must


def test_a_plain_http_exchange_replays(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "t.wstrace", new_start(Clock(0, 0)))
    headers = [["Host", "api.deepgram.com"], ["Accept", "*/*"]]
    recording.add(Request(0, "GET", "https", "api.deepgram.com", 443, "/v1/x", headers=headers))
    recording.response(Response(MS, 403, "Forbidden", headers=[["dg-error", "no"]], body=b"{}"))
    recording.end(2 * MS)
    client, server = asyncio.run(both_ends(recording.path, recording.path, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert client.replayed["ending"] == "http"


def test_a_large_message_replays(tmp_path: Path) -> None:
    size = 16 << 20
    maker = Maker(tmp_path / "t.wstrace").client(audio(size)).server(close(1009))
    trace = both_eof(maker.client(close(1009)))
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace="fast"))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert server.replayed["audio_sent"] == size


def test_a_server_that_did_not_answer_replays(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "t.wstrace", status=0)
    maker.recording.add(Failure(maker.tick(), "handshake", False, "no answer"))
    trace = maker.eof(False, "reset").done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")


def unanswered(path: Path, *failure: object) -> Path:
    maker = Maker(path, status=0)
    maker.recording.add(Failure(maker.tick(100), *failure))  # type: ignore[arg-type]
    return maker.done()


@pytest.mark.parametrize(
    "failure",
    [("handshake", True, "Client disconnected."), ("http", False, "server closed connection")],
)
def test_silence_before_an_answer_lasts_as_long_as_it_did(
    failure: tuple[object, ...], tmp_path: Path
) -> None:
    trace = unanswered(tmp_path / "t.wstrace", *failure)
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    for verdict in (client, server):
        session = Session.read(verdict.trace)
        assert session.failure is not None
        assert session.failure.from_client is failure[1]
        assert session.failure.t_ns >= 100 * MS


def test_an_answer_after_all_is_no_silence(tmp_path: Path) -> None:
    trace = unanswered(tmp_path / "t.wstrace", "handshake", True, "Client disconnected.")
    server = build(good, tmp_path)
    client, _ = asyncio.run(both_ends(trace, server, tmp_path))
    assert (client.verdict, client.recorded["status"]) == ("not-reproduced", None)
    assert client.replayed["status"] == 101


def test_an_app_that_waits_longer_than_the_recorded_one(tmp_path: Path) -> None:
    gave_up = unanswered(tmp_path / "t.wstrace", "handshake", True, "Client disconnected.")
    waits = unanswered(tmp_path / "u.wstrace", "http", False, "server closed connection")

    async def play() -> Verdict:
        out = records(tmp_path / "out")
        async with ReplayServer(gave_up, ServerOptions(timeout=0.1), out) as server:
            await replay_client(waits, ClientOptions(server.url), out)
            return await server.verdict()

    verdict = asyncio.run(play())
    assert (verdict.verdict, verdict.replayed["ending"]) == ("not-reproduced", "open")


@pytest.mark.parametrize(
    ("left", "right", "verdict", "field"),
    [
        (close_1011, close_utf8, "different", "close_code"),
        (close_1011, server_reset, "different", "ending"),
        (close_1011, good, "not-reproduced", "close_code"),
        (close_1011, refused, "different", "status"),
        (server_reset, server_eof, "different", "ending"),
        (good, close_1011, "different", "close_code"),
        (refused, left_open, "not-reproduced", "status"),
    ],
)
def test_unlike_ends_do_not_agree(
    left: Callable[[Maker], Path],
    right: Callable[[Maker], Path],
    verdict: str,
    field: str,
    tmp_path: Path,
) -> None:
    client, _ = asyncio.run(both_ends(build(left, tmp_path), build(right, tmp_path), tmp_path))
    assert client.verdict == verdict
    assert field in [difference.field for difference in client.differences]


async def against(
    trace: Path,
    folder: Path,
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    **options: object,
) -> Verdict:
    """Replay as the client against a server that is written out in a test."""
    async with await asyncio.start_server(handler, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        values = {"timeout": 0.3, **options}
        return await replay_client(
            trace,
            ClientOptions(f"ws://127.0.0.1:{port}", **values),  # type: ignore[arg-type]
            records(folder / "out"),
        )


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line for line in head.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.split(": ")[1]).encode() + b"\r\n\r\n"
    )
    return head


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


def test_a_server_that_stays_silent_does_not_reproduce_and_does_not_hang(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await drain(reader)
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, silent))
    assert verdict.verdict == "not-reproduced"
    assert verdict.replayed["ending"] == "open"
    assert Session.read(verdict.trace).ending == "stopped"


def test_a_server_that_never_answers_the_upgrade(tmp_path: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await drain(reader)
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, mute))
    assert verdict.verdict == "different"
    assert verdict.replayed["ending"] == "failed"
    assert verdict.replayed["status"] is None


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_server_that_speaks_something_else(answer: bytes, tmp_path: Path) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, other))
    assert verdict.replayed["ending"] == "failed"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("Upgrade: websocket\r\nSec-WebSocket-Accept: AAAA", "not that of the key"),
        ("Upgrade: websocket", "not that of the key"),
        ("Connection: close", "no Upgrade: websocket"),
        ("X: y\r\n" * 2000, "over 2000 headers"),
    ],
)
def test_a_handshake_that_a_client_fails(answer: str, says: str, tmp_path: Path) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 101 Switching\r\n{answer}\r\n\r\n".encode())
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, other))
    assert verdict.replayed["ending"] == "failed"
    failures = [r for r in TraceReader(verdict.trace) if isinstance(r, Failure)]
    assert len(failures) == 1
    assert says in failures[0].message


def test_a_server_that_floods_is_left_in_time(tmp_path: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(text(RESULTS).serialize() * 100)
                await writer.drain()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, flood))
    assert verdict.verdict == "not-reproduced"


def test_volatile_parts_of_a_reason_are_no_difference(tmp_path: Path) -> None:
    def inactive(seconds: int) -> Callable[[Maker], Path]:
        reason = f"Session terminated: No messages received for {seconds} seconds"
        return lambda m: both_eof(m.client(audio()).server(close(3006, reason)).client(close(3006)))

    (tmp_path / "a").mkdir()
    recorded = inactive(5)(Maker(tmp_path / "a" / "1.wstrace"))
    other = inactive(7)(Maker(tmp_path / "a" / "2.wstrace"))
    client, _ = asyncio.run(both_ends(recorded, other, tmp_path))
    assert client.verdict == "reproduced"


def test_the_handshake_is_fresh_where_it_must_be(tmp_path: Path) -> None:
    heads: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await upgrade(reader, writer))
        writer.close()

    asyncio.run(against(build(close_1011, tmp_path), tmp_path, server))
    (head,) = heads
    assert head.startswith("GET /v1/listen?encoding=linear16&sample_rate=16000 HTTP/1.1")
    assert KEY not in head
    assert "host: 127.0.0.1:" in head.lower()
    assert "sec-websocket-extensions: permessage-deflate\r\n" in head.lower()
    assert "authorization: token " in head.lower()
    assert "REDACTED" not in head


def test_given_values_replace_recorded_ones_and_are_not_written(tmp_path: Path) -> None:
    heads: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await upgrade(reader, writer))
        writer.close()

    verdict = asyncio.run(
        against(
            build(close_1011, tmp_path),
            tmp_path,
            server,
            headers=[("authorization", "Token s3cret-value")],
            query=[("model", "nova-3"), ("sample_rate", "8000")],
        )
    )
    assert "Authorization: Token s3cret-value" in heads[0]
    assert "encoding=linear16&sample_rate=8000&model=nova-3 " in heads[0]
    session = Session.read(verdict.trace)
    assert session.request is not None
    assert session.request_header("authorization") == "Token REDACTED"
    with TraceReader(verdict.trace) as reader:
        assert not any("s3cret" in repr(record) for record in reader)


def test_a_missing_credential_is_asked_for_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    trace = build(close_1011, tmp_path)
    to = ClientOptions("wss://api.deepgram.invalid")
    with pytest.raises(UsageError, match=r"Authorization: Token .*DEEPGRAM_API_KEY") as caught:
        asyncio.run(replay_client(trace, to, records(tmp_path / "out")))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_credential_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await upgrade(reader, writer))
        writer.close()

    monkeypatch.setenv("DEEPGRAM_API_KEY", "from-the-environment")
    asyncio.run(against(build(close_1011, tmp_path), tmp_path, server))
    assert "Authorization: Token from-the-environment\r\n" in heads[0]


@pytest.mark.parametrize("given", [True, False])
def test_a_credential_is_hidden_where_the_catalog_knows_of_none(
    given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path / "t.wstrace", new_start(Clock(0, 0), provider="deepgram"))
    recording.add(
        Request(0, "GET", "wss", "h", 443, "/x?door=REDACTED", headers=[["X-Door", "Key REDACTED"]])
    )
    recording.add(Response(MS, 401, "No", body=b"no"))
    recording.end(2 * MS)

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"X-Door: Key open/sesame\r\n" in head
        writer.write(b"HTTP/1.1 401 No\r\nX-Why: open/sesame\r\n\r\nopen/sesame")
        writer.close()

    if not given:
        monkeypatch.setenv("DEEPGRAM_API_KEY", "open/sesame")
    mine: dict[str, Sequence[tuple[str, str]]] = {
        "headers": [("x-door", "Key open/sesame")] if given else [],
        "query": [("door", "open/sesame")] if given else [],
    }
    verdict = asyncio.run(against(recording.path, tmp_path, server, **mine))
    session = Session.read(verdict.trace)
    assert session.request is not None
    assert session.request.path == "/x?door=REDACTED"
    assert session.request.headers == [["X-Door", "Key REDACTED"]]
    assert session.response is not None
    assert session.response.body == b"REDACTED"
    assert "sesame" not in repr(session.response.headers)


def test_a_key_with_a_line_break_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "from-a-file\n")
    to = ClientOptions("wss://api.deepgram.invalid")
    with pytest.raises(UsageError, match="DEEPGRAM_API_KEY holds a line break"):
        asyncio.run(replay_client(build(close_1011, tmp_path), to, records(tmp_path / "out")))


def test_a_hostile_trace_prints_nothing_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    recording = Recording(tmp_path / "t.wstrace", new_start(Clock(0, 0)))
    headers = [["Upgrade", "websocket"], ["X-\x1b[31m", "\x9b31m REDACTED"]]
    recording.add(Request(0, "GET", "wss", "h", 443, "/?\x1b]0;=REDACTED", headers=headers))
    recording.response(Response(MS, 101))
    recording.end(2 * MS)
    to = ClientOptions("wss://api.example.invalid")
    with pytest.raises(UsageError) as caught:
        asyncio.run(replay_client(recording.path, to, records(tmp_path)))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["../../evil", "a\0b", "x" * 300, "\x1b[31mred", "..", ""])
def test_a_hostile_trace_names_no_file(name: str, tmp_path: Path) -> None:
    start = new_start(Clock(0, 0), provider=name, api=name)
    recorded = Session()
    recorded.add(start)
    made = records(tmp_path).begin(recorded, Clock.start(), "replay-client", None)
    made.end(0)
    assert made.path.parent == tmp_path
    assert made.path.name.endswith(f"Z-websocket-{made.session.id[:8]}.wstrace")


@pytest.mark.parametrize("part", ["header", "path", "method"])
def test_a_hostile_trace_smuggles_no_second_request(part: str, tmp_path: Path) -> None:
    evil = "/ HTTP/1.1\r\nHost: other\r\n\r\nGET /"
    recording = Recording(tmp_path / "t.wstrace", new_start(Clock(0, 0)))
    headers = [["Upgrade", "websocket"], ["X", evil if part == "header" else "x"]]
    path = evil if part == "path" else "/"
    method = evil if part == "method" else "GET"
    recording.add(Request(0, method, "ws", "h", 80, path, headers=headers))
    recording.response(Response(MS, 101))
    recording.end(2 * MS)
    with pytest.raises(TraceError):
        asyncio.run(
            replay_client(recording.path, ClientOptions("ws://127.0.0.1:1"), records(tmp_path))
        )


@pytest.mark.parametrize(
    "url",
    ["ws://h/a b", "127.0.0.1:1", "ftp://h/", "ws://", "ws://h:port/", "ws://[::1", "ws://a:b@h/"],
)
def test_a_bad_url(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        asyncio.run(
            replay_client(build(good, tmp_path), ClientOptions(url), records(tmp_path / "out"))
        )


def test_an_unreachable_server(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectFailed, match="cannot reach"):
        asyncio.run(
            replay_client(build(good, tmp_path), ClientOptions(url), records(tmp_path / "out"))
        )


def test_a_port_in_use(tmp_path: Path) -> None:
    async def body() -> None:
        out = records(tmp_path / "out")
        trace = build(good, tmp_path)
        async with ReplayServer(trace, ServerOptions(), out) as first:
            port = int(first.url.rpartition(":")[2])
            async with ReplayServer(trace, ServerOptions(port=port), out):
                pass

    with pytest.raises(UsageError, match="cannot listen"):
        asyncio.run(body())


def test_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="cannot write"):
        trace = build(good, tmp_path)
        asyncio.run(both_ends(trace, trace, tmp_path))


def full_after_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full once a trace has begun."""
    flush = TraceWriter.flush
    begun: set[TraceWriter] = set()

    def flush_once(writer: TraceWriter) -> None:
        if writer in begun:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        begun.add(writer)
        flush(writer)

    monkeypatch.setattr(TraceWriter, "flush", flush_once)


def test_a_session_that_could_not_be_written_has_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = build(good, tmp_path)
    full_after_the_start(monkeypatch)

    async def play() -> None:
        out = records(tmp_path / "out")
        async with ReplayServer(trace, ServerOptions(timeout=2), out) as server:
            with pytest.raises(UsageError, match="No space left"):
                await replay_client(trace, ClientOptions(server.url, timeout=2), out)
            with pytest.raises(UsageError, match="No space left"):
                await server.verdict()

    asyncio.run(play())


def test_a_trace_without_a_handshake(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "t.wstrace", new_start(Clock(0, 0), made_up=True))
    recording.add(Failure(5, "dns", False, "no such host"))
    recording.end(6)
    with pytest.raises(UsageError, match="dns"):
        asyncio.run(
            replay_client(recording.path, ClientOptions("ws://127.0.0.1:1"), records(tmp_path))
        )
    with pytest.raises(UsageError, match="dns"):
        ReplayServer(recording.path, ServerOptions(), records(tmp_path))


# -- a plain client, by a library of its own, against the server's end


ASKED = "/v1/listen?encoding=linear16&sample_rate=16000"  # as in the recordings


async def plain(url: str, chunks: list[bytes], *, texts: tuple[str, ...] = ()) -> tuple[int, str]:
    """Stream, then wait for the server to close; returns what the library says of it."""
    async with websockets.connect(
        url + ASKED, additional_headers={"Authorization": "Token s3cret-of-the-app"}
    ) as ws:
        try:
            for chunk in chunks:
                await ws.send(chunk)
            for message in texts:
                await ws.send(message)
            while True:
                await ws.recv()
        except websockets.ConnectionClosed:
            return ws.close_code or 0, ws.close_reason or ""


async def served(
    trace: Path, folder: Path, app: Callable[[str], Awaitable[object]]
) -> tuple[Verdict, object]:
    async with ReplayServer(trace, ServerOptions(timeout=0.5), records(folder / "out")) as server:
        seen = await app(server.url)
        return await server.verdict(), seen


@pytest.mark.parametrize("size", [100, 640, 1280])
def test_an_app_meets_the_failure_however_it_cuts_its_audio(size: int, tmp_path: Path) -> None:
    content = b"\x01" * 1280
    chunks = [content[i : i + size] for i in range(0, len(content), size)]
    verdict, seen = asyncio.run(
        served(build(close_1011, tmp_path), tmp_path, lambda url: plain(url, chunks))
    )
    assert seen == (1011, "NET-0001")
    assert verdict.verdict == "reproduced", verdict.as_json()
    with TraceReader(verdict.trace) as reader:
        assert not any("s3cret" in repr(record) for record in reader)


def test_an_app_that_sends_other_audio(tmp_path: Path) -> None:
    chunks = [b"\x01" * 700 + b"\x02" * 580]
    verdict, seen = asyncio.run(
        served(build(close_1011, tmp_path), tmp_path, lambda url: plain(url, chunks))
    )
    assert seen == (1011, "NET-0001")
    (difference,) = verdict.differences
    assert difference.field == "audio_sent"
    assert "byte 700" in difference.replayed
    assert difference.recorded_frame == 2


def test_an_app_that_sends_too_little_meets_it_after_all(tmp_path: Path) -> None:
    verdict, seen = asyncio.run(
        served(build(close_1011, tmp_path), tmp_path, lambda url: plain(url, [b"\x01" * 640]))
    )
    assert seen == (1011, "NET-0001")
    assert [difference.field for difference in verdict.differences] == ["audio_sent"]
    assert verdict.notes


def test_an_app_that_does_not_stall_any_more(tmp_path: Path) -> None:
    alive = ('{"type":"KeepAlive"}',)
    verdict, _ = asyncio.run(
        served(
            build(close_1011, tmp_path),
            tmp_path,
            lambda url: plain(url, [b"\x01" * 1280], texts=alive),
        )
    )
    assert verdict.verdict == "different"
    assert [difference.field for difference in verdict.differences] == ["messages_sent"]


def test_an_app_that_leaves_early(tmp_path: Path) -> None:
    async def leave(url: str) -> None:
        async with websockets.connect(url, close_timeout=0.5) as ws:
            await ws.send(b"\x01" * 640)

    verdict, _ = asyncio.run(served(build(close_1011, tmp_path), tmp_path, leave))
    assert verdict.verdict == "not-reproduced"
    assert verdict.replayed["closed_by"] == "client"


def test_an_app_is_refused_as_recorded(tmp_path: Path) -> None:
    async def refuse(url: str) -> object:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await websockets.connect(url + ASKED)
        return caught.value.response

    verdict, response = asyncio.run(served(build(refused, tmp_path), tmp_path, refuse))
    assert verdict.verdict == "reproduced"
    assert isinstance(response, websockets.Response)
    assert response.status_code == 401
    assert response.headers["dg-error"] == "Invalid credentials."
    assert b"INVALID_AUTH" in response.body


def test_a_connection_that_waits_for_its_turn_is_closed_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.replay.server._MAX_AT_ONCE", 1)

    async def play() -> list[bytes]:
        options = ServerOptions(timeout=60)
        async with ReplayServer(build(refused, tmp_path), options, records(tmp_path)) as server:
            first = await asyncio.open_connection(*server.address)
            second = await asyncio.open_connection(*server.address)
            while len(asyncio.all_tasks()) < 3:  # until both are served
                await asyncio.sleep(0)
        async with asyncio.timeout(10):
            ends = [await reader.read() for reader, _ in (first, second)]
        for _, writer in (first, second):
            writer.close()
        return ends

    assert asyncio.run(play()) == [b"", b""]


def test_a_key_that_is_none_is_answered(tmp_path: Path) -> None:
    async def ask(url: str) -> object:
        host, port = url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = b"GET /v1/listen HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        writer.write(head + b"Sec-WebSocket-Key: \xff\xfe\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return answer

    _, answer = asyncio.run(served(build(close_1011, tmp_path), tmp_path, ask))
    assert bytes(answer).startswith(b"HTTP/1.1 101 ")  # type: ignore[call-overload]


def test_what_asks_for_nothing_is_told(tmp_path: Path) -> None:
    told: list[str] = []

    async def body() -> None:
        trace, out = build(close_1011, tmp_path), records(tmp_path / "out")
        options = ServerOptions(timeout=1)
        async with ReplayServer(trace, options, out, on_refused=told.append) as server:
            host, port = server.url.removeprefix("ws://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            assert await reader.read() == b""
            writer.close()

    asyncio.run(body())
    assert len(told) == 1
    assert "TLS" in told[0]


@pytest.mark.parametrize(("patience", "playing"), [(60.0, [0, 0]), (0.0, [1, 0])])
def test_a_verdict_waits_while_others_play_but_not_for_ever(
    patience: float, playing: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def judge(*arguments: Any) -> Verdict:
        seen.append(server._playing)
        return judge_played(*arguments)

    monkeypatch.setattr(replay_server, "_CALM_PATIENCE", patience)
    monkeypatch.setattr(replay_server, "judge_played", judge)
    options = ServerOptions(timeout=60, sessions=2)
    trace, out = build(close_1011, tmp_path), records(tmp_path / "out")
    server = ReplayServer(trace, options, out)

    async def body() -> None:
        async with server:
            async with websockets.connect(f"{server.url}{ASKED}") as stays:
                await plain(server.url, [b"\x01" * 1280])
                if not patience:
                    await server.verdict()
                await stays.send(b"\x01" * 1280)
                with contextlib.suppress(websockets.ConnectionClosed):
                    while True:
                        await stays.recv()
            for _ in range(1 if not patience else 2):
                await server.verdict()

    asyncio.run(body())
    assert seen == playing


def test_a_health_check_is_no_session(tmp_path: Path) -> None:
    async def check(url: str) -> object:
        host, port = url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await plain(url, [b"\x01" * 1280])
        return answer

    verdict, answer = asyncio.run(served(build(close_1011, tmp_path), tmp_path, check))
    assert bytes(answer).startswith(b"HTTP/1.1 426 ")  # type: ignore[call-overload]
    assert verdict.verdict == "reproduced"


def test_wss(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def fail(ws: websockets.ServerConnection) -> None:
        await ws.recv()
        await ws.recv()
        await ws.close(1011, "NET-0001")

    async def body(**options: object) -> Verdict:
        async with websockets.serve(fail, "127.0.0.1", 0, ssl=context) as listening:
            port = listening.sockets[0].getsockname()[1]
            to = ClientOptions(f"wss://127.0.0.1:{port}", timeout=2, **options)  # type: ignore[arg-type]
            return await replay_client(build_once(), to, records(tmp_path / "out"))

    trace = build(close_1011, tmp_path / "trace")

    def build_once() -> Path:
        return trace

    assert asyncio.run(body(insecure=True)).verdict == "reproduced"
    assert asyncio.run(body(ca=certificate)).verdict == "reproduced"
    with pytest.raises(ConnectFailed, match="not trusted"):
        asyncio.run(body())


def self_signed(folder: Path) -> Path:
    """A certificate and key for 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "replay test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def test_an_answer_that_repeats_the_credential_is_recorded_without_it(tmp_path: Path) -> None:
    records = Records(tmp_path, Redactor(load().credentials, b"key"))
    request = Request(
        0, "GET", "ws", "h", 80, "/v1/listen", headers=[["Authorization", "Token sesame-4711"]]
    )
    response = Response(1, 401, headers=[["X-Why", "bad sesame-4711"]], body=b"no sesame-4711")
    recording = records.begin(Session(), Clock.start(), "replay-client", None)
    recording.add(request)
    recording.response(response)
    recording.end(2)
    written = recording.session.response
    assert written is not None
    assert written.headers == [["X-Why", "bad REDACTED"]]
    assert written.body == b"no REDACTED"
