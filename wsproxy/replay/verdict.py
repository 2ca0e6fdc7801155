"""Whether a replayed session ended as the recorded one did, and what differs.

`reproduced`: every compared field is equal. `not-reproduced`: the recorded failure did
not come: the session went well, or was still open when the replay gave up. `different`:
it came to another end, or the messages on the way there were of other kinds.

Compared are: how the handshake was answered; of a refusal its error headers and its
body; how the session ended, by whom, the close code and reason; the catalog's condition;
the kinds of the server's messages, in the order of their first appearance; as the
server, also the kinds of the app's messages and its audio. Ids, times and measured
figures in reasons and bodies are volatile and not compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.catalog import candidates, load
from wsproxy.session import Session

from .schedule import Schedule
from .story import Story, Told, first_audio_difference

# Reproduction may be a matter of time; beyond this a replay has not kept its pace, ns.
LATE_NS = 250_000_000

_VOLATILE = [
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b[0-9a-f]{16,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (
        re.compile(
            r"\b\d+(?:\.\d+)?(\s*)(ms|milliseconds?|s|secs?|seconds?|min|minutes?|bytes|samples)\b",
            re.IGNORECASE,
        ),
        r"<n>\1\2",
    ),
]
_VOLATILE_FIELDS = re.compile(
    r"(?:^|_)(?:id|ids|uuid|sha256|nonce|time|timestamp|created|expires|expires_at|date|at)$",
    re.IGNORECASE,
)
_COMPARED_HEADERS = re.compile(r"error|^www-authenticate$", re.IGNORECASE)


def stable(text: str) -> str:
    """The text without its volatile parts."""
    for pattern, name in _VOLATILE:
        text = pattern.sub(name, text)
    return text.strip()


@dataclass(frozen=True, slots=True)
class Difference:
    """A compared field with another value.

    Attributes:
        recorded_frame, replayed_frame: numbers of the frames that it is about, if any.
    """

    field: str
    recorded: Any
    replayed: Any
    recorded_frame: int | None = None
    replayed_frame: int | None = None

    def as_json(self) -> dict[str, Any]:
        out = {"field": self.field, "recorded": self.recorded, "replayed": self.replayed}
        if self.recorded_frame is not None or self.replayed_frame is not None:
            out["frames"] = {"recorded": self.recorded_frame, "replayed": self.replayed_frame}
        return out


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long after their time the steps were done, ms."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, schedule: Schedule) -> Lateness:
        values = sorted(schedule.lateness)
        if not values:
            return cls()

        def at(part: float) -> float:
            return round(values[min(len(values) - 1, int(len(values) * part))] / 1e6, 3)

        return cls(at(0.5), at(0.99), at(1.0))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a replay came to.

    Attributes:
        verdict: "reproduced", "different" or "not-reproduced".
        recorded, replayed: what each session came to, for JSON.
        notes: what qualifies the verdict: a pace not kept, a recording with gaps.
        trace: where the new session is recorded.
    """

    verdict: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]
    differences: list[Difference]
    lateness_ms: Lateness
    trace: Path
    notes: list[str] = field(default_factory=list)

    @property
    def reproduced(self) -> bool:
        return self.verdict == "reproduced"

    def as_json(self) -> dict[str, Any]:
        late = self.lateness_ms
        return {
            "verdict": self.verdict,
            "recorded": self.recorded,
            "replayed": self.replayed,
            "differences": [difference.as_json() for difference in self.differences],
            "lateness_ms": {"p50": late.p50, "p99": late.p99, "max": late.max},
            "notes": self.notes,
            "trace": str(self.trace),
        }


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What is compared of one session."""

    session: Session
    story: Story
    condition: str | None
    severity: str | None

    @classmethod
    def read(cls, path: Path) -> _Outcome:
        session = Session.read(path)
        hits = candidates(session, load())
        condition = hits[0].condition if hits else None
        return cls(
            session,
            Story.read(path),
            condition.id if condition else None,
            condition.severity if condition else None,
        )

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

    def fields(self) -> dict[str, Any]:
        """The compared fields, each with its frame in `frames`."""
        session = self.session
        close = session.close
        out: dict[str, Any] = {"status": self.status, "ending": self.ending}
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
        session = self.session
        return {
            "session": session.id,
            **self.fields(),
            "messages": self.story.received.names,
            "messages_sent": self.story.sent.names,
            "audio_sent": self.story.sent.audio,
            "audio_received": self.story.received.audio,
            "frames_sent": session.sent.frames,
            "frames_received": session.received.frames,
            "bytes_sent": session.sent.size,
            "bytes_received": session.received.size,
            "duration_s": round(session.duration_ns / 1e9, 3),
        }


def judge(recorded: Path, replayed: Path, schedule: Schedule) -> Verdict:
    """Compare the trace of a replay with the one that was replayed.

    Raises:
        TraceError: one of them cannot be read.
    """
    left, right = _Outcome.read(recorded), _Outcome.read(replayed)
    differences = _compare_endings(left, right)
    differences += _compare_kinds("messages", left.story.received, right.story.received)
    if not schedule.script.from_client:
        differences += _compare_sent_kinds(left.story, right.story)
        differences += _compare_audio(recorded, replayed, left, right)
    lateness = Lateness.of(schedule)
    return Verdict(
        _verdict(left, right, differences),
        left.as_json(),
        right.as_json(),
        differences,
        lateness,
        replayed,
        _notes(left.session, schedule, lateness),
    )


def _verdict(left: _Outcome, right: _Outcome, differences: list[Difference]) -> str:
    if not differences:
        return "reproduced"
    if right.ending == "open" and left.ending != "open":
        return "not-reproduced"
    if left.failed and not right.failed:
        return "not-reproduced"
    return "different"


def _compare_endings(left: _Outcome, right: _Outcome) -> list[Difference]:
    recorded, replayed = left.fields(), right.fields()
    frames = {
        name: (_close_frame(left.session), _close_frame(right.session))
        for name in ("close_code", "close_reason")
    }
    out = []
    for name in dict.fromkeys([*recorded, *replayed]):
        a, b = recorded.get(name), replayed.get(name)
        if _stable(a) != _stable(b):
            out.append(Difference(name, a, b, *frames.get(name, (None, None))))
    return out


def _close_frame(session: Session) -> int | None:
    return session.close.frame if session.close else None


def _stable(value: Any, depth: int = 0) -> Any:
    """A value for comparing: volatile fields and parts of text taken out."""
    if depth > 20:
        return None
    if isinstance(value, str):
        return stable(value)
    if isinstance(value, Mapping):
        return {
            key: _stable(item, depth + 1)
            for key, item in value.items()
            if not _VOLATILE_FIELDS.search(key)
        }
    if isinstance(value, list):
        return [_stable(item, depth + 1) for item in value]
    return value


def _compare_kinds(name: str, left: Told, right: Told) -> list[Difference]:
    if left.names == right.names:
        return []
    at = next(
        (i for i, (a, b) in enumerate(zip(left.names, right.names, strict=False)) if a != b),
        min(len(left.names), len(right.names)),
    )
    frames = [told.kinds[at].frame if at < len(told.kinds) else None for told in (left, right)]
    return [Difference(name, left.names, right.names, *frames)]


def _compare_sent_kinds(left: Story, right: Story) -> list[Difference]:
    """The kinds of the app's messages; the last ones may have been on their way at the end."""
    pairs = ((left.kinds_due, right.sent.names), (right.kinds_due, left.sent.names))
    if all(there[: len(due)] == due for due, there in pairs):
        return []
    return _compare_kinds("messages_sent", left.sent, right.sent)


