"""Many real-time sessions for a long time: does anything grow, get lost, or stay behind?

`python -m benchmarks.soak --sessions 200 --minutes 30`. The recorder, the apps with their
server (`crowd`) and the reader of the traces (`trace_check`) are a process each. A line a minute is
printed, and the report is written anew each minute, so that it is there however this ends;
SIGINT and SIGTERM end it properly.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from textwrap import fill
from typing import Any

from wsproxy.statistics import nearest_rank

from .crowd import Histogram, Settings
from .proxies import ROOT, Proxy, free_port, running, wait_for

SAMPLE_EVERY = 10.0  # seconds
WARM = 2  # times the longest session: until then what was freed is not all used again
RAMP = 10.0  # sessions begun a second at the start
SETTLING = 90.0  # seconds in which sessions must end and free what they hold
SPARE_DISK = 10 << 30  # bytes; it stops when there is less


@dataclass(frozen=True)
class Sample:
    """The recorder at a moment.

    Attributes:
        at: seconds since the start.
        rss: MiB.
        cpu: seconds so far.
        traces: bytes in the folder of the traces.
    """

    at: float
    rss: float
    files: int
    threads: int
    tasks: int
    cpu: float
    traces: int
    sessions: int


@dataclass
class Found:
    """What the other processes have reported so far."""

    ended: int = 0
    open: int = 0
    not_closed: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    missed_on_the_way: int = 0
    wrong_on_the_way: int = 0
    read: int = 0
    missing: int = 0
    wrong: int = 0
    incomplete: int = 0
    left: int = 0
    proxied: Counter[int] = field(default_factory=Counter)
    direct: Counter[int] = field(default_factory=Counter)
    late: Counter[int] = field(default_factory=Counter)

    def take(self, line: dict[str, Any]) -> None:
        match line.pop("kind"):
            case "figures":
                self.open = line["sessions"]
                for name in ("proxied", "direct", "late"):
                    counts = {int(step): n for step, n in line[name].items()}
                    getattr(self, name).update(counts)
            case "ended" if line["proxied"]:
                self.ended += 1
                self.frames += sum(line["received"])
                self.missed_on_the_way += sum(line["sent"]) - sum(line["received"])
                self.wrong_on_the_way += line["wrong"]
                if line["how"] != "close":
                    self.not_closed[line["how"]] += 1
            case "checked":
                self.read += 1
                self.missing += line["missing"]
                self.wrong += line["wrong"]
                self.incomplete += not line["complete"]
            case "left":
                self.left += 1


class Soak:
    """One run.

    Args:
        seconds: that it lasts once all sessions are up.
        report: the file that the report is written to.
    """

    def __init__(
        self, settings: Settings, proxy: Proxy, inside: int, seconds: float, report: Path
    ) -> None:
        self._settings = settings
        self._proxy = proxy
        self._inside = inside
        self._seconds = seconds
        self._report = report
        self._found = Found()
        self._samples: list[Sample] = []
        self._warm = 0  # samples before the sessions were as old as they get
        self._stop = threading.Event()
        self._why = "time"
        self._started = time.monotonic()
        self._listeners: list[threading.Thread] = []
        self._before: Sample | None = None
        self._after: Sample | None = None

    def stop(self, why: str) -> None:
        self._why = why
        self._stop.set()

    def run(self) -> bool:
        """Returns whether nothing is missing and nothing is left over."""
        self._before = self._sample()
        crowd = self._start("crowd", json.dumps(asdict(self._settings)))
        checker = self._start("trace_check", str(self._proxy.folder), nice=19)
        self._listen(crowd, checker)
        self._listen(checker)
        self._watch(crowd, checker)
        print("ending the sessions", flush=True)
        for process, listener in zip((crowd, checker), self._listeners, strict=True):
            assert process.stdin
            process.stdin.close()
            try:
                process.wait(3 * SETTLING)
            except subprocess.TimeoutExpired:
                self._why += f", and {process.args[5]!r} did not end"  # type: ignore[index]
                process.kill()
            listener.join()
        self._settle()
        self._write()
        return self.good

    @property
    def good(self) -> bool:
        found, before, after = self._found, self._before, self._after
        lost = found.missing + found.wrong + found.missed_on_the_way + found.incomplete
        assert before is not None
        return (
            not lost
            and found.read == found.ended > 0
            and after is not None
            and (after.files, after.tasks) <= (before.files, before.tasks)
        )

    def _start(self, name: str, *arguments: str, nice: int = 0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["nice", "-n", str(nice), sys.executable, "-m", f"benchmarks.{name}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process; it ends them in their order
        )

    def _listen(
        self, process: subprocess.Popen[str], checker: subprocess.Popen[str] | None = None
    ) -> None:
        def run() -> None:
            assert process.stdout
            for line in process.stdout:
                report = json.loads(line)
                if checker is not None and report["kind"] == "ended" and report["proxied"]:
                    assert checker.stdin
                    checker.stdin.write(line)
                    checker.stdin.flush()
                self._found.take(report)

        self._listeners.append(threading.Thread(target=run, daemon=True))
        self._listeners[-1].start()

    def _watch(self, *processes: subprocess.Popen[str]) -> None:
        """Sample until the time is up; what counts begins after the warm-up."""
        warm_up = self._settings.ramp_seconds + WARM * self._settings.longest
        warm_at = time.monotonic() + warm_up
        until = warm_at + self._seconds
        self._stop.wait(self._settings.ramp_seconds)
        while not self._stop.is_set() and time.monotonic() < until:
            if not self._warm and time.monotonic() >= warm_at:
                self._warm = len(self._samples)
                for each in (self._found.proxied, self._found.direct, self._found.late):
                    each.clear()
            self._samples.append(self._sample())
            if any(process.poll() is not None for process in processes):
                self.stop("a process of the benchmark has ended")
            if shutil.disk_usage(self._proxy.folder).free < SPARE_DISK:
                self.stop("the disk is full")
            if len(self._samples) % round(60 / SAMPLE_EVERY) == 1:
                self._say()
                self._write()
            next_at = warm_at if not self._warm and time.monotonic() < warm_at else until
            self._stop.wait(min(SAMPLE_EVERY, max(0.0, next_at - time.monotonic())))
        self._samples.append(self._sample())

    def _settle(self) -> None:
        """Wait until the recorder has let go of everything, or has had the time for it."""
        deadline = time.monotonic() + SETTLING
        assert self._before is not None
        while True:
            self._after = self._sample()
            if self._after.files <= self._before.files and self._after.tasks <= self._before.tasks:
                return
            if time.monotonic() > deadline:
                return
            time.sleep(1)

    def _sample(self) -> Sample:
        status = Path(f"/proc/{self._proxy.pid}/status").read_text().splitlines()
        (threads,) = (int(line.split()[1]) for line in status if line.startswith("Threads:"))
        return Sample(
            time.monotonic() - self._started,
            self._proxy.rss(),
            len(os.listdir(f"/proc/{self._proxy.pid}/fd")),  # noqa: PTH208
            threads,
            self._tasks(),
            self._proxy.cpu(),
            sum(size_of(each) for each in self._proxy.folder.iterdir()),
            self._found.open,
        )

    def _tasks(self) -> int:
        with socket.create_connection(("127.0.0.1", self._inside), 30) as sock:
            sock.sendall(b"tasks\n")
            with sock.makefile("rb") as answer:
                return int(json.loads(answer.read())["tasks"])

    # -- what it says

    def _say(self) -> None:
        now, found = self._samples[-1], self._found
        print(
            f"{now.at / 60:5.1f} min  {now.sessions} sessions  RSS {now.rss:.0f} MiB  "
            f"files {now.files}  tasks {now.tasks}  traces {now.traces / 2**20:.0f} MiB  "
            f"ended {found.ended}, read {found.read}, missing {found.missing}, "
            f"wrong {found.wrong}, incomplete {found.incomplete}  "
            f"p99 {percentile(found.proxied, 0.99):.1f} ms "
            f"(direct {percentile(found.direct, 0.99):.1f}, "
            f"load late {percentile(found.late, 0.99):.1f})",
            flush=True,
        )

    def _write(self) -> None:
        text = report(
            self._settings,
            self._samples,
            self._warm,
            self._found,
            self._before,
            self._after,
            self._why if self._after or self._stop.is_set() else "it still runs",
        )
        unfinished = self._report.with_suffix(".new")
        unfinished.write_text(text)
        unfinished.rename(self._report)


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def percentile(counts: Counter[int], part: float) -> float:
    """Of a histogram's counts, ms; 0 if there are none."""
    left = nearest_rank(sum(counts.values()), part)
    for step in sorted(counts):
        left -= counts[step]
        if left < 0:
            return (step + 0.5) * (1 << Histogram.STEP) / 1e6
    return 0.0


