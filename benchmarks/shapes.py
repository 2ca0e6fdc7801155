"""Other shapes of traffic: frames of 20 bytes, 200 sessions, one connect after another."""

from __future__ import annotations

import asyncio
import gc
import sys
from statistics import median

from .measure import SMALL, Figures, added, measure_connects, measure_real_time, ratio
from .proxies import running

SMALL_SESSIONS = 60
MANY = 200
_SMALL = ("relay", "mitmdump", "wsproxy")
_MANY = ("direct", "relay", "mitmdump", "wsproxy")
_CONNECTS = ("mitmdump", "wsproxy")


def run(rounds: int, seconds: float) -> str:
    small = {name: Figures() for name in _SMALL}
    many = {name: Figures() for name in _MANY}
    connects: dict[tuple[str, str], list[tuple[float, float]]] = {
        (scheme, name): [] for scheme in ("ws", "wss") for name in _CONNECTS
    }
    for number in range(rounds):
        print(f"small, many, connects: round {number + 1} of {rounds}", file=sys.stderr)
        for name, out in small.items():
            with running(name) as proxy:
                gc.collect()
                asyncio.run(measure_real_time(proxy, False, SMALL_SESSIONS, seconds, out, SMALL))
        for name, out in many.items():
            with running(name) as proxy:
                gc.collect()
                asyncio.run(measure_real_time(proxy, False, MANY, seconds, out))
        for (scheme, name), found in connects.items():
            with running(name) as proxy:
                found.append(asyncio.run(measure_connects(proxy, scheme == "wss", seconds)))
    return "\n".join([*_small(small), "", *_many(many), "", *_connects(connects)])


def _small(figures: dict[str, Figures]) -> list[str]:
    ours = figures["wsproxy"].cpu_real_time
    lines = [
        f"\n| ws, frames of 20 bytes, {SMALL_SESSIONS} sessions | CPU per frame | wsproxy / this |",
        "|---|---|---|",
    ]
    for name, each in figures.items():
        cpu = each.cpu_real_time
        lines.append(f"| {name} | {median(cpu):.0f} µs | {ratio(ours, cpu):.2f} |")
    return lines


def _many(figures: dict[str, Figures]) -> list[str]:
    lines = [
        f"| ws, {MANY} sessions | frames in time | CPU per frame | latency p50 | p99 | added p99 |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in figures.items():
        late = median(added(figures["direct"].p99, each.p99))
        lines.append(
            f"| {name} | {median(each.passed) * 100:.0f} % | {median(each.cpu_real_time):.0f} µs "
            f"| {median(each.p50):.1f} ms | {median(each.p99):.1f} ms "
            f"| {'' if name == 'direct' else f'{late:.1f} ms'} |"
        )
    return lines


def _connects(figures: dict[tuple[str, str], list[tuple[float, float]]]) -> list[str]:
    lines = ["| connects | per second | CPU per connect |", "|---|---|---|"]
    for (scheme, name), found in figures.items():
        rate, cpu = median(f[0] for f in found), median(f[1] for f in found)
        lines.append(f"| {scheme} {name} | {rate:.0f} | {cpu:.1f} ms |")
    return lines
