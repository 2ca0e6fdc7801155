"""What catching connections adds to each connect(2): `python -m benchmarks.catch [--connects N]`.

A program connects N times, one after the other, directly and caught, to a server at an address
of this machine and to one at 127.0.0.1, which is never caught. Prints the time of each connect(2)
and the descriptors of the supervisor before and after.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from wsproxy.intercept.catch import availability
from wsproxy.intercept.catch.command import CaughtCommand
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.statistics import percentile

# In the file that is named last: for each destination the nanoseconds of each connect(2), and
# how many descriptors its parent has before and after.
_CLIENT = """
import json, os, pathlib, socket, sys, time

count, port, *hosts, result = sys.argv[1:]
found = {}
for host in hosts:
    for blocking in (True, False):
        times = []
        before = len(os.listdir(f"/proc/{os.getppid()}/fd"))
        for _ in range(int(count)):
            with socket.socket() as sock:
                sock.setblocking(blocking)
                began = time.perf_counter_ns()
                sock.connect_ex((host, int(port)))
                times.append(time.perf_counter_ns() - began)
                sock.setblocking(True)
                sock.recv(1)
        after = len(os.listdir(f"/proc/{os.getppid()}/fd"))
        found[f"{host} {'blocking' if blocking else 'non-blocking'}"] = times, before, after
pathlib.Path(result).write_text(json.dumps(found))
"""

Times = dict[str, tuple[list[int], int, int]]


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """A server that greets each client, on all addresses; yields its port."""
    with socket.create_server(("", 0), backlog=1024) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    with listener.accept()[0] as connection:
                        connection.sendall(b"!")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def own_address() -> str:
    """An address of this machine that is not a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def measure(count: int, folder: Path) -> tuple[Times, Times]:
    """The times of direct and of caught connects."""
    result = folder / "result.json"
    settings = ProxySettings(port=0, out=folder / "out", confdir=folder / "ca")
    with serving() as port, background(settings) as running:
        arguments = [count, port, own_address(), "127.0.0.1", result]
        argv = [sys.executable, "-I", "-c", _CLIENT, *map(str, arguments)]
        subprocess.run(argv, check=True)
        direct = json.loads(result.read_text())
        command = CaughtCommand.start(
            argv,
            os.environ,
            ports=[port],
            limit=None,
            may_gain_privileges=availability.may_gain_privileges(),
        )
        running.serve_caught(command.connections)
        command.wait()
        command.close()
        return direct, json.loads(result.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connects", type=int, default=1000)
    count = parser.parse_args().connects
    if (why := availability.obstacle(sys.executable)) is not None:
        print(f"connections cannot be caught: {why}")
        return
    with tempfile.TemporaryDirectory() as folder:
        direct, caught = measure(count, Path(folder))
    print(
        f"{count} connects each, Linux {platform.release()}, Python {platform.python_version()}\n"
    )
    print("| destination | direct p50 | p99 | caught p50 | p99 | added p50 | descriptors |")
    print("|---|---|---|---|---|---|---|")
    for name, (times, *_) in direct.items():
        under, before, after = caught[name]
        values = [median(times), percentile(times, 0.99), median(under), percentile(under, 0.99)]
        values.append(values[2] - values[0])
        cells = " | ".join(f"{value / 1e3:.0f} µs" for value in values)
        print(f"| {name} | {cells} | {before} before, {after} after |")


if __name__ == "__main__":
    main()
