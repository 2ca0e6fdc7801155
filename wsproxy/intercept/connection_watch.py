"""Looks for connections of a command that go past the recorder (Linux, macOS).

On Linux it finds those that the kernel does not report to `catch`, and all of them where nothing
is caught. A connection that is shorter than the interval can be missed.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Collection

from . import lsof_connections, proc_connections
from .past_connections import PastConnection

INTERVAL = 0.5  # seconds
LSOF_INTERVAL = 2.0  # seconds; it starts two processes


class ConnectionWatch:
    """Watches the connections of a process and its descendants, on a thread of its own.

    Args:
        process: the id of the process.
        ports: ports of servers that count.

    Attributes:
        found: how many connections went past the recorder, by kind.
    """

    def __init__(self, process: int, ports: Collection[int]) -> None:
        self.found: Counter[PastConnection] = Counter()
        self._process = process
        self._ports = frozenset(ports)
        self._known: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wsproxy-watch", daemon=True)
        self._uses_proc = proc_connections.is_available()

    def __enter__(self) -> ConnectionWatch:
        if self._uses_proc or lsof_connections.is_available():
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL if self._uses_proc else LSOF_INTERVAL):
            with contextlib.suppress(OSError):
                self.look()

    def look(self) -> None:
        """Look once."""
        find = proc_connections.find if self._uses_proc else lsof_connections.find
        self.found.update(find(self._process, self._ports, self._known))
