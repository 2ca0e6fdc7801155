"""Limits of the recorder: sizes, fsync policy, strict mode."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsproxy.wire import MAX_PAYLOAD

from .fsync import Policy

MIN_SIZE = 1 << 20  # bytes; a part has to hold a few blocks

_SIZE = re.compile(r"\s*+([0-9]++(?:\.[0-9]+)?)\s*+([kmgt]?)(i?)(b?)\s*+", re.IGNORECASE)
_UNITS = ("", "k", "m", "g", "t")


class InvalidLimit(ValueError):
    """A limit is invalid.

    Attributes:
        name: of the limit, as in RecorderLimits.
        problem: what is wrong with it.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """How much is recorded, and how safely.

    Attributes:
        max_payload: bytes stored of the payload of one frame.
        max_size: bytes after which a trace continues in another file; None: never.
        max_folder: bytes of all traces above which the oldest finished ones are removed;
            None: never.
        fsync: when written data is synced.
        strict: refuse new sessions while traces cannot be written.
    """

    max_payload: int = MAX_PAYLOAD
    max_size: int | None = None
    max_folder: int | None = None
    fsync: Policy = "end"
    strict: bool = False

    @classmethod
    def parse(
        cls, max_payload: str, max_size: str, max_folder: str, fsync: Policy, *, strict: bool
    ) -> RecorderLimits:
        """Read sizes as text; an empty `max_size` or `max_folder` means no limit.

        Raises:
            InvalidLimit: one of them is invalid.
        """
        return cls(
            _limit("max_payload", max_payload, 0, MAX_PAYLOAD),
            _limit("max_size", max_size, MIN_SIZE) if max_size else None,
            _limit("max_folder", max_folder, MIN_SIZE) if max_folder else None,
            fsync,
            strict,
        )


def parse_size(text: str) -> int:
    """Bytes of a size: 1500, 64kB, 100MB, 1.5GiB; kB is 1000 bytes, KiB 1024.

    Raises:
        ValueError: it is not a size.
    """
    match = _SIZE.fullmatch(text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"invalid size {text!r}: expected 500kB, 100MB, 1.5GiB or similar")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _UNITS.index(match[2].lower()))


def _limit(name: str, text: str, smallest: int, largest: int | None = None) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        raise InvalidLimit(name, str(error)) from None
    if size < smallest:
        raise InvalidLimit(name, f"{text} is less than the minimum of {_mebibytes(smallest)}")
    if largest is not None and size > largest:
        raise InvalidLimit(name, f"{text} is more than the maximum of {_mebibytes(largest)}")
    return size


def _mebibytes(size: int) -> str:
    return f"{size >> 20} MiB"
