"""A finding: a condition, or a fault in the traffic, with its evidence in a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from wsproxy.catalog import PROBLEMS

from .evidence import Evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """A condition of the catalog, or a fault in the traffic, with its evidence.

    Attributes:
        id: the id of the condition, or `unknown.*`, `protocol.*` or `trace.*`.
        severity: "error", "warning", "notice" or "info", see `catalog.model.SEVERITIES`.
        causes, remedies: most likely first.
        retry: "yes", "wait", "fix-first", "maybe" or "no-error".
        seen: the causes for which there is evidence; `causes` starts with them.
        source: the document that describes it: `document`, `section`, `url`.
        related: ids of similar conditions, where no condition of the provider matches.
        sentence: what the server said of it, "" if it said nothing.
        error_class: the class of that sentence by its words, such as "quota"; "" for none.
        quotes_traffic: whether the title has text of the session, which may be any text.
        quoting: the causes that have text of the session.
        rules: the names of the rules that it rests on, and the cause that each of them shows; ""
            for the rule of the finding itself.
        fitting: the remedies for the causes that are seen; `remedies` starts with them.
    """

    id: str
    severity: str
    title: str
    meaning: str
    evidence: Sequence[Evidence] = ()
    causes: Sequence[str] = ()
    remedies: Sequence[str] = ()
    seen: Sequence[str] = ()
    retry: str = "maybe"
    retry_note: str = ""
    source: dict[str, str] = field(default_factory=dict)
    confidence: str = "high"
    disagreement: str = ""
    related: Sequence[str] = ()
    sentence: str = ""
    error_class: str = ""
    quotes_traffic: bool = False
    quoting: Sequence[str] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    fitting: Sequence[str] = ()

    @property
    def is_problem(self) -> bool:
        """Whether something is wrong, or may be; else it is lawful, and only worth knowing."""
        return self.severity in PROBLEMS

    def with_seen(self, causes: Sequence[str]) -> Finding:
        """The finding with further causes that the session shows, in words of the session."""
        new = [cause for cause in causes if cause not in self.seen]
        seen = [*self.seen, *new]
        others = (cause for cause in self.causes if cause not in seen)
        return replace(self, seen=seen, causes=[*seen, *others], quoting=[*self.quoting, *new])

    def with_fitting(self, remedies: Sequence[str]) -> Finding:
        """The finding with these remedies for the causes that are seen, before its others."""
        others = (remedy for remedy in self.remedies if remedy not in remedies)
        return replace(self, fitting=remedies, remedies=[*remedies, *others])

    def fix_first(self) -> Finding:
        """The finding with the advice that a retry fails until its cause is fixed."""
        return replace(self, retry="fix-first", retry_note="")
