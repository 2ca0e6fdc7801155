"""Turns one session, as it happens, into a trace.

Used by the capture addon's writer thread and by replay, so that a replayed session is
recorded by the very code that recorded the first one.
"""

from .clock import Clock, new_start
from .path import session_in, trace_path
from .recording import Diagnose, Recording
from .syncer import POLICIES, Policy, Syncer
from .whole import WholeTrace

__all__ = [
    "POLICIES",
    "Clock",
    "Diagnose",
    "Policy",
    "Recording",
    "Syncer",
    "WholeTrace",
    "new_start",
    "session_in",
    "trace_path",
]
