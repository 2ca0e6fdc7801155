"""A stranger's trace, or catalog file, through every command that reads them."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import json
import os
import pty
import random
import re
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgpack
import pytest

from fuzz.exporters import NASTY
from fuzz.judge import markdown_text, run
from test_trace import block
from traces import KINDS, make_trace, read_trace
from wsproxy.audio import noise
from wsproxy.audio.encodings import PCM16
from wsproxy.recorder import Annotation, Clock, OfflineTraceWriter, new_start, trace_path
from wsproxy.report.json_output import dumps
from wsproxy.session import Session
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.trace import reader as trace_reader
from wsproxy.trace.records import MAX_INT, to_map
from wsproxy.trace.recovery import recover
from wsproxy.wire import Close

# Every command that reads one trace, T; those with --out write into O.
COMMANDS = (
    "show T", "show T --full --control", "show T --json", "show T --grep .",
    "explain T", "explain T --all", "explain T --markdown --all", "explain T --json",
    "explain T T", "explain T T --markdown", "explain T T --json",
    "list T", "list T --json", "diff T T", "diff T T --exact", "diff T T --json",
    "mutate T --end reset --out O", "mutate T --chunk 20ms --out O --json",
    "recover T --out O --json", "scrub T --out O --force", "scrub T --out O --force --hosts --json",
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in" / "t.wstrace"


def every_command(path: Path, commands: Iterable[str] = COMMANDS) -> dict[str, str]:
    """What each command prints of a trace, which `judge` has looked through.

    Nothing but what --out names is written.
    """
    out = path.parent.parent / "out"
    out.mkdir(exist_ok=True)
    before = path.read_bytes()
    outputs = {}
    for command in commands:
        places = {"T": str(path), "O": str(out)}
        done = run([places.get(part, part) for part in command.split()])
        assert done.status in (0, 1, 2, 3), command
        outputs[command] = done.out + done.err
    assert path.read_bytes() == before
    assert {each.parent for each in path.parent.parent.rglob("*.*")} <= {path.parent, out}
    return outputs


def write(path: Path, records: Iterable[Record]) -> Path:
    path.parent.mkdir(exist_ok=True)
    return make_trace(path, records)


# -- texts that a terminal, Markdown or a path would obey


def laced(text: str) -> list[Record]:
    """A session that has a text wherever one can be."""
    data = text.encode("utf-8", "replace")
    message = json.dumps({"type": text, "err_code": text, "description": text, text: text})
    close = Close(1011, "").serialize() + data[:120]
    pairs = [["Upgrade", "websocket"], [text, text], ["dg-request-id", text]]
    taken = [{"where": "header", "name": text, "fingerprint": text, "length": 3, "around": text}]
    return [
        Start(0, 1, text, 0, text, text, text, text, 1, text, text, text, text, changes=[text]),
        Request(1, text, text, text, 443, text, text, pairs, data, taken),
        Response(2, 101, text, text, pairs, data, 0, taken),
        FrameRecord(3, False, 1, message.encode(), broken_rule=text),
        FrameRecord(4, True, 1, data),
        FrameRecord(5, True, 2, data * 3, rsv=4, deflated=True),
        FrameRecord(6, False, 8, close),
        Bytes(7, True, data, text),
        Failure(8, text, False, text),
        Gap(9, 10, text),
        Eof(11, False, text),
        FindingRecord(12, text, text, text, [text]),
        End(13, text, text, 1011, text, findings=[text]),
    ]


@pytest.mark.one_python
@pytest.mark.parametrize("text", NASTY)
def test_commands_hostile_trace_text_is_escaped(path: Path, text: str) -> None:
    every_command(write(path, laced(text.encode("utf-8", "replace").decode())))


@pytest.mark.one_python
@pytest.mark.parametrize("provider", ["deepgram", "assemblyai"])
@pytest.mark.parametrize("status", [101, 401, 503])
def test_commands_hostile_text_of_known_provider_is_escaped(
    path: Path, provider: str, status: int
) -> None:
    """The words of a catalog's conditions, its request ids and retries come in."""
    text = "`](x)<img src=x onerror=y>\x1b]8;;https://evil.example\x07 @evil https://evil.example"
    start, request, response, *rest = laced(text)
    assert isinstance(start, Start)
    assert isinstance(request, Request)
    assert isinstance(response, Response)
    api = {"deepgram": "listen", "assemblyai": "streaming"}[provider]
    outputs = every_command(
        write(
            path,
            [
                dataclasses.replace(start, provider=provider, api=api),
                dataclasses.replace(request, path="/v1/listen?encoding=" + text),
                dataclasses.replace(response, status=status, headers=[["Retry-After", text]]),
                *rest,
            ],
        )
    )
    for command in ("explain T --markdown --all", "explain T T --markdown"):
        assert "evil" in outputs[command]
        assert "evil" not in markdown_text(outputs[command])


