"""What a stranger could send, through every command: at most 10 s and 300 MiB, no traceback."""

from __future__ import annotations

import os
import re
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

import hostile_traces
from command_costs import Cost, measure
from fuzz.judge import run
from sweeps import values_that_run
from wsproxy.audio.noise import NoiseSource
from wsproxy.session import Session
from wsproxy.session.head_tail_buffer import KEPT_MESSAGES, KEPT_SIZE, KEPT_TEXT
from wsproxy.trace import Failure, FrameRecord, TraceReader, read_limits
from wsproxy.trace.read_limits import Allowance
from wsproxy.trace.reader import MAX_LAST
from wsproxy.trace.unpacker import Unpacker

pytestmark = pytest.mark.one_python

MAX_CPU = 10.0  # seconds
MAX_RSS = 300 << 20  # bytes
FIGURES = os.environ.get("HOSTILE_FIGURES")  # a file that gets what each command took

QUICK = ("explain --json T",)
ALL = (
    *QUICK, "list T", "explain --json T T", "recover T --out O", "show T",
    "show --json T", "show --full --control T",
    "list --json T", "explain T", "explain --markdown --all T", "diff T T", "diff --exact T T",
    "mutate T --end reset --out O", "mutate T --chunk 20ms --out O", "recover T --out O --json",
    "scrub T --out O", "bundle T --out O/t.zip",
    "report T --out O/t.html", "report T T --out O/t.html --force", "report F --out O/pages",
    "show --waveform T", "show --latency T", "show --transcript --interims T",
    "show --timeline --json T", "follow T", "follow --json T", "play T --out O/t.wav",
    "replay client T --to ws://127.0.0.1:9 --no-record", "distill T --to ws://127.0.0.1:9 --out O",
    "load T --to ws://127.0.0.1:9 --sessions 1 --no-record",
)  # fmt: skip
# Over 0.4 s to explain; one of them in `make test`, and of two of the others one.
SLOW = {
    *("messages_of_thousands_of_values", "ninety_thousand_texts_of_words", "millions_of_frames"),
    *("millions_of_frames_of_the_slow_kind", "a_last_block_of_millions_of_records"),
    *("texts_of_a_megabyte_of_lists", "messages_of_nested_objects", "messages_of_wide_characters"),
    *("an_hour_of_silence_of_both_sides", "a_hundred_thousand_container_headers"),
    *("millions_of_fragments", "messages_of_words_of_errors", "a_hundred_thousand_closes"),
    *("thousands_of_texts_of_words", "base64_in_texts", "a_refusal_with_a_body_of_lists"),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in" / "t.wstrace"


def commands(folder: Path, name: str, wanted: tuple[str, ...]) -> list[list[str]]:
    """Make a trace, and name the commands on it."""
    trace, out = folder / name / "t.wstrace", folder / name / "out"
    out.mkdir(parents=True)
    hostile_traces.MAKERS[name](trace)
    places = {"T": str(trace), "F": str(trace.parent), "O": str(out)}
    places |= {f"O/{each}": str(out / each) for each in ("t.zip", "t.html", "t.wav", "pages")}
    return [[places.get(part, part) for part in command.split()] for command in wanted]


def check(cost: Cost) -> None:
    what = f"{' '.join(cost.command)}: {cost.cpu} s, {cost.rss >> 20} MiB, status {cost.status}"
    if FIGURES:
        with Path(FIGURES).open("a") as file:
            file.write(f"{what}\n")
    assert cost.status in (0, 1, 2, 3), (what, cost.err[-2000:])
    assert "Traceback" not in cost.err, (what, cost.err[-2000:])
    assert cost.cpu <= MAX_CPU, what
    assert cost.rss <= MAX_RSS, what
    starts = ("error: ", "warning: ", "note: ")
    assert all(line.startswith(starts) for line in cost.err.splitlines()), what
    if cost.status == 3:
        assert "error: " in cost.err


@pytest.fixture(scope="module")
def explained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Cost]:
    """What it costs to explain the traces that run; a program imports everything once for them."""
    folder = tmp_path_factory.mktemp("hostile")
    names = values_that_run(request, "name")
    made = [each for name in names for each in commands(folder, name, QUICK)]
    return dict(zip(names, measure(made), strict=True))


def kind(name: str) -> str | int:
    return "slow" if name in SLOW else list(hostile_traces.MAKERS).index(name) // 4


