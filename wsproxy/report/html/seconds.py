"""Times and sides, as the data of a page has them."""

from __future__ import annotations

from typing import overload


@overload
def seconds_of(t_ns: int) -> float: ...
@overload
def seconds_of(t_ns: int | None) -> float | None: ...
def seconds_of(t_ns: int | None) -> float | None:
    """A time in seconds; None if it is unknown."""
    return None if t_ns is None else round(t_ns / 1e9, 4)


def side_of(from_client: bool) -> str:
    """The side of a frame: "c" for the client (the app), "s" for the server."""
    return "c" if from_client else "s"
