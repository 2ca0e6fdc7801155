"""One session for each condition of Deepgram and AssemblyAI, against the simulated APIs.

If a client can cause the condition by breaking a rule of the API, it does; otherwise the API
fails according to a plan. The clients behave as in tests/simulate/test_conditions.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from conditions import ANYWHERE, Behaviour
from test_conditions import CASES, ELSEWHERE, Case
from tools.samples.sample import SPEAK, Sample, compressible, talk

PROVIDERS = ("deepgram", "assemblyai")
WAITS = 0.5  # seconds after a failure that does not end the session

# The documented minimum is 5 seconds.
_INACTIVITY = "/v3/ws?sample_rate=16000&inactivity_timeout=1"
_PATHS = {"assemblyai.streaming.3006-inactivity": _INACTIVITY}


def cases() -> dict[str, Case]:
    """The cases to record, by the id of their condition."""
    found: dict[str, Case] = {}
    for case in sorted(CASES, key=lambda case: case.by_rule):
        if case.condition.provider in PROVIDERS:
            found[case.condition.id] = case
    return found


def samples() -> list[Sample]:
    return [_sample(case) for case in cases().values()]


def _sample(case: Case) -> Sample:
    condition, place = case.condition, case.place
    host = ELSEWHERE.get(condition.id) or (place.host if place else ANYWHERE)
    behaviour = _behaviour(case)

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        async with case.api as api:
            yield api.port

    return Sample(
        f"{condition.provider}/{condition.id}",
        host,
        server,
        lambda peer: talk(peer, host, place, behaviour),
        finding=condition.id,
    )


def _behaviour(case: Case) -> Behaviour:
    usual = compressible(case.behaviour)
    path = _PATHS.get(case.condition.id, usual.path)
    if path is None and case.place is not None and case.place.api.name == "speak":
        path = SPEAK
    stalls = WAITS if usual.stalls == 1.0 else usual.stalls
    return replace(usual, path=path, stalls=stalls)
