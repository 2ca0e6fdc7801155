"""The places of credentials that a heuristic found and no catalog names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_KEPT = 100
_KEPT_NAME = 200  # characters of a place
# Why a heuristic took a value for a credential.
_REASONS = {
    "name": "its name says so",
    "shape": "looks like a key",
    "entropy": "looks random",
    "budget": "too much work to look through",
}


class HeuristicRedactions:
    """Collects these places with their reasons, each once, at most 100."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def add(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add what was redacted in a record."""
        for entry in entries:
            why = _REASONS.get(str(entry.get("why")))
            if why is not None and len(self._found) < _KEPT:
                name = f"{entry.get('where')} {entry.get('name')}"[:_KEPT_NAME].strip()
                self._found[f"{name} ({why})"] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)
