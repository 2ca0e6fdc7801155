"""What the live pages of `wsproxy view` cost, and how late they are.

`python -m benchmarks.live_view [--seconds 300]` records 20 sessions at the same time, and shows
them in Chromium: the start page, and the pages of some sessions. It prints how late frames were
shown, the memory of the pages after a garbage collection, and the processor time of the server and
of the pages. With `--age 280 --seconds 20`, the sessions are as long as at the end of five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, Playwright, sync_playwright

from wsproxy.recorder import Clock, new_start
from wsproxy.statistics import percentile
from wsproxy.trace import FrameRecord, Record, Request, Response, TraceWriter, lock
from wsproxy.wire import Opcode

SESSIONS = 20
OPEN_PAGES = 4  # of sessions, besides the start page
FLUSH = 0.12  # seconds between two blocks, as a recorder writes them
AUDIO_EVERY, TEXT_EVERY = 0.02, 0.3  # seconds between two messages of a session
CHUNK = bytes(range(256)) * 2 + bytes(128)  # 20 ms at 16 kHz
# Notes when each count of frames was first shown; `count` is a function of the page. What it notes
# is not in the heap that is measured.
WATCH = """
  const lists = {};
  setInterval(() => {
    for (const [name, count] of Object.entries(counts())) {
      const list = (lists[name] ??= { pairs: new Float64Array(8000), length: 0 });
      if (list.length && list.pairs[list.length - 1] === count) continue;
      list.pairs.set([Date.now() / 1000, count], list.length);
      list.length += 2;
    }
  }, 20);
  window.shown = () => Object.fromEntries(Object.entries(lists).map(([name, { pairs, length }]) =>
    [name, Array.from({ length: length / 2 }, (_, at) => [pairs[2 * at], pairs[2 * at + 1]])]));
"""
START_COUNTS = """
  const counts = () => Object.fromEntries([...document.querySelectorAll("#sessions tbody tr")].map(
    (row) => [row.cells[1].lastElementChild.textContent,
      row.cells[3].textContent.match(/\\d+/g)?.map(Number).reduce((a, b) => a + b) ?? 0]));
"""
SESSION_COUNTS = """
  const counts = () => ({
    [document.querySelector("footer code").textContent]:
      Number(document.querySelector(".frame-browser .found").textContent.match(/of (\\d+)/)[1]),
  });
