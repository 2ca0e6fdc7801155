"""Files are complete or absent, and leftovers of a killed process are removed."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sessions import LISTEN, STALLED, write
from wsproxy.catalog import load
from wsproxy.distill import result_trace
from wsproxy.errors import UsageError
from wsproxy.export.bundle import bundle
from wsproxy.mutate import mutate
from wsproxy.mutate.ending import SetEnd
from wsproxy.scrub import scrub
from wsproxy.trace.atomic_file import Replacement, new_file, sweep
from wsproxy.trace.lock import hold

END = SetEnd("reset")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_replacement_has_its_name_only_after_commit(tmp_path: Path) -> None:
    path = tmp_path / "a.wstrace"
    with Replacement(path) as first, Replacement(path) as second:
        first.file.write(b"first")
        assert not path.exists()
        first.commit()
        second.file.write(b"second")
        assert path.read_bytes() == b"first"
        second.commit()
    with Replacement(path) as third:
        third.file.write(b"third")
    assert path.read_bytes() == b"second"
    assert names(tmp_path) == ["a.wstrace"]


def test_replacement_any_umask_has_mode_0600(tmp_path: Path) -> None:
    for mask in (0, 0o777):
        before = os.umask(mask)
        try:
            with Replacement(tmp_path / "a") as new:
                assert new.hidden.stat().st_mode & 0o777 == 0o600
                new.commit()
        finally:
            os.umask(before)
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_replacement_existing_hidden_file_is_not_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its owner and its mode, and may be a link to elsewhere."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "0")
    there = tmp_path / ".a.0.wstrace.rewrite"
    there.write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        Replacement(tmp_path / "a.wstrace")
    assert there.read_bytes() == b"theirs"


@pytest.mark.parametrize("links", [True, False])
def test_replacement_without_replace_keeps_existing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:  # as on FAT

        def refuse(*_: object) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a"
    with Replacement(path, replace=False) as first, Replacement(path, replace=False) as second:
        first.commit()
        inode = path.stat().st_ino
        with pytest.raises(FileExistsError):
            second.commit()
    assert path.stat().st_ino == inode
    assert path.stat().st_nlink == 1
    assert names(tmp_path) == ["a"]


def test_replacement_short_write_continues_or_raises(tmp_path: Path) -> None:
    """The number that `write` returns is one that zipfile, for example, does not look at."""
    code = """
import resource, signal, sys
from pathlib import Path
from wsproxy.trace.atomic_file import Replacement
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))
with Replacement(Path(sys.argv[1])) as new:
    new.file.write(b"0123456789")
    new.commit()
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert names(tmp_path) == []


def test_replacement_is_synced_before_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    path = tmp_path / "a"
    monkeypatch.setattr(os, "fsync", lambda fd: done.append((os.fstat(fd).st_ino, path.exists())))
    with Replacement(path) as new:
        new.commit()
    assert done == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_replacement_long_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 120 + ".wstrace")
    with Replacement(path) as new:
        new.commit()
    assert names(tmp_path) == [path.name]


def test_sweep_removes_leftovers_only(tmp_path: Path) -> None:
    old = time.time() - 100
    for name in (".a.wstrace.rewrite", ".b.wstrace.new", ".c.wstrace.new", ".d.rewrite", "e"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".b.wstrace.new", (old, old))
    with (tmp_path / ".held.wstrace.rewrite").open("wb") as held:
        hold(held.fileno())
        assert sweep(tmp_path) == 2
        assert names(tmp_path) == [".c.wstrace.new", ".d.rewrite", ".held.wstrace.rewrite", "e"]
    assert sweep(tmp_path) == 1
    assert sweep(tmp_path / "none") == 0


