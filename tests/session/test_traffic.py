"""The frames of a session in running totals."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsproxy.session import Session, frame_fold
from wsproxy.session.traffic import KEPT_FRAMES
from wsproxy.trace import FrameRecord, Start, TraceWriter
from wsproxy.wire import Opcode

MS = 1_000_000


def records(count: int, seed: int = 1) -> Iterator[FrameRecord]:
    """Audio of both sides, with text, pings, fragments, empty and large messages between."""
    dice = random.Random(seed)
    t_ns = 0
    for _ in range(count):
        t_ns += dice.choice((0, 1, 20, 20, 20, 900)) * MS
        side = dice.random() < 0.7
        kind = dice.choices(
            ("audio", "text", "ping", "pong", "empty", "large", "parts"),
            (100, 5, 1, 1, 1, 1, 1),
        )[0]
        match kind:
            case "audio":
                payload = dice.randbytes(dice.choice((640, 640, 639, 3200)))
                yield FrameRecord(t_ns, side, 2, payload, wire_length=len(payload) + 8)
            case "text":
                yield FrameRecord(t_ns, side, 1, b'{"type":"Results"}', wire_length=24)
            case "ping" | "pong":
                yield FrameRecord(t_ns, side, 9 if kind == "ping" else 10, b"", wire_length=6)
            case "empty":
                yield FrameRecord(t_ns, side, 2, b"", wire_length=6)
            case "large":
                yield FrameRecord(t_ns, side, 2, bytes(20_000), wire_length=20_008)
            case "parts":
                yield FrameRecord(t_ns, side, 2, bytes(100), fin=False, wire_length=108)
                yield FrameRecord(t_ns + MS, side, 0, bytes(50), wire_length=58)


def state(read: Session) -> list[object]:
    traffic, out = read.traffic, list[object]()
    for side in (True, False):
        data = traffic.data[side]
        out += [data.count, data.first, data.last, data.largest, data.longest_gap(0, 10**15)]
        out.append(data.large.select(lambda _: True))
        out.append(traffic.open_pings[side])
        out.append(traffic.last(from_client=side))
        for opcode in Opcode:
            totals = traffic.totals(opcode, from_client=side)
            out += [totals.count, totals.first_frames, sorted(totals.last_frames)]
            out += [totals.first_ns, totals.last_ns, totals.empty.select(lambda _: True)]
        for track in read.audio.tracks(from_client=side):
            out += [track.messages, track.size, track.first_places, track.last, track.last_size]
            out += [track.longest_gap, track.fastest.size, track.fastest.start, track.head]
            out += [track.sizes.select(lambda size: size % 2 == 1), track.sizes.median]
            out += [track.cursor.size_at(t * 1000 * MS) for t in range(0, 200, 7)]
            out += [track.cursor.count_at(t * 1000 * MS) for t in range(0, 200, 7)]
            out += [track.fragmented, track.first_content, track.cursor.median_interval_ns]
        out.append(read.binaries(from_client=side)[:8])
    out.append(list(traffic.frames()))
    return out


@pytest.mark.parametrize("count", [100, 900, 3000, 12_000])
def test_session_adding_many_messages_at_once_is_adding_each(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = Session()
    for record in records(count):
        at_once.add(record)
    monkeypatch.setattr(frame_fold, "_HELD_READING", 1)
    one_by_one = Session()
    for record in records(count):
        one_by_one.add(record)
    assert state(at_once) == state(one_by_one)


@pytest.mark.parametrize("count", [900, 12_000])
def test_session_read_in_runs_is_adding_each_frame(count: int, tmp_path: Path) -> None:
    path, added = tmp_path / "runs.wstrace", Session()
    with path.open("wb", buffering=0) as file:
        writer = TraceWriter(file, "0" * 16)
        writer.write(Start(0, 1, "0" * 16, 0))
        for record in records(count):
            writer.write(record)
            added.add(record)
        writer.finish()
    read = Session.read(path)
    assert state(read) == state(added)
    assert (read.sent, read.received, read.last_ns) == (added.sent, added.received, added.last_ns)


def test_traffic_frames_are_the_first_and_the_last() -> None:
    read = Session()
    for number in range(5 * KEPT_FRAMES):
        read.add(FrameRecord(number, True, 2, b"ab" * 10, wire_length=number))
    numbers = [frame.number for frame in read.frames()]
    assert numbers == [
        *range(1, KEPT_FRAMES + 1),
        *range(4 * KEPT_FRAMES + 1, 5 * KEPT_FRAMES + 1),
    ]
    assert [frame.t_ns + 1 for frame in read.frames()] == numbers
    assert read.frame_count == 5 * KEPT_FRAMES
    with pytest.raises(IndexError, match="frame 2000 is not kept"):
        read.frame(2000)


def test_traffic_data_after_a_frame_is_counted_whether_kept_or_not() -> None:
    for total in (100, 900, 3000, 10_000):
        read = Session()
        for number in range(1, total + 1):
            read.add(FrameRecord(number, True, 2, b"ab" * 10, wire_length=9))
        for frame in (1, 50, total // 2, total - 1, total):
            late = read.traffic.data_after(frame, from_client=True)
            assert late.count == total - frame
            assert late.frames[:1] in ((frame + 1,), ()) or frame >= KEPT_FRAMES


def test_traffic_pings_without_answer_are_those_since_the_last_pong() -> None:
    read = Session()
    for number, opcode in enumerate((9, 9, 10, 9, 9, 9), 1):
        read.add(FrameRecord(number * MS, opcode == 9, opcode, b"", wire_length=6))
    pings = read.traffic.open_pings[True]
    assert (pings.count, pings.first_ns, pings.frames) == (3, 4 * MS, [4, 5, 6])


def test_traffic_counts_nothing_after_the_end() -> None:
    read = Session()
    audio = FrameRecord(1 * MS, True, 2, b"ab" * 10, wire_length=9)
    read.add(audio)
    read.add(FrameRecord(2 * MS, False, 8, b"\x03\xe8", wire_length=4))
    read.add(FrameRecord(9 * MS, True, 2, b"ab" * 10, wire_length=9))
    assert read.frame_count == 3
    assert read.sent.frames == 2
    assert read.traffic.data[True].last_ns == 1 * MS
    assert read.audio.tracks(from_client=True)[0].messages == 1
    assert read.before_close is not None and read.before_close.number == 1


@pytest.mark.cost
def test_session_memory_does_not_grow_with_its_frames() -> None:
    def grown(count: int) -> int:
        read = Session()
        for record in records(3000):
            read.add(record)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for record in records(count, seed=2):
            read.add(record)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return after - before

    assert grown(30_000) < 1.3 * grown(6000) + 100_000


@pytest.mark.parametrize("others", [700, 1023, 1024, 1500, 5000])
def test_traffic_audio_that_waits_for_a_block_is_kept_in_its_place(others: int) -> None:
    session = Session()
    audio, text = bytes(range(1, 251)) * 8, b'{"type": "Results"}'
    for number in range(40):
        session.add(FrameRecord(number, True, 2, audio, wire_length=2000))
    for number in range(40, 40 + others):
        session.add(FrameRecord(number, False, 1, text, wire_length=30))
    session.add(FrameRecord(40 + others, True, 2, audio * 2, wire_length=4000))
    assert session.frame_count == 41 + others
    frames = list(session.frames())
    assert all(frame.t_ns == frame.number - 1 for frame in frames)
    assert all(frame.from_client == (frame.opcode == 2) for frame in frames)
    assert frames[-1].wire_length == 4000
