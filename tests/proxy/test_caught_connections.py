"""The two connections of a caught one, and what is heard on them first."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from wire_servers import unused_port
from wsproxy.intercept.catch.meeting import Meeting
from wsproxy.intercept.catch.socket_address import SocketAddress
from wsproxy.proxy import caught_connections
from wsproxy.proxy.adopted_server import Streams
from wsproxy.proxy.first_bytes import FirstBytes

if sys.platform != "linux":
    pytest.skip("connections are caught on Linux only", allow_module_level=True)

DESTINATION = SocketAddress(socket.AF_INET, bytes([192, 0, 2, 1]), 443)


def has_no_delay(streams: Streams) -> bool:
    sock = streams[1].get_extra_info("socket")
    return bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


async def connected_by_meeting() -> tuple[Streams, Streams]:
    """The streams of an app, and those of the recorder that belong to them."""
    app = socket.socket()
    app.setblocking(False)
    meeting = Meeting(DESTINATION)
    address = meeting.invite(app)
    recorder = await caught_connections._join(meeting.address, address)
    meeting.close()
    return await asyncio.open_connection(sock=app), recorder


@pytest.mark.asyncio
async def test_caught_connections_send_small_data_at_once() -> None:
    """Nagle's algorithm would delay frames by 40 ms."""
    app, recorder = await connected_by_meeting()
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        upstream = await caught_connections._connect(server.sockets[0].getsockname())
        assert has_no_delay(recorder)
        assert has_no_delay(upstream)
        for streams in (app, recorder, upstream):
            streams[1].close()


@pytest.mark.asyncio
async def test_meeting_app_sees_its_connect_in_progress_until_the_recorder_joins() -> None:
    app = socket.socket()
    app.setblocking(False)
    meeting = Meeting(DESTINATION)
    address = meeting.invite(app)
    with pytest.raises(OSError, match="not connected"):
        app.getpeername()
    with pytest.raises(BlockingIOError):
        app.connect(("127.0.0.1", unused_port()))  # EALREADY
    recorder = await caught_connections._join(meeting.address, address)
    assert app.getpeername() == meeting.address
    recorder[1].close()
    meeting.close()
    app.close()


def test_meeting_that_is_closed_refuses_the_app() -> None:
    with socket.socket() as app:
        app.setblocking(False)
        meeting = Meeting(DESTINATION)
        meeting.invite(app)
        meeting.close()
        app.settimeout(10)
        with pytest.raises(OSError) as raised:
            app.recv(1)  # waits until the connect has failed
        assert raised.value.errno == errno.ECONNREFUSED


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Streams, Streams]]:
    """The two ends of a connection."""
    theirs, ours = socket.socketpair()
    first = await asyncio.open_connection(sock=theirs)
    second = await asyncio.open_connection(sock=ours)
    yield first, second
    for streams in (first, second):
        streams[1].close()


REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("from_client", "from_server", "expected"),
    [
        ([REQUEST], b"", FirstBytes("a.example")),
        ([REQUEST[:10], REQUEST[10:20], REQUEST[20:]], b"", FirstBytes("a.example")),
        ([], b"220 hello\r\n", FirstBytes()),
        ([REQUEST[:10]], b"400", FirstBytes()),
        ([REQUEST[:10], b""], b"", FirstBytes()),
        ([b""], b"", FirstBytes()),
    ],
    ids=["request", "in parts", "server first", "server early", "client ends", "nothing"],
)
async def test_caught_first_bytes_stay_in_the_readers(
    from_client: list[bytes], from_server: bytes, expected: FirstBytes
) -> None:
    """Whoever speaks first; b"" is an end."""
    async with pair() as (client, ours), pair() as (server, upstream):
        task = asyncio.create_task(caught_connections._first_bytes(ours, upstream))
        for data in from_client:
            for _ in range(5):  # the task reads what was sent before
                await asyncio.sleep(0)
            client[1].write(data) if data else client[1].write_eof()
        if from_server:
            server[1].write(from_server)
        assert await task == expected
        sent = b"".join(from_client)
        assert not sent or await ours[0].readexactly(len(sent)) == sent
        assert not from_server or await upstream[0].readexactly(len(from_server)) == from_server


@pytest.mark.asyncio
async def test_caught_connection_that_fails_unexpectedly_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The app would wait for an answer for ever."""

    async def fail(to: object) -> Streams:
        raise ValueError("a bug")

    monkeypatch.setattr(caught_connections, "_connect", fail)
    supervisor, ours = socket.socketpair()
    connections = caught_connections.CaughtConnections(cast("Any", None), ours)
    serving = asyncio.create_task(connections.serve())
    reader, writer = await asyncio.open_connection(sock=supervisor)
    message = {"opening": 7, "to": ["192.0.2.1", 443], "meeting": ["", 1], "app": ["", 2]}
    message["without_ca"] = None
    writer.write(json.dumps(message).encode() + b"\n")
    answer = json.loads(await asyncio.wait_for(reader.readline(), 60))
    assert answer == {"opened": 7, "errno": errno.ECONNREFUSED}
    writer.close()
    await serving
