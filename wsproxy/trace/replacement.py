"""Files that are there whole or not at all: written under a hidden name, then given their own."""

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

from .lock import hold
from .parts import SUFFIX, later_parts, part_of, part_path
from .system import CAREFUL, OPEN_FILES_MOVE, PLAIN

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_REWRITE = f"{SUFFIX}.rewrite"
_NEW = f"{SUFFIX}.new"  # a trace that has no record yet, see `recording`
_THERE = "{} already exists"
_OLD = 60.0  # seconds after which such a file is taken for a crash's
_FOUND = os.O_RDWR | PLAIN | CAREFUL
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | PLAIN


class Replacement:
    """A new file, or one that takes the place of another, once it is whole.

    It has mode 0600 and a hidden name of its own beside the other until `commit`; without
    one it is removed. What a kill leaves of it is known by its name, see `sweep`. Use it as
    a context manager.

    Args:
        path: what to create or to replace, of any kind.
        replace: whether what is there already may be replaced.

    Attributes:
        file: to write to, unbuffered; a write takes all that it is given, or raises.
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
        """Give it its name. What it replaces is there until all of this is on the disk.

        Nothing can be written to it any more.

        Args:
            sync_name: see to it that the name is on the disk as well; if not, a power cut
                may bring back what was there before, whole.
            still_wanted: asked last of all, when nothing is left to do that takes time.

        Returns:
            Whether it has its name: not if it is not wanted any more.

        Raises:
            FileExistsError: there is one already, and it may not be replaced.
            OSError: it cannot be; what was there is still there.
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
        """Give it a name that nobody has, whoever else is about to take that."""
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
    """A file whose `write` does not leave the rest to whoever looks at what it returns."""

    def write(self, data: ReadableBuffer, /) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            # Only a second try tells what is wrong: ENOSPC, EFBIG, EDQUOT ...
            written = super().write(rest)
            if not written:
                raise OSError("short write")
            rest = rest[written:]
        return size


def _create(path: Path) -> tuple[Path, int]:
    """A file that nobody had before, held, under a hidden name; within 255 bytes."""
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
        os.close(fd)  # swept in the moment before it was held


def check_free(path: Path, *, force: bool, source: Path | None = None) -> None:
    """See, before anything is done for it, that a new file may have this name.

    Args:
        force: replace what is there.
        source: the trace that it is made of, of which it never replaces a part.

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
    """All files that are read as one trace, there or not."""
    first, _ = part_of(trace)
    return [trace, first, *(part_path(first, number) for number in later_parts(first, 1))]


def _is_same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, by whatever links; or will be."""
    try:
        return one.samefile(other)
    except OSError:
        return one.resolve() == other.resolve()


def _check_no_part(path: Path) -> None:
    """See that nothing that is there is read as a part of a new trace, nor this as one of it.

    Raises:
        UsageError: it would be; neither of both would be whole.
    """
    first, number = part_of(path)
    if number > 1:
        raise UsageError(f"{path}: a name that ends in .part{number} is one part of a long trace")
    if later := later_parts(first, 1):
        other = part_path(first, later[0])
        raise UsageError(
            f"{other} is there and would be read as a part of {path}; take another name"
        )


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Replacement]:
    """A file for the user; it has its name once the body is through.

    What kills have left in its folder is removed first: it may be of a session that nobody
    has taken the credentials, or the voices, out of.

    Args:
        force: replace what is there.

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
    """Have the names in a folder brought to the disk; Windows has no way to ask for it.

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
    """Remove the hidden files that crashes have left in a folder; returns how many."""
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
    """Remove a file that nobody writes and that was last changed so many seconds ago."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        fd = os.open(path, _FOUND)  # for writing: some file systems lock no other
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
        with contextlib.suppress(OSError):  # there, that somebody writes it keeps it from this
            path.unlink()
    return not path.exists()
