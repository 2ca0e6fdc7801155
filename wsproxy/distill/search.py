"""Which parts of a session to try next; without I/O: what tries them is handed in.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002) by complements: chunks are left out, from the end to the beginning, and where no more of
them can be, chunks of half the size. A server that must wait to show that nothing happens
makes failing attempts slow, so that what is likely is tried first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from .candidates import Candidate, Parts

T = TypeVar("T")
Test = Callable[[Candidate], Awaitable[bool]]

_LONGEST_END = 64  # parts: what lies farther back is found by halves


def ends(parts: Parts) -> Iterator[Candidate]:
    """Candidates with the beginning and the last 0, 1, 2, 4, ... parts: a failure is often near.

    The first one has no part at all.
    """
    yield parts.without(parts.whole, parts.whole.kept)
    setup = parts.setup()
    rest = len(parts.parts) - len(setup)
    count = 1
    while count < rest and count <= _LONGEST_END:
        last = {*setup, *parts.whole.kept[-count:]}
        yield parts.without(parts.whole, set(parts.whole.kept) - last)
        count *= 2


async def shortest_prefix(parts: Parts, best: Candidate, test: Test) -> Candidate:
    """The shortest beginning that fails, by halves.

    Where a longer one fails and a shorter one does not, and then an even shorter one does
    again, the one that is found has failed all the same: it was tried.

    Args:
        best: fails.
    """

    def prefix(length: int) -> Candidate:
        return parts.without(best, best.kept[length:])

    fails = len(best.kept) - 1
    if fails < 1 or not await test(prefix(fails)):
        return best  # the last part is needed, or there is but one
    passes = 0
    while fails - passes > 1:
        middle = (fails + passes) // 2
        if await test(prefix(middle)):
            fails = middle
        else:
            passes = middle
    return prefix(fails)


async def fewest_parts(
    parts: Parts, best: Candidate, test: Test, *, hold: bool = False
) -> Candidate:
    """A candidate of which no single part can be left out.

    Args:
        best: fails.
        hold: pauses stay where parts were.
    """

    def with_only(kept: Sequence[int]) -> Candidate:
        return parts.without(best, set(best.kept).difference(kept), hold=hold)

    async def enough(kept: Sequence[int]) -> bool:
        return await test(with_only(kept))

    return with_only(await minimal(best.kept, enough))


async def fewest_pauses(parts: Parts, best: Candidate, test: Test) -> Candidate:
    """A candidate of which no single pause can be left out.

    Args:
        best: fails.
    """
    pauses = parts.pauses(best)

    def with_only(kept: Sequence[int]) -> Candidate:
        return parts.without_pauses(best, set(pauses).difference(kept))

    async def enough(kept: Sequence[int]) -> bool:
        return await test(with_only(kept))

    if not pauses or await enough([]):
        return with_only([])
    return with_only(await minimal(pauses, enough))


async def minimal(
    items: Sequence[T], enough: Callable[[Sequence[T]], Awaitable[bool]]
) -> Sequence[T]:
    """Some of the items, in their order, of which none can be left out alone.

    Args:
        items: all; they are enough.
        enough: whether some of them are.
    """
    kept = list(items)
    size = max(1, len(kept) // 2)
    while kept:
        before = len(kept)
        end = len(kept)
        while end > 0:
            begin = max(0, end - size)
            shorter = kept[:begin] + kept[end:]
            if await enough(shorter):
                kept = shorter
            end = begin
        if size == 1 and len(kept) == before:
            break
        size = max(1, min(size, len(kept)) // 2)
    return kept
