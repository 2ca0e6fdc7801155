"""What two messages say, read again once it is known that they differ, and where they do."""

from __future__ import annotations

import json
import os
from typing import Any

from wsproxy.trace import FrameRecord, TraceReader
from wsproxy.wire import Opcode

from .difference import Difference
from .messages import Messages
from .pair import Pair
from .story import Story
from .text import around_difference
from .volatile import ABSENT, first_difference

_LONGEST_PATH = 200  # characters that are shown


def content_difference(
    pair: Pair, left: int, right: int, name: str, *, from_client: bool
) -> Difference:
    """How two messages of one kind differ.

    Args:
        left, right: numbers of the frames that begin them.
        name: of the compared field.

    Raises:
        TraceError: a trace cannot be read again.
    """
    a, b = (
        _content(path, frame, story, from_client=from_client)
        for path, frame, story in zip(pair.paths, (left, right), pair.stories, strict=True)
    )
    place = first_difference(a, b) if not isinstance(a, str) or not isinstance(b, str) else None
    if place is None or not place[0]:
        shown = around_difference(_text(a), _text(b))
        return Difference(name, *shown, left, right)
    path, x, y = place
    show = _text if isinstance(x, str) and isinstance(y, str) else _json
    p, q = around_difference(show(x), show(y))
    return Difference(
        name,
        None if x is ABSENT else p,
        None if y is ABSENT else q,
        left,
        right,
        _short(path),
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


def _short(path: str) -> str:
    return path if len(path) <= _LONGEST_PATH else path[: _LONGEST_PATH - 1] + "…"


def _content(path: str | os.PathLike[str], wanted: int, story: Story, *, from_client: bool) -> Any:
    """What the message that began with a frame says."""
    messages = Messages(story.api)
    with TraceReader(path) as reader:
        frames = (record for record in reader if isinstance(record, FrameRecord))
        for number, frame in enumerate(frames, 1):
            if number < wanted:
                continue  # nothing before it has to be opened
            if frame.from_client is from_client and frame.opcode <= Opcode.BINARY:
                part = messages.take(number, frame)
                if part is not None and part.frame == wanted and part.done:
                    return story.content(part, from_client=from_client)
    return ""
