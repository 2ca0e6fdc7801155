"""Faults that the analysis of all of the app's audio found, as evidence with places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from wsproxy.audio.containers import HEADLESS
from wsproxy.audio.report import (
    COMPANDED_AS_PCM,
    FLOAT_AS_INT,
    INT_AS_FLOAT,
    OTHER_FLOAT,
    OTHER_LAW,
    PCM_AS_COMPANDED,
    AudioFault,
)

from .evidence import Evidence
from .session_facts import SessionFacts

OTHER_SAMPLES = frozenset(
    {FLOAT_AS_INT, INT_AS_FLOAT, COMPANDED_AS_PCM, PCM_AS_COMPANDED, OTHER_LAW, OTHER_FLOAT}
)
"""Samples in another encoding than the declared one; the order of bytes is apart."""

_MOST = 0.5  # of the audio, from which on a fault is one of all of it
_SHOWN = 5  # places in the evidence of one rule
_NAMES = {
    "linear16": "16-bit PCM",
    "pcm_s16be": "16-bit PCM, big-endian",
    "float32": "32-bit float PCM",
    "float64": "64-bit float PCM",
    "pcm_f32be": "32-bit float PCM, big-endian",
    "mulaw": "mu-law",
    "alaw": "A-law",
}


def faults_of(facts: SessionFacts, kinds: Collection[str]) -> list[AudioFault]:
    """The faults of these kinds in the audio that the app sends."""
    if not facts.audio.from_client or facts.audio.kind.endswith(HEADLESS):
        return []  # nothing decodes what begins in the middle of a container
    return [fault for fault in facts.signal.faults if fault.kind in kinds]


def holds_for_most(facts: SessionFacts, kinds: Collection[str]) -> bool:
    """Whether at least half of the audio has such a fault."""
    wrong = sum(fault.where.seconds for fault in faults_of(facts, kinds))
    return wrong >= _MOST * facts.signal.duration_s > 0


def located(
    faults: Sequence[AudioFault], text: Callable[[AudioFault], str], figure: str, unit: str
) -> list[Evidence]:
    """Evidence of each fault: what was measured, and where.

    Args:
        text: says what was measured.
        figure: the figure of a fault that is the value; "": its duration is.
        unit: of the value.
    """
    out = []
    for fault in faults[:_SHOWN]:
        where = fault.where
        place = f"{where.start_s:.1f} s" if where.seconds < 0.05 else _between(fault)
        line = f"{text(fault)}, at {place} of the audio (frame {where.frame})"
        value = fault.figures.get(figure, where.seconds)
        number = round(float(value), 2) if not isinstance(value, str) else None
        out.append(Evidence(line, (where.frame,), where.t_ns, number, unit))
    if len(faults) > _SHOWN:
        more = len(faults) - _SHOWN
        out.append(Evidence(f"{more} more places", (), None, float(more), "places"))
    return out


def _between(fault: AudioFault) -> str:
    return f"{fault.where.start_s:.1f} to {fault.where.end_s:.1f} s"


def found_samples(fault: AudioFault) -> str:
    """What the samples really are."""
    found = str(fault.figures["found"])
    return _NAMES.get(found, found)
