"""Search the smallest failing candidate; without I/O: the caller provides the test.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
2002) by complements: remove chunks from the end to the beginning, and when no more can be
removed, chunks of half the size. An attempt that does not reproduce the failure may have to wait
for a timeout, so that likely candidates come first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from .script_parts import Candidate, Parts

T = TypeVar("T")
Test = Callable[[Candidate], Awaitable[bool]]

_MAX_END = 64  # parts; longer ends are found by bisection


def short_ends(parts: Parts) -> Iterator[Candidate]:
    """Candidates with the setup and the last 0, 1, 2, 4, ... parts: the cause is often late.

    The first candidate has no part at all.
    """
    yield parts.without(parts.full, parts.full.kept)
    setup_parts = parts.setup_parts()
    other_count = len(parts.parts) - len(setup_parts)
    count = 1
    while count < other_count and count <= _MAX_END:
        last = {*setup_parts, *parts.full.kept[-count:]}
        yield parts.without(parts.full, set(parts.full.kept) - last)
        count *= 2


async def shortest_prefix(parts: Parts, best: Candidate, test: Test) -> Candidate:
    """The shortest prefix that fails, by bisection.

    If failing is not monotonic, the result may not be the shortest, but it has failed.

    Args:
        best: a candidate that fails.
    """

    def prefix(length: int) -> Candidate:
        return parts.without(best, best.kept[length:])

    fails = len(best.kept) - 1
    if fails < 1 or not await test(prefix(fails)):
        return best  # the last part is required, or it is the only one
    passes = 0
    while fails - passes > 1:
        middle = (fails + passes) // 2
        if await test(prefix(middle)):
            fails = middle
        else:
            passes = middle
    return prefix(fails)


async def minimal_parts(
    parts: Parts, best: Candidate, test: Test, *, keep_time: bool = False
) -> Candidate:
    """A candidate from which no single part can be removed.

    Args:
        best: a candidate that fails.
        keep_time: keep the time of removed parts as pauses.
    """

    def with_only(kept: Sequence[int]) -> Candidate:
        return parts.without(best, set(best.kept).difference(kept), keep_time=keep_time)

    async def is_sufficient(kept: Sequence[int]) -> bool:
        return await test(with_only(kept))

    return with_only(await minimal_subset(best.kept, is_sufficient))


async def minimal_pauses(parts: Parts, best: Candidate, test: Test) -> Candidate:
    """A candidate from which no single pause can be removed.

    Args:
        best: a candidate that fails.
    """
    pauses = parts.pauses(best)

    def with_only(kept: Sequence[int]) -> Candidate:
        return parts.without_pauses(best, set(pauses).difference(kept))

    async def is_sufficient(kept: Sequence[int]) -> bool:
        return await test(with_only(kept))

    if not pauses or await is_sufficient([]):
        return with_only([])
    return with_only(await minimal_subset(pauses, is_sufficient))


async def minimal_subset(
    items: Sequence[T], is_sufficient: Callable[[Sequence[T]], Awaitable[bool]]
) -> Sequence[T]:
    """Some of the items, in order, from which no single one can be removed.

    Args:
        items: all items; they are sufficient.
        is_sufficient: whether some of them are.
    """
    kept = list(items)
    size = max(1, len(kept) // 2)
    while kept:
        before = len(kept)
        end = len(kept)
        while end > 0:
            begin = max(0, end - size)
            shorter = kept[:begin] + kept[end:]
            if await is_sufficient(shorter):
                kept = shorter
            end = begin
        if size == 1 and len(kept) == before:
            break
        size = max(1, min(size, len(kept)) // 2)
    return kept
