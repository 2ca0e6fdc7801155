"""Counts consecutive failed sessions with the same endpoint."""

from __future__ import annotations

from wsproxy.session import Session

MAX_ENDPOINTS = 10_000


class FailedAttempts:
    """Counts for at most MAX_ENDPOINTS endpoints; an endpoint is a host and a path."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def next_attempt(self, host: str, path: str) -> int:
        """The number of the next attempt: 1 unless the previous one failed."""
        return self._counts.get((host, path), 0) + 1

    def add(self, session: Session) -> None:
        """Count a session that has ended."""
        if session.request is None:
            return
        endpoint = (session.request.host, session.request.path.partition("?")[0])
        before = self._counts.pop(endpoint, 0)
        if session.failed:
            self._counts[endpoint] = before + 1
        if len(self._counts) > MAX_ENDPOINTS:
            # The endpoint whose last failure is the oldest.
            del self._counts[next(iter(self._counts))]
