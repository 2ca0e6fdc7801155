"""Times and frame numbers as people write them."""

from __future__ import annotations

import re

from wsproxy.errors import UsageError

MAX_TIME = 1000 * 3600 * 10**9  # ns that people may ask for
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m)?")
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, None: 10**9}
_NUMBER = re.compile(r"#?(\d{1,9})")


def parse_time(text: str, whole: str, form: str) -> int:
    """Read "5s", "7.5s", "500ms", "1m" or "5" (seconds).

    Args:
        whole: the option with its value, for the message.
        form: what would be right, for the message.

    Returns:
        Nanoseconds.

    Raises:
        UsageError: it is none of these.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{whole}: give {form}")
    t_ns = round(float(found[1]) * _UNITS[found[2]])
    if t_ns > MAX_TIME:
        raise UsageError(f"{whole}: that is over {MAX_TIME // (3600 * 10**9)} hours")
    return t_ns


def parse_frame(text: str, whole: str, form: str) -> int:
    """Read a frame's number, "40" or "#40".

    Raises:
        UsageError: it is none.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise UsageError(f"{whole}: give {form}, numbered as `wsproxy show` does, from 1")
    return int(found[1])


def parse_number(text: str, whole: str, form: str, most: int) -> int:
    """Read a whole number up to `most`.

    Raises:
        UsageError: it is none, or a larger one.
    """
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) > most:
        raise UsageError(f"{whole}: give {form}")
    return int(text)


def seconds(t_ns: int) -> str:
    """A time as an option has it: "7.5s", "20ms"."""
    if t_ns < 10**9 and t_ns % 10**6 == 0:
        return f"{t_ns // 10**6}ms"
    return f"{t_ns / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