def report(
    settings: Settings,
    samples: list[Sample],
    warm: int,
    found: Found,
    before: Sample | None,
    after: Sample | None,
    why: str,
) -> str:
    if not samples or before is None:
        return "# Soak\n\nThe run was stopped before all sessions were open.\n"
    counted = samples[warm:]
    third = max(1, len(counted) // 3)
    first = mean(s.rss for s in counted[:third])
    last = mean(s.rss for s in counted[-third:])
    minutes = (counted[-1].at - counted[0].at) / 60
    cpu = counted[-1].cpu - counted[0].cpu
    late = {
        name: [percentile(getattr(found, name), part) for part in (0.5, 0.99, 0.999)]
        for name in ("direct", "proxied", "late")
    }
    added = late["proxied"][1] - late["direct"][1]
    most = max(found.late, default=0) * (1 << Histogram.STEP) / 1e6
    what = (
        f"{settings.sessions} concurrent sessions of {settings.shortest:g} to "
        f"{settings.longest:g} s over ws. The app sends "
        f"{settings.size} bytes every {settings.every * 1000:g} ms, the server one result per "
        f"second. Duration: {minutes:.1f} minutes "
        f"{'after' if warm else 'of'} a warm-up {WARM} times as long as the longest "
        f"session. Ended by: {why}."
    )
    lines = [
        "# Soak",
        "",
        f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}, "
        f"{platform.machine()}, {os.cpu_count()} cores, load average at the end "
        f"{os.getloadavg()[1]:.1f}.",
        fill(what, 100),
        "",
        "| | |",
        "|---|---|",
        f"| sessions that ended | {found.ended}, without a closing handshake "
        f"{found.not_closed.total()} {dict(found.not_closed) or ''} |",
        f"| frames that servers and clients counted | {found.frames} |",
        f"| sent and not received | {found.missed_on_the_way}, out of order "
        f"{found.wrong_on_the_way} |",
        f"| traces read | {found.read}, incomplete {found.incomplete} |",
        f"| frames missing from the traces | {found.missing}, out of order {found.wrong} |",
        f"| RSS, mean of the first and of the last third | {first:.1f} MiB, {last:.1f} MiB: "
        f"{(last / first - 1) * 100:+.1f} % (before: {before.rss:.0f} MiB, max: "
        f"{max(s.rss for s in samples):.0f} MiB) |",
        counts("files", before, samples, after),
        counts("tasks", before, samples, after),
        counts("threads", before, samples, after),
        "| latency p50, p99, p99.9 | "
        + "; ".join(
            f"{name} {a:.2f}, {b:.2f}, {c:.2f} ms"
            for name, (a, b, c) in late.items()
            if name != "late"
        )
        + f" |\n| added latency, p99 | {added:.2f} ms |",
        f"| lateness of the load | p50 {late['late'][0]:.2f}, p99 {late['late'][1]:.2f}, "
        f"max {most:.1f} ms |",
        f"| CPU of the recorder | {cpu / max(minutes * 60, 1) * 100:.0f} % of one core |",
        "| max size of traces on disk, not read yet "
        f"| {max(s.traces for s in samples) / 2**20:.0f} MiB |",
        "",
        "By minute:",
        "",
        "| min | sessions | RSS, MiB | files | threads | tasks |",
        "|---|---|---|---|---|---|",
    ]
    step = max(1, round(60 / SAMPLE_EVERY))
    lines += [
        f"| {s.at / 60:.1f} | {s.sessions} | {s.rss:.1f} | {s.files} | {s.threads} | {s.tasks} |"
        for s in samples[::step]
    ]
    return "\n".join(lines) + "\n"


