"""wsproxy.serve and wsproxy.record through their proxy."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidProxyStatus, InvalidStatus
from websockets.sync.client import connect

import wsproxy
from app_under_test import ENDED, GOOD, KEY, LISTEN, app
from wsproxy.errors import UsageError

pytestmark = pytest.mark.usefixtures("no_threads_left")


# An app of its own, which has nothing but its environment. Not the threaded client: one that
# reads and writes TLS in two threads hangs now and then on Pythons that do not lock SSL objects.
APP = f"""
import asyncio
from websockets.asyncio.client import connect
async def main():
    async with connect("wss://api.deepgram.com{LISTEN}", additional_headers={KEY!r}) as session:
        await session.send(bytes(3200))
        try:
            await session.recv()
        except Exception as error:
            print(error.rcvd.reason)
asyncio.run(main())
"""


def command(env: dict[str, str], code: str = APP) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def test_serve_trace_through_proxy_is_reached_at_real_host(confdir: Path) -> None:
    with wsproxy.serve(ENDED, confdir=confdir) as served:
        assert served.env["HTTPS_PROXY"] == served.proxy
        assert served.ca.parent == confdir
        assert command(served.env) == "NET-0000\n"
        trace = served.verdict().trace
        assert trace is not None
        request = wsproxy.open(trace).session.request
        assert request is not None
        assert request.host == "api.deepgram.com"


def test_serve_condition_through_proxy_is_reached_at_real_host(confdir: Path) -> None:
    with wsproxy.serve(condition="deepgram.listen.NET-0000", confdir=confdir) as served:
        assert command(served.env) == "NET-0000\n"
        assert served.sessions[0].api == "deepgram listen"


def test_serve_proxy_other_machine_is_refused(confdir: Path) -> None:
    with wsproxy.serve(ENDED, confdir=confdir) as served:
        with pytest.raises(InvalidStatus) as raised:
            connect("ws://203.0.113.1/", proxy=served.proxy)
        assert raised.value.response.status_code == 502
        address = served.proxy.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1]))) as raw:
            raw.sendall(b"CONNECT 203.0.113.1:25 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 200 " in raw.recv(1000)
            raw.sendall(b"\x00 this is no request at all\r\n" * 20)
            assert raw.recv(1000) == b""
    assert served.refused == ["nothing here answers for 203.0.113.1"]


def test_serve_proxy_local_server_is_reached(confdir: Path) -> None:
    with (
        wsproxy.serve(condition="deepgram.listen.NET-0000") as other,
        wsproxy.serve(GOOD, confdir=confdir) as served,
        pytest.raises(InvalidStatus) as raised,
    ):
        connect(f"{other.url}/no/api/is/here", proxy=served.proxy)
    assert raised.value.response.status_code == 404
    assert len(other.sessions) == 1


def test_serve_two_servers_have_a_proxy_each(confdir: Path) -> None:
    with (
        wsproxy.serve(ENDED, confdir=confdir) as one,
        wsproxy.serve(condition="deepgram.listen.DATA-0000", confdir=confdir) as other,
    ):
        assert [command(each.env) for each in (one, other)] == ["NET-0000\n", "DATA-0000\n"]


@pytest.mark.real_processes
def test_record_through_proxy_writes_trace(tmp_path: Path, confdir: Path) -> None:
    with (
        wsproxy.serve(condition="deepgram.listen.NET-0000") as served,
        wsproxy.record(tmp_path, network=False, confdir=confdir) as recorder,
    ):
        with pytest.raises(TimeoutError, match="0 of 1 sessions"):
            recorder.wait(timeout=0)
        with connect(served.url + LISTEN, additional_headers=KEY, proxy=recorder.proxy) as session:
            session.send(bytes(3200))
            with pytest.raises(ConnectionClosedError):
                session.recv()
        (trace,) = recorder.wait()
        assert recorder.env["https_proxy"] == recorder.proxy
        with pytest.raises(UsageError, match='to="wss://HOST"'):
            _ = recorder.url
    assert recorder.traces == [trace]
    assert trace.parent == tmp_path
    assert wsproxy.open(trace).session.close is not None
    assert KEY["Authorization"].encode() not in trace.read_bytes()


def test_record_without_network_refuses_other_machines(tmp_path: Path, confdir: Path) -> None:
    with wsproxy.record(tmp_path, network=False, confdir=confdir) as recorder:
        with pytest.raises(InvalidProxyStatus):
            connect("wss://203.0.113.1/", proxy=recorder.proxy)
        (trace,) = recorder.wait()
    failure = wsproxy.open(trace).session.failure
    assert failure is not None
    assert "another machine" in failure.message


def test_record_to_api_uses_its_url(tmp_path: Path, confdir: Path) -> None:
    with (
        wsproxy.serve(condition="deepgram.listen.NET-0000") as served,
        wsproxy.record(tmp_path, to=served.url, confdir=confdir) as recorder,
    ):
        assert app(recorder.url) == "NET-0000"
        recorder.wait()
        with pytest.raises(UsageError, match="use its URL"):
            _ = recorder.env


def test_record_invalid_arguments_raise(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="API's base URL"), wsproxy.record(to="deepgram"):
        pass
    with pytest.raises(UsageError, match="cannot write"), wsproxy.record(ENDED):
        pass
