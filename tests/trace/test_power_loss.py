"""What a power cut leaves of a trace is read by every command, and no record of it is false."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessions import APP, SERVER, audio, closed, opened, result
from wsproxy.cli.main import cli
from wsproxy.errors import NotATrace, UsageError, WsproxyError
from wsproxy.recorder import SessionWriter
from wsproxy.replayer import ClientOptions
from wsproxy.replayer.client_replay import ClientReplay
from wsproxy.replayer.trace_library import TraceLibrary
from wsproxy.trace import (
    End,
    Eof,
    FindingRecord,
    FrameRecord,
    FrameRun,
    Gap,
    Record,
    Start,
    TraceReader,
    TraceWriter,
)
from wsproxy.trace.blocks import read_block
from wsproxy.trace.compaction import compact

pytestmark = pytest.mark.one_python

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = 4096  # bytes that a file system writes at once
MS = 1_000_000
NAME = "20261121T004012Z-deepgram-listen-{}.wstrace"
OURS, OTHERS = "0123456789abcdef", "fedcba9876543210"


@dataclass(frozen=True, repr=False)
class Written:
    """A trace as it was before the power cut.

    Attributes:
        data: the file.
        blocks: of each block: where it begins and ends in the file, and its records.
    """

    data: bytes
    blocks: list[tuple[int, int, list[Record]]]

    @property
    def records(self) -> list[Record]:
        return [record for _, _, records in self.blocks for record in records]

    @classmethod
    def of(cls, data: bytes) -> Written:
        blocks = []
        file, offset = io.BytesIO(data), 0
        reader = TraceReader(__file__)
        while True:
            try:
                block, end = read_block(file, offset)
            except EOFError:
                break
            if block:
                records = reader._records(block, offset, end)
                blocks.append((offset, end, [r for r in records if not isinstance(r, FrameRun)]))
            offset = end
        assert not reader.losses
        reader.close()
        return cls(data, blocks)


def live(session: str, seed: int, seconds: float = 4.0) -> bytes:
    """A session as a recorder writes it: a block every 90 ms, noise for audio."""
    noise = random.Random(seed)
    start = Start(0, 1, session, 10**18, provider="deepgram", api="listen")
    records: list[Record] = [start, *opened("/v1/listen?encoding=linear16&sample_rate=8000")]
    for number in range(int(seconds / 0.02)):
        t_ms = 100 + 20 * number
        records.append(audio(t_ms, APP, noise.randbytes(320)))
        if number % 10 == 9:
            records.append(result(t_ms + 1, f"word {number} {noise.random()}", final=True))
    last = records[-1].t_ns + MS
    records += [closed(last / MS, SERVER, 1011, "NET-0001"), Eof(last + 1, SERVER)]
    records.append(End(last + 2, "close", "server", 1011, "NET-0001"))
    file = io.BytesIO()
    writer = TraceWriter(file, session)
    flushed = 0
    for record in records:
        writer.write(record)
        if record.t_ns - flushed >= 90 * MS or not isinstance(record, FrameRecord):
            writer.flush()
            flushed = record.t_ns
    writer.finish()
    return file.getvalue()


def packed(data: bytes) -> bytes:
    """As it is once the recorder has packed it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME.format(OURS[:8]))
        path.write_bytes(data)
        assert compact(path)
        return path.read_bytes()


LIVE = live(OURS, 1)
OTHER = live(OTHERS, 2)
TRACES = {"live": Written.of(LIVE), "packed": Written.of(packed(live(OURS, 1, 60.0)))}
OTHER_RECORDS = Written.of(OTHER).records
# What stood on the disk where a page was never written.
OLD = {"zeros": b"", "another trace": OTHER, "the middle of another": OTHER[777:]}

# Ranges of a file, as it was, that are not as they were.
Touched = list[tuple[int, int]]


@dataclass(frozen=True)
class Cut:
    """The file ends early: at a part of its length."""

    at: float

    def do(self, data: bytearray) -> Touched:
        length = len(data)
        keep = int(self.at * length)
        del data[keep:]
        return [(keep, length)]


