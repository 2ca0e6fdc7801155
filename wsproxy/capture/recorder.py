"""The thread that turns what the event loop has queued into traces.

The event loop only stamps and queues; parsing, inflating, packing, compressing and
writing happen here, on one thread for all sessions.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

from wsproxy.recording import Clock, Deadline, Diagnose, Recording, Syncer, trace_path
from wsproxy.redact import Guard, Redactor
from wsproxy.session import Session
from wsproxy.trace import Eof, Finding, Record, Response, Start

from .backlog import MUCH, Backlog, Content
from .compactor import Compactor
from .faults import Faults, sessions
from .folder import FolderLimit
from .keeping import Keeping
from .live import LiveSession
from .thread_log import ThreadLog

logger = ThreadLog(__name__)

# Seconds after which all that is pending is written. The thread sleeps that long, unless
# something is urgent or much is queued: to wake up costs as much as some dozens of frames,
# and so does a block.
INTERVAL = 0.12
# The thread takes so many items, or writes so many blocks, then lets the event loop have the
# interpreter's lock: the loop gives it up at every system call, and would wait for it long
# each time. More of them cost less CPU a frame, and more latency.
TURN = 48
BLOCKS = 8
BREATH = 0.0005  # seconds
# Seconds that data has waited from which on it does not: on a busy machine a breath lasts as
# long as the others' turns, and a crash now would cost all that waits.
LATE = 0.15
MARKED_WITHIN = 1.0  # seconds that marking traces as incomplete may take when a disk hangs
NAMED = 20  # traces that a message names


class Recorder:
    """Owns the thread, the queue and the open recordings.

    Args:
        folder: where traces go.
        loop: the event loop that sessions live on.
        diagnose: names the findings of a session that ends.
        redact: takes credentials out of what is recorded.
        keeping: how much is kept, and how safely.
        on_begin, on_end: called on the thread when a trace was begun or completed.
    """

    def __init__(
        self,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        diagnose: Diagnose | None = None,
        redact: Redactor | None = None,
        keeping: Keeping | None = None,
        on_begin: Callable[[Recording], None] | None = None,
        on_end: Callable[[Recording], None] | None = None,
    ) -> None:
        self._folder = folder
        self._loop = loop
        self._diagnose = diagnose
        self._redact = redact
        self._keeping = keeping or Keeping()
        self._on_begin = on_begin
        self._on_end = on_end
        self._stopping = False
        self._given_up = False  # the thread hangs: once it goes on, it is to touch nothing
        self._steps = 0  # of the thread: while it hangs they are no more
        self._at_hand: set[LiveSession] = set()  # whose recording the thread is busy with
        self._beginning = False  # the thread creates the file of a session
        self._deadline = Deadline()
        self._open: dict[LiveSession, Recording] = {}
        self._kept = 0.0  # when `_keep_up` was last called: on the thread only
        self._begun: set[Recording] = set()  # that `on_begin` was told of
        self._faults = Faults(folder)
        self._backlog = Backlog(loop, self._faults)
        self._limit = FolderLimit(folder, self._keeping.max_folder)
        self._syncer = Syncer(self._keeping.fsync, self._faults.failed)
        self._compactor = Compactor(folder)
        self._thread = threading.Thread(target=self._run, name="wsproxy-recorder", daemon=True)
        self._thread.start()

    # -- on the event loop

    def begin(self, clock: Clock, start: Start) -> LiveSession:
        """Begin the trace of a new session."""
        session = LiveSession(self._backlog, clock, start)
        if self._keeping.strict:
            session.opened = self._loop.create_future()
        self._backlog.put((session, 0, None, start), 0, urgent=True)
        return session

    @property
    def refuses(self) -> bool:
        """Whether no session is to begin now: it could not be recorded, and has to be."""
        return self._keeping.strict and (self._faults.active or self._backlog.overrun)

    def close(self) -> bool:
        """Write what is queued, end the open sessions as stopped, end the thread.

        A disk that hangs is not waited for any longer than `Deadline` allows. The log says
        then which traces may lack something.

        Returns:
            Whether all of it could be done.
        """
        self._stopping = True
        self._backlog.wake.set()
        if not self._deadline.join(self._thread, lambda: self._steps):
            self._give_up_disk()
            return False
        unsynced = self._syncer.close(self._deadline)
        if unsynced:
            self._compactor.stop()  # it would wait for the same disk
            logger.error(
                "wsproxy: the disk does not answer, and is not waited for any longer. %s complete, "
                "but may be lost in a power cut: %s",
                *_listed(unsynced),
            )
            return False
        self._compactor.close(self._deadline)
        self._faults.close()
        return True

    def hurry(self) -> None:
        """Have `close` wait no longer than a disk that works needs; called on any thread."""
        self._deadline.hurry()

    def _give_up_disk(self) -> None:
        """The thread hangs. Mark the traces that can still be written to; name all."""
        self._given_up = True
        self._syncer.stop()
        self._compactor.stop()
        recordings = list(self._open.values())
        unsynced = self._syncer.unsynced()
        marking = threading.Thread(target=self._mark_incomplete, daemon=True)
        marking.start()
        marking.join(MARKED_WITHIN)
        paths = [recording.paths[-1] for recording in recordings if recording.paths]
        logger.error(
            "wsproxy: the disk does not answer, and is not waited for any longer. %s incomplete: "
            "%s. Without a trace: %s",
            *_listed(list(dict.fromkeys(paths + unsynced))),
            sessions(len(recordings) - len(paths) + self._beginning + self._backlog.unbegun),
        )

    def _mark_incomplete(self) -> None:
        """Give an end to the traces that the thread is not busy with, if the disk takes that."""
        for session, recording in list(self._open.items()):
            if session not in self._at_hand:
                with contextlib.suppress(Exception):
                    recording.abandon(session.now(), "the disk did not answer; the rest is missing")

    # -- on the thread

    def _run(self) -> None:
        while True:
            due = self._kept + INTERVAL - time.monotonic()
            self._backlog.wake.wait(max(due, 0.0) if self._open or self._faults.active else None)
            self._backlog.wake.clear()
            stopping = self._stopping  # what was queued before it was set is taken below
            self._take_all()
            if stopping:
                break
            self._keep_up()
            self._backlog.let_go_on()
        for session, recording in list(self._open.items()):
            if not self._begin_step({session}):
                return
            self._stop(session, recording)

    def _begin_step(self, at_hand: set[LiveSession]) -> bool:
        """The thread is about to write to the recordings of some sessions; False: it may not."""
        self._at_hand = at_hand
        self._steps += 1
        return not self._given_up

    def _keep_up(self) -> None:
        """Write what is pending, once in an INTERVAL."""
        now = time.monotonic()
        if now - self._kept < INTERVAL:
            return
        self._kept = now
        for number, (session, recording) in enumerate(list(self._open.items()), 1):
            if not self._begin_step({session}):
                return
            try:
                recording.flush()
                self._faults.look(recording)
            except Exception:
                self._give_up(session)
            if number % BLOCKS == 0:
                self._breathe()
        if not self._begin_step(set(self._open)):
            return
        try:
            self._faults.retry(self._open.values())
            self._limit.check(self._open.values())
        except Exception:
            logger.exception("wsproxy: looking after the folder failed")

    def _breathe(self) -> None:
        """Let the event loop have its turn, unless much waits, or has waited for long."""
        if self._backlog.size < MUCH and self._backlog.lag < LATE:
            time.sleep(BREATH)

    def _take_all(self) -> None:
        backlog, turn = self._backlog, 0
        while backlog.items:
            turn += 1
            if turn >= TURN:
                turn = 0
                self._keep_up()  # a flood may never let this end
                backlog.let_go_on()
                self._breathe()
            session, t_ns, from_client, content = backlog.items.popleft()
            if not self._begin_step({session}):
                return
            try:
                self._take(session, t_ns, from_client, content)
            except Exception:
                self._give_up(session)
            size = _size(content)
            backlog.taken(session, size)
            turn += size >> 12  # it may have been a thousand tiny frames

    def _take(
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
            case None:
                if recording is not None:
                    self._end(session, recording, t_ns)
                self._tell(session, recording.session if recording is not None else Session())
            case _ if recording is not None and not isinstance(content, bytes):
                self._add(recording, content)

    def _add(self, recording: Recording, record: Record) -> None:
        if isinstance(record, Response):
            recording.response(record)
        elif isinstance(record, Eof):
            recording.eof(record)
        else:
            recording.add(record)
        recording.flush()
        self._faults.look(recording)

    def _begin(self, session: LiveSession, start: Start) -> None:
        self._beginning = True
        recording = Recording(
            trace_path(self._folder, start),
            start,
            diagnose=self._findings,
            guard=Guard(self._redact) if self._redact is not None else None,
            max_payload=self._keeping.max_payload,
            max_size=self._keeping.max_size,
            syncer=self._syncer,
            insist=False,
        )
        self._beginning = False
        self._faults.look(recording)
        if session.opened is not None:
            opened = recording.fault is None
            self._loop.call_soon_threadsafe(session.tell_opened, opened)
            if not opened:
                self._faults.refused(recording)
                return
        self._open[session] = recording
        logger.debug("session %s is recorded in %s", start.session, recording.path)
        self._tell_begun(recording)

    def _findings(self, session: Session) -> list[Finding]:
        """What the session shows. A fault in a rule must not cost the trace its end."""
        try:
            return self._diagnose(session) if self._diagnose is not None else []
        except Exception:
            logger.exception("wsproxy: session %s cannot be diagnosed", session.id)
            return []

    def _tell_begun(self, recording: Recording) -> None:
        if recording.paths and recording not in self._begun:
            self._begun.add(recording)
            self._call(self._on_begin, recording)

    def _end(
        self, session: LiveSession, recording: Recording, t_ns: int, ending: str | None = None
    ) -> None:
        try:
            recording.end(t_ns, ending)
        except Exception:
            self._give_up(session)
        else:
            self._ended(session, recording)

    def _stop(self, session: LiveSession, recording: Recording) -> None:
        """The recorder stops, and the session goes on; the event loop waits meanwhile."""
        try:
            for gap in session.missing():
                recording.add(gap)
        except Exception:
            self._give_up(session)
        else:
            self._end(session, recording, session.now(), "stopped")

    def _give_up(self, session: LiveSession) -> None:
        """A fault of ours, at hand, must not end the recording of the other sessions."""
        logger.exception("wsproxy: recording of session %s failed", session.start.session)
        recording = self._open.get(session)
        if recording is None:
            return
        with contextlib.suppress(Exception):  # what there is to say has been said
            recording.abandon(session.now(), "the recorder failed; its log says why")
        self._ended(session, recording)

    def _ended(self, session: LiveSession, recording: Recording) -> None:
        """No more is recorded of a session."""
        del self._open[session]
        try:
            if session.refused:
                recording.remove()
            self._faults.ended(recording)
            self._limit.ended(recording, self._open.values())
        except Exception:
            logger.exception("wsproxy: looking after the folder failed")
        for path in recording.paths:
            self._compactor.add(path)
        if recording.paths:
            self._tell_begun(recording)  # the file may have been opened late
            self._call(self._on_end, recording)
        self._begun.discard(recording)

    def _call(self, tell: Callable[[Recording], None] | None, recording: Recording) -> None:
        """Tell whoever runs the recorder; what goes wrong there is not the recorder's matter."""
        if tell is None:
            return
        try:
            tell(recording)
        except (Exception, SystemExit):  # rich exits when what it prints to has gone
            logger.exception("wsproxy: telling of session %s failed", recording.session.id)

    def _tell(self, session: LiveSession, facts: Session) -> None:
        if not self._stopping:
            self._loop.call_soon_threadsafe(session.told, facts)


def _size(content: Content) -> int:
    """Bytes of data in a queued item."""
    if type(content) is bytes:
        return len(content)
    return len(content[1]) if type(content) is tuple else 0


def _listed(paths: list[Path]) -> tuple[str, str]:
    """How many traces, as the subject of a sentence, and which."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    count = f"{len(paths)} trace{' is' if len(paths) == 1 else 's are'}"
    return count, ", ".join(map(str, paths[:NAMED])) + more