@pytest.mark.cost
@pytest.mark.xdist_group("hostile_traces")
@pytest.mark.timeout(1800)  # of the first, for all
@pytest.mark.sweep(kind=kind)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("name", hostile_traces.MAKERS)
def test_hostile_trace_is_read_in_bounded_time_and_memory(
    name: str, explained: dict[str, Cost]
) -> None:
    check(explained[name])


@pytest.mark.soak
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("name", hostile_traces.MAKERS)
def test_commands_hostile_trace_use_bounded_time_and_memory(tmp_path: Path, name: str) -> None:
    for cost in measure(commands(tmp_path, name, ALL)):
        check(cost)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize("name", hostile_traces.NO_FILES)
def test_commands_special_file_is_one_line_error(path: Path, name: str) -> None:
    hostile_traces.MAKERS[name](path)
    out = str(path.parent / "out.wstrace")
    for command in (
        ["list", "T"], ["show", "T"], ["explain", "T"], ["explain", "T", "T"], ["diff", "T", "T"],
        ["mutate", "T", "--end", "reset", "--out", out], ["recover", "T", "--out", out],
        ["recover", "T", "--in-place"], ["scrub", "T", "--out", out], ["bundle", "T"],
        ["report", "T"], ["report", "T", "T"],
        ["distill", "T", "--to", "ws://127.0.0.1:9", "--out", out], ["replay", "server", "T"],
        ["replay", "client", "T", "--to", "ws://127.0.0.1:9"],
        ["load", "T", "--to", "ws://127.0.0.1:9", "--sessions", "1"],
        ["play", "T", "--out", f"{out}.wav"], ["follow", "T"], ["follow", "T", "--json"],
        ["show", "T", "--waveform"], ["show", "T", "--latency"], ["show", "T", "--transcript"],
    ):  # fmt: skip
        done = run([str(path) if part == "T" else part for part in command])
        assert done.status in (2, 3), (command, done)
        lines = done.err.splitlines()
        assert len(lines) == (2 if command[1:] == ["T", "T"] and command[0] == "explain" else 1)
        assert lines[0].startswith("error: "), (command, lines)
        if name == "a_fifo" and command[0] in ("list", "show", "explain", "diff", "follow"):
            assert f"cannot read {path}: a FIFO, not a regular file" in lines[0]
    assert not (path.parent / "out.wstrace").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_commands_special_file_in_folder_is_one_line_and_others_are_read(tmp_path: Path) -> None:
    hostile_traces.write(tmp_path / "good.wstrace", hostile_traces.pack(hostile_traces.CLOSE))
    for number, name in enumerate(hostile_traces.NO_FILES):
        hostile_traces.MAKERS[name](tmp_path / f"{number}.wstrace")
    (tmp_path / "folder.wstrace").mkdir()
    for command in ("list", "explain"):
        done = run([command, str(tmp_path)])
        assert done.status == 3
        lines = done.err.splitlines()
        assert len(lines) == 5 and all(line.startswith("error: cannot read ") for line in lines)
        assert "deepgram" in done.out.lower()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_commands_fifo_as_catalog_or_plan_is_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPROXY_CATALOG", "")  # --catalog adds to it
    fifo = tmp_path / "x.toml"
    os.mkfifo(fifo)
    for command in (
        ["catalog", "check", str(fifo)],
        ["catalog", "list", "--catalog", str(fifo)],
        ["simulate", "--plan", str(fifo)],
    ):
        done = run(command)
        assert done.status == 2
        assert f"{fifo}: a FIFO, not a regular file" in done.err
        assert done.err.startswith("error: ") and done.err.count("\n") == 1


def test_commands_catalog_of_gigabytes_is_one_line_error(tmp_path: Path) -> None:
    large = tmp_path / "x.toml"
    with large.open("wb") as file:
        file.truncate(8 << 30)
    done = run(["catalog", "check", str(large)])
    assert (done.status, done.err) == (2, f"error: {large}: larger than 1,048,576 bytes\n")


# -- what the limits are


def test_reader_over_the_record_limit_keeps_earlier_records(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_limits, "RECORDS", 1000)
    frames = hostile_traces.pack(hostile_traces.EMPTY) * 5000
    hostile_traces.write(path, frames)
    session = Session.read(path)
    assert 900 < session.frame_count < 1200
    assert "records of less than 4 bytes" in session.unread
    assert session.losses[-1].reason.startswith("not read: ") and session.losses[-1].at_end
    monkeypatch.setenv(read_limits.VARIABLE, "1")
    session = Session.read(path)
    assert (session.frame_count, session.unread, session.losses) == (5000, "", [])


