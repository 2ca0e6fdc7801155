"""Whether the header of a WAV stream contradicts itself: a rule, and a check of conditions."""

from __future__ import annotations

from wsproxy.audio.report import WRONG_WAV_HEADER, AudioFault

from .evidence import Evidence
from .session_facts import SessionFacts

_FIELDS = (("BlockAlign", "block_align"), ("ByteRate", "byte_rate"))


def wav_header_fields(facts: SessionFacts) -> list[Evidence]:
    """Fields of a WAV header contradict each other."""
    if not facts.audio.from_client:
        return []
    faults = [fault for fault in facts.signal.faults if fault.kind == WRONG_WAV_HEADER]
    return [_evidence(fault) for fault in faults]


def _evidence(fault: AudioFault) -> Evidence:
    numbers = {name: float(value) for name, value in fault.figures.items()}
    wrong = [
        f"{title} is {numbers[name]:.0f}, "
        f"and by the other fields it must be {numbers['expected_' + name]:.0f}"
        for title, name in _FIELDS
        if numbers[name] != numbers["expected_" + name]
    ]
    where = fault.where
    line = f"in the WAV header, {'; '.join(wrong)} (frame {where.frame})"
    return Evidence(line, (where.frame,), where.t_ns, numbers["block_align"], "bytes")
