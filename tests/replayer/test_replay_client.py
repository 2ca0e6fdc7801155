"""The client of a replay against servers of any kind, and what it refuses."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from replay_sessions import (
    RESULTS,
    accepted,
    both_ends,
    both_eof,
    build,
    close_1011,
    drain,
    good,
    records,
    upgrade,
)
from trace_builder import KEY, TraceBuilder, audio, close, text
from wsproxy.catalog import load
from wsproxy.errors import ConnectFailed, Setting, TraceError, UsageError
from wsproxy.recorder import Clock, new_start
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.session import Session
from wsproxy.trace import Failure, Request, Response, TraceReader, TraceWriter


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


def test_replay_client_silent_server_is_not_reproduced(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await drain(reader)
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, silent))
    assert verdict.verdict == "not-reproduced"
    assert verdict.replayed["ending"] == "open"
    assert verdict.trace is not None
    assert Session.read(verdict.trace).ending == "stopped"


def test_replay_client_unanswered_upgrade_times_out(tmp_path: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await drain(reader)
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, mute))
    assert verdict.verdict == "different"
    assert verdict.replayed["ending"] == "failed"
    assert verdict.replayed["status"] is None


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_replay_client_non_http_server_is_reported(answer: bytes, tmp_path: Path) -> None:
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
def test_replay_client_invalid_handshake_is_failed(answer: str, says: str, tmp_path: Path) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 101 Switching\r\n{answer}\r\n\r\n".encode())
        writer.close()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, other))
    assert verdict.replayed["ending"] == "failed"
    assert verdict.trace is not None
    failures = [r for r in TraceReader(verdict.trace) if isinstance(r, Failure)]
    assert len(failures) == 1
    assert says in failures[0].message


def test_replay_client_flooding_server_ends_in_time(tmp_path: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(text(RESULTS).serialize() * 100)
                await writer.drain()

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, flood))
    assert verdict.verdict == "not-reproduced"


def test_replay_client_volatile_close_reason_is_reproduced(tmp_path: Path) -> None:
    def inactive(seconds: int) -> Callable[[TraceBuilder], Path]:
        reason = f"Session terminated: No messages received for {seconds} seconds"
        return lambda m: both_eof(m.client(audio()).server(close(3006, reason)).client(close(3006)))

    (tmp_path / "a").mkdir()
    recorded = inactive(5)(accepted(tmp_path / "a" / "1.wstrace"))
    other = inactive(7)(accepted(tmp_path / "a" / "2.wstrace"))
    client, _ = asyncio.run(both_ends(recorded, other, tmp_path))
    assert client.verdict == "reproduced"


def test_replay_client_handshake_is_regenerated(tmp_path: Path) -> None:
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


def test_replay_client_given_values_are_sent_and_redacted(tmp_path: Path) -> None:
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
    assert verdict.trace is not None
    session = Session.read(verdict.trace)
    assert session.request is not None
    assert session.request_header("authorization") == "Token REDACTED"
    with TraceReader(verdict.trace) as reader:
        assert not any("s3cret" in repr(record) for record in reader)


def test_replay_client_missing_credential_raises_before_sending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    trace = build(close_1011, tmp_path)
    to = ClientOptions("wss://api.deepgram.invalid")
    with pytest.raises(UsageError, match=r"missing: Authorization .*DEEPGRAM_API_KEY") as caught:
        asyncio.run(replay_client(trace, to, records(tmp_path / "out")))
    assert "\n" not in str(caught.value)
    assert caught.value.settings == (Setting("headers", "Authorization: Token ..."),)
    assert not (tmp_path / "out").exists()


def test_replay_client_environment_credential_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[str] = []

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await upgrade(reader, writer))
        writer.close()

    monkeypatch.setenv("DEEPGRAM_API_KEY", "from-the-environment")
    asyncio.run(against(build(close_1011, tmp_path), tmp_path, server))
    assert "Authorization: Token from-the-environment\r\n" in heads[0]


@pytest.mark.parametrize("given", [True, False])
def test_replay_client_unknown_credential_is_redacted(
    given: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = [["X-Door", "Key REDACTED"]]
    request = Request(0, "GET", "wss", "h", 443, "/x?door=REDACTED", headers=headers)
    builder = TraceBuilder(tmp_path / "t.wstrace", request, provider="deepgram")
    trace = builder.refuse(401, b"no").done()

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
    verdict = asyncio.run(against(trace, tmp_path, server, **mine))
    assert verdict.trace is not None
    session = Session.read(verdict.trace)
    assert session.request is not None
    assert session.request.path == "/x?door=REDACTED"
    assert session.request.headers == [["X-Door", "Key REDACTED"]]
    assert session.response is not None
    assert session.response.body == b"REDACTED"
    assert "sesame" not in repr(session.response.headers)


def test_replay_client_key_with_line_break_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "from-a-file\n")
    to = ClientOptions("wss://api.deepgram.invalid")
    with pytest.raises(UsageError, match="DEEPGRAM_API_KEY holds a line break"):
        asyncio.run(replay_client(build(close_1011, tmp_path), to, records(tmp_path / "out")))


def test_replay_client_hostile_trace_output_is_escaped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    headers = [["Upgrade", "websocket"], ["X-\x1b[31m", "\x9b31m REDACTED"]]
    request = Request(0, "GET", "wss", "h", 443, "/?\x1b]0;=REDACTED", headers=headers)
    trace = TraceBuilder(tmp_path / "t.wstrace", request).accept().done()
    to = ClientOptions("wss://api.example.invalid")
    with pytest.raises(UsageError) as caught:
        asyncio.run(replay_client(trace, to, records(tmp_path)))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["../../evil", "a\0b", "x" * 300, "\x1b[31mred", "..", ""])
def test_replay_client_hostile_trace_id_is_no_path(name: str, tmp_path: Path) -> None:
    start = new_start(Clock(0, 0), provider=name, api=name)
    recorded = Session()
    recorded.add(start)
    made = records(tmp_path).begin(recorded, Clock.start(), "replay-client", None)
    made.end(0)
    assert made.path.parent == tmp_path
    assert made.path.name.endswith(f"Z-websocket-{made.session.id[:8]}-replay.wstrace")


@pytest.mark.parametrize("part", ["header", "path", "method"])
def test_replay_client_hostile_trace_sends_one_request(part: str, tmp_path: Path) -> None:
    evil = "/ HTTP/1.1\r\nHost: other\r\n\r\nGET /"
    headers = [["Upgrade", "websocket"], ["X", evil if part == "header" else "x"]]
    path = evil if part == "path" else "/"
    method = evil if part == "method" else "GET"
    request = Request(0, method, "ws", "h", 80, path, headers=headers)
    trace = TraceBuilder(tmp_path / "t.wstrace", request).accept().done()
    to = ClientOptions("ws://127.0.0.1:1")
    with pytest.raises(TraceError):
        asyncio.run(replay_client(trace, to, records(tmp_path)))


@pytest.mark.parametrize(
    "url",
    ["ws://h/a b", "127.0.0.1:1", "ftp://h/", "ws://", "ws://h:port/", "ws://[::1", "ws://a:b@h/"],
)
def test_replay_client_invalid_url_raises(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        asyncio.run(
            replay_client(build(good, tmp_path), ClientOptions(url), records(tmp_path / "out"))
        )


def test_replay_client_unreachable_server_raises(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectFailed, match="cannot reach"):
        asyncio.run(
            replay_client(build(good, tmp_path), ClientOptions(url), records(tmp_path / "out"))
        )


def test_replay_server_port_in_use_raises(tmp_path: Path) -> None:
    async def body() -> None:
        out = records(tmp_path / "out")
        trace = build(good, tmp_path)
        async with ReplayServer(trace, ServerOptions(), out) as first:
            port = int(first.url.rpartition(":")[2])
            async with ReplayServer(trace, ServerOptions(port=port), out):
                pass

    with pytest.raises(UsageError, match="cannot listen"):
        asyncio.run(body())


def test_replay_client_unwritable_folder_raises(tmp_path: Path) -> None:
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


def test_replay_client_unwritable_trace_has_no_verdict(
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


def test_replay_client_trace_without_handshake_raises(tmp_path: Path) -> None:
    builder = TraceBuilder(tmp_path / "t.wstrace", synthetic=True)
    trace = builder.add(Failure(5, "dns", False, "no such host")).done()
    to = ClientOptions("ws://127.0.0.1:1")
    with pytest.raises(UsageError, match="dns"):
        asyncio.run(replay_client(trace, to, records(tmp_path)))
    with pytest.raises(UsageError, match="dns"):
        ReplayServer(trace, ServerOptions(), records(tmp_path))


def test_replay_client_credential_in_response_is_redacted(tmp_path: Path) -> None:
    records = ReplayRecording(tmp_path, HeadRedactor(load().credentials, b"key"))
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


def test_replay_client_compressed_body_is_sent_decoded(tmp_path: Path) -> None:
    """What is recorded is what it meant; so nothing may say that it is compressed."""
    body = b'{"url": "https://example.com/a.wav"}'
    headers = [["Host", "h"], ["Content-Encoding", "gzip"], ["Content-Length", "500"]]
    request = Request(0, "POST", "https", "h", 443, "/v1/x", headers=headers, body=body)
    trace = TraceBuilder(tmp_path / "t.wstrace", request).refuse(400, b"{}").done()
    came = bytearray()

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.extend(await reader.readuntil(b"\r\n\r\n"))
        came.extend(await reader.readexactly(len(body)))
        writer.write(b"HTTP/1.1 400 No\r\nContent-Length: 2\r\n\r\n{}")
        came.extend(await reader.read())
        writer.close()

    verdict = asyncio.run(against(trace, tmp_path, refuses))
    assert verdict.verdict == "reproduced"
    head, _, sent = bytes(came).partition(b"\r\n\r\n")
    assert sent == body
    assert b"content-encoding" not in head.lower()
    assert f"content-length: {len(body)}".encode() in head.lower()


# -- a target that names a host


def asking(target: str, folder: Path, method: str = "GET") -> Path:
    """A trace whose request has this target."""
    headers = [["Host", "evil.example"], ["Upgrade", "websocket"], ["Sec-WebSocket-Key", KEY]]
    request = Request(0, method, "ws", "evil.example", 80, target, headers=headers)
    return TraceBuilder(folder / "target.wstrace", request).refuse(403, b"no").done("refused")


@pytest.mark.parametrize(
    ("target", "sent"),
    [
        ("/v1/x?a=b", "/v1/x?a=b"),
        ("http://evil.example/v1/x?a=b", "/v1/x?a=b"),
        ("WSS://user:key@evil.example:8443/v1/x", "/v1/x"),
        ("gopher+x://evil.example", "/"),
        ("ws://evil.example?a=b", "/?a=b"),
    ],
)
def test_replay_client_absolute_target_is_reduced_to_path(
    target: str, sent: str, tmp_path: Path
) -> None:
    asked: list[str] = []

    async def refusing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        writer.close()

    verdict = asyncio.run(against(asking(target, tmp_path), tmp_path, refusing))
    (head,) = asked
    assert head.startswith(f"GET {sent} HTTP/1.1\r\n")
    assert "evil" not in head
    assert verdict.verdict == "reproduced"


@pytest.mark.parametrize("target", ["evil.example:443", "evil.example", "*", "", "http:/x", "x/y"])
def test_replay_client_invalid_target_raises(target: str, tmp_path: Path) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise AssertionError("it was asked")

    with pytest.raises(TraceError, match="no path"):
        asyncio.run(against(asking(target, tmp_path, "CONNECT"), tmp_path, never))
