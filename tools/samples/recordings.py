"""All samples by name, and how one is recorded, in a process of its own."""

from __future__ import annotations

from tools.samples import conditions_of_apis, wire_sessions
from tools.samples.sample import Sample

ATTEMPTS = 3  # on a busy machine, the timing of a session may be wrong

SAMPLES: dict[str, Sample] = {
    sample.name: sample for sample in [*wire_sessions.samples(), *conditions_of_apis.samples()]
}


def make(name: str) -> list[str]:
    """Record one sample; returns its faults."""
    faults: list[str] = []
    for _ in range(ATTEMPTS):
        faults = SAMPLES[name].make()
        if not faults:
            break
    return faults
