"""The thread that turns queued bytes into traces.

The event loop only timestamps and enqueues. Parsing, inflating, redaction, compression and
writing happen here, on one thread for all sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from wsproxy.redact import HeadRedactor, SessionRedactor
from wsproxy.session import Session
from wsproxy.trace import Eof, Record, Response, Start
from wsproxy.wording import plural

from .annotator import Annotate, Annotation, Annotator
from .backlog import WAKE_SIZE, Backlog, Content
from .clock import Clock
from .compactor import Compactor
from .disk_fault_log import DiskFaults
from .fsync import FsyncThread
from .limits import RecorderLimits
from .live_session import LiveSession
from .retention import FolderRetention
from .session_writer import SessionWriter
from .shutdown_deadline import Deadline
from .thread_log import ThreadLog
from .trace_output import FLUSH_INTERVAL
from .trace_path import trace_path

logger = ThreadLog(__name__)

# After this many items, or blocks, the thread gives the interpreter's lock to the event loop: the
# loop releases it at every system call, and would wait long to get it back. Larger numbers cost
# less CPU per frame and more latency.
ITEMS_PER_TURN = 48
BLOCKS_PER_TURN = 8
YIELD_TIME = 0.0005  # seconds
# Seconds of lag above which the thread does not yield: on a busy machine it would wait as long
# as the other threads run, and a crash now would lose all that is queued.
MAX_YIELD_LAG = 0.15
MARK_TIMEOUT = 1.0  # seconds for marking traces as incomplete when a disk hangs
ANNOTATION_TIMEOUT = 10.0  # seconds for explaining ended sessions when the recorder stops
MAX_LISTED = 20  # traces that a log message names


class RecorderWorker:
    """Owns the thread, the queue and the open recordings.

    Args:
        folder: where traces go.
        loop: the event loop that sessions live on.
        annotate: explains a session that has ended, on a thread of its own.
        redact: removes credentials from what is recorded.
        limits: how much is recorded, and how safely.
        on_begin, on_end: called on the thread when a trace was created or completed.
    """

    def __init__(
        self,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        annotate: Annotate | None = None,
        redact: HeadRedactor | None = None,
        limits: RecorderLimits | None = None,
        on_begin: Callable[[SessionWriter], None] | None = None,
        on_end: Callable[[SessionWriter], None] | None = None,
    ) -> None:
        self._folder = folder
        self._loop = loop
        self._annotator = Annotator(annotate, self._on_annotated) if annotate else None
        # Ended sessions that the thread has not completed yet.
        self._annotated: deque[tuple[LiveSession, Annotation]] = deque()
        self._ended: set[LiveSession] = set()
        self._redact = redact
        self._limits = limits or RecorderLimits()
        self._on_begin = on_begin
        self._on_end = on_end
        self._stopping = False
        self._abandoned = False  # the thread hangs: if it continues, it must not write anything
        self._steps = 0  # of the thread: the number stays the same while it hangs
        self._in_progress: set[LiveSession] = set()  # whose recordings the thread is writing
        self._creating_file = False
        self._deadline = Deadline()
        self._open: dict[LiveSession, SessionWriter] = {}
        self._maintained_at = 0.0  # when `_maintain` last ran: on the thread only
        self._announced: set[SessionWriter] = set()  # `on_begin` was called with these
        self._faults = DiskFaults(folder)
        self._backlog: Backlog[LiveSession] = Backlog(loop, self._faults)
        self._retention = FolderRetention(folder, self._limits.max_folder)
        self._syncer = FsyncThread(self._limits.fsync, self._faults.report_error)
        self._compactor = Compactor(folder)
        self._thread = threading.Thread(target=self._run, name="wsproxy-recorder", daemon=True)
        self._thread.start()

    # -- on the event loop

    def begin(self, clock: Clock, start: Start) -> LiveSession:
        """Begin the trace of a new session."""
        session = LiveSession(self._backlog, clock, start)
        if self._limits.strict:
            session.opened = self._loop.create_future()
        self._backlog.put((session, 0, None, start), 0, urgent=True)
        return session

    @property
    def refuses_sessions(self) -> bool:
        """Whether new sessions must be refused: strict mode, and they cannot be recorded now."""
        return self._limits.strict and (self._faults.active or self._backlog.overrun)

    def close(self) -> bool:
        """Write what is queued, end the open sessions as stopped, end the thread.

        A disk that hangs is waited for as long as `Deadline` allows. After that, a log message
        names the traces that may lack something.

        Returns:
            Whether everything was written.
        """
        self._stopping = True
        self._backlog.wake.set()
        ended = self._deadline.join(self._thread, lambda: self._steps)
        if self._annotator is not None:
            self._annotator.stop()
        if not ended:
            self._abandon_disk()
            return False
        unsynced = self._syncer.close(self._deadline)
        if unsynced:
            self._compactor.stop()  # it would wait for the same disk
            logger.error(
                "wsproxy: the disk does not respond, and wsproxy stops waiting for it. %s "
                "complete, but may be lost in a power failure: %s",
                *_describe(unsynced),
            )
            return False
        self._compactor.close(self._deadline)
        self._faults.close()
        return True

    def hurry(self) -> None:
        """Shorten the wait of `close` for a disk that hangs; called on any thread."""
        self._deadline.hurry()
        if self._annotator is not None:
            self._annotator.hurry(0.0)

    def _abandon_disk(self) -> None:
        """The thread hangs: mark the traces that can still be written to, and list all."""
        self._abandoned = True
        self._syncer.stop()
        self._compactor.stop()
        recordings = list(self._open.values())
        unsynced = self._syncer.unsynced()
        marking = threading.Thread(target=self._mark_incomplete, daemon=True)
        marking.start()
        marking.join(MARK_TIMEOUT)
        paths = [recording.paths[-1] for recording in recordings if recording.paths]
        unwritten = len(recordings) - len(paths) + self._creating_file + self._backlog.queued_starts
        logger.error(
            "wsproxy: the disk does not respond, and wsproxy stops waiting for it. %s incomplete: "
            "%s. Without a trace: %s",
            *_describe(list(dict.fromkeys(paths + unsynced))),
            plural(unwritten, "session"),
        )

    def _mark_incomplete(self) -> None:
        """End the traces that the thread is not writing, if the disk accepts it."""
        for session, recording in list(self._open.items()):
            if session not in self._in_progress:
                with contextlib.suppress(Exception):
                    recording.abandon(
                        session.now(), "the disk did not respond; the rest is missing"
                    )

    # -- on the thread

    def _run(self) -> None:
        while True:
            # An urgent item, or a full queue, wakes the thread earlier. Waking up costs as much
            # as some dozens of frames.
            wait = self._maintained_at + FLUSH_INTERVAL - time.monotonic()
            self._backlog.wake.wait(max(wait, 0.0) if self._open or self._faults.active else None)
            self._backlog.wake.clear()
            stopping = self._stopping  # what was queued before it was set is consumed below
            self._consume_all()
            self._complete_annotated()
            if stopping:
                break
            self._maintain()
            self._backlog.resume_held()
        for session, recording in list(self._open.items()):
            if session in self._ended:
                continue
            if not self._begin_step({session}):
                return
            self._stop(session, recording)
        self._await_annotations()

    def _await_annotations(self) -> None:
        """Complete the traces of ended sessions, with what can be found out in time."""
        if self._annotator is None:
            return
        if not self._deadline.is_hurried:
            self._annotator.hurry(ANNOTATION_TIMEOUT)
        given_up = time.monotonic() + ANNOTATION_TIMEOUT + MARK_TIMEOUT
        while self._open and not self._abandoned:
            self._backlog.wake.wait(YIELD_TIME)
            self._backlog.wake.clear()
            self._complete_annotated()
            if time.monotonic() < given_up:
                self._steps += 1  # the disk does not hang

    def _begin_step(self, sessions: set[LiveSession]) -> bool:
        """The thread is about to write to the recordings of some sessions; False: it must not."""
        self._in_progress = sessions
        self._steps += 1
        return not self._abandoned

    def _maintain(self) -> None:
        """Write pending records, retry after faults, check the folder: once a FLUSH_INTERVAL."""
        now = time.monotonic()
        if now - self._maintained_at < FLUSH_INTERVAL:
            return
        self._maintained_at = now
        for number, (session, recording) in enumerate(list(self._open.items()), 1):
            if not self._begin_step({session}):
                return
            try:
                recording.flush()
                self._faults.poll(recording)
            except Exception:
                self._abandon(session)
            if number % BLOCKS_PER_TURN == 0:
                self._yield_to_loop()
        if not self._begin_step(set(self._open)):
            return
        try:
            self._faults.retry(self._open.values())
            self._retention.check(self._open.values())
        except Exception:
            logger.exception("wsproxy: maintenance of the folder failed")

    def _yield_to_loop(self) -> None:
        """Let the event loop run, unless much is queued or has waited long."""
        if self._backlog.size < WAKE_SIZE and self._backlog.lag < MAX_YIELD_LAG:
            time.sleep(YIELD_TIME)

    def _consume_all(self) -> None:
        backlog, turn = self._backlog, 0
        while backlog.items:
            turn += 1
            if turn >= ITEMS_PER_TURN:
                turn = 0
                self._maintain()  # during a flood this loop may never end
                self._complete_annotated()
                backlog.resume_held()
                self._yield_to_loop()
            session, t_ns, from_client, content = backlog.items.popleft()
            if not self._begin_step({session}):
                return
            try:
                self._consume(session, t_ns, from_client, content)
            except Exception:
                self._abandon(session)
            size = _size(content)
            backlog.mark_consumed(session, size)
            turn += size >> 12  # the data may have been a thousand tiny frames

    def _consume(
        self, session: LiveSession, t_ns: int, from_client: bool | None, content: Content
    ) -> None:
        recording = self._open.get(session)
        if type(content) is bytes:  # nearly always
            if recording is not None and recording.data(t_ns, bool(from_client), content):
                recording.flush()
            return
        match content:
            case Start():
                self._begin(session, content)
            case (opcode, payload):
                if recording is not None:
                    recording.message(t_ns, bool(from_client), opcode, payload)
            case None if recording is not None:
                self._end(session, recording, t_ns)
            case None:
                self._report_complete(session, Session())
            case _ if recording is not None and not isinstance(content, bytes):
                self._add(recording, content)

    def _add(self, recording: SessionWriter, record: Record) -> None:
        if isinstance(record, Response):
            recording.response(record)
        elif isinstance(record, Eof):
            recording.eof(record)
        else:
            recording.add(record)
        recording.flush()
        self._faults.poll(recording)

    def _begin(self, session: LiveSession, start: Start) -> None:
        self._creating_file = True
        recording = SessionWriter(
            trace_path(self._folder, start),
            start,
            redactor=SessionRedactor(self._redact) if self._redact is not None else None,
            max_payload=self._limits.max_payload,
            max_size=self._limits.max_size,
            syncer=self._syncer,
            must_create=False,
        )
        self._creating_file = False
        self._faults.poll(recording)
        if session.opened is not None:
            opened = recording.fault is None
            self._loop.call_soon_threadsafe(session.set_opened, opened)
            if not opened:
                self._faults.forget(recording)
                return
        self._open[session] = recording
        self._report_begin(recording)

    def _report_begin(self, recording: SessionWriter) -> None:
        if recording.paths and recording not in self._announced:
            self._announced.add(recording)
            self._call(self._on_begin, recording)

    def _end(
        self, session: LiveSession, recording: SessionWriter, t_ns: int, ending: str | None = None
    ) -> None:
        """A session has ended: its trace is completed when it has been explained."""
        try:
            recording.end_traffic(t_ns, ending)
        except Exception:
            self._abandon(session)
            self._report_complete(session, recording.session)
            return
        self._ended.add(session)
        if self._annotator is None:
            self._complete(session, Annotation())
        else:
            self._annotator.add(session, recording.session, recording.readable_path)

    def _on_annotated(self, session: LiveSession, annotation: Annotation) -> None:
        """Called on the annotator's thread."""
        self._annotated.append((session, annotation))
        self._backlog.wake.set()

    def _complete_annotated(self) -> None:
        while self._annotated:
            self._complete(*self._annotated.popleft())

    def _complete(self, session: LiveSession, annotation: Annotation) -> None:
        """Write the last records of an ended session."""
        recording = self._open.get(session)
        if recording is None or not self._begin_step({session}):
            return
        try:
            recording.complete(annotation)
        except Exception:
            self._abandon(session)
        else:
            self._finish(session, recording)
        self._report_complete(session, recording.session)

    def _stop(self, session: LiveSession, recording: SessionWriter) -> None:
        """The recorder stops during a session; the event loop is blocked meanwhile."""
        try:
            for gap in session.take_gaps():
                recording.add(gap)
        except Exception:
            self._abandon(session)
        else:
            self._end(session, recording, session.now(), "stopped")

    def _abandon(self, session: LiveSession) -> None:
        """End a recording after an exception; the recordings of other sessions continue."""
        logger.exception("wsproxy: recording of session %s failed", session.start.session)
        recording = self._open.get(session)
        if recording is None:
            return
        with contextlib.suppress(Exception):  # the error has been logged
            recording.abandon(session.now(), "the recorder failed; see its log")
        self._finish(session, recording)

    def _finish(self, session: LiveSession, recording: SessionWriter) -> None:
        """Nothing more is recorded of a session."""
        del self._open[session]
        self._ended.discard(session)
        try:
            if session.refused:
                recording.remove()
            self._faults.session_ended(recording)
            self._retention.session_ended(recording, self._open.values())
        except Exception:
            logger.exception("wsproxy: maintenance of the folder failed")
        for path in recording.paths:
            self._compactor.add(path)
        if recording.paths:
            self._report_begin(recording)  # the file may have been created late
            self._call(self._on_end, recording)
        self._announced.discard(recording)

    def _call(
        self, callback: Callable[[SessionWriter], None] | None, recording: SessionWriter
    ) -> None:
        """Call a callback of the owner; an exception in it does not affect the recorder."""
        if callback is None:
            return
        try:
            callback(recording)
        except (Exception, SystemExit):  # rich exits when its output is closed
            logger.exception("wsproxy: reporting session %s failed", recording.session.id)

    def _report_complete(self, session: LiveSession, result: Session) -> None:
        if not self._stopping:
            self._loop.call_soon_threadsafe(session.set_complete, result)


def _size(content: Content) -> int:
    """Bytes of data in a queued item."""
    if type(content) is bytes:
        return len(content)
    return len(content[1]) if type(content) is tuple else 0


def _describe(paths: list[Path]) -> tuple[str, str]:
    """The number of traces, as the subject of a sentence, and a list of them."""
    more = f" and {len(paths) - MAX_LISTED} more" if len(paths) > MAX_LISTED else ""
    count = plural(len(paths), "trace is", "traces are")
    return count, ", ".join(map(str, paths[:MAX_LISTED])) + more
