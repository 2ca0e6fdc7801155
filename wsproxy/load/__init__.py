"""Replays a trace as many clients at once, each session with its own verdict.

    spread    percentiles of values that come from several processes
    tally     what is known so far of all sessions
    worker    a process that plays its share of the sessions
    judging   a process that judges played sessions, out of the way of those that play
    run       starts both, collects, and stops
    locust    a Locust user that replays a trace (extra `load`); not imported here

Players and judges are processes apart: a judge in a thread would hold the interpreter's lock
while steps are due.
"""

from .coordinator import MAX_SESSIONS, LoadPlan, run
from .histogram import Histogram
from .stats import LoadStats, SessionResult

__all__ = ["MAX_SESSIONS", "Histogram", "LoadPlan", "LoadStats", "SessionResult", "run"]
