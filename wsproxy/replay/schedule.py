"""When one side of a recorded session says what, given what the other side has said.

Sans-I/O: a schedule is told the time and what came, and tells what is due. It never
sleeps, and it never waits for ever: a gate that is not met is given up after a while.

Rules:
- A Close frame, or the end of a direction, that followed the other side's in the
  recording waits for it, at any pace: the ending is what a replay is about.
- As the client at the recorded pace, everything else goes by the clock alone, but for its
  own Close and end: they wait a moment for what the server had said before them.
- As the server, and at the pace "fast", a step waits until the other side has sent as
  many bytes of binary messages, as many text messages and as many invalid bytes as had
  come before it in the recording; chunks may be cut differently. At the recorded pace
  the recorded delay follows.
- A Pong that answered a Ping answers the Ping of the same place, whenever that comes.
"""

from __future__ import annotations

import os
from array import array
from collections import deque
from dataclasses import dataclass, field, replace

from wsproxy.errors import LimitExceeded
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, FrameRecord, Record, TraceReader
from wsproxy.wire import Frame, Garbage, Opcode

PACES = ("recorded", "fast")
MAX_CONTENT = 1 << 30  # bytes of one side's frames that a replay holds

_AFTER_CLOSES_NS = 2_000_000_000  # how long both Close frames may stand without an EOF
_SHORT_PATIENCE_NS = 2_000_000_000
_SOON_NS = 100_000_000  # what is due so soon after the other side's Close is sent all the same
_OPEN = ("stopped", "unfinished")  # endings of recordings, not of sessions
_MAX_ANSWERS = 1000  # Pings that wait for their Pong; of a flood the latest are answered


@dataclass(frozen=True, slots=True)
class Ending:
    """One side ends its direction: "eof" (FIN) or "reset" (RST)."""

    how: str


