"""Memory of a recorder whose sessions stay open: `python -m benchmarks.recorder_memory`.

A recorder process gets 10 million frames of 20 bytes over a few local connections that stay open,
as calls of days would send them. It must hold no more memory after the last frame than after the
first tenth of them. The memory is read when the recorder has nothing to do.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import socket
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from .load import ANSWER, KEY, header
from .proxies import Proxy, running

FRAMES = 10_000_000
CONNECTIONS = 2
PAYLOAD = 20  # bytes of a frame
BATCH = 2_000  # frames that are sent at once
_SAMPLES = 10
_IDLE = 0.5  # seconds without work of the recorder, after which its memory is read
_PATIENCE = 120.0  # seconds


def _batch() -> bytes:
    """Masked binary frames with different contents; the masking key is zero."""
    dice = random.Random(1)
    head = header(PAYLOAD, opcode=2, masked=True)
    return b"".join(head + dice.randbytes(PAYLOAD) for _ in range(BATCH))


class Upstream:
    """A server that accepts upgrades, and reads what comes.

    Attributes:
        received: bytes of frames so far, of all connections.
    """

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            _read_head(sock)
            sock.sendall(ANSWER)
            while data := sock.recv(1 << 18):
                with self._lock:
                    self.received += len(data)


def _read_head(sock: socket.socket) -> None:
    """Read up to the end of an HTTP head, behind which nothing follows yet."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1 << 12)
        if not data:
            raise ConnectionError("closed before the upgrade")
        head += data


def connect(proxy: int, port: int) -> socket.socket:
    """Open a session through the recorder."""
    sock = socket.create_connection(("127.0.0.1", proxy), _PATIENCE)
    sock.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
    _read_head(sock)
    sock.sendall(
        f"GET /v1/listen HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    _read_head(sock)
    return sock


def settled_rss(proxy: Proxy) -> float:
    """The recorder's resident memory in MiB, once it has been idle for a while."""
    deadline = time.monotonic() + _PATIENCE
    before = -1.0
    while (now := proxy.cpu()) - before > 0.02 and time.monotonic() < deadline:
        before = now
        time.sleep(_IDLE)
    return proxy.rss()


def run(frames: int, connections: int) -> str:
    """Send frames; returns the figures as Markdown."""
    batch, upstream = _batch(), Upstream()
    rows: list[tuple[int, float, float]] = []  # frames, MiB, seconds of CPU
    with running("wsproxy") as proxy:
        assert proxy.port is not None
        sessions = [connect(proxy.port, upstream.port) for _ in range(connections)]
        rounds = max(_SAMPLES, frames // (BATCH * connections))
        started = time.monotonic()
        for number in range(1, rounds + 1):
            for sock in sessions:
                sock.sendall(batch)
            if number * _SAMPLES // rounds > (number - 1) * _SAMPLES // rounds:
                sent = number * connections
                _wait_received(upstream, sent * len(batch))
                rows.append((sent * BATCH, settled_rss(proxy), proxy.cpu()))
        seconds = time.monotonic() - started
        for sock in sessions:
            sock.close()
    return _report(rows, seconds, connections)


def _wait_received(upstream: Upstream, size: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while upstream.received < size:
        if time.monotonic() > deadline:
            raise SystemExit(f"{upstream.received} of {size} bytes arrived")
        time.sleep(0.05)


def _report(rows: Sequence[tuple[int, float, float]], seconds: float, connections: int) -> str:
    grown = rows[-1][1] - rows[0][1]
    cpu = (rows[-1][2] - rows[0][2]) / (rows[-1][0] - rows[0][0]) * 1e6
    lines = [
        f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}, "
        f"{platform.machine()}, load average at the end {os.getloadavg()[0]:.1f}.",
        f"{rows[-1][0]:,} frames of {PAYLOAD} bytes over {connections} connections, "
        f"{BATCH:,} at once, in {seconds:.0f} s.",
        "",
        f"From frame {rows[0][0]:,} on, the memory grew by {grown:+.2f} MiB; "
        f"{cpu:.1f} µs of CPU a frame.",
        "",
        "| frames | RSS | CPU so far |",
        "|---|---|---|",
    ]
    lines += [f"| {count:,} | {rss:.2f} MiB | {cpu:.0f} s |" for count, rss, cpu in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recorder_memory", description=__doc__
    )
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--save", action="store_true", help="write benchmarks/MEMORY.md")
    options = parser.parse_args()
    text = run(options.frames, options.connections)
    print(text)
    if options.save:
        head = (
            "# Memory of a recorder\n\n"
            "These are the results of `python -m benchmarks.recorder_memory` on 2 cores that "
            "other programs\nused as well.\n\n"
        )
        (Path(__file__).parent / "MEMORY.md").write_text(f"{head}{text}\n")


if __name__ == "__main__":
    main()
