"""Hosts that are not recorded, and that an app could not be connected to."""

from __future__ import annotations

from collections import Counter

from wsproxy.system.address import authority

from .failure_cause import FailureCause

_MAX_REASONS = 1000
_WHERE = ("dns", "connect", "tls-server", "proxy")  # what fails before a server is reached


class UnreachedHosts:
    """Counts attempts, in bounded memory.

    Attributes:
        reasons: how many connections failed, by "HOST:PORT: reason".
    """

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def add(self, host: str, port: int, cause: FailureCause) -> None:
        """Count an attempt, unless the app itself gave it up."""
        if cause.from_client or cause.where not in _WHERE:
            return
        address = authority(host, port)
        reason = f"{address}: {cause.message.removeprefix(f'Cannot connect to {address}: ')}"
        if reason in self.reasons or len(self.reasons) < _MAX_REASONS:
            self.reasons[reason] += 1
