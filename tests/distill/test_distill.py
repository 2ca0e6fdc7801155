"""What is found in a session that fails, and when the search ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from distill_harness import (
    CATALOG,
    REDACT,
    S,
    a_minute,
    against,
    distill,
    needs_both,
    recorded,
    sent,
    serving,
)
from trace_builder import TraceBuilder, close, upgrade_request
from wsproxy.compare import compare, failure_differences
from wsproxy.distill import Attempt, Distillation, DistillReport, SearchLimits, distilled_name
from wsproxy.errors import ConnectFailed, UsageError
from wsproxy.replayer import ClientOptions, Verdict, replay_client
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.session import Session
from wsproxy.simulate import ApiQuotas as Allowed
from wsproxy.simulate import Simulator
from wsproxy.system.tcp import reset_on_close
from wsproxy.wire import Frame, Opcode


async def replayed(trace: Path, url: str, folder: Path) -> Verdict:
    return await replay_client(
        trace, ClientOptions(url, timeout=2), ReplayRecording(folder, REDACT)
    )


# -- what is found


@pytest.mark.sweep  # of the places
@pytest.mark.parametrize(
    "bad", [2995, *(pytest.param(bad, marks=pytest.mark.one_python) for bad in (1480, 3))]
)
def test_distill_one_bad_chunk_leaves_it_alone(tmp_path: Path, bad: int) -> None:
    trace = a_minute(tmp_path / "call.wstrace", bad)
    assert Session.read(trace).duration_ns > 59 * S

    async def run() -> tuple[DistillReport, Verdict]:
        async with Simulator(limits=Allowed(chunk=(0.01, 1), ahead=1000)) as server:
            report, _ = await distill(trace, server.url)
            assert report.trace is not None
            return report, await replayed(report.trace, server.url, tmp_path / "again")

    report, verdict = asyncio.run(run())
    assert report.exit_status == 0
    assert (report.checked, report.minimal, report.stopped) == (True, True, "")
    assert sent(report.trace) == [b"{oops"]
    assert report.seconds < 3
    assert verdict.verdict == "reproduced"
    assert report.session is not None
    start = report.session.start
    assert start is not None
    assert start.origin == Session.read(trace).id != start.session
    assert start.changes == [
        f"distilled: 2 of 3,001 frames, {report.seconds:.1f} of 60.0 s, "
        f"in {report.attempts} attempts"
    ]
    assert [found.id for found in report.session.findings] == ["assemblyai.streaming.3006-json"]
    assert not failure_differences(compare(trace, report.trace or trace))


@pytest.mark.one_python
def test_distill_slow_server_tries_end_first(tmp_path: Path) -> None:
    trace = a_minute(tmp_path / "call.wstrace", 2995)

    async def run() -> tuple[DistillReport, list[Attempt]]:
        # The whole minute at once is another failure: 3007, faster than real time.
        async with Simulator(limits=Allowed(chunk=(0.01, 1), ahead=2)) as server:
            return await distill(trace, server.url)

    report, attempts = asyncio.run(run())
    assert [attempt.reproduced for attempt in attempts[:1]] == [False]
    assert report.pace == "fast"
    assert sent(report.trace) == [b"{oops"]
    assert report.checked


@pytest.mark.one_python
def test_distill_joint_messages_stay_together(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    for n in range(200):
        builder.client({30: "a", 150: "b"}.get(n, b"audio"), at=20 * n)
    trace = builder.client("end", at=4000).closed(1008, "both", at=4005)
    report, attempts = against(needs_both, trace)
    assert sent(report.trace) == [b"a", b"b", b"end"]
    assert report.minimal
    assert len(attempts) == report.attempts < 80
    assert [a.number for a in attempts] == list(range(1, len(attempts) + 1))


@pytest.mark.one_python
def test_distill_silence_failure_keeps_wait(tmp_path: Path) -> None:
    target = "/v1/listen?encoding=linear16&sample_rate=16000"
    builder = recorded(tmp_path / "call.wstrace", "deepgram", "listen", target=target)
    for n in range(100):
        builder.client(b"\0\1" * 320, at=20 * n)
    trace = builder.closed(1011, "NET-0001", at=2300)

    async def run() -> tuple[DistillReport, list[Attempt]]:
        async with Simulator(limits=Allowed(silence=0.3)) as server:
            return await distill(trace, server.url)

    report, attempts = asyncio.run(run())
    assert [attempt.reproduced for attempt in attempts] == [True, True]
    assert sent(report.trace) == []  # silence is all that it needs
    assert 0.3 <= report.seconds < 2
    assert report.checked


async def _hates_pauses(connection: ServerConnection) -> None:
    """Closes with 1008 at a message that comes 0.5 s after the one before."""
    now = asyncio.get_running_loop().time
    last: float | None = None
    async for _ in connection:
        if last is not None and now() - last >= 0.5:
            await connection.close(1008, "too late")
        last = now()


@pytest.mark.one_python
def test_distill_required_pause_stays(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    for n, ms in enumerate([0, 20, 170, 190, 890]):
        builder.client(bytes([n]) * 10, at=ms)
    trace = builder.closed(1008, "too late", at=895)
    report, attempts = against(_hates_pauses, trace)
    assert report.pace == "recorded"
    assert (len(sent(report.trace)), report.minimal, report.checked) == (2, True, True)
    assert report.session is not None
    times = [frame.t_ns for frame in report.session.frames(from_client=True)][:2]
    assert times[1] - times[0] >= 0.5 * S
    assert {str(attempt.pace) for attempt in attempts} == {"fast", "x4", "recorded"}


async def _ends_after_a_while(connection: ServerConnection) -> None:
    """Closes with 1008 after 0.7 s, whatever comes."""

    async def end() -> None:
        await asyncio.sleep(0.7)
        await connection.close(1008, "over")

    ending = asyncio.create_task(end())
    async for _ in connection:
        pass
    await ending


@pytest.mark.one_python
def test_distill_time_failure_replaces_messages_by_pause(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    for n in range(7):
        builder.client("keep alive", at=100 * n)
    trace = builder.closed(1008, "over", at=700)
    report, _ = against(_ends_after_a_while, trace)
    assert (sent(report.trace), report.checked) == ([], True)


def test_distill_refusal_leaves_handshake_only(tmp_path: Path) -> None:
    body = b'{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r"}'
    request = upgrade_request("/v1/listen")
    builder = TraceBuilder(tmp_path / "call.wstrace", request, provider="deepgram", api="listen")
    trace = builder.refuse(401, body, ["dg-error", "Invalid credentials."]).done()

    async def run() -> tuple[DistillReport, list[Attempt]]:
        async with Simulator(CATALOG.condition("deepgram.upgrade.INVALID_AUTH")) as server:
            return await distill(trace, server.url)

    report, attempts = asyncio.run(run())
    assert report.session is not None
    assert report.session.response is not None
    assert report.session.response.status == 401
    assert (len(attempts), report.frames, report.minimal, report.checked) == (1, 0, True, True)


@pytest.mark.one_python
def test_distill_fragments_stay_together(tmp_path: Path) -> None:
    async def fails_at_hello(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "hello":
                await connection.close(1008, "no")

    builder = recorded(tmp_path / "call.wstrace")
    for n in range(5):
        builder.client(Frame(Opcode.TEXT, b"he", fin=False), at=10 * n)
        builder.client(Frame(Opcode.PING, b"p"), at=10 * n + 1)
        rest = b"llo" if n == 3 else b"y"
        builder.client(Frame(Opcode.CONTINUATION, rest), at=10 * n + 2)
    trace = builder.closed(1008, "no", at=50)
    report, _ = against(fails_at_hello, trace)
    assert sent(report.trace) == [b"he", b"llo"]


@pytest.mark.one_python
def test_distill_client_end_uses_server_error(tmp_path: Path) -> None:
    async def complains(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "bad":
                await connection.send('{"type": "Error", "description": "bad message"}')

    builder = recorded(tmp_path / "call.wstrace")
    for n in range(9):
        builder.client("bad" if n == 4 else "good", at=n)
    builder.server({"type": "Error", "description": "bad message"}, at=9)
    report, _ = against(complains, builder.closed(4000, "gave up", by_client=True, at=10))
    assert (sent(report.trace), report.checked) == ([b"bad"], True)


@pytest.mark.one_python
def test_distill_client_end_uses_server_violation(tmp_path: Path) -> None:
    async def breaks_a_rule(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "bad":
                connection.transport.write(b"\xf3\x00")

    builder = recorded(tmp_path / "call.wstrace")
    for n in range(9):
        builder.client("bad" if n == 4 else "good", at=n)
    builder.data(False, b"\xf3\x00", at=9).client(close(1002), at=10)
    trace = builder.eof(True, at=11).eof(False, at=11).done(at=12)
    assert Session.read(trace).closed_by == "client"
    report, _ = against(breaks_a_rule, trace)
    assert (sent(report.trace), report.checked) == ([b"bad"], True)


@pytest.mark.one_python
def test_distill_client_only_failure_is_refused(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace").client("hello", at=1).server({"type": "Hi"}, at=2)
    trace = builder.closed(4000, "gave up", by_client=True, at=10)
    with pytest.raises(UsageError, match="no error of the server led to that"):
        Distillation(trace, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))


# -- when it ends


async def _behaves(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "end":
            return


@pytest.mark.one_python
def test_distill_unreproduced_failure_writes_nothing(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "call.wstrace").client("end", at=5).closed(1008, "bad", at=10)
    report, attempts = against(_behaves, trace)
    assert (report.trace, report.exit_status) == (None, 1)
    assert {"close_code", "close_reason"} <= {found.field for found in report.differences}
    assert not distilled_name(trace).exists()
    assert {str(attempt.pace) for attempt in attempts} == {"fast", "x4", "recorded"}


@pytest.mark.one_python
def test_distill_attempt_limit_keeps_best(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "call.wstrace")
    for n in range(50):
        trace.client({20: "a", 30: "b"}.get(n, b"audio"), at=n)
    path = trace.client("end", at=50).closed(1008, "both", at=55)
    report, attempts = against(needs_both, path, limits=SearchLimits(attempts=9))
    assert (len(attempts), report.attempts) == (9, 9)
    assert (report.stopped, report.minimal, report.exit_status) == ("attempts", False, 0)
    assert report.checked
    assert 3 < len(sent(report.trace)) <= 51
    assert {b"a", b"b", b"end"} <= set(sent(report.trace))


@pytest.mark.one_python
def test_distill_limit_before_first_result_writes_nothing(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "call.wstrace").client("x", at=5).closed(1008, "bad", at=10)
    report, _ = against(_behaves, trace, limits=SearchLimits(attempts=1))
    assert (report.trace, report.stopped, report.exit_status) == (None, "attempts", 1)
    report, attempts = against(_behaves, trace, limits=SearchLimits(seconds=0.05), timeout=5)
    assert (report.trace, report.stopped, attempts) == (None, "time", [])


@pytest.mark.one_python
def test_distill_flaky_failure_is_retried(tmp_path: Path) -> None:
    counter = itertools.count(1)

    async def fails_every_third_time(connection: ServerConnection) -> None:
        number = next(counter)
        async for message in connection:
            if message == "bad":
                await connection.close(1008 if number % 3 == 0 else 1000, "now")

    builder = recorded(tmp_path / "call.wstrace")
    for n in range(8):
        builder.client("bad" if n == 4 else "good", at=n)
    trace = builder.closed(1008, "now", at=10)
    report, _ = against(fails_every_third_time, trace, limits=SearchLimits(tries=3))
    assert sent(report.trace) == [b"bad"]
    assert report.checked


@pytest.mark.one_python
def test_distill_dead_server_keeps_best(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    for n in range(20):
        builder.client({8: "a", 12: "b"}.get(n, b"audio"), at=n)
    trace = builder.client("end", at=20).closed(1008, "both", at=25)

    async def run() -> DistillReport:
        served = 0

        async def dies(connection: ServerConnection) -> None:
            nonlocal served
            served += 1
            if served == 8:
                server.close(close_connections=False)
            await needs_both(connection)

        async with serve(dies, "127.0.0.1", 0, ping_interval=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            return (await distill(trace, f"ws://127.0.0.1:{port}"))[0]

    report = asyncio.run(run())
    assert report.stopped.startswith("cannot reach 127.0.0.1")
    assert (report.exit_status, report.checked, report.attempts) == (2, None, 9)
    assert {b"a", b"b", b"end"} <= set(sent(report.trace))
    assert len(report.stopped.splitlines()) == 1


def test_distill_restarting_server_is_awaited(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    for n in range(4):
        builder.client("crash" if n == 2 else "fine", at=n)
    trace = builder.eof(False, "reset", at=5).done(at=6)

    async def run() -> DistillReport:
        down = asyncio.Event()
        port = 0

        async def crashes(connection: ServerConnection) -> None:
            with contextlib.suppress(ConnectionClosed):
                while await connection.recv() != "crash":
                    pass
                sock = connection.transport.get_extra_info("socket")
                reset_on_close(sock)
                connection.transport.abort()
                down.set()

        async def supervise() -> None:
            nonlocal port
            while True:
                async with serve(crashes, "127.0.0.1", port, ping_interval=None) as server:
                    port = next(iter(server.sockets)).getsockname()[1]
                    up.set()
                    await down.wait()
                    down.clear()

        up = asyncio.Event()
        supervisor = asyncio.create_task(supervise())
        await up.wait()
        report, _ = await distill(trace, f"ws://127.0.0.1:{port}", timeout=1.0)
        supervisor.cancel()
        return report

    report = asyncio.run(run())
    assert (report.stopped, sent(report.trace)) == ("", [b"crash"])


def test_distill_unreachable_server_raises(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "call.wstrace").closed(1008, at=10)
    with pytest.raises(ConnectFailed):
        asyncio.run(distill(trace, "ws://127.0.0.1:1"))
    assert list(tmp_path.glob("*")) == [trace]


def test_distill_cancelled_writes_best(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "call.wstrace")
    for n in range(10):
        builder.client({3: "a", 5: "b"}.get(n, b"audio"), at=n)
    trace = builder.client("end", at=20).closed(1008, "both", at=25)
    out = tmp_path / "out.wstrace"

    async def run() -> DistillReport | None:
        async with serving(needs_both) as url:
            seen = asyncio.Event()

            def on_attempt(attempt: Attempt) -> None:
                if attempt.number == 2:
                    seen.set()

            options = ClientOptions(url, timeout=60)
            work = Distillation(trace, out, options, on_attempt=on_attempt, redact=REDACT)
            task = asyncio.create_task(work.run())
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return work.report

    report = asyncio.run(run())
    assert report is not None
    assert (report.stopped, report.checked, report.trace) == ("interrupted", None, out)
    assert len(sent(out)) == 11
