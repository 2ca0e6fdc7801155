"""A point in time on the command line."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class PointInTime(click.ParamType[int]):
    """A date, a date and time, or how long ago it was; converted to Unix time in ns."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse a point in time; one without an offset is UTC.

        Raises:
            click.BadParameter: it is none.
        """
        if isinstance(value, int):
            return value
        if ago := _AGO.fullmatch(value):
            return time.time_ns() - int(float(ago[1]) * _SECONDS[ago[2]] * 1e9)
        try:
            at = datetime.fromisoformat(value)
            return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e9)
        except (ValueError, OverflowError):
            expected = "a date (2026-11-21), a time (2026-11-21T13:05) or how long ago (2h)"
            self.fail(f"invalid time {value!r}: expected {expected}", param, ctx)
