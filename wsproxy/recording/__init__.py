"""Turns one session, as it happens, into a trace.

Used by the capture addon's writer thread and by replay, so that a replayed session is
recorded by the very code that recorded the first one.
"""

from .body import MAX_BODY, KeptBody, kept_body
from .clock import Clock, new_start
from .deadline import Deadline
from .path import session_in, trace_path
from .recording import Diagnose, Recording
from .syncer import POLICIES, Policy, Syncer
from .whole import WholeTrace

__all__ = [
    "MAX_BODY",
    "POLICIES",
    "Clock",
    "Deadline",
    "Diagnose",
    "KeptBody",
    "Policy",
    "Recording",
    "Syncer",
    "WholeTrace",
    "kept_body",
    "new_start",
    "session_in",
    "trace_path",
]
