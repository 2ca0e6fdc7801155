"""The schedule of one side of a replay: which recorded step is due, given what the peer has sent.

Sans-I/O: the caller reports the time and what arrives, and asks for the next step. A schedule
never sleeps and never waits without a limit: it abandons a gate that is not met in time.
docs/replay-schedule.md shows its states.

Rules:
- A Close frame, or the end of a direction, that followed the peer's in the recording waits for
  the peer's at any pace: a replay is about the ending.
- As the client at the recorded pace, all other steps are due at their recorded time. The
  client's own Close and end also wait, for a short time, for what the server had sent before.
- As the server, and at the paces "fast" and "causal", a step waits until the peer has sent as
  many binary messages, text messages and invalid bytes as before it in the recording; chunks
  may be divided differently. The recorded delay follows, except at the pace "fast".
- At the pace "causal" text messages are counted by kind (a step waits for the Begin, the Flushed,
  the Turn that it followed). The time between two steps of the client is never shorter than
  recorded: audio keeps its pace when responses arrive sooner.
- A Pong that answered a recorded Ping answers the Ping with the same number, whenever it arrives.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from wsproxy.wire import Frame, Opcode

from .progress import NO_PROGRESS, ExpectedEnding, Gate, Item, ProgressCounter, SideProgress
from .script import Script, Step, is_close

_CLOSE_TIMEOUT_NS = 2_000_000_000  # for the EOF after both Close frames
_SHORT_GATE_TIMEOUT_NS = 2_000_000_000
_NEARLY_DUE_NS = 100_000_000  # a step that is due this soon is sent after the peer's Close
_OPEN_ENDINGS = ("stopped", "unfinished")  # endings of recordings, not of sessions
_MAX_PENDING_PONGS = 1000  # of a flood of Pings the latest are answered


def gated_steps(script: Script) -> list[Step]:
    """The steps with the gates and the times of the script's pace."""
    pace = script.pace
    waits_for_progress = pace.fast or pace.causal or not script.from_client
    out = []
    for step in script.steps:
        prerequisite, prerequisite_ns = step.prerequisite, pace.scaled(step.prerequisite_ns)
        if not (waits_for_progress or isinstance(step.item, ExpectedEnding) or step.is_close):
            prerequisite = SideProgress(closes=prerequisite.closes, ended=prerequisite.ended)
            prerequisite_ns = prerequisite_ns if prerequisite != NO_PROGRESS else 0
        out.append(
            replace(
                step,
                t_ns=pace.scaled(step.t_ns),
                prerequisite=prerequisite,
                prerequisite_ns=prerequisite_ns,
            )
        )
    return out


