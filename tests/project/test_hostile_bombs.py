"""Decompression bombs and huge claims, through the commands that read traces."""

from __future__ import annotations

import dataclasses
import gc
import random
import struct
import sys
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import msgpack
import pytest

from command_costs import Cost, measure
from hostile_commands import GOOD, every_command, laced, write
from sweeps import values_that_run
from test_trace import block
from wsproxy.audio import noise
from wsproxy.audio.encodings import PCM16
from wsproxy.recorder import Annotation, OfflineTraceWriter
from wsproxy.session import Session
from wsproxy.trace import (
    FrameRecord,
    Record,
)
from wsproxy.trace import reader as trace_reader
from wsproxy.trace.records import to_map
from wsproxy.trace.recovery import recover


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in" / "t.wstrace"


ZEROS = b"\x02\x00\x10\0"  # a zstd block (RFC 8878, section 3.1.1.2): 128 KiB of one byte
TEN_GB = ZEROS * (10 << 13) + b"\x03\x00\x10\0" + bytes(4)


def zstd_frame(claimed: int) -> bytes:
    """A frame of 10 GB with a checksum and a window of 8 MiB, whatever it claims."""
    return b"\x28\xb5\x2f\xfd\xc4\x68" + struct.pack("<Q", claimed) + TEN_GB


def repeated(record: Record, each: int, blocks: int) -> bytes:
    """A session that repeats a record."""
    packed = msgpack.packb(to_map(record))
    assert isinstance(packed, bytes)
    return block(*map(to_map, laced("x")[:3])) + b"".join(
        block(packed * each, number=number) for number in range(1, blocks + 1)
    )


ZERO_AUDIO = FrameRecord(1, True, 2, bytes(60 << 20))
DEFLATED = dataclasses.replace(ZERO_AUDIO, rsv=4, deflated=True)
EMPTY = FrameRecord(1, True, 2, b"")
BOMBS = {
    "10 GB of zeros, as claimed": lambda: zstd_frame(10 << 30),
    "10 GB of zeros, 1 kB claimed": lambda: zstd_frame(1000),
    "10 GB of zeros, 80 MB claimed": lambda: zstd_frame(80 << 20),
    "a bomb behind a start": lambda: block(to_map(GOOD["start"])) + zstd_frame(1 << 40),
    "180 MB of audio": lambda: repeated(ZERO_AUDIO, 1, 3),
    "deflate in zstd": lambda: repeated(DEFLATED, 1, 2),
    "9,000 frames": lambda: repeated(EMPTY, 3000, 3),
    "60,000 frames": lambda: repeated(EMPTY, 20_000, 3),
    "a table of 2**32 blocks": lambda: (
        block(to_map(GOOD["start"])) + struct.pack("<IBI", (1 << 32) - 1, 0, 0x8F92EAB1)
    ),
}


READING = (
    "list T",
    "show T --limit 9",
    "explain T",
    "diff T T",
    "mutate T --end reset --out T.wstrace",
    "recover T --out T.recovered.wstrace",
)
REPLACING = ("scrub T --out T.scrubbed.wstrace", "bundle T --out T.zip")
# 15 s each: noise is made in the place of all that audio.
LARGE = ("180 MB of audio", "deflate in zstd")
MEMORY = 1 << 30  # bytes of address space
CPU = 30  # seconds
Case: TypeAlias = tuple[str, tuple[str, ...]]  # the name of a bomb, and commands


@pytest.fixture(scope="module")
def costs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[Case, list[Cost]]:
    """What the cases that run cost; a program imports everything once for them."""
    commands = {}
    for case in values_that_run(request, "case"):
        path = tmp_path_factory.mktemp("bomb") / "t.wstrace"
        path.write_bytes(BOMBS[case[0]]())
        commands[case] = [each.replace("T", str(path)).split() for each in case[1]]
    done = iter(measure(list(chain(*commands.values())), cpu=CPU, memory=MEMORY))
    return {case: [next(done) for _ in each] for case, each in commands.items()}


SAMPLED = pytest.mark.sweep(kind=lambda case: case[1])


def mark_of(name: str) -> pytest.MarkDecorator:
    if name in LARGE:
        return pytest.mark.soak
    # 12 s; others are as empty
    return pytest.mark.sweep(keep=0) if name == "60,000 frames" else SAMPLED


@pytest.mark.cost
@pytest.mark.xdist_group("bombs")
@pytest.mark.timeout(1800)  # of the first, for all
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
@pytest.mark.parametrize(
    "case",
    [
        *(
            pytest.param((name, READING), id=name, marks=SAMPLED)
            for name in BOMBS
            if name != "9,000 frames"
        ),
        *(
            pytest.param((name, REPLACING), id=f"{name}, replaced", marks=mark_of(name))
            for name in BOMBS
        ),
    ],
)
def test_commands_bombs_use_bounded_memory_and_time(
    case: Case, costs: dict[Case, list[Cost]]
) -> None:
    for cost in costs[case]:
        assert cost.status in (0, 1, 2, 3), cost
        assert "Traceback" not in cost.err, cost


@pytest.mark.parametrize("in_place", [True, False])
def test_recover_long_session_keeps_one_fold_in_memory(path: Path, in_place: bool) -> None:
    """Each takes 25 bytes a frame, and a frame of a hostile file takes less than one."""
    write(path, [*laced("x")[:3], *[EMPTY] * 10])
    held = []

    def sessions() -> list[Session]:
        return [each for each in gc.get_objects() if type(each) is Session]

    others = sessions()

    def look(*_: object) -> Annotation:
        held.append(len([each for each in sessions() if not any(each is o for o in others)]))
        return Annotation()

    recover(
        path,
        path if in_place else path.with_name("out.wstrace"),
        always=True,
        open_sink=lambda file, start: OfflineTraceWriter(file, start, look),
        recognize=lambda *_: (None, None),
    )
    assert held == [1]


def test_commands_too_many_records_is_one_line_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_bytes(repeated(EMPTY, 200, 2))
    monkeypatch.setattr(trace_reader, "MAX_RECORDS", 403)
    assert Session.read(path).frame_count == 400
    monkeypatch.setattr(trace_reader, "MAX_RECORDS", 402)
    session = Session.read(path)
    assert session.frame_count == 399
    assert "over 402 records" in session.unread
    assert session.losses[-1].at_end and not session.complete
    line = f"{path} is not read to its end: it has over 402 records"
    for command in ("explain T", "explain T T", "list T"):
        output = every_command(path, (command,))[command]
        assert f"warning: {line}" in output
    # What would be made, or judged, of a part is refused.
    refusing = ("diff T T", "recover T --out O", "recover T --in-place")
    for command, output in every_command(path, refusing).items():
        assert output.startswith(f"error: {line}"), command
    assert "binary" in every_command(path, ("show T",))["show T"]


# -- what `scrub` makes of it


def test_scrub_noise_of_large_message_is_generated_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of 60 MB took over 1 GiB, most of it for single samples."""
    monkeypatch.setattr(noise, "_CHUNK", 1000)
    made = noise.Noise(PCM16, noise.NoiseSource(random.Random(1)))
    sizes: list[int] = []
    original = made._pcm16

    def measured(data: bytes) -> bytes:
        sizes.append(len(data))
        return original(data)

    monkeypatch.setattr(made, "_replace_chunk", measured)
    assert len(made.replace(bytes(range(256)) * 40 + b"x")) == 10_241
    assert max(sizes) == 1000
