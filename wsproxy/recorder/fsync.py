"""Has what was written to files brought to the disk itself, on a thread of its own.

fsync takes milliseconds, on a busy disk seconds; whoever records must not wait for it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal, get_args

from wsproxy.trace.atomic_file import sync_folder

from .deadline import Deadline

Policy = Literal["never", "end", "block"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

WAITING = 256  # complete files that may wait; more of them make the recorder wait


class FsyncThread:
    """Owns the thread. Its methods are called by one other thread.

    Args:
        policy: "never": the operating system's own pace. "end": a file and its folder once
            the file is complete. "block": each block too, soon after it was written;
            blocks that come meanwhile share one fsync.
        failed: called on the thread if a file could not be brought to the disk.
    """

    def __init__(self, policy: Policy, failed: Callable[[Path, OSError], None]) -> None:
        self._policy = policy
        self._failed = failed
        self._named: set[BinaryIO] = set()  # files whose folder has their name on the disk
        # What waits, and whether it is complete and to be closed.
        self._waiting: OrderedDict[BinaryIO, tuple[Path, bool]] = OrderedDict()
        self._changed = threading.Condition()
        self._stopping = False
        self._synced = 0  # files, one as often as it was
        self._at_hand: list[tuple[Path, bool]] = []
        self._thread: threading.Thread | None = None
        if policy != "never":
            self._thread = threading.Thread(target=self._run, name="wsproxy-syncer", daemon=True)
            self._thread.start()

    def written(self, file: BinaryIO, path: Path) -> None:
        """A block was written to a file that stays open."""
        if self._policy == "block":
            self._put(file, path, complete=False)

    def complete(self, file: BinaryIO, path: Path) -> None:
        """Nothing more comes into a file; it is closed."""
        if self._thread is None:
            with suppress(OSError):
                file.close()
        else:
            self._put(file, path, complete=True)

    def stop(self) -> None:
        """Have the thread end once it has done what waits."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def close(self, deadline: Deadline | None = None) -> list[Path]:
        """Do what waits, and end the thread.

        Args:
            deadline: for that; None: it takes as long as fsync does.

        Returns:
            The complete files that have not been brought to the disk.
        """
        self.stop()
        if self._thread is None:
            return []
        if deadline is None:
            self._thread.join()
        elif not deadline.join(self._thread, lambda: self._synced):
            return self.unsynced()
        return []

    def unsynced(self) -> list[Path]:
        """The complete files that have not been brought to the disk."""
        waiting = [*list(self._waiting.values()), *self._at_hand]
        return [path for path, complete in waiting if complete]

    def _put(self, file: BinaryIO, path: Path, *, complete: bool) -> None:
        with self._changed:
            if complete:
                self._changed.wait_for(lambda: len(self._waiting) < WAITING)
            self._waiting[file] = (path, complete)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                file, (path, complete) = self._waiting.popitem(last=False)
                self._at_hand = [(path, complete)]
                self._changed.notify_all()
            try:
                self._sync(file, path)
            except OSError as error:
                self._failed(path, error)
            if complete:
                self._named.discard(file)
                with suppress(OSError):
                    file.close()
            self._at_hand = []
            self._synced += 1

    def _sync(self, file: BinaryIO, path: Path) -> None:
        os.fsync(file.fileno())
        if file not in self._named:
            self._named.add(file)
            with suppress(FileNotFoundError):  # the folder was removed; the recorder says so
                sync_folder(path.parent)