class Schedule:
    """The schedule of one side.

    Call `open` when the upgrade is complete and `receive` for each item of the peer. Call
    `next_step` until it returns None, then wait until `next_wake_ns` or until something arrives.
    All times are on one clock, ns.

    Args:
        script: the side to play.
        timeout_ns: how much longer than in the recording the peer may take.
        gate: what counts as the peer's progress; None: the script's gate, which expects the
            recorded kind of audio.
        steps: the result of `gated_steps(script)`, if many replays share it.

    Attributes:
        lateness: delay of each step after its due time, ns.
        abandoned_gates: gates that were abandoned because the peer sent too little.
        dropped: steps that were dropped because the peer ended earlier than recorded.
        early_ns: how long after the peer's end the last of them was due, ns.
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
        self.abandoned_gates = 0
        self.dropped = 0
        self.early_ns = 0
        self._fast = pace.fast
        self.timeout_ns = timeout_ns
        # A client at its own pace may take the full time; a server responds quickly.
        is_short = self._fast or (script.from_client and not pace.causal)
        self._gate_timeout_ns = min(timeout_ns, _SHORT_GATE_TIMEOUT_NS) if is_short else timeout_ns
        self._steps = deque(gated_steps(script) if steps is None else steps)
        self._counter = ProgressCounter(gate or script.gate)
        self._end_ns = pace.scaled(script.end_ns)
        self._waived = NO_PROGRESS
        self._pings = 0
        self._pending_pongs: deque[tuple[int, Step]] = deque(maxlen=_MAX_PENDING_PONGS)
        self._met_ns: deque[int] = deque()  # when the gates of the first steps were met
        self._opened_ns = 0
        self._progress_ns = 0  # when the replay last made progress
        # When the last step was taken, when it was due, and its time in the recording.
        self._last_ns = 0
        self._last_due_ns = 0
        self._last_t_ns = 0
        self._both_closed_ns: int | None = None  # when the second Close frame passed
        self._close_sent = False
        self._direction_ended = False  # this side's own direction
        self._was_reset = False

    # -- events
    # -- what happens

    def open(self, now_ns: int) -> None:
        """The upgrade is complete."""
        self._opened_ns = self._progress_ns = self._last_ns = self._last_due_ns = now_ns
        self._mark_met_gates(now_ns)

    def receive(self, now_ns: int, item: Item) -> None:
        """Take the next item of the peer."""
        if isinstance(item, Frame) and item.opcode is Opcode.PING:
            self._schedule_pong(now_ns, item)
        if not self._counter.add(item):
            return
        # More than was recorded is not progress: it might never end.
        if self.script.peer_progress.reaches_content(self._counter.progress):
            self._progress_ns = now_ns
        if isinstance(item, ExpectedEnding):
            self._was_reset = self._was_reset or item.how == "reset"
        if isinstance(item, ExpectedEnding) or is_close(item):
            self._drop_unsendable_steps(now_ns)
            if self._close_sent and self._both_closed_ns is None:
                self._both_closed_ns = now_ns
        self._mark_met_gates(now_ns)

    def _schedule_pong(self, now_ns: int, ping: Frame) -> None:
        delay = self.script.pong_delays_ns.get(self._pings)
        if delay is None and self.script.answers_all_pings:
            delay = 0
        self._pings += 1
        if delay is None or self._close_sent or self._direction_ended:
            return
        mask = bytes(4) if self.script.from_client else None
        pong = Step(0, Frame(Opcode.PONG, ping.payload, mask=mask))
        due_ns = now_ns + (0 if self._fast else self.pace.scaled(delay))
        if self._pending_pongs:
            # Pongs keep the order of their Pings.
            due_ns = max(due_ns, self._pending_pongs[-1][0])
        self._pending_pongs.append((due_ns, pong))

    def _drop_unsendable_steps(self, now_ns: int) -> None:
        """Drop the steps that preceded the peer's Close or end and are not nearly due.

        This side's own Close stays and becomes due soon: it answers the peer's.
        """
        progress = self._counter.progress
        end_reached = SideProgress(closes=min(progress.closes, 1), ended=progress.ended)
        kept: deque[Step] = deque()
        met_ns: deque[int] = deque()
        until_ns = now_ns + _NEARLY_DUE_NS if not progress.ended else now_ns - 1
        for index, step in enumerate(self._steps):
            if step.prerequisite.reaches_end(end_reached):
                kept.append(step)
            elif len(met_ns) == index < len(self._met_ns) and self._due_ns(index) <= until_ns:
                kept.append(step)
                met_ns.append(self._met_ns[index])
            elif not progress.ended and step.is_close:
                kept.append(replace(step, prerequisite=end_reached, prerequisite_ns=step.t_ns))
            elif not isinstance(step.item, ExpectedEnding):
                self.dropped += 1
                due_ns = self._last_ns + step.t_ns - self._last_t_ns
                self.early_ns = max(self.early_ns, due_ns - now_ns)
        self._steps, self._met_ns = kept, met_ns

    def _mark_met_gates(self, now_ns: int) -> None:
        """Note the gates that are met now; prerequisites only grow, so they are met in order."""
        while len(self._met_ns) < len(self._steps):
            if not self._is_met(self._steps[len(self._met_ns)].prerequisite):
                return
            self._met_ns.append(now_ns)

    def _is_met(self, prerequisite: SideProgress) -> bool:
        progress = self._counter.progress
        return progress.reaches(prerequisite) or progress.plus(self._waived).reaches(prerequisite)

    # -- steps

    def next_step(self, now_ns: int) -> Step | None:
        """The next step, if one is due; the caller performs it at once."""
        if self._was_reset:
            return None
        if self._pending_pongs and self._pending_pongs[0][0] <= now_ns:
            due, step = self._pending_pongs.popleft()
            self.lateness.append(now_ns - due)
            return step
        if self._steps and not self._met_ns:
            self._abandon_gate(now_ns)
        if not self._met_ns or (due_ns := self._due_ns(0)) > now_ns:
            return None
        step = self._steps.popleft()
        self._met_ns.popleft()
        self.lateness.append(now_ns - due_ns)
        self._last_due_ns = due_ns
        self._after_step(now_ns, step)
        return step

    def _after_step(self, now_ns: int, step: Step) -> None:
        self._progress_ns = self._last_ns = now_ns
        self._last_t_ns = max(step.t_ns, self._last_t_ns)
        if isinstance(step.item, ExpectedEnding):
            self._direction_ended = True
            self._pending_pongs.clear()  # nothing can be sent any more
            self._was_reset = step.item.how == "reset"
        elif step.is_close:
            self._close_sent = True
            if self._counter.progress.closes and self._both_closed_ns is None:
                self._both_closed_ns = now_ns

    def _due_ns(self, index: int) -> int:
        """When a step whose gate is met is due, ns."""
        step, met_ns = self._steps[index], self._met_ns[index]
        if self._fast:
            return max(met_ns, self._last_ns)
        if step.prerequisite == NO_PROGRESS:
            due_ns = self._opened_ns + step.t_ns
        else:
            due_ns = met_ns + step.t_ns - step.prerequisite_ns
        # Steps keep their order; those of a causal client also keep their distance.
        paced = self.pace.causal and self.script.from_client
        gap = step.t_ns - self._last_t_ns if paced else 0
        return max(due_ns, self._last_due_ns + max(0, gap))

    def _abandon_gate(self, now_ns: int) -> None:
        """Stop waiting for missing content, for this step and all later ones."""
        prerequisite, progress = self._steps[0].prerequisite, self._counter.progress
        if (
            not progress.reaches_end(prerequisite)
            or now_ns < self._progress_ns + self._gate_timeout_ns
        ):
            return
        self.abandoned_gates += 1
        self._waived = progress.missing_for(prerequisite)
        self._mark_met_gates(now_ns)

    def next_wake_ns(self) -> int:
        """When to call `next_step` again if nothing arrives before."""
        times = [self._pending_pongs[0][0]] if self._pending_pongs else []
        if self._met_ns:
            times.append(self._due_ns(0))
        elif self._steps and self._counter.progress.reaches_end(self._steps[0].prerequisite):
            times.append(self._progress_ns + self._gate_timeout_ns)
        else:
            times.append(self._deadline_ns())
        return min(times)

    # -- the end

    def is_over(self, now_ns: int) -> bool:
        """Whether there is no step left and nothing to wait for."""
        if self._was_reset:
            return True
        progress = self._counter.progress
        if not self._steps and (
            progress.ended or progress.closes > self.script.peer_progress.closes
        ):
            return True
        if self._both_closed_ns is not None and not (self._steps or self._direction_ended):
            # The recording has no ends. The server closes first (RFC 6455, section 7.1.1).
            return not self.script.from_client or now_ns >= self._deadline_ns()
        only_waiting = not self._met_ns and (
            not self._steps or not progress.reaches_end(self._steps[0].prerequisite)
        )
        return only_waiting and now_ns >= self._deadline_ns()

    @property
    def default_ending(self) -> bool:
        """Whether the recording has ended here with the session open: the recorder was stopped.

        What the client does from here on cannot be compared. As the client, a replay waits for
        the recorded duration instead: what matters is that the server does not end the session.
        """
        return (
            not self.script.from_client
            and not self._steps
            and self.script.session.ending in _OPEN_ENDINGS
            and self._counter.progress.reaches(self.script.peer_progress)
        )

    def _deadline_ns(self) -> int:
        """Until when the peer may continue or end while this side only waits."""
        script = self.script
        expected = self._last_ns + max(0, self._end_ns - self._last_t_ns)
        if self._both_closed_ns is not None and not self._steps:
            return min(expected, self._both_closed_ns) + min(self.timeout_ns, _CLOSE_TIMEOUT_NS)
        if script.session.ending in _OPEN_ENDINGS and script.from_client:
            return expected
        return max(expected, self._progress_ns) + self.timeout_ns
