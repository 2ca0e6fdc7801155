"""The two sessions of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsproxy.catalog import Catalog

from .difference import Tolerances
from .outcome import Outcome
from .session_digest import SessionDigest


@dataclass(frozen=True, slots=True)
class SessionPair:
    """Two sessions that have been read.

    Attributes:
        paths: of the recorded and the replayed trace, to be read again where needed.
    """

    left: Outcome
    right: Outcome
    paths: tuple[Path, Path]
    rules: Tolerances
    catalog: Catalog

    @classmethod
    def read(
        cls, recorded: Path, replayed: Path, rules: Tolerances, catalog: Catalog
    ) -> SessionPair:
        """Read both traces, one after the other.

        Raises:
            TraceError: one of them cannot be read.
        """
        left, right = (Outcome.read(path, catalog, rules.varying) for path in (recorded, replayed))
        return cls(left, right, (recorded, replayed), rules, catalog)

    @property
    def stories(self) -> tuple[SessionDigest, SessionDigest]:
        return self.left.story, self.right.story
