"""How late a replay does what it has to do, and what that costs: `python -m benchmarks.replay`.

The app of the trace sends 640 bytes every 20 ms, the server a text of 300 bytes every 100 ms.
What is measured runs in one process, or with `--sessions` in several; the other side is as
plain as can be, in a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from textwrap import fill

import wsproxy.replayer.server_session
from wsproxy.catalog import load as load_catalog
from wsproxy.diagnose.annotation import annotate
from wsproxy.load import Histogram, LoadPlan
from wsproxy.load import run as run_load
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.redact import HeadRedactor
from wsproxy.replayer import (
    ClientOptions,
    ClientReplay,
    Pace,
    ReplayServer,
    ServerOptions,
    play_once,
)
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.replayer.schedule import Schedule
from wsproxy.trace import Eof, Request, Response
from wsproxy.wire import Frame, Opcode, accept_key

STEP = 0.02  # seconds between the app's messages
SIZE = 640  # bytes of each
EVERY = 5  # of them the server answers with a text
RAMP = 2.0  # seconds over which the sessions begin
QUIET = 0.15  # cores that other programs may take in a quiet run
ASKED = {1: 5.0, 100: 20.0}  # ms that 99 of 100 steps may be late at the recorded pace

_SPAWN = multiprocessing.get_context("spawn")
_UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
_TARGET = "/v1/listen?encoding=linear16&sample_rate=16000"
_TEXT = b'{"type": "Results", "is_final": false}'.ljust(300)
_CLOSE_STREAM = b'{"type": "CloseStream"}'
_CLOSE = (1000).to_bytes(2, "big")
_AUDIO = os.urandom(1 << 20)  # compresses as little as audio does


def audio(number: int) -> Frame:
    at = number * 7919 % (len(_AUDIO) - SIZE)
    return Frame(Opcode.BINARY, _AUDIO[at : at + SIZE], mask=b"abcd")


def make(path: Path, seconds: float) -> Path:
    """The trace that is replayed."""
    key = "AAAAAAAAAAAAAAAAAAAAAA=="
    recording = SessionWriter(path, new_start(Clock(0, 0), provider="deepgram", api="listen"))
    headers = [["Host", "api.deepgram.com"], *_UPGRADE, ["Sec-WebSocket-Key", key]]
    headers.append(["Sec-WebSocket-Version", "13"])
    recording.add(Request(0, "GET", "wss", "api.deepgram.com", 443, _TARGET, headers=headers))
    accept = [*_UPGRADE, ["Sec-WebSocket-Accept", accept_key(key)]]
    recording.response(Response(10**6, 101, headers=accept))
    now = 2 * 10**6
    for number in range(int(seconds / STEP)):
        now += int(STEP * 1e9)
        recording.data(now, True, audio(number).serialize())
        if number % EVERY == EVERY - 1:
            recording.data(now + 5 * 10**6, False, Frame(Opcode.TEXT, _TEXT).serialize())
    end = now + int(STEP * 1e9)
    for from_client, frame in (
        (True, Frame(Opcode.TEXT, _CLOSE_STREAM, mask=b"abcd")),
        (False, Frame(Opcode.CLOSE, _CLOSE)),
        (True, Frame(Opcode.CLOSE, _CLOSE, mask=b"abcd")),
    ):
        end += 10**6
        recording.data(end, from_client, frame.serialize())
    recording.eof(Eof(end, False))
    recording.eof(Eof(end, True))
    recording.end(end)
    return path


# -- the other side


class PlainServer(asyncio.Protocol):
    """Answers every fifth message with a text, and what is no audio with a Close."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.head: bytes | None = b""
        self.size = self.answered = 0

    def data_received(self, data: bytes) -> None:
        if self.head is not None:
            self.head += data
            head, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return
            self.head = None
            self.transport.write(_answer(head))
        self.size += len(data)
        wire = SIZE + 8
        while self.size >= (self.answered + 1) * EVERY * wire:
            self.answered += 1
            self.transport.write(Frame(Opcode.TEXT, _TEXT).serialize())
        if self.size % wire:
            self.transport.write(Frame(Opcode.CLOSE, _CLOSE).serialize())
            self.transport.close()


def _answer(head: bytes) -> bytes:
    lines = head.decode().split("\r\n")
    key = next(x.split(": ")[1] for x in lines if x.lower().startswith("sec-websocket-key"))
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n"
    ).encode()