@dataclass(frozen=True)
class Lost:
    """Pages that were never written."""

    first: float
    pages: int
    old: str

    def do(self, data: bytearray) -> Touched:
        begin = int(self.first * (len(data) // PAGE + 1)) * PAGE
        end = min(len(data), begin + self.pages * PAGE)
        if end <= begin:
            return []
        data[begin:end] = OLD[self.old][begin:end].ljust(end - begin, b"\0")
        return [(begin, end)]


@dataclass(frozen=True)
class ZeroTail:
    """The file system knew of a greater length, and of nothing in it."""

    count: int

    def do(self, data: bytearray) -> Touched:
        data.extend(bytes(self.count))
        return []


Damages = list[Cut | Lost | ZeroTail]
PLACES = st.floats(0, 1)
DAMAGES: st.SearchStrategy[Damages] = st.lists(
    st.one_of(
        st.builds(Cut, PLACES),
        st.builds(Lost, PLACES, st.integers(1, 6), st.sampled_from(sorted(OLD))),
        st.builds(ZeroTail, st.integers(1, 3 * PAGE)),
    ),
    min_size=1,
    max_size=2,
)


def damaged(trace: Written, damages: Damages) -> tuple[bytes, list[Record]]:
    """The file after the power cut, and the records of the blocks that nothing has touched."""
    data = bytearray(trace.data)
    touched = [where for damage in damages for where in damage.do(data)]
    intact = [
        record
        for begin, end, records in trace.blocks
        if end <= len(data) and all(end <= first or begin >= last for first, last in touched)
        for record in records
    ]
    return bytes(data), intact


def is_subsequence(part: Sequence[Record], complete: Sequence[Record]) -> bool:
    rest = iter(complete)
    return all(any(record == other for other in rest) for record in part)


def read(path: Path) -> tuple[list[Record], TraceReader]:
    with TraceReader(path) as reader:
        try:
            return list(reader), reader
        except NotATrace:
            return [], reader


@given(st.sampled_from(sorted(TRACES)), DAMAGES)
@example("live", [Lost(0.0, 1, "another trace")])  # its beginning stands at this one's
@example("packed", [Lost(0.0, 2, "another trace"), Cut(0.9)])
@settings(max_examples=150)
def test_power_loss_only_surviving_blocks_are_read(name: str, damages: Damages) -> None:
    trace = TRACES[name]
    data, intact = damaged(trace, damages)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME.format(OURS[:8]))
        path.write_bytes(data)
        records, reader = read(path)
    if not intact and kept_of_another(records):
        # Of this trace nothing is left: the file is the other one, under a wrong name.
        assert all(record in OTHER_RECORDS for record in records)
        assert any("named after" in loss.reason for loss in reader.losses)
        return
    false, unread = is_subsequence(records, trace.records), is_subsequence(intact, records)
    assert (false, unread) == (True, True)
    missing = len(records) < len(trace.records)
    assert not missing or reader.losses or not reader.ended  # and it says so


@given(DAMAGES)
@settings(max_examples=60)
def test_power_loss_recovered_trace_is_valid_and_correct(damages: Damages) -> None:
    trace = TRACES["live"]
    data, intact = damaged(trace, damages)
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, NAME.format(OURS[:8])), Path(folder, "out.wstrace")
        path.write_bytes(data)
        status = run("recover", str(path), "--out", str(out))[0]
        assert path.read_bytes() == data
        if not intact:
            assert status in (1, 3)
        if status == 3:
            assert not out.exists()
            return
        records, reader = read(out)
        assert not reader.losses
        with TraceReader(out) as reader:
            assert reader.last() == records[-1]
        assert run("recover", str(out))[0] == 0
    if not intact and kept_of_another(records):
        return
    gaps = [record for record in records if isinstance(record, Gap)]
    made = (Gap, End, Start, FindingRecord) if status else ()
    kept = [record for record in records if not isinstance(record, made)]
    assert is_subsequence(kept, trace.records)
    assert is_subsequence([r for r in intact if not isinstance(r, made)], kept)
    assert bool(gaps) == bool(status)
    assert status == (0 if is_subsequence(trace.records, records) else 1)


