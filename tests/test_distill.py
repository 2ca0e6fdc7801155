"""Long traces made short against servers: what is left, what is said of it, and when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from wsproxy.catalog import load
from wsproxy.compare import compare, of_failure
from wsproxy.compare.outcome import OUTCOME, Outcome
from wsproxy.distill import Attempt, Distillation, Limits, Report, distilled_name
from wsproxy.distill.parts import Parts
from wsproxy.distill.search import minimal
from wsproxy.errors import ConnectFailed, TraceError, UsageError
from wsproxy.recording import Clock, Recording, new_start
from wsproxy.redact import Redactor
from wsproxy.replay import RECORDED, ClientOptions, Pace, Verdict, replay_client
from wsproxy.replay.progress import Progress
from wsproxy.replay.recorded import Records
from wsproxy.replay.script import Script
from wsproxy.session import Session
from wsproxy.simulate import Limits as Allowed
from wsproxy.simulate import Simulator
from wsproxy.trace import Eof, FrameRecord, Request, Response, TraceReader
from wsproxy.wire import Close, Frame, Opcode, accept_key

CATALOG = load()
REDACT = Redactor(CATALOG.credentials, b"key", CATALOG.key_shapes)
SAMPLES = Path(__file__).parent.parent / "recordings" / "samples"
MS = 1_000_000
S = 1000 * MS
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
FAST, CAUSAL = Pace.parse("fast"), Pace.parse("causal")
TEXT, BINARY = Opcode.TEXT, Opcode.BINARY
Handler = Callable[[ServerConnection], Awaitable[None]]


class Tape:
    """Writes a trace as if it had been recorded; times in ms since the upgrade."""

    def __init__(
        self,
        path: Path,
        provider: str | None = None,
        api: str | None = None,
        *,
        host: str = "api.example.com",
        target: str = "/v1/talk",
    ) -> None:
        clock = Clock(1_700_000_000 * S, 0)
        self.recording = Recording(path, new_start(clock, provider=provider, api=api))
        headers = [["Host", host], *UPGRADE, ["Sec-WebSocket-Key", KEY]]
        headers += [["Sec-WebSocket-Version", "13"], ["Authorization", "Token REDACTED"]]
        self.recording.add(Request(0, "GET", "wss", host, 443, target, headers=headers))
        self.path = path
        self.last = 0.0

    def accept(self) -> Tape:
        headers = [*UPGRADE, ["Sec-WebSocket-Accept", accept_key(KEY)]]
        self.recording.response(Response(0, 101, "Switching Protocols", headers=headers))
        return self

    def at(self, ms: float) -> int:
        self.last = ms
        return round(ms * MS)

    def client(self, ms: float, content: str | bytes, **more: Any) -> Tape:
        return self.frame(ms, True, content, **more)

    def server(self, ms: float, content: str | bytes | dict[str, Any]) -> Tape:
        return self.frame(ms, False, json.dumps(content) if isinstance(content, dict) else content)

    def frame(
        self,
        ms: float,
        from_client: bool,
        content: str | bytes,
        *,
        opcode: Opcode | None = None,
        fin: bool = True,
    ) -> Tape:
        data = content.encode() if isinstance(content, str) else content
        kind = opcode if opcode is not None else TEXT if isinstance(content, str) else BINARY
        frame = Frame(kind, data, fin, mask=b"abcd" if from_client else None)
        self.recording.data(self.at(ms), from_client, frame.serialize())
        return self

    def closed(self, ms: float, code: int, reason: str = "", *, by_client: bool = False) -> Path:
        for from_client in (by_client, not by_client):
            own = reason if from_client is by_client else ""
            content = Close(code, own).serialize()
            self.frame(ms, from_client, content, opcode=Opcode.CLOSE)
        self.recording.eof(Eof(self.at(ms + 1), False))
        self.recording.eof(Eof(self.at(ms + 1), True))
        return self.done(ms + 2)

    def refused(self, status: int, body: str, headers: list[list[str]]) -> Path:
        data = body.encode()
        self.recording.response(
            Response(1, status, "No", headers=headers, body=data, body_length=len(data))
        )
        return self.done(5)

    def done(self, ms: float) -> Path:
        self.recording.end(self.at(ms), "stopped")
        return self.path


def streaming(path: Path, messages: Sequence[tuple[float, str | bytes]], reason: str) -> Path:
    """An AssemblyAI session that ends with 3006 after messages of the app."""
    target = "/v3/ws?sample_rate=16000&encoding=pcm_s16le"
    tape = Tape(path, "assemblyai", "streaming", host="streaming.assemblyai.com", target=target)
    tape.accept().server(20, {"type": "Begin", "id": "b", "expires_at": 1})
    for ms, content in messages:
        tape.client(ms, content)
    tape.server(tape.last + 5, {"type": "Error", "error_code": 3006, "error": reason})
    return tape.closed(tape.last, 3006, reason)


def a_minute(path: Path, bad: int) -> Path:
    """60 s of audio, 640 bytes every 20 ms, and one text message among it that is no JSON."""
    messages: list[tuple[float, str | bytes]] = [(30 + 20 * n, b"\0\1" * 320) for n in range(3000)]
    messages[bad] = (messages[bad][0], "{oops")
    return streaming(path, messages, "Invalid JSON: {oops")


async def distill(
    trace: Path, url: str, *, limits: Limits | None = None, **more: Any
) -> tuple[Report, list[Attempt]]:
    attempts: list[Attempt] = []
    more = {"timeout": 0.4} | more
    work = Distillation(
        trace,
        distilled_name(trace),
        ClientOptions(url, **more),
        limits=limits,
        tell=attempts.append,
        redact=REDACT,
    )
    return await work.run(), [attempt for attempt in attempts if attempt.reproduced is not None]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async def until_it_ends(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await handler(connection)

    async with serve(
        until_it_ends, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2
    ) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def against(handler: Handler, trace: Path, **more: Any) -> tuple[Report, list[Attempt]]:
    async def run() -> tuple[Report, list[Attempt]]:
        async with serving(handler) as url:
            return await distill(trace, url, **more)

    return asyncio.run(run())


def sent(path: Path | None) -> list[bytes]:
    """What the client of a trace sent, but for Close."""
    assert path is not None
    with TraceReader(path) as reader:
        return [
            record.payload
            for record in reader
            if isinstance(record, FrameRecord) and record.from_client and record.opcode != 8
        ]


async def replayed(trace: Path, url: str, folder: Path) -> Verdict:
    return await replay_client(trace, ClientOptions(url, timeout=2), Records(folder, REDACT))


# -- what is found


@pytest.mark.parametrize("bad", [2995, 1480, 3])
def test_a_minute_with_one_bad_chunk_becomes_a_moment(tmp_path: Path, bad: int) -> None:
    trace = a_minute(tmp_path / "call.wstrace", bad)
    assert Session.read(trace).duration_ns > 59 * S

    async def run() -> tuple[Report, Verdict]:
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
    assert not of_failure(compare(trace, report.trace or trace))


def test_a_server_that_takes_no_audio_at_once_is_tried_with_the_end_first(tmp_path: Path) -> None:
    trace = a_minute(tmp_path / "call.wstrace", 2995)

    async def run() -> tuple[Report, list[Attempt]]:
        # The whole minute at once is another failure: 3007, faster than real time.
        async with Simulator(limits=Allowed(chunk=(0.01, 1), ahead=2)) as server:
            return await distill(trace, server.url)

    report, attempts = asyncio.run(run())
    assert [attempt.reproduced for attempt in attempts[:1]] == [False]
    assert report.pace == "fast"
    assert sent(report.trace) == [b"{oops"]
    assert report.checked


async def _needs_both(connection: ServerConnection) -> None:
    """Closes with 1008 at an "end" that comes after an "a" and a "b"."""
    seen = set()
    async for message in connection:
        seen.add(message)
        if message == "end":
            bad = {"a", "b"} <= seen
            await connection.close(1008 if bad else 1000, "both" if bad else "")


def test_messages_that_only_fail_together_stay_together(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(200):
        tape.client(20 * n, {30: "a", 150: "b"}.get(n, b"audio"))
    trace = tape.client(4000, "end").closed(4005, 1008, "both")
    report, attempts = against(_needs_both, trace)
    assert sent(report.trace) == [b"a", b"b", b"end"]
    assert report.minimal
    assert len(attempts) == report.attempts < 80
    assert [a.number for a in attempts] == list(range(1, len(attempts) + 1))


def test_a_failure_by_silence_is_still_waited_for(tmp_path: Path) -> None:
    target = "/v1/listen?encoding=linear16&sample_rate=16000"
    tape = Tape(tmp_path / "call.wstrace", "deepgram", "listen", target=target).accept()
    for n in range(100):
        tape.client(20 * n, b"\0\1" * 320)
    trace = tape.closed(2300, 1011, "NET-0001")

    async def run() -> tuple[Report, list[Attempt]]:
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


def test_a_pause_that_is_needed_stays_and_others_go(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    for n, ms in enumerate([0, 20, 170, 190, 890]):
        tape.client(ms, bytes([n]) * 10)
    trace = tape.closed(895, 1008, "too late")
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


def test_where_only_time_matters_messages_become_a_pause(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(7):
        tape.client(100 * n, "keep alive")
    trace = tape.closed(700, 1008, "over")
    report, _ = against(_ends_after_a_while, trace)
    assert (sent(report.trace), report.checked) == ([], True)


def test_a_refusal_is_the_handshake_alone(tmp_path: Path) -> None:
    body = '{"err_code":"INVALID_AUTH","err_msg":"Invalid credentials.","request_id":"r"}'
    tape = Tape(tmp_path / "call.wstrace", "deepgram", "listen", target="/v1/listen")
    trace = tape.refused(401, body, [["dg-error", "Invalid credentials."]])

    async def run() -> tuple[Report, list[Attempt]]:
        async with Simulator(CATALOG.condition("deepgram.upgrade.INVALID_AUTH")) as server:
            return await distill(trace, server.url)

    report, attempts = asyncio.run(run())
    assert report.session is not None
    assert report.session.response is not None
    assert report.session.response.status == 401
    assert (len(attempts), report.frames, report.minimal, report.checked) == (1, 0, True, True)


def test_fragments_go_and_stay_together(tmp_path: Path) -> None:
    async def fails_at_hello(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "hello":
                await connection.close(1008, "no")

    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(5):
        tape.client(10 * n, "he", fin=False)
        tape.client(10 * n + 1, b"p", opcode=Opcode.PING)
        tape.client(10 * n + 2, b"llo" if n == 3 else b"y", opcode=Opcode.CONTINUATION)
    trace = tape.closed(50, 1008, "no")
    report, _ = against(fails_at_hello, trace)
    assert sent(report.trace) == [b"he", b"llo"]


def test_where_the_client_ended_it_the_server_s_error_is_the_failure(tmp_path: Path) -> None:
    async def complains(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "bad":
                await connection.send('{"type": "Error", "description": "bad message"}')

    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(9):
        tape.client(n, "bad" if n == 4 else "good")
    tape.server(9, {"type": "Error", "description": "bad message"})
    report, _ = against(complains, tape.closed(10, 4000, "gave up", by_client=True))
    assert (sent(report.trace), report.checked) == ([b"bad"], True)


def test_where_the_client_ended_it_a_rule_that_the_server_broke_is(tmp_path: Path) -> None:
    async def breaks_a_rule(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "bad":
                connection.transport.write(b"\xf3\x00")

    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(9):
        tape.client(n, "bad" if n == 4 else "good")
    tape.recording.data(tape.at(9), False, b"\xf3\x00")
    tape.frame(10, True, Close(1002).serialize(), opcode=Opcode.CLOSE)
    tape.recording.eof(Eof(tape.at(11), True))
    tape.recording.eof(Eof(tape.at(11), False))
    trace = tape.done(12)
    assert Session.read(trace).closed_by == "client"
    report, _ = against(breaks_a_rule, trace)
    assert (sent(report.trace), report.checked) == ([b"bad"], True)


def test_what_only_the_client_did_comes_again_anywhere_and_is_refused(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept().client(1, "hello").server(2, {"type": "Hi"})
    trace = tape.closed(10, 4000, "gave up", by_client=True)
    with pytest.raises(UsageError, match="no error of the server led to that"):
        Distillation(trace, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))


# -- when it ends


async def _behaves(connection: ServerConnection) -> None:
    async for message in connection:
        if message == "end":
            return


def test_what_does_not_fail_again_is_not_distilled(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().client(5, "end").closed(10, 1008, "bad")
    report, attempts = against(_behaves, trace)
    assert (report.trace, report.exit_status) == (None, 1)
    assert {"close_code", "close_reason"} <= {found.field for found in report.differences}
    assert not distilled_name(trace).exists()
    assert {str(attempt.pace) for attempt in attempts} == {"fast", "x4", "recorded"}


def test_a_limit_on_attempts_leaves_the_best_so_far(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept()
    for n in range(50):
        trace.client(n, {20: "a", 30: "b"}.get(n, b"audio"))
    path = trace.client(50, "end").closed(55, 1008, "both")
    report, attempts = against(_needs_both, path, limits=Limits(attempts=9))
    assert (len(attempts), report.attempts) == (9, 9)
    assert (report.stopped, report.minimal, report.exit_status) == ("attempts", False, 0)
    assert report.checked
    assert 3 < len(sent(report.trace)) <= 51
    assert {b"a", b"b", b"end"} <= set(sent(report.trace))


def test_a_limit_that_comes_before_anything_is_known(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().client(5, "x").closed(10, 1008, "bad")
    report, _ = against(_behaves, trace, limits=Limits(attempts=1))
    assert (report.trace, report.stopped, report.exit_status) == (None, "attempts", 1)
    report, attempts = against(_behaves, trace, limits=Limits(seconds=0.05), timeout=5)
    assert (report.trace, report.stopped, attempts) == (None, "time", [])


def test_what_fails_now_and_then_is_tried_again(tmp_path: Path) -> None:
    counter = itertools.count(1)

    async def fails_every_third_time(connection: ServerConnection) -> None:
        number = next(counter)
        async for message in connection:
            if message == "bad":
                await connection.close(1008 if number % 3 == 0 else 1000, "now")

    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(8):
        tape.client(n, "bad" if n == 4 else "good")
    trace = tape.closed(10, 1008, "now")
    report, _ = against(fails_every_third_time, trace, limits=Limits(tries=3))
    assert sent(report.trace) == [b"bad"]
    assert report.checked


def test_a_server_that_dies_leaves_the_best_so_far(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(20):
        tape.client(n, {8: "a", 12: "b"}.get(n, b"audio"))
    trace = tape.client(20, "end").closed(25, 1008, "both")

    async def run() -> Report:
        served = 0

        async def dies(connection: ServerConnection) -> None:
            nonlocal served
            served += 1
            if served == 8:
                server.close(close_connections=False)
            await _needs_both(connection)

        async with serve(dies, "127.0.0.1", 0, ping_interval=None) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            return (await distill(trace, f"ws://127.0.0.1:{port}"))[0]

    report = asyncio.run(run())
    assert report.stopped.startswith("cannot reach 127.0.0.1")
    assert (report.exit_status, report.checked, report.attempts) == (2, None, 9)
    assert {b"a", b"b", b"end"} <= set(sent(report.trace))
    assert len(report.stopped.splitlines()) == 1


def test_a_server_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(4):
        tape.client(n, "crash" if n == 2 else "fine")
    tape.recording.eof(Eof(5 * MS, False, "reset"))
    trace = tape.done(6)

    async def run() -> Report:
        down = asyncio.Event()
        port = 0

        async def crashes(connection: ServerConnection) -> None:
            with contextlib.suppress(ConnectionClosed):
                while await connection.recv() != "crash":
                    pass
                sock = connection.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().closed(10, 1008)
    with pytest.raises(ConnectFailed):
        asyncio.run(distill(trace, "ws://127.0.0.1:1"))
    assert list(tmp_path.glob("*")) == [trace]


def test_cancelled_it_writes_the_best_so_far(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    for n in range(10):
        tape.client(n, {3: "a", 5: "b"}.get(n, b"audio"))
    trace = tape.client(20, "end").closed(25, 1008, "both")
    out = tmp_path / "out.wstrace"

    async def run() -> Report | None:
        async with serving(_needs_both) as url:
            seen = asyncio.Event()

            def tell(attempt: Attempt) -> None:
                if attempt.number == 2:
                    seen.set()

            options = ClientOptions(url, timeout=60)
            work = Distillation(trace, out, options, tell=tell, redact=REDACT)
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


# -- what it takes and writes


def test_a_session_that_did_not_fail_is_refused(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().client(1, "end").closed(5, 1000)
    with pytest.raises(UsageError, match="did not fail"):
        Distillation(trace, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))
    open_ = Tape(tmp_path / "open.wstrace").accept().client(1, "end").done(5)
    with pytest.raises(UsageError, match="did not fail"):
        Distillation(open_, tmp_path / "new.wstrace", ClientOptions("ws://127.0.0.1:1"))


def test_bad_files(tmp_path: Path) -> None:
    trace = Tape(tmp_path / "call.wstrace").accept().closed(5, 1008)
    options = ClientOptions("ws://127.0.0.1:1")
    there = tmp_path / "there.wstrace"
    there.write_text("mine")
    for out, said in [
        (there, "there already"),
        (trace, "never overwritten"),
        (tmp_path, "a folder"),
        (tmp_path / "no" / "x.wstrace", "cannot write"),
    ]:
        with pytest.raises(UsageError, match=said):
            Distillation(trace, out, options)
    with pytest.raises(UsageError, match="never overwritten"):
        Distillation(trace, trace, options, force=True)
    with pytest.raises(TraceError):
        Distillation(there, tmp_path / "new.wstrace", options)
    assert there.read_text() == "mine"
    assert sorted(tmp_path.glob(".*")) == []


def test_the_new_trace_is_private_and_the_attempts_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    trace = Tape(tmp_path / "call.wstrace").accept().client(1, "a").client(2, "b").client(3, "end")
    report, _ = against(_needs_both, trace.closed(5, 1008, "both"))
    assert report.trace == tmp_path / "call-distilled.wstrace"
    assert stat.S_IMODE(report.trace.stat().st_mode) == 0o600
    assert list(temporary.iterdir()) == []


def test_a_credential_in_a_message_is_taken_out_again(tmp_path: Path) -> None:
    secret = "very-secret-key"

    async def wants_the_key(connection: ServerConnection) -> None:
        first = json.loads(await connection.recv())
        await connection.close(1008 if first["api_key"] == secret else 1000, "known")

    tape = Tape(tmp_path / "call.wstrace").accept()
    tape.client(1, '{"api_key": "REDACTED"}')
    report, _ = against(wants_the_key, tape.closed(5, 1008, "known"), fields=[("api_key", secret)])
    assert sent(report.trace) == [b'{"api_key": "REDACTED"}']
    assert report.session is not None
    assert report.session.broken == []


def test_the_report_as_json(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "call.wstrace").accept()
    tape.client(1, "a").client(2, "x").client(3, "b").client(4, "end")
    report, _ = against(_needs_both, tape.closed(50, 1008, "both"))
    said = report.as_json()
    assert json.loads(json.dumps(said)) == said
    assert report.session is not None
    assert said["trace"] == str(tmp_path / "call-distilled.wstrace")
    assert said["session"] == report.session.id
    assert (said["reproduced"], said["checked"], said["minimal"]) == (True, True, True)
    assert said["messages"] == {"recorded": 4, "distilled": 3}
    assert said["frames_sent"] == {"recorded": 5, "distilled": 4}
    assert said["duration_s"]["recorded"] == 0.052


# -- the parts


def parts_of(tape: Tape) -> Parts:
    return Parts(Script.read(tape.done(tape.last + 10), "client", CAUSAL))


def test_parts_are_messages_control_frames_and_bytes(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.wstrace").accept()
    tape.client(1, "setup").client(2, b"a", fin=False).client(3, b"p", opcode=Opcode.PING)
    tape.client(4, b"b", opcode=Opcode.CONTINUATION).client(5, "late")
    tape.frame(6, False, Close(1008).serialize(), opcode=Opcode.CLOSE)
    tape.client(7, b"after the server's Close")
    tape.frame(8, True, Close(1008).serialize(), opcode=Opcode.CLOSE)
    parts = parts_of(tape)
    assert parts.parts == [(0,), (1, 3), (2,), (4,)]
    assert parts.setup() == (0,)
    reduced = parts.make(parts.without(parts.whole, {0, 2}), FAST)
    payloads = [step.item.payload for step in reduced.steps if isinstance(step.item, Frame)]
    assert payloads == [b"a", b"b", b"late", Close(1008).serialize()]
    assert parts.make(parts.whole, FAST).steps == parts.script.steps


def test_a_part_goes_with_its_time_or_leaves_a_pause(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.wstrace").accept()
    for n, ms in enumerate([100, 300, 700, 800]):
        tape.client(ms, bytes([n]))
    parts = parts_of(tape)

    def times(gone: set[int], *, hold: bool = False) -> list[int]:
        script = parts.make(parts.without(parts.whole, gone, hold=hold), RECORDED)
        return [*(step.t_ns // MS for step in script.steps), script.end_ns // MS]

    assert times(set()) == [100, 300, 700, 800, 810]
    assert times({1}) == [100, 500, 600, 610]
    assert times({1}, hold=True) == [100, 700, 800, 810]
    assert times({0, 1, 2, 3}) == [10]
    assert times({0, 1, 2, 3}, hold=True) == [810]
    shorter = parts.without(parts.whole, {1}, hold=True)
    assert parts.pauses(shorter) == [0, 2, 3]
    assert [
        step.t_ns // MS for step in parts.make(parts.without_pauses(shorter, [0, 2]), FAST).steps
    ] == [0, 0, 100]
    # What was a pause in the place of a part goes with the part that it is before.
    assert parts.without(shorter, {2}).gaps == ()


def test_what_no_longer_comes_is_not_waited_for(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "t.wstrace").accept()
    tape.server(1, {"type": "Begin"}).client(2, "settings").server(3, {"type": "Applied"})
    tape.client(4, b"a").client(5, '{"type": "x"}').server(6, {"type": "Error"}).client(7, b"b")
    parts = parts_of(tape)
    (last,) = parts.make(parts.without(parts.whole, {0, 1, 2}), FAST).steps
    assert last.cause == Progress(texts={"Begin": 1, "Error": 1})
    steps = parts.make(parts.without(parts.whole, {1}), FAST).steps
    assert steps[1].cause == Progress(texts={"Begin": 1, "Applied": 1})


@given(st.integers(0, 60), st.data())
def test_of_what_is_minimal_nothing_can_be_left_out(size: int, data: st.DataObject) -> None:
    """Also where what is enough is not so for everything that has more in it."""
    one = st.sets(st.integers(0, max(0, size - 1)), max_size=4).map(frozenset)
    needed = data.draw(st.lists(one, min_size=1, max_size=3))
    odd = data.draw(st.booleans())
    asked: list[tuple[int, ...]] = []

    async def enough(kept: Sequence[int]) -> bool:
        asked.append(tuple(kept))
        whole = len(kept) == size
        return any(n <= set(kept) for n in needed) and (whole or not odd or len(kept) % 3 != 1)

    every = range(size)
    if not any(n <= set(every) for n in needed):
        return
    found = list(asyncio.run(minimal(every, enough)))
    assert found == sorted(found)
    assert asyncio.run(enough(found))
    for item in found:
        assert not asyncio.run(enough([other for other in found if other != item]))


def test_a_needle_is_found_in_few_attempts() -> None:
    asked = 0

    async def enough(kept: Sequence[int]) -> bool:
        nonlocal asked
        asked += 1
        return {1234, 2999} <= set(kept)

    assert asyncio.run(minimal(range(3000), enough)) == [1234, 2999]
    assert asked < 60


# -- what the same failure is


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("*.wstrace"))[::5], ids=lambda p: p.stem)
def test_how_a_session_ended_is_the_whole_of_its_outcome(path: Path) -> None:
    assert set(Outcome.read(path, CATALOG).fields()) <= OUTCOME


def test_the_same_failure_is_not_the_same_session(tmp_path: Path) -> None:
    paths = []
    for name, reason, results in [("a", "x", 3), ("b", "x", 0), ("c", "y", 3)]:
        tape = Tape(tmp_path / f"{name}.wstrace", "deepgram", "listen").accept()
        for n in range(results):
            tape.server(n, {"type": "Metadata"})
        paths.append(tape.closed(10, 1008, reason))
    fewer, other = compare(paths[0], paths[1]), compare(paths[0], paths[2])
    assert fewer.differences
    assert of_failure(fewer) == []
    assert [found.field for found in of_failure(other)] == ["close_reason"]


def test_exit_statuses() -> None:
    found = Report(3, trace=Path("x"), checked=True)
    assert found.exit_status == 0
    assert replace(found, checked=None).exit_status == 0
    assert replace(found, checked=False).exit_status == 1
    assert replace(found, checked=None, failed=2).exit_status == 2
    assert replace(found, trace=None).exit_status == 1
