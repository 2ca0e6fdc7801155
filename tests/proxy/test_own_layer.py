"""Sessions that go through mitmproxy's own WebSocket layer say so."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from mitmproxy import http

from tls_certificates import Certificate, trusting_context
from wire_bytes import MASK, TEXT, accepted, close, frame, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy.proxy import relay_layer
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.proxy.record_addon import RecordAddon
from wsproxy.replayer.script import Script
from wsproxy.session import Session
from wsproxy.trace import find_traces
from wsproxy.wire import Frame

TIMES = 5
HELLO = frame(TEXT, b"hello", mask=MASK)
ECHO = frame(TEXT, b"hello")
GOODBYE = close(1000, mask=MASK)

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def echo(peer: Peer) -> None:
    peer.read_head()
    peer.send_head(accepted())
    for number in range(1, TIMES + 1):
        peer.until(len(HELLO) * number)
        peer.send(ECHO)
    peer.until(len(HELLO) * TIMES + len(GOODBYE))
    peer.close()


def talk(peer: Peer) -> None:
    """A session that is accepted; each of its messages is echoed."""
    peer.send_head(upgrade("/v1/listen", "localhost"))
    assert peer.read_head().startswith(b"HTTP/1.1 101 ")
    for number in range(1, TIMES + 1):
        peer.send(HELLO)
        peer.until(len(ECHO) * number)
    peer.send(GOODBYE)
    peer.until_end()
    peer.close()


@contextlib.contextmanager
def listening(serve: Serve, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a thread of its own; yields its port."""
    ready: queue.Queue[tuple[int, Callable[[], object]]] = queue.Queue()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        port = server.sockets[0].getsockname()[1]
        ready.put((port, lambda: loop.call_soon_threadsafe(stop.set)))
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    port, stop = ready.get(timeout=PATIENCE)
    try:
        yield port
    finally:
        stop()
        thread.join()


async def join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Relay bytes between two connections."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    await asyncio.gather(copy(one[0], other[1]), copy(other[0], one[1]))


async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one CONNECT."""
    head = await reader.readuntil(b"\r\n\r\n")
    host, _, port = head.split(b" ")[1].decode().rpartition(":")
    there = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await join((reader, writer), there)


def into_tls(port: int) -> Serve:
    """Carries what comes to a port on, in TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = trusting_context()
        there = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        await join((reader, writer), there)

    return serve


@contextlib.contextmanager
def recorder(tmp_path: Path, mode: str, *options: str) -> Iterator[tuple[int, queue.Queue[Path]]]:
    """A recorder in a mode; yields its port and the traces that it completes."""
    ended: queue.Queue[Path] = queue.Queue()
    settings = ProxySettings(
        port=0,
        mode=mode,
        out=tmp_path / "out",
        confdir=tmp_path / "ca",
        options=("ssl_insecure=true", *options),
    )
    with background(settings, on_end=lambda recording: ended.put(recording.path)) as running:
        assert running.address is not None
        yield running.address[1], ended


def recorded(tmp_path: Path, mode: str, *options: str) -> Path:
    """The trace of a session in a mode."""
    with serving(echo) as upstream, recorder(tmp_path, mode, *options) as (port, ended):
        talk(through_connect(port, upstream, tls=False))
        return ended.get(timeout=PATIENCE)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages mitmproxy has of each session as it ends."""
    counts: list[int] = []
    end = RecordAddon.websocket_end

    def counted(self: RecordAddon, flow: http.HTTPFlow) -> None:
        assert flow.websocket is not None
        counts.append(len(flow.websocket.messages))
        end(self, flow)

    monkeypatch.setattr(RecordAddon, "websocket_end", counted)
    return counts


def check_messages(session: Session) -> None:
    """The session is whole, as messages."""
    assert session.start is not None
    assert session.start.capture == "messages"
    assert (session.ending, session.closed_by, session.complete) == ("close", "client", True)
    assert [m.text for m in session.messages(from_client=True)] == ["hello"] * TIMES
    assert [m.text for m in session.messages(from_client=False)] == ["hello"] * TIMES


def test_stock_layer_upstream_proxy_through_tls_is_recorded_as_messages(
    tmp_path: Path, kept: list[int]
) -> None:
    certificate = Certificate.make(tmp_path / "proxy.pem")
    with listening(proxy, certificate.server_context()) as upstream:
        trace = recorded(tmp_path, f"upstream:https://127.0.0.1:{upstream}")
    check_messages(Session.read(trace))
    # Those that no UI shows are not kept for the session's life.
    assert kept == [1]
    # A replay masks what the app had masked.
    steps = Script.read(trace, "client").steps
    frames = [step.item for step in steps if isinstance(step.item, Frame)]
    assert len(frames) == TIMES + 1
    assert all(each.mask is not None for each in frames)


@pytest.mark.parametrize(("inner", "capture"), [(False, "wire"), (True, "messages")])
def test_stock_layer_app_through_tls_is_recorded_as_messages(
    inner: bool, capture: str, tmp_path: Path
) -> None:
    certificate = Certificate.make(tmp_path / "server.pem") if inner else None
    with (
        serving(echo, certificate) as upstream,
        recorder(tmp_path, "regular") as (port, ended),
        listening(into_tls(port)) as tunnel,
    ):
        talk(through_connect(tunnel, upstream, tls=inner))
        session = Session.read(ended.get(timeout=PATIENCE))
    assert session.start is not None
    assert session.start.capture == capture
    assert (session.frame_count, session.complete) == (2 * TIMES + 1, True)


def test_stock_layer_saved_flow_keeps_its_messages(tmp_path: Path, kept: list[int]) -> None:
    certificate = Certificate.make(tmp_path / "proxy.pem")
    saved = f"save_stream_file={tmp_path / 'flows'}"
    with listening(proxy, certificate.server_context()) as upstream:
        trace = recorded(tmp_path, f"upstream:https://127.0.0.1:{upstream}", saved)
    check_messages(Session.read(trace))
    assert kept == [2 * TIMES]


def test_stock_layer_capture_messages_keeps_all_messages(tmp_path: Path, kept: list[int]) -> None:
    """Another addon may want all of them at the end."""
    check_messages(Session.read(recorded(tmp_path, "regular", "wsproxy_capture=messages")))
    assert kept == [2 * TIMES]


def test_stock_layer_late_fallback_continues_in_another_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise relay_layer.NotRelayable("its TLS layer was not found")

    monkeypatch.setattr(relay_layer, "_leg", fail)
    recorded(tmp_path, "regular")
    sessions = [Session.read(path) for path in find_traces([str(tmp_path / "out")])]
    first, second = sorted(sessions, key=lambda each: each.frame_count)
    assert first.start is not None
    assert first.response is not None
    assert (first.start.capture, first.frame_count, first.complete) == ("wire", 0, False)
    assert first.gaps[0].reason.endswith(f"the trace of {second.id}: its TLS layer was not found")
    assert second.response is not None
    check_messages(second)


def test_stock_layer_unknown_streams_are_recorded_as_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the relay reads of a StreamReader is promised to nobody."""
    monkeypatch.setattr(relay_layer, "OF_STREAM_READER", ("_of_a_python_to_come",))
    check_messages(Session.read(recorded(tmp_path, "regular")))
