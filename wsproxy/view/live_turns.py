"""The turns of a transcript that grows: each final result, with the interim ones before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wsproxy.report.html.speech_data import result_data
from wsproxy.session.kept_ends import KeptEnds
from wsproxy.session.transcript import Result, SessionTranscript

KEPT_TURNS = 2000  # from the beginning, and as many from the end
SENT_AT_ONCE = 40  # of the turns that are new
MAX_TURNS = 100  # of one answer
MAX_RESULTS = 500  # of one answer
_MAX_OPEN = 64  # channels and sides of which interim results wait for a final one

_Speaker = tuple[str, bool]  # channel, and whether it is an agent


@dataclass(slots=True)
class _Turn:
    """Results of one speaker, by their numbers from 1.

    Attributes:
        since: the first interim one, or the final one.
        until: the final one; of an open turn the last one so far.
        interims: how many of them are not final.
    """

    since: int
    until: int
    interims: int


class LiveTurns:
    """Groups the results of a transcript as they come; their texts stay in the transcript."""

    def __init__(self) -> None:
        self._results = 0  # that are grouped
        self._turns: KeptEnds[_Turn] = KeptEnds(KEPT_TURNS)
        self._open: dict[_Speaker, _Turn] = {}

    @property
    def count(self) -> int:
        """How many turns have ended."""
        return self._turns.count

    def follow(self, transcript: SessionTranscript) -> None:
        """Add the results that are new."""
        if transcript.results == self._results:
            return
        for number, result in transcript.kept.numbered(self._results + 1, transcript.results):
            self._add(number, result)
        self._results = transcript.results

    def _add(self, number: int, result: Result) -> None:
        speaker = result.channel, result.by_agent
        turn = self._open.pop(speaker, None) or _Turn(number, number, 0)
        turn.until = number
        if result.final:
            self._turns.append(turn)
            return
        turn.interims += 1
        self._open[speaker] = turn
        if len(self._open) > _MAX_OPEN:
            del self._open[next(iter(self._open))]

    def data(self, transcript: SessionTranscript, after: int) -> dict[str, Any]:
        """What a page shows of the turns.

        Args:
            after: the number of the last turn that it has.

        Returns:
            `results` and `count`: how many results and turns there are; `turns` as in `turns`: the
            last of those that are new; `open`: those that no final result has ended so far, with
            the last interim one.
        """
        first = max(after + 1, self.count - SENT_AT_ONCE + 1)
        return {
            "results": transcript.results,
            "count": self.count,
            "turns": self.turns(transcript, first, self.count),
            "open": [
                found
                for turn in self._open.values()
                if (found := _turn_data(transcript, None, turn)) is not None
            ],
        }

    def turns(self, transcript: SessionTranscript, first: int, last: int) -> list[dict[str, Any]]:
        """Those turns of some that are kept: `n` is the number of one, see `_Turn` for the rest.

        Args:
            first, last: their numbers, from 1.
        """
        last = min(last, first + MAX_TURNS - 1)
        kept = self._turns.numbered(first, last)
        found = (_turn_data(transcript, number, turn) for number, turn in kept)
        return [each for each in found if each is not None]

    def around(self, transcript: SessionTranscript, t_ns: int) -> int:
        """The number of the first turn whose result came at a time or later; that of the last."""
        low, high = 1, self.count
        while low < high:
            middle = (low + high) // 2
            if self._time_of(transcript, middle) < t_ns:
                low = middle + 1
            else:
                high = middle
        return low

    def _time_of(self, transcript: SessionTranscript, number: int) -> int:
        """When the result of a turn came; of one that is not kept, of the last before it."""
        for _, turn in self._turns.numbered(number, number):
            for _, result in transcript.kept.numbered(turn.until, turn.until):
                return result.t_ns
        return 0


def results(transcript: SessionTranscript, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Those results of some that are kept.

    Args:
        first, last: their numbers, from 1.
    """
    last = min(last, first + MAX_RESULTS - 1)
    for _, result in transcript.kept.numbered(first, last):
        yield result_data(result, ())


def _turn_data(
    transcript: SessionTranscript, number: int | None, turn: _Turn
) -> dict[str, Any] | None:
    for _, result in transcript.kept.numbered(turn.until, turn.until):
        words = result.words if result.final else ()
        return {
            "n": number,
            "since": turn.since,
            "until": turn.until,
            "interims": turn.interims,
            "result": result_data(result, words),
        }
    return None