def serve_plainly(pipe: Connection) -> None:
    """A process: prints its port, and serves until it is terminated."""

    async def body() -> None:
        server = await asyncio.get_running_loop().create_server(PlainServer, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(body())


def call_plainly(port: int, sessions: int, seconds: float, speed: float) -> None:
    """A process: a number of apps that send at their pace."""

    async def app(number: int) -> None:
        await asyncio.sleep(number * RAMP / sessions)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"GET {_TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        loop = asyncio.get_running_loop()
        began = loop.time()
        draining = asyncio.create_task(_drain(reader))
        for count in range(int(seconds / STEP)):
            await asyncio.sleep(max(0.0, began + count * STEP / speed - loop.time()))
            writer.write(audio(count).serialize())
        writer.write(Frame(Opcode.TEXT, _CLOSE_STREAM, mask=b"abcd").serialize())
        await draining
        writer.write(Frame(Opcode.CLOSE, _CLOSE, mask=b"abcd").serialize())
        writer.close()

    async def body() -> None:
        await asyncio.gather(*(app(number) for number in range(sessions)))

    asyncio.run(body())


async def _drain(reader: asyncio.StreamReader) -> None:
    """Read until the Close comes; frames are short, and whole."""
    last = b""
    while data := await reader.read(1 << 16):
        last = (last + data)[-4:]
        if last == Frame(Opcode.CLOSE, _CLOSE).serialize():
            return


# -- what is measured


@dataclass(frozen=True)
class Figures:
    """Of one run: ms that steps were late, µs of CPU per step (0: not measured), steps."""

    p50: float
    p99: float
    most: float
    cpu: float
    steps: int

    @classmethod
    def of(cls, lateness: Histogram, cpu: float) -> Figures:
        p50, p99 = lateness.percentiles(0.5, 0.99)
        steps = lateness.count
        return cls(p50, p99, lateness.maximum / 1000, cpu / steps * 1e6 if steps else 0.0, steps)


@dataclass(frozen=True)
class Run:
    """One run, and how many processors other programs took meanwhile."""

    figures: Figures
    others: float

    @property
    def quiet(self) -> bool:
        return self.others < QUIET


@dataclass(frozen=True)
class Setting:
    """What is replayed, how often at once, and how fast."""

    trace: Path
    seconds: float
    sessions: int
    pace: str

    @property
    def ramp(self) -> float:
        return RAMP if self.sessions > 1 else 0.0


def records(folder: Path) -> ReplayRecording:
    catalog = load_catalog()
    redact = HeadRedactor(catalog.credentials, b"benchmark", catalog.key_shapes)
    return ReplayRecording(folder, redact, partial(annotate, catalog=catalog))


def as_client(setting: Setting, port: int, folder: Path) -> Figures:
    """In one process, without verdicts."""

    async def body() -> Figures:
        options = ClientOptions(f"ws://127.0.0.1:{port}", pace=Pace.parse(setting.pace))
        call, recorded = ClientReplay(setting.trace, options), records(folder)
        annotate(call.script.session, catalog=load_catalog())
        schedules = [call.schedule() for _ in range(setting.sessions)]
        gc.collect()
        gc.freeze()

        async def one(number: int) -> None:
            await asyncio.sleep(number * setting.ramp / setting.sessions)
            await play_once(call, recorded, schedules[number])

        cpu = time.process_time()
        await asyncio.gather(*(one(number) for number in range(setting.sessions)))
        return Figures.of(together(schedules), time.process_time() - cpu)

    return asyncio.run(body())


def as_clients(setting: Setting, port: int, folder: Path) -> Figures:
    """As `wsproxy load` does it: in several processes, with verdicts."""
    stats = run_load(
        setting.trace,
        ClientOptions(f"ws://127.0.0.1:{port}", pace=Pace.parse(setting.pace)),
        LoadPlan(setting.sessions, setting.ramp, keep="none"),
        partial(records, folder),
    )
    assert stats.played == setting.sessions and not stats.failed, stats.as_json()
    return Figures.of(stats.lateness, 0.0)


def as_server(setting: Setting, folder: Path) -> Figures:
    """In one process, with verdicts, as `replay server` does it."""
    schedules: list[Schedule] = []

    class Kept(Schedule):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            schedules.append(self)

    async def body() -> Figures:
        options = ServerOptions(pace=Pace.parse(setting.pace), sessions=setting.sessions)
        async with ReplayServer(setting.trace, options, records(folder)) as server:
            speed = Pace.parse(setting.pace).speed
            arguments = (server.address[1], setting.sessions, setting.seconds, speed)
            apps = _SPAWN.Process(target=call_plainly, args=arguments)
            apps.start()
            cpu = time.process_time()
            verdicts = [await server.verdict() for _ in range(setting.sessions)]
            cpu = time.process_time() - cpu
            await asyncio.to_thread(apps.join)
        assert {verdict.replayed["ending"] for verdict in verdicts} == {"close"}
        return Figures.of(together(schedules), cpu)

    setattr(wsproxy.replayer.server_session, "Schedule", Kept)  # noqa: B010
    return asyncio.run(body())


def together(schedules: list[Schedule]) -> Histogram:
    spread = Histogram()
    for schedule in schedules:
        spread.add(schedule.lateness)
    return spread


def against_plain_server(
    measured: Callable[[Setting, int, Path], Figures], setting: Setting, folder: Path
) -> Figures:
    ours, theirs = _SPAWN.Pipe()
    server = _SPAWN.Process(target=serve_plainly, args=(theirs,), daemon=True)
    server.start()
    try:
        return measured(setting, ours.recv(), folder)
    finally:
        server.terminate()
        server.join()


ROLES: dict[str, Callable[[Setting, Path], Figures]] = {
    "client": partial(against_plain_server, as_client),
    "client --sessions": partial(against_plain_server, as_clients),
    "server": as_server,
}
ROWS = [
    ("client", 1, "recorded"),
    ("client", 100, "recorded"),
    ("client --sessions", 100, "recorded"),
    ("client --sessions", 100, "x2"),
    ("server", 1, "recorded"),
    ("server", 100, "recorded"),
    ("server", 100, "x2"),
]


def measure(role: str, setting: Setting, pipe: Connection) -> None:
    """A process: one row, one round."""
    with tempfile.TemporaryDirectory() as folder:
        pipe.send(ROLES[role](setting, Path(folder)))


def once(role: str, setting: Setting) -> Run:
    """One run of a row."""
    wait_until_quiet()
    clock, busy, own = time.monotonic(), _busy(), _own()
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=measure, args=(role, setting, theirs))
    process.start()
    theirs.close()
    found: Figures = ours.recv()
    process.join()
    others = (_busy() - busy) - (_own() - own)
    return Run(found, max(0.0, others / (time.monotonic() - clock)))


