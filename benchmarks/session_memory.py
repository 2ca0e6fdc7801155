"""Memory of a session that stays open: `python -m benchmarks.session_memory`.

What the recorder keeps of a session is folded from its records. This feeds one session with
10 million frames, as a call of days would, and measures how much memory it holds more than after
the first 100,000 of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

FRAMES = 10_000_000
WARM = 100_000
_AUDIO = bytes(range(256)) * 2 + bytes(128)  # 640 bytes


def frames(count: int) -> Iterator[FrameRecord]:
    """20 ms of audio a frame; a result after every fifth; a pair of pings each minute."""
    result = json.dumps(
        {
            "type": "Results",
            "is_final": True,
            "channel": {"alternatives": [{"transcript": "good morning", "confidence": 0.98}]},
        }
    ).encode()
    for number in range(count):
        t_ns = number * 20_000_000
        match number % 3000:
            case 0:
                yield FrameRecord(t_ns, False, 9, b"", wire_length=2)
            case 1:
                yield FrameRecord(t_ns, True, 10, b"", wire_length=6)
            case place if place % 6 == 5:
                yield FrameRecord(t_ns, False, 1, result, wire_length=len(result) + 4)
            case _:
                yield FrameRecord(t_ns, True, 2, _AUDIO, mask=b"abcd", wire_length=648)


def resident() -> int:
    """Bytes of memory that this process holds (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def run(count: int) -> str:
    session = Session(with_audio=False)
    session.add(Start(0, 1, "0" * 16, 0, provider="deepgram", api="listen"))
    session.add(Request(0, "GET", "wss", "api.deepgram.com", 443, "/v1/listen"))
    session.add(Response(1, 101))
    before, began = 0, 0.0
    for number, frame in enumerate(frames(count)):
        if number == WARM:
            before, began = resident(), time.process_time()
        session.add(frame)
    spent = time.process_time() - began
    grown = resident() - before
    return (
        f"Python {platform.python_version()}, {platform.machine()}: from frame {WARM:,} to frame "
        f"{count:,} the memory grew by {grown / 2**20:.2f} MiB; "
        f"{spent / (count - WARM) * 1e6:.1f} µs of CPU a frame, making the frame included."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.session_memory", description=__doc__
    )
    parser.add_argument("--frames", type=int, default=FRAMES)
    print(run(parser.parse_args().frames))


if __name__ == "__main__":
    main()
