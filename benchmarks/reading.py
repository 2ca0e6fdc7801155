"""Reading: frames beside flow files, and folders of many traces: `python -m benchmarks.reading`.

Frames: one session with the load of the real-time benchmark, as a finished trace and as the
flow file that `mitmdump -w` would have written of the same messages. Each is read to the last
payload, by TraceReader and by mitmproxy's FlowReader, in turn.

`list`: a folder of 10,000 traces, without its index and with it; a process each.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median

from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader, FlowWriter

from wsproxy.index import NAME
from wsproxy.recording import Clock, new_start, trace_path
from wsproxy.trace import (
    End,
    FrameRecord,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
    TraceWriter,
)

from .size import flow_of

FRAMES = 60_000
TRACES = 10_000
_HEADERS = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]


def session(start: Start, frames: int) -> Iterator[Record]:
    """A binary frame of 640 bytes every 20 ms, and a text of 300 bytes after every fifth."""
    chance = random.Random(1)
    yield start
    yield Request(0, "GET", "wss", "api.deepgram.com", 443, "/v1/listen", headers=_HEADERS)
    yield Response(1, 101, headers=_HEADERS)
    now = 2
    for number in range(frames):
        if number % 6 == 5:
            text = b'{"type":"Results"}'.ljust(300)
            yield FrameRecord(now, False, 1, text, wire_length=304)
            continue
        now += 20_000_000
        audio, mask = chance.randbytes(640), chance.randbytes(4)
        yield FrameRecord(now, True, 2, audio, mask=mask, wire_length=648)
    yield FrameRecord(now, True, 8, b"\x03\xe8", mask=b"abcd", wire_length=8)
    yield End(now, "close", "client", 1000, frames_sent=frames)


def write(path: Path, frames: int, started_at_ns: int = 0) -> list[Record]:
    start = new_start(Clock(started_at_ns, 0), provider="deepgram", api="listen")
    records = list(session(start, frames))
    path = trace_path(path, start) if path.is_dir() else path
    with path.open("xb", buffering=0) as file:
        path.chmod(0o600)
        writer = TraceWriter(file, start.session)
        for record in records:
            writer.write(record)
        writer.finish()
    return records


def read_trace(path: Path) -> tuple[int, int]:
    """Messages, and bytes in them."""
    count = size = 0
    with TraceReader(path) as reader:
        for record in reader:
            if isinstance(record, FrameRecord) and record.opcode < 8:
                count += 1
                size += len(record.payload)
    return count, size


def read_flows(path: Path) -> tuple[int, int]:
    count = size = 0
    with path.open("rb") as file:
        for flow in FlowReader(file).stream():
            assert isinstance(flow, HTTPFlow)
            assert flow.websocket is not None
            for message in flow.websocket.messages:
                count += 1
                size += len(message.content)
    return count, size


def rate(read: Callable[[Path], tuple[int, int]], path: Path, frames: int) -> float:
    """Frames a second of CPU."""
    began = time.process_time()
    assert read(path)[0] == frames
    return frames / (time.process_time() - began)


def frames_table(folder: Path, frames: int, rounds: int) -> list[str]:
    trace, flows = folder / "session.wstrace", folder / "flows"
    records = write(trace, frames)
    with flows.open("wb") as file:
        FlowWriter(file).add(flow_of(records))
    del records
    assert read_trace(trace) == read_flows(flows)
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(rate(read_trace, trace, frames))
        theirs.append(rate(read_flows, flows, frames))
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    return [
        f"| reading, {frames} frames | frames/s of CPU | TraceReader / this |",
        "|---|---|---|",
        f"| TraceReader | {median(ours):,.0f} | |",
        f"| FlowReader | {median(theirs):,.0f} | {ratio:.1f} |",
    ]


def timed(folder: Path, *options: str) -> tuple[float, float]:
    """Seconds of `list`, and of them CPU."""
    before = os.times()
    began = time.perf_counter()
    command = [sys.executable, "-m", "wsproxy", "list", str(folder), *options]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return time.perf_counter() - began, cpu - before.children_user - before.children_system


def list_table(folder: Path, traces: int, rounds: int) -> list[str]:
    long_ago = time.time() - 3600
    for number in range(traces):
        write(folder, 20, number * 10**9)
    for path in folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    cold, warm = [], []
    for _ in range(rounds):
        (folder / NAME).unlink(missing_ok=True)
        cold.append(timed(folder))
        warm.append(timed(folder))
    lines = [f"| `list`, {traces} traces | seconds | CPU seconds |", "|---|---|---|"]
    for name, found in (("without an index", cold), ("with an index, nothing changed", warm)):
        seconds, cpu = median(f[0] for f in found), median(f[1] for f in found)
        lines.append(f"| {name} | {seconds:.2f} | {cpu:.2f} |")
    return lines


def run(frames: int, traces: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "traces"
        folder.mkdir()
        lines = [*frames_table(Path(name), frames, rounds), "", *list_table(folder, traces, rounds)]
    about = f"Python {platform.python_version()}, mitmproxy {version('mitmproxy')}"
    return "\n".join([f"{about}, {platform.machine()}; medians of {rounds}.", "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--traces", type=int, default=TRACES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write benchmarks/READING.md")
    options = parser.parse_args()
    text = run(options.frames, options.traces, options.rounds)
    print(text)
    if options.save:
        head = (
            "# Reading and listing traces\n\n"
            "These are the results of `python -m benchmarks.reading` on 2 cores."
        )
        (Path(__file__).parent / "READING.md").write_text(f"{head}\n\n{text}\n")


if __name__ == "__main__":
    main()
