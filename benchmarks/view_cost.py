"""What a live page costs the recorder.

`python -m benchmarks.view_cost [--rounds 3] [--seconds 6]` records the same load with `record`,
with `record --view` without a page, and with the start page and the page of a session open in
Chromium. It prints the processor time of the recorder's process for each frame, and the latency of
the relay. All run in turn; ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import sync_playwright

from wsproxy.statistics import percentile

from .live_view import chromium
from .load import Sessions, real_time
from .measure import REAL_TIME, Figures, ratio
from .proxies import Proxy, free_port, wait_for

SESSIONS = 20
PLAIN, WITHOUT_PAGE, WITH_PAGE = "record", "record --view", "record --view, pages open"


@contextmanager
def recorder(view: bool) -> Iterator[tuple[Proxy, str]]:
    """A recorder, and the URL of its pages; "" without."""
    with tempfile.TemporaryDirectory(prefix="wsproxy-bench-") as folder:
        port = free_port()
        command = [sys.executable, "-m", "wsproxy", "record", f"--listen=127.0.0.1:{port}"]
        command += [f"--out={folder}", *(["--view"] if view else [])]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if view else subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                wait_for(port, lambda: process.poll() is None)
                url = ""
                if process.stderr is not None:
                    url = next(word for word in _words(process.stderr) if "http://" in word)
                yield Proxy("record", port, process.pid, Path(folder)), url
            finally:
                process.terminate()


def _words(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield from line.split()


@contextmanager
def open_pages(url: str) -> Iterator[None]:
    """The start page and the page of a session, in a browser in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.view_cost", "--pages", url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.stdin.close()
        assert process.stdout.readline() == "they grew\n"


def show_pages(url: str) -> None:
    """Open the pages, until the standard input ends."""
    count = "Number(document.querySelector('output.found').textContent.match(/of (\\d+)/)[1])"
    with sync_playwright() as driver:
        browser = chromium(driver)
        start = browser.new_page()
        start.goto(url)
        link = start.wait_for_selector("#sessions tbody a")
        page = browser.new_page()
        assert link is not None
        page.goto(f"{url}{link.get_attribute('href')}")
        page.wait_for_selector("html[data-scripted]")
        before = page.evaluate(count)
        print("open", flush=True)
        sys.stdin.read()
        page.wait_for_timeout(500)
        assert page.evaluate(count) > before
        print("they grew", flush=True)


async def measure(name: str, seconds: float, out: Figures) -> None:
    with recorder(name != PLAIN) as (proxy, url):
        sessions = Sessions(REAL_TIME, proxy.port, False)
        await sessions.open(SESSIONS)
        try:
            await real_time(sessions, 2.0)  # warm, and something to see
            if name == WITH_PAGE:
                with open_pages(url):
                    await _measured(proxy, sessions, seconds, out)
            else:
                await _measured(proxy, sessions, seconds, out)
        finally:
            await sessions.close()


async def _measured(proxy: Proxy, sessions: Sessions, seconds: float, out: Figures) -> None:
    await real_time(sessions, 1.0)
    sessions.take_latencies()
    cpu, frames = proxy.cpu(), sessions.received()
    await real_time(sessions, seconds)
    out.cpu_real_time.append((proxy.cpu() - cpu) / (sessions.received() - frames) * 1e6)
    late = sorted(sessions.take_latencies())
    out.p50.append(percentile(late, 0.5) / 1e6)
    out.p99.append(percentile(late, 0.99) / 1e6)


def report(figures: dict[str, Figures]) -> str:
    plain = figures[PLAIN]
    lines = [
        "| | CPU per frame | latency p50 | p99 | CPU, ratio | p50, ratio | p99, ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, f in figures.items():
        lines.append(
            f"| `{name}` | {median(f.cpu_real_time):.0f} µs | {median(f.p50):.2f} ms "
            f"| {median(f.p99):.2f} ms | {ratio(f.cpu_real_time, plain.cpu_real_time):.2f} "
            f"| {ratio(f.p50, plain.p50):.2f} | {ratio(f.p99, plain.p99):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.view_cost", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--pages", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.pages:
        show_pages(given.pages)
        return
    figures = {name: Figures() for name in (PLAIN, WITHOUT_PAGE, WITH_PAGE)}
    for number in range(given.rounds):
        for name, out in figures.items():
            print(f"round {number + 1} of {given.rounds}: {name}", file=sys.stderr)
            asyncio.run(measure(name, given.seconds, out))
            time.sleep(0.5)
    print(report(figures))


if __name__ == "__main__":
    main()
