"""Many sessions at once: figures, verdicts, and how it ends when something dies."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import wsproxy
from replay_sessions import accepted, build, close_1011, close_4999, close_utf8, good, records
from test_catalog_cli import MINE
from trace_builder import audio, close
from wsproxy.errors import UsageError
from wsproxy.load import Histogram, LoadPlan, LoadStats, SessionResult, run
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict
from wsproxy.replayer.pace import RECORDED_PACE, Pace
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.report import load as report
from wsproxy.session import Session
from wsproxy.statistics import percentile

ROOT = Path(__file__).parents[2]

# -- figures


@given(st.lists(st.integers(0, 10**12), min_size=1), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_histogram_percentiles_error_is_below_1_in_512(values: list[int], part: float) -> None:
    histogram = Histogram()
    histogram.add(values)
    exact = percentile(values, part) // 1000 / 1000
    (found,) = histogram.percentiles(part)
    assert found <= exact
    assert exact - found <= exact / 512
    assert histogram.maximum == max(values) // 1000
    assert histogram.count == len(values)


@given(st.lists(st.integers(0, 10**12)), st.lists(st.integers(0, 10**12)))
def test_histogram_merge_equals_single_count(some: list[int], others: list[int]) -> None:
    merged, second, together = Histogram(), Histogram(), Histogram()
    merged.add(some)
    second.add(others)
    merged.merge(second)
    together.add(some + others)
    assert merged == together


def test_histogram_without_values_is_zero() -> None:
    assert Histogram().as_json() == {"p50": 0, "p90": 0, "p99": 0, "max": 0, "count": 0}


def test_histogram_many_values_is_bounded() -> None:
    histogram = Histogram()
    histogram.add(range(0, 10**10, 10**5))
    assert len(histogram.counts) < 6_000


def test_stats_failures_are_counted_by_first_difference() -> None:
    stats = LoadStats(4, 0, 1, tolerance={"wer": 0.1})
    stats.add(SessionResult(1, "reproduced", latency_ms=(("upgrade", 5.0, 7.0),)))
    stats.add(SessionResult(2, "different", ("close_code", "x"), (1011, 1000)))
    stats.add(SessionResult(3, "different", ("close_code",), (1011, 1001)))
    stats.add(SessionResult(4, error="cannot reach it"))
    out = stats.as_json()
    verdicts = {"reproduced": 1, "different": 2, "not-reproduced": 0, "unproven": 0}
    assert out["verdicts"] == verdicts
    assert out["why"] == [
        {"field": "close_code", "sessions": 2, "recorded": 1011, "replayed": 1000}
    ]
    assert out["errors"] == [{"error": "cannot reach it", "sessions": 1}]
    assert (out["latency_ms"]["upgrade"]["recorded"], out["failed"]) == (5.0, 1)
    assert out["tolerance"] == {"wer": 0.1}
    assert not stats.reproduced


def test_stats_many_messages_are_bounded() -> None:
    stats = LoadStats(1000, 0, 1)
    for number in range(1000):
        stats.add(SessionResult(number, error=f"error {number}"))
    assert len(stats.errors) <= 51
    assert stats.failed == 1000


@pytest.mark.one_python
@pytest.mark.parametrize(
    "load",
    [
        LoadPlan(0),
        LoadPlan(10_001),
        LoadPlan(1, ramp=-1),
        LoadPlan(1, keep="some"),
        LoadPlan(1, workers=-1),
    ],
)
def test_load_plan_invalid_values_raise(load: LoadPlan, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        run(
            build(good, tmp_path),
            ClientOptions("ws://127.0.0.1:1"),
            load,
            partial(records, tmp_path),
        )


# -- sessions


class Serving:
    """A replay server in a thread.

    Attributes:
        verdicts: of the sessions that it served.
    """

    def __init__(self, trace: Path, folder: Path) -> None:
        self.verdicts: list[Verdict] = []
        self.url = ""
        self._arguments = trace, ServerOptions(sessions=0, timeout=20), records(folder)
        self._listening = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Serving:
        self._thread.start()
        assert self._listening.wait(20)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _run(self) -> None:
        self._task = self._loop.create_task(self._serve())
        with pytest.raises(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    async def _serve(self) -> None:
        async with ReplayServer(*self._arguments) as server:
            self.url = server.url
            self._listening.set()
            while True:
                self.verdicts.append(await server.verdict())


def lasting(folder: Path, ms: int) -> Path:
    """A session in which the server closes after a while."""
    builder = accepted(folder / f"lasting-{ms}.wstrace", provider="deepgram", api="listen")
    builder.client(audio()).wait(ms).server(close(1011, "NET-0001")).client(close(1011))
    return builder.eof(False).eof(True).done()


def load(
    trace: Path,
    url: str,
    out: Path,
    sessions: int,
    *,
    show: Callable[[LoadStats], None] = lambda stats: None,
    pace: Pace = RECORDED_PACE,
    **options: object,
) -> LoadStats:
    wanted = LoadPlan(sessions, workers=2, **options)  # type: ignore[arg-type]
    client = ClientOptions(url, timeout=20, pace=pace)
    return run(trace, client, wanted, partial(records, out), show)


def test_load_every_session_has_verdict(tmp_path: Path) -> None:
    trace = build(close_4999, tmp_path)
    seen: list[int] = []
    with Serving(trace, tmp_path / "server") as serving:
        stats = load(
            trace, serving.url, tmp_path / "out", 40, ramp=0.5, show=lambda t: seen.append(t.begun)
        )
    assert stats.reproduced, stats.as_json()
    assert sorted(result.session for result in stats.results) == list(range(1, 41))
    assert [verdict.verdict for verdict in serving.verdicts] == ["reproduced"] * 40
    assert (stats.begun, stats.played, stats.open) == (40, 40, 0)
    assert stats.lateness.count == 40 * 4  # two messages, a Close and the end of each
    assert {name: histogram.count for name, histogram in stats.latency.items()} == {
        "upgrade": 40,
        "close": 40,
    }
    assert seen[-1] == 40
    assert list((tmp_path / "out").iterdir()) == []
    assert multiprocessing.active_children() == []


@pytest.mark.one_python
@pytest.mark.sweep
@pytest.mark.parametrize(("keep", "kept"), [("failed", 6), ("all", 6), ("none", 0)])
def test_load_keep_option_decides_traces(keep: str, kept: int, tmp_path: Path) -> None:
    trace = build(close_4999, tmp_path)
    with Serving(build(close_utf8, tmp_path), tmp_path / "server") as serving:
        stats = load(trace, serving.url, tmp_path / "out", 6, pace=Pace("fast"), keep=keep)
    assert stats.verdicts == {"different": 6}
    assert (
        stats.failure_reasons["close_code"].recorded,
        stats.failure_reasons["close_code"].replayed,
    ) == (4999, 4000)
    traces = {result.trace for result in stats.results if result.trace}
    assert traces == set((tmp_path / "out").glob("*.wstrace"))
    assert len(traces) == kept


@pytest.mark.one_python
def test_load_unreachable_server_is_reported(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
    stats = load(build(good, tmp_path), url, tmp_path / "out", 5)
    assert stats.failed == 5
    (message,) = stats.errors
    assert "cannot reach" in message
    assert stats.open == 0


@pytest.mark.one_python
def test_load_missing_credential_raises_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    with pytest.raises(UsageError, match="DEEPGRAM_API_KEY"):
        load(build(good, tmp_path), "wss://api.example.invalid", tmp_path / "out", 5)


def fails_elsewhere(folder: Path, pid: int) -> ReplayRecording:
    """Records here, an error in every other process."""
    if os.getpid() != pid:
        raise UsageError("no room here")
    return records(folder)


@pytest.mark.one_python
def test_load_worker_start_error_is_noted(tmp_path: Path) -> None:
    make = partial(fails_elsewhere, tmp_path / "out", os.getpid())
    options = ClientOptions("ws://127.0.0.1:1")
    stats = run(build(good, tmp_path), options, LoadPlan(4, workers=2), make)
    assert sorted(stats.notes) == [
        f"worker {number} could not start: no room here" for number in (1, 2)
    ]
    assert not stats.reproduced


# -- what dies


def started() -> list[int]:
    """Process ids of this process's children, in the order in which they were started."""
    children = multiprocessing.active_children()
    by_number = sorted(children, key=lambda child: int(child.name.rpartition("-")[2]))
    return [child.pid for child in by_number if child.pid is not None]


