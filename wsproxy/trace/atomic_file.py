"""Atomic files: written under a hidden name, renamed once they are complete."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

from wsproxy.errors import Setting, UsageError
from wsproxy.system.complete_write import write_completely
from wsproxy.system.file_flags import CAREFUL, OPEN_FILES_MOVE, PLAIN

from .lock import hold
from .parts import SUFFIX, later_parts, part_of, part_path

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_REWRITE = f"{SUFFIX}.rewrite"
_NEW = f"{SUFFIX}.new"  # a trace that has no record yet, see `recording`
_THERE = "{} already exists"
_OLD = 60.0  # seconds after which such a file is assumed to be left by a crash
_FOUND = os.O_RDWR | PLAIN | CAREFUL
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | PLAIN


class Replacement:
    """A new file, or a replacement of another, that gets its name once it is complete.

    It has mode 0600 and a hidden name beside the other file until `commit`; without a commit
    it is removed. `sweep` removes those that a killed process has left. Use it as a context
    manager.

    Args:
        path: what to create or to replace, of any kind.
        replace: whether an existing file may be replaced.

    Attributes:
        file: unbuffered; a write writes all data or raises.
        hidden: where it is until `commit`.

    Raises:
        OSError: it cannot be created.
    """

    def __init__(self, path: Path, *, replace: bool = True) -> None:
        self._path = path
        self._replace = replace
        self.hidden, fd = _create(path)
        self.file: BinaryIO = _File(fd, "w")
        self._committed = False

    def __enter__(self) -> Replacement:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not OPEN_FILES_MOVE:
            self.file.close()
        if not self._committed:
            with contextlib.suppress(OSError):
                self.hidden.unlink()
        self.file.close()

    def commit(
        self, *, sync_name: bool = True, still_wanted: Callable[[], bool] = lambda: True
    ) -> bool:
        """Give it its name, after its data is on the disk. It cannot be written to any more.

        Args:
            sync_name: bring the name to the disk as well. If not, a power loss may restore
                the file that was replaced.
            still_wanted: called last, after all slow steps.

        Returns:
            Whether it has its name; False if it is not wanted any more.

        Raises:
            FileExistsError: the file exists and may not be replaced.
            OSError: the system refuses; a file that was to be replaced is unchanged.
        """
        os.fsync(self.file.fileno())
        if not OPEN_FILES_MOVE:
            self.file.close()
        if not still_wanted():
            return False
        if self._replace:
            self.hidden.replace(self._path)
        else:
            self._link()
        self._committed = True
        if sync_name:
            with contextlib.suppress(OSError):  # not every platform can
                sync_folder(self._path.parent)
        return True

    def _link(self) -> None:
        """Give it a name that does not exist, even if another process creates it meanwhile."""
        try:
            os.link(self.hidden, self._path)
        except FileExistsError:
            raise
        except OSError:
            # A file system without links: the moment between the two lines is what it costs.
            if os.path.lexists(self._path):
                raise FileExistsError(
                    errno.EEXIST, os.strerror(errno.EEXIST), str(self._path)
                ) from None
            self.hidden.rename(self._path)
        else:
            with contextlib.suppress(OSError):
                self.hidden.unlink()


class _File(io.FileIO):
    """A file whose `write` writes all data or raises."""

    def write(self, data: ReadableBuffer, /) -> int:
        return write_completely(super().write, data)


def _create(path: Path) -> tuple[Path, int]:
    """Create a new file and hold it; its hidden name has at most 255 bytes."""
    name = path.name.removesuffix(SUFFIX).encode()[:150].decode(errors="ignore")
    while True:
        hidden = path.with_name(f".{name}.{secrets.token_hex(4)}{_REWRITE}")
        fd = os.open(hidden, _FLAGS, 0o600)
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(fd, 0o600)  # whatever the umask
            if hold(fd) and hidden.exists():
                return hidden, fd
        except BaseException:
            os.close(fd)
            hidden.unlink(missing_ok=True)
            raise
        os.close(fd)  # another process swept it before it was held


def check_free(path: Path, *, force: bool, source: Path | None = None) -> None:
    """Check, before any work, that a new file may have this name.

    Args:
        force: replace an existing file.
        source: the trace that is read; none of its parts is ever replaced.

    Raises:
        UsageError: it may not.
    """
    if source is not None and any(_is_same(path, part) for part in _parts(source)):
        raise UsageError(f"{path} is the trace that is read; it is never overwritten")
    if path.exists() and not force:
        raise UsageError(_THERE.format(path), Setting("force"))
    if path.suffix == SUFFIX:
        _check_no_part(path)


def _parts(trace: Path) -> list[Path]:
    """All files that are read as one trace, whether they exist or not."""
    first, _ = part_of(trace)
    return [trace, first, *(part_path(first, number) for number in later_parts(first, 1))]


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are, or would be, the same file."""
    try:
        return one.samefile(other)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)  # also of a link to itself


def _check_no_part(path: Path) -> None:
    """Check that no existing file would be read as a part of the new trace, nor vice versa.

    Raises:
        UsageError: it would.
    """
    first, number = part_of(path)
    if number > 1:
        raise UsageError(f"{path}: a name that ends in .part{number} is one part of a long trace")
    if later := later_parts(first, 1):
        other = part_path(first, later[0])
        raise UsageError(
            f"{other} exists and would be read as a part of {path}; choose another name"
        )


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Replacement]:
    """A file for the user; it gets its name at the end of the `with` block.

    Hidden files that killed processes have left in its folder are removed first: they may hold
    credentials or voices that were to be removed.

    Args:
        force: replace an existing file.

    Raises:
        UsageError: it cannot be written, or there is one already.
    """
    sweep(path.parent)
    try:
        with Replacement(path, replace=force) as new:
            yield new
            new.commit()
    except FileExistsError:
        raise UsageError(_THERE.format(path), Setting("force")) from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk; a no-op on Windows, which has no such call.

    Raises:
        OSError: they cannot be.
    """
    if os.name == "nt":
        return
    fd = os.open(folder, os.O_RDONLY | PLAIN)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sweep(folder: Path) -> int:
    """Remove the hidden files that crashes have left in a folder; returns their number."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(".")]
    except OSError:
        return 0
    return sum(
        _remove_if_left(folder / name, old)
        for suffix, old in ((_REWRITE, 0.0), (_NEW, _OLD))
        for name in names
        if name.endswith(suffix)
    )


def _remove_if_left(path: Path, old: float) -> bool:
    """Remove a file that no process holds and that is at least `old` seconds old."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        fd = os.open(path, _FOUND)  # for writing: some file systems lock only such files
    except OSError:
        return False
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or time.time() - status.st_mtime < old:
            return False  # it may be another one by now
        if not hold(fd):
            return False
        if OPEN_FILES_MOVE:
            path.unlink()  # while it is held
    except OSError:
        return False
    finally:
        os.close(fd)
    if not OPEN_FILES_MOVE:
        with contextlib.suppress(OSError):  # Windows refuses if another process has it open
            path.unlink()
    return not path.exists()
