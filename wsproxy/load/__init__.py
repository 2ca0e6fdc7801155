"""Replay a trace as many clients at once, each session with its own verdict.

    coordinator  starts workers and judges, collects their reports, and stops them
    worker       a process that plays its share of the sessions
    judge        a process that judges sessions
    stats        statistics of all sessions
    histogram    percentiles of values from several processes
    locust       a Locust user that replays a trace (extra `load`); not imported here

Workers and judges are separate processes: a judge in a thread would hold the interpreter's lock
while steps are due.
"""

from .coordinator import MAX_SESSIONS, LoadPlan, run
from .histogram import Histogram
from .stats import LoadStats, SessionResult

__all__ = ["MAX_SESSIONS", "Histogram", "LoadPlan", "LoadStats", "SessionResult", "run"]
