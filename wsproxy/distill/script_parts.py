"""The client's side of a recording in parts, and scripts with only some of the parts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from wsproxy.replayer.pace import Pace
from wsproxy.replayer.progress import NO_PROGRESS, ExpectedEnding, SideProgress
from wsproxy.replayer.script import Script, Step
from wsproxy.session.message_kinds import is_error
from wsproxy.wire import Frame, Garbage, MessageAssembler, Opcode

PAUSE_NS = 100_000_000  # a longer time before a step is a pause, which can be removed


@dataclass(frozen=True, slots=True)
class Candidate:
    """A selection of what the client sends, and when.

    Attributes:
        kept: numbers of the parts, in order.
        gaps: (number of a step, ns): time before the step, where it is not the recorded one.
    """

    kept: tuple[int, ...]
    gaps: tuple[tuple[int, int], ...] = ()


class Parts:
    """The parts of a client's side of a recording that can be removed.

    A part is a message with all its fragments, a control frame, or garbage. The client's Close,
    the end of its direction and its Pongs always stay. What it sent after the server had ended
    the session is in the full candidate only.

    Args:
        script: the client's side, read for the pace "causal": there a step waits for kinds
            of messages, not for their number, which is smaller in a shorter session.

    Attributes:
        parts: the numbers of the steps in the script, for each part.
        full: the candidate with all parts.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.parts = _parts(script.steps)
        self.full = Candidate(tuple(range(len(self.parts))))
        free = {number for part in self.parts for number in part}
        self._fixed = [
            number
            for number, step in enumerate(script.steps)
            if number not in free and _is_fixed(step)
        ]
        times = [0, *(step.t_ns for step in script.steps), script.end_ns]
        # Time before each step, and from the last step to the end of the session.
        self._gaps = [max(0, b - a) for a, b in pairwise(times)]
        self._progress_before_steps = _progress_before_steps(script.steps)

    def setup_parts(self) -> tuple[int, ...]:
        """The parts that look like a setup: text messages before the first binary one.

        Without binary messages it is the first message, if it is text.
        """
        kinds = [self._opcode(number) for number in range(len(self.parts))]
        if Opcode.BINARY not in kinds:
            return tuple(range(kinds[:1].count(Opcode.TEXT)))
        before = kinds.index(Opcode.BINARY)
        return tuple(number for number in range(before) if kinds[number] is Opcode.TEXT)

    def _opcode(self, part: int) -> Opcode | None:
        item = self.script.steps[self.parts[part][0]].item
        return item.opcode if isinstance(item, Frame) else None

    # -- candidates

    def without(
        self, candidate: Candidate, removed: Iterable[int], *, keep_time: bool = False
    ) -> Candidate:
        """A candidate without some of its parts.

        Args:
            keep_time: keep their time as a pause; otherwise remove it, too.
        """
        out = frozenset(removed)
        kept = tuple(number for number in candidate.kept if number not in out)
        left = {number for part in kept for number in self.parts[part]}
        free = {number for part in candidate.kept for number in self.parts[part]} - left
        gaps = {number: ns for number, ns in candidate.gaps if number not in free}
        if keep_time:
            old_gaps = dict(candidate.gaps)
            fixed = [*sorted(left | set(self._fixed)), len(self.script.steps)]
            for number in free:
                after = fixed[bisect_right(fixed, number)]
                ns = old_gaps.get(number, self._gaps[number])
                gaps[after] = gaps.get(after, self._gaps[after]) + ns
        return Candidate(kept, tuple(sorted(gaps.items())))

    def pauses(self, candidate: Candidate) -> list[int]:
        """The steps after a pause."""
        gaps = self._gaps_in(candidate)
        return [n for n in self._chosen(candidate) if gaps[n] >= PAUSE_NS]

    def without_pauses(self, candidate: Candidate, before: Iterable[int]) -> Candidate:
        """A candidate without the pauses before these steps."""
        gaps = dict(candidate.gaps) | dict.fromkeys(before, 0)
        return replace(candidate, gaps=tuple(sorted(gaps.items())))

    # -- scripts

    def build_script(self, candidate: Candidate, pace: Pace) -> Script:
        """The script of a candidate."""
        if candidate == self.full:
            return replace(self.script, pace=pace)
        gaps = self._gaps_in(candidate)
        chosen = self._chosen(candidate)
        prerequisites = self._prerequisites(chosen)
        steps: list[Step] = []
        t_ns = 0
        for number in chosen:
            t_ns += gaps[number]
            steps.append(_rescheduled(self.script.steps[number], t_ns, prerequisites[number]))
        end_ns = t_ns + gaps[len(self.script.steps)]
        return replace(self.script, pace=pace, steps=steps, end_ns=end_ns)

    def _chosen(self, candidate: Candidate) -> list[int]:
        kept = (number for part in candidate.kept for number in self.parts[part])
        return sorted([*self._fixed, *kept])

    def _gaps_in(self, candidate: Candidate) -> list[int]:
        gaps = list(self._gaps)
        for number, ns in candidate.gaps:
            gaps[number] = ns
        return gaps

    def _prerequisites(self, chosen: list[int]) -> Mapping[int, SideProgress]:
        """The prerequisite of each step: the server's progress that can still be expected.

        What arrived after a removed step is taken for an answer to it, and not expected, except
        errors and garbage: they are the failure.
        """
        chosen_set = set(chosen)
        progress_before_steps = iter(self._progress_before_steps)
        at, gained = next(progress_before_steps, (len(self.script.steps), NO_PROGRESS))
        progress = NO_PROGRESS
        prerequisites = {}
        for number in chosen:
            while at <= number:
                progress = progress.plus(
                    gained if at == 0 or at - 1 in chosen_set else _only_errors(gained)
                )
                at, gained = next(progress_before_steps, (len(self.script.steps), NO_PROGRESS))
            prerequisite = self.script.steps[number].prerequisite
            prerequisites[number] = replace(
                progress, closes=prerequisite.closes, ended=prerequisite.ended
            )
        return prerequisites


