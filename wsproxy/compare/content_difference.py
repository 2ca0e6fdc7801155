"""Read two messages again that differ, and find where they differ."""

from __future__ import annotations

import json
import os
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.session import Session

from .difference import Difference, sequence_difference
from .excerpt import around_difference
from .messages import MessagePartReader
from .sequence import MessageSequence, Position
from .session_digest import SessionDigest
from .session_pair import SessionPair
from .volatile_values import ABSENT, first_difference

_MAX_PATH_LENGTH = 200  # characters of a path that are shown


def message_differences(
    pair: SessionPair, a: MessageSequence, b: MessageSequence, position: Position | None, name: str
) -> list[Difference]:
    """The difference between two sequences of messages at a position; none if there is none.

    Args:
        name: the compared field.

    Raises:
        TraceError: a trace cannot be read again.
    """
    if position is None:
        return []
    x, y = a.item_at(position[0]), b.item_at(position[1])
    if x is None or y is None or x.kind != y.kind:
        return [sequence_difference(name, a, b, position)]
    return [content_difference(pair, x.frame, y.frame, name)]


def content_difference(pair: SessionPair, left: int, right: int, name: str) -> Difference:
    """The difference between two messages of one kind.

    Args:
        left, right: number of the first frame of each message.
        name: the compared field.

    Raises:
        TraceError: a trace cannot be read again.
    """
    a, b = (
        _content(path, frame, digest, pair.catalog)
        for path, frame, digest in zip(pair.paths, (left, right), pair.digests, strict=True)
    )
    found = first_difference(a, b) if not isinstance(a, str) or not isinstance(b, str) else None
    if found is None or not found[0]:
        shown = around_difference(_text(a), _text(b))
        return Difference(name, *shown, left, right)
    path, x, y = found
    format_value = _text if isinstance(x, str) and isinstance(y, str) else _json
    p, q = around_difference(format_value(x), format_value(y))
    return Difference(
        name,
        None if x is ABSENT else p,
        None if y is ABSENT else q,
        left,
        right,
        _shorten(path),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    if value is ABSENT:
        return ""
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    except (RecursionError, ValueError):
        return "…"


def _shorten(path: str) -> str:
    return path if len(path) <= _MAX_PATH_LENGTH else path[: _MAX_PATH_LENGTH - 1] + "…"


def _content(
    path: str | os.PathLike[str], first_frame: int, digest: SessionDigest, catalog: Catalog
) -> Any:
    """The content of the message that begins with a frame."""
    parts = MessagePartReader(Session(), catalog).read(path)
    found = next((part for part in parts if part.frame == first_frame), None)
    return digest.content(found) if found is not None else ""