def test_sweep_fifo_and_link_are_ignored(tmp_path: Path) -> None:
    """In a stranger's folder."""
    os.mkfifo(tmp_path / ".a.wstrace.rewrite")
    (tmp_path / "e").touch()
    (tmp_path / ".b.wstrace.rewrite").symlink_to("e")
    assert sweep(tmp_path) == 0
    assert names(tmp_path) == [".a.wstrace.rewrite", ".b.wstrace.rewrite", "e"]


def test_sweep_file_being_written_is_kept(tmp_path: Path) -> None:
    with Replacement(tmp_path / "a.zip") as new:
        assert sweep(tmp_path) == 0
        assert new.hidden.exists()


# -- who writes so

KILLED = """
import os, signal, sys
from pathlib import Path
from wsproxy.trace.atomic_file import Replacement

folder = Path(sys.argv.pop(1))
commit = Replacement.commit

def kill(self):
    if self.hidden.parent == folder:
        os.kill(os.getpid(), signal.SIGKILL)
    commit(self)  # of what `bundle` scrubs elsewhere

Replacement.commit = kill
from wsproxy.cli.main import main
main()
"""


@pytest.mark.sweep(keep=2)
@pytest.mark.one_python
@pytest.mark.parametrize(
    "command",
    [
        "mutate T --end reset",
        "mutate T --end reset --out O.wstrace",
        "scrub T --out O.wstrace",
        "bundle T --out O.zip",
        "recover T --out O.wstrace",
    ],
)
def test_sweep_leftover_of_killed_command_is_removed_by_next(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, command: str
) -> None:
    """Some of it is the session with everything that people said in it."""
    elsewhere = {**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("elsewhere"))}
    trace = write(tmp_path / "t.wstrace", STALLED)
    parts = command.replace("T", str(trace)).replace("O", str(tmp_path / "o")).split()
    full_command = [sys.executable, "-c", KILLED, str(tmp_path), *parts]
    done = subprocess.run(full_command, check=False, capture_output=True, env=elsewhere)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    left = [name for name in names(tmp_path) if name != "t.wstrace"]
    assert len(left) == 1
    assert left[0].startswith(".")
    mutate(trace, tmp_path / "next.wstrace", [END])
    assert names(tmp_path) == ["next.wstrace", "t.wstrace"]


@pytest.mark.parametrize("force", [False, True])
def test_writers_file_created_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    """Each had looked before it wrote, and then gave the file its name all the same."""
    trace, out = write(tmp_path / "t.wstrace", STALLED), tmp_path / "o.wstrace"
    sync = os.fsync

    def meanwhile(fd: int) -> None:
        sync(fd)
        if not out.exists():
            out.write_bytes(b"theirs")

    monkeypatch.setattr(os, "fsync", meanwhile)
    writers: list[Callable[[], object]] = [
        lambda: mutate(trace, out, [END], force=force),
        lambda: scrub(trace, out, force=force),
        lambda: bundle([trace], out, force=force),
        lambda: result_trace.write(trace, out, origin="x", changes=[], catalog=load(), force=force),
    ]
    for writer in writers:
        out.unlink(missing_ok=True)
        if force:
            writer()
            assert out.read_bytes() != b"theirs"
        else:
            with pytest.raises(UsageError, match="already exists"):
                writer()
            assert out.read_bytes() == b"theirs"
    assert names(tmp_path) == ["o.wstrace", "t.wstrace"]


def test_new_file_full_disk_is_one_line_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = write(tmp_path / "t.wstrace", LISTEN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    full_disk = pytest.raises(UsageError, match=r"cannot write .*o: No space left on device")
    with full_disk, new_file(tmp_path / "o", force=False) as new:
        new.file.write(b"x")
    with pytest.raises(UsageError, match="No space left on device"):
        mutate(trace, None, [END])
    assert names(tmp_path) == ["t.wstrace"]


def test_new_file_missing_folder_is_one_line_error(tmp_path: Path) -> None:
    nowhere = pytest.raises(UsageError, match="No such file or directory")
    with nowhere, new_file(tmp_path / "none" / "o", force=True):
        pass