Item = Frame | Garbage | Ending


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a side has come, in what does not depend on how it cuts its chunks.

    Attributes:
        binary: payload bytes of binary messages.
        texts: complete text messages.
        garbage: bytes that were no valid frame.
        closes: Close frames.
        ended: 1 once it has ended its direction.
    """

    binary: int = 0
    texts: int = 0
    garbage: int = 0
    closes: int = 0
    ended: int = 0

    def reaches(self, other: Progress) -> bool:
        """Whether this is as far as the other, in everything."""
        return self.reaches_end(other) and self.reaches_content(other)

    def reaches_content(self, other: Progress) -> bool:
        return (
            self.binary >= other.binary
            and self.texts >= other.texts
            and self.garbage >= other.garbage
        )

    def reaches_end(self, other: Progress) -> bool:
        return self.closes >= other.closes and self.ended >= other.ended


class Counter:
    """Counts the progress of one direction, frame by frame."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._in_text = False

    def take(self, item: Item) -> bool:
        """Take what the side did next.

        Returns:
            Whether it changed the progress.
        """
        before = self.progress
        match item:
            case Garbage():
                self.progress = replace(before, garbage=before.garbage + len(item.data))
            case Ending():
                self.progress = replace(before, ended=1)
            case Frame(opcode=Opcode.CLOSE):
                self.progress = replace(before, closes=before.closes + 1)
            case Frame(opcode=Opcode.PING | Opcode.PONG):
                pass
            case Frame():
                self._take_data(item)
        return self.progress != before

    def _take_data(self, frame: Frame) -> None:
        progress = self.progress
        if frame.opcode is not Opcode.CONTINUATION:
            self._in_text = frame.opcode is Opcode.TEXT
        if not self._in_text:
            size = len(frame.payload) + frame.cut
            self.progress = replace(progress, binary=progress.binary + size)
        elif frame.fin:
            self.progress = replace(progress, texts=progress.texts + 1)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a side does.

    Attributes:
        t_ns: when, from the upgrade's completion.
        item: a frame, bytes that are none, or the end of the direction.
        cause: what of the other side had come before.
        cause_ns: when the last of that had come; 0 where nothing had.
        number: the frame's number in the recording, 0 for what is no frame.
    """

    t_ns: int
    item: Item
    cause: Progress = Progress()
    cause_ns: int = 0
    number: int = 0

    def serialize(self) -> bytes:
        """Bytes on the wire; a masked frame gets a fresh key (RFC 6455, section 5.3)."""
        match self.item:
            case Frame(mask=mask):
                frame = self.item if mask is None else replace(self.item, mask=os.urandom(4))
                return frame.serialize()
            case Garbage(data=data):
                return data
            case Ending():
                return b""


@dataclass(slots=True)
class Script:
    """One side of a recording.

    Attributes:
        from_client: which side.
        session: the whole recording, folded.
        steps: what the side did, in order, without the Pongs in `answers`.
        answers: delays of the Pongs by the number (from 0) of the Ping they answer, ns.
        answers_all: every Ping was answered, so those beyond the recording are as well.
        other: the other side's progress at the end.
        end_ns: when the session ended, from the upgrade's completion.
    """

    from_client: bool
    session: Session = field(default_factory=Session)
    steps: list[Step] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    answers_all: bool = True
    other: Progress = Progress()
    end_ns: int = 0

    @classmethod
    def read(cls, path: str | os.PathLike[str], side: str) -> Script:
        """Read one side ("client" or "server") of a trace.

        Raises:
            TraceError: it cannot be read.
            LimitExceeded: the side sent more than MAX_CONTENT bytes.
        """
        script = cls(side == "client")
        builder = _Builder(script)
        with TraceReader(path) as reader:
            for record in reader:
                builder.add(record)
            script.session.losses = reader.losses
        builder.finish()
        return script


class _Builder:
    """Folds records into a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._counter = Counter()
        self._cause = Progress()  # the other side's progress, as far as it gates steps
        self._cause_ns = 0  # when that last changed
        self._closed = False  # the side has sent its Close
        self._ended = False  # the side itself
        self._unanswered: list[tuple[int, int, bytes]] = []  # Pings: number, time, payload
        self._pings = 0
        self._size = 0

    def add(self, record: Record) -> None:
        script = self._script
        script.session.add(record)
        opened = script.session.opened_ns
        if opened is None or not isinstance(record, FrameRecord | Bytes | Eof):
            return
        t_ns = max(0, record.t_ns - opened)
        item = self._item(record)
        if item is None:
            return
        if record.from_client is not script.from_client:
            self._other(t_ns, item)
        elif not self._answer(t_ns, item):
            self._own(t_ns, item, isinstance(record, FrameRecord))

    def finish(self) -> None:
        script = self._script
        script.other = self._counter.progress
        script.answers_all = bool(script.answers) and not self._unanswered
        opened = script.session.opened_ns or 0
        script.end_ns = max(0, script.session.duration_ns - opened)

    def _item(self, record: FrameRecord | Bytes | Eof) -> Item | None:
        match record:
            case FrameRecord():
                frame = replace(record.frame, cut=record.cut)
                # The stock layer's messages come without keys; a client masks all the same.
                start = self._script.session.start
                if record.from_client and start is not None and start.capture == "messages":
                    frame = replace(frame, mask=bytes(4))
                return frame
            case Bytes():
                return Garbage(record.data, record.broken_rule)
            case Eof(how="close-notify"):
                return None  # TLS's end; the FIN that follows it has a record of its own
            case Eof():
                return Ending("reset" if record.how == "reset" else "eof")

    def _other(self, t_ns: int, item: Item) -> None:
        if isinstance(item, Frame) and item.opcode is Opcode.PING:
            self._unanswered.append((self._pings, t_ns, item.payload))
            self._pings += 1
        if not self._counter.take(item):
            return
        progress = self._counter.progress
        if self._closed:
            # What was on its way when this side closed need not come again.
            progress = replace(self._cause, closes=progress.closes, ended=progress.ended)
        if progress != self._cause:
            self._cause, self._cause_ns = progress, t_ns

    def _answer(self, t_ns: int, item: Item) -> bool:
        if not isinstance(item, Frame) or item.opcode is not Opcode.PONG:
            return False
        for index, (number, pinged_ns, payload) in enumerate(self._unanswered):
            if payload == item.payload:
                self._script.answers[number] = t_ns - pinged_ns
                # Older ones stay unanswered: a Pong answers the latest (section 5.5.3).
                del self._unanswered[index]
                return True
        return False

    def _own(self, t_ns: int, item: Item, numbered: bool) -> None:
        script = self._script
        if isinstance(item, Frame | Garbage):
            self._size += len(item.payload if isinstance(item, Frame) else item.data)
            if self._size > MAX_CONTENT:
                raise LimitExceeded("the trace holds more than a replay keeps in memory (1 GiB)")
        if self._ended and item != Ending("reset"):
            return  # nothing can be sent after a FIN
        self._ended = self._ended or isinstance(item, Ending)
        number = script.session.frame_count if numbered else 0
        script.steps.append(Step(t_ns, item, self._cause, self._cause_ns, number))
        self._closed = self._closed or _is_close(item)


