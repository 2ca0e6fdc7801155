"""The index of `list`: quicker, and never in the way of what the traces say."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.cli.main import cli
from wsproxy.errors import TraceError
from wsproxy.recorder import Clock, SessionWriter, new_start, trace_path
from wsproxy.report import list_index
from wsproxy.report.list_index import NAME, Listed, listed
from wsproxy.session import Session
from wsproxy.trace import Request, Response
from wsproxy.trace.blocks import Compressor
from wsproxy.trace.parts import part_of, part_path
from wsproxy.trace.read_limits import Allowance

HEADERS = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
COUNT = list_index.FEW + 4
HOUR = 3600


def record(folder: Path, number: int, *, max_size: int | None = None, end: bool = True) -> Path:
    """A session of 20 messages; of 16 KiB each where parts of a size are wanted."""
    start = new_start(Clock(1_790_000_000_000_000_000 + number * 10**9, 0), provider="deepgram")
    path = trace_path(folder, start)
    recording = SessionWriter(path, start, max_size=max_size)
    recording.add(Request(0, "GET", "wss", "api.deepgram.com", 443, "/v1/listen", headers=HEADERS))
    recording.response(Response(1, 101, headers=HEADERS))
    length = 1 << (14 if max_size else 8)
    for at in range(20):
        head = b"\x82\xfe" + length.to_bytes(2, "big") + b"abcd"
        recording.data(at, True, head + os.urandom(length))
        recording.flush()
    recording.data(50, False, b"\x88\x0a" + (1011).to_bytes(2, "big") + b"NET-0001")
    recording.flush()
    if end:
        recording.end(60)
    return path


def age(path: Path, seconds: float = HOUR) -> None:
    """Make it a file that was changed long ago."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    for number in range(COUNT):
        age(record(folder, number))
    return folder


def out_of(*args: object) -> str:
    env = {"COLUMNS": "200"}
    result = CliRunner().invoke(cli, ["list", *map(str, args)], catch_exceptions=False, env=env)
    assert result.exit_code == 0
    return result.output