def test_reader_real_session_of_any_length_is_accepted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence in 20 ms messages, with the times of a real clock: nothing is denser."""
    monkeypatch.setattr(read_limits, "RECORDS", 100)
    monkeypatch.setattr(read_limits, "SIZE", 1 << 20)
    import random

    chance = random.Random(1)
    frames = [
        FrameRecord(n * 20_000_000 + chance.randrange(10**6), True, 2, bytes(640), wire_length=648)
        for n in range(20_000)
    ]
    parts = [hostile_traces.pack(*frames[n : n + 400]) for n in range(0, len(frames), 400)]
    hostile_traces.write(path, *parts)
    session = Session.read(path)
    assert (session.frame_count, session.unread) == (20_000, "")


def test_allowance_of_a_folder_is_not_used_up_by_one_trace(tmp_path: Path) -> None:
    """A real trace is read whatever was before it in the folder."""
    shared = Allowance()
    hostile_traces.MAKERS["millions_of_frames_of_the_slow_kind"](tmp_path / "a.wstrace")
    hostile_traces.MAKERS["zeros_that_are_no_trace"](tmp_path / "b.wstrace")
    hostile_traces.write(
        tmp_path / "c.wstrace", hostile_traces.text({"type": "Results"}) * 3, b"", b""
    )
    assert Session.read(tmp_path / "a.wstrace", shared).unread
    assert shared.records < 10
    session = Session.read(tmp_path / "c.wstrace", shared)
    assert (session.frame_count, session.unread) == (3, "")


def test_allowance_of_a_trace_that_does_not_use_it_is_not_for_the_next_one() -> None:
    """850 hostile traces took minutes: the large ones allowed what the small ones have."""
    shared = Allowance()
    assert shared.take(4 << 20, 4 << 20)
    shared.searched += 1 << 20
    shared.begin_trace()
    assert (shared.records, shared.searched) == (read_limits.RECORDS, read_limits.SEARCHED)
    shared.records -= 10
    shared.begin_trace()
    assert shared.records == read_limits.RECORDS - 10


def test_search_for_valid_blocks_has_one_budget_for_a_folder(tmp_path: Path) -> None:
    """Each trace had 2 GiB of its own to unpack."""
    shared = Allowance()
    hostile_traces.MAKERS["thousands_of_false_blocks"](tmp_path / "b.wstrace")
    assert Session.read(tmp_path / "b.wstrace", shared).losses
    shared.begin_trace()
    assert shared.searched < read_limits.SEARCHED


def test_reader_counts_records_of_unknown_kinds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_limits, "RECORDS", 10)
    hostile_traces.MAKERS["millions_of_unknown_records"](path)
    with TraceReader(path) as reader, pytest.raises(Exception, match="is not read to its end"):
        list(reader)


@pytest.mark.parametrize(
    ("limit", "value"), [("NOTES", 50), ("NOTE_SIZE", 50 << 10)]
)  # of records, of their bytes
def test_reader_failures_over_the_limit_are_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(read_limits, limit, value)
    failures = hostile_traces.pack(Failure(5, "connect", False, "x" * 1000)) * 1000
    hostile_traces.write(path, hostile_traces.pack(hostile_traces.EMPTY) * 500, failures)
    session = Session.read(path)
    assert session.frame_count == 500
    assert len(session.failures) == pytest.approx(50, abs=12)
    assert "too many records other than frames" in session.unread
    monkeypatch.setenv(read_limits.VARIABLE, "1")
    assert Session.read(path).unread == ""


def test_allowance_of_a_folder_has_room_for_the_head_of_each_trace(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_limits, "NOTES", 4)
    hostile_traces.write(path, hostile_traces.pack(hostile_traces.CLOSE))
    shared = Allowance()
    assert not any(Session.read(path, shared).unread for _ in range(10))


def test_reader_last_record_of_huge_block_is_not_searched(path: Path) -> None:
    hostile_traces.MAKERS["a_last_block_of_millions_of_records"](path)
    with TraceReader(path) as reader:
        assert reader.last() is None
    assert MAX_LAST < 700_000


def test_unpacker_holds_no_second_copy_of_a_large_frame() -> None:
    """What the short way reads is not given to msgpack, which copies it."""
    large = FrameRecord(10**9, True, 2, bytes(8 << 20), wire_length=(8 << 20) + 14)
    block = hostile_traces.pack_any(large) + hostile_traces.pack(hostile_traces.HEAD[0])
    unpacker = Unpacker(block)
    assert len(list(unpacker)) == 2
    assert unpacker._fed - unpacker._start < 1 << 20


def test_session_keeps_a_bounded_number_of_bytes_of_messages(path: Path) -> None:
    message = hostile_traces.text(b"error " * (KEPT_TEXT // 6))
    hostile_traces.write(path, *[message * 60] * 6)
    session = Session.read(path)
    kept = session.messages(from_client=False)
    assert len(kept) < 3 * KEPT_MESSAGES
    assert sum(len(each.text) for each in kept) <= 3 * (KEPT_SIZE + KEPT_TEXT)
    assert kept[-1].frame == session.frame_count  # what came last is always there


def test_show_full_of_a_long_text_equals_short_computation(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is printed a part at a time, which a character may be on the edge of."""
    message = ("x\x1b\u4e2d" * 1000).encode() + b"\xff"
    hostile_traces.write(path, hostile_traces.text(message))
    expected = run(["show", "--full", str(path)]).out
    monkeypatch.setattr("wsproxy.cli.show.LONG", 100)
    for module in ("text", "safe_text"):
        monkeypatch.setattr(f"wsproxy.report.{module}.LONG", 100)
    assert run(["show", "--full", str(path)]).out == expected
    assert expected.endswith("x\\x1b\u4e2d\N{REPLACEMENT CHARACTER}\n")


