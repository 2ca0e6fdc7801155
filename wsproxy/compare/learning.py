"""Learn from other recordings of the same session what varies between them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog, load
from wsproxy.errors import UsageError
from wsproxy.session.audio_carrier import BINARY

from .comparison import compare
from .difference import Tolerances
from .learned_variation import NO_VARIATION, LearnedVariation
from .sequence import MessageSequence, first_difference
from .session_digest import SessionDigest
from .volatile_values import child_path

# Recordings that differ in one of these are not of the same session.
_ESSENTIAL = frozenset(
    {"api", "status", "ending", "closed_by", "close_code", "failed_where", "condition"}
    | {"method", "path"}
)
_MAX_PENDING = 10_000  # messages without a counterpart in the other recording
_MAX_PATHS = 10_000
_MAX_ORDER = 50  # rounds of finding kinds that are out of order

_ComparedMessage = tuple[bool, str, Any]  # from the client, kind, content


def learn(
    recorded: Path, others: Iterable[Path], *, catalog: Catalog | None = None
) -> LearnedVariation:
    """What varies between recordings of the same session.

    Learns values (by kind of message and path), kinds of messages whose number or position
    varies, and fields of the comparison, such as the close reason.

    Raises:
        TraceError: a trace cannot be read.
        UsageError: another recording is of a different session: its ending differs.
    """
    known_catalog = catalog or load()
    variation = NO_VARIATION
    for other in others:
        variation |= _variation_between(recorded, other, known_catalog)
    return variation


def _variation_between(recorded: Path, other: Path, catalog: Catalog) -> LearnedVariation:
    variation = LearnedVariation(paths=frozenset(_varying_paths(recorded, other, catalog)))
    variation |= _varying_kinds(recorded, other, catalog, variation)
    found = compare(recorded, other, rules=Tolerances(variation=variation))
    fields = {difference.field for difference in found.differences}
    if essential := sorted(fields & _ESSENTIAL):
        raise UsageError(
            f"{other} is not another recording of the session in {recorded}: they differ in "
            f"{', '.join(essential)}"
        )
    return variation | LearnedVariation(fields=frozenset(fields))


# -- values


def _varying_paths(recorded: Path, other: Path, catalog: Catalog) -> set[tuple[bool, str, str]]:
    """Where corresponding messages of one kind have different values."""
    found: set[tuple[bool, str, str]] = set()
    unmatched: dict[tuple[bool, bool, str], deque[Any]] = defaultdict(deque)
    pending = 0
    pairs = zip_longest(_compared_messages(recorded, catalog), _compared_messages(other, catalog))
    for pair in pairs:
        for first, message in zip((True, False), pair, strict=True):
            if message is None or len(found) >= _MAX_PATHS or pending > _MAX_PENDING:
                continue
            from_client, kind, content = message
            matching = unmatched[not first, from_client, kind]
            if matching:
                pending -= 1
                paths = differing_paths(content, matching.popleft())
                found |= {(from_client, kind, path) for path in paths}
            else:
                pending += 1
                unmatched[first, from_client, kind].append(content)
    return found


def _compared_messages(path: Path, catalog: Catalog) -> Iterator[_ComparedMessage]:
    """The messages of both sides without plain audio, normalized for comparison."""
    digest = SessionDigest(catalog)
    for part in digest.messages.read(path):
        if part.kind != BINARY or part.text:
            yield part.from_client, part.kind, digest.content(part)


def differing_paths(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """The paths at which two values differ; "*" stands for all items of a list."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {*a, *b}:
            if key in a and key in b:
                yield from differing_paths(a[key], b[key], child_path(path, key))
            else:
                yield child_path(path, key)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            yield from differing_paths(x, y, child_path(path, "*"))
    elif repr(a) != repr(b):
        yield path


# -- kinds


def _varying_kinds(
    recorded: Path, other: Path, catalog: Catalog, variation: LearnedVariation
) -> LearnedVariation:
    """The kinds of messages whose number or position differs."""
    for _ in range(_MAX_ORDER):
        left, right = (SessionDigest.read(path, catalog, variation) for path in (recorded, other))
        kinds = {
            (from_client, kind)
            for from_client, a, b in (
                (True, left.sent.sequence, right.sent.sequence),
                (False, left.received.sequence, right.received.sequence),
            )
            for kind in _out_of_order(a, b)
        }
        if not kinds:
            break
        variation |= LearnedVariation(kinds=frozenset(kinds))
    return variation


def _out_of_order(a: MessageSequence, b: MessageSequence) -> set[str]:
    """The kinds whose counts differ; if none do, the kinds at the first difference in order."""
    counts: dict[str, int] = defaultdict(int)
    for items, step in ((a.items, 1), (b.items, -1)):
        for item in items:
            counts[item.kind] += step
    numbers = {kind for kind, count in counts.items() if count}
    if numbers:
        return numbers
    position = first_difference(a, b, lambda item: True, lambda item: True)
    if position is None:
        return set()
    at_position = (a.item_at(position[0]), b.item_at(position[1]))
    return {item.kind for item in at_position if item is not None}