def _compare_audio(
    recorded: Path, replayed: Path, left: _Outcome, right: _Outcome
) -> list[Difference]:
    """The app's audio, however it is cut.

    What came after the server had ended the session was on its way, then and now, and
    is no difference.
    """
    found = first_audio_difference(recorded, replayed)
    if found is not None:
        return [
            Difference(
                "audio_sent",
                f"{left.story.sent.audio} bytes",
                f"{right.story.sent.audio} bytes, others from byte {found.offset} on",
                found.recorded_frame,
                found.replayed_frame,
            )
        ]
    was, now = left.story.sent.audio, right.story.sent.audio
    by_server = left.session.closed_by == "server"
    if now < left.story.audio_due or (now != was and not by_server):
        due = left.story.audio_due if by_server else was
        return [Difference("audio_sent", f"{due} bytes", f"{now} bytes")]
    return []


def _notes(session: Session, schedule: Schedule, lateness: Lateness) -> list[str]:
    notes = []
    if lateness.p99 * 1e6 > LATE_NS:
        notes.append(
            f"the replay could not keep its pace: 1 step in 100 was {lateness.p99:.0f} ms late or "
            "more; what depends on time is not proven"
        )
    if schedule.given_up:
        notes.append("the other side sent less than in the recording; the replay went on without")
    if session.accepted and schedule.dropped:
        notes.append(
            f"{schedule.dropped} recorded steps were not sent: the other side ended before them"
        )
    if not session.complete:
        notes.append("the recording is not complete: the replay is of what is in it")
    return notes
