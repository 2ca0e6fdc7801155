"""Turns one session, as it happens, into a trace.

Used by the capture addon's writer thread and by replay, so that a replayed session is
recorded by the very code that recorded the first one.
"""

from .clock import Clock, new_start
from .deadline import Deadline
from .fsync import POLICIES, FsyncThread, Policy
from .http_body import MAX_BODY, BodySnapshot, body_snapshot
from .offline_writer import OfflineTraceWriter
from .session_writer import Diagnose, SessionWriter
from .trace_path import session_in, trace_path

__all__ = [
    "MAX_BODY",
    "POLICIES",
    "BodySnapshot",
    "Clock",
    "Deadline",
    "Diagnose",
    "FsyncThread",
    "OfflineTraceWriter",
    "Policy",
    "SessionWriter",
    "body_snapshot",
    "new_start",
    "session_in",
    "trace_path",
]
