"""A place in a trace on the command line: a time or a frame."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsproxy.errors import InvalidValue

_PLACE = re.compile(r"#(\d+)|(\d+(?:\.\d+)?)\s*(ms|s|m)?")
_NS = {"ms": 1e6, "s": 1e9, "m": 60e9, None: 1e9}


@dataclass(frozen=True, slots=True)
class TracePlace:
    """A place in a trace: a frame's number or a time since the start, ns."""

    number: int | None = None
    t_ns: int | None = None

    @classmethod
    def parse(cls, text: str, option: str) -> TracePlace:
        """Read a place such as 12.5s or #40.

        Raises:
            InvalidValue: it is none.
        """
        match = _PLACE.fullmatch(text.strip())
        if match is None:
            raise InvalidValue(option, text, "expected a time such as 12.5s or a frame such as #40")
        if match[1]:
            return cls(number=int(match[1]))
        return cls(t_ns=int(float(match[2]) * _NS[match[3]]))