def test_commands_hostile_file_names_are_escaped(tmp_path: Path) -> None:
    """A folder that somebody else has packed."""
    for number, name in enumerate(["\x1b[2J", "<img src=x>", "`x`|@evil", "a\nb", "\u202ex"]):
        make_trace(tmp_path / f"{name}.wstrace", laced(str(number)))
    (tmp_path / "\x1b]0;x\x07.wstrace").write_bytes(b"no trace")
    for command in ("list", "list --json", "explain", "explain --json", "explain --markdown"):
        name, *options = command.split()
        done = run([name, str(tmp_path), *options])
        assert done.status == 3
        assert "]0;x" in done.err
    done = run(["show", str(tmp_path / "\x1b]0;x\x07.wstrace")])
    assert done.err.startswith("error: ") and done.err.count("\n") == 1


@pytest.mark.one_python
@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\0b", "x" * 300, ".", "\x1b[31m", "A"])
def test_commands_hostile_trace_ids_are_no_paths(tmp_path: Path, name: str) -> None:
    start = new_start(Clock(0, 0), provider=name, api=name)
    assert re.fullmatch(
        r"19700101T000000Z-websocket-[0-9a-f]{8}\.wstrace", trace_path(tmp_path, start).name
    )


@pytest.mark.one_python
@pytest.mark.parametrize("count", [15, 16])
def test_commands_on_folder_only_list_writes_index(tmp_path: Path, count: int) -> None:
    for number in range(count):
        made = make_trace(tmp_path / f"{number}.wstrace", laced("x"))
        os.utime(made, (1, 1))  # one that may still change is not in the index
    before = set(tmp_path.iterdir())
    for command in ("explain", "explain --json"):
        name, *options = command.split()
        run([name, str(tmp_path), *options])
    assert set(tmp_path.iterdir()) == before
    run(["list", str(tmp_path)])
    index = {tmp_path / ".wsproxy-index"} if count == 16 else set()
    assert set(tmp_path.iterdir()) == before | index
    assert [path.stat().st_mode & 0o777 for path in index] == [0o600] * len(index)


@pytest.mark.one_python
def test_commands_on_terminal_print_colors_only(path: Path) -> None:
    """With a terminal rich writes escapes of its own: colours, and nothing else."""
    write(
        path, laced("\x1b]8;;https://evil.example\x1b\\x\x9b2J[link=https://evil.example]y[/]\x07")
    )
    for command in (
        ["show", path],
        ["explain", path, "--all"],
        ["list", path],
        ["diff", path, path],
    ):
        text = on_a_terminal([sys.executable, "-m", "wsproxy", *map(str, command)])
        assert "evil.example" in text or command[0] in ("list", "diff")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r\n", "\n")
        assert plain.isprintable() or {c for c in plain if not c.isprintable()} == {"\n"}


def on_a_terminal(command: list[str]) -> str:
    main, side = pty.openpty()
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side)
    os.close(side)
    out = bytearray()
    while True:
        try:
            out += os.read(main, 1 << 16)
        except OSError:  # Linux: the other side is closed
            break
    os.close(main)
    process.wait()
    return out.decode()


def test_dumps_any_value_is_strict_json() -> None:
    value = {
        "a": [float("nan"), float("inf"), 1.5],
        "\x9b": "\u202e\ud800\x7f\U000e0001",
        1: (None,),
    }
    text = dumps(value, indent=2)
    assert text.replace("\n", "").isprintable()
    back = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert back["a"] == ["nan", "inf", 1.5]
    assert back["\x9b"] == "\u202e\ud800\x7f\U000e0001"
    assert dumps("ü𝕏") == '"ü𝕏"'


# -- records that are not what they say

WRONG: tuple[Any, ...] = (
    None, True, 0, -1, MAX_INT + 1, 1.0, float("nan"), float("inf"), -float("inf"), "", b"", [], {},
    [[]], [[1, 2]], [["a", b"b"]], [["a"]], {"a": 1}, [1], [None], [b""], [{}],
)  # fmt: skip
GOOD: dict[str, Record] = {
    record.kind: record for record in reversed(laced("x")) if isinstance(record, Record)
}


def wrong_maps(record: Record) -> Iterable[dict[str, Any]]:
    """The record with each field in turn missing, or of another type or out of range."""
    fields = {field.name: field for field in dataclasses.fields(record)}
    good = to_map(record)
    for name, value in itertools.product(fields, WRONG):
        if type(value) is not type(good.get(name, 0)) or value in ([[]], [[1, 2]], [["a"]], -1):
            yield {**good, name: value}
    for name in fields:
        yield {key: value for key, value in good.items() if key != name}


@pytest.mark.one_python
@pytest.mark.parametrize("kind", KINDS)
def test_reader_wrong_type_in_any_field_loses_one_record(path: Path, kind: str) -> None:
    maps = list(wrong_maps(GOOD[kind]))
    path.parent.mkdir()
    path.write_bytes(block(to_map(GOOD["start"]), *maps, to_map(GOOD["frame"])))
    records, reader = read_trace(path)
    assert records[-1] == GOOD["frame"]
    for record in records:
        for field in dataclasses.fields(record):
            assert not isinstance(getattr(record, field.name), float), field.name
    bad = len(maps) + 2 - len(records)
    assert bad > len(dataclasses.fields(GOOD[kind])) * 8
    assert f"{bad} bad records" in reader.losses[0].reason
    every_command(path, ("show T", "show T --json", "explain T --json", "list T --json"))


