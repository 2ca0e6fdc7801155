"""All commands that take several traces take them alike: folders, and traces in parts, as one."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sessions import LISTEN, write
from test_limits import in_parts
from traces import read_trace
from wsproxy.cli.main import cli
from wsproxy.replayer.trace_library import TraceLibrary
from wsproxy.trace import FrameRecord, Start


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The parts of one trace."""
    recording, _ = in_parts(tmp_path_factory.mktemp("parts"), count=45)
    assert len(recording.paths) == 3
    return list(recording.paths)


@pytest.fixture
def parts(recorded: list[Path], tmp_path: Path) -> list[Path]:
    """The same, in a folder where nothing else is."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    return [Path(shutil.copy(path, folder)) for path in recorded]


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, [str(each) for each in arguments])
    return done.exit_code, done.stdout, done.stderr


def listed(out: Path, paths: list[Path]) -> list[Any]:
    rows: list[Any] = json.loads(run("list", *paths, "--json")[1])
    return rows


def explained(out: Path, paths: list[Path]) -> list[Any]:
    found = json.loads(run("explain", *paths, "--json")[1])
    return found if isinstance(found, list) else [found]


def scrubbed(out: Path, paths: list[Path]) -> list[Any]:
    assert run("scrub", *paths, "--out", out / "made")[0] == 0
    return list((out / "made").iterdir())


def bundled(out: Path, paths: list[Path]) -> list[Any]:
    assert run("bundle", *paths, "--out", out / "made.zip")[0] == 0
    with zipfile.ZipFile(out / "made.zip") as packed:
        names = [name for name in packed.namelist() if name.startswith("traces/")]
        return [packed.extract(name, out) for name in names]


def recovered(out: Path, paths: list[Path]) -> list[Any]:
    (out / "made").mkdir()
    run("recover", *paths, "--out", out / "made")
    return list((out / "made").iterdir())


TAKE = [listed, explained, scrubbed, bundled, recovered]


@pytest.mark.sweep(keep=4)
@pytest.mark.one_python
@pytest.mark.parametrize("take", TAKE)
@pytest.mark.parametrize("by_folder", [True, False])
def test_commands_trace_in_parts_is_one_trace(
    take: Callable[[Path, list[Path]], list[Any]],
    by_folder: bool,
    parts: list[Path],
    tmp_path: Path,
) -> None:
    assert len(take(tmp_path, [parts[0].parent] if by_folder else parts)) == 1


@pytest.mark.one_python
@pytest.mark.parametrize("take", [scrubbed, bundled])
def test_commands_output_of_parts_has_all_frames(
    take: Callable[[Path, list[Path]], list[Any]], parts: list[Path], tmp_path: Path
) -> None:
    (made,) = take(tmp_path, parts)
    records, _ = read_trace(Path(made))
    assert sum(isinstance(record, FrameRecord) for record in records) == 47


@pytest.mark.one_python
@pytest.mark.parametrize("take", [scrubbed, bundled])
def test_commands_output_of_later_part_has_no_part_number(
    take: Callable[[Path, list[Path]], list[Any]], parts: list[Path], tmp_path: Path
) -> None:
    parts[0].unlink()
    (made,) = take(tmp_path, parts[1:])
    start = read_trace(Path(made))[0][0]
    assert isinstance(start, Start)
    assert start.part is None


def test_library_folder_with_parts_serves_sessions(parts: list[Path]) -> None:
    assert [trace.path for trace in TraceLibrary.open(parts[0].parent).traces] == [parts[0]]


@pytest.mark.one_python
@pytest.mark.parametrize("command", ["list", "explain", "scrub", "recover"])
def test_commands_missing_trace_is_reported_and_others_continue(
    command: str, tmp_path: Path
) -> None:
    trace = write(tmp_path / "a.wstrace", LISTEN)
    status, out, err = run(command, tmp_path / "none.wstrace", trace)
    assert status == 3
    assert str(trace) in out.replace("\n", "") or "1 session in 1 group" in out
    (error_line,) = (line for line in err.splitlines() if line.startswith("error:"))
    assert "none.wstrace: No such file" in error_line


def test_recover_missing_trace_with_recovered_copy_continues(tmp_path: Path) -> None:
    trace = write(tmp_path / "a.wstrace", LISTEN)
    write(tmp_path / "none-recovered.wstrace", LISTEN)
    status, out, err = run("recover", tmp_path / "none.wstrace", trace)
    assert status == 3
    assert str(trace) in out.replace("\n", "")
    (error_line,) = (line for line in err.splitlines() if line.startswith("error:"))
    assert "none.wstrace" in error_line