@contextmanager
def killer(
    when: Callable[[LoadStats], bool], which: slice
) -> Iterator[Callable[[LoadStats], None]]:
    """Something to show tallies to that kills some children once."""
    killed: list[int] = []

    def show(stats: LoadStats) -> None:
        if not killed and when(stats):
            killed.extend(started()[which])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    yield show
    assert killed


@pytest.mark.one_python
def test_load_dead_worker_is_noted_and_ends(tmp_path: Path) -> None:
    trace = lasting(tmp_path, 1500)
    with (
        Serving(trace, tmp_path / "server") as serving,
        killer(lambda stats: stats.begun == 6, slice(0, 1)) as show,
    ):
        stats = load(trace, serving.url, tmp_path / "out", 6, show=show)
    assert stats.notes == ["worker 1 died (exit status -9): 3 sessions have no verdict"]
    assert stats.verdicts == {"reproduced": 3}
    assert sorted(result.session for result in stats.results) == [2, 4, 6]
    assert stats.open == 0


@pytest.mark.one_python
def test_load_dead_judges_are_reported_and_end(tmp_path: Path) -> None:
    trace = lasting(tmp_path, 1500)
    with (
        Serving(trace, tmp_path / "server") as serving,
        killer(lambda stats: stats.begun == 4, slice(2, 4)) as show,
    ):
        stats = load(trace, serving.url, tmp_path / "out", 4, show=show)
    assert stats.errors == {"not judged: a judge process died": 4}
    # What was not judged can be looked at.
    assert {result.trace for result in stats.results} == set((tmp_path / "out").glob("*.wstrace"))


