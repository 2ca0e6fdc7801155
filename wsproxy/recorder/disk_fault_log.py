"""Log messages and retries while traces cannot be written.

One message reports that a fault has begun, and one that it has ended. Messages are not repeated
for each session, because there may be hundreds: each trace has gap records for what it lacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wsproxy.system.complete_write import write_completely
from wsproxy.trace import SUFFIX
from wsproxy.wording import plural

from .session_writer import SessionWriter
from .thread_log import ThreadLog

logger = ThreadLog(__name__)

RETRY_AFTER = 2.0  # seconds without an error after which writing is tried again
PROBE_SIZE = 256 << 10  # bytes that must fit then: a disk that is nearly full accepts small files
SLOW_REPEAT = 60.0  # seconds in which it is logged once that the recorder cannot keep up


class DiskFaults:
    """Watches session writers for write errors.

    Called on the recorder's thread, except for `report_behind` (on the event loop) and
    `report_error` (on the fsync thread as well).

    Args:
        folder: where traces go.

    Attributes:
        active: whether traces cannot be written at present; read on any thread.
    """

    def __init__(self, folder: Path) -> None:
        self.active = False
        self._folder = folder
        self._failures: dict[SessionWriter, int] = {}  # as last polled, where there are any
        self._reported: set[str] = set()  # messages of the current fault
        self._since = self._latest = 0.0  # monotonic, seconds
        self._incomplete: set[SessionWriter] = set()  # because of the current fault
        self._unwritten = 0  # sessions without any trace
        self._slow_since: float | None = None
        self._slow_reported = float("-inf")

    def poll(self, recording: SessionWriter) -> None:
        """Check whether writing has failed since the last poll."""
        if recording.failures == self._failures.get(recording, 0):
            return
        self._failures[recording] = recording.failures
        error = recording.fault or recording.error
        if error is not None:
            self.report_error(recording.path, error)
            self._incomplete.add(recording)

    def forget(self, recording: SessionWriter) -> None:
        """A session was refused because its trace could not be created: do not count it."""
        self._failures.pop(recording, None)
        self._incomplete.discard(recording)

    def session_ended(self, recording: SessionWriter) -> None:
        """A session has ended: nothing more of it will be written."""
        self.poll(recording)
        self._failures.pop(recording, None)
        if recording in self._incomplete and not recording.paths:
            self._incomplete.discard(recording)
            self._unwritten += 1

    def report_error(self, path: Path, error: OSError) -> None:
        """A write has failed."""
        self._latest = time.monotonic()
        if not self.active:
            self.active = True
            self._since = self._latest
        why = error.strerror or str(error)
        if why not in self._reported:
            self._reported.add(why)
            logger.error(
                "wsproxy: cannot write %s: %s; traffic continues, and incomplete traces are "
                "marked as incomplete",
                path,
                why,
            )

    def retry(self, open_recordings: Iterable[SessionWriter]) -> None:
        """During a fault, check from time to time whether it has ended.

        Args:
            open_recordings: the recordings of sessions that have not ended.
        """
        if not self.active or time.monotonic() - self._latest < RETRY_AFTER:
            return
        try:
            probe(self._folder, PROBE_SIZE)
        except OSError:
            self._latest = time.monotonic()
            return
        for recording in open_recordings:
            recording.retry()
        seconds, losses = time.monotonic() - self._since, self._losses()
        self.active = False  # before the message: new sessions are accepted when it appears
        self._reset()
        logger.warning("wsproxy: traces can be written again, after %.0f s: %s", seconds, losses)

    def close(self) -> None:
        """The recorder stops: report the losses of a fault that has not ended."""
        if self.active:
            logger.error(
                "wsproxy: traces could not be written when the recorder stopped: %s",
                self._losses(),
            )

    def report_behind(self) -> None:
        """The recorder cannot keep up, and traffic continues."""
        now = time.monotonic()
        if self._slow_since is None and now - self._slow_reported > SLOW_REPEAT:
            self._slow_since = self._slow_reported = now
            logger.warning(
                "wsproxy: the disk or the CPU is too slow for the traffic; traffic continues, and "
                "traces that lack data are marked as incomplete"
            )

    def report_caught_up(self) -> None:
        """The recorder keeps up again."""
        since, self._slow_since = self._slow_since, None
        if since is not None:
            seconds = time.monotonic() - since
            logger.warning(
                "wsproxy: the recorder can keep up with the traffic again, after %.0f s", seconds
            )

    def _losses(self) -> str:
        incomplete = sum(recording.incomplete for recording in self._incomplete)
        return (
            f"{plural(incomplete, 'session')} with a gap, "
            f"{plural(self._unwritten, 'session')} without a trace"
        )

    def _reset(self) -> None:
        self._reported.clear()
        self._incomplete.clear()
        self._unwritten = 0


def probe(folder: Path, size: int) -> None:
    """Write a file of this many bytes to a folder, which is created if necessary; remove it.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # If this process is killed now, the next recorder sweeps a file with this name.
    path = folder / f".probe-{os.getpid()}{SUFFIX}.new"
    try:
        with open(path, "wb", buffering=0) as file:
            write_completely(file.write, bytes(size))
    finally:
        with suppress(OSError):
            path.unlink()
