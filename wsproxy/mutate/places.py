"""Times and frame numbers as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsproxy.errors import InvalidValue

MAX_TIME = 1000 * 3600 * 10**9  # ns that people may ask for
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s|m)?")
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, None: 10**9}
_NUMBER = re.compile(r"#?(\d{1,9})")
_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a change as it was given, for what is wrong with it.

    Attributes:
        change: the name of the change, such as "stall".
        given: the value.
        form: what would be right.
    """

    change: str
    given: str
    form: str

    def wrong(self, problem: str = "") -> InvalidValue:
        """The error for it.

        Args:
            problem: what is wrong; empty: it is not of its form.
        """
        given = self.given if len(self.given) <= _SHOWN else self.given[: _SHOWN - 1] + "…"
        return InvalidValue(self.change, given, problem or f"expected {self.form}")


def parse_time(text: str, value: Value) -> int:
    """Read "5s", "7.5s", "500ms", "1m" or "5" (seconds).

    Args:
        value: of which the text is a part.

    Returns:
        Nanoseconds.

    Raises:
        InvalidValue: it is none of these.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise value.wrong()
    t_ns = round(float(found[1]) * _UNITS[found[2]])
    if t_ns > MAX_TIME:
        raise value.wrong(f"a time is at most {MAX_TIME // (3600 * 10**9)} hours")
    return t_ns


def parse_frame(text: str, value: Value) -> int:
    """Read a frame's number, "40" or "#40".

    Raises:
        InvalidValue: it is none.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise value.wrong(f"expected {value.form}, numbered as `wsproxy show` does, from 1")
    return int(found[1])


def parse_number(text: str, value: Value, most: int) -> int:
    """Read a whole number up to `most`.

    Raises:
        InvalidValue: it is none, or a larger one.
    """
    text = text.strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or int(text) > most:
        raise value.wrong()
    return int(text)


def seconds(t_ns: int) -> str:
    """A time as an option has it: "7.5s", "20ms"."""
    if t_ns < 10**9 and t_ns % 10**6 == 0:
        return f"{t_ns // 10**6}ms"
    return f"{t_ns / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