def wait_until_quiet() -> None:
    """Wait until other programs take next to nothing, for two minutes at most."""
    for _ in range(60):
        before = _busy()
        time.sleep(2)
        if _busy() - before < 2 * QUIET:
            return


def _busy() -> float:
    """Seconds of CPU time that all programs have taken; 0 if that is unknown."""
    try:
        user, nice, system = Path("/proc/stat").read_text().split()[1:4]
    except OSError:
        return 0.0
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def _own() -> float:
    """Seconds of CPU time that this program and what it started have taken."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def rows(seconds: float, rounds: int) -> Iterator[tuple[tuple[str, int, str], list[Run]]]:
    """Each row with its runs: as many quiet ones as there are rounds, of thrice as many."""
    with tempfile.TemporaryDirectory() as folder:
        trace = make(Path(folder) / "call.wstrace", seconds)
        for row in ROWS:
            role, sessions, pace = row
            found: list[Run] = []
            while sum(run.quiet for run in found) < rounds and len(found) < 3 * rounds:
                found.append(once(role, Setting(trace, seconds, sessions, pace)))
                print(f"{role} {sessions} {pace}: {found[-1]}", file=sys.stderr)
            yield row, found


def report(seconds: float, rounds: int) -> str:
    about = (
        f"Python {platform.python_version()}, Linux {platform.release()}, {platform.machine()}, "
        f"{os.cpu_count()} cores; a session of {seconds:g} s. Medians of the quiet runs. The "
        "brackets have each quiet run. *disturbed* has the runs in which other programs used more "
        f"than {QUIET:g} of a core."
    )
    lines = [
        fill(about, 100),
        "",
        "| replay | sessions | pace | late p50 | late p99 | required p99 | late max "
        "| CPU per step | disturbed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(*row, found) for row, found in rows(seconds, rounds)]
    return "\n".join(lines)


def _row(role: str, sessions: int, pace: str, found: list[Run]) -> str:
    quiet = [run.figures for run in found if run.quiet]
    disturbed = ", ".join(f"{run.figures.p99:.1f} ms" for run in found if not run.quiet)
    asked = f"{ASKED[sessions]:g} ms" if pace == "recorded" else ""
    cells = ["no quiet run", "", "", ""]
    if quiet:
        p50, p99, most = (
            median(getattr(f, name) for f in quiet) for name in ("p50", "p99", "most")
        )
        cpu = median(figures.cpu for figures in quiet)
        each = ", ".join(f"{figures.p99:.1f}" for figures in quiet)
        cells = [f"{p50:.1f} ms", f"{p99:.1f} ms ({each})", f"{most:.1f} ms"]
        cells.append(f"{cpu:.0f} µs" if cpu else "")
    first, second, *rest = cells
    return (
        "| "
        + " | ".join([role, str(sessions), pace, first, second, asked, *rest, disturbed])
        + " |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="length of the session")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write benchmarks/REPLAY.md")
    options = parser.parse_args()
    text = report(options.seconds, options.rounds)
    print(text)
    if options.save:
        head = (
            "# Timing error of replays\n\n"
            "These are the results of `python -m benchmarks.replay`.\n\n"
        )
        (Path(__file__).parent / "REPLAY.md").write_text(f"{head}{text}\n")


if __name__ == "__main__":
    main()
