"""wsproxy.serve, open and replay: what they promise, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
import inspect
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_app
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

import wsproxy
from app_under_test import ENDED, GOOD, KEY, LISTEN, SAMPLES, app
from wsproxy.errors import (
    BlockingCall,
    ConnectFailed,
    NotATrace,
    TraceError,
    UnknownCondition,
    UsageError,
)
from wsproxy.replayer import Verdict, judge_result
from wsproxy.trace import FrameRecord, Start

pytestmark = pytest.mark.usefixtures("no_threads_left")

TWICE = '[[step]]\ncondition = "deepgram.listen.NET-0000"\ntimes = 2\n[[step]]\n'


def test_api_public_names_are_pinned() -> None:
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
def test_api_parameters_are_pinned(function: Callable[..., object], parameters: str) -> None:
    assert list(inspect.signature(function).parameters) == parameters.split()


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        ("import wsproxy; print([m for m in sys.modules if m[:7] == 'wsproxy'])", "['wsproxy']"),
        ("import wsproxy.replayer; print(wsproxy.replay.__name__)", "replay"),
        (
            "from wsproxy import replay, replayer; print(callable(replay), replayer.Pace())",
            "True r",
        ),
        ("from wsproxy import *; print(serve.__module__, open.__name__)", "wsproxy.api.serving op"),
        ("import wsproxy.api; print([m for m in sys.modules if 'mitmproxy' in m])", "[]"),
    ],
)
def test_api_import_is_lazy(code: str, printed: str) -> None:
    out = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}"], capture_output=True, text=True, check=True
    )
    assert out.stdout.startswith(printed)


def test_open_trace_has_session() -> None:
    trace = wsproxy.open(str(ENDED))
    assert (trace.session.provider, trace.session.api) == ("deepgram", "listen")
    assert trace.session.close is not None
    assert trace.session.close.reason == "NET-0000"
    assert [finding.id for finding in trace.findings] == ["deepgram.listen.NET-0000"]
    assert trace.losses == []
    assert isinstance(next(iter(trace)), Start)
    assert all(isinstance(frame, FrameRecord) for frame in trace.frames())
    assert len(list(trace.frames())) == trace.session.frame_count == 3


def test_trace_messages_of_fragments_are_reassembled() -> None:
    trace = wsproxy.open(SAMPLES / "wire" / "fragments.wstrace")
    frames = list(trace.frames())
    messages = list(trace.messages())
    data = [frame for frame in frames if frame.opcode <= 2]
    assert len(messages) < len(data)
    assert len(messages) == sum(frame.fin for frame in data)
    for side in (True, False):
        complete = b"".join(message.data for message in trace.messages(from_client=side))
        assert complete == b"".join(frame.payload for frame in data if frame.from_client is side)
    for message in messages:
        first = frames[message.frame - 1]
        assert (first.opcode == 1) is message.is_text
        assert message.data.startswith(first.payload)


def test_message_text_and_json_are_decoded() -> None:
    results = [m for m in wsproxy.open(GOOD).messages(from_client=False) if "Results" in m.text]
    assert {m.json()["channel"]["alternatives"][0]["transcript"] for m in results} == {
        "carries",
        "",
    }
    (audio, *_) = wsproxy.open(GOOD).messages(from_client=True)
    with pytest.raises(ValueError):
        audio.json()


def test_trace_losses_of_damaged_file_are_listed(tmp_path: Path) -> None:
    cut = tmp_path / "cut.wstrace"
    cut.write_bytes(GOOD.read_bytes()[:-40])
    trace = wsproxy.open(cut)
    assert trace.losses
    assert not trace.session.complete


def test_open_other_file_raises(tmp_path: Path) -> None:
    with pytest.raises(TraceError):
        wsproxy.open(tmp_path / "missing.wstrace")
    with pytest.raises(NotATrace):
        wsproxy.open(__file__)


def test_serve_trace_is_judged(tmp_path: Path) -> None:
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


def test_serve_settles_when_sessions_have_ended_and_waits_for_their_verdicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_ended, judged = threading.Event(), threading.Event()

    def judge_late(*args: Any) -> Verdict:
        has_ended.set()
        judged.wait(10)
        return judge_result(*args)

    monkeypatch.setattr("wsproxy.replayer.server.judge_result", judge_late)
    audio = next(wsproxy.open(ENDED).messages()).data
    with wsproxy.serve(ENDED, pace="fast") as server:
        app(server.url, audio)
        assert has_ended.wait(10)
        threading.Timer(0.2, judged.set).start()
        # The time is for open sessions: only the verdict of this one is missing.
        assert server.settle(0)
        assert [verdict.verdict for verdict in server.verdicts] == ["reproduced"]


def test_serve_does_not_settle_while_a_session_is_open() -> None:
    with (
        wsproxy.serve(ENDED, pace="fast") as server,
        connect(server.url + LISTEN, additional_headers=KEY, proxy=None),
    ):
        assert not server.settle(0.05)


def test_serve_verdict_without_session_times_out() -> None:
    with wsproxy.serve(ENDED) as served:
        with pytest.raises(TimeoutError, match="0 of 1 sessions"):
            served.verdict(timeout=0)
        with pytest.raises(TimeoutError):
            served.wait(timeout=0)


def test_serve_strict_and_match_are_used() -> None:
    with wsproxy.serve(ENDED, strict=True, match=["query.model"]) as served:
        with pytest.raises(InvalidStatus):
            app(served.url, path=LISTEN.replace("nova-3", "base"))
        app(served.url)
        fields = [difference.field for difference in served.verdict().differences]
        assert "frame_received" not in fields
    assert "query.model" in served.refused[0]


def test_serve_temporary_folder_is_removed() -> None:
    with wsproxy.serve(ENDED) as served:
        app(served.url)
        trace = served.verdict().trace
        assert trace is not None
        assert trace.exists()
    assert not trace.parent.exists()


def test_serve_condition_fails_session() -> None:
    with wsproxy.serve(condition="deepgram.listen.DATA-0000", after="audio") as served:
        assert app(served.url) == "DATA-0000"
        served.wait()
        assert served.sessions[0].ending == "closed by the server: 1008 DATA-0000"
        assert (served.verdicts, served.traces) == ([], [])
        with pytest.raises(UsageError, match="only where a trace is served"):
            served.verdict()
        with pytest.raises(TimeoutError):
            served.wait(2, timeout=0)


def test_serve_silence_ends_session() -> None:
    with wsproxy.serve(condition="deepgram.listen.NET-0001", silence=0.05) as served:
        assert app(served.url) == "NET-0001"


@pytest.mark.parametrize("kind", ["text", "file"])
def test_serve_plan_fails_sessions_in_order(kind: str, tmp_path: Path) -> None:
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
def test_serve_invalid_arguments_raise(
    options: dict[str, Any], error: type[Exception], says: str
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
def test_serve_after_end_has_no_open_port(error: type[Exception] | None, confdir: Path) -> None:
    with (
        pytest.raises(error) if error else nullcontext(),
        wsproxy.serve(GOOD, proxy=True, confdir=confdir) as served,
    ):
        assert not any(is_closed(url) for url in (served.url, served.proxy))
        if error:
            raise error
    assert all(is_closed(url) for url in (served.url, served.proxy))


def test_serve_open_session_is_ended(tmp_path: Path) -> None:
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


def test_replay_async_in_running_loop_is_reproduced(tmp_path: Path) -> None:
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
def test_blocking_call_in_running_loop_raises_and_names_async_function(
    call: Callable[[wsproxy.Served], object], twin: str
) -> None:
    async def main() -> None:
        with wsproxy.serve(ENDED) as served:
            with pytest.raises(BlockingCall, match=twin) as raised:
                call(served)
            assert isinstance(raised.value, RuntimeError)

    asyncio.run(main())


def test_plan_wait_in_running_loop_raises_and_async_wait_works() -> None:
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


def test_verdict_async_of_two_tasks_are_different() -> None:
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


def test_recorder_wait_in_running_loop_raises_and_async_wait_works(
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


def test_replay_trace_is_reproduced(tmp_path: Path) -> None:
    with wsproxy.serve(condition="deepgram.listen.DATA-0000") as served:
        verdict = wsproxy.replay(ENDED, served.url, out=tmp_path)
    assert verdict.verdict == "different"
    assert (verdict.differences[0].recorded, verdict.differences[0].replayed) == (1011, 1008)
    assert verdict.trace is not None
    assert verdict.trace.parent == tmp_path


def test_replay_options_are_used(tmp_path: Path) -> None:
    options: dict[str, Any] = {"headers": {"X-Test": "1"}, "query": {"model": "base"}}
    with wsproxy.serve(condition="deepgram.listen.NET-0000") as served:
        verdict = wsproxy.replay(ENDED, served.url, out=tmp_path, **options)
    assert verdict.trace is not None
    session = wsproxy.open(verdict.trace).session
    assert session.request_header("x-test") == "1"
    assert session.request is not None
    assert "model=base" in session.request.path


def test_replay_invalid_arguments_raise(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectFailed):
        wsproxy.replay(ENDED, f"ws://127.0.0.1:{port}", out=tmp_path)
    with pytest.raises(UsageError, match="is not a ws"):
        wsproxy.replay(ENDED, "nowhere", out=tmp_path)
    with pytest.raises(TraceError):
        wsproxy.replay(tmp_path / "missing.wstrace", "ws://127.0.0.1:1", out=tmp_path)
