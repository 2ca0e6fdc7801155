"""The outcome of a session as fields that can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wsproxy.catalog import Catalog, candidates
from wsproxy.session import Session
from wsproxy.session.message_kinds import is_error

from .difference import Difference
from .learned_variation import NO_VARIATION, LearnedVariation
from .session_digest import SessionDigest

# Every field that `ComparedOutcome.fields` can have.
OUTCOME_FIELDS = frozenset(
    {"api", "status", "ending", "closed_by", "close_code", "close_reason", "failed_where"}
    | {"error_headers", "body", "condition"}
)
_COMPARED_HEADERS = re.compile(r"error|^www-authenticate$", re.IGNORECASE)
_MAX_KINDS = 1000  # in the JSON


class ComparedSessions(Protocol):
    """Two sessions that were compared: a Comparison or a Verdict."""

    @property
    def recorded(self) -> dict[str, Any]: ...

    @property
    def replayed(self) -> dict[str, Any]: ...

    @property
    def differences(self) -> list[Difference]: ...


def failure_differences(compared: ComparedSessions) -> list[Difference]:
    """The differences that make it a different failure; none if it is the same failure.

    The failure is the same if the session was answered and ended in the same way, whatever
    messages preceded it: a shortened session has fewer results. If the client ended the session,
    the server must also have sent the same errors and broken the same rules of RFC 6455.
    """
    fields = OUTCOME_FIELDS
    missing: list[Difference] = []
    if compared.recorded["closed_by"] == "client":
        fields = fields | {"violations"}
        recorded, replayed = _error_kinds(compared.recorded), _error_kinds(compared.replayed)
        if not set(recorded) <= set(replayed):
            missing.append(Difference("messages", recorded, replayed))
    return [d for d in compared.differences if d.field in fields] + missing


def _error_kinds(outcome: Mapping[str, Any]) -> list[str]:
    """The kinds of error among a server's messages."""
    return list(dict.fromkeys(kind for kind in outcome["messages"] if is_error(kind)))


@dataclass(frozen=True, slots=True)
class ComparedOutcome:
    """The outcome of one session.

    Attributes:
        condition, severity: of the best matching condition of the catalog; None without one.
    """

    digest: SessionDigest
    condition: str | None
    severity: str | None

    @classmethod
    def read(
        cls, path: Path, catalog: Catalog, variation: LearnedVariation = NO_VARIATION
    ) -> ComparedOutcome:
        """Read a trace.

        Args:
            variation: what is not compared.

        Raises:
            TraceError: the trace cannot be read.
        """
        return cls.from_digest(SessionDigest.read(path, catalog, variation), catalog)

    @classmethod
    def read_ending(cls, path: Path, catalog: Catalog) -> ComparedOutcome:
        """Read how a session began and ended, of a trace that holds too much to compare.

        Raises:
            TraceError: the trace cannot be read.
        """
        digest = SessionDigest(catalog)
        digest.session = Session.read(path)
        return cls.from_digest(digest, catalog)

    @classmethod
    def from_digest(cls, digest: SessionDigest, catalog: Catalog) -> ComparedOutcome:
        """The outcome of a session that was read before."""
        matches = candidates(digest.session, catalog)
        condition = matches[0].condition if matches else None
        return cls(
            digest,
            condition.id if condition else None,
            condition.severity if condition else None,
        )

    @property
    def session(self) -> Session:
        return self.digest.session

    @property
    def status(self) -> int | None:
        return self.session.response.status if self.session.response else None

    @property
    def ending(self) -> str:
        # A recorder that was stopped and one that crashed both leave the session open.
        ending = self.session.ending
        return "open" if ending in ("stopped", "unfinished") else ending

    @property
    def failed(self) -> bool:
        return self.ending != "open" and (self.session.failed or self.severity == "error")

    @property
    def api(self) -> str | None:
        names = [name for name in (self.session.provider, self.session.api) if name]
        return " ".join(names) or None

    def fields(self) -> dict[str, Any]:
        """The compared fields that have one value per session."""
        session = self.session
        close = session.close
        out: dict[str, Any] = {"api": self.api, "status": self.status, "ending": self.ending}
        out["closed_by"] = session.closed_by
        out["close_code"] = close.code if close else None
        out["close_reason"] = close.reason if close else None
        if session.failure is not None and self.ending == "failed":
            out["failed_where"] = session.failure.where
        if self.status not in (None, 101):
            out["error_headers"] = self._error_headers()
            out["body"] = self._body()
        out["condition"] = self.condition
        return out

    def _error_headers(self) -> dict[str, str]:
        assert self.session.response is not None
        return {
            name.lower(): value
            for name, value in self.session.response.headers
            if _COMPARED_HEADERS.search(name)
        }

    def _body(self) -> Any:
        assert self.session.response is not None
        text = (self.session.response.body or b"").decode("utf-8", "replace")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def as_json(self) -> dict[str, Any]:
        session, sent, received = self.session, self.digest.sent, self.digest.received
        return {
            "session": session.id,
            **self.fields(),
            "messages": received.sequence.kinds[:_MAX_KINDS],
            "nondeterministic": sorted(
                {p.kind for p in received.sequence.nondeterministic.values()}
            ),
            "messages_sent": sent.sequence.kinds[:_MAX_KINDS],
            "audio_sent": sent.audio.size,
            "audio_received": received.audio.size,
            "frames_sent": session.sent.frames,
            "frames_received": session.received.frames,
            "bytes_sent": session.sent.size,
            "bytes_received": session.received.size,
            "duration_s": round(session.duration_ns / 1e9, 3),
            "transcript": str(self.digest.transcript),
        }
