"""Files of traces where the system lacks something: locks, links, modes, room, names that move."""

from __future__ import annotations

import errno
import os
import runpy
import sys
from pathlib import Path

import pytest

from traces import SESSION, pack_trace, read_trace
from wsproxy.errors import UsageError
from wsproxy.trace import End, FrameRecord, Start, atomic_file, lock
from wsproxy.trace.atomic_file import Replacement, new_file, sweep, sync_folder
from wsproxy.trace.compaction import compact
from wsproxy.wire import mask

HIDDEN = ".a.0.wstrace.rewrite"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def open_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, which renames and removes no open file."""
    monkeypatch.setattr(atomic_file, "OPEN_FILES_MOVE", False)


@pytest.mark.usefixtures("open_files_stay")
def test_replacement_is_closed_before_it_is_renamed_or_removed(tmp_path: Path) -> None:
    with Replacement(tmp_path / "a") as new:
        new.file.write(b"x")
        new.commit()
        assert new.file.closed
    with Replacement(tmp_path / "b") as left:
        left.file.write(b"x")
    assert left.file.closed
    assert names(tmp_path) == ["a"]


@pytest.mark.usefixtures("open_files_stay")
def test_sweep_removes_a_leftover_after_it_is_closed(tmp_path: Path) -> None:
    (tmp_path / HIDDEN).write_bytes(b"left")
    assert sweep(tmp_path) == 1
    assert names(tmp_path) == []


@pytest.mark.usefixtures("open_files_stay")
def test_sweep_leftover_that_another_process_has_open_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / HIDDEN).write_bytes(b"left")
    monkeypatch.setattr(Path, "unlink", refuse)
    assert sweep(tmp_path) == 0
    assert names(tmp_path) == [HIDDEN]


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_sweep_leftover_that_cannot_be_opened_or_removed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / HIDDEN).write_bytes(b"left")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert sweep(tmp_path) == 0
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        assert sweep(tmp_path) == 0
    assert sweep(tmp_path) == 1


def test_sweep_file_that_is_no_leftover_any_more_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process replaces it between the look and the open."""
    young = tmp_path / ".a.0.wstrace.new"
    young.write_bytes(b"old")
    os.utime(young, (0, 0))
    real = os.open

    def replaced(path: Path, flags: int) -> int:
        os.utime(path)
        return real(path, flags)

    monkeypatch.setattr(os, "open", replaced)
    assert sweep(tmp_path) == 0
    assert names(tmp_path) == [young.name]


def test_replacement_without_file_modes_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "fchmod")
    with Replacement(tmp_path / "a") as new:
        new.commit()
    assert names(tmp_path) == ["a"]


def test_replacement_swept_before_it_is_held_is_created_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept: list[Path] = []

    def hold(fd: int) -> bool:
        if not swept:
            swept.extend(tmp_path.iterdir())
            swept[0].unlink()
        return lock.hold(fd)

    monkeypatch.setattr(atomic_file, "hold", hold)
    with Replacement(tmp_path / "a") as new:
        assert new.hidden.exists() and new.hidden not in swept
        new.commit()
    assert names(tmp_path) == ["a"]


def test_replacement_interrupted_while_it_is_created_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def interrupted(fd: int) -> bool:
        opened.append(fd)
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic_file, "hold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Replacement(tmp_path / "a")
    assert names(tmp_path) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_new_file_without_links_replaces_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a.txt"
    with new_file(path, force=False) as new:
        new.file.write(b"first")
    with (
        pytest.raises(UsageError, match=r"a\.txt already exists"),
        new_file(path, force=False) as new,
    ):
        new.file.write(b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a.txt"]


def test_sync_folder_on_windows_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        sync_folder(missing)
    with monkeypatch.context() as patch:
        patch.setattr(os, "name", "nt")
        sync_folder(missing)


def test_hold_without_locks_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No leftover is removed too early: where nothing can be locked, age decides."""
    import fcntl

    with (tmp_path / "a").open("wb") as file:
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "flock", refuse)
            assert lock.hold(file.fileno())
            assert not lock.is_held(tmp_path / "a")
            assert lock.is_held_by_another(file.fileno()) is None
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "fcntl", None)
            assert lock.hold(file.fileno())
            assert not lock.is_held(tmp_path / "a")
            assert lock.is_held_by_another(file.fileno()) is None
        assert lock.hold(file.fileno())
        assert lock.is_held(tmp_path / "a")


def test_compact_where_free_room_is_unknown_keeps_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "statvfs")
    path = tmp_path / "a.wstrace"
    frames = [[FrameRecord(n, True, 2, bytes(200))] for n in range(50)]
    path.write_bytes(pack_trace([[Start(0, 1, SESSION, 10**18)], *frames, [End(99, "stopped")]]))
    records, size = read_trace(path)[0], path.stat().st_size
    assert compact(path)
    assert read_trace(path)[0] == records
    assert path.stat().st_size < size


def test_mask_without_the_extension_is_that_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    from websockets.utils import apply_mask

    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    assert runpy.run_path(str(mask.__file__))["apply_mask"] is apply_mask
    for size in (0, 1, 3, 4, 5, 1001):
        data = bytes(n & 0xFF for n in range(size))
        assert apply_mask(data, b"abcd") == mask.apply_mask(data, b"abcd")
