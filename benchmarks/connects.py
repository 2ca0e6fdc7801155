"""A burst of connects: how many a second are answered, and is each of them recorded?

`python -m benchmarks.connects [--connects 1000]`: 1,000 clients connect at once, upgrade, say
one message and get one, and close; the same through bare mitmdump, through the recorder and
directly. The load is one process and the proxy another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import shutil
import socket
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from wsproxy.session import Session
from wsproxy.trace import SUFFIX

from .load import ANSWER, KEY, header
from .proxies import ROOT, Proxy, free_port, running, wait_for

WORD = header(5, opcode=1, masked=True) + b"hello"
ANSWERED = header(5, opcode=1, masked=False) + b"hello"
PATIENCE = 120.0  # seconds


@dataclass(frozen=True)
class Burst:
    """Figures of one burst.

    Attributes:
        answered: sessions that got their message.
        seconds: until the last of them had.
        slowest: seconds from a client's connect to its message, the most of all.
    """

    answered: int
    seconds: float
    slowest: float


async def burst(proxy: int | None, count: int) -> Burst:
    """Connect `count` clients at once."""
    serving: set[asyncio.Task[None] | None] = set()
    took: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await reader.readexactly(len(WORD))
            writer.write(ANSWERED)
            await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async def client() -> None:
        started = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy or port)
        if proxy:
            writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
        writer.write(
            f"GET /v1/listen HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(WORD)
        if await reader.readexactly(len(ANSWERED)) == ANSWERED:
            took.append(time.monotonic() - started)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(client() for _ in range(count)), return_exceptions=True)
    seconds = time.monotonic() - started
    server.close()
    await asyncio.wait([each for each in serving if each], timeout=PATIENCE)
    return Burst(len(took), seconds, max(took, default=0.0))


def recorded(proxy: Proxy, count: int) -> int:
    """How many traces of the burst are complete; waits for them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        paths = list(proxy.folder.glob(f"*{SUFFIX}"))
        sessions = [Session.read(path) for path in paths]
        whole = sum(s.complete and (s.sent.frames, s.received.frames) == (1, 1) for s in sessions)
        if whole == count or time.monotonic() > deadline:
            return whole
        time.sleep(0.5)


def left(proxy: Proxy, inside: int) -> dict[str, int]:
    """Files and tasks of the proxy."""
    with socket.create_connection(("127.0.0.1", inside), PATIENCE) as sock:
        sock.sendall(b"tasks\n")
        with sock.makefile("rb") as answer:
            tasks = int(json.loads(answer.read())["tasks"])
    return {"files": len(list(Path(f"/proc/{proxy.pid}/fd").iterdir())), "tasks": tasks}


def settled(proxy: Proxy, inside: int, before: dict[str, int]) -> dict[str, int]:
    """What is left once it is no more than before, or after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while True:
        now = left(proxy, inside)
        if all(now[key] <= before[key] for key in now) or time.monotonic() > deadline:
            return now
        time.sleep(0.2)


def measure(name: str, count: int) -> str:
    """One line of the table."""
    if name == "direct":
        found = asyncio.run(burst(None, count))
        return line(name, found, "", "", "", "")
    inside = free_port()
    with running(
        name, "-s", "tests/support/object_counter.py", "--set", f"object_counter_port={inside}"
    ) as proxy:
        wait_for(inside)
        asyncio.run(burst(proxy.port, 10))  # what is loaded at the first
        if name == "wsproxy":
            recorded(proxy, 10)
        before, rss, cpu = left(proxy, inside), proxy.rss(), proxy.cpu()
        found = asyncio.run(burst(proxy.port, count))
        traces = str(recorded(proxy, count + 10) - 10) if name == "wsproxy" else ""
        after = settled(proxy, inside, before)
        memory = f"{proxy.rss() - rss:+.0f} MiB"
        each = f"{(proxy.cpu() - cpu) / count * 1000:.1f} ms"
    kept = ", ".join(f"{key} {before[key]} → {after[key]}" for key in after)
    return line(name, found, each, traces, memory, kept)


def line(name: str, found: Burst, cpu: str, traces: str, memory: str, kept: str) -> str:
    return (
        f"| {name} | {found.answered} | {found.seconds:.2f} s "
        f"| {found.answered / found.seconds:.0f} | {found.slowest:.2f} s | {cpu} | {traces} "
        f"| {memory} | {kept} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connects", description=__doc__)
    parser.add_argument("--connects", type=int, default=1000, help="at once")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two in here for each of them
    print(
        f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}, "
        f"{options.connects} connects at once\n\n"
        "| | answered | in | per second | slowest | CPU per connect | recorded | RSS after "
        "| before → after |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    for name in ("direct", "mitmdump", "wsproxy"):
        print(measure(name, options.connects), flush=True)
    shutil.rmtree(ROOT / ".bench-ca", ignore_errors=True)


if __name__ == "__main__":
    main()
