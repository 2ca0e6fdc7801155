"""The two sessions of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wsproxy.catalog import Catalog

from .compared_outcome import ComparedOutcome
from .difference import STANDARD, Tolerances
from .session_digest import SessionDigest


@dataclass(frozen=True, slots=True)
class SessionPair:
    """Two sessions that were read for a comparison.

    Attributes:
        left, right: the outcome of the recorded and of the replayed session.
        paths: of both traces, to read them again where needed.
    """

    left: ComparedOutcome
    right: ComparedOutcome
    paths: tuple[Path, Path]
    rules: Tolerances
    catalog: Catalog

    @classmethod
    def read(
        cls, recorded: Path, replayed: Path, rules: Tolerances, catalog: Catalog
    ) -> SessionPair:
        """Read both traces, one after the other.

        Raises:
            TraceError: a trace cannot be read.
        """
        left, right = (
            ComparedOutcome.read(path, catalog, rules.variation) for path in (recorded, replayed)
        )
        return cls(left, right, (recorded, replayed), rules, catalog)

    @classmethod
    def read_endings(cls, recorded: Path, replayed: Path, catalog: Catalog) -> SessionPair:
        """Read how both sessions ended, but not their messages.

        Raises:
            TraceError: a trace cannot be read.
        """
        left, right = (ComparedOutcome.read_ending(path, catalog) for path in (recorded, replayed))
        return cls(left, right, (recorded, replayed), STANDARD, catalog)

    @property
    def digests(self) -> tuple[SessionDigest, SessionDigest]:
        return self.left.digest, self.right.digest
