"""What is known of all sessions of a load, put together from what processes say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.replayer import Verdict

from .histogram import Histogram

VERDICTS = ("reproduced", "different", "not-reproduced", "unproven")
_MAX_KINDS = 50  # of messages and of fields that differ, that are told apart
_LONGEST = 200  # characters of a message


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What one session came to.

    Attributes:
        session: its number, from 1.
        verdict: of a `Verdict`; None where there is none.
        differences: names of the fields that differ.
        example: recorded and replayed value of the first of them.
        latency_ms: recorded and replayed by name, see `wsproxy.compare`.
        trace: of the replay, None if it was not kept.
        error: why there is no verdict.
    """

    session: int
    verdict: str | None = None
    differences: tuple[str, ...] = ()
    example: tuple[Any, Any] | None = None
    latency_ms: tuple[tuple[str, float, float], ...] = ()
    trace: Path | None = None
    error: str | None = None

    @classmethod
    def of(cls, session: int, verdict: Verdict, *, kept: bool) -> SessionResult:
        """What a verdict says, as far as a load tells it."""
        first = verdict.differences[0] if verdict.differences else None
        return cls(
            session,
            verdict.verdict,
            tuple(dict.fromkeys(difference.field for difference in verdict.differences)),
            (_short(first.recorded), _short(first.replayed)) if first else None,
            tuple((n, v["recorded"], v["replayed"]) for n, v in verdict.latency.items()),
            verdict.trace if kept else None,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "session": self.session,
            "verdict": self.verdict,
            "differences": list(self.differences),
            "trace": str(self.trace) if self.trace else None,
            "error": self.error,
        }


@dataclass(slots=True)
class FailureReason:
    """Sessions that are not the recorded one for the same first difference."""

    sessions: int
    recorded: Any
    replayed: Any


@dataclass(slots=True)
class LoadStats:
    """All that is known so far.

    Attributes:
        sessions: how many there are to be.
        ramp: seconds over which they begin.
        workers: processes that play.
        seconds: since the first session began.
        begun, played: how many have begun, and have been played or failed.
        lateness: of every step.
        latency: of what took how long, by name; `recorded` has the recording's own, ms.
        results: of each session that is over and judged, or failed.
        why: by the name of the first field that differs.
        errors: why sessions have no verdict, by message.
        notes: what else has to be said, such as a process that died.
        stopped: somebody stopped it.
        tolerance: the tolerances that the verdicts rest on, see `wsproxy.compare.Tolerances`.
    """

    sessions: int
    ramp: float
    workers: int
    seconds: float = 0.0
    begun: int = 0
    played: int = 0
    lateness: Histogram = field(default_factory=Histogram)
    latency: dict[str, Histogram] = field(default_factory=dict)
    recorded: dict[str, float] = field(default_factory=dict)
    results: list[SessionResult] = field(default_factory=list)
    why: dict[str, FailureReason] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False
    tolerance: Mapping[str, float] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)

    def add(self, result: SessionResult) -> None:
        """Take what a session came to."""
        self.results.append(result)
        if result.verdict is None:
            message = (result.error or "no verdict")[:_LONGEST]
            known = message in self.errors or len(self.errors) < _MAX_KINDS
            self.errors[message if known else "other errors"] += 1
            return
        self.verdicts[result.verdict] += 1
        for name, recorded, replayed in result.latency_ms:
            self.recorded[name] = recorded
            self.latency.setdefault(name, Histogram()).add([round(replayed * 1e6)])
        if result.verdict != "reproduced" and result.example is not None:
            field_name = result.differences[0]
            if field_name in self.why:
                self.why[field_name].sessions += 1
            elif len(self.why) < _MAX_KINDS:
                self.why[field_name] = FailureReason(1, *result.example)

    @property
    def open(self) -> int:
        """Sessions that go on."""
        return self.begun - self.played

    @property
    def failed(self) -> int:
        """Sessions that are over and have no verdict: not connected, or not judged."""
        return self.errors.total()

    @property
    def reproduced(self) -> bool:
        """Whether every session was."""
        return self.verdicts["reproduced"] == self.sessions

    def as_json(self, *, results: bool = True) -> dict[str, Any]:
        """All of it as one object.

        Args:
            results: with each session's own.
        """
        out: dict[str, Any] = {
            "sessions": self.sessions,
            "ramp_s": self.ramp,
            "workers": self.workers,
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "started": self.begun,
            "open": self.open,
            "verdicts": {name: self.verdicts[name] for name in VERDICTS},
            "tolerance": dict(self.tolerance),
            "failed": self.failed,
            "unjudged": self.played - len(self.results),
            "lateness_ms": dict(self.lateness.as_json()),
            "latency_ms": {
                name: {"recorded": self.recorded[name], **spread.as_json()}
                for name, spread in self.latency.items()
            },
            "why": [
                {"field": n, "sessions": w.sessions, "recorded": w.recorded, "replayed": w.replayed}
                for n, w in sorted(self.why.items(), key=lambda item: -item[1].sessions)
            ],
            "errors": [{"error": e, "sessions": c} for e, c in self.errors.most_common()],
            "notes": self.notes,
        }
        if results:
            ordered = sorted(self.results, key=lambda result: result.session)
            out["results"] = [result.as_json() for result in ordered]
        return out


def _short(value: Any) -> Any:
    """A value as it may be kept for an example: of a long one its beginning, as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:_LONGEST]
