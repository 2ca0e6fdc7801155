"""Whether a replayed session ended as the recorded one did, and what differs.

`reproduced`: every compared field is equal. `not-reproduced`: the recorded failure did
not come: the session went well, or was still open when the replay gave up. `different`:
it came to another end, or to another content on the way there.

`wsproxy.compare` compares; here is what only the replay itself knows: whether it kept its
pace, and whether it could send all of it. As the client, what was asked for and sent is our
own and not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wsproxy.compare import STANDARD, Difference, Rules, compare

from .schedule import Schedule

__all__ = ["LATE_NS", "Difference", "Lateness", "Verdict", "judge"]

# Reproduction may be a matter of time; beyond this a replay has not kept its pace, ns.
LATE_NS = 250_000_000


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
        sent, wer, latency, compared: see `wsproxy.compare.Comparison`.
    """

    verdict: str
    recorded: dict[str, Any]
    replayed: dict[str, Any]
    differences: list[Difference]
    lateness_ms: Lateness
    trace: Path
    notes: list[str] = field(default_factory=list)
    sent: str = ""
    wer: float | None = None
    latency: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)

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
            "sent": self.sent,
            "wer": self.wer,
            "latency": {name: dict(values) for name, values in self.latency.items()},
            "compared": self.compared,
            "lateness_ms": {"p50": late.p50, "p99": late.p99, "max": late.max},
            "notes": self.notes,
            "trace": str(self.trace),
        }


def judge(
    recorded: Path,
    replayed: Path,
    schedule: Schedule,
    *,
    rules: Rules = STANDARD,
) -> Verdict:
    """Compare the trace of a replay with the one that was replayed.

    Raises:
        TraceError: one of them cannot be read.
    """
    found = compare(recorded, replayed, rules=rules, client_sent=not schedule.script.from_client)
    lateness = Lateness.of(schedule)
    return Verdict(
        found.verdict,
        found.recorded,
        found.replayed,
        found.differences,
        lateness,
        replayed,
        [*_notes(schedule, lateness), *found.notes],
        found.sent,
        found.wer,
        found.latency,
        found.compared,
    )


def _notes(schedule: Schedule, lateness: Lateness) -> list[str]:
    notes = []
    if lateness.p99 * 1e6 > LATE_NS:
        notes.append(
            f"the replay could not keep its pace: 1 step in 100 was {lateness.p99:.0f} ms late or "
            "more; what depends on time is not proven"
        )
    if schedule.given_up:
        notes.append("the other side sent less than in the recording; the replay went on without")
    if schedule.script.session.accepted and schedule.dropped:
        notes.append(
            f"{schedule.dropped} recorded steps were not sent: the other side ended before them"
        )
    return notes
