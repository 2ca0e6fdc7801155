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
from importlib.metadata import version
from pathlib import Path
from statistics import median

from . import shapes
from .measure import (
    Figures,
    added,
    measure_burst,
    measure_memory,
    measure_real_time,
    ratio,
)
from .proxies import CONTESTANTS, ROOT, running

SESSIONS = 60


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


def late(figures: dict[tuple[str, str], Figures], scheme: str, name: str) -> list[float]:
    return added(figures[scheme, "direct"].p99, figures[scheme, name].p99)


def report(
    figures: dict[tuple[str, str], Figures],
    memory: dict[str, tuple[float, int]],
    about: str,
) -> str:
    lines = [
        f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}, "
        f"{platform.machine()}, {about}; medians.",
        "",
        "| | CPU per frame, real time | CPU per frame, burst | frames/s, burst "
        "| latency p50 | p99 | added p99 |",
        "|---|---|---|---|---|---|---|",
    ]
    for (scheme, name), f in figures.items():
        more = "" if name == "direct" else f"{median(late(figures, scheme, name)):.2f} ms"
        lines.append(
            f"| {scheme} {name} | {median(f.cpu_real_time):.0f} µs "
            f"| {median(f.cpu_burst):.0f} µs | {median(f.rate_burst):.0f} "
            f"| {median(f.p50):.2f} ms | {median(f.p99):.2f} ms | {more} |"
        )
    lines += [
        "",
        "Ratio of wsproxy to the others (median of the rounds):",
        "",
        "| | CPU, real time | CPU, burst | added p99 |",
        "|---|---|---|---|",
    ]
    for scheme in ("ws", "wss"):
        ours = figures[scheme, "wsproxy"]
        for name in ("mitmdump", "mitmdump -w", "relay"):
            theirs = figures[scheme, name]
            added_p99 = ratio(late(figures, scheme, "wsproxy"), late(figures, scheme, name))
            lines.append(
                f"| {scheme}, against {name} "
                f"| {ratio(ours.cpu_real_time, theirs.cpu_real_time):.2f} "
                f"| {ratio(ours.cpu_burst, theirs.cpu_burst):.2f} | {added_p99:.2f} |"
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
    more = shapes.run(*((1, 2.0) if options.quick else (3, 6.0)))
    print(more)
    text += f"\n{more}"
    if options.save:
        (Path(__file__).parent / "RESULTS.md").write_text(
            "# Results\n\nThese are the results of `python -m benchmarks` on 2 cores: what each "
            f"proxy costs.\n\n{text}\n"
        )
    shutil.rmtree(ROOT / ".bench-ca", ignore_errors=True)


if __name__ == "__main__":
    main()
