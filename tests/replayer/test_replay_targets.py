"""A replay as the client: through proxies, with credentials, and what the server's gates count."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from replay_sessions import accepted, both_eof, records
from trace_builder import TraceBuilder, close, text
from wsproxy.errors import ConnectFailed, Setting, UsageError
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.replayer.target import Target, proxy_for
from wsproxy.trace import Request, TraceReader

MS = 1_000_000
UPGRADE = [["Upgrade", "websocket"], ["Sec-WebSocket-Key", "x"], ["Sec-WebSocket-Version", "13"]]


def session(folder: Path, *texts: str, provider: str = "deepgram", api: str = "listen") -> Path:
    """A client that says these texts and is closed for it."""
    builder = accepted(folder / "t.wstrace", provider=provider, api=api)
    for each in texts:
        builder.client(each)
    return both_eof(builder.server(close(1008, "no")).client(close(1008)))


# ---- the way there


@pytest.mark.parametrize("mode", ["regular", "socks5"])
def test_replay_client_through_proxy_is_reproduced(mode: str, tmp_path: Path) -> None:
    trace = session(tmp_path, '{"type":"KeepAlive"}')
    settings = ProxySettings(port=0, mode=mode, out=tmp_path / "proxy", confdir=tmp_path / "conf")
    with background(settings) as running:
        assert running.address is not None
        kind = "http" if mode == "regular" else "socks5"
        proxy = f"{kind}://127.0.0.1:{running.address[1]}"

        async def play() -> Verdict:
            out = records(tmp_path / "out")
            async with ReplayServer(trace, ServerOptions(timeout=2), out) as server:
                return await replay_client(
                    trace, ClientOptions(server.url, proxy=proxy, timeout=2), out
                )

        assert asyncio.run(play()).verdict == "reproduced"
        assert running.connections == 1
    assert len(list((tmp_path / "proxy").glob("*.wstrace"))) == 1


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_replay_client_unreachable_proxy_is_named(kind: str, tmp_path: Path) -> None:
    trace = session(tmp_path)
    options = ClientOptions("ws://127.0.0.1:9", proxy=f"{kind}://me:secret@127.0.0.1:1")
    with pytest.raises(ConnectFailed, match=r"proxy 127\.0\.0\.1:1") as caught:
        asyncio.run(replay_client(trace, options, records(tmp_path / "out")))
    assert "secret" not in str(caught.value)


@contextlib.asynccontextmanager
async def refusing() -> AsyncIterator[int]:
    """An HTTP proxy that lets nobody through."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def test_replay_client_refusing_proxy_is_reported(tmp_path: Path) -> None:
    async def play() -> None:
        async with refusing() as port:
            options = ClientOptions("ws://127.0.0.1:9", proxy=f"http://127.0.0.1:{port}")
            await replay_client(session(tmp_path), options, records(tmp_path / "out"))

    with pytest.raises(ConnectFailed, match="407"):
        asyncio.run(play())


@pytest.mark.parametrize("proxy", ["ftp://h:1", "http://h", "h:1", "http://h:x", "socks9://h:1"])
def test_replay_client_invalid_proxy_raises(proxy: str) -> None:
    with pytest.raises(UsageError, match="proxy"):
        proxy_for(Target.parse("wss://api.example"), proxy)


def test_proxy_for_environment_is_used_except_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "internal.example")
    assert proxy_for(Target.parse("wss://api.example"), None) == "http://proxy.example:3128"
    assert proxy_for(Target.parse("ws://api.example"), None) is None
    assert proxy_for(Target.parse("wss://internal.example"), None) is None
    assert proxy_for(Target.parse("wss://127.0.0.1:1"), None) is None
    assert proxy_for(Target.parse("wss://api.example"), "") is None
    socks = "socks5h://p.example:1080"
    assert proxy_for(Target.parse("ws://127.0.0.1:1"), socks) == "socks5://p.example:1080"


@pytest.mark.parametrize("status", [301, 307])
def test_replay_client_redirect_is_not_followed(status: int, tmp_path: Path) -> None:
    """The credentials are for the host that the user named."""
    elsewhere: list[object] = []

    async def play() -> Verdict:
        other = await asyncio.start_server(lambda *ends: elsewhere.append(ends), "127.0.0.1", 0)
        there = f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}/v1/listen"

        async def send_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
            writer.close()

        server = await asyncio.start_server(send_away, "127.0.0.1", 0)
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with other, server:
            trace = session(tmp_path, "hello")
            return await replay_client(trace, ClientOptions(url), records(tmp_path / "out"))

    verdict = asyncio.run(play())
    assert verdict.replayed["status"] == status
    assert elsewhere == []


# ---- credentials and ids in messages

SONIOX = '{"api_key": "REDACTED", "model": "stt-rt-v3"}'