def test_scrub_thousands_of_wav_files_generate_noise_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """33,000 of them, each with 4,096 samples of noise of its own, took 100 s."""
    made: list[NoiseSource] = []
    stock = NoiseSource._random_sample

    def counted(source: NoiseSource) -> Any:
        made.append(source)
        return stock(source)

    monkeypatch.setattr(NoiseSource, "_random_sample", counted)
    wav = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    wav += b"data\xff\xff\xff\xff" + struct.pack("<4h", 900, -800, 700, -600) * 20
    hostile_traces.write(path, hostile_traces.pack(FrameRecord(10**9, True, 2, wav)) * 20)
    assert run(["scrub", str(path), "--out", str(path.parent / "out.wstrace")]).status == 0
    assert len(made) == 4096


def test_scrub_over_the_limit_of_words_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_limits, "WORDS", 1000)
    message = hostile_traces.text({"type": "Results", "transcript": "a word " * 20})
    hostile_traces.write(path, message * 400)
    out = path.parent / "out.wstrace"
    done = run(["scrub", str(path), "--out", str(out)])
    assert done.status == 3 and "more text than a recording of its size" in done.err
    assert not out.exists()
    monkeypatch.setenv(read_limits.VARIABLE, "1")
    assert run(["scrub", str(path), "--out", str(out)]).status == 0


def test_diff_over_the_limit_of_values_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """90,000 messages of JSON in 7 kB took 12 s; lists in lists of 500 MB, minutes."""
    monkeypatch.setattr(read_limits, "VALUES", 2000)
    message = hostile_traces.text({"type": "Results", "x": [[]] * 100})
    hostile_traces.write(path, message * 400)
    for command in (["diff"], ["diff", "--exact"], ["diff", "--same-as", str(path)]):
        done = run([*command, str(path), str(path)])
        assert done.status == 3
        assert re.fullmatch(
            r"error: \S+ is not read to its end: it has over [\d,]+ JSON values to compare, .*\n",
            done.err,
        )
    monkeypatch.setenv(read_limits.VARIABLE, "1")
    assert run(["diff", str(path), str(path)]).status == 0


def test_diff_counts_no_audio_among_the_values(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight hours of digital silence are a gigabyte, in a file of a few MB."""
    monkeypatch.setattr(read_limits, "VALUES", 2000)
    hostile_traces.write(path, hostile_traces.pack(FrameRecord(10**9, True, 2, b"," * 6400)) * 400)
    assert run(["diff", str(path), str(path)]).status == 0


def test_allowance_of_a_large_file_has_an_end() -> None:
    """Of 16 MB, 64 million words were scrubbed: 20 minutes."""
    large = Allowance()
    large.begin_trace()
    assert large.take(16 << 20, 16 << 20)
    assert (large.words, large.values) == (read_limits.MOST_WORDS, read_limits.MOST_VALUES)


if sys.platform == "win32":
    pytest.skip("a FIFO, and forks", allow_module_level=True)


def test_show_prints_the_first_losses_and_their_number(path: Path) -> None:
    hostile_traces.thousands_of_blocks_of_another_session(path)
    done = run(["show", str(path)])
    warnings = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert len(warnings) <= 8
    assert any(line.startswith("warning: and ") and line.endswith(" more") for line in warnings)