# -- the command


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "wsproxy", "load", *map(str, arguments)]


@pytest.mark.real_processes
def test_load_command_prints_statistics(tmp_path: Path) -> None:
    trace, out = build(close_4999, tmp_path), tmp_path / "out"
    with Serving(trace, tmp_path / "server") as serving:
        arguments = (trace, "--to", serving.url, "--sessions", 4, "--out", out)
        as_text, as_json = (
            subprocess.run(
                command(*arguments, *more), capture_output=True, text=True, check=False, cwd=ROOT
            )
            for more in ((), ("--json", "--keep", "all", "--workers", "1", "--max-wer", "0.1"))
        )
    assert (as_text.returncode, as_text.stderr) == (0, "")
    assert "4 of 4 sessions started" in as_text.stdout
    found = json.loads(as_json.stdout)
    assert (found["verdicts"]["reproduced"], found["workers"]) == (4, 1)
    assert found["tolerance"] == {"wer": 0.1}
    assert [result["session"] for result in found["results"]] == [1, 2, 3, 4]
    assert {Path(result["trace"]) for result in found["results"]} == set(out.glob("*.wstrace"))


@pytest.mark.one_python
@pytest.mark.sweep(keep=0)
def test_load_catalog_option_applies_to_all_processes(tmp_path: Path) -> None:
    trace, out, mine = build(close_1011, tmp_path), tmp_path / "out", tmp_path / "mine.toml"
    mine.write_text(MINE)
    arguments = ("--sessions", 1, "--out", out, "--keep", "all", "--catalog", mine)
    with Serving(trace, tmp_path / "server") as serving:
        done = subprocess.run(
            command(trace, "--to", serving.url, *arguments),
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert (done.returncode, done.stderr) == (0, "")
    (kept,) = out.glob("*.wstrace")
    assert Session.read(kept).findings[0].title == "The headset fell asleep again"


@pytest.mark.one_python
@pytest.mark.sweep(keep=0)
def test_load_no_record_writes_nothing(tmp_path: Path) -> None:
    trace, work = build(close_4999, tmp_path), tmp_path / "work"
    work.mkdir()
    with Serving(trace, tmp_path / "server") as serving:
        done = subprocess.run(
            command(trace, "--to", serving.url, "--sessions", 2, "--no-record", "--json"),
            capture_output=True,
            text=True,
            check=False,
            cwd=work,
            env={**os.environ, "TMPDIR": str(work)},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdicts"]["reproduced"] == 2
    assert [result["trace"] for result in found["results"]] == [None, None]
    assert list(work.iterdir()) == []


@pytest.mark.one_python
def test_load_command_unreproduced_session_fails(tmp_path: Path) -> None:
    trace, two_fast = build(close_4999, tmp_path), ("--sessions", 2, "--pace", "fast")
    with Serving(build(close_utf8, tmp_path), tmp_path / "server") as serving:
        ran = subprocess.run(
            command(trace, "--to", serving.url, *two_fast, "--out", tmp_path / "out"),
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )
    assert ran.returncode == 1
    assert "close_code" in ran.stdout


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "missing option '--sessions'"),
        (("--sessions", 2, "--repeat", 2), "unknown option --repeat"),
        (("--sessions", 2, "--until-verdict", "reproduced"), "unknown option --until-verdict"),
        (("--sessions", 2, "--bisect"), "unknown option --bisect"),
        (("--sessions", 2, "--no-record", "--keep", "all"), "--no-record excludes --keep"),
        (("--sessions", 10_001), "invalid --sessions value"),
    ],
)
def test_load_invalid_options_are_one_line(
    options: tuple[object, ...], says: str, tmp_path: Path
) -> None:
    trace = build(good, tmp_path)
    ran = wsproxy("load", trace, "--to", "ws://127.0.0.1:1", *options)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
    assert says in ran.stderr


