"""Time and memory of the commands that read, over a long session: `python -m benchmarks.explain`.

Makes a trace of a 3-hour Deepgram session with 500,000 frames, which it then explains, shows
and lists, each in a process of its own. Beside it runs the least that reading it can cost:
zstd and msgpack alone.
"""

from __future__ import annotations

import argparse
import base64
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from wsproxy.audio.synthetic_speech import speech
from wsproxy.trace import End, Eof, FrameRecord, Request, Response, Start, TraceWriter

HOURS = 3
FRAMES = 500_000
RATE = 16_000
_SESSION = "0" * 16

BARE = """
import sys, zstandard, msgpack
with open(sys.argv[1], "rb") as file:
    stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    print(sum(1 for _ in msgpack.Unpacker(stream, strict_map_key=False)))
"""


def make(path: Path, frames: int = FRAMES) -> None:
    """Write a session: audio all the time, a result after every eighth message, a failure."""
    step = HOURS * 3600 * 10**9 // frames
    size = int(RATE * HOURS * 3600 / frames * 9 / 8) * 2
    audio = speech(30.0, RATE)
    result = {"type": "Results", "is_final": True, "start": 0.0, "duration": 0.0}
    headers = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    with path.open("wb", buffering=0) as file:
        writer = TraceWriter(file, _SESSION)
        writer.write(Start(0, 1, _SESSION, 0, provider="deepgram", api="listen"))
        target = f"/v1/listen?encoding=linear16&sample_rate={RATE}"
        writer.write(Request(0, "GET", "wss", "api.deepgram.com", 443, target, headers=headers))
        writer.write(Response(1, 101, headers=headers))
        for number in range(frames):
            now = 2 + number * step
            if number % 9 == 8:
                at = number * size * 8 / 9 / 2 / RATE
                text = json.dumps({**result, "start": round(at, 3)}).encode()
                writer.write(FrameRecord(now, False, 1, text, wire_length=len(text) + 4))
                continue
            start = number * size % (len(audio) - size)
            chunk = audio[start : start + size]
            writer.write(FrameRecord(now, True, 2, chunk, mask=b"abcd", wire_length=size + 8))
        end = frames * step + 15 * 10**9
        close = (1011).to_bytes(2, "big") + b"NET-0001"
        writer.write(FrameRecord(end, False, 8, close, wire_length=len(close) + 2))
        writer.write(Eof(end, False))
        writer.write(End(end, "close", "server", 1011, "NET-0001"))
        writer.finish()


def make_base64(path: Path, frames: int) -> None:
    """Write a session of the same duration with an OpenAI API: audio in base64, few answers."""
    rate = 24_000
    step = HOURS * 3600 * 10**9 // frames
    size = rate * HOURS * 3600 // frames * 2
    audio = speech(30.0, rate)
    headers = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    with path.open("wb", buffering=0) as file:
        writer = TraceWriter(file, _SESSION)
        writer.write(Start(0, 1, _SESSION, 0, provider="openai", api="realtime"))
        writer.write(
            Request(0, "GET", "wss", "api.openai.com", 443, "/v1/realtime", headers=headers)
        )
        writer.write(Response(1, 101, headers=headers))
        for number in range(frames):
            start = number * size % (len(audio) - size)
            chunk = base64.b64encode(audio[start : start + size]).decode()
            text = json.dumps({"type": "input_audio_buffer.append", "audio": chunk}).encode()
            now = 2 + number * step
            writer.write(FrameRecord(now, True, 1, text, mask=b"abcd", wire_length=len(text) + 8))
            if number % 100 == 99:
                done = "conversation.item.input_audio_transcription.completed"
                text = json.dumps({"type": done, "transcript": "good morning"}).encode()
                writer.write(FrameRecord(now, False, 1, text, wire_length=len(text) + 4))
        end = frames * step
        writer.write(FrameRecord(end, True, 8, b"\x03\xe8", mask=b"abcd", wire_length=8))
        writer.write(Eof(end, True))
        writer.write(End(end, "close", "client", 1000))
        writer.finish()


def measure(command: list[str]) -> tuple[float, float, float]:
    """Seconds, seconds of CPU, and MiB of resident memory at most, of a command."""
    watched = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", watched, *command], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    cpu, memory = done.stdout.split()
    return seconds, float(cpu), int(memory) / 1024  # Linux gives KiB


def run(frames: int, rounds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.wstrace"
        make(path, frames)
        base64_path = Path(folder) / "base64.trace"  # not in the folder's list
        make_base64(base64_path, frames * HOURS * 36_000 // FRAMES)
        wsproxy = [sys.executable, "-m", "wsproxy"]
        commands = {
            "zstd and msgpack alone": [sys.executable, "-c", BARE, str(path)],
            "explain": [*wsproxy, "explain", str(path)],
            "explain --json": [*wsproxy, "explain", "--json", str(path)],
            "explain, audio in base64 each 0.1 s": [*wsproxy, "explain", str(base64_path)],
            "list": [*wsproxy, "list", folder],
        }
        figures = {name: [measure(c) for _ in range(rounds)] for name, c in commands.items()}
        megabytes = path.stat().st_size / 1e6
    lines = [
        f"Python {platform.python_version()}, {platform.machine()}; a session of {HOURS} hours "
        f"with {frames} frames, {megabytes:.0f} MB on disk; medians of {rounds}.",
        "",
        "| | seconds | seconds of CPU | resident memory |",
        "|---|---|---|---|",
    ]
    for name, values in figures.items():
        seconds, cpu, memory = (median(column) for column in zip(*values, strict=True))
        lines.append(f"| {name} | {seconds:.1f} | {cpu:.1f} | {memory:.0f} MiB |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="write benchmarks/EXPLAIN.md")
    options = parser.parse_args()
    text = run(options.frames, options.rounds)
    print(text)
    if options.save:
        head = (
            "# Reading a long trace\n\n"
            "These are the results of `python -m benchmarks.explain` on 2 cores. Other programs "
            "that run at\nthe same time make the seconds longer; those of CPU less so.\n\n"
        )
        (Path(__file__).parent / "EXPLAIN.md").write_text(f"{head}{text}\n")


if __name__ == "__main__":
    main()
