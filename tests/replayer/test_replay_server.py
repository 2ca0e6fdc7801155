"""The server of a replay, met by a plain client of another library."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import websockets

from replay_sessions import both_ends, build, close_1011, records, refused
from tls_certificates import Certificate
from trace_builder import TraceBuilder, upgrade_request
from wsproxy.errors import ConnectFailed
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replayer import server as replay_server
from wsproxy.replayer.verdict import judge_result
from wsproxy.session import Session
from wsproxy.trace import Request, TraceReader

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
def test_replay_server_rechunked_audio_gets_failure(size: int, tmp_path: Path) -> None:
    content = b"\x01" * 1280
    chunks = [content[i : i + size] for i in range(0, len(content), size)]
    verdict, seen = asyncio.run(
        served(build(close_1011, tmp_path), tmp_path, lambda url: plain(url, chunks))
    )
    assert seen == (1011, "NET-0001")
    assert verdict.verdict == "reproduced", verdict.as_json()
    assert verdict.trace is not None
    with TraceReader(verdict.trace) as reader:
        assert not any("s3cret" in repr(record) for record in reader)


def test_replay_server_other_audio_is_different(tmp_path: Path) -> None:
    chunks = [b"\x01" * 700 + b"\x02" * 580]
    verdict, seen = asyncio.run(
        served(build(close_1011, tmp_path), tmp_path, lambda url: plain(url, chunks))
    )
    assert seen == (1011, "NET-0001")
    (difference,) = verdict.differences
    assert difference.field == "audio_sent"
    assert "byte 700" in difference.replayed
    assert difference.recorded_frame == 2


def test_replay_server_too_little_audio_gets_failure(tmp_path: Path) -> None:
    verdict, seen = asyncio.run(
        served(build(close_1011, tmp_path), tmp_path, lambda url: plain(url, [b"\x01" * 640]))
    )
    assert seen == (1011, "NET-0001")
    assert [difference.field for difference in verdict.differences] == ["audio_sent"]
    assert verdict.notes


def test_replay_server_client_without_stall_is_different(tmp_path: Path) -> None:
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


def test_replay_server_early_client_end_is_different(tmp_path: Path) -> None:
    async def leave(url: str) -> None:
        async with websockets.connect(url, close_timeout=0.5) as ws:
            await ws.send(b"\x01" * 640)

    verdict, _ = asyncio.run(served(build(close_1011, tmp_path), tmp_path, leave))
    assert verdict.verdict == "not-reproduced"
    assert verdict.replayed["closed_by"] == "client"


def test_replay_server_recorded_refusal_is_repeated(tmp_path: Path) -> None:
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


def test_replay_condition_that_depends_on_the_host_is_judged_at_the_recorded_one(
    tmp_path: Path,
) -> None:
    """Only a refusal at another host than Deepgram's is one of a self-hosted deployment."""
    request = upgrade_request("/v1/listen?utterance_end_ms=999", host="api.deepgram.com")
    body = (
        b'{"err_code": "Bad Request", "err_msg": "Invalid \'utterance_end_ms\' value of \'999\'."}'
    )
    builder = TraceBuilder(tmp_path / "r.wstrace", request, provider="deepgram", api="listen")
    trace = builder.refuse(400, body).done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert [client.verdict, server.verdict] == ["reproduced", "reproduced"]
    for verdict in (client, server):
        assert verdict.replayed["condition"] == "deepgram.upgrade.400"
        assert verdict.trace is not None
        replay = Session.read(verdict.trace)
        assert replay.recorded_host == "api.deepgram.com"
        assert replay.request is not None
        assert replay.request.host == "127.0.0.1"


def test_replay_server_waiting_connection_is_closed_at_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsproxy.replayer.server._MAX_CONNECTIONS", 1)

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


def test_replay_server_invalid_key_is_answered(tmp_path: Path) -> None:
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


def test_replay_server_invalid_request_is_reported(tmp_path: Path) -> None:
    refusals: list[str] = []

    async def body() -> None:
        trace, out = build(close_1011, tmp_path), records(tmp_path / "out")
        options = ServerOptions(timeout=1)
        async with ReplayServer(trace, options, out, on_refused=refusals.append) as server:
            host, port = server.url.removeprefix("ws://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            assert await reader.read() == b""
            writer.close()

    asyncio.run(body())
    assert len(refusals) == 1
    assert "TLS" in refusals[0]


@pytest.mark.parametrize(("patience", "playing"), [(60.0, [0, 0]), (0.0, [1, 0])])
def test_replay_server_verdict_waits_for_idle_with_limit(
    patience: float, playing: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def judge(*arguments: Any) -> Verdict:
        seen.append(server._active_sessions)
        return judge_result(*arguments)

    monkeypatch.setattr(replay_server, "_IDLE_TIMEOUT", patience)
    monkeypatch.setattr(replay_server, "judge_result", judge)
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


def test_replay_server_health_check_is_no_session(tmp_path: Path) -> None:
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


def test_replay_server_behind_tls_is_reproduced(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path / "certificate.pem")
    context = certificate.server_context()

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
    assert asyncio.run(body(ca=certificate.path)).verdict == "reproduced"
    with pytest.raises(ConnectFailed, match="not trusted"):
        asyncio.run(body())


@pytest.mark.parametrize("coding", ["gzip", "unknown"])
def test_replay_server_compressed_body_is_redacted(coding: str, tmp_path: Path) -> None:
    headers = [["Host", "h"], ["Content-Length", "2"]]
    request = Request(0, "POST", "https", "h", 443, "/v1/x", headers=headers, body=b"{}")
    trace = TraceBuilder(tmp_path / "t.wstrace", request).refuse(400, b"{}").done()
    body = gzip.compress(b'{"api_key": "sesame-4711-4711", "url": "x"}')

    async def ask(url: str) -> object:
        host, port = url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Encoding: {coding}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.read()
        writer.close()
        return answer

    verdict, _ = asyncio.run(served(trace, tmp_path, ask))
    assert verdict.trace is not None
    written = Session.read(verdict.trace).request
    assert written is not None
    if coding == "gzip":
        assert written.body == b'{"api_key": "REDACTED", "url": "x"}'
    else:
        assert written.body == b""
        assert [entry["why"] for entry in written.redacted] == ["unreadable"]
