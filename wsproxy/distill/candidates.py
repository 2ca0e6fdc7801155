"""A client's side of a recording in parts, and scripts that have only some of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from wsproxy.compare.message_kinds import is_error
from wsproxy.replayer.pace import Pace
from wsproxy.replayer.progress import NOTHING, ExpectedEnding, SideProgress
from wsproxy.replayer.script import Script, Step
from wsproxy.wire import Frame, Garbage, MessageAssembler, Opcode

PAUSE_NS = 100_000_000  # time between two steps that is tried to be left out for itself


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a client sends, and when.

    Attributes:
        kept: the numbers of its parts, in their order.
        gaps: (number of a step, ns): time before it that is not as it was recorded.
    """

    kept: tuple[int, ...]
    gaps: tuple[tuple[int, int], ...] = ()


class Parts:
    """What can be left out of a client's side of a recording.

    A part is a message with all its fragments, a control frame, or bytes that are no frame.
    The client's Close and the end of its direction always stay, and so do its answers to
    Pings. What it sent after the server had ended the session is in the whole only.

    Args:
        script: the client's side, read for the pace "causal": there a step waits for kinds
            of messages, not for how many came, which is fewer in a shorter session.

    Attributes:
        parts: for each its steps, by their numbers in the script.
        whole: the candidate with all of them.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.parts = _parts(script.steps)
        self.whole = Candidate(tuple(range(len(self.parts))))
        free = {number for part in self.parts for number in part}
        self._fixed = [
            number
            for number, step in enumerate(script.steps)
            if number not in free and _stays(step)
        ]
        times = [0, *(step.t_ns for step in script.steps), script.end_ns]
        # The time before each step; and after the last one, to the end of the session.
        self._gaps = [max(0, b - a) for a, b in pairwise(times)]
        self._news = _news(script.steps)

    def setup(self) -> tuple[int, ...]:
        """The parts that look like a beginning: text messages before the first binary one.

        Where nothing is binary, the first message if it is text.
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
        self, candidate: Candidate, gone: Iterable[int], *, hold: bool = False
    ) -> Candidate:
        """A candidate without some of its parts.

        Args:
            hold: the time that they took stays, as a pause; else it goes with them.
        """
        out = frozenset(gone)
        kept = tuple(number for number in candidate.kept if number not in out)
        left = {number for part in kept for number in self.parts[part]}
        free = {number for part in candidate.kept for number in self.parts[part]} - left
        gaps = {number: ns for number, ns in candidate.gaps if number not in free}
        if hold:
            given = dict(candidate.gaps)
            stays = [*sorted(left | set(self._fixed)), len(self.script.steps)]
            for number in free:
                after = stays[bisect_right(stays, number)]
                ns = given.get(number, self._gaps[number])
                gaps[after] = gaps.get(after, self._gaps[after]) + ns
        return Candidate(kept, tuple(sorted(gaps.items())))

    def pauses(self, candidate: Candidate) -> list[int]:
        """The steps with a pause before them."""
        gaps = self._gaps_of(candidate)
        return [n for n in self._chosen(candidate) if gaps[n] >= PAUSE_NS]

    def without_pauses(self, candidate: Candidate, before: Iterable[int]) -> Candidate:
        """A candidate in which some steps come right after what precedes them."""
        gaps = dict(candidate.gaps) | dict.fromkeys(before, 0)
        return replace(candidate, gaps=tuple(sorted(gaps.items())))

    # -- scripts

    def make(self, candidate: Candidate, pace: Pace) -> Script:
        """The script of a candidate."""
        if candidate == self.whole:
            return replace(self.script, pace=pace)
        gaps = self._gaps_of(candidate)
        chosen = self._chosen(candidate)
        causes = self._causes(chosen)
        steps: list[Step] = []
        t_ns = 0
        for number in chosen:
            t_ns += gaps[number]
            steps.append(_moved(self.script.steps[number], t_ns, causes[number]))
        end_ns = t_ns + gaps[len(self.script.steps)]
        return replace(self.script, pace=pace, steps=steps, end_ns=end_ns)

    def _chosen(self, candidate: Candidate) -> list[int]:
        kept = (number for part in candidate.kept for number in self.parts[part])
        return sorted([*self._fixed, *kept])

    def _gaps_of(self, candidate: Candidate) -> list[int]:
        gaps = list(self._gaps)
        for number, ns in candidate.gaps:
            gaps[number] = ns
        return gaps

    def _causes(self, chosen: list[int]) -> Mapping[int, SideProgress]:
        """What each step waits for: what of the server's still comes.

        What came after a step that is left out is taken for an answer to it, but for errors
        and for bytes that are no frame, which are what is looked for.
        """
        there = set(chosen)
        news = iter(self._news)
        at, new = next(news, (len(self.script.steps), NOTHING))
        have = NOTHING
        causes = {}
        for number in chosen:
            while at <= number:
                have = have.plus(new if at == 0 or at - 1 in there else _faults(new))
                at, new = next(news, (len(self.script.steps), NOTHING))
            cause = self.script.steps[number].cause
            causes[number] = replace(have, closes=cause.closes, ended=cause.ended)
        return causes


def _stays(step: Step) -> bool:
    return step.is_close or isinstance(step.item, ExpectedEnding)


def _parts(steps: list[Step]) -> list[tuple[int, ...]]:
    parts: list[list[int]] = []
    assembler = MessageAssembler(keep_text=0, keep_binary=0)
    current: list[int] = []  # the part of the message that is not finished
    for number, step in enumerate(steps):
        item = step.item
        if _stays(step) or step.cause.closes or step.cause.ended:
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
    """Whether bytes that are no frame follow others."""
    return bool(parts) and parts[-1][-1] == number - 1 and _is_garbage(steps[number - 1])


def _is_garbage(step: Step) -> bool:
    return isinstance(step.item, Garbage)


def _news(steps: list[Step]) -> list[tuple[int, SideProgress]]:
    """What of the server's had come before a step and not before the one preceding it."""
    before = NOTHING
    out = []
    for number, step in enumerate(steps):
        new = before.lacks(step.cause)
        if new != NOTHING:
            out.append((number, new))
        before = step.cause
    return out


def _faults(news: SideProgress) -> SideProgress:
    errors = {kind: count for kind, count in news.texts.items() if is_error(kind)}
    return SideProgress(texts=errors, garbage=news.garbage)


def _moved(step: Step, t_ns: int, cause: SideProgress) -> Step:
    """The step at another time, as long after its cause as before."""
    after = max(0, step.t_ns - step.cause_ns)
    return replace(
        step,
        t_ns=t_ns,
        cause=cause,
        cause_ns=max(0, t_ns - after) if cause != NOTHING else 0,
    )