def _is_fixed(step: Step) -> bool:
    return step.is_close or isinstance(step.item, ExpectedEnding)


def _parts(steps: list[Step]) -> list[tuple[int, ...]]:
    parts: list[list[int]] = []
    assembler = MessageAssembler(keep_text=0, keep_binary=0)
    current: list[int] = []  # the part of the message that is not finished
    for number, step in enumerate(steps):
        item = step.item
        if _is_fixed(step) or step.prerequisite.closes or step.prerequisite.ended:
            continue
        message = assembler.add(item) if isinstance(item, Frame) else None
        if message is not None and message.frames > 1:
            current.append(number)
        elif isinstance(item, Garbage) and _continues(parts, steps, number):
            parts[-1].append(number)
        else:
            parts.append([number])
            current = parts[-1] if message is not None else current
    return [tuple(part) for part in parts]


def _continues(parts: list[list[int]], steps: list[Step], number: int) -> bool:
    """Whether garbage follows garbage."""
    return bool(parts) and parts[-1][-1] == number - 1 and _is_garbage(steps[number - 1])


def _is_garbage(step: Step) -> bool:
    return isinstance(step.item, Garbage)


def _progress_before_steps(steps: list[Step]) -> list[tuple[int, SideProgress]]:
    """The server's progress between each step and the one before it, where there was any."""
    before = NO_PROGRESS
    out = []
    for number, step in enumerate(steps):
        gained = before.missing_for(step.prerequisite)
        if gained != NO_PROGRESS:
            out.append((number, gained))
        before = step.prerequisite
    return out


def _only_errors(progress_before_steps: SideProgress) -> SideProgress:
    errors = {kind: count for kind, count in progress_before_steps.texts.items() if is_error(kind)}
    return SideProgress(texts=errors, garbage=progress_before_steps.garbage)


def _rescheduled(step: Step, t_ns: int, prerequisite: SideProgress) -> Step:
    """The step at a new time, with its recorded delay after the prerequisite."""
    after = max(0, step.t_ns - step.prerequisite_ns)
    return replace(
        step,
        t_ns=t_ns,
        prerequisite=prerequisite,
        prerequisite_ns=max(0, t_ns - after) if prerequisite != NO_PROGRESS else 0,
    )
