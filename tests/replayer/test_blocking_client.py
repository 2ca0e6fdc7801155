"""The client with blocking sockets reproduces what the one under asyncio does."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from replay_sessions import (
    ACCEPTED,
    DIFFERENT_TRACES,
    accepted,
    build,
    close_1011,
    drain,
    good,
    recorded,
    refused,
    upgrade,
)
from sample_traces import TRACES
from test_both_ends import carried, records, side_by_side
from tls_certificates import Certificate
from trace_builder import TraceBuilder, audio, close
from wsproxy.errors import ConnectFailed
from wsproxy.replayer import ClientOptions, ClientReplay, Pace, ReplayServer, ServerOptions, Verdict
from wsproxy.replayer.blocking_client import play_once_blocking
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.replayer.verdict import judge_result
from wsproxy.session import Session
from wsproxy.trace import Failure
from wsproxy.wire import Frame, Opcode, is_upgrade

# All of what is special on the wire; of the conditions some that end in different ways.
SAMPLES = [name for name in TRACES if name.startswith("wire/")] + [
    "deepgram/deepgram.listen.NET-0001.wstrace",
    "deepgram/deepgram.listen.TOO_MANY_REQUESTS.wstrace",
    "deepgram/deepgram.agent.CLIENT_MESSAGE_TIMEOUT.wstrace",
    "assemblyai/assemblyai.streaming.3006-json.wstrace",
    "assemblyai/assemblyai.streaming.3005-cancelled.wstrace",
    "assemblyai/assemblyai.upgrade.410-deprecated.wstrace",
]


def play_blocking(replay: ClientReplay, recordings: ReplayRecording) -> Verdict:
    recordings.check()
    return judge_result(play_once_blocking(replay, recordings), replay.options.rules)


async def in_a_thread(call: ClientReplay, folder: Path) -> Verdict:
    # A thread of its own: the server needs those that asyncio has.
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(play_blocking, call, records(folder))
        return await asyncio.wrap_future(work)


async def both_ends(
    client: Path, server: Path, folder: Path, *, pace: str = "recorded", scheme: str = "ws"
) -> tuple[Verdict, Verdict]:
    """Replay one trace as the client, in a thread, against another as the server."""
    serving = ServerOptions(pace=Pace.parse(pace), timeout=3)
    async with ReplayServer(server, serving, records(folder / "server")) as running:
        to = f"{scheme}://127.0.0.1:{running.address[1]}"
        call = ClientReplay(client, ClientOptions(to, pace=Pace.parse(pace), timeout=3))
        played = await in_a_thread(call, folder / "client")
        async with asyncio.timeout(20):
            return played, await running.verdict()


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Verdict, Verdict]]:
    folder = tmp_path_factory.mktemp("blocking")

    async def one(name: str) -> tuple[Verdict, Verdict]:
        trace = TRACES[name]
        request = Session.read(trace).request
        assert request is not None
        scheme = "ws" if is_upgrade((h[0], h[1]) for h in request.headers) else "http"
        return await both_ends(trace, trace, folder, scheme=scheme)

    async def all_of_them() -> list[tuple[Verdict, Verdict]]:
        return await side_by_side([partial(one, name) for name in SAMPLES])

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPGRAM_API_KEY", "0123456789" * 4)
        patch.setenv("ASSEMBLYAI_API_KEY", "01234567" * 4)
        return dict(zip(SAMPLES, asyncio.run(all_of_them()), strict=True))


@pytest.mark.parametrize("name", SAMPLES)
def test_blocking_replay_of_both_ends_is_reproduced(
    name: str, replayed: dict[str, tuple[Verdict, Verdict]]
) -> None:
    for verdict in replayed[name]:
        assert verdict.verdict == "reproduced", json.dumps(verdict.as_json(), indent=1)


@pytest.mark.parametrize("name", SAMPLES)
def test_blocking_replay_frames_are_equal(
    name: str, replayed: dict[str, tuple[Verdict, Verdict]]
) -> None:
    client, _ = replayed[name]
    assert client.trace is not None
    assert carried(client.trace, from_client=True) == carried(TRACES[name], from_client=True)


@pytest.mark.parametrize("kind", [*ACCEPTED, refused])
def test_blocking_replay_fast_is_reproduced(
    kind: Callable[[TraceBuilder], Path], tmp_path: Path
) -> None:
    trace = build(kind, tmp_path)
    for verdict in asyncio.run(both_ends(trace, trace, tmp_path, pace="fast")):
        assert verdict.verdict == "reproduced", json.dumps(verdict.as_json(), indent=1)


@pytest.mark.parametrize(
    ("left", "right", "verdict", "field"),
    DIFFERENT_TRACES,
)
def test_blocking_replay_different_traces_is_different(
    left: Callable[[TraceBuilder], Path],
    right: Callable[[TraceBuilder], Path],
    verdict: str,
    field: str,
    tmp_path: Path,
) -> None:
    client, _ = asyncio.run(both_ends(build(left, tmp_path), build(right, tmp_path), tmp_path))
    assert client.verdict == verdict
    assert field in [difference.field for difference in client.differences]


def test_blocking_replay_large_message_is_reproduced(tmp_path: Path) -> None:
    size = 16 << 20
    builder = accepted(tmp_path / "t.wstrace").client(audio(size)).server(close(1009))
    trace = builder.client(close(1009)).eof(False).eof(True).done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace="fast"))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert server.replayed["audio_sent"] == size


def test_blocking_replay_without_response_is_reproduced(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "t.wstrace")
    builder.add(Failure(1_000_000, "handshake", False, "no answer"))
    trace = builder.eof(False, "reset").done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")


# -- servers that are written out


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


async def against(
    trace: Path,
    folder: Path,
    handler: Handler,
    *,
    tls: ssl.SSLContext | None = None,
    **options: object,
) -> Verdict:
    """Replay in a thread against a server that is written out in a test."""

    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(handler(reader, writer))
        handling.add(task)
        await asyncio.wait([task])
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls) as listening:
        port = listening.sockets[0].getsockname()[1]
        values = {"timeout": 0.3, **options}
        scheme = "wss" if tls else "ws"
        to = ClientOptions(f"{scheme}://127.0.0.1:{port}", **values)  # type: ignore[arg-type]
        verdict = await in_a_thread(ClientReplay(trace, to), folder / "out")
        for task in handling:
            task.cancel()
        return verdict


def test_blocking_replay_silent_server_is_not_reproduced(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await drain(reader)

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, silent))
    assert verdict.verdict == "not-reproduced"
    assert verdict.replayed["ending"] == "open"
    assert verdict.trace is not None
    assert Session.read(verdict.trace).ending == "stopped"


def test_blocking_replay_unanswered_upgrade_times_out(tmp_path: Path) -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await drain(reader)

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, mute))
    assert verdict.verdict == "different"
    assert (verdict.replayed["ending"], verdict.replayed["status"]) == ("failed", None)


def test_blocking_replay_non_http_server_is_reported(tmp_path: Path) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, other))
    assert verdict.replayed["ending"] == "failed"


def test_blocking_replay_server_without_reading_ends(tmp_path: Path) -> None:
    async def stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    frames = [audio(1 << 20)] * 32
    builder = (
        accepted(tmp_path / "t.wstrace").client(*frames).server(close(1011)).client(close(1011))
    )
    trace = builder.eof(False).eof(True).done()

    async def body() -> Verdict:
        async with asyncio.timeout(30):
            return await against(trace, tmp_path, stalled, pace=Pace.parse("fast"))

    verdict = asyncio.run(body())
    assert not verdict.reproduced
    assert verdict.replayed["ending"] == "open"
    assert verdict.replayed["audio_sent"] < 32 << 20


def test_blocking_replay_flooding_server_ends_in_time(tmp_path: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        while not writer.is_closing():
            # Text that does not pack: a comparison refuses a trace with too much for its size.
            text = base64.b64encode(os.urandom(45_000))
            writer.write(Frame(Opcode.TEXT, text).serialize())
            await writer.drain()

    async def body() -> Verdict:
        async with asyncio.timeout(60):
            return await against(build(close_1011, tmp_path), tmp_path, flood)

    verdict = asyncio.run(body())
    assert verdict.verdict == "not-reproduced"
    assert verdict.replayed["audio_sent"] == 1280  # the steps were sent all the same


def test_blocking_connection_bytes_before_reset_are_read(tmp_path: Path) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await reader.readexactly(648)
        writer.write(close(1011, "NET-0001").serialize())
        await writer.drain()
        # Closing with unread audio makes the kernel reset the connection behind the Close.
        writer.transport.pause_reading()  # type: ignore[attr-defined]

    verdict = asyncio.run(against(build(close_1011, tmp_path), tmp_path, reset))
    assert verdict.replayed["close_reason"] == "NET-0001"


def test_blocking_replay_unreachable_server_raises(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    call = ClientReplay(build(good, tmp_path), ClientOptions(url))
    with pytest.raises(ConnectFailed, match="cannot reach"):
        play_blocking(call, records(tmp_path / "out"))


async def closes_with_1011(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await upgrade(reader, writer)
    await reader.readexactly(2 * 648)
    writer.write(close(1011, "NET-0001").serialize())
    await reader.readexactly(8)


def test_blocking_replay_wss_is_reproduced(tmp_path: Path) -> None:
    certificate = Certificate.make(tmp_path / "certificate.pem")
    context = certificate.server_context()
    trace = build(close_1011, tmp_path / "trace")

    def run(**options: object) -> Verdict:
        return asyncio.run(against(trace, tmp_path, closes_with_1011, tls=context, **options))

    assert run(ca=certificate.path, timeout=2).verdict == "reproduced"
    with pytest.raises(ConnectFailed, match="not trusted"):
        run()


async def connect_proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A proxy that speaks CONNECT."""
    head = await reader.readuntil(b"\r\n\r\n")
    host, _, port = head.split()[1].decode().rpartition(":")
    there, back = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            sink.write(data)
        sink.write_eof()

    await asyncio.gather(copy(reader, back), copy(there, writer))
    back.close()
    writer.close()


def test_blocking_replay_through_proxy_is_reproduced(tmp_path: Path) -> None:
    asked: list[object] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(writer.get_extra_info("peername"))
        await connect_proxy(reader, writer)

    async def body() -> Verdict:
        async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listening:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            trace = build(close_1011, tmp_path / "trace")
            return await against(trace, tmp_path, closes_with_1011, proxy=url, timeout=2)

    assert asyncio.run(body()).verdict == "reproduced"
    assert len(asked) == 1
