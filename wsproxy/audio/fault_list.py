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
_NEAR_S = 3.0  # around a cause, in which its consequences may be found
_ODD_NEAR_S = 1.0  # between a lost byte and the first sound that shows it


def reconciled(faults: Sequence[AudioFault], odd_ends: Sequence[float]) -> tuple[AudioFault, ...]:
    """The faults without those that another one explains.

    Args:
        faults: all that were found.
        odd_ends: positions of the ends of chunks that end within a sample.
    """
    causes = [fault.where for fault in faults if fault.kind in _OTHER_FORMATS]
    kept = [
        _aligned(fault, odd_ends)
        for fault in faults
        if fault.kind not in _CONSEQUENCES or _covered(fault.where, causes) < 0.5
    ]
    kept.sort(key=lambda fault: (fault.where.start_s, fault.kind))
    counts: Counter[str] = Counter()
    out = []
    for fault in kept:
        counts[fault.kind] += 1
        if counts[fault.kind] <= MAX_FAULTS:
            out.append(fault)
    return tuple(out)


def _covered(where: Region, causes: Sequence[Region]) -> float:
    """The share of a region that is in one of these."""
    common = sum(
        max(
            0.0,
            min(where.end_s, cause.end_s + _NEAR_S) - max(where.start_s, cause.start_s - _NEAR_S),
        )
        for cause in causes
    )
    return common / where.seconds if where.seconds else 0.0


def _aligned(fault: AudioFault, odd_ends: Sequence[float]) -> AudioFault:
    """A swap of bytes that begins after half a sample is a lost or added byte."""
    if fault.kind != BYTE_ORDER:
        return fault
    start = fault.where.start_s
    if any(-_ODD_NEAR_S <= start - end <= _ODD_NEAR_S for end in odd_ends):
        return replace(fault, kind=MISALIGNED)
    return fault
