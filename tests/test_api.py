"""wsproxy.serve, open, replay and record: what they promise, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import inspect
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_app
from websockets.exceptions import ConnectionClosedError, InvalidProxyStatus, InvalidStatus
from websockets.sync.client import connect

import wsproxy
from wsproxy.api import unlike
from wsproxy.errors import (
    BlockingCall,
    ConnectFailed,
    NotATrace,
    TraceError,
    UnknownCondition,
    UsageError,
)
from wsproxy.trace import FrameRecord, Start

SAMPLES = Path(__file__).parent.parent / "recordings" / "samples"
ENDED = SAMPLES / "deepgram" / "deepgram.listen.NET-0000.wstrace"  # by the server, at once
GOOD = SAMPLES / "wire" / "accepted-listen.wstrace"
LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
KEY = {"Authorization": "Token 0123456789"}
TWICE = '[[step]]\ncondition = "deepgram.listen.NET-0000"\ntimes = 2\n[[step]]\n'
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


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    # The client that the tests use has threads as well, and leaves them to end by themselves.
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("wsproxy", "simulator", "asyncio"))]


def app(url: str, audio: bytes = bytes(3200), path: str = LISTEN) -> str:
    """Send audio, and tell with which reason the session was closed."""
    with connect(url + path, additional_headers=KEY, proxy=None) as session:
        session.send(audio)
        with pytest.raises(ConnectionClosedError) as raised:
            session.recv()
    assert raised.value.rcvd is not None
    return raised.value.rcvd.reason


def command(env: dict[str, str], code: str = APP) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


# -- the names


def test_the_public_names() -> None:
    names = "Message Recorder Served Trace __version__ open record replay replay_async serve"
    assert wsproxy.__all__ == names.split()
    assert set(wsproxy.__all__) <= set(dir(wsproxy))
    with pytest.raises(AttributeError, match="no attribute 'server'"):
        wsproxy.server  # noqa: B018


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (
            wsproxy.serve,
            "what condition after plan silence pace match gate strict max_wer audio_tolerance "
            "same_as timeout out proxy confdir",
        ),
        (wsproxy.open, "path"),
        (
            wsproxy.api.replay,
            "trace to pace headers query subprotocol fields proxy insecure ca timeout strict "
            "max_wer audio_tolerance same_as keep_ids out",
        ),
        (
            wsproxy.api.replay_async,
            "trace to pace headers query subprotocol fields proxy insecure ca timeout strict "
            "max_wer audio_tolerance same_as keep_ids out",
        ),
        (wsproxy.record, "out hosts to network confdir"),
    ],
    ids=["serve", "open", "replay", "replay_async", "record"],
)
def test_the_parameters(function: object, parameters: str) -> None:
    assert list(inspect.signature(function).parameters) == parameters.split()


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("import wsproxy; print([m for m in sys.modules if m[:7] == 'wsproxy'])", "['wsproxy']"),
        ("import wsproxy; print(wsproxy.replay.__name__)", "wsproxy.replay"),
        ("import wsproxy.replay; print(callable(wsproxy.replay))", "True"),
        ("from wsproxy import replay; print(callable(replay), replay.Pace())", "True recorded"),
        ("from wsproxy import *; print(serve.__module__, open.__name__)", "wsproxy.api.serving op"),
        ("import wsproxy.api; print([m for m in sys.modules if 'mitmproxy' in m])", "[]"),
    ],
)
def test_importing_it(code: str, printed: str) -> None:
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}"], capture_output=True, text=True, check=True
    )
    assert out.stdout.startswith(printed)


# -- open


def test_a_trace_is_its_session() -> None:
    trace = wsproxy.open(str(ENDED))
    assert (trace.session.provider, trace.session.api) == ("deepgram", "listen")
    assert trace.session.close is not None
    assert trace.session.close.reason == "NET-0000"
    assert [finding.id for finding in trace.findings] == ["deepgram.listen.NET-0000"]
    assert trace.losses == []
    assert isinstance(next(iter(trace)), Start)
    assert all(isinstance(frame, FrameRecord) for frame in trace.frames())
    assert len(list(trace.frames())) == trace.session.frame_count == 3


def test_messages_are_put_together() -> None:
    trace = wsproxy.open(SAMPLES / "wire" / "fragments.wstrace")
    frames = list(trace.frames())
    messages = list(trace.messages())
    data = [frame for frame in frames if frame.opcode <= 2]
    assert len(messages) < len(data)
    assert len(messages) == sum(frame.fin for frame in data)
    for side in (True, False):
        whole = b"".join(message.data for message in trace.messages(from_client=side))
        assert whole == b"".join(frame.payload for frame in data if frame.from_client is side)
    for message in messages:
        first = frames[message.frame - 1]
        assert (first.opcode == 1) is message.is_text
        assert message.data.startswith(first.payload)


def test_messages_as_text_and_json() -> None:
    results = [m for m in wsproxy.open(GOOD).messages(from_client=False) if "Results" in m.text]
    assert {m.json()["channel"]["alternatives"][0]["transcript"] for m in results} == {
        "carries",
        "",
    }
    (audio, *_) = wsproxy.open(GOOD).messages(from_client=True)
    with pytest.raises(ValueError):
        audio.json()


def test_what_is_lost_of_a_trace(tmp_path: Path) -> None:
    cut = tmp_path / "cut.wstrace"
    cut.write_bytes(GOOD.read_bytes()[:-40])
    trace = wsproxy.open(cut)
    assert trace.losses
    assert not trace.session.complete


def test_what_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(TraceError):
        wsproxy.open(tmp_path / "missing.wstrace")
    with pytest.raises(NotATrace):
        wsproxy.open(__file__)


# -- serve


def test_a_trace_is_served_and_judged(tmp_path: Path) -> None:
    audio = next(wsproxy.open(ENDED).messages()).data
    with wsproxy.serve(ENDED, out=tmp_path) as served:
        assert served.url.startswith("ws://127.0.0.1:")
        assert served.verdicts == []
        assert app(served.url, audio) == "NET-0000"
        assert served.verdict().reproduced
        assert app(served.url, b"\x07" * 3200) == "NET-0000"
        second = served.verdict(timeout=20)
        served.wait(2)
    assert (second.verdict, second.differences[0].field) == ("different", "audio_sent")
    assert [verdict.verdict for verdict in served.verdicts] == ["reproduced", "different"]
    assert [path.parent for path in served.traces] == [tmp_path, tmp_path]
    request = wsproxy.open(served.traces[0]).session.request
    assert request is not None
    assert (request.scheme, request.host) == ("ws", "127.0.0.1")
    assert f"ws://127.0.0.1:{request.port}" == served.url


def test_what_a_session_came_to_is_waited_for_in_vain() -> None:
    with wsproxy.serve(ENDED) as served:
        with pytest.raises(TimeoutError, match="0 of 1 sessions"):
            served.verdict(timeout=0)
        with pytest.raises(TimeoutError):
            served.wait(timeout=0)


def test_strict_and_match() -> None:
    with wsproxy.serve(ENDED, strict=True, match=["query.model"]) as served:
        with pytest.raises(InvalidStatus):
            app(served.url, path=LISTEN.replace("nova-3", "base"))
        app(served.url)
        fields = [difference.field for difference in served.verdict().differences]
        assert "frame_received" not in fields
    assert "query.model" in served.refused[0]


def test_its_own_folder_is_gone_at_the_end() -> None:
    with wsproxy.serve(ENDED) as served:
        app(served.url)
        trace = served.verdict().trace
        assert trace.exists()
    assert not trace.parent.exists()


def test_a_condition_is_served() -> None:
    with wsproxy.serve(condition="deepgram.listen.DATA-0000", after="audio") as served:
        assert app(served.url) == "DATA-0000"
        served.wait()
        assert served.sessions[0].ending == "closed by the server: 1008 DATA-0000"
        assert (served.verdicts, served.traces) == ([], [])
        with pytest.raises(UsageError, match="only where a trace is served"):
            served.verdict()
        with pytest.raises(TimeoutError):
            served.wait(2, timeout=0)


def test_the_silence_of_a_client() -> None:
    with wsproxy.serve(condition="deepgram.listen.NET-0001", silence=0.05) as served:
        assert app(served.url) == "NET-0001"


@pytest.mark.parametrize("kind", ["text", "file"])
def test_a_plan_is_served(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(TWICE)
    with wsproxy.serve(plan=TWICE if kind == "text" else file) as served:
        assert [app(served.url), app(served.url)] == ["NET-0000", "NET-0000"]
        with connect(served.url + LISTEN, additional_headers=KEY, proxy=None) as session:
            session.send(bytes(3200))
            session.send('{"type": "CloseStream"}')
            assert "Metadata" in list(session)[-1]
        served.wait(3)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({}, UsageError, "serve one thing"),
        ({"what": ENDED, "condition": "x"}, UsageError, "serve one thing"),
        ({"what": ENDED, "after": "5s"}, UsageError, "after="),
        ({"what": "missing.wstrace"}, TraceError, "missing.wstrace"),
        ({"what": ENDED, "pace": "quick"}, UsageError, "pace 'quick'"),
        ({"what": ENDED, "match": ["colour"]}, UsageError, "'colour'"),
        ({"what": ENDED, "out": ENDED}, UsageError, "cannot write into"),
        ({"condition": "deepgram.listen.NET-9999"}, UnknownCondition, "NET-9999"),
        ({"condition": "deepgram.listen.NET-0000", "after": "soon"}, UsageError, "invalid after"),
        ({"plan": "[[step]]\ncolour = 1"}, UsageError, "colour"),
        ({"plan": "missing.toml"}, UsageError, "missing.toml"),
    ],
)
def test_what_cannot_be_served(
    options: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says), wsproxy.serve(**options):
        raise AssertionError("it was served")


def is_closed(url: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_no_port_is_left_open(error: type[Exception] | None, confdir: Path) -> None:
    with (
        pytest.raises(error) if error else nullcontext(),
        wsproxy.serve(GOOD, proxy=True, confdir=confdir) as served,
    ):
        assert not any(is_closed(url) for url in (served.url, served.proxy))
        if error:
            raise error
    assert all(is_closed(url) for url in (served.url, served.proxy))


def test_an_open_session_is_ended(tmp_path: Path) -> None:
    with (
        wsproxy.serve(GOOD, out=tmp_path) as served,
        ExitStack() as stack,
    ):
        session = stack.enter_context(
            connect(served.url + LISTEN, additional_headers=KEY, proxy=None)
        )
        session.send(bytes(320))
        rest = stack.pop_all()
    with pytest.raises(ConnectionClosedError):
        session.recv()
    rest.close()
    (trace,) = tmp_path.glob("*.wstrace")
    assert wsproxy.open(trace).session.end is not None


# -- from asynchronous code


def test_replay_async_and_verdict_async_in_a_running_loop_are_reproduced(tmp_path: Path) -> None:
    async def main() -> tuple[str, str]:
        with wsproxy.serve(ENDED) as served:
            as_client = await wsproxy.replay_async(ENDED, served.url, pace="fast", out=tmp_path)
            as_server = await served.verdict_async()
            return as_client.verdict, as_server.verdict

    assert asyncio.run(main()) == ("reproduced", "reproduced")


def test_replay_async_against_a_server_on_the_same_loop_is_reproduced() -> None:
    """A call that blocks the loop lets the server answer nothing."""

    async def main() -> str:
        async def fail(session: ServerConnection) -> None:
            await session.recv()
            await session.close(1011, "NET-0000")

        async with serve_app(fail, "127.0.0.1", 0, ping_interval=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            url = f"ws://127.0.0.1:{port}"
            verdict = await wsproxy.replay_async(ENDED, url, pace="fast", timeout=2, out=None)
        assert verdict.trace is None
        return str(verdict.replayed["close_reason"])

    assert asyncio.run(main()) == "NET-0000"


@pytest.mark.parametrize(
    ("call", "twin"),
    [
        (lambda served: wsproxy.replay(ENDED, served.url), "wsproxy.replay_async"),
        (lambda served: served.verdict(timeout=0.1), "verdict_async"),
        (lambda served: served.wait(timeout=0.1), "wait_async"),
    ],
    ids=["replay", "verdict", "wait"],
)
def test_blocking_call_in_a_running_loop_is_refused_and_names_its_twin(
    call: Callable[[wsproxy.Served], object], twin: str
) -> None:
    async def main() -> None:
        with wsproxy.serve(ENDED) as served:
            with pytest.raises(BlockingCall, match=twin) as raised:
                call(served)
            assert isinstance(raised.value, RuntimeError)

    asyncio.run(main())


def test_wait_of_a_plan_in_a_running_loop_is_refused_and_its_twin_waits() -> None:
    async def main() -> int:
        with wsproxy.serve(condition="deepgram.listen.NET-0000") as served:
            with pytest.raises(BlockingCall, match="wait_async"):
                served.wait()
            with pytest.raises(TimeoutError):
                await served.wait_async(timeout=0.01)
            session = await connect_async(served.url + LISTEN, additional_headers=KEY, proxy=None)
            async with session:
                await session.send(bytes(3200))
                with pytest.raises(ConnectionClosedError):
                    await session.recv()
            await served.wait_async()
            return len(served.sessions)

    assert asyncio.run(main()) == 1


def test_verdict_async_asked_by_two_tasks_gives_each_another() -> None:
    async def main() -> set[int]:
        with wsproxy.serve(ENDED) as served:
            asking = [asyncio.create_task(served.verdict_async()) for _ in range(2)]
            for _ in range(2):
                await wsproxy.replay_async(ENDED, served.url, pace="fast", out=None)
            return {id(await each) for each in asking}

    assert len(asyncio.run(main())) == 2


def test_verdict_async_without_a_session_times_out() -> None:
    async def main() -> None:
        with (
            wsproxy.serve(ENDED) as served,
            pytest.raises(TimeoutError, match="0 of 1 sessions"),
        ):
            await served.verdict_async(timeout=0.01)

    asyncio.run(main())


def test_wait_of_a_recorder_in_a_running_loop_is_refused_and_its_twin_waits(
    tmp_path: Path, confdir: Path
) -> None:
    async def main() -> list[Path]:
        with wsproxy.record(tmp_path, network=False, confdir=confdir) as recorder:
            with pytest.raises(BlockingCall, match="wait_async"):
                recorder.wait()
            with wsproxy.serve(ENDED) as served:
                await wsproxy.replay_async(
                    ENDED, served.url, pace="fast", proxy=recorder.proxy, out=None
                )
            return await recorder.wait_async()

    assert len(asyncio.run(main())) == 1


def test_replay_without_a_record_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with wsproxy.serve(ENDED) as served:
        verdict = wsproxy.replay(ENDED, served.url, pace="fast", out=None)
        assert verdict.verdict == "reproduced"
        assert verdict.trace is None
        assert not list(tmp_path.glob("wsproxy-replay-*"))


# -- through the proxy


def test_a_trace_at_the_real_host_name(confdir: Path) -> None:
    with wsproxy.serve(ENDED, confdir=confdir) as served:
        assert served.env["HTTPS_PROXY"] == served.proxy
        assert served.ca.parent == confdir
        assert command(served.env) == "NET-0000\n"
        request = wsproxy.open(served.verdict().trace).session.request
        assert request is not None
        assert request.host == "api.deepgram.com"


def test_a_condition_at_the_real_host_name(confdir: Path) -> None:
    with wsproxy.serve(condition="deepgram.listen.NET-0000", confdir=confdir) as served:
        assert command(served.env) == "NET-0000\n"
        assert served.sessions[0].api == "deepgram listen"


def test_no_other_machine_is_reached(confdir: Path) -> None:
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


def test_this_machine_is_reached(confdir: Path) -> None:
    with (
        wsproxy.serve(condition="deepgram.listen.NET-0000") as other,
        wsproxy.serve(GOOD, confdir=confdir) as served,
        pytest.raises(InvalidStatus) as raised,
    ):
        connect(f"{other.url}/no/api/is/here", proxy=served.proxy)
    assert raised.value.response.status_code == 404
    assert len(other.sessions) == 1


def test_serve_two_at_once_each_has_a_proxy(confdir: Path) -> None:
    with (
        wsproxy.serve(ENDED, confdir=confdir) as one,
        wsproxy.serve(condition="deepgram.listen.DATA-0000", confdir=confdir) as other,
    ):
        assert [command(each.env) for each in (one, other)] == ["NET-0000\n", "DATA-0000\n"]


# -- record


def test_what_goes_through_the_proxy_is_recorded(tmp_path: Path, confdir: Path) -> None:
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


def test_other_machines_are_not_recorded_without_the_network(tmp_path: Path, confdir: Path) -> None:
    with wsproxy.record(tmp_path, network=False, confdir=confdir) as recorder:
        with pytest.raises(InvalidProxyStatus):
            connect("wss://203.0.113.1/", proxy=recorder.proxy)
        (trace,) = recorder.wait()
    failure = wsproxy.open(trace).session.failure
    assert failure is not None
    assert "another machine" in failure.message


def test_a_recorder_that_stands_for_an_api(tmp_path: Path, confdir: Path) -> None:
    with (
        wsproxy.serve(condition="deepgram.listen.NET-0000") as served,
        wsproxy.record(tmp_path, to=served.url, confdir=confdir) as recorder,
    ):
        assert app(recorder.url) == "NET-0000"
        recorder.wait()
        with pytest.raises(UsageError, match="use its URL"):
            _ = recorder.env


def test_what_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="API's base URL"), wsproxy.record(to="deepgram"):
        pass
    with pytest.raises(UsageError, match="cannot write"), wsproxy.record(ENDED):
        pass


# -- replay


def test_a_trace_is_replayed(tmp_path: Path) -> None:
    with wsproxy.serve(condition="deepgram.listen.DATA-0000") as served:
        verdict = wsproxy.replay(ENDED, served.url, out=tmp_path)
    assert verdict.verdict == "different"
    assert (verdict.differences[0].recorded, verdict.differences[0].replayed) == (1011, 1008)
    assert verdict.trace.parent == tmp_path


def test_its_options_are_sent(tmp_path: Path) -> None:
    options = {"headers": {"X-Test": "1"}, "query": {"model": "base"}}
    with wsproxy.serve(condition="deepgram.listen.NET-0000") as served:
        verdict = wsproxy.replay(ENDED, served.url, out=tmp_path, **options)
    session = wsproxy.open(verdict.trace).session
    assert session.request_header("x-test") == "1"
    assert session.request is not None
    assert "model=base" in session.request.path


def test_what_cannot_be_replayed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectFailed):
        wsproxy.replay(ENDED, f"ws://127.0.0.1:{port}", out=tmp_path)
    with pytest.raises(UsageError, match="is not a ws"):
        wsproxy.replay(ENDED, "nowhere", out=tmp_path)
    with pytest.raises(TraceError):
        wsproxy.replay(tmp_path / "missing.wstrace", "ws://127.0.0.1:1", out=tmp_path)


# -- what a test says


def test_the_first_difference_is_told_with_the_nearest_frame(tmp_path: Path) -> None:
    shutil.copy(ENDED, tmp_path)
    shutil.copy(SAMPLES / "wire" / "accepted-speak.wstrace", tmp_path)
    out = tmp_path / "out"
    with wsproxy.serve(tmp_path, out=out) as served:
        app(served.url, b"\x07" * 3200)
        told = unlike(tmp_path, served, 10)
    assert told is not None
    lines = told.splitlines()
    assert lines[0].endswith(f"what is recorded in {ENDED.name}: different")
    assert lines[1] == "  first difference: audio_sent"
    assert lines[2].split() == ["recorded", "3200", "bytes", "(frame", "1)"]
    assert "others from byte 0" in lines[3]
    assert lines[4].startswith("  nearest recorded frame: #1 at 0.005 s  app → binary 3200 B  00 ")
    assert str(served.traces[0]) in told


def test_a_difference_where_there_is_no_frame() -> None:
    with wsproxy.serve(ENDED) as served:
        app(served.url, path=LISTEN.replace("nova-3", "base"))
        told = unlike(ENDED, served, 10)
    assert told is not None
    assert "first difference: query.model" in told
    assert "nearest recorded frame: none, it is about the handshake" in told


def test_a_difference_behind_the_last_frame_of_the_app() -> None:
    audio = next(wsproxy.open(ENDED).messages()).data
    with wsproxy.serve(ENDED, timeout=0.2) as served:
        with connect(served.url + LISTEN, additional_headers=KEY, proxy=None) as session:
            session.send(audio[:1600])
            session.send('{"type": "Finalize"}')
            with pytest.raises(ConnectionClosedError):
                session.recv()
        told = unlike(ENDED, served, 10)
    assert told is not None
    assert "messages_sent" in told
    assert "app →" in told.partition("nearest recorded frame")[2].splitlines()[0]


def test_a_session_that_is_left_open() -> None:
    with (
        wsproxy.serve(ENDED, timeout=30) as served,
        connect(served.url + LISTEN, additional_headers=KEY, proxy=None) as session,
    ):
        session.send(bytes(320))
        assert (
            unlike(ENDED, served, 0.01) == "wsproxy: a session was still open 0.01 s after the test"
        )


def test_nothing_is_said_where_all_is_as_recorded() -> None:
    with wsproxy.serve(ENDED) as served:
        assert unlike(ENDED, served, 10) == "wsproxy: no session came to what the test serves"
        app(served.url, next(wsproxy.open(ENDED).messages()).data)
        assert unlike(ENDED, served, 10) is None
