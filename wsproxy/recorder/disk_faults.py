"""What is said while traces cannot be written: once when it begins, once when it has passed.

Not once a session: there may be hundreds, and each of their traces tells what it lacks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from wsproxy.trace import SUFFIX

from . import SessionWriter
from .thread_log import ThreadLog

logger = ThreadLog(__name__)

QUIET = 2.0  # seconds without a failure after which it is tried whether the fault has passed
PROBE = 256 << 10  # bytes that must fit then: a disk that is nearly full takes a few at times
SLOW_AGAIN = 60.0  # seconds in which it is said once that the recorder cannot keep up


class DiskFaults:
    """Watches recordings.

    Called on the recorder's thread, but for `behind` (on the event loop) and `failed` (on
    the syncer's as well).

    Args:
        folder: where traces go.

    Attributes:
        active: whether traces cannot be written at the moment; read on any thread.
    """

    def __init__(self, folder: Path) -> None:
        self.active = False
        self._folder = folder
        self._failures: dict[SessionWriter, int] = {}  # as last seen, of those that have failed
        self._told: set[str] = set()  # why, of this fault
        self._since = self._latest = 0.0  # monotonic, seconds
        self._lacking: set[SessionWriter] = set()  # of this fault
        self._unwritten = 0
        self._slow_since: float | None = None
        self._slow_told = float("-inf")

    def look(self, recording: SessionWriter) -> None:
        """See whether writing has failed since the last look."""
        if recording.failures == self._failures.get(recording, 0):
            return
        self._failures[recording] = recording.failures
        error = recording.fault or recording.error
        if error is not None:
            self.failed(recording.path, error)
            self._lacking.add(recording)

    def refused(self, recording: SessionWriter) -> None:
        """A session did not take place because its trace could not be begun."""
        self._failures.pop(recording, None)
        self._lacking.discard(recording)

    def ended(self, recording: SessionWriter) -> None:
        """A session is over, and what was not written of it never will be."""
        self.look(recording)
        self._failures.pop(recording, None)
        if recording in self._lacking and not recording.paths:
            self._lacking.discard(recording)
            self._unwritten += 1

    def failed(self, path: Path, error: OSError) -> None:
        """Something could not be written."""
        self._latest = time.monotonic()
        if not self.active:
            self.active = True
            self._since = self._latest
        why = error.strerror or str(error)
        if why not in self._told:
            self._told.add(why)
            logger.error(
                "wsproxy: cannot write %s: %s. Traffic goes on; traces lack what is not written, "
                "and say so.",
                path,
                why,
            )

    def retry(self, open_ones: Iterable[SessionWriter]) -> None:
        """While a fault is there, see now and then whether it has passed.

        Args:
            open_ones: what is being written.
        """
        if not self.active or time.monotonic() - self._latest < QUIET:
            return
        try:
            _probe(self._folder)
        except OSError:
            self._latest = time.monotonic()
            return
        for recording in open_ones:
            recording.try_again()
        seconds = time.monotonic() - self._since
        logger.warning(
            "wsproxy: traces can be written again, after %.0f s: %s", seconds, self._cost()
        )
        self.active = False
        self._forget()

    def close(self) -> None:
        """The recorder stops: say what a fault has cost that has not passed."""
        if self.active:
            logger.error("wsproxy: traces could not be written to the end: %s", self._cost())

    def behind(self) -> None:
        """The recorder cannot keep up, and traffic goes on."""
        now = time.monotonic()
        if self._slow_since is None and now - self._slow_told > SLOW_AGAIN:
            self._slow_since = self._slow_told = now
            logger.warning(
                "wsproxy: the disk or the processor is too slow for the traffic, which goes on; "
                "what does not fit into memory is missing in the traces, and they say so."
            )

    def caught_up(self) -> None:
        """The recorder keeps up again."""
        since, self._slow_since = self._slow_since, None
        if since is not None:
            seconds = time.monotonic() - since
            logger.warning("wsproxy: traces keep up with the traffic again, after %.0f s", seconds)

    def _cost(self) -> str:
        lacking = sum(recording.incomplete for recording in self._lacking)
        unwritten = self._unwritten
        return f"{sessions(lacking)} with a gap, {sessions(unwritten)} without a trace"

    def _forget(self) -> None:
        self._told.clear()
        self._lacking.clear()
        self._unwritten = 0


def sessions(count: int) -> str:
    """How many, with the word."""
    return f"{count} session{'' if count == 1 else 's'}"


def _probe(folder: Path) -> None:
    """Write a file and remove it.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The name is one of those that are swept away if this process is killed now.
    path = folder / f".probe-{os.getpid()}{SUFFIX}.new"
    try:
        with open(path, "wb", buffering=0) as file:
            data = memoryview(bytes(PROBE))
            while data:
                data = data[file.write(data) :]
    finally:
        with suppress(OSError):
            path.unlink()
