"""Statistics of all sessions of a load, collected from its processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.replayer import Verdict

from .histogram import Histogram

VERDICTS = ("reproduced", "different", "not-reproduced", "unproven")
_MAX_KINDS = 50  # of error messages, and of fields that differ
_MAX_LENGTH = 200  # characters of a message or value


@dataclass(frozen=True, slots=True)
class SessionResult:
    """The result of one session.

    Attributes:
        session: its number, from 1.
        verdict: of its `Verdict`; None without one.
        differences: names of the fields that differ.
        example: recorded and replayed value of the first field that differs.
        latency_ms: (name, recorded, replayed), see `wsproxy.compare`.
        trace: of the replay, None if it is not kept.
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
        """The part of a verdict that a load reports."""
        first = verdict.differences[0] if verdict.differences else None
        return cls(
            session,
            verdict.verdict,
            tuple(dict.fromkeys(difference.field for difference in verdict.differences)),
            (_shorten(first.recorded), _shorten(first.replayed)) if first else None,
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
    """Sessions that were not reproduced, with the same first difference."""

    sessions: int
    recorded: Any
    replayed: Any


@dataclass(slots=True)
class LoadStats:
    """The statistics so far.

    Attributes:
        sessions: planned number of sessions.
        ramp: seconds over which they begin.
        workers: number of worker processes.
        seconds: since the first session began.
        begun, played: number of sessions that have begun, and that have been played or failed.
        lateness: of all steps.
        latency: by name; `recorded` holds the recorded values, ms.
        results: of each session that has been judged, or has failed.
        failure_reasons: by the name of the first field that differs.
        errors: why sessions have no verdict: number of sessions by message.
        notes: other events, such as a process that died.
        stopped: the load was stopped by the user.
        tolerance: the tolerances of the verdicts, see `wsproxy.compare.Tolerances`.
        verdicts: number of sessions by verdict.
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
    failure_reasons: dict[str, FailureReason] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    stopped: bool = False
    tolerance: Mapping[str, float] = field(default_factory=dict)
    verdicts: Counter[str] = field(default_factory=Counter)

    def add(self, result: SessionResult) -> None:
        """Add the result of a session."""
        self.results.append(result)
        if result.verdict is None:
            message = (result.error or "no verdict")[:_MAX_LENGTH]
            known = message in self.errors or len(self.errors) < _MAX_KINDS
            self.errors[message if known else "other errors"] += 1
            return
        self.verdicts[result.verdict] += 1
        for name, recorded, replayed in result.latency_ms:
            self.recorded[name] = recorded
            self.latency.setdefault(name, Histogram()).add([round(replayed * 1e6)])
        if result.verdict != "reproduced" and result.example is not None:
            field_name = result.differences[0]
            if field_name in self.failure_reasons:
                self.failure_reasons[field_name].sessions += 1
            elif len(self.failure_reasons) < _MAX_KINDS:
                self.failure_reasons[field_name] = FailureReason(1, *result.example)

    @property
    def open(self) -> int:
        """Sessions that are being played."""
        return self.begun - self.played

    @property
    def failed(self) -> int:
        """Sessions that ended without a verdict: not connected, or not judged."""
        return self.errors.total()

    @property
    def reproduced(self) -> bool:
        """Whether every session was reproduced."""
        return self.verdicts["reproduced"] == self.sessions

    def as_json(self, *, results: bool = True) -> dict[str, Any]:
        """The statistics as a JSON object.

        Args:
            results: include the result of each session.
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
                name: {"recorded": self.recorded[name], **histogram.as_json()}
                for name, histogram in self.latency.items()
            },
            "why": [
                {"field": n, "sessions": w.sessions, "recorded": w.recorded, "replayed": w.replayed}
                for n, w in sorted(self.failure_reasons.items(), key=lambda item: -item[1].sessions)
            ],
            "errors": [{"error": e, "sessions": c} for e, c in self.errors.most_common()],
            "notes": self.notes,
        }
        if results:
            ordered = sorted(self.results, key=lambda result: result.session)
            out["results"] = [result.as_json() for result in ordered]
        return out


def _shorten(value: Any) -> Any:
    """A value short enough for an example: long ones become the beginning of their text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:_MAX_LENGTH]
