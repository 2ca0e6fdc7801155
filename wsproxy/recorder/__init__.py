"""Writes sessions to traces while they happen: queue, worker thread, limits, disk faults.

    worker             the thread that turns queued bytes into traces
    backlog            the bounded queue between the event loop and that thread
    live_session       a session as the event loop sees it: timestamps and enqueues
    session_writer     one session: bytes to frames to records
    trace_output       one session's records to its trace files: rotation, retries
    lost_records       counts what could not be written, for a gap record
    offline_writer     the same without a clock or a network: for edited and recovered traces
    end_record         the end record of a session
    trace_path         names of trace files
    clock              timestamps of a session
    http_body          snapshots of HTTP bodies
    limits             sizes, fsync policy, strict mode
    fsync              the thread that calls fsync
    annotator          the thread that explains ended sessions
    compactor          the thread that repacks finished traces
    retention          the size limit of the output folder
    disk_fault_log     log messages and retries while traces cannot be written
    shutdown_deadline  bounded waiting for threads that a disk may block
    file_descriptors   the limit of open files
    thread_log         a logger that never raises

The proxy and the replayer use the same code, so a replay is recorded exactly like the session
that it replays. Nothing here imports mitmproxy.
"""

from .annotator import Annotate, Annotation
from .clock import Clock, new_start
from .fsync import POLICIES, FsyncThread, Policy
from .http_body import MAX_BODY, BodySnapshot, body_snapshot
from .offline_writer import OfflineTraceWriter
from .session_writer import SessionWriter
from .shutdown_deadline import Deadline
from .trace_output import FLUSH_INTERVAL
from .trace_path import session_in, trace_path

__all__ = [
    "FLUSH_INTERVAL",
    "MAX_BODY",
    "POLICIES",
    "Annotate",
    "Annotation",
    "BodySnapshot",
    "Clock",
    "Deadline",
    "FsyncThread",
    "OfflineTraceWriter",
    "Policy",
    "SessionWriter",
    "body_snapshot",
    "new_start",
    "session_in",
    "trace_path",
]
