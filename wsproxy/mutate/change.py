"""The base class of all changes, and the parsers of their values."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from wsproxy.errors import InvalidValue
from wsproxy.redact import HeadRedactor

from .draft import Draft


class Change(ABC):
    """One change to a session.

    `str(change)` is its name and value, as in "close 1011:NET-0001"; it is recorded in the new
    trace's `changes`. Subclasses are frozen dataclasses with a `parse` method.
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
_MAX_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Value:
    """The given value of a change, for error messages.

    Attributes:
        change: the name of the change, such as "stall".
        given: the value.
        expected: the expected form.
    """

    change: str
    given: str
    expected: str

    def error(self, problem: str = "") -> InvalidValue:
        """The error for an invalid value.

        Args:
            problem: what is wrong; empty: it does not have the expected form.
        """
        given = self.given if len(self.given) <= _MAX_SHOWN else self.given[: _MAX_SHOWN - 1] + "…"
        return InvalidValue(self.change, given, problem or f"expected {self.expected}")


def parse_time(text: str, value: Value) -> int:
    """Read "5s", "7.5s", "500ms", "1m" or "5" (seconds).

    Args:
        value: the complete value, for the error.

    Returns:
        Nanoseconds.

    Raises:
        InvalidValue: it is invalid.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise value.error()
    t_ns = round(float(found[1]) * _UNITS[found[2]])
    if t_ns > MAX_TIME:
        raise value.error(f"a time is at most {MAX_TIME // (3600 * 10**9)} hours")
    return t_ns


def parse_frame(text: str, value: Value) -> int:
    """Read a frame's number, "40" or "#40".

    Raises:
        InvalidValue: it is invalid.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise value.error(f"expected {value.expected}, numbered as `wsproxy show` does, from 1")
    return int(found[1])


def parse_number(text: str, value: Value, maximum: int) -> int:
    """Read an integer up to `maximum`.

    Raises:
        InvalidValue: it is invalid, or larger.
    """
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) > maximum:
        raise value.error()
    return int(text)


def format_seconds(t_ns: int) -> str:
    """A time in the form of an option: "7.5s", "20ms"."""
    if t_ns < 10**9 and t_ns % 10**6 == 0:
        return f"{t_ns // 10**6}ms"
    return f"{t_ns / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
