"""Which hosts are recorded, and which are none of the recorder's business."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wsproxy.catalog import Catalog


class RecordedHosts:
    """The hosts that the user has named with --host, and those of speech APIs.

    Args:
        catalog: has the hosts of speech APIs.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._named: list[re.Pattern[str]] = []

    def set_named(self, patterns: Sequence[str]) -> None:
        """Set the regular expressions that the user gives; none: every host is recorded.

        Raises:
            re.error: one of them is invalid.
        """
        self._named = [re.compile(pattern, re.IGNORECASE) for pattern in patterns]

    def includes(self, host: str) -> bool:
        """Whether sessions with a host are recorded."""
        return not self._named or self.is_named(host)

    def is_named(self, host: str) -> bool:
        """Whether the user has asked for a host."""
        return any(pattern.search(host) for pattern in self._named)

    def is_speech_api(self, host: str) -> bool:
        """Whether a host is that of a known speech API, and is recorded."""
        return self._catalog.at_host(host, "/")[0] is not None and self.includes(host)

    def is_wanted(self, host: str) -> bool:
        """Whether a connection that fails is recorded, though nobody knows what it was for."""
        return self.is_named(host) or self.is_speech_api(host)