"""


class Recording:
    """A session that is recorded in real time.

    Args:
        age: seconds since it began.

    Attributes:
        written: (Unix time, number of frames) at each block.
    """

    def __init__(self, folder: Path, number: int, age: float) -> None:
        self.name = f"session-{number:02}.wstrace"
        self._file = (folder / self.name).open("xb", buffering=0)
        lock.hold(self._file.fileno())
        self._began = time.time() - age
        clock = Clock(round(self._began * 1e9), 0)
        start = new_start(clock, provider="deepgram", api="listen")
        self._writer = TraceWriter(self._file, start.session)
        self._count = 0
        self._next = [0.0, 0.0]
        self.written: list[tuple[float, int]] = []
        path = "/v1/listen?encoding=linear16&sample_rate=16000"
        headers = [["Upgrade", "websocket"]]
        head: list[Record] = [
            start,
            Request(0, "GET", "wss", "api.deepgram.com", 443, path, headers=headers),
            Response(1, 101),
        ]
        for record in head:
            self._writer.write(record)

    def write(self) -> None:
        """Write the frames that are due, as a block."""
        now = time.time() - self._began
        while min(self._next) <= now:
            is_text = self._next[1] < self._next[0]
            t = min(self._next)
            self._next[is_text] += TEXT_EVERY if is_text else AUDIO_EVERY
            self._count += 1
            self._writer.write(self._text(t) if is_text else _audio(t))
        self._writer.flush()
        self.written.append((time.time(), self._count))

    def _text(self, t: float) -> FrameRecord:
        words = f"word {self._count}"
        final = self._count % 5 == 0
        content = {
            "type": "Results",
            "is_final": final,
            "start": max(0.0, t - 1),
            "duration": 1.0,
            "channel": {"alternatives": [{"transcript": words, "confidence": 0.9}]},
        }
        payload = json.dumps(content).encode()
        return FrameRecord(round(t * 1e9), False, int(Opcode.TEXT), payload, wire_length=200)

    def close(self) -> None:
        self._writer.finish()
        self._file.close()


def _audio(t: float) -> FrameRecord:
    return FrameRecord(round(t * 1e9), True, int(Opcode.BINARY), CHUNK, wire_length=650)


@contextmanager
def viewer(folder: Path) -> Iterator[tuple[str, int]]:
    """The server: its URL, and the id of its process."""
    command = [sys.executable, "-m", "wsproxy", "view", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()


def record(recordings: list[Recording], stopped: threading.Event) -> None:
    while not stopped.wait(FLUSH):
        for each in recordings:
            each.write()


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000


def heap_mb(session: CDPSession) -> float:
    for _ in range(2):  # the first one finds documents that the second one frees
        session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def figure(session: CDPSession, name: str) -> float:
    """A figure of a page: "TaskDuration" (seconds of its thread), "Nodes" (of its document)."""
    figures = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in figures if each["name"] == name))


def task_seconds(session: CDPSession) -> float:
    return figure(session, "TaskDuration")


def delays(page: Page, recordings: list[Recording]) -> list[float]:
    """How late each block was shown, seconds."""
    shown: dict[str, list[list[float]]] = page.evaluate("window.shown()")
    found = []
    for each in recordings:
        seen = shown.get(each.name, [])
        first = seen[0] if seen else [0, 0]
        for at, count in each.written:
            if at < first[0]:
                continue  # before the page was open
            time_shown = next((t for t, number in seen if number >= count), None)
            if time_shown is not None:
                found.append(max(0.0, time_shown - at))
    return found


def line_of(name: str, found: list[float]) -> str:
    p50, p99 = percentile(found, 0.5), percentile(found, 0.99)
    return f"{name}: p50 {p50:.2f} s, p99 {p99:.2f} s, max {max(found):.2f} s ({len(found)} blocks)"


def chromium(driver: Playwright) -> Browser:
    arguments = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    places = ("/usr/bin/chromium", "/usr/bin/google-chrome")
    path = next(filter(os.path.exists, places), None)
    return driver.chromium.launch(executable_path=path, args=arguments)


def measure(seconds: float, age: float) -> None:
    recordings: list[Recording] = []
    stopped = threading.Event()
    with (
        tempfile.TemporaryDirectory() as place,
        viewer(Path(place)) as (url, pid),
        sync_playwright() as driver,
    ):
        folder = Path(place)
        recordings += [Recording(folder, number, age) for number in range(SESSIONS)]
        writer = threading.Thread(target=record, args=(recordings, stopped))
        writer.start()
        try:
            browser = chromium(driver)
            pages = open_pages(browser, url)
            watch(pages, seconds, pid)
            print(line_of("start page", delays(pages[0], recordings)))
            late = [each for page in pages[1:] for each in delays(page, recordings)]
            print(line_of("pages of sessions", late))
            browser.close()
        finally:
            stopped.set()
            writer.join()
            for each in recordings:
                each.close()


def open_pages(browser: Any, url: str) -> list[Page]:
    """The start page, and the pages of the first sessions."""
    context = browser.new_context(bypass_csp=True)
    start = context.new_page()
    start.goto(url)
    start.wait_for_function(
        f"document.querySelectorAll('#sessions tbody tr').length === {SESSIONS}"
    )
    links = [a.get_attribute("href") for a in start.locator("#sessions tbody a").all()]
    pages = [start]
    for link in links[:OPEN_PAGES]:
        page = context.new_page()
        page.goto(url + link)
        page.wait_for_selector("html[data-scripted]")
        pages.append(page)
    for page, counts in zip(pages, [START_COUNTS, *[SESSION_COUNTS] * OPEN_PAGES], strict=True):
        page.evaluate(f"() => {{ {counts} window.counts = counts; {WATCH} }}")
    return pages


def watch(pages: list[Page], seconds: float, pid: int) -> None:
    """Print the memory and the processor time of the pages and of the server, every 10 s."""
    sessions = [page.context.new_cdp_session(page) for page in pages]
    for each in sessions:
        each.send("Performance.enable")
    end = time.monotonic() + seconds
    cpu, tasks, at = cpu_seconds(pid), [task_seconds(each) for each in sessions], time.monotonic()
    while time.monotonic() < end:
        pages[0].wait_for_timeout(min(10.0, seconds / 4) * 1000)
        now = time.monotonic()
        used = (cpu_seconds(pid) - cpu) / (now - at) * 100
        busy = [
            (task_seconds(e) - t) / (now - at) * 100 for e, t in zip(sessions, tasks, strict=True)
        ]
        # Nodes at once after the collection: each update makes garbage.
        memory = [(heap_mb(each), figure(each, "Nodes") / 1000) for each in sessions]
        heaps, nodes = (", ".join(f"{n:.1f}" for n in each) for each in zip(*memory, strict=True))
        cpu, tasks, at = cpu_seconds(pid), [task_seconds(e) for e in sessions], time.monotonic()
        shares = ", ".join(f"{each:.0f}" for each in busy)
        print(
            f"pages {heaps} MB, {nodes} thousand nodes, {shares} % of a core; "
            f"server {resident_mb(pid):.0f} MB, {used:.0f} % of a core",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--age", type=float, default=0.0, help="of the sessions, at the beginning")
    given = parser.parse_args()
    measure(given.seconds, given.age)
