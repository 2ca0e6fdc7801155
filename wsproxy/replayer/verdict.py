"""Judge whether a replayed session equals the recorded one.

Verdicts:
- `reproduced`: every compared field is equal, or within a tolerance that was set.
- `not-reproduced`: the recorded failure did not occur: the session succeeded, or was still open
  when the replay gave up.
- `different`: the session ended differently, or its content differs.
- `unproven`: the timing of the replay, which was not the recorded one, may have caused the result;
  or the sessions ended in the same way, and one holds too much to compare the rest.

`wsproxy.compare` compares the traces. This module adds what only the replay knows: whether it
kept its pace, and whether it could send every step. As the client, the replay sent the messages
itself, so that they are not compared.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from wsproxy.catalog import load
from wsproxy.compare import (
    STANDARD,
    Comparison,
    Difference,
    Tolerances,
    compare,
    compare_endings,
)
from wsproxy.errors import LimitExceeded

from .lateness import Lateness, is_late
from .pace import Pace
from .schedule import Schedule

__all__ = ["Difference", "ReplayResult", "Verdict", "judge_result"]

_MANY_DROPPED = 0.1  # part of the steps; more cannot be explained by timing

# Checks of conditions that depend on when messages arrive.
_TIMED_CHECKS = frozenset(
    {"silence_before_close", "audio_pace", "first_audio_delay", "keepalives", "ping_pong"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Comparison):
    """The verdict on a replay: its comparison with the recorded session, and its timing.

    Attributes:
        verdict: "reproduced", "different", "not-reproduced" or "unproven".
        notes: what qualifies the verdict, such as a pace that was not kept.
        trace: of the replay; None if it is not kept.
    """

    lateness_ms: Lateness
    trace: Path | None

    @property
    def reproduced(self) -> bool:
        """Whether the verdict is "reproduced"."""
        return self.verdict == "reproduced"

    @property
    def exit_status(self) -> int:
        """0: reproduced; 1: different or not reproduced; 125 (skip in `git bisect`): unproven."""
        return {"reproduced": 0, "unproven": 125}.get(self.verdict, 1)

    def as_json(self) -> dict[str, Any]:
        late = self.lateness_ms
        compared = Comparison.as_json(self)
        notes = compared.pop("notes")
        return {
            **compared,
            "lateness_ms": {"p50": late.p50, "p99": late.p99, "max": late.max},
            "notes": notes,
            "trace": str(self.trace) if self.trace is not None else None,
        }


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of a replay that has not been judged; small enough to send to another process.

    Attributes:
        recorded, replayed: the two traces.
        pace: of the replay.
        from_client: whether it was the client's side that was played.
        accepted: whether the recorded upgrade was accepted.
        abandoned_gates, dropped, early_ns: see `Schedule`.
        steps: number of recorded steps.
        keep_trace: whether to keep the replayed trace after judging.
    """

    recorded: Path
    replayed: Path
    pace: Pace
    from_client: bool
    accepted: bool
    lateness: Lateness
    abandoned_gates: int
    dropped: int
    early_ns: int
    steps: int
    keep_trace: bool = True

    @property
    def ended_much_earlier(self) -> bool:
        """Whether the peer ended long before a substantial part of the recorded steps.

        How many messages are in flight when the peer ends differs from run to run. The pace "fast"
        has no recorded time to compare with.
        """
        many = self.dropped > max(2, self.steps * _MANY_DROPPED)
        return many and (self.pace.fast or is_late(self.early_ns))

    @classmethod
    def of(
        cls, recorded: Path, replayed: Path, schedule: Schedule, *, keep_trace: bool = True
    ) -> ReplayResult:
        """The result of a schedule that has been played."""
        script = schedule.script
        return cls(
            recorded,
            replayed,
            schedule.pace,
            script.from_client,
            script.session.accepted,
            Lateness.of(schedule),
            schedule.abandoned_gates,
            schedule.dropped,
            schedule.early_ns,
            len(script.steps),
            keep_trace,
        )


def judge_result(result: ReplayResult, rules: Tolerances = STANDARD) -> Verdict:
    """Compare the trace of a replay with the recorded one, and judge it.

    Removes the trace of the replay if it is not to be kept.

    Raises:
        TraceError: a trace cannot be read.
    """
    replayed, lateness = result.replayed, result.lateness
    try:
        found, unread = _compared(result, rules)
    finally:
        if not result.keep_trace:
            with contextlib.suppress(OSError):
                replayed.unlink()
    condition = found.recorded["condition"]
    is_timed = isinstance(condition, str) and depends_on_time(condition)
    found = replace(
        found,
        verdict=_qualified_verdict(
            found.verdict, result, is_timed=is_timed, is_complete=not unread
        ),
        notes=[*_notes(result, is_timed=is_timed), *found.notes, *unread],
    )
    return Verdict(
        **{each.name: getattr(found, each.name) for each in fields(found)},
        lateness_ms=lateness,
        trace=replayed if result.keep_trace else None,
    )


def _compared(result: ReplayResult, rules: Tolerances) -> tuple[Comparison, list[str]]:
    """The comparison of both traces, and a note if they hold too much to compare."""
    recorded, replayed = result.recorded, result.replayed
    try:
        found = compare(recorded, replayed, rules=rules, client_sent=not result.from_client)
    except LimitExceeded as error:
        note = f"only the endings of the sessions are compared: {error}"
        return compare_endings(recorded, replayed), [note]
    return found, []


def depends_on_time(condition: str) -> bool:
    """Whether a condition of the catalog depends on when messages arrive.

    Args:
        condition: its id.
    """
    return not _TIMED_CHECKS.isdisjoint(load().condition(condition).checks)


def _qualified_verdict(
    verdict: str, result: ReplayResult, *, is_timed: bool, is_complete: bool
) -> str:
    """The verdict, or "unproven" if the timing of the replay may have caused the result.

    That is so if the replay was late, or if a timing-dependent failure occurred at a very
    different time. Sessions of which only the endings were compared are never "reproduced".
    """
    pace = result.pace
    if verdict == "reproduced" and not is_complete:
        return "unproven"
    if pace.depends_on_clock and result.lateness.late:
        return verdict if verdict == "reproduced" and not is_timed else "unproven"
    if verdict != "reproduced" or not is_timed:
        return "unproven" if is_timed and not pace.is_recorded_speed else verdict
    return "unproven" if result.ended_much_earlier else verdict


def _notes(result: ReplayResult, *, is_timed: bool) -> list[str]:
    notes, lateness = [], result.lateness
    if result.pace.depends_on_clock and lateness.late:
        notes.append(
            f"the replay could not keep its pace: p99 lateness {lateness.p99:.0f} ms; what depends "
            "on timing is unproven"
        )
    elif is_timed and not result.pace.is_recorded_speed:
        notes.append(f"the recorded failure depends on timing, and the pace was {result.pace}")
    if result.abandoned_gates:
        notes.append("the peer sent less than in the recording; the replay continued without it")
    if result.accepted and result.dropped:
        notes.append(f"{result.dropped} recorded steps were not sent: the peer ended before them")
    return notes
