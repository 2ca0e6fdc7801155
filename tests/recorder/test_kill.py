"""A recorder that is killed leaves traces that read, and that lack 250 ms at most."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from crash_harness import Killed, kill_one
from wsproxy.statistics import percentile

PAIRS = 1000  # of a live session and a kill
PROCESSES = 100


def report(killed: Killed, processes: int, seconds: float) -> str:
    """The figures of many kills, in a line."""
    stages = ", ".join(f"{count} {stage}" for stage, count in sorted(killed.pairs.items()))
    losses = sorted(killed.losses)
    return (
        f"{processes} recorders killed in {seconds:.0f} s; sessions at that moment: {stages}; "
        f"loss: median {percentile(losses, 0.5) * 1000:.0f} ms, "
        f"p99 {percentile(losses, 0.99) * 1000:.0f} ms, "
        f"worst {losses[-1] * 1000:.0f} ms; {killed.files} files read, "
        f"{killed.parts} of them later parts; {killed.left} hidden files of unfinished work left"
    )


def kill_all(folder: Path, seeds: Iterable[int], processes: int, pairs: int) -> tuple[Killed, int]:
    """Kill recorders until there were as many, and as many sessions under way."""
    total, count = Killed(), 0
    for seed in seeds:
        total.add(kill_one(folder, seed, "wsproxy_max_size=1MiB"))
        count += 1
        if count >= processes and live(total) >= pairs and total.losses:
            break
    return total, count


def live(killed: Killed) -> int:
    """Sessions that were under way when their recorder was killed."""
    return killed.pairs["live"] + killed.pairs["in the upgrade"]


# How long the recorder's thread waited for a processor counts as well: on a busy machine one kill
# in a few is too much, and a second one is tried; so it is if all were killed before a session.
@pytest.mark.flaky(reruns=1, only_rerun=[r"lacks \d+ ms", "no session was under way"])
def test_kill_at_any_time_leaves_correct_traces(tmp_path: Path) -> None:
    began = time.monotonic()
    total, count = kill_all(tmp_path, range(8), processes=2, pairs=1)
    assert live(total) > 0, "no session was under way"
    print(report(total, count, time.monotonic() - began))


@pytest.mark.soak
def test_kill_repeatedly_leaves_correct_traces(tmp_path: Path) -> None:
    began = time.monotonic()
    total, count = kill_all(tmp_path, range(10 * PROCESSES), PROCESSES, PAIRS)
    print(report(total, count, time.monotonic() - began))
    assert live(total) >= PAIRS