class Schedule:
    """Tells what one side has to do now.

    Call `open` when the upgrade is done, `receive` for what the other side does, and
    `take` until it returns None; then wait until `wake_ns` or for the next thing that
    comes. All times are on one clock, ns.

    Args:
        script: the side to play.
        pace: one of PACES.
        timeout_ns: how much longer than in the recording the other side may take.

    Attributes:
        lateness: of each step taken, how long after its due time, ns.
        given_up: gates that were given up because the other side sent too little.
        dropped: steps passed over because the other side ended earlier than recorded.
    """

    def __init__(self, script: Script, *, pace: str = "recorded", timeout_ns: int) -> None:
        self.script = script
        self.lateness = array("q")
        self.given_up = 0
        self.dropped = 0
        self.taken = 0
        self._fast = pace == "fast"
        self._gated = self._fast or not script.from_client
        self.timeout_ns = timeout_ns
        # An app at its own pace is given all the time; a server answers in a moment.
        short = self._fast or script.from_client
        self._patience_ns = min(timeout_ns, _SHORT_PATIENCE_NS) if short else timeout_ns
        self._steps = deque(self._gate(step) for step in script.steps)
        self._counter = Counter()
        self._forgiven = Progress()
        self._pings = 0
        self._answers: deque[tuple[int, Step]] = deque(maxlen=_MAX_ANSWERS)
        self._met: deque[int] = deque()  # when the gates of the first steps were met
        self._opened_ns = 0
        self._moved_ns = 0  # when something last brought the replay forward
        self._last_ns = 0  # when the last step was taken, and when it was in the recording
        self._last_t_ns = 0
        self._closed_ns: int | None = None  # when the second of two Close frames went by
        self._sent_close = False
        self._finished = False  # own direction is ended
        self._reset = False

    def _gate(self, step: Step) -> Step:
        """The step with the gate that the pace asks for."""
        if self._gated or isinstance(step.item, Ending) or _is_close(step.item):
            return step
        cause = Progress(closes=step.cause.closes, ended=step.cause.ended)
        return replace(step, cause=cause, cause_ns=step.cause_ns if cause != Progress() else 0)

    # -- what happens

    def open(self, now_ns: int) -> None:
        """The upgrade is done."""
        self._opened_ns = self._moved_ns = self._last_ns = now_ns
        self._meet(now_ns)

    def receive(self, now_ns: int, item: Item) -> None:
        """Take what the other side did."""
        if isinstance(item, Frame) and item.opcode is Opcode.PING:
            self._ping(now_ns, item)
        if not self._counter.take(item):
            return
        # More than was recorded is no progress: it could go on for ever.
        if self.script.other.reaches_content(self._counter.progress):
            self._moved_ns = now_ns
        if isinstance(item, Ending):
            self._reset = self._reset or item.how == "reset"
        if isinstance(item, Ending) or _is_close(item):
            self._skip_to_end(now_ns)
            if self._sent_close and self._closed_ns is None:
                self._closed_ns = now_ns
        self._meet(now_ns)

    def _ping(self, now_ns: int, ping: Frame) -> None:
        delay = self.script.answers.get(self._pings)
        if delay is None and self.script.answers_all:
            delay = 0
        self._pings += 1
        if delay is None or self._sent_close or self._finished:
            return
        mask = bytes(4) if self.script.from_client else None
        pong = Step(0, Frame(Opcode.PONG, ping.payload, mask=mask))
        due_ns = now_ns + (0 if self._fast else delay)
        if self._answers:
            due_ns = max(due_ns, self._answers[-1][0])  # Pongs keep the order of their Pings
        self._answers.append((due_ns, pong))

    def _skip_to_end(self, now_ns: int) -> None:
        """Drop what stood before the other side's Close or end and is not about to be sent.

        Its own Close stays, and is due soon: it answers the other side's.
        """
        have = self._counter.progress
        reached = Progress(closes=min(have.closes, 1), ended=have.ended)
        kept: deque[Step] = deque()
        met: deque[int] = deque()
        until_ns = now_ns + _SOON_NS if not have.ended else now_ns - 1
        for index, step in enumerate(self._steps):
            if step.cause.reaches_end(reached):
                kept.append(step)
            elif len(met) == index < len(self._met) and self._due_at(index) <= until_ns:
                kept.append(step)
                met.append(self._met[index])
            elif not have.ended and _is_close(step.item):
                kept.append(replace(step, cause=reached, cause_ns=step.t_ns))
            elif not isinstance(step.item, Ending):
                self.dropped += 1
        self._steps, self._met = kept, met

    def _meet(self, now_ns: int) -> None:
        """Note which gates are met from now on; causes only grow, so they are met in order."""
        while len(self._met) < len(self._steps):
            if not self._reached(self._steps[len(self._met)].cause):
                return
            self._met.append(now_ns)

    def _reached(self, cause: Progress) -> bool:
        have, forgiven = self._counter.progress, self._forgiven
        return have.reaches_end(cause) and (
            have.binary + forgiven.binary >= cause.binary
            and have.texts + forgiven.texts >= cause.texts
            and have.garbage + forgiven.garbage >= cause.garbage
        )

    # -- what to do

    def take(self, now_ns: int) -> Step | None:
        """The next step, if one is due; the caller does it at once."""
        if self._reset:
            return None
        if self._answers and self._answers[0][0] <= now_ns:
            due, step = self._answers.popleft()
            self.lateness.append(now_ns - due)
            return step
        if self._steps and not self._met:
            self._lose_patience(now_ns)
        if not self._met or (due_ns := self._due_at(0)) > now_ns:
            return None
        step = self._steps.popleft()
        self._met.popleft()
        self.lateness.append(now_ns - due_ns)
        self.taken += 1
        self._note_taken(now_ns, step)
        return step

    def _note_taken(self, now_ns: int, step: Step) -> None:
        self._moved_ns = self._last_ns = now_ns
        self._last_t_ns = max(step.t_ns, self._last_t_ns)
        if isinstance(step.item, Ending):
            self._finished = True
            self._reset = step.item.how == "reset"
        elif _is_close(step.item):
            self._sent_close = True
            if self._counter.progress.closes and self._closed_ns is None:
                self._closed_ns = now_ns

    def _due_at(self, index: int) -> int:
        """When a step is due whose gate is met, ns."""
        step, met_ns = self._steps[index], self._met[index]
        if self._fast:
            return max(met_ns, self._last_ns)
        if step.cause == Progress():
            return self._opened_ns + step.t_ns
        return met_ns + step.t_ns - step.cause_ns

    def _lose_patience(self, now_ns: int) -> None:
        """Stop waiting for content that does not come, for this step and those after it."""
        cause, have = self._steps[0].cause, self._counter.progress
        if not have.reaches_end(cause) or now_ns < self._moved_ns + self._patience_ns:
            return
        self.given_up += 1
        self._forgiven = Progress(
            binary=max(self._forgiven.binary, cause.binary - have.binary),
            texts=max(self._forgiven.texts, cause.texts - have.texts),
            garbage=max(self._forgiven.garbage, cause.garbage - have.garbage),
        )
        self._meet(now_ns)

    def wake_ns(self) -> int:
        """When to ask again if nothing comes before."""
        times = [self._answers[0][0]] if self._answers else []
        if self._met:
            times.append(self._due_at(0))
        elif self._steps and self._counter.progress.reaches_end(self._steps[0].cause):
            times.append(self._moved_ns + self._patience_ns)
        else:
            times.append(self._deadline())
        return min(times)

    # -- the end

    def over(self, now_ns: int) -> bool:
        """Whether nothing is left to do and nothing more to wait for."""
        if self._reset:
            return True
        have = self._counter.progress
        if not self._steps and (have.ended or have.closes > self.script.other.closes):
            return True
        if self._closed_ns is not None and not (self._steps or self._finished):
            # A recording without ends: the server is the one to close (RFC 6455, section 7.1.1).
            return not self.script.from_client or now_ns >= self._deadline()
        waiting = not self._met and (not self._steps or not have.reaches_end(self._steps[0].cause))
        return waiting and now_ns >= self._deadline()

    @property
    def left_open(self) -> bool:
        """Whether the recording ends here, with the session open: the recorder was stopped.

        What the app does from here on has nothing to be compared with. The client's end
        sits the recorded time out instead: that the server ends nothing is the point.
        """
        return (
            not self.script.from_client
            and not self._steps
            and self.script.session.ending in _OPEN
            and self._counter.progress.reaches(self.script.other)
        )

    def _deadline(self) -> int:
        """Until when the other side may go on or end, where this side only waits."""
        script = self.script
        expected = self._last_ns + max(0, script.end_ns - self._last_t_ns)
        if self._closed_ns is not None and not self._steps:
            return min(expected, self._closed_ns) + min(self.timeout_ns, _AFTER_CLOSES_NS)
        if script.session.ending in _OPEN and script.from_client:
            return expected
        return max(expected, self._moved_ns) + self.timeout_ns

    @property
    def finished(self) -> bool:
        """Whether every step was taken."""
        return not self._steps and not self.dropped


def _is_close(item: Item) -> bool:
    return isinstance(item, Frame) and item.opcode is Opcode.CLOSE
