"""What the documents of an API say of a parameter of its URL, for its catalog file."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ParameterForm:
    """What an API takes as a parameter of its URL.

    Attributes:
        name: of the parameter.
        values: has to match the complete value; None: unknown.
        takes: what it takes, for people.
        least, most, longest: of a number, and characters of the value; 0: no limit.
        not_above: name of the parameter whose value it must not exceed.
        otherwise: the value of that parameter if the URL does not have it.
        only_with, not_with: NAME=BEGINNING of other parameters: it is documented with one of the
            former only, and with none of the latter.
        rates: (part of a value, samples a second that the audio needs at least with it).
        only_in_url: whether a field of this name in a message of the client has no effect.
        one_each: whether several values are as many parameters of this name.
    """

    name: str
    values: re.Pattern[str] | None = None
    takes: str = ""
    least: float = 0.0
    most: float = 0.0
    longest: int = 0
    not_above: str = ""
    otherwise: float = 0.0
    only_with: tuple[str, ...] = ()
    not_with: tuple[str, ...] = ()
    rates: tuple[tuple[str, int], ...] = ()
    only_in_url: bool = False
    one_each: bool = False
