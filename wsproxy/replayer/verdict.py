"""Whether a replayed session ended as the recorded one did, and what differs.

`reproduced`: every compared field is equal, or within a tolerance that was asked for.
`not-reproduced`: the recorded failure did not come: the session went well, or was still open
when the replay gave up. `different`: it came to another end, or to another content on the way
there. `unproven`: that could come of the time that the steps took, which was not the recorded one.

`wsproxy.compare` compares; here is what only the replay itself knows: whether it kept its
pace, and whether it could send all of it. As the client, what was asked for and sent is our
own and not compared.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.catalog import load
from wsproxy.compare import STANDARD, Difference, Tolerances, compare
from wsproxy.statistics import percentile

from .pace import Pace
from .schedule import Schedule

__all__ = ["LATE_NS", "Difference", "Lateness", "ReplayResult", "Verdict", "judge", "judge_played"]

# Reproduction may be a matter of time; beyond this a replay has not kept its pace, ns.
LATE_NS = 250_000_000

_DROPPED = 0.1  # of the steps; more is no matter of the moment

# Checks of conditions that come of when messages come, or do not.
_TIMED = frozenset(
    {"silence_before_close", "audio_pace", "first_audio_delay", "keepalives", "ping_pong"}
)


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late the steps were, ms."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0

    @classmethod
    def of(cls, schedule: Schedule) -> Lateness:
        values = sorted(schedule.lateness)
        if not values:
            return cls()
        p50, p99, most = (round(percentile(values, part) / 1e6, 3) for part in (0.5, 0.99, 1.0))
        return cls(p50, p99, most)

    @property
    def late(self) -> bool:
        """Whether the pace was not kept."""
        return self.p99 * 1e6 > LATE_NS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a replay came to.

    Attributes:
        verdict: "reproduced", "different", "not-reproduced" or "unproven".
        recorded, replayed: what each session came to, for JSON.
        notes: what qualifies the verdict: a pace not kept, a recording with gaps.
        trace: where the new session is recorded; None: it is not kept.
        sent, wer, latency, compared, not_compared, tolerance: see
            `wsproxy.compare.Comparison`.
    """

    verdict: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]
    differences: list[Difference]
    lateness_ms: Lateness
    trace: Path | None
    notes: list[str] = field(default_factory=list)
    sent: str = ""
    wer: float | None = None
    latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    tolerance: Mapping[str, float] = field(default_factory=dict)

    @property
    def reproduced(self) -> bool:
        return self.verdict == "reproduced"

    @property
    def exit_status(self) -> int:
        """0 reproduced, 1 different or not reproduced, 125 (`git bisect`: skip) unproven."""
        return {"reproduced": 0, "unproven": 125}.get(self.verdict, 1)

    def as_json(self) -> dict[str, Any]:
        late = self.lateness_ms
        return {
            "verdict": self.verdict,
            "recorded": self.recorded,
            "replayed": self.replayed,
            "differences": [difference.as_json() for difference in self.differences],
            "sent": self.sent,
            "wer": self.wer,
            "latency": {name: dict(values) for name, values in self.latency.items()},
            "compared": self.compared,
            "not_compared": self.not_compared,
            "tolerance": dict(self.tolerance),
            "lateness_ms": {"p50": late.p50, "p99": late.p99, "max": late.max},
            "notes": self.notes,
            "trace": str(self.trace) if self.trace is not None else None,
        }


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a verdict rests on besides the rules; small enough to judge in another process.

    Attributes:
        recorded, replayed: the two traces.
        accepted: the recorded upgrade was.
        given_up, dropped: see `Schedule`.
        steps: how many there were to be.
        kept: whether the replayed trace stays once it has been judged.
    """

    recorded: Path
    replayed: Path
    pace: Pace
    from_client: bool
    accepted: bool
    lateness: Lateness
    given_up: int
    dropped: int
    steps: int
    kept: bool = True

    @property
    def much_dropped(self) -> bool:
        """Whether the other side ended before a good part of the recorded steps."""
        return self.dropped > max(2, self.steps * _DROPPED)

    @classmethod
    def of(
        cls, recorded: Path, replayed: Path, schedule: Schedule, *, kept: bool = True
    ) -> ReplayResult:
        """What a schedule came to that was played."""
        script = schedule.script
        return cls(
            recorded,
            replayed,
            schedule.pace,
            script.from_client,
            script.session.accepted,
            Lateness.of(schedule),
            schedule.given_up,
            schedule.dropped,
            len(script.steps),
            kept,
        )


def judge(
    recorded: Path,
    replayed: Path,
    schedule: Schedule,
    *,
    rules: Tolerances = STANDARD,
) -> Verdict:
    """Compare the trace of a replay with the one that was replayed.

    Raises:
        TraceError: one of them cannot be read.
    """
    return judge_played(ReplayResult.of(recorded, replayed, schedule), rules)


def judge_played(played: ReplayResult, rules: Tolerances = STANDARD) -> Verdict:
    """The same, of a replay that was played before, or elsewhere.

    The trace of a replay that is not to be kept is removed.

    Raises:
        TraceError: one of the traces cannot be read.
    """
    recorded, replayed, lateness = played.recorded, played.replayed, played.lateness
    try:
        found = compare(recorded, replayed, rules=rules, client_sent=not played.from_client)
    finally:
        if not played.kept:
            with contextlib.suppress(OSError):
                replayed.unlink()
    condition = found.recorded["condition"]
    timed = isinstance(condition, str) and depends_on_time(condition)
    return Verdict(
        _proven(found.verdict, played, timed=timed),
        found.recorded,
        found.replayed,
        found.differences,
        lateness,
        replayed if played.kept else None,
        [*_notes(played, timed=timed), *found.notes],
        found.sent,
        found.wer,
        found.latency,
        found.compared,
        found.not_compared,
        found.tolerance,
    )


def depends_on_time(condition: str) -> bool:
    """Whether a condition of the catalog is a matter of when messages come.

    Args:
        condition: its id.
    """
    return not _TIMED.isdisjoint(load().condition(condition).checks)


def _proven(verdict: str, played: ReplayResult, *, timed: bool) -> str:
    """The verdict, or "unproven" where the replay's own time may have brought it about.

    Or where a failure that is a matter of time came at quite another time.
    """
    pace = played.pace
    if pace.by_clock and played.lateness.late:
        return verdict if verdict == "reproduced" and not timed else "unproven"
    if verdict != "reproduced" or not timed:
        return "unproven" if timed and not pace.as_recorded else verdict
    return "unproven" if played.much_dropped else verdict


def _notes(played: ReplayResult, *, timed: bool) -> list[str]:
    notes, lateness = [], played.lateness
    if played.pace.by_clock and lateness.late:
        notes.append(
            f"the replay could not keep its pace: 1 step in 100 was {lateness.p99:.0f} ms late or "
            "more; what depends on time is not proven"
        )
    elif timed and not played.pace.as_recorded:
        notes.append(f"the recorded failure is a matter of time, and the pace was {played.pace}")
    if played.given_up:
        notes.append("the other side sent less than in the recording; the replay went on without")
    if played.accepted and played.dropped:
        notes.append(
            f"{played.dropped} recorded steps were not sent: the other side ended before them"
        )
    return notes
