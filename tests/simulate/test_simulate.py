"""The simulator over real sockets: what a client gets, byte for byte where it matters."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from conditions import Home, good, home, is_plain
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import ClosePattern, Condition, Refusal, Simulate, load
from wsproxy.catalog.envelope import wrap
from wsproxy.errors import UsageError
from wsproxy.simulate import ApiQuotas, Simulator, serve_in_thread
from wsproxy.simulate.connection import ConnectionLog
from wsproxy.simulate.server import RunningSimulator
from wsproxy.wire.frames import Close as ClosePayload
from wsproxy.wire.frames import Frame, Opcode
from wsproxy.wire.parser import FrameParser

LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
SPEAK = "/v1/speak?model=aura-2-thalia-en"
STREAM = "/v3/ws?sample_rate=16000"
KEY = {"Authorization": "Token good"}
# A failure in silence must not make a test wait.
SHORT = ApiQuotas(silence=0.3, linger=1.0)


class Raw:
    """A client that sees bytes: frames, and how the stream ended."""

    def __init__(
        self, port: int, path: str = LISTEN, headers: str = "Authorization: Token good\r\n"
    ) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"Sec-WebSocket-Version: 13\r\n{headers}\r\n".encode()
        )
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.sock.recv(1)
        self.status = int(self.head.split()[1])

    def send(self, opcode: Opcode, payload: bytes) -> None:
        self.sock.sendall(Frame(opcode, payload, mask=b"\1\2\3\4").serialize())

    def rest(self) -> tuple[bytes, str]:
        """All bytes to the end of the stream, and "eof" or "reset"."""
        data = b""
        try:
            while more := self.sock.recv(65536):
                data += more
        except ConnectionResetError:
            return data, "reset"
        return data, "eof"

    def frames(self) -> tuple[list[Frame], str]:
        """All frames to the end of the stream, and how it ended."""
        data, end = self.rest()
        return [item for item in FrameParser().feed(data) if isinstance(item, Frame)], end


@contextlib.contextmanager
def raw(served: RunningSimulator, *args: str, **more: str) -> Iterator[Raw]:
    client = Raw(served.port, *args, **more)
    try:
        yield client
    finally:
        client.sock.close()


def condition(name: str, **simulate: Any) -> Condition:
    """A condition of the catalog, with its simulation changed."""
    found = load().condition(name)
    assert found is not None
    assert found.simulate is not None
    return dataclasses.replace(found, simulate=dataclasses.replace(found.simulate, **simulate))


# ---- good sessions


@pytest.mark.parametrize("deflate", [False, True])
def test_simulator_listen_with_real_client_transcribes(deflate: bool) -> None:
    with serve_in_thread(deflate=deflate) as served:
        with connect(served.url + LISTEN, additional_headers=KEY) as ws:
            assert ws.response is not None
            assert ws.response.headers["dg-request-id"]
            assert bool(ws.protocol.extensions) == deflate
            audio = speech(3.0)
            for at in range(0, len(audio), 3200):
                ws.send(audio[at : at + 3200])
            ws.send('{"type":"CloseStream"}')
            found = [json.loads(message) for message in ws]
        assert found[-1]["type"] == "Metadata"
        assert any(m["channel"]["alternatives"][0]["transcript"] for m in found[:-1])
        (seen,) = served.ended(1)
    assert (seen.api, seen.status, seen.binaries, seen.texts) == ("deepgram listen", 101, 30, 1)
    assert seen.received == len(audio) + 22
    assert seen.audio_seconds == 3.0
    assert seen.ending == "closed by the server: 1000"


def test_simulator_speak_with_real_client_returns_audio() -> None:
    with serve_in_thread() as served, connect(served.url + SPEAK, additional_headers=KEY) as ws:
        ws.send('{"type":"Speak","text":"Hello"}')
        ws.send('{"type":"Flush"}')
        kinds = []
        for message in ws:
            kinds.append("audio" if isinstance(message, bytes) else json.loads(message)["type"])
            if kinds[-1] == "Flushed":
                ws.send('{"type":"Close"}')
    assert kinds == ["Metadata", "audio", "audio", "Flushed"]


def test_simulator_assemblyai_with_real_client_transcribes() -> None:
    with (
        serve_in_thread() as served,
        connect(served.url + STREAM, additional_headers=KEY) as ws,
    ):
        assert json.loads(ws.recv())["type"] == "Begin"
        for at in range(0, 32_000, 3200):
            ws.send(speech(1.0)[at : at + 3200])
        ws.send('{"type":"Terminate"}')
        found = [json.loads(message)["type"] for message in ws]
    assert found[-1] == "Termination"
    assert "Turn" in found


def test_simulator_on_event_loop_serves() -> None:
    async def session() -> list[ConnectionLog]:
        async with Simulator() as simulator:
            url = simulator.url + LISTEN

            def client() -> list[str]:
                with connect(url, additional_headers=KEY) as ws:
                    ws.send('{"type":"CloseStream"}')
                    return [json.loads(message)["type"] for message in ws]

            assert await asyncio.to_thread(client) == ["Metadata"]
            return await simulator.ended(1)

    (seen,) = asyncio.run(session())
    assert seen.texts == 1


def test_simulator_client_ping_fragments_and_close_are_answered() -> None:
    with serve_in_thread() as served, raw(served) as client:
        client.send(Opcode.PING, b"abc")
        first = Frame(Opcode.TEXT, b'{"type":', fin=False, mask=b"\0\0\0\0")
        client.sock.sendall(first.serialize())
        client.send(Opcode.PING, b"")
        client.send(Opcode.CONTINUATION, b'"Finalize"}')
        client.send(Opcode.CLOSE, ClosePayload(1000, "bye").serialize())
        frames, end = client.frames()
        kinds = [frame.opcode for frame in frames]
        assert kinds == [Opcode.PONG, Opcode.PONG, Opcode.TEXT, Opcode.CLOSE]
        assert frames[0].payload == b"abc"
        assert json.loads(frames[2].payload)["from_finalize"]
        assert ClosePayload.parse(frames[3].payload) == ClosePayload(1000, "bye")
        assert end == "eof"
        (seen,) = served.ended(1)
    assert seen.ending == "closed by the client: 1000 bye"


def test_simulator_frames_sent_with_request_are_read() -> None:
    frame = Frame(Opcode.TEXT, b'{"type":"CloseStream"}', mask=b"\1\2\3\4").serialize()
    with serve_in_thread() as served:
        request = (
            f"GET {LISTEN} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            "Authorization: Token k\r\n\r\n"
        ).encode()
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock:
            sock.sendall(request + frame)
            data = b""
            while more := sock.recv(65536):
                data += more
    assert b'"type":"Metadata"' in data


def test_simulator_invalid_frame_is_refused() -> None:
    with serve_in_thread(limits=SHORT) as served, raw(served) as client:
        client.sock.sendall(Frame(Opcode.TEXT, b"not masked").serialize())
        (close,), _ = client.frames()
    assert ClosePayload.parse(close.payload).code == 1002


def test_simulator_invalid_target_is_refused() -> None:
    with serve_in_thread() as served, raw(served, "//[/v1/listen?%zz") as client:
        assert client.status == 404


def test_simulator_client_disconnect_ends_session() -> None:
    with serve_in_thread() as served:
        with raw(served) as client:
            client.send(Opcode.BINARY, speech(0.1))
        (seen,) = served.ended(1)
    assert "without a Close frame" in seen.ending or "lost" in seen.ending


def test_simulator_subprotocol_with_key_is_answered() -> None:
    with (
        serve_in_thread() as served,
        connect(served.url + LISTEN, subprotocols=[Subprotocol("token"), Subprotocol("k")]) as ws,
    ):
        assert ws.subprotocol == "token"


# ---- refused upgrades


def test_simulator_missing_key_is_refused_with_dg_error() -> None:
    with serve_in_thread() as served:
        with pytest.raises(InvalidStatus) as caught, connect(served.url + LISTEN):
            pass
        response = caught.value.response
        assert response.status_code == 401
        assert response.headers["dg-error"] == "Invalid credentials."
        body = json.loads(response.body)
        assert body["err_code"] == "INVALID_AUTH"
        assert body["request_id"] == response.headers["dg-request-id"]
        (seen,) = served.ended(1)
    assert seen.status == 401
    assert seen.ending == "refused: HTTP 401"


def test_simulator_unknown_or_retired_path_is_refused() -> None:
    with serve_in_thread() as served:
        for path, status in (("/nothing", 404), ("/v2/realtime/ws", 410)):
            with pytest.raises(InvalidStatus) as caught, connect(served.url + path):
                pass
            assert caught.value.response.status_code == status


def test_simulator_plain_request_is_refused() -> None:
    with (
        serve_in_thread() as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as sock,
    ):
        sock.sendall(b"GET /v1/listen HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 426 ")


# ---- on command: every condition that a server can bring about

SIMULATED = [c for c in load().conditions if c.simulate is not None]


@pytest.mark.one_python
@pytest.mark.sweep(kind=lambda entry: entry.provider, keep=4)
@pytest.mark.parametrize("entry", SIMULATED, ids=lambda entry: entry.id)
def test_simulator_each_condition_reaches_client(entry: Condition) -> None:
    script, place = entry.simulate, home(entry)
    assert script is not None
    path = place.path if place else "/anything"
    with serve_in_thread(entry, limits=SHORT) as served:
        if is_plain(entry):
            assert script.refuse is not None
            check_answer(script.refuse, *plain(served.port, path))
            return
        with raw(served, path) as client:
            if script.refuse is not None:
                body, end = client.rest()
                assert end == "eof"
                check_answer(script.refuse, client.status, client.head, body)
                assert (b"dg-request-id" in client.head) == (entry.provider == "deepgram")
                return
            assert client.status == 101
            check_session(place, script, client)


def check_answer(refuse: Refusal, status: int, head: bytes, body: bytes) -> None:
    assert status == refuse.status
    for name, value in refuse.headers:
        assert f"{name}: {value}".encode() in head
    assert len(body) == len(refuse.body.encode())


def plain(port: int, path: str) -> tuple[int, bytes, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"
        sock.sendall(request.encode())
        data = b""
        while more := sock.recv(65536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def check_session(place: Home | None, script: Simulate, client: Raw) -> None:
    for message in good(place).messages if script.after == "audio" else ():
        if isinstance(message, str):
            client.send(Opcode.TEXT, message.encode())
        else:
            client.send(Opcode.BINARY, message)
    if not (script.close or script.end):
        client.send(Opcode.CLOSE, b"")
    frames, end = client.frames()
    texts = [f.payload for f in frames if f.opcode is not Opcode.CLOSE]
    if script.message:
        envelope = place.api.envelope if place else ""
        wrapped = wrap(envelope, script.message)
        assert (wrapped.encode() if isinstance(wrapped, str) else wrapped) in texts
    closes = [ClosePayload.parse(f.payload) for f in frames if f.opcode is Opcode.CLOSE]
    assert end == (script.end or "eof")
    if script.close is not None:
        assert [(c.code, c.reason) for c in closes] == [(script.close.code, script.close.reason)]
    elif script.end:
        assert closes == []


@pytest.mark.parametrize("code", [None, 999, 1005, 1006, 1014, 1015, 2999, 3005, 3009, 4999])
def test_simulator_any_close_code_is_sent(code: int | None) -> None:
    entry = condition("rfc6455.close.1000", close=ClosePattern(code, "why" if code else ""))
    with serve_in_thread(entry) as served, raw(served) as client:
        client.send(Opcode.TEXT, b"{}")
        frames, _ = client.frames()
    expected = b"" if code is None else code.to_bytes(2, "big") + b"why"
    assert frames[-1].payload == expected


def test_simulator_reset_follows_results() -> None:
    entry = condition("rfc6455.end.server-reset")
    with serve_in_thread(entry) as served, raw(served) as client:
        client.send(Opcode.BINARY, speech(5.0))
        frames, end = client.frames()
    assert end == "reset"
    assert all(frame.opcode is Opcode.TEXT for frame in frames)
    assert len(frames) > 1


def test_simulator_condition_applies_to_every_session() -> None:
    with serve_in_thread(load().condition("assemblyai.streaming.1011-internal")) as served:
        for _ in range(3):
            with connect(served.url + STREAM, additional_headers=KEY) as ws:
                assert json.loads(ws.recv())["error_code"] == 1011
                with pytest.raises(ConnectionClosed) as caught:
                    ws.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1011
        assert len(served.ended(3)) == 3


# ---- by rule, with the clock


def test_simulator_no_audio_ends_session() -> None:
    with (
        serve_in_thread(limits=SHORT) as served,
        connect(served.url + LISTEN, additional_headers=KEY) as ws,
    ):
        ws.send(speech(0.2))
        with pytest.raises(ConnectionClosed) as caught:
            while True:
                ws.recv()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "NET-0001")


def test_simulator_inactivity_ends_session() -> None:
    with serve_in_thread() as served:
        url = f"{served.url}{STREAM}&inactivity_timeout=0.2"
        with connect(url, additional_headers=KEY) as ws:
            found = []
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    found.append(json.loads(ws.recv()))
    assert [m["type"] for m in found] == ["Begin", "Error"]
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 3006
    assert caught.value.rcvd.reason == found[1]["error"]


# ---- errors, and the command


def test_simulator_client_condition_raises() -> None:
    entry = next(c for c in load().conditions if c.simulate is None)
    with pytest.raises(UsageError, match=r"cannot be simulated: no server causes it"):
        Simulator(entry)


def test_simulator_port_in_use_raises() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}: "),
            serve_in_thread(port=port),
        ):
            pass


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wsproxy", "simulate", *args],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["deepgram.listen.NET-0009"], "deepgram.listen.NET-0001"),
        (["--listen", "nowhere"], "is not an address"),
        (["--cert", "/no/such/file"], "cannot use /no/such/file"),
        (["deepgram.listen.flux-on-v1"], "cannot be simulated: no server causes it"),
    ],
)
def test_simulate_command_error_is_one_line(args: list[str], text: str) -> None:
    ended = run(*args)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_simulate_command_list_shows_conditions() -> None:
    ended = run("--list")
    assert ended.returncode == 0
    assert len(ended.stdout.splitlines()) == len(SIMULATED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulate_command_signal_ends_it(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "wsproxy", "simulate", "speak.net-0003"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline().split()
        assert first[:2] == ["listening", "on"]
        assert "deepgram.speak.NET-0003" in process.stdout.readline()
        with connect(first[2] + SPEAK, additional_headers=KEY) as ws:
            ws.send('{"type":"Speak","text":"Hello"}')
            with pytest.raises(ConnectionClosed) as caught:
                while True:
                    ws.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.reason == "NET-0003"
        # A session that is open when the signal comes does not keep it.
        with connect(first[2] + SPEAK, additional_headers=KEY) as ws:
            ws.recv()
            process.send_signal(number)
            with pytest.raises(ConnectionClosed) as caught:
                ws.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert err == ""
    assert "1011 NET-0003" in out