def wait_for_nobody(group: int) -> None:
    """Wait until no process of a group is left."""
    with pytest.raises(ProcessLookupError):
        while True:
            os.killpg(group, 0)
            time.sleep(0.05)


@pytest.mark.one_python
@pytest.mark.sweep
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_load_interrupted_prints_statistics_so_far(how: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out"
    trace = lasting(tmp_path, 60_000)
    with Serving(trace, tmp_path / "server") as serving:
        process = subprocess.Popen(
            command(trace, "--to", serving.url, "--sessions", 6, "--out", out, "--json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        while len(list(out.glob("*.wstrace"))) < 6:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(output)
    assert (found["stopped"], found["started"], found["open"]) == (True, 6, 6)
    assert errors.startswith("stopped: 6 of 6 sessions started")
    assert "Traceback" not in errors
    assert {Session.read(path).ending for path in out.glob("*.wstrace")} == {"stopped"}
    wait_for_nobody(process.pid)


def test_load_killed_leaves_no_process(tmp_path: Path) -> None:
    out = tmp_path / "out"
    trace = lasting(tmp_path, 60_000)
    with Serving(trace, tmp_path / "server") as serving:
        process = subprocess.Popen(
            command(trace, "--to", serving.url, "--sessions", 2, "--out", out),
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
            start_new_session=True,
        )
        while len(list(out.glob("*.wstrace"))) < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
        process.wait()
        wait_for_nobody(process.pid)


# -- for people


def shown(**values: object) -> str:
    stats = LoadStats(10, 1.0, 2, **values)  # type: ignore[arg-type]
    return report.line(stats.as_json(results=False))


def test_load_progress_line_has_statistics() -> None:
    line = shown(begun=4, played=1, seconds=2.0)
    begin = "4 of 10 sessions started in 2.0 s, 3 open, 1 awaiting a verdict; timing error: p50 "
    assert line.startswith(begin)


@pytest.mark.one_python
def test_load_hostile_server_output_is_escaped() -> None:
    from rich.console import Console

    stats = LoadStats(1, 0, 1, notes=["\x1b[31m"])
    stats.add(SessionResult(1, "different", ("close\x1b[2J",), ("\x1b]0;x", "\x9b1m")))
    stats.add(SessionResult(2, error="\x1b[1m"))
    console = Console(width=200, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(report.screen(stats.as_json()))
    assert all(char.isprintable() or char == "\n" for char in capture.get())
