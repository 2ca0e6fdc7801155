"""The folder of the recorder's CA, which recorders that start at the same time may share."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mitmproxy.certs import CertStore

from wsproxy.errors import Setting, UsageError

from .start_errors import CA_KEY

_NAME = "mitmproxy"
_KEY_SIZE = 2048  # bits, mitmproxy's default


def prepare(folder: Path, key_size: int | None = None) -> None:
    """Create the CA unless it exists, and check that its key can be read.

    mitmproxy creates it in place, file by file: of two recorders, one would read an incomplete
    key, or sign with a key whose certificate the other one has replaced.

    Args:
        key_size: in bits.

    Raises:
        UsageError: the key cannot be read, or the folder cannot be written.
    """
    key = folder / CA_KEY
    try:
        if not key.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):
                if not key.exists():
                    _create(folder, key_size or _KEY_SIZE)
        key.read_bytes()
    except OSError as error:
        what = "read" if key.exists() else "create"
        why = error.strerror or error
        raise UsageError(f"cannot {what} the CA in {folder}: {why}", Setting("confdir")) from None


def _create(folder: Path, key_size: int) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".wsproxy-ca-") as temporary:
        CertStore.create_store(Path(temporary), _NAME, key_size)
        files = sorted(Path(temporary).iterdir(), key=lambda path: path.name == CA_KEY)
        for path in files:  # the key is the last one: who sees it sees all
            path.replace(folder / path.name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the folder; on systems without locks, hold nothing."""
    try:
        import fcntl  # noqa: PLC0415  # not on every platform
    except ImportError:
        yield
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
