"""A stranger's trace, or catalog file, through every command that reads them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fuzz.exporters import NASTY
from fuzz.judge import markdown_text, run
from hostile_commands import GOOD, every_command, laced, write
from test_trace import block
from traces import KINDS, make_trace, read_trace
from wsproxy.recorder import Clock, new_start, trace_path
from wsproxy.report.json_output import dumps
from wsproxy.trace import (
    End,
    FrameRecord,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.trace.records import MAX_INT, to_map


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in" / "t.wstrace"


# -- texts that a terminal, Markdown or a path would obey


@pytest.mark.one_python
@pytest.mark.sweep(keep=5)
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