async def received_by_server(trace: Path, folder: Path, **options: object) -> list[str]:
    """What a replay says to a server that closes after the first message."""
    received: list[str] = []

    async def listen(ws: websockets.ServerConnection) -> None:
        received.append(str(await ws.recv()))
        await ws.close(1008, "no")

    async with websockets.serve(listen, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        to = ClientOptions(f"ws://127.0.0.1:{port}", timeout=1, **options)  # type: ignore[arg-type]
        verdict = await replay_client(trace, to, records(folder / "out"))
    assert verdict.trace is not None
    with TraceReader(verdict.trace) as reader:
        assert not any(key in repr(record) for record in reader for key in ("the-key", "mine"))
    return received


def test_replay_client_message_credential_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONIOX_API_KEY", "the-key")
    trace = session(tmp_path, SONIOX, provider="soniox", api="transcribe")
    (received,) = asyncio.run(received_by_server(trace, tmp_path))
    assert json.loads(received) == {"api_key": "the-key", "model": "stt-rt-v3"}


def test_replay_client_given_field_precedes_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONIOX_API_KEY", "the-key")
    trace = session(tmp_path, SONIOX, provider="soniox", api="transcribe")
    fields = [("api_key", "mine")]
    (received,) = asyncio.run(received_by_server(trace, tmp_path, fields=fields))
    assert json.loads(received)["api_key"] == "mine"


def test_replay_client_missing_field_raises_before_sending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SONIOX_API_KEY", raising=False)
    request = Request(0, "GET", "wss", "h", 443, "/", headers=UPGRADE)
    builder = TraceBuilder(tmp_path / "t.wstrace", request, provider="soniox", api="transcribe")
    trace = builder.accept().client(SONIOX).done()
    options = ClientOptions("wss://api.example.invalid")
    with pytest.raises(UsageError, match=r"missing: api_key .*SONIOX_API_KEY") as raised:
        asyncio.run(replay_client(trace, options, records(tmp_path / "out")))
    assert raised.value.settings == (Setting("fields", "api_key=..."),)


CONTEXT = "0f0e0d0c-1111-4222-8333-444455556666"


@pytest.mark.parametrize("keep_ids", [False, True])
def test_replay_client_ids_are_rewritten_unless_kept(keep_ids: bool, tmp_path: Path) -> None:
    trace = session(tmp_path, json.dumps({"type": "Speak", "context_id": CONTEXT}))
    (received,) = asyncio.run(received_by_server(trace, tmp_path, keep_ids=keep_ids))
    assert (json.loads(received)["context_id"] == CONTEXT) is keep_ids


# ---- what a server's steps wait for


def stalled(path: Path) -> Path:
    """A second of audio at 16 kHz in 10 messages; then nothing, and a Close."""
    builder = accepted(path, provider="deepgram", api="listen")
    for _ in range(10):
        builder.client(bytes(3200))
    return builder.wait(2).server(close(1011, "NET-0001")).eof(False).done()


async def sent_when_closed(
    trace: Path, folder: Path, audio: str, chunk: bytes, asked: str
) -> tuple[int, int]:
    """How many messages an app had sent when it was closed, and the code.

    It sends one, and the next when the server has had the time to close after it.
    """
    options = ServerOptions(gate=audio, timeout=5)
    async with (
        ReplayServer(trace, options, records(folder / "out")) as server,
        websockets.connect(server.url + asked) as ws,
    ):
        sent = 0
        while True:
            await ws.send(chunk)
            sent += 1
            try:
                async with asyncio.timeout(0.1):
                    await ws.recv()
            except TimeoutError:
                continue
            except websockets.ConnectionClosed:
                return sent, ws.close_code or 0


@pytest.mark.parametrize(
    ("audio", "size", "rate", "closes_after"),
    [
        ("bytes", 3200, 16000, 10),
        ("bytes", 6400, 16000, 5),
        ("frames", 6400, 16000, 10),
        ("frames", 100, 16000, 10),
        ("seconds", 3200, 8000, 5),  # 0.2 s each
        ("seconds", 3200, 16000, 10),
    ],
)
def test_replay_server_gate_unit_reaches_same_point(
    audio: str, size: int, rate: int, closes_after: int, tmp_path: Path
) -> None:
    asked = f"/v1/listen?encoding=linear16&sample_rate={rate}"
    trace = stalled(tmp_path / "t.wstrace")
    seen = asyncio.run(sent_when_closed(trace, tmp_path, audio, bytes(size), asked))
    assert seen == (closes_after, 1011)


def test_replay_server_seconds_gate_without_encoding_raises(tmp_path: Path) -> None:
    trace = both_eof(accepted(tmp_path / "t.wstrace").server(text("{}"), close(1000)))
    with pytest.raises(UsageError, match="seconds"):
        ReplayServer(trace, ServerOptions(gate="seconds"), records(tmp_path / "out"))


# ---- what a server takes that is not the recorded request


def test_replay_server_unmatched_request_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    stalled(folder / "one.wstrace")
    refused: list[str] = []

    async def ask() -> int:
        out = records(tmp_path / "out")
        async with ReplayServer(
            folder, ServerOptions(timeout=1), out, on_refused=refused.append
        ) as server:
            with pytest.raises(websockets.InvalidStatus) as caught:
                await websockets.connect(server.url + "/v1/speak?model=x")
            assert b"nearest: one.wstrace" in caught.value.response.body
            return caught.value.response.status_code

    assert asyncio.run(ask()) == 404
    assert refused == [
        "no trace matches GET /v1/speak?model=x: "
        "path '/v1/speak', not '/v1/listen' (nearest: one.wstrace)"
    ]
