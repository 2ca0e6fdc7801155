"""Many sessions together: one group for each first finding and server's sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsproxy.catalog import SEVERITIES
from wsproxy.diagnose import Finding
from wsproxy.session.outcome import FAILED
from wsproxy.wording import plural

from .examination import ExaminedSession
from .explanation import Explanation, clean
from .safe_text import short
from .text import when

_VALUES = re.compile(r"[0-9a-fA-F-]{12,}|\d+(\.\d+)?")
_MAX_VALUES = 1000  # models, or keys, that are counted in a group
_VALUE = 40  # characters of one of them
_SHARES = 3  # of them that are shown
_SENTENCE = 160  # characters


@dataclass(slots=True)
class Group:
    """Sessions with the same first finding, about which the server said the same.

    Attributes:
        sentence: what the server said of the first of them, in short; "" if nothing.
        path: the trace of the first of them.
        first_ns, last_ns: Unix time of the start of the first and the last one, ns.
        models, keys: how many sessions have each model, and each fingerprint of a key.
        example: the first of them explained, if that is shown.
    """

    id: str
    severity: str
    title: str
    sentence: str
    path: Path
    first_ns: int
    last_ns: int
    quotes_traffic: bool = False
    count: int = 0
    models: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    example: Explanation | None = None

    @property
    def first(self) -> str:
        return when(self.first_ns)

    @property
    def last(self) -> str:
        return when(self.last_ns)

    @property
    def period(self) -> str:
        """When the first and the last one started; one time if both are the same."""
        return self.first if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def shares(self) -> str:
        """The most frequent models and keys with their share of the group, in one line."""
        parts = [_shares("model", self.models, self.count), _shares("key", self.keys, self.count)]
        return "; ".join(part for part in parts if part)

    def add(self, session: ExaminedSession) -> None:
        """Add a session."""
        self.count += 1
        self.last_ns = max(self.last_ns, session.began_ns)
        if session.began_ns < self.first_ns:
            self.first_ns, self.path = session.began_ns, session.path
        for counter, value in ((self.models, session.model), (self.keys, session.key)):
            if value and (value in counter or len(counter) < _MAX_VALUES):
                counter[short(value, _VALUE)] += 1


@dataclass
class Overview:
    """Many sessions: counts, and groups of those with the same problem.

    Attributes:
        noticed: sessions without a problem, with something that is lawful and worth knowing.
    """

    good: int = 0
    noticed: int = 0
    unproven: int = 0
    open: int = 0
    failed: int = 0
    unreadable: int = 0
    across: Sequence[Finding] = ()
    _groups: dict[tuple[str, str], Group] = field(default_factory=dict)

    def add(self, session: ExaminedSession) -> None:
        """Add a session."""
        self.failed += session.outcome == FAILED
        first = session.first
        if first is None:
            self.open += session.state == "open"
            self.unproven += session.state == "unproven"
            self.good += session.state == "good"
            self.noticed += session.has_notice
            return
        key = (first.id, _without_values(first.sentence))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(
                first.id,
                first.severity,
                first.title,
                short(first.sentence, _SENTENCE),
                session.path,
                session.began_ns,
                session.began_ns,
                first.quotes_traffic,
            )
        group.add(session)

    def set_across(self, across: Sequence[Finding]) -> None:
        """Set the findings that only several sessions together show."""
        self.across = [clean(finding) for finding in across]

    @property
    def total(self) -> int:
        """How many sessions were read."""
        return sum(group.count for group in self.groups) + self.good + self.open + self.unproven

    @property
    def groups(self) -> list[Group]:
        """Errors first, then by size."""
        return sorted(
            self._groups.values(), key=lambda g: (SEVERITIES.index(g.severity), -g.count, g.id)
        )

    @property
    def counts(self) -> list[str]:
        """Numbers of sessions by kind, one sentence each."""
        lines = [f"{plural(self.total, 'session')} in {plural(len(self._groups), 'group')}."]
        if self.good:
            lines.append(f"{self.good} without problems.")
        if self.unproven:
            lines.append(f"{self.unproven} without problems and without proof of success.")
        if self.noticed:
            lines.append(f"{self.noticed} of these with a notice: explain them one by one.")
        if self.open:
            lines.append(f"{self.open} without an end: still open, truncated, or recorder stopped.")
        if self.unreadable:
            lines.append(f"{plural(self.unreadable, 'more trace')} could not be read.")
        return lines


def _shares(name: str, counter: Counter[str], total: int) -> str:
    """Such as "model nova-3 51 %, nova-2 49 %"; of one session without its share."""
    if counter and total == 1:
        return f"{name} {next(iter(counter))}"
    shown = [f"{value} {100 * n / total:.0f} %" for value, n in counter.most_common(_SHARES)]
    more = len(counter) - len(shown)
    rest = f" and {more} more" if more else ""
    return f"{name} {', '.join(shown)}{rest}" if shown else ""


def _without_values(sentence: str) -> str:
    """A sentence without ids and numbers, which differ between sessions."""
    return _VALUES.sub("#", sentence.lower())
