"""A thread that calls fsync on trace files, according to a policy.

fsync takes milliseconds, and seconds on a busy disk; the recorder's thread must not wait for it.
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

from .shutdown_deadline import Deadline

Policy = Literal["never", "end", "block"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

MAX_QUEUED = 256  # complete files; when more are queued, the recorder's thread waits


class FsyncThread:
    """Owns the thread. Its methods are called by one other thread.

    Args:
        policy: "never": left to the operating system. "end": a file and its folder once the
            file is complete. "block": also each block, soon after it was written; blocks that
            are written meanwhile share one fsync.
        on_error: called on the thread if a file cannot be synced.
    """

    def __init__(self, policy: Policy, on_error: Callable[[Path, OSError], None]) -> None:
        self._policy = policy
        self._on_error = on_error
        self._folder_synced: set[BinaryIO] = set()  # files whose directory entry is on disk
        # Files to sync: path, and whether the file is complete and to be closed.
        self._queue: OrderedDict[BinaryIO, tuple[Path, bool]] = OrderedDict()
        self._changed = threading.Condition()
        self._stopping = False
        self._sync_count = 0
        self._syncing: list[tuple[Path, bool]] = []
        self._thread: threading.Thread | None = None
        if policy != "never":
            self._thread = threading.Thread(target=self._run, name="wsproxy-syncer", daemon=True)
            self._thread.start()

    def written(self, file: BinaryIO, path: Path) -> None:
        """A block was written to a file that stays open."""
        if self._policy == "block":
            self._put(file, path, complete=False)

    def complete(self, file: BinaryIO, path: Path) -> None:
        """A file is complete: sync it if the policy says so, and close it."""
        if self._thread is None:
            with suppress(OSError):
                file.close()
        else:
            self._put(file, path, complete=True)

    def stop(self) -> None:
        """Let the thread end once the queue is empty."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def close(self, deadline: Deadline | None = None) -> list[Path]:
        """Sync what is queued, and end the thread.

        Args:
            deadline: None: wait as long as fsync takes.

        Returns:
            The complete files that have not been synced.
        """
        self.stop()
        if self._thread is None:
            return []
        if deadline is None:
            self._thread.join()
        elif not deadline.join(self._thread, lambda: self._sync_count):
            return self.unsynced()
        return []

    def unsynced(self) -> list[Path]:
        """The complete files that have not been synced."""
        queued = [*list(self._queue.values()), *self._syncing]
        return [path for path, complete in queued if complete]

    def _put(self, file: BinaryIO, path: Path, *, complete: bool) -> None:
        with self._changed:
            if complete:
                self._changed.wait_for(lambda: len(self._queue) < MAX_QUEUED)
            self._queue[file] = (path, complete)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping)
                if not self._queue:
                    return
                file, (path, complete) = self._queue.popitem(last=False)
                self._syncing = [(path, complete)]
                self._changed.notify_all()
            try:
                self._sync(file, path)
            except OSError as error:
                self._on_error(path, error)
            if complete:
                self._folder_synced.discard(file)
                with suppress(OSError):
                    file.close()
            self._syncing = []
            self._sync_count += 1

    def _sync(self, file: BinaryIO, path: Path) -> None:
        os.fsync(file.fileno())
        if file not in self._folder_synced:
            self._folder_synced.add(file)
            with suppress(FileNotFoundError):  # the folder was removed; the recorder reports it
                sync_folder(path.parent)