def in_parts() -> dict[str, bytes]:
    """The files of a long session."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME.format(OURS[:8]))
        start = TRACES["live"].records[0]
        assert isinstance(start, Start)
        recording = SessionWriter(path, start, max_size=400_000)
        for record in Written.of(live(OURS, 1, 20.0)).records[1:-1]:
            recording.add(record)
            if recording.is_flush_due(record.t_ns):
                recording.flush()
        recording.end(10**11)
        return {part.name: part.read_bytes() for part in recording.paths}


PARTS = in_parts()


@given(st.sampled_from(sorted(PARTS)), DAMAGES)
@example("20261121T004012Z-deepgram-listen-01234567.part2.wstrace", [Cut(0.0)])
@settings(max_examples=25)
def test_power_loss_damaged_part_leaves_the_others_readable(name: str, damages: Damages) -> None:
    assert len(PARTS) >= 3
    part = Written.of(PARTS[name])
    data, intact = damaged(part, damages)
    with tempfile.TemporaryDirectory() as folder:
        for each, content in PARTS.items():
            Path(folder, each).write_bytes(content)
        path, out = Path(folder, min(PARTS, key=len)), Path(folder, "out.wstrace")
        complete = read(path)[0]
        Path(folder, name).write_bytes(data)
        records, reader = read(path)
        assert run("recover", str(path), "--out", str(out))[0] in (0, 1)
        recovered = read(out)[0]
    hit = {r.t_ns for r in part.records} - {r.t_ns for r in intact}
    spared = {r.t_ns for r in complete if isinstance(r, FrameRecord)} - hit
    for found in (records, recovered):
        frames = [record for record in found if isinstance(record, FrameRecord)]
        false, unread = is_subsequence(frames, complete), spared - {r.t_ns for r in frames}
        assert (false, unread) == (True, set())
    assert len(records) == len(complete) or reader.losses or not reader.ended


def kept_of_another(records: list[Record]) -> bool:
    return any(record in OTHER_RECORDS for record in records)


def run(*args: str) -> tuple[int, str]:
    """A command in this process: its status and what it said; its tracebacks come through."""
    runner = CliRunner()
    outcome = runner.invoke(cli, args)
    if isinstance(outcome.exception, WsproxyError):
        assert len(str(outcome.exception).splitlines()) == 1
        return outcome.exception.exit_status, str(outcome.exception)
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.stdout


def commands(path: Path, complete: Path, folder: Path) -> Iterator[list[str]]:
    """Everything that reads traces, on a damaged one."""
    for command in ("show", "explain", "list"):
        yield [command, str(path)]
        yield [command, str(path), "--json"]
    yield ["explain", str(path), "--markdown"]
    yield ["diff", str(path), str(complete)]
    yield ["diff", str(complete), str(path), "--json"]
    yield ["mutate", str(path), "--cut", "1s..", "--out", str(folder / "mutated.wstrace")]
    yield ["recover", str(path), "--json"]


@given(DAMAGES)
@settings(max_examples=12)
def test_power_loss_each_command_works_or_reports_one_line(
    damages: Damages,
) -> None:
    data, _ = damaged(TRACES["live"], damages)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, complete = folder / NAME.format(OURS[:8]), folder / "whole.wstrace"
        path.write_bytes(data)
        complete.write_bytes(LIVE)
        readable = bool(read(path)[0])
        for args in commands(path, complete, folder):
            status, output = run(*args)
            works = (0, 1, 2, 3) if args[0] == "mutate" else (0, 1, 2)  # it needs the beginning
            assert status in (works if readable else (3,)), (args, output)
            if "--json" in args and status in (0, 1) and readable:
                for line in output.splitlines() if args[0] == "show" else [output]:
                    json.loads(line)
        for load in (
            lambda: ClientReplay(path, ClientOptions("ws://127.0.0.1:9")),
            lambda: TraceLibrary.open(path),
        ):
            if not readable:
                with pytest.raises(WsproxyError):
                    load()
                continue
            try:
                load()
            except (WsproxyError, UsageError) as error:
                assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize("command", ["show", "explain", "list", "recover"])
def test_power_loss_command_prints_one_line_and_no_traceback(command: str, tmp_path: Path) -> None:
    (tmp_path / "zeros.wstrace").write_bytes(bytes(2 * PAGE))
    done = subprocess.run(
        [sys.executable, "-m", "wsproxy", command, str(tmp_path / "zeros.wstrace")],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
