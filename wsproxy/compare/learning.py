"""Learns from another recording of the same session what varies from one to the next."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog, load
from wsproxy.errors import UsageError
from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .comparison import compare
from .difference import Rules
from .messages import Messages, check_values
from .sequence import Sequence, first_difference
from .story import Story
from .varying import NOTHING, Varying
from .volatile import below

# Where two recordings differ in one of these, they are not of the same session.
_ESSENTIAL = frozenset(
    {"api", "status", "ending", "closed_by", "close_code", "failed_where", "condition"}
    | {"method", "path"}
)
_MAX_PENDING = 10_000  # messages of one recording that wait for their like in the other
_MAX_PATHS = 10_000
_MAX_ORDER = 50  # kinds that are found to be out of order

Said = tuple[bool, str, Any]  # from the client, kind, content


def learn(recorded: Path, others: Iterable[Path], *, catalog: Catalog | None = None) -> Varying:
    """What varies between a session's recording and other recordings of the same session.

    Values are learned by the kind of message and the path in it; kinds of messages, where
    their number or their place varies; and single facts, such as a close reason.

    Raises:
        TraceError: a trace cannot be read.
        UsageError: another recording is not of the same session: it ended in another way.
    """
    known = catalog or load()
    varying = NOTHING
    for other in others:
        varying |= _between(recorded, other, known)
    return varying


def _between(recorded: Path, other: Path, catalog: Catalog) -> Varying:
    varying = Varying(paths=frozenset(_paths(recorded, other, catalog)))
    varying |= _kinds(recorded, other, catalog, varying)
    found = compare(recorded, other, rules=Rules(varying=varying))
    fields = {difference.field for difference in found.differences}
    if essential := sorted(fields & _ESSENTIAL):
        raise UsageError(
            f"{other} is not another recording of the session in {recorded}: they differ in "
            f"{', '.join(essential)}"
        )
    return varying | Varying(fields=frozenset(fields))


# -- values


def _paths(recorded: Path, other: Path, catalog: Catalog) -> set[tuple[bool, str, str]]:
    """Where messages of the same kind, in their order, have another value."""
    found: set[tuple[bool, str, str]] = set()
    waiting: dict[tuple[bool, bool, str], deque[Any]] = defaultdict(deque)
    pending = 0
    pairs = zip_longest(_said(recorded, catalog), _said(other, catalog))
    for said in (each for pair in pairs for each in zip((True, False), pair, strict=True)):
        first, message = said
        if message is None or len(found) >= _MAX_PATHS or pending > _MAX_PENDING:
            continue
        from_client, kind, content = message
        if like := waiting[not first, from_client, kind]:
            pending -= 1
            found |= {(from_client, kind, path) for path in unlike(content, like.popleft())}
        else:
            pending += 1
            waiting[first, from_client, kind].append(content)
    return found


def _said(path: Path, catalog: Catalog) -> Iterator[Said]:
    """The messages of both sides that are no audio, as they are compared."""
    story = Story(catalog)
    messages: dict[bool, Messages] = {}
    with TraceReader(path) as reader:
        number = values = 0
        for record in reader:
            if not isinstance(record, FrameRecord):
                story.session.add(record)
                start = story.session.start
                if not messages and start is not None:
                    story.api = catalog.api(start.provider, start.api)
                    messages = {side: Messages(story.api) for side in (True, False)}
                continue
            number += 1
            side = record.from_client
            if record.opcode <= Opcode.BINARY and messages:
                part = messages[side].take(number, record)
                values += part.values if part is not None else 0
                check_values(reader, values)
                if part is not None and not (part.kind == "binary" and not part.text):
                    yield side, part.kind, story.content(part, from_client=side)


def unlike(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """The paths at which two values differ; "*" stands for any item of a list."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {*a, *b}:
            if key in a and key in b:
                yield from unlike(a[key], b[key], below(path, key))
            else:
                yield below(path, key)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            yield from unlike(x, y, below(path, "*"))
    elif repr(a) != repr(b):
        yield path


# -- kinds


def _kinds(recorded: Path, other: Path, catalog: Catalog, varying: Varying) -> Varying:
    """The kinds of messages whose number or place is another."""
    for _ in range(_MAX_ORDER):
        left, right = (Story.read(path, catalog, varying) for path in (recorded, other))
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
        varying |= Varying(kinds=frozenset(kinds))
    return varying


def _out_of_order(a: Sequence, b: Sequence) -> set[str]:
    """The kinds at the first difference of two orders; all whose number differs come first."""
    counts: dict[str, int] = defaultdict(int)
    for items, step in ((a.items, 1), (b.items, -1)):
        for item in items:
            counts[item.kind] += step
    numbers = {kind for kind, count in counts.items() if count}
    if numbers:
        return numbers
    at = first_difference(a, b, lambda item: True, lambda item: True)
    if at is None:
        return set()
    return {told.items[i].kind for told, i in zip((a, b), at, strict=True) if i < len(told.items)}