def counts(name: str, before: Sample, samples: list[Sample], after: Sample | None) -> str:
    most = max(getattr(s, name) for s in samples)
    end = getattr(after, name) if after is not None else "?"
    return f"| {name}: before, max, after | {getattr(before, name)}, {most}, {end} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--sessions", type=int, default=200, help="at a time")
    parser.add_argument("--minutes", type=float, default=30.0, help="after all are up")
    parser.add_argument("--size", type=int, default=640, help="bytes of a frame of the app")
    parser.add_argument("--every", type=float, default=20.0, help="ms between two of them")
    parser.add_argument("--shortest", type=float, default=60.0, help="s that a session lasts")
    parser.add_argument("--longest", type=float, default=300.0, help="s that a session lasts")
    parser.add_argument("--ramp", type=float, default=RAMP, help="sessions begun a second")
    parser.add_argument("--report", type=Path, default=Path("soak.md"), help="where it goes")
    parser.add_argument("--save", action="store_true", help="to benchmarks/SOAK.md")
    options = parser.parse_args()
    target = Path(__file__).with_name("SOAK.md") if options.save else options.report
    inside = free_port()
    with running(
        "wsproxy", "-s", "tests/support/object_counter.py", "--set", f"object_counter_port={inside}"
    ) as proxy:
        assert proxy.port is not None
        wait_for(inside)
        soak = Soak(
            Settings(
                proxy.port,
                options.sessions,
                options.size,
                options.every / 1000,
                options.shortest,
                options.longest,
                options.ramp,
            ),
            proxy,
            inside,
            options.minutes * 60,
            target,
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: soak.stop("a signal"))
        good = soak.run()
    print(target.read_text())
    sys.exit(not good)


if __name__ == "__main__":
    main()
