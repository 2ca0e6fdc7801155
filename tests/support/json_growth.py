"""Applies the growth of JSON, as the script of a live page does."""

from __future__ import annotations

from typing import Any

from wsproxy.view.growth import Growth


def grown(value: Any, change: Growth) -> Any:
    """As `grown` in session.js does."""
    if "set" in change:
        return change["set"]
    if "keep" in change:
        start, count = change.get("cut", (0, 0))
        value = value[:start] + value[start + count :]
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
