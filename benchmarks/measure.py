"""What is measured of one contestant, and how."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter

from wsproxy.statistics import percentile

from .load import Sessions, Sizes, burst, real_time
from .proxies import Proxy

BURST_SESSIONS = 4
REAL_TIME = Sizes(640, 300)
SMALL = Sizes(20, 20)
BURST = Sizes(8192, 300)


@dataclass
class Figures:
    """Of one contestant and scheme, a value a round."""

    cpu_real_time: list[float] = field(default_factory=list)  # µs a frame
    cpu_burst: list[float] = field(default_factory=list)  # µs a frame
    rate_burst: list[float] = field(default_factory=list)  # frames a second
    p50: list[float] = field(default_factory=list)  # ms
    p99: list[float] = field(default_factory=list)  # ms
    passed: list[float] = field(default_factory=list)  # of the frames sent in real time, a part


async def measure_real_time(
    proxy: Proxy, tls: bool, count: int, seconds: float, out: Figures, sizes: Sizes = REAL_TIME
) -> None:
    sessions = Sessions(sizes, proxy.port, tls)
    await sessions.open(count)
    try:
        await real_time(sessions, 1.0)  # warm
        sessions.take_latencies()
        cpu, frames = proxy.cpu(), sessions.received()
        await real_time(sessions, seconds)
        frames = sessions.received() - frames
        out.cpu_real_time.append((proxy.cpu() - cpu) / frames * 1e6)
        # A frame every 20 ms from each app, and every 100 ms from the server.
        out.passed.append(frames / (count * seconds * 60))
        late = sorted(sessions.take_latencies())
        out.p50.append(percentile(late, 0.5) / 1e6)
        out.p99.append(percentile(late, 0.99) / 1e6)
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
    """Growth of resident memory in MiB over many messages of 8 KiB, and how many arrived."""
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


async def measure_connects(
    proxy: Proxy, tls: bool, seconds: float, at_once: int = 4
) -> tuple[float, float]:
    """Sessions that are opened and cut a second, and CPU for each, ms."""
    loop = asyncio.get_running_loop()
    sessions = Sessions(REAL_TIME, proxy.port, tls)
    await sessions.open(1)
    cpu, started, done = proxy.cpu(), perf_counter(), 0

    async def connect() -> None:
        nonlocal done
        while perf_counter() - started < seconds:
            client = await sessions.connect()
            await client.open
            client.transport.abort()
            done += 1

    try:
        await asyncio.gather(*(connect() for _ in range(at_once)))
        rate = done / (perf_counter() - started)
        await settled(proxy)
        return rate, (proxy.cpu() - cpu) / done * 1e3
    finally:
        await sessions.close()
        await loop.shutdown_default_executor()


def ratio(ours: list[float], theirs: list[float]) -> float:
    return median(a / b for a, b in zip(ours, theirs, strict=True))


def added(direct: list[float], through: list[float]) -> list[float]:
    """What a contestant adds to a direct connection's latency, ms a round."""
    return [max(ms - less, 0.001) for ms, less in zip(through, direct, strict=True)]