ODD_MAPS: tuple[dict[str, object], ...] = (
    {"where": b""},
    {"length": 1.5},
    {"name": None},
    {"like": [b"x"]},
    {"x": {"y": []}},
)


@pytest.mark.one_python
@pytest.mark.parametrize("odd", ODD_MAPS)
@pytest.mark.parametrize("kind", ["request", "response", "frame"])
def test_reader_redaction_with_invalid_json_value_loses_record(
    path: Path, kind: str, odd: dict[str, object]
) -> None:
    """`redacted` is the one place with values of no declared type."""
    whole = GOOD[kind]
    assert isinstance(whole, Request | Response | FrameRecord)
    good: list[dict[str, object]] = [{"where": "query", "length": 3, "like": ["x"], "later": True}]
    records = {**GOOD, kind: dataclasses.replace(whole, redacted=[*good, odd])}
    every_command(write(path, records.values()), ("show T --json", "explain T --json"))
    assert kind not in {record.kind for record in read_trace(path)[0]}
    write(path, [dataclasses.replace(whole, redacted=good)])
    assert read_trace(path)[0] == [dataclasses.replace(whole, redacted=good)]


# -- records in no order


@pytest.mark.one_python
@pytest.mark.parametrize("t_ns", [0, MAX_INT])
def test_commands_times_backwards_or_out_of_range_are_read(path: Path, t_ns: int) -> None:
    last = itertools.count()
    records = [
        dataclasses.replace(record, t_ns=MAX_INT - t_ns if next(last) % 2 else t_ns)
        for record in laced("x")
    ]
    start, *between, end = records
    assert isinstance(start, Start)
    assert isinstance(end, End)
    figures = dataclasses.replace(start, started_at_ns=MAX_INT, attempt=MAX_INT)
    end = dataclasses.replace(end, frames_sent=MAX_INT, bytes_sent=MAX_INT, close_code=MAX_INT)
    every_command(write(path, [figures, *between, end]))


ORDERS = {
    "two starts": [0, 0, 1, 2, 3, 0, 12],
    "ends only": [12, 12, 12],
    "records after the end": [0, 1, 2, 12, 3, 4, 6, 7, 10, 12],
    "backwards": list(range(12, -1, -1)),
    "no start": [1, 2, 3, 6, 12],
    "no handshake": [0, 3, 4, 6, 12],
    "two answers": [0, 1, 2, 2, 1, 2, 3, 12],
    "frames before the upgrade": [0, 3, 4, 6, 1, 2, 12],
    "closes and ends": [0, 1, 2, 6, 6, 10, 6, 10, 8, 9, 12],
    "a start alone": [0],
    "a finding alone": [11],
}


@pytest.mark.one_python
@pytest.mark.parametrize("order", ORDERS)
def test_commands_records_in_invalid_order_are_read(path: Path, order: str) -> None:
    records = laced("x")
    every_command(write(path, [records[number] for number in ORDERS[order]]))


# -- bombs: all commands on one get 1 GiB of memory and 30 s of CPU

LIMITED = """
import resource, shlex, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from wsproxy.cli.main import main
for command in sys.argv[1:]:
    sys.argv = ["wsproxy", *shlex.split(command)]
    try:
        main()
    except SystemExit as status:
        assert status.code in (0, 1, 2, 3), (command, status)
"""
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
    "60,000 frames": lambda: repeated(EMPTY, 20_000, 3),
    "a table of 2**32 blocks": lambda: (
        block(to_map(GOOD["start"])) + struct.pack("<IBI", (1 << 32) - 1, 0, 0x8F92EAB1)
    ),
}


@pytest.mark.cost
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
@pytest.mark.parametrize("name", BOMBS)
def test_commands_bombs_use_bounded_memory_and_time(path: Path, name: str) -> None:
    path.parent.mkdir()
    path.write_bytes(BOMBS[name]())
    commands = (
        "list T",
        "show T --limit 9",
        "explain T",
        "diff T T",
        "mutate T --end reset --out T.wstrace",
        "recover T --out T.recovered.wstrace",
    )
    limited(path, *commands)


def limited(path: Path, *commands: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *(each.replace("T", str(path)) for each in commands)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


# 15 s each: noise is made in the place of all that audio.
LARGE = ("180 MB of audio", "deflate in zstd")


@pytest.mark.cost
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] * (name in LARGE)) for name in BOMBS]
)
def test_scrub_and_bundle_bombs_use_bounded_memory_and_time(path: Path, name: str) -> None:
    path.parent.mkdir()
    path.write_bytes(BOMBS[name]())
    for command in ("scrub T --out T.scrubbed.wstrace", "bundle T --out T.zip"):
        limited(path, command)


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
