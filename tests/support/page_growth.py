"""The growth of a page's data, applied as the page's script does."""

from __future__ import annotations

from typing import Any

from wsproxy.view.growth import Growth


def grown(value: Any, change: Growth) -> Any:
    """A value with its growth."""
    if "set" in change:
        return change["set"]
    if "keep" in change:
        return value[: change["keep"]] + change["more"]
    for key, each in change["in"].items():
        if isinstance(value, list):
            at = int(key)
            value += [None] * (at + 1 - len(value))
            value[at] = grown(value[at], each)
        else:
            value[key] = grown(value.get(key), each)
    for key in change["drop"]:
        del value[key]
    return value
