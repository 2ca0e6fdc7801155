"""Which of many sessions are wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What a session must have to be listed. None or empty: anything.

    Attributes:
        since_ns, until_ns: when it started, Unix time, ns.
        finding: id of one of its findings, or the beginning of one, up to a dot or a dash.
        outcome: "succeeded", "failed" or "unproven".
        provider, model: names; upper and lower case are the same.
    """

    since_ns: int | None = None
    until_ns: int | None = None
    finding: str = ""
    outcome: str = ""
    provider: str = ""
    model: str = ""

    def accepts(self, started_at_ns: int | None, entry: Mapping[str, Any]) -> bool:
        """Whether a session is wanted.

        Args:
            started_at_ns: Unix time, ns; None if unknown: such a session is in no period.
            entry: as `json_schema.entry` returns it.
        """
        return (
            self._in_period(started_at_ns)
            and _is(self.outcome, entry["outcome"])
            and _is(self.provider, entry["provider"])
            and _is(self.model, entry["model"])
            and (not self.finding or any(self._is_finding(each) for each in entry["findings"]))
        )

    def _in_period(self, started_at_ns: int | None) -> bool:
        if self.since_ns is None and self.until_ns is None:
            return True
        if started_at_ns is None:
            return False
        if self.since_ns is not None and started_at_ns < self.since_ns:
            return False
        return self.until_ns is None or started_at_ns < self.until_ns

    def _is_finding(self, found: str) -> bool:
        wanted, found = self.finding.lower(), found.lower()
        return found == wanted or (found.startswith(wanted) and found[len(wanted)] in ".-")


def _is(wanted: str, value: str | None) -> bool:
    return not wanted or (value or "").lower() == wanted.lower()
