"""Runs the contestants in turn and prints their figures: `python -m benchmarks [--quick]`.

Every round runs every contestant, so that a slow moment of the machine meets all of
them; figures are medians over the rounds, and ratios are taken within a round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import platform
import shutil
import sys
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from .load import Sessions, Sizes, burst, real_time
from .proxies import CONTESTANTS, ROOT, Proxy, running

SESSIONS = 60
BURST_SESSIONS = 4
REAL_TIME = Sizes(640, 300)
BURST = Sizes(8192, 300)


@dataclass
class Figures:
    """Of one contestant and scheme, a value a round."""

    cpu_real_time: list[float] = field(default_factory=list)  # µs a frame
    cpu_burst: list[float] = field(default_factory=list)  # µs a frame
    rate_burst: list[float] = field(default_factory=list)  # frames a second
    p50: list[float] = field(default_factory=list)  # ms
    p99: list[float] = field(default_factory=list)  # ms


async def measure_real_time(
    proxy: Proxy, tls: bool, count: int, seconds: float, out: Figures
) -> None:
    sessions = Sessions(REAL_TIME, proxy.port, tls)
    await sessions.open(count)
    try:
        await real_time(sessions, 1.0)  # warm
        sessions.take_latencies()
        cpu, frames = proxy.cpu(), sessions.received()
        await real_time(sessions, seconds)
        frames = sessions.received() - frames
        out.cpu_real_time.append((proxy.cpu() - cpu) / frames * 1e6)
        late = sorted(sessions.take_latencies())
        out.p50.append(late[len(late) // 2] / 1e6)
        out.p99.append(late[int(len(late) * 0.99)] / 1e6)
    finally:
        await sessions.close()


async def measure_burst(proxy: Proxy, tls: bool, frames: int, seconds: float, out: Figures) -> None:
    sessions = Sessions(BURST, proxy.port, tls)
    await sessions.open(BURST_SESSIONS)
    try:
        loop = asyncio.get_running_loop()
        cpu, started = proxy.cpu(), loop.time()
        await burst(sessions, frames, seconds)
        passed = sessions.received()
        out.rate_burst.append(passed / (loop.time() - started))
        # What the recorder still writes belongs to these frames.
        await settled(proxy)
        out.cpu_burst.append((proxy.cpu() - cpu) / max(passed, 1) * 1e6)
    finally:
        await sessions.close()


async def settled(proxy: Proxy) -> None:
    """Wait until the proxy has nothing to do any more, for at most 30 s."""
    for _ in range(60):
        before = proxy.cpu()
        await asyncio.sleep(0.5)
        if proxy.cpu() - before < 0.03:
            return


async def measure_memory(proxy: Proxy, messages: int) -> tuple[float, int]:
    """Growth of resident memory over so many messages of 8 KiB, MiB, and how many came."""
    sessions = Sessions(BURST, proxy.port, False)
    await sessions.open(1)
    most = 0.0
    try:
        await burst(sessions, messages // 20, 60)
        await settled(proxy)
        start = proxy.rss()

        async def watch() -> None:
            nonlocal most
            while True:
                most = max(most, proxy.rss())
                await asyncio.sleep(0.1)

        watching = asyncio.create_task(watch())
        await burst(sessions, messages, 300)
        watching.cancel()
        return most - start, sessions.received()
    finally:
        await sessions.close()


def run(count: int, rounds: int, seconds: float, frames: int, messages: int) -> str:
    figures = {(s, n): Figures() for s in ("ws", "wss") for n in ("direct", *CONTESTANTS)}
    for number in range(rounds):
        for (scheme, name), out in figures.items():
            print(f"round {number + 1} of {rounds}: {scheme} {name}", file=sys.stderr)
            gc.collect()
            with running(name) as proxy:
                asyncio.run(measure_real_time(proxy, scheme == "wss", count, seconds, out))
                asyncio.run(measure_burst(proxy, scheme == "wss", frames, seconds * 2, out))
    memory = {}
    for name in ("mitmdump", "wsproxy"):
        print(f"memory: {name}", file=sys.stderr)
        with running(name) as proxy:
            memory[name] = asyncio.run(measure_memory(proxy, messages))
    about = f"{count} sessions in real time, {rounds} rounds of {seconds:g} s"
    return report(figures, memory, about)


def ratio(ours: list[float], theirs: list[float]) -> float:
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def added(figures: dict[tuple[str, str], Figures], scheme: str, name: str) -> list[float]:
    """What a contestant adds to a direct connection's p99 latency, ms a round."""
    direct = figures[scheme, "direct"].p99
    return [max(p - d, 0.001) for p, d in zip(figures[scheme, name].p99, direct, strict=True)]


def report(
    figures: dict[tuple[str, str], Figures],
    memory: dict[str, tuple[float, int]],
    about: str,
) -> str:
    lines = [
        f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}, "
        f"{platform.machine()}, {about}; medians.",
        "",
        "| | CPU a frame, real time | CPU a frame, burst | frames/s, burst "
        "| latency p50 | p99 | added p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for (scheme, name), f in figures.items():
        more = "" if name == "direct" else f"{median(added(figures, scheme, name)):.2f} ms"
        lines.append(
            f"| {scheme} {name} | {median(f.cpu_real_time):.0f} µs "
            f"| {median(f.cpu_burst):.0f} µs | {median(f.rate_burst):.0f} "
            f"| {median(f.p50):.2f} ms | {median(f.p99):.2f} ms | {more} |"
        )
    lines += [
        "",
        "wsproxy against others, ratios (median of the rounds):",
        "",
        "| | CPU, real time | CPU, burst | added p99 |",
        "|---|---|---|---|",
    ]
    for scheme in ("ws", "wss"):
        ours = figures[scheme, "wsproxy"]
        for name in ("mitmdump", "mitmdump -w", "relay"):
            theirs = figures[scheme, name]
            late = ratio(added(figures, scheme, "wsproxy"), added(figures, scheme, name))
            lines.append(
                f"| {scheme}, to {name} | {ratio(ours.cpu_real_time, theirs.cpu_real_time):.2f} "
                f"| {ratio(ours.cpu_burst, theirs.cpu_burst):.2f} | {late:.2f} |"
            )
    lines += ["", "| | growth of RSS | over |", "|---|---|---|"]
    for name, (growth, count) in memory.items():
        lines.append(f"| {name} | {growth:.1f} MiB | {count} messages of 8 KiB |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="at the real-time pace")
    parser.add_argument("--save", action="store_true", help="write benchmarks/RESULTS.md")
    options = parser.parse_args()
    quick, full = (1, 3.0, 8_000, 20_000), (3, 8.0, 24_000, 100_000)
    text = run(options.sessions, *(quick if options.quick else full))
    print(text)
    if options.save:
        (Path(__file__).parent / "RESULTS.md").write_text(
            f"# Results\n\nOf `python -m benchmarks`, on 2 cores.\n\n{text}\n"
        )
    shutil.rmtree(ROOT / ".bench-ca", ignore_errors=True)


if __name__ == "__main__":
    main()
