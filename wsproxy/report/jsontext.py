"""JSON as the commands print it: strict, and safe to see on a terminal."""

from __future__ import annotations

import json
import math
import sys
from typing import Any


def dumps(value: object, *, indent: int | None = None) -> str:
    """JSON in which terminal control characters are escaped, in strings too.

    Numbers that JSON cannot represent become strings: a message may contain NaN, which Python
    reads.

    If stdout is not UTF-8, everything but ASCII is escaped, so that no value is changed.

    Args:
        value: what `json.dumps` takes.
    """
    ascii_only = not (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
    try:
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), indent=indent, ensure_ascii=ascii_only)
    if text.isprintable():
        return text
    # The text may be long, but has few different characters.
    escaped = {ord(c): json.dumps(c)[1:-1] for c in set(text) if not c.isprintable() and c != "\n"}
    return text.translate(escaped)


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {_finite(key): _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value
