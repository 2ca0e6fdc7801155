"""How a session ended, as fields that can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wsproxy.catalog import Catalog, candidates
from wsproxy.session import Session

from .difference import Difference
from .learned_variation import NOTHING, LearnedVariation
from .message_kinds import is_error
from .session_digest import SessionDigest

# Every field that `Outcome.fields` has.
OUTCOME = frozenset(
    {"api", "status", "ending", "closed_by", "close_code", "close_reason", "failed_where"}
    | {"error_headers", "body", "condition"}
)
_COMPARED_HEADERS = re.compile(r"error|^www-authenticate$", re.IGNORECASE)
_MAX_KINDS = 1000  # in the JSON


class OutcomeFields(Protocol):
    """Two sessions that were compared: a Comparison, or a Verdict."""

    @property
    def recorded(self) -> dict[str, Any]: ...

    @property
    def replayed(self) -> dict[str, Any]: ...

    @property
    def differences(self) -> list[Difference]: ...


def of_failure(found: OutcomeFields) -> list[Difference]:
    """The differences that make it another failure, or none.

    Where there are none, the session was answered in the same way and ended in the same
    way, whatever was said before that: one that is made shorter has fewer results. Where it
    was the client that ended it, what drove it to that has to have come as well: errors of
    the server, and rules of RFC 6455 that it broke.
    """
    fields = OUTCOME
    missing: list[Difference] = []
    if found.recorded["closed_by"] == "client":
        fields = fields | {"violations"}
        recorded, replayed = _errors(found.recorded), _errors(found.replayed)
        if not set(recorded) <= set(replayed):
            missing.append(Difference("messages", recorded, replayed))
    return [d for d in found.differences if d.field in fields] + missing


def _errors(outcome: Mapping[str, Any]) -> list[str]:
    """The kinds of errors among a server's messages."""
    return list(dict.fromkeys(kind for kind in outcome["messages"] if is_error(kind)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of the two sessions.

    Attributes:
        condition, severity: of the catalog's condition that fits best, None where none does.
    """

    story: SessionDigest
    condition: str | None
    severity: str | None

    @classmethod
    def read(cls, path: Path, catalog: Catalog, varying: LearnedVariation = NOTHING) -> Outcome:
        """Read a trace.

        Args:
            varying: what of it is not compared.

        Raises:
            TraceError: it cannot be read.
        """
        return cls.of(SessionDigest.read(path, catalog, varying), catalog)

    @classmethod
    def of(cls, story: SessionDigest, catalog: Catalog) -> Outcome:
        """What a session came to."""
        hits = candidates(story.session, catalog)
        condition = hits[0].condition if hits else None
        return cls(
            story,
            condition.id if condition else None,
            condition.severity if condition else None,
        )

    @property
    def session(self) -> Session:
        return self.story.session

    @property
    def status(self) -> int | None:
        return self.session.response.status if self.session.response else None

    @property
    def ending(self) -> str:
        # Whoever recorded it may have been stopped; for a replay both mean "still open".
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
        """The compared fields that have one value in a session."""
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
        session, sent, received = self.session, self.story.sent, self.story.received
        return {
            "session": session.id,
            **self.fields(),
            "messages": received.sequence.kinds[:_MAX_KINDS],
            "nondeterministic": sorted({p.kind for p in received.sequence.passing.values()}),
            "messages_sent": sent.sequence.kinds[:_MAX_KINDS],
            "audio_sent": sent.sound.size,
            "audio_received": received.sound.size,
            "frames_sent": session.sent.frames,
            "frames_received": session.received.frames,
            "bytes_sent": session.sent.size,
            "bytes_received": session.received.size,
            "duration_s": round(session.duration_ns / 1e9, 3),
            "transcript": str(self.story.transcript),
        }
