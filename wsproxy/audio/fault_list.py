"""The faults of a stream: only causes, not what follows from them, in the order of positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .report import (
    BYTE_ORDER,
    CLIPPING,
    COMPANDED_AS_PCM,
    DC_OFFSET,
    DIGITAL_SILENCE,
    FLOAT_AS_INT,
    INT_AS_FLOAT,
    MAX_FAULTS,
    MISALIGNED,
    NEAR_SILENCE,
    OTHER_FLOAT,
    OTHER_LAW,
    PCM_AS_COMPANDED,
    STEREO_AS_MONO,
    WRONG_RATE,
    AudioFault,
    Region,
)

_OTHER_FORMATS = frozenset(
    {BYTE_ORDER, MISALIGNED, FLOAT_AS_INT, INT_AS_FLOAT, COMPANDED_AS_PCM, PCM_AS_COMPANDED}
    | {OTHER_LAW, OTHER_FLOAT, STEREO_AS_MONO}
)
# What samples in another format look like.
_CONSEQUENCES = frozenset({CLIPPING, DC_OFFSET, NEAR_SILENCE, WRONG_RATE})
# What a constant looks like that is not zero, e.g. zero bytes in mu-law.
_OF_CONSTANTS = frozenset({CLIPPING, DC_OFFSET})
_NEAR_S = 3.0  # around a cause, in which its consequences may be found
_ODD_NEAR_S = 1.5  # between a lost byte and the first sound that shows it


def reconciled(faults: Sequence[AudioFault], odd_ends: Sequence[Region]) -> tuple[AudioFault, ...]:
    """The faults without those that another one explains.

    Args:
        faults: all that were found.
        odd_ends: the ends of chunks that end within a sample.
    """
    causes = [fault.where for fault in faults if fault.kind in _OTHER_FORMATS]
    constant = [fault.where for fault in faults if fault.kind == DIGITAL_SILENCE]
    kept = [
        fault
        for fault in faults
        if not _follows(fault, _CONSEQUENCES, causes, _NEAR_S)
        and not _follows(fault, _OF_CONSTANTS, constant, 0.0)
    ]
    kept = _misaligned(kept, odd_ends)
    kept.sort(key=lambda fault: (fault.where.start_s, fault.kind))
    counts: Counter[str] = Counter()
    out = []
    for fault in kept:
        counts[fault.kind] += 1
        if counts[fault.kind] <= MAX_FAULTS:
            out.append(fault)
    return tuple(out)


def _follows(
    fault: AudioFault, kinds: frozenset[str], causes: Sequence[Region], near_s: float
) -> bool:
    """Whether a fault of these kinds is, for the most part, near one of the causes."""
    if fault.kind not in kinds:
        return False
    where = fault.where
    common = sum(
        max(
            0.0,
            min(where.end_s, cause.end_s + near_s) - max(where.start_s, cause.start_s - near_s),
        )
        for cause in causes
    )
    return common >= 0.5 * where.seconds > 0


def _misaligned(faults: Sequence[AudioFault], odd_ends: Sequence[Region]) -> list[AudioFault]:
    """The faults, of which those in the order of bytes may follow from half a sample."""
    out: list[AudioFault] = []
    last: int | None = None  # the latest one that does
    for fault in faults:
        found = _aligned(fault, odd_ends)
        begun = out[last].where if last is not None else None
        same = begun is not None and not any(
            begun.start_s < odd.start_s <= fault.where.start_s for odd in odd_ends
        )
        if last is not None and begun is not None and same and fault.kind == BYTE_ORDER:
            # Some windows between them looked right by chance.
            end = fault.where
            out[last] = replace(
                out[last], where=replace(begun, end_s=end.end_s, end_t_ns=end.end_t_ns)
            )
            continue
        if found.kind == MISALIGNED:
            last = len(out)
        out.append(found)
    return out


def _aligned(fault: AudioFault, odd_ends: Sequence[Region]) -> AudioFault:
    """A swap of bytes that begins after half a sample is a lost or added byte, and begins there."""
    if fault.kind != BYTE_ORDER:
        return fault
    where = fault.where
    near = [odd for odd in odd_ends if abs(where.start_s - odd.start_s) <= _ODD_NEAR_S]
    if not near:
        return fault
    begin = min(near, key=lambda odd: abs(where.start_s - odd.start_s))
    found = replace(where, start_s=begin.start_s, frame=begin.frame, t_ns=begin.t_ns)
    return replace(fault, kind=MISALIGNED, where=found)
