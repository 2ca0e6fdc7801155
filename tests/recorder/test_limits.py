"""Limits: how much of a frame, of a trace and of a folder is kept; parts that read as one."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from echo_sessions import counted, recorder_setup
from wsproxy.cli.hints import message
from wsproxy.cli.main import cli
from wsproxy.errors import NotATrace, UsageError
from wsproxy.proxy.options import RecorderOptions
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.recorder.limits import InvalidLimit, RecorderLimits, parse_size
from wsproxy.session import Session
from wsproxy.trace import (
    SUFFIX,
    End,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
    find_traces,
)
from wsproxy.trace import parts as parts_module
from wsproxy.trace.compaction import compact
from wsproxy.wire import Close, Frame, FrameParser, Opcode

MB = 1 << 20
HEADERS = [["Upgrade", "websocket"]]


# -- sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1500", 1500),
        ("1500B", 1500),
        ("64kB", 64_000),
        ("64KiB", 65_536),
        ("100MB", 100_000_000),
        ("100m", 100_000_000),
        ("1.5 GiB", 3 << 29),
        (" 2TB ", 2 * 10**12),
    ],
)
def test_parse_size_valid_text_is_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "big", "1PB", "1iB", "1e6", "MB", "1 000", "0x10", "١"])
def test_parse_size_invalid_text_raises(text: str) -> None:
    with pytest.raises(ValueError, match="invalid size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--max-payload", "65MiB", "65MiB is more than the maximum of 64 MiB"),
        ("--max-payload", "lots", "invalid size 'lots'"),
        ("--max-size", "1kB", "1kB is less than the minimum of 1 MiB"),
        ("--max-folder", "-3", "invalid size '-3'"),
    ],
)
@pytest.mark.parametrize("command", [["record"], ["run", "--", "true"]])
def test_record_invalid_limit_is_one_line(
    command: list[str], option: str, value: str, says: str
) -> None:
    done = CliRunner().invoke(cli, [command[0], option, value, *command[1:]])
    assert isinstance(done.exception, UsageError | SystemExit)
    output = message(done.exception) if isinstance(done.exception, UsageError) else done.output
    assert f"{option} value" in output
    assert says in output
    assert "Traceback" not in output


def test_recorder_options_as_mitmproxy_options_parse_to_the_same_limits() -> None:
    limits = RecorderLimits(1000, 2 * MB, 3 * MB, "block", True)
    words = RecorderOptions(Path("traces"), limits).as_options()
    payload, size, folder = (
        str(words[f"wsproxy_{name}"]) for name in ("max_payload", "max_size", "max_folder")
    )
    assert limits == RecorderLimits.parse(payload, size, folder, "block", strict=True)
    with pytest.raises(InvalidLimit, match="max_size"):
        RecorderLimits.parse("1", "x", "", "end", strict=False)


# -- of one frame


@given(
    st.binary(max_size=300),
    st.none() | st.binary(min_size=4, max_size=4),
    st.integers(0, 40),
    st.lists(st.integers(0, 400), max_size=6),
)
def test_frame_digest_covers_the_complete_payload(
    payload: bytes, mask: bytes | None, limit: int, cuts: list[int]
) -> None:
    wire = Frame(Opcode.BINARY, payload, mask=mask).serialize()
    parser = FrameParser(max_payload=limit)
    at = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    items = [item for a, b in itertools.pairwise(at) for item in parser.feed(wire[a:b])]
    [frame] = items
    assert isinstance(frame, Frame)
    complete_digest = hashlib.sha256(payload).hexdigest()
    assert frame.digest == (complete_digest if len(payload) > limit else None)


def test_frame_incomplete_has_no_digest() -> None:
    parser = FrameParser(max_payload=10)
    parser.feed(Frame(Opcode.BINARY, bytes(100)).serialize()[:50])
    [frame] = parser.end()
    assert isinstance(frame, Frame)
    assert (frame.cut, frame.digest) == (38, None)


def recorded(path: Path, **options: object) -> SessionWriter:
    start = new_start(Clock(0, 0), provider="deepgram", api="listen", mitmproxy="12")
    recording = SessionWriter(path, start, **options)  # type: ignore[arg-type]
    url = "/v1/listen"
    recording.add(Request(1, "GET", "wss", "api.deepgram.com", 443, url, headers=HEADERS))
    return recording


def frames_of(path: Path) -> list[FrameRecord]:
    with TraceReader(path) as reader:
        return [record for record in reader if isinstance(record, FrameRecord)]


def test_session_writer_long_frame_keeps_beginning_length_and_digest(tmp_path: Path) -> None:
    payload = os.urandom(100_000)
    recording = recorded(tmp_path / f"x{SUFFIX}", max_payload=50)
    recording.response(Response(2, 101))
    recording.data(3, True, Frame(Opcode.BINARY, payload, mask=b"abcd").serialize())
    recording.data(4, True, Frame(Opcode.BINARY, payload[:50], mask=b"abcd").serialize())
    recording.data(5, False, Frame(Opcode.CLOSE, Close(1011, "x" * 100).serialize()).serialize())
    recording.end(6)
    long, short, close = frames_of(recording.path)
    assert long.payload == payload[:50]
    assert long.cut == 99_950
    assert long.digest == hashlib.sha256(payload).hexdigest()
    assert (short.payload, short.cut, short.digest) == (payload[:50], 0, None)
    assert len(close.payload) == 102  # what a Close says is kept whatever the limit
    session = Session.read(recording.path)
    assert session.close is not None
    assert session.close.code == 1011
    assert session.frame(1).length == 100_000
    assert recording.path.stat().st_size < 2000


def test_session_writer_inflated_payload_over_the_limit_is_cut(tmp_path: Path) -> None:
    deflated = zlib.compressobj(wbits=-15)
    wire = (deflated.compress(b"a" * 5000) + deflated.flush(zlib.Z_SYNC_FLUSH))[:-4]
    recording = recorded(tmp_path / f"x{SUFFIX}", max_payload=100)
    extension = [["Sec-WebSocket-Extensions", "permessage-deflate"]]
    recording.response(Response(2, 101, headers=extension))
    recording.data(3, False, Frame(Opcode.TEXT, wire, rsv=4).serialize())
    recording.end(4)
    [frame] = frames_of(recording.path)
    assert (frame.payload, frame.cut, frame.deflated) == (b"a" * 100, 4900, False)
    assert frame.digest == hashlib.sha256(wire).hexdigest()


def test_session_writer_long_message_of_the_stock_layer_is_cut(tmp_path: Path) -> None:
    recording = recorded(tmp_path / f"x{SUFFIX}", max_payload=3)
    recording.message(2, True, Opcode.TEXT, b"hello")
    recording.end(3)
    [frame] = frames_of(recording.path)
    assert (frame.payload, frame.cut, frame.wire_length) == (b"hel", 2, 5)
    assert frame.digest == hashlib.sha256(b"hello").hexdigest()


def test_show_json_cut_frame_has_the_digest(tmp_path: Path) -> None:
    recording = recorded(tmp_path / f"x{SUFFIX}", max_payload=3)
    recording.message(2, True, Opcode.TEXT, b"hello")
    recording.end(3)
    done = CliRunner().invoke(cli, ["show", str(recording.path), "--json"])
    [frame] = [r for r in map(json.loads, done.stdout.splitlines()) if r["kind"] == "frame"]
    assert frame["digest"] == hashlib.sha256(b"hello").hexdigest()


# -- of a trace: parts


def in_parts(folder: Path, count: int = 60) -> tuple[SessionWriter, list[bytes]]:
    """A session of 50 kB frames in parts of 1 MiB."""
    recording = recorded(folder / f"x{SUFFIX}", max_size=MB)
    recording.response(Response(2, 101))
    payloads = [os.urandom(50_000) for _ in range(count)]
    for number, payload in enumerate(payloads):
        recording.data(number + 3, True, Frame(Opcode.BINARY, payload, mask=b"abcd").serialize())
    close = Frame(Opcode.CLOSE, Close(1000).serialize())
    recording.data(count + 3, True, replace(close, mask=b"abcd").serialize())
    recording.data(count + 4, False, close.serialize())
    recording.end(count + 5)
    return recording, payloads


def test_parts_read_as_one_trace(tmp_path: Path) -> None:
    recording, payloads = in_parts(tmp_path)
    assert [path.name for path in recording.paths] == [
        f"x{SUFFIX}",
        *(f"x.part{n}{SUFFIX}" for n in range(2, len(recording.paths) + 1)),
    ]
    assert len(recording.paths) >= 4
    assert all(path.stat().st_size <= MB for path in recording.paths)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in recording.paths)
    assert recording.size == sum(path.stat().st_size for path in recording.paths)
    with TraceReader(recording.path) as reader:
        records = list(reader)
        assert reader.losses == []
        assert reader.ended
        assert list(reader) == records  # it can be read again
        assert reader.last() == records[-1]
    assert [r.payload for r in records if isinstance(r, FrameRecord)][: len(payloads)] == payloads
    for kind in (Start, Request, Response, End):
        assert sum(isinstance(record, kind) for record in records) == 1
    end = records[-1]
    assert isinstance(end, End)
    assert end.parts == len(recording.paths)
    assert end.complete
    assert Session.read(recording.path).complete
    assert Session.summary(recording.path).end == end


def test_parts_compacted_read_the_same(tmp_path: Path) -> None:
    recording, _ = in_parts(tmp_path)
    before = list(TraceReader(recording.path))
    done = [compact(path) for path in recording.paths]
    with TraceReader(recording.path) as reader:
        assert list(reader) == before
        assert reader.losses == []
    assert len(done) == len(recording.paths)


def test_parts_later_part_alone_is_read_as_incomplete(tmp_path: Path) -> None:
    recording, payloads = in_parts(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    last = Path(shutil.copy(recording.paths[-1], alone))
    session = Session.read(last)
    assert session.request is not None
    assert session.response is not None
    assert session.id == recording.session.id
    assert 0 < session.frame_count < len(payloads)
    [loss] = session.losses
    assert f"the parts before it are not read with it: x{SUFFIX}" in str(loss)
    assert not session.complete
    with TraceReader(last) as reader:
        start = next(iter(reader))
    assert isinstance(start, Start)
    assert start.part == len(recording.paths)


@pytest.mark.parametrize("gone", [2, 3])
def test_parts_missing_middle_part_is_a_loss(gone: int, tmp_path: Path) -> None:
    recording, payloads = in_parts(tmp_path)
    lost = len(frames_of_one(recording.paths[gone - 1], tmp_path))
    recording.paths[gone - 1].unlink()
    session = Session.read(recording.path)
    assert [loss.reason for loss in session.losses] == [f"x.part{gone}{SUFFIX} is missing"]
    assert session.frame_count == len(payloads) + 2 - lost
    assert session.end is not None
    assert not session.complete


def frames_of_one(part: Path, folder: Path) -> list[FrameRecord]:
    """The frames in a part and in no other."""
    alone = folder / "one"
    alone.mkdir()
    return frames_of(Path(shutil.copy(part, alone)))


def test_parts_missing_last_part_is_a_loss(tmp_path: Path) -> None:
    recording, _ = in_parts(tmp_path)
    for path in recording.paths[2:]:
        path.unlink()
    with TraceReader(recording.path) as reader:
        assert len(list(reader)) > 20
        assert [(loss.reason, loss.part, loss.at_end) for loss in reader.losses] == [
            (f"x.part3{SUFFIX} is missing", 2, True)
        ]
        assert not reader.ended
        assert reader.last() is None


def test_parts_part_of_another_session_is_ignored(tmp_path: Path) -> None:
    recording, _ = in_parts(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    wrong, _ = in_parts(other)
    shutil.copy(wrong.paths[1], recording.paths[1])
    of_wrong = {frame.payload for frame in frames_of(wrong.path)} - {Close(1000).serialize()}
    session = Session.read(recording.path)
    assert any("another session" in loss.reason for loss in session.losses)
    assert not of_wrong & {frame.payload for frame in frames_of(recording.path)}


def test_parts_damage_is_reported_with_its_part(tmp_path: Path) -> None:
    recording, payloads = in_parts(tmp_path)
    data = bytearray(recording.paths[1].read_bytes())
    data[len(data) // 2] ^= 1
    recording.paths[1].write_bytes(data)
    session = Session.read(recording.path)
    assert session.losses
    assert all(str(loss).startswith("part 2, ") for loss in session.losses)
    assert len(payloads) - 10 < session.frame_count < len(payloads) + 2


def test_parts_crash_between_two_parts_loses_nothing(tmp_path: Path) -> None:
    """The next part is there, and the one before was not closed yet."""
    recording, payloads = in_parts(tmp_path)
    data = recording.path.read_bytes()
    recording.path.write_bytes(data[: _seek_table_of(data)])
    session = Session.read(recording.path)
    assert session.frame_count == len(payloads) + 2
    assert session.losses == []


def _seek_table_of(data: bytes) -> int:
    return data.rindex(b"\x5e\x2a\x4d\x18")


@settings(max_examples=20)
@given(st.lists(st.integers(0, 60_000), max_size=60), st.randoms(use_true_random=False))
def test_parts_rotation_keeps_the_records_unchanged(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], rnd: object
) -> None:
    folder = tmp_path_factory.mktemp("rotated")
    start = new_start(Clock(0, 0))
    read: list[list[Record]] = []
    payloads = [os.urandom(size) for size in sizes]
    for name, limit in (("one", None), ("many", 300_000)):
        recording = SessionWriter(folder / f"{name}{SUFFIX}", start, max_size=limit)
        for number, payload in enumerate(payloads):
            recording.data(number, True, Frame(Opcode.BINARY, payload, mask=b"abcd").serialize())
            if number % 7 == 0:
                recording.flush()
        recording.end(len(sizes))
        with TraceReader(recording.path) as reader:
            read.append(list(reader))
            assert reader.losses == []
    one, many = read
    assert many[:-1] == one[:-1]
    end = many[-1]
    assert isinstance(end, End)
    assert replace(end, parts=None) == one[-1]


def test_parts_commands_show_one_session(tmp_path: Path) -> None:
    recording, payloads = in_parts(tmp_path)
    assert find_traces([str(tmp_path)]) == [recording.path]
    assert find_traces([str(path) for path in recording.paths]) == [recording.path]
    for paths in ([tmp_path], recording.paths):
        done = CliRunner().invoke(cli, ["list", *map(str, paths), "--json"])
        [entry] = json.loads(done.stdout)
        assert entry["frames_sent"] == len(payloads) + 1
        assert entry["complete"]
        done = CliRunner().invoke(cli, ["explain", *map(str, paths), "--json"])
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert found["session"] if isinstance(found, dict) else len(found) == 1
    done = CliRunner().invoke(cli, ["show", str(recording.path), "--json"])
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [record["kind"] for record in shown]
    assert shown[-1]["parts"] == len(recording.paths)
    assert kinds.count("frame") == len(payloads) + 2
    assert kinds.count("start") == 1
    recording.path.unlink()
    assert find_traces([str(tmp_path)]) == [recording.paths[1]]


def test_parts_similar_name_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / f"x.part1{SUFFIX}"
    recorded(path).end(2)
    assert Session.read(path).losses == []
    (tmp_path / f"y{SUFFIX}").write_bytes(b"no trace")
    shutil.copy(path, tmp_path / f"y.part2{SUFFIX}")
    with TraceReader(tmp_path / f"y{SUFFIX}") as reader:
        assert list(reader)  # nothing of the first part can be read, the second is whole
        assert {loss.part for loss in reader.losses} == {1}
    (tmp_path / f"y.part2{SUFFIX}").unlink()
    with TraceReader(tmp_path / f"y{SUFFIX}") as reader, pytest.raises(NotATrace):
        list(reader)


def test_trace_output_next_part_cannot_be_created_continues_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorded(tmp_path / f"x{SUFFIX}", max_size=MB)
    monkeypatch.setattr(
        "wsproxy.recorder.trace_output.part_path", lambda *_: tmp_path / ("x" * 300)
    )
    for number in range(60):
        data = Frame(Opcode.BINARY, os.urandom(50_000), mask=b"abcd").serialize()
        recording.data(number, True, data)
    assert recording.fault is not None
    recording.end(100)
    assert recording.paths == [recording.path]
    frames, missing, session = counted(recording.path)
    assert (frames, missing) == (60, 0)
    assert session.complete


def test_record_long_session_has_parts(tmp_path: Path) -> None:
    with recorder_setup(tmp_path / "out", tmp_path / "conf", RecorderLimits(max_size=MB)) as at:
        call = at.open_session()
        call.talk(size=40_000, times=50)
        call.hang_up()
        recording = at.next()
    assert len(recording.paths) >= 3
    frames, missing, session = counted(recording.path)
    assert (frames, missing) == (call.frames, 0)
    assert session.complete
    assert session.sent.size == len(call.app.sent)
    assert session.received.size == len(call.app.received)
    sent = [f.frame.serialize() for f in frames_of(recording.path) if f.from_client]
    assert b"".join(sent) == bytes(call.app.sent)


def test_part_of_names_round_trip() -> None:
    first = Path("a/x.wstrace")
    assert parts_module.part_path(first, 1) == first
    assert parts_module.part_path(first, 12) == Path("a/x.part12.wstrace")
    for number in (2, 99, 99_999):
        assert parts_module.part_of(parts_module.part_path(first, number)) == (first, number)
    for name in ("x", "x.part1", "x.part0", "x.part02", "x.part1000000", "x.part-2", ".part2"):
        path = Path(f"{name}.wstrace")
        assert parts_module.part_of(path) == (path, 1)


def test_trace_output_gap_before_a_rotation_is_kept(tmp_path: Path) -> None:
    recording = recorded(tmp_path / f"x{SUFFIX}", max_size=MB)
    for number in range(60):
        recording.message(number, True, Opcode.BINARY, os.urandom(50_000))
        if number % 20 == 0:
            recording.add(Gap(number, number, "a test", 1))
    recording.end(100)
    assert len(Session.read(recording.path).gaps) == 3
