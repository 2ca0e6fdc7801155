"""Queue and thread between the proxy's event loop and the traces.

The event loop only stamps and queues; parsing, inflating, packing, compressing and
writing happen here, on one thread for all sessions. The queue is bounded in bytes.
When the thread gets behind, reading is held: of those who fill the queue, so that a flood
does not delay the other sessions, and of all when it is about to be full. That is for a
bounded time, and a shorter one if the thread does not move at all. When it stays behind
even so, bytes are counted instead of kept, and the trace says so.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from wsproxy.recording import Clock, Diagnose, Recording, Syncer, trace_path
from wsproxy.redact import Guard, Redactor
from wsproxy.session import Session
from wsproxy.trace import Eof, Failure, Gap, Record, Response, Start
from wsproxy.wire import Opcode

from .compactor import Compactor
from .faults import Faults
from .folder import FolderLimit
from .keeping import Keeping

logger = logging.getLogger(__name__)

# Seconds after which all that is pending is written. The thread sleeps that long, unless
# something is urgent or much is queued: to wake up costs as much as some dozens of frames,
# and so does a block.
INTERVAL = 0.12
MUCH = 1 << 20  # queued bytes that wake the thread
HIGH = 4 << 20  # queued bytes over which the thread is behind
LAG = 0.2  # seconds that data has waited for the thread when that is behind
SHARE = 128 << 10  # queued bytes of one session over which it is held while the thread is
BRIM = 32 << 20  # queued bytes over which all sessions are held
OPENED_WITHIN = 5.0  # seconds in which a trace has to be begun where sessions depend on it
HARD = 64 << 20  # queued bytes over which data is counted and not kept
STEP = 1 << 20  # bytes that the thread gets through while patience lasts, if it moves at all
PATIENCE = 2.0  # seconds that reading is held for a thread that does not move
TURNS = 5  # times that patience is renewed for one that does, and does not catch up
# The thread takes so many items, then lets the event loop have the interpreter's lock: the
# loop gives it up at every system call, and would wait for it long each time.
TURN = 16
BREATH = 0.0001  # seconds
# Seconds that data has waited from which on it does not: on a busy machine a breath lasts as
# long as the others' turns, and a crash now would cost all that waits.
LATE = 0.15
_OVERHEAD = 200  # bytes that a queued item costs besides its data


class Held(Protocol):
    """A relay, as far as the recorder knows it: reading can be stopped and resumed."""

    def hold(self) -> None: ...

    def release(self) -> None: ...


class LiveSession:
    """A session being recorded, as the event loop sees it.

    Every method is called on the event loop and returns at once.

    Args:
        start: the first record; its time is `clock`'s start.
    """

    def __init__(self, recorder: Recorder, clock: Clock, start: Start) -> None:
        self.start = start
        self.ended = False
        self.refused = False
        # Whether the trace could be begun, where sessions depend on that.
        self.opened: asyncio.Future[bool] | None = None
        self._recorder = recorder
        self._origin_ns = clock.origin_ns
        self._relay: Held | None = None
        self._on_ended: Callable[[Session], None] | None = None
        self._dropped: dict[bool, Gap] = {}
        self._put = 0  # bytes of data queued ever: written by the event loop only
        self.taken = 0  # bytes of data taken ever: written by the thread only

    def now(self) -> int:
        """Nanoseconds since the session's start."""
        return time.monotonic_ns() - self._origin_ns

    def attach(self, relay: Held, on_ended: Callable[[Session], None]) -> None:
        """A relay carries the session's bytes from now on."""
        self._relay = relay
        self._on_ended = on_ended
        self._recorder.attached.add(self)

    @property
    def attached(self) -> bool:
        return self._relay is not None

    def data(self, from_client: bool, data: bytes) -> bool:
        """Queue bytes of one direction; False if reading should be held."""
        recorder = self._recorder
        if from_client in self._dropped or recorder.backlog > HARD:
            self._drop(from_client, len(data))
            return True
        size = len(data)
        recorder.put((self, self.now(), from_client, data), size)
        self._put += size
        if self._put - self.taken <= SHARE and recorder.backlog <= BRIM:
            return True
        return self._relay is None or recorder.has_room(self)

    @property
    def share(self) -> int:
        """Bytes of its data that are queued."""
        return self._put - self.taken

    def hold(self) -> None:
        """Stop reading, both directions."""
        if self._relay is not None:
            self._relay.hold()

    def release(self) -> None:
        """Read on."""
        if self._relay is not None:
            self._relay.release()

    def eof(self, from_client: bool, how: str) -> None:
        """One direction has ended."""
        self.add(Eof(self.now(), from_client, how))

    def failed(self, from_client: bool, message: str) -> None:
        """TLS broke in the middle of the session."""
        where = "tls-client" if from_client else "tls-server"
        self.add(Failure(self.now(), where, from_client, message))

    def add(self, record: Record) -> None:
        """Queue a record; it is written at once."""
        self._recorder.put((self, 0, None, record), 0, urgent=True)

    def message(self, from_client: bool, opcode: Opcode, payload: bytes) -> None:
        """Queue a message that mitmproxy's own layer relayed; nothing can hold that."""
        if self._recorder.backlog > HARD:
            self._drop(from_client, len(payload), records=1)
            return
        gap = self._dropped.pop(from_client, None)
        if gap is not None:  # a message can be read without those before it
            self.add(gap)
        self._recorder.put((self, self.now(), from_client, (opcode, payload)), len(payload))

    def end(self) -> None:
        """The session is over."""
        if self.ended:
            return
        self.ended = True
        self._recorder.forget(self)
        for gap in self._dropped.values():
            self.add(gap)
        self._recorder.put((self, self.now(), None, None), 0, urgent=True)

    async def may_begin(self) -> bool:
        """Whether the session may go on; nobody waits for that unless it has to be recorded."""
        if self.opened is None:
            return True
        try:
            async with asyncio.timeout(OPENED_WITHIN):
                return await self.opened
        except TimeoutError:
            return False

    def tell_opened(self, opened: bool) -> None:
        """Whether the trace could be begun."""
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(opened)

    def refuse(self) -> None:
        """The session does not take place, and leaves no trace."""
        self.refused = True
        self.end()

    def told(self, session: Session) -> None:
        """The trace is complete."""
        if self._on_ended is not None:
            self._on_ended(session)

    def _drop(self, from_client: bool, size: int, records: int = 0) -> None:
        now = self.now()
        side = "client" if from_client else "server"
        reason = f"the recorder could not keep up; bytes from the {side} are missing"
        gap = self._dropped.get(from_client) or Gap(now, now, reason)
        self._dropped[from_client] = replace(
            gap, until_ns=now, records=gap.records + records, size=gap.size + size
        )


