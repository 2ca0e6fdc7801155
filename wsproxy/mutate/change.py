"""The base class of all changes, and the parsers of their times and numbers."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from wsproxy.errors import UsageError
from wsproxy.redact import HeadRedactor

from .draft import Draft


class Change(ABC):
    """One change to a session.

    `str(change)` is the option of `wsproxy mutate`; it is written to the new trace's `changes`.
    Subclasses are frozen dataclasses with a `parse` method.
    """

    __slots__ = ()

    def without_credentials(self, redact: HeadRedactor) -> Change:
        """The change without credentials, which is applied and recorded."""
        return self

    @abstractmethod
    def apply(self, draft: Draft) -> None:
        """Make the change.

        Raises:
            UsageError: it is not possible in this session, or would change nothing.
        """


MAX_TIME = 1000 * 3600 * 10**9  # ns, of an option
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m)?")
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, None: 10**9}
_NUMBER = re.compile(r"#?(\d{1,9})")


def parse_time(text: str, option: str, expected: str) -> int:
    """Read "5s", "7.5s", "500ms", "1m" or "5" (seconds).

    Args:
        option: the option with its value, for the message.
        expected: the expected form, for the message.

    Returns:
        Nanoseconds.

    Raises:
        UsageError: it is none of these.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{option}: give {expected}")
    t_ns = round(float(found[1]) * _UNITS[found[2]])
    if t_ns > MAX_TIME:
        raise UsageError(f"{option}: that is more than {MAX_TIME // (3600 * 10**9)} hours")
    return t_ns


def parse_frame(text: str, option: str, expected: str) -> int:
    """Read a frame's number, "40" or "#40".

    Raises:
        UsageError: it is none.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise UsageError(f"{option}: give {expected}, numbered as `wsproxy show` does, from 1")
    return int(found[1])


def parse_number(text: str, option: str, expected: str, maximum: int) -> int:
    """Read an integer up to `maximum`.

    Raises:
        UsageError: it is none, or a larger one.
    """
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) > maximum:
        raise UsageError(f"{option}: give {expected}")
    return int(text)


def format_seconds(t_ns: int) -> str:
    """A time in the form of an option: "7.5s", "20ms"."""
    if t_ns < 10**9 and t_ns % 10**6 == 0:
        return f"{t_ns // 10**6}ms"
    return f"{t_ns / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
