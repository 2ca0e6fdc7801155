"""Many sessions together: one group for each first finding and server's sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsproxy.catalog import Catalog
from wsproxy.diagnose import Finding
from wsproxy.diagnose.evidence import plural
from wsproxy.session import Session

from .explanation import Explanation, clean, explain, state
from .text import when

_VALUES = re.compile(r"[0-9a-fA-F-]{12,}|\d+(\.\d+)?")
_SEVERITIES = ("error", "warning", "info")


@dataclass(slots=True)
class Group:
    """Sessions with the same first finding, about which the server said the same.

    Attributes:
        first_ns, last_ns: Unix time of the start of the first and the last one, ns.
        example: the first of them.
    """

    id: str
    severity: str
    title: str
    example: Explanation
    first_ns: int
    last_ns: int
    quotes_traffic: bool = False
    count: int = 1

    @property
    def first(self) -> str:
        return when(self.first_ns)

    @property
    def last(self) -> str:
        return when(self.last_ns)


@dataclass
class Overview:
    """A summary of many sessions: an explanation of the first of each group, and counts."""

    catalog: Catalog
    good: int = 0
    open: int = 0
    unreadable: int = 0
    across: Sequence[Finding] = ()
    _groups: dict[tuple[str, str], Group] = field(default_factory=dict)

    def add(self, path: Path, session: Session, findings: Sequence[Finding]) -> None:
        """Add a session.

        Args:
            findings: `diagnose` of it.
        """
        first = next((f for f in findings if f.severity != "info"), None)
        if first is None:
            self.open += state(session, findings) == "open"
            self.good += state(session, findings) == "good"
            return
        began = session.start.started_at_ns if session.start else 0
        key = (first.id, _without_values(first.sentence))
        group = self._groups.get(key)
        if group is None:
            example = explain(path, session, findings, self.catalog)
            shown = clean(first)
            self._groups[key] = Group(
                shown.id,
                shown.severity,
                shown.title,
                example,
                began,
                began,
                shown.quotes_traffic,
            )
            return
        group.count += 1
        group.last_ns = max(group.last_ns, began)
        if began < group.first_ns:
            group.first_ns = began
            group.example = explain(path, session, findings, self.catalog)

    def set_across(self, across: Sequence[Finding]) -> None:
        """Set the findings that only several sessions together show."""
        self.across = [clean(finding) for finding in across]

    @property
    def groups(self) -> list[Group]:
        """Errors first, then by size."""
        return sorted(
            self._groups.values(), key=lambda g: (_SEVERITIES.index(g.severity), -g.count, g.id)
        )

    @property
    def counts(self) -> list[str]:
        """Numbers of sessions by kind, one sentence each."""
        grouped = sum(group.count for group in self.groups)
        total = grouped + self.good + self.open
        lines = [f"{plural(total, 'session')} in {plural(len(self._groups), 'group')}."]
        if self.good:
            lines.append(f"{self.good} without problems.")
        if self.open:
            lines.append(f"{self.open} without an end: still open, truncated, or recorder stopped.")
        if self.unreadable:
            lines.append(f"{plural(self.unreadable, 'more trace')} could not be read.")
        return lines


def _without_values(sentence: str) -> str:
    """A sentence without ids and numbers, which differ between sessions."""
    return _VALUES.sub("#", sentence.lower())
