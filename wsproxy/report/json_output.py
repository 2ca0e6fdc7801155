"""JSON as the commands print it: strict, and safe to see on a terminal."""

from __future__ import annotations

import json
import math
import sys
from typing import Any


def dumps(value: object, *, indent: int | None = None) -> str:
    """JSON in which all that a terminal might obey is escaped, in strings too.

    Numbers that JSON has no way to write (messages of the traffic may hold NaN, which
    Python reads) become strings.

    Where stdout is not UTF-8, all beyond ASCII is escaped: no value is changed on its way.

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
    # There may be much of it, with few kinds of characters.
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