# Bytes of a direction, a message of the stock layer, a record, or None: the end.
_Content = bytes | tuple[Opcode, bytes] | Record | None
_Item = tuple[LiveSession, int, bool | None, _Content]


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
        self.attached: set[LiveSession] = set()  # that can be held
        self._folder = folder
        self._loop = loop
        self._diagnose = diagnose
        self._redact = redact
        self._keeping = keeping or Keeping()
        self._on_begin = on_begin
        self._on_end = on_end
        self._queue: deque[_Item] = deque()
        self._put = 0  # bytes queued ever: written by the event loop only
        self._done = 0  # bytes taken ever: written by the thread only
        self._wake = threading.Event()
        self._stopping = False
        self._open: dict[LiveSession, Recording] = {}
        self._held: set[LiveSession] = set()
        self._overrun = False  # patience is at its end; nobody is held until it has caught up
        self._kept = 0.0  # when `_keep_up` was last called: on the thread only
        self._patience: asyncio.TimerHandle | None = None  # while the thread is behind
        self._begun: set[Recording] = set()  # that `on_begin` was told of
        self._faults = Faults(folder)
        self._limit = FolderLimit(folder, self._keeping.max_folder)
        self._syncer = Syncer(self._keeping.fsync, self._faults.failed)
        self._compactor = Compactor(folder)
        self._thread = threading.Thread(target=self._run, name="wsproxy-recorder", daemon=True)
        self._thread.start()

    # -- on the event loop

    @property
    def backlog(self) -> int:
        """Bytes queued and not yet taken."""
        return self._put - self._done

    def begin(self, clock: Clock, start: Start) -> LiveSession:
        """Begin the trace of a new session."""
        session = LiveSession(self, clock, start)
        if self._keeping.strict:
            session.opened = self._loop.create_future()
        self.put((session, 0, None, start), 0, urgent=True)
        return session

    @property
    def refuses(self) -> bool:
        """Whether no session is to begin now: it could not be recorded, and has to be."""
        return self._keeping.strict and (self._faults.active or self._overrun)

    def put(self, item: _Item, size: int, *, urgent: bool = False) -> None:
        """Queue an item of so many bytes; an urgent one is written at once."""
        self._put += size + _OVERHEAD
        self._queue.append(item)
        if urgent or self._put - self._done > MUCH:
            self._wake.set()

    def has_room(self, session: LiveSession) -> bool:
        """Whether a session may read on; if not, it is released when there is room again."""
        if self._overrun or not self._is_behind(1.0):
            return True
        if self._patience is None:
            self._wait(TURNS)
        if self.backlog > BRIM:
            for each in self.attached - self._held:
                each.hold()
            self._held |= self.attached
        self._held.add(session)
        self._wake.set()
        return False

    def forget(self, session: LiveSession) -> None:
        """The session is over, and not to be held any more."""
        self.attached.discard(session)
        self._held.discard(session)

    def close(self) -> None:
        """Write what is queued, end the open sessions as stopped, end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._syncer.close()
        self._compactor.close()
        self._faults.close()

    def _is_behind(self, part: float) -> bool:
        """Whether the thread is, measured by a part of what is allowed."""
        return self.backlog > HIGH * part or self._lag() > LAG * part

    def _lag(self) -> float:
        """Seconds that the next data has waited in the queue."""
        try:
            session, t_ns, *_ = self._queue[0]
        except IndexError:
            return 0.0
        return (session.now() - t_ns) / 1e9 if t_ns else 0.0

    def _wait(self, turns: int) -> None:
        self._patience = self._loop.call_later(PATIENCE, self._lose_patience, turns, self._done)

    def _lose_patience(self, turns: int, done_before: int) -> None:
        if turns > 1 and self._done - done_before > STEP:
            self._wait(turns - 1)
        else:
            self._overrun = self._is_behind(1.0)
            if self._overrun:
                self._faults.behind()
            self._end_wait()

    def _end_wait(self) -> None:
        """The thread has caught up, or it is not waited for any longer."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._release(self._held)

    def _release(self, sessions: set[LiveSession]) -> None:
        self._held = self._held - sessions
        for session in sessions:
            session.release()

    # -- on the thread

    def _run(self) -> None:
        while True:
            due = self._kept + INTERVAL - time.monotonic()
            self._wake.wait(max(due, 0.0) if self._open or self._faults.active else None)
            self._wake.clear()
            stopping = self._stopping  # what was queued before it was set is taken below
            self._take_all()
            if stopping:
                break
            self._keep_up()
            self._let_go_on()
        for session, recording in list(self._open.items()):
            self._end(session, recording, session.now(), "stopped")

    def _keep_up(self) -> None:
        """Write what is pending, once in an INTERVAL."""
        now = time.monotonic()
        if now - self._kept < INTERVAL:
            return
        self._kept = now
        for recording in self._open.values():
            recording.flush()
            self._faults.look(recording)
        self._faults.retry(self._open.values())
        self._limit.check(self._open.values())

    def _let_go_on(self) -> None:
        """Let go on whoever is held if there is room for it."""
        if self._patience is None and not self._overrun:
            return
        if not self._is_behind(0.5):
            self._overrun = False
            self._faults.caught_up()
            self._loop.call_soon_threadsafe(self._end_wait)
        elif self.backlog < BRIM - STEP:
            free = {each for each in list(self._held) if each.share < SHARE // 2}
            if free:
                self._loop.call_soon_threadsafe(self._release, free)

    def _take_all(self) -> None:
        queue = self._queue
        turn = 0
        while queue:
            turn += 1
            if turn >= TURN:
                turn = 0
                self._keep_up()  # a flood may never let this end
                self._let_go_on()
                if self.backlog < HIGH // 4 and self._lag() < LATE:
                    time.sleep(BREATH)
            session, t_ns, from_client, content = queue.popleft()
            size = _OVERHEAD
            try:
                size += self._take(session, t_ns, from_client, content)
            except Exception:
                # A fault of ours must not end the recording of the other sessions.
                logger.exception("wsproxy: recording of session %s failed", session.start.session)
                self._open.pop(session, None)
            self._done += size
            session.taken += size - _OVERHEAD
            turn += size >> 12  # it may have been a thousand tiny frames

    def _take(
        self, session: LiveSession, t_ns: int, from_client: bool | None, content: _Content
    ) -> int:
        """Handle one item; returns the bytes of data in it."""
        recording = self._open.get(session)
        if type(content) is bytes:  # nearly always
            if recording is not None and recording.data(t_ns, bool(from_client), content):
                recording.flush()
            return len(content)
        size = 0
        match content:
            case Start():
                self._begin(session, content)
            case (opcode, payload):
                size = len(payload)
                if recording is not None:
                    recording.message(t_ns, bool(from_client), opcode, payload)
            case None:
                if recording is not None:
                    self._end(session, recording, t_ns)
                else:
                    self._tell(session, Session())
            case _ if recording is not None and not isinstance(content, bytes):
                self._add(recording, content)
        return size

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
        recording = Recording(
            trace_path(self._folder, start),
            start,
            diagnose=self._diagnose,
            guard=Guard(self._redact) if self._redact is not None else None,
            max_payload=self._keeping.max_payload,
            max_size=self._keeping.max_size,
            syncer=self._syncer,
            insist=False,
        )
        self._faults.look(recording)
        if session.opened is not None:
            opened = recording.fault is None
            self._loop.call_soon_threadsafe(session.tell_opened, opened)
            if not opened:
                self._faults.refused(recording)
                return
        self._open[session] = recording
        self._tell_begun(recording)

    def _tell_begun(self, recording: Recording) -> None:
        if recording.paths and recording not in self._begun:
            self._begun.add(recording)
            if self._on_begin is not None:
                self._on_begin(recording)

    def _end(
        self, session: LiveSession, recording: Recording, t_ns: int, ending: str | None = None
    ) -> None:
        del self._open[session]
        recording.end(t_ns, ending)
        if session.refused:
            recording.remove()
        self._faults.ended(recording)
        self._limit.ended(recording, self._open.values())
        for path in recording.paths:
            self._compactor.add(path)
        if recording.paths:
            self._tell_begun(recording)  # the file may have been opened late
            if self._on_end is not None:
                self._on_end(recording)
        self._begun.discard(recording)
        self._tell(session, recording.session)

    def _tell(self, session: LiveSession, facts: Session) -> None:
        if not self._stopping:
            self._loop.call_soon_threadsafe(session.told, facts)