def without_index(folder: Path) -> str:
    (folder / NAME).unlink(missing_ok=True)
    return out_of(folder, "--json")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The traces that were looked into."""
    paths: list[Path] = []
    read = Listed.read

    def note(path: Path, allowance: Allowance) -> Listed:
        paths.append(path)
        return read(path, allowance)

    monkeypatch.setattr(Listed, "read", note)
    return paths


def test_index_unchanged_trace_is_not_opened(folder: Path, opened: list[Path]) -> None:
    first = out_of(folder), out_of(folder, "--json")
    assert len(opened) == COUNT
    opened.clear()
    assert (out_of(folder), out_of(folder, "--json")) == first
    assert opened == []
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert "1011 NET-0001" in first[0]


def test_index_changed_trace_is_opened(folder: Path, opened: list[Path]) -> None:
    out_of(folder)
    traces = sorted(folder.glob("*.wstrace"))
    traces[0].write_bytes(traces[1].read_bytes()[:-20])  # its size says so
    age(traces[0])
    age(traces[2])  # its time says so
    traces[3].unlink()
    new = record(folder, COUNT)
    opened.clear()
    with_index = out_of(folder, "--json")
    assert set(opened) == {traces[0], traces[2], new}
    assert with_index == without_index(folder)


def test_index_recently_changed_trace_is_read_again(folder: Path, opened: list[Path]) -> None:
    changed = record(folder, COUNT, end=False)
    for _ in range(2):
        opened.clear()
        assert json.loads(out_of(folder, "--json"))[-1]["complete"] is False
        assert changed in opened


@pytest.mark.one_python
def test_index_change_of_any_part_is_detected(folder: Path, opened: list[Path]) -> None:
    first = record(folder, COUNT, max_size=300_000)
    parts = [path for path in folder.glob("*.wstrace") if part_of(path)[0] == first]
    assert len(parts) > 1
    for path in parts:
        age(path)
    complete = out_of(folder, "--json")
    assert len(json.loads(complete)) == COUNT + 1
    opened.clear()
    assert out_of(folder, "--json") == complete
    assert opened == []
    part_path(first, len(parts)).unlink()
    out_of(folder)
    assert opened == [first]


def test_index_unwritable_folder_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = without_index(folder)
    (folder / NAME).unlink()

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(list_index, "Replacement", refuse)
    assert out_of(folder, "--json") == expected
    assert not (folder / NAME).exists()


@pytest.mark.one_python
def test_index_concurrent_lists_agree(folder: Path) -> None:
    expected = without_index(folder)
    traces = sorted(folder.glob("*.wstrace"))
    found: list[list[tuple[Path, Listed | TraceError]]] = []
    for _ in range(3):
        (folder / NAME).unlink(missing_ok=True)
        threads = [
            threading.Thread(target=lambda: found.append(list(listed(traces)))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 12
    assert all(each == found[0] for each in found)
    assert out_of(folder, "--json") == expected
    assert [path.name for path in folder.iterdir() if not path.name.endswith(".wstrace")] == [NAME]


def pack(*items: object) -> bytes:
    return Compressor().compress(b"".join(msgpack.packb(item) for item in items))


@pytest.mark.one_python
def test_index_that_is_not_private_is_ignored(
    folder: Path, opened: list[Path], tmp_path: Path
) -> None:
    out_of(folder)
    path = folder / NAME
    path.chmod(0o666)  # anybody may have written it
    opened.clear()
    out_of(folder)
    assert len(opened) == COUNT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    opened.clear()
    out_of(folder)
    assert len(opened) == COUNT
    path.unlink()
    os.mkfifo(path)  # reading it would wait for ever
    out_of(folder)


def rows_of(folder: Path) -> dict[str, list[object]]:
    return {name: msgpack.unpackb(row) for name, row in list_index._read(folder / NAME).items()}


HOSTILE: dict[str, Callable[[dict[str, list[object]]], bytes]] = {
    "nothing": lambda rows: b"",
    "text": lambda rows: b"hello " * 100,
    "another version": lambda rows: pack(b"wsproxy index 3, 9.9"),
    "maps": lambda rows: pack(list_index._HEAD, {"a": {"b": 1}}),
    "a bomb": lambda rows: pack(list_index._HEAD, bytes(79 << 20)),
    "no rows": lambda rows: pack(list_index._HEAD, *[x for n in rows for x in (n, b"\xc0")]),
    "deep rows": lambda rows: pack(
        list_index._HEAD, *[x for n in rows for x in (n, b"\x91" * 8000)]
    ),
    "short rows": lambda rows: pack(
        list_index._HEAD, *[x for n, row in rows.items() for x in (n, msgpack.packb(row[:-1]))]
    ),
    "rows of others": lambda rows: pack(
        list_index._HEAD,
        *[x for n, row in rows.items() for x in (n, msgpack.packb(["x", *row[1:]]))],
    ),
    "names only": lambda rows: pack(list_index._HEAD, *rows),
}


def with_a_map(at: int) -> Callable[[dict[str, Any]], bytes]:
    return lambda rows: pack(
        list_index._HEAD,
        *[
            x
            for name, row in rows.items()
            for x in (name, msgpack.packb([*row[:at], {"a": 1}, *row[at + 1 :]]))
        ],
    )


HOSTILE |= {f"value {at} a map": with_a_map(at) for at in range(4, len(list_index._ROW))}


@pytest.mark.one_python
def test_index_hostile_content_is_ignored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_index, "FEW", 1)  # an index of few: each content is tried on all
    for trace in sorted(folder.iterdir())[3:]:
        trace.unlink()
    expected = without_index(folder)
    rows = rows_of(folder)
    assert len(rows) == 3
    for what, make in HOSTILE.items():
        (folder / NAME).write_bytes(make(rows))
        (folder / NAME).chmod(0o600)
        assert out_of(folder, "--json") == expected, what
        assert rows_of(folder) == rows, what  # and a sound one is in its place


@pytest.mark.one_python
def test_index_hostile_text_is_escaped(folder: Path) -> None:
    out_of(folder)
    rows = rows_of(folder)
    evil = "\x1b]0;evil\x07\n\u202e"
    for row in rows.values():
        for at, accepts in enumerate(list_index._ROW):
            if at and str in accepts:
                row[at] = evil
            if list in accepts:
                row[at] = [evil, evil]
    (folder / NAME).write_bytes(
        pack(list_index._HEAD, *[x for n, row in rows.items() for x in (n, msgpack.packb(row))])
    )
    text = out_of(folder)
    assert "evil" in text
    assert not set(text) & set("\x1b\x07\u202e")
    assert len(text.splitlines()) == 3 * COUNT
    assert not set(out_of(folder, "--json")) & set("\x1b\x07\u202e")


@pytest.mark.one_python
@given(st.binary(max_size=300))
def test_index_rows_of_any_block_never_raise(data: bytes) -> None:
    assert isinstance(list_index._rows(data), dict)
    assert isinstance(list_index._rows(msgpack.packb(list_index._HEAD) + data), dict)


@pytest.mark.one_python
@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists))
def test_index_listed_of_any_row_never_raises(value: object) -> None:
    try:
        row = msgpack.packb(value)
    except OverflowError:
        return
    assert list_index._listed(row, "x", list_index._State(1, 1, 1)) is None


@pytest.mark.one_python
def test_index_too_long_row_is_omitted(folder: Path, opened: list[Path]) -> None:
    start = new_start(Clock(1, 0))
    path = trace_path(folder, start)
    recording = SessionWriter(path, start)
    recording.add(Request(0, "GET", "ws", "h" * 10_000, 80, "/"))
    recording.end(5)
    age(path)
    out_of(folder)
    opened.clear()
    out_of(folder)
    assert opened == [path]


def test_index_of_few_traces_is_not_written(tmp_path: Path) -> None:
    path = record(tmp_path, 0)
    age(path)
    out_of(path)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_listed_entry_equals_trace(folder: Path) -> None:
    for path, each in listed(sorted(folder.glob("*.wstrace"))):
        session = Session.read(path)
        assert isinstance(each, Listed)
        assert each.entry["frames_sent"] == session.sent.frames == 20
        assert each.entry["session"] == session.id


@pytest.mark.one_python
def test_index_row_has_every_listed_field(folder: Path) -> None:
    path = next(folder.glob("*.wstrace"))
    assert set(list_index._ENTRY) == set(Listed.read(path).entry)


def test_listed_error_holds_nothing_of_the_trace(tmp_path: Path) -> None:
    """Its frames had 80 MB of a hostile trace while the next one was read."""
    path = tmp_path / "a.wstrace"
    path.write_bytes(b"no trace" * 100)
    ((_, error),) = listed([path])
    assert isinstance(error, TraceError)
    assert (error.__traceback__, error.__cause__, error.__context__) == (None, None, None)
