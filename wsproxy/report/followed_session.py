"""A session that is followed while it is recorded, as events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.diagnose import diagnose
from wsproxy.session import Session
from wsproxy.session.transcript import Result
from wsproxy.wording import plural

from . import json_schema
from .examination import json_explanation
from .explanation import Explanation, explain
from .safe_text import safe, short
from .text import api, loss_lines, when
from .timeline import result_json
from .transcript import result_line

_MAX_FINDINGS = 5  # with a line
_TEXT = 300  # characters


@dataclass(frozen=True, slots=True)
class Began:
    """The session began."""

    path: Path
    session: Session

    def lines(self) -> Iterator[str]:
        """For people."""
        start = self.session.start
        began = f", began {when(start.started_at_ns)} UTC" if start is not None else ""
        attempt = f", attempt {start.attempt}" if start is not None and start.attempt > 1 else ""
        yield f"{api(self.session)}{began}{attempt}"

    def as_json(self) -> dict[str, Any]:
        """The line of `wsproxy follow --json`."""
        start, request = self.session.start, self.session.request
        return {
            "event": "began",
            "session": self.session.id,
            "path": str(self.path),
            "started_at": json_schema.iso_time(start.started_at_ns) if start else None,
            "provider": self.session.provider,
            "api": self.session.api,
            "host": request.host if request else None,
            "attempt": start.attempt if start else None,
        }


@dataclass(frozen=True, slots=True)
class Heard:
    """A transcript result arrived."""

    session: str
    result: Result

    def lines(self) -> Iterator[str]:
        """For people."""
        yield result_line(self.result)

    def as_json(self) -> dict[str, Any]:
        """The line of `wsproxy follow --json`."""
        return {"event": "result", "session": self.session, **result_json(self.result)}


@dataclass(frozen=True, slots=True)
class Ended:
    """The session ended, and was explained."""

    path: Path
    session: Session
    explained: Explanation
    explanation: dict[str, Any]

    def lines(self) -> Iterator[str]:
        """For people."""
        sent, received = self.session.sent.frames, self.session.received.frames
        yield (
            f"{self.explained.verdict} ({self.session.duration_ns / 1e9:.1f} s, "
            f"sent {plural(sent, 'frame')}, received {received})"
        )
        for finding in self.explained.findings[:_MAX_FINDINGS]:
            if finding.severity != "info":
                yield f"  {finding.severity}: {finding.id}  {finding.title}"
        if self.session.unread:
            yield f"  warning: {short(self.session.unread, _TEXT)}"
        for line in loss_lines(self.session.losses):
            yield f"  warning: {short(line, _TEXT)}"
        yield f"  {safe(str(self.path))}"

    def as_json(self) -> dict[str, Any]:
        """The line of `wsproxy follow --json`."""
        return {"event": "ended", **self.explanation}


Event = Began | Heard | Ended


class FollowedSession:
    """Reads a trace while it is written, each block once.

    Args:
        path: of the trace.
        catalog: knows the messages and the conditions.

    Attributes:
        session: as far as it is read.
        interim: the last result, if it may still be replaced; else None.
        has_ended: whether nothing more will come.

    Raises:
        TraceError: while polling: the trace cannot be read.
    """

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.path = path
        self.session = Session.analyzing(catalog)
        self.interim: Result | None = None
        self.has_ended = False
        timeline = self.session.timeline
        assert timeline is not None, "it analyzes"
        self._timeline = timeline
        self._catalog = catalog
        self._records = self.session.following(path)
        self._began = False
        self._results = 0

    def poll(self) -> Iterator[Event]:
        """What has happened since the last call."""
        if self.has_ended:
            return
        for record in self._records:
            if record is None:
                yield from self._news()
                return
        self.has_ended = True
        yield from self._news()
        yield self._end()

    def _news(self) -> Iterator[Event]:
        if not self._began and self.session.start is not None:
            self._began = True
            yield Began(self.path, self.session)
        transcript = self._timeline.transcript
        new = transcript.kept.after(self._results)
        self._results = transcript.results
        for result in new:
            self.interim = None if result.final else result
            yield Heard(self.session.id, result)

    def _end(self) -> Ended:
        self.interim = None
        findings = diagnose(self.session, self._catalog)
        return Ended(
            self.path,
            self.session,
            explain(self.path, self.session, findings, self._catalog),
            json_explanation(self.path, self.session, findings, self._catalog),
        )
