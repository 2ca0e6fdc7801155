"""When one side of a recorded session says what, given what the other side has said.

Sans-I/O: a schedule is told the time and what came, and tells what is due. It never
sleeps, and it never waits for ever: a gate that is not met is given up after a while.

Rules:
- A Close frame, or the end of a direction, that followed the other side's in the
  recording waits for it, at any pace: the ending is what a replay is about.
- As the client at the recorded pace, everything else goes by the clock alone, but for its
  own Close and end: they wait a moment for what the server had said before them.
- As the server, and at the paces "fast" and "causal", a step waits until the other side has
  sent as much of binary messages, text messages and invalid bytes as had come before it in
  the recording; chunks may be cut differently. The recorded delay follows, but for "fast".
- At the pace "causal" text messages count by their kinds (a step waits for the Begin, the
  Flushed, the Turn that it had followed), and the time between two steps of the client is
  never shorter than recorded: audio keeps its pace when answers come sooner.
- A Pong that answered a Ping answers the Ping of the same place, whenever that comes.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from wsproxy.wire import Frame, Opcode

from .progress import NOTHING, ExpectedEnding, Gate, Item, ProgressCounter, SideProgress
from .script import Script, Step, is_close

_AFTER_CLOSES_NS = 2_000_000_000  # how long both Close frames may stand without an EOF
_SHORT_PATIENCE_NS = 2_000_000_000
_SOON_NS = 100_000_000  # what is due so soon after the other side's Close is sent all the same
_OPEN = ("stopped", "unfinished")  # endings of recordings, not of sessions
_MAX_ANSWERS = 1000  # Pings that wait for their Pong; of a flood the latest are answered


def gated(script: Script) -> list[Step]:
    """The steps with the gates and at the times that the pace asks for."""
    pace = script.pace
    by_progress = pace.fast or pace.causal or not script.from_client
    out = []
    for step in script.steps:
        cause, cause_ns = step.cause, pace.scaled(step.cause_ns)
        if not (by_progress or isinstance(step.item, ExpectedEnding) or step.is_close):
            cause = SideProgress(closes=cause.closes, ended=cause.ended)
            cause_ns = cause_ns if cause != NOTHING else 0
        out.append(replace(step, t_ns=pace.scaled(step.t_ns), cause=cause, cause_ns=cause_ns))
    return out


class Schedule:
    """Tells what one side has to do now.

    Call `open` when the upgrade is done, `receive` for what the other side does, and
    `take` until it returns None; then wait until `wake_ns` or for the next thing that
    comes. All times are on one clock, ns.

    Args:
        script: the side to play.
        timeout_ns: how much longer than in the recording the other side may take.
        gate: what counts of what comes; the script's own if the other side sends the
            same kind of audio as in the recording.
        steps: of `gated(script)`, where many replays share them.

    Attributes:
        lateness: of each step taken, how long after its due time, ns.
        given_up: gates that were given up because the other side sent too little.
        dropped: steps passed over because the other side ended earlier than recorded.
    """

    def __init__(
        self,
        script: Script,
        *,
        timeout_ns: int,
        gate: Gate | None = None,
        steps: Sequence[Step] | None = None,
    ) -> None:
        self.script = script
        self.pace = pace = script.pace
        self.lateness = array("q")
        self.given_up = 0
        self.dropped = 0
        self.taken = 0
        self._fast = pace.fast
        self.timeout_ns = timeout_ns
        # An app at its own pace is given all the time; a server answers in a moment.
        short = self._fast or (script.from_client and not pace.causal)
        self._patience_ns = min(timeout_ns, _SHORT_PATIENCE_NS) if short else timeout_ns
        self._steps = deque(gated(script) if steps is None else steps)
        self._counter = ProgressCounter(gate or script.gate)
        self._end_ns = pace.scaled(script.end_ns)
        self._forgiven = NOTHING
        self._pings = 0
        self._answers: deque[tuple[int, Step]] = deque(maxlen=_MAX_ANSWERS)
        self._met: deque[int] = deque()  # when the gates of the first steps were met
        self._opened_ns = 0
        self._moved_ns = 0  # when something last brought the replay forward
        self._last_ns = 0  # when the last step was taken, was due, and was in the recording
        self._last_due_ns = 0
        self._last_t_ns = 0
        self._closed_ns: int | None = None  # when the second of two Close frames went by
        self._sent_close = False
        self._finished = False  # own direction is ended
        self._reset = False

    # -- what happens

    def open(self, now_ns: int) -> None:
        """The upgrade is done."""
        self._opened_ns = self._moved_ns = self._last_ns = self._last_due_ns = now_ns
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
        if isinstance(item, ExpectedEnding):
            self._reset = self._reset or item.how == "reset"
        if isinstance(item, ExpectedEnding) or is_close(item):
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
        due_ns = now_ns + (0 if self._fast else self.pace.scaled(delay))
        if self._answers:
            due_ns = max(due_ns, self._answers[-1][0])  # Pongs keep the order of their Pings
        self._answers.append((due_ns, pong))

    def _skip_to_end(self, now_ns: int) -> None:
        """Drop what stood before the other side's Close or end and is not about to be sent.

        Its own Close stays, and is due soon: it answers the other side's.
        """
        have = self._counter.progress
        reached = SideProgress(closes=min(have.closes, 1), ended=have.ended)
        kept: deque[Step] = deque()
        met: deque[int] = deque()
        until_ns = now_ns + _SOON_NS if not have.ended else now_ns - 1
        for index, step in enumerate(self._steps):
            if step.cause.reaches_end(reached):
                kept.append(step)
            elif len(met) == index < len(self._met) and self._due_at(index) <= until_ns:
                kept.append(step)
                met.append(self._met[index])
            elif not have.ended and step.is_close:
                kept.append(replace(step, cause=reached, cause_ns=step.t_ns))
            elif not isinstance(step.item, ExpectedEnding):
                self.dropped += 1
        self._steps, self._met = kept, met

    def _meet(self, now_ns: int) -> None:
        """Note which gates are met from now on; causes only grow, so they are met in order."""
        while len(self._met) < len(self._steps):
            if not self._reached(self._steps[len(self._met)].cause):
                return
            self._met.append(now_ns)

    def _reached(self, cause: SideProgress) -> bool:
        have = self._counter.progress
        return have.reaches(cause) or have.plus(self._forgiven).reaches(cause)

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
        self._last_due_ns = due_ns
        self.taken += 1
        self._note_taken(now_ns, step)
        return step

    def _note_taken(self, now_ns: int, step: Step) -> None:
        self._moved_ns = self._last_ns = now_ns
        self._last_t_ns = max(step.t_ns, self._last_t_ns)
        if isinstance(step.item, ExpectedEnding):
            self._finished = True
            self._answers.clear()  # nothing can be sent any more
            self._reset = step.item.how == "reset"
        elif step.is_close:
            self._sent_close = True
            if self._counter.progress.closes and self._closed_ns is None:
                self._closed_ns = now_ns

    def _due_at(self, index: int) -> int:
        """When a step is due whose gate is met, ns."""
        step, met_ns = self._steps[index], self._met[index]
        if self._fast:
            return max(met_ns, self._last_ns)
        if step.cause == NOTHING:
            due_ns = self._opened_ns + step.t_ns
        else:
            due_ns = met_ns + step.t_ns - step.cause_ns
        # Steps keep their order, and a causal client's the time between them.
        paced = self.pace.causal and self.script.from_client
        gap = step.t_ns - self._last_t_ns if paced else 0
        return max(due_ns, self._last_due_ns + max(0, gap))

    def _lose_patience(self, now_ns: int) -> None:
        """Stop waiting for content that does not come, for this step and those after it."""
        cause, have = self._steps[0].cause, self._counter.progress
        if not have.reaches_end(cause) or now_ns < self._moved_ns + self._patience_ns:
            return
        self.given_up += 1
        self._forgiven = have.lacks(cause)
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
        expected = self._last_ns + max(0, self._end_ns - self._last_t_ns)
        if self._closed_ns is not None and not self._steps:
            return min(expected, self._closed_ns) + min(self.timeout_ns, _AFTER_CLOSES_NS)
        if script.session.ending in _OPEN and script.from_client:
            return expected
        return max(expected, self._moved_ns) + self.timeout_ns

    @property
    def finished(self) -> bool:
        """Whether every step was taken."""
        return not self._steps and not self.dropped
