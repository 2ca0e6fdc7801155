"""`wsproxy recover`: what it writes, what it leaves alone, and how it says so."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions import LISTEN, STALLED, write
from traces import RECORDS, pack_trace, read_trace
from wsproxy.cli.main import cli
from wsproxy.errors import WsproxyError
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.session import Session
from wsproxy.trace import (
    End,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Start,
    TraceReader,
    TraceWriter,
)
from wsproxy.trace.blocks import read_block

MS = 1_000_000


def recover(*args: object) -> tuple[int, str]:
    """Runs the command; its exit status and what it printed."""
    outcome = CliRunner().invoke(cli, ["recover", *map(str, args)])
    if isinstance(outcome.exception, WsproxyError):
        return outcome.exception.exit_status, str(outcome.exception)
    if outcome.exception is not None and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome.exit_code, outcome.output


def blocks(path: Path) -> list[tuple[int, int]]:
    """Where the blocks of a trace begin and end, the seek table last."""
    found = []
    with path.open("rb") as file:
        offset = 0
        while offset < path.stat().st_size:
            _, end = read_block(file, offset)
            found.append((offset, end))
            offset = end
    return found


def die(recording: SessionWriter) -> None:
    """Stop as a process does that is killed: its file is closed, and nothing else."""
    file = recording._output._file
    assert file is not None
    file.close()


def killed(path: Path, records: list[Record] = STALLED, *, keep: int | None = None) -> Path:
    """A trace as a killed recorder leaves it: without an end, a block for each record.

    Args:
        keep: blocks that are left; None: all.
    """
    recording = SessionWriter(path, new_start(Clock(10**18, 0), provider="deepgram", api="listen"))
    for record in records:
        recording.add(record)
        recording.flush()
    die(recording)
    if keep is not None:
        os.truncate(path, blocks(path)[keep][0])
    return path


def zero(path: Path, *numbers: int) -> None:
    """Overwrite blocks with zeros."""
    places = [blocks(path)[number] for number in numbers]
    with path.open("r+b") as file:
        for begin, end in places:
            file.seek(begin)
            file.write(bytes(end - begin))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def records_of(path: Path) -> list[Record]:
    records, reader = read_trace(path)
    assert reader.losses == []
    return records


def test_recover_killed_recording_adds_end_and_findings(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace")
    status, output = recover(path)
    assert status == 1
    out = tmp_path / "a-recovered.wstrace"
    assert "recovered with loss" in output
    assert str(out) in output.replace("\n", "")
    records = records_of(out)
    *kept, gap, _, _, end = [records[0], *records[1:]]
    assert kept == read_trace(path)[0]
    assert isinstance(gap, Gap)
    assert "breaks off" in gap.reason
    assert isinstance(end, End)
    assert (end.ending, end.closed_by, end.close_code) == ("close", "server", 1011)
    assert (end.frames_sent, end.frames_received) == (6, 2)
    assert not end.complete
    findings = [record.id for record in records if isinstance(record, FindingRecord)]
    assert findings == end.findings
    assert findings[0] == "deepgram.listen.NET-0001"
    with TraceReader(out) as reader:
        assert reader.last() == end
    assert out.stat().st_mode & 0o777 == 0o600


def test_recover_cut_before_end_record_is_unfinished(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace", keep=6)
    assert recover(path)[0] == 1
    assert Session.read(tmp_path / "a-recovered.wstrace").ending == "unfinished"


def test_recover_loss_in_middle_becomes_gap(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace")
    before = read_trace(path)[0]
    zero(path, 4)  # the second frame
    recover(path)
    after = records_of(tmp_path / "a-recovered.wstrace")
    assert after[:4] == before[:4]
    gap = after[4]
    assert isinstance(gap, Gap)
    assert (gap.t_ns, gap.until_ns) == (before[3].t_ns, before[5].t_ns)
    assert "not readable" in gap.reason
    assert after[5:9] == before[5:9]


def test_recover_lost_final_frames_keeps_ending(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wstrace", LISTEN)
    make_small_blocks(path)
    end = records_of(path)[-1]
    assert isinstance(end, End)
    closes = {
        number: record
        for number, record in enumerate(records_of(path))
        if isinstance(record, FrameRecord) and record.close is not None
    }
    lost = {record.from_client: record.wire_length for record in closes.values()}
    zero(path, *closes)
    status, output = recover(path)
    assert status == 1
    assert "2 frames are missing" in output
    recovered = records_of(tmp_path / "a-recovered.wstrace")[-1]
    assert isinstance(recovered, End)
    assert recovered == replace(
        end,
        complete=False,
        frames_sent=end.frames_sent - 1,
        frames_received=end.frames_received - 1,
        bytes_sent=end.bytes_sent - lost[True],
        bytes_received=end.bytes_received - lost[False],
        findings=recovered.findings,
    )
    assert (recovered.ending, recovered.close_code) == ("close", 1000)


def make_small_blocks(path: Path) -> None:
    """Write a trace anew with a block for each record."""
    records = records_of(path)
    start = records[0]
    assert isinstance(start, Start)
    with path.open("wb", buffering=0) as file:
        writer = TraceWriter(file, start.session)
        for record in records:
            writer.write(record)
            writer.flush()
        writer.finish()


def test_recover_lost_beginning_is_not_invented(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace")
    session = Session.read(path).id
    os.utime(path, ns=(0, 2 * 10**18))
    zero(path, 0)
    recover(path, "--out", tmp_path / "out.wstrace")
    start, gap, request = records_of(tmp_path / "out.wstrace")[:3]
    assert isinstance(start, Start)
    assert start.session == session
    assert start.wsproxy is None
    assert isinstance(gap, Gap)
    assert "the beginning of the recording is lost" in gap.reason
    assert isinstance(request, Gap | Request)


def test_recover_lost_start_takes_provider_from_request(tmp_path: Path) -> None:
    request = Request(0, "GET", "wss", "api.deepgram.com", 443, "/v1/listen?model=nova-3")
    path = killed(tmp_path / "a.wstrace", [request, *STALLED[1:]])
    zero(path, 0)
    recover(path)
    session = Session.read(tmp_path / "a-recovered.wstrace")
    assert (session.provider, session.api) == ("deepgram", "listen")


def test_recover_complete_trace_writes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wstrace", STALLED)
    assert recover(path) == (0, f"{path}: complete, nothing to recover\n")
    before = path.read_bytes()
    assert recover(path, "--in-place")[0] == 0
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.wstrace"]


def test_recover_complete_trace_with_out_is_copied(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wstrace", STALLED)
    path.write_bytes(path.read_bytes()[:-30])  # of the seek table
    assert recover(path, "--out", tmp_path / "out.wstrace")[0] == 0
    assert records_of(tmp_path / "out.wstrace") == read_trace(path)[0]


def test_recover_zeros_after_end_are_ignored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wstrace", STALLED)
    before = records_of(path)
    path.write_bytes(path.read_bytes() + bytes(5000))
    assert recover(path, "--in-place")[0] == 0
    assert records_of(path) == before


def test_recover_unreadable_file_exits_3_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.wstrace"
    path.write_bytes(bytes(5000))
    assert recover(path, "--in-place")[0] == 3
    assert recover(path)[0] == 3
    assert names(tmp_path) == ["a.wstrace"]
    assert path.read_bytes() == bytes(5000)


def test_recover_folder_exits_with_worst_status(tmp_path: Path) -> None:
    write(tmp_path / "a.wstrace", STALLED)
    killed(tmp_path / "b.wstrace")
    assert recover(tmp_path, "--in-place")[0] == 1
    assert recover(tmp_path)[0] == 0
    (tmp_path / "c.wstrace").write_bytes(b"nothing")
    assert recover(tmp_path)[0] == 3


def test_recover_trace_being_written_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.wstrace"
    recording = SessionWriter(path, new_start(Clock(10**18, 0)))
    before = path.read_bytes()
    status, output = recover(path, "--in-place")
    assert status == 2
    assert "still being written" in output
    assert path.read_bytes() == before
    recording.end(5, "stopped")
    assert recover(path)[0] == 0


def test_recover_existing_file_is_overwritten_only_in_place(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace")
    before = path.read_bytes()
    for out in (path, tmp_path):
        status, output = recover(path, "--out", out)
        assert status == 2
        assert "already exists" in output
    recover(path)
    assert recover(path)[0] == 2
    assert path.read_bytes() == before
    assert recover(path, "--in-place")[0] == 1
    assert records_of(path) == records_of(tmp_path / "a-recovered.wstrace")


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_recover_failure_in_middle_keeps_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = killed(tmp_path / "a.wstrace")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if when == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    status, output = recover(path, "--in-place")
    assert status == 2
    assert output.strip().endswith("No space left on device")
    assert path.read_bytes() == before
    assert names(tmp_path) == ["a.wstrace"]


def test_recover_killed_in_middle_can_be_repeated(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace")
    (tmp_path / ".a.wstrace.rewrite").write_bytes(b"the beginning of something")
    assert recover(path, "--in-place")[0] == 1
    assert names(tmp_path) == ["a.wstrace"]
    assert isinstance(records_of(path)[-1], End)


def test_recover_json_has_same_content(tmp_path: Path) -> None:
    path = killed(tmp_path / "a.wstrace")
    zero(path, 4)
    status, output = recover(path, "--json")
    assert status == 1
    (entry,) = json.loads(output)
    assert entry["trace"] == str(path)
    assert entry["out"] == str(tmp_path / "a-recovered.wstrace")
    assert (entry["whole"], entry["ended"], entry["ending"]) == (False, False, "close")
    assert entry["frames_sent"] == 5
    assert len(entry["losses"]) == 2
    assert entry["findings"][0] == "deepgram.listen.NET-0001"


@pytest.mark.parametrize(
    "args", [["--out", "x.wstrace", "--in-place"], ["--out", "nowhere/x.wstrace"], ["--out", "x"]]
)
def test_recover_invalid_arguments_exit_2(tmp_path: Path, args: list[str]) -> None:
    path = killed(tmp_path / "a.wstrace")
    args = [str(tmp_path / arg) if not arg.startswith("-") else arg for arg in args]
    assert recover(path, *args)[0] == 2
    assert names(tmp_path) == ["a.wstrace"]


def test_recover_missing_file_is_one_line_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["recover", str(tmp_path / "none.wstrace")])
    assert done.exit_code == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def in_parts(path: Path) -> list[Path]:
    """A session that is rotated through parts and then killed."""
    recording = SessionWriter(path, new_start(Clock(10**18, 0)), max_size=300_000)
    for record in [*LISTEN[:2], *(FrameRecord(n, True, 2, os.urandom(90_000)) for n in range(9))]:
        recording.add(record)
        recording.flush()
    die(recording)
    return sorted(path.parent.iterdir())


def test_recover_parts_become_one_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.wstrace"
    parts = in_parts(path)
    assert len(parts) > 2
    frames = [r for r in read_trace(path)[0] if isinstance(r, FrameRecord)]
    assert len(frames) == 9
    later = tmp_path / "a.part2.wstrace"
    status, output = recover(later)
    assert status == 2
    assert "name the first one" in output
    status, output = recover(tmp_path, "--in-place")
    assert status == 1
    assert "you can delete a.part2.wstrace" in output
    for part in parts:
        if part != path:
            part.unlink()
    records = records_of(path)
    assert [r for r in records if isinstance(r, FrameRecord)] == frames
    assert isinstance(records[-1], End)
    assert records[-1].parts is None
    assert recover(path)[0] == 0


@pytest.mark.one_python
@given(st.lists(st.lists(RECORDS, min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
@settings(max_examples=60)
def test_recover_any_records_are_kept(blocks: list[list[Record]], finish: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "a.wstrace"), Path(folder, "out.wstrace")
        path.write_bytes(pack_trace(blocks, finish=finish))
        before = read_trace(path)[0]
        assert recover(path, "--out", out)[0] in (0, 1)
        after = records_of(out)
        assert recover(out)[0] == 0
    made = (Start, FindingRecord, Gap, End)
    assert [r for r in after if not isinstance(r, made)] == [
        r for r in before if not isinstance(r, made)
    ]
    assert isinstance(after[0], Start)
    assert isinstance(after[-1], End)
    gaps = [r for r in before if isinstance(r, Gap)]
    assert [r for r in after if r in gaps] == gaps
