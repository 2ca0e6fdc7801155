"""JSON inside HTML: nothing in it can end the element that it is in."""

from __future__ import annotations

import json
import math
from typing import Any

_MARKUP = frozenset("<>&")


def json_block(value: object) -> str:
    """Compact JSON for a `<script type="application/json">`.

    Numbers that JSON cannot represent become null. Markup, line separators, and control and
    direction characters are escaped.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        finite = _finite(value)
        text = json.dumps(finite, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # The text may be long, but has few different characters.
    special = {c for c in set(text) if c in _MARKUP or not c.isprintable()}
    return text.translate({ord(c): _escaped(c) for c in special})


def _escaped(character: str) -> str:
    return json.dumps(character)[1:-1] if character not in _MARKUP else f"\\u{ord(character):04x}"


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value
