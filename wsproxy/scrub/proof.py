"""Proves that a failure survived scrubbing, by replays of the scrubbed trace.

The replay client plays it against the replay server, and against the simulated API, which fails
with the condition of the trace's first finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wsproxy.catalog import Catalog, Condition, load
from wsproxy.errors import UnknownCondition, WsproxyError
from wsproxy.replayer import (
    RECORDED_PACE,
    ClientOptions,
    Pace,
    ReplayServer,
    ServerOptions,
    Verdict,
    replay_client,
)
from wsproxy.replayer.replay_trace import ReplayRecording
from wsproxy.session import Session
from wsproxy.simulate import ApiQuotas, Plan, PlanStep, Simulator, Trigger
from wsproxy.wire import is_upgrade

from .anonymize import first_finding

_CONCURRENT = 16
# At most 1 s of silence before a failure that silence triggers.
_QUOTAS = ApiQuotas(silence=1.0)


@dataclass(frozen=True, slots=True)
class Proof:
    """The results for one scrubbed trace.

    Attributes:
        finding_before, finding_after: id of the first finding of the original, and of the
            scrubbed trace; "" for none.
        as_client, as_server: the verdicts of the replay client and the replay server.
        simulated: the verdict against the simulated API: "reproduced" if that session has the
            same finding; empty if the catalog cannot simulate the condition.
        problem: why it could not be replayed; empty if it was.
    """

    trace: Path
    finding_before: str
    finding_after: str
    as_client: str = ""
    as_server: str = ""
    simulated: str = ""
    problem: str = ""

    @property
    def survived(self) -> bool:
        """Whether the failure was reproduced in every replay."""
        tried = [self.as_client, self.as_server, *([self.simulated] if self.simulated else [])]
        return self.finding_before == self.finding_after and all(
            word == "reproduced" for word in tried
        )

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "survived": self.survived,
            "explained_before": self.finding_before or None,
            "explained_now": self.finding_after or None,
            "replay_client": self.as_client or None,
            "replay_server": self.as_server or None,
            "simulated": self.simulated or None,
            **({"problem": self.problem} if self.problem else {}),
        }


def prove(
    traces: Iterable[tuple[Path, str]],
    *,
    pace: Pace = RECORDED_PACE,
    timeout: float = 10.0,
    catalog: Catalog | None = None,
) -> list[Proof]:
    """Replay scrubbed traces, several at a time.

    Args:
        traces: each with the id of the first finding of its original.
        timeout: seconds that a side may take longer than in the recording.
    """
    known = catalog or load()
    with TemporaryDirectory(prefix="wsproxy-prove-") as folder:
        stage = _ProofRunner(ReplayRecording.into(Path(folder), known), known, pace, timeout)
        return asyncio.run(stage.prove_all(list(traces)))


@dataclass(frozen=True, slots=True)
class _ProofRunner:
    records: ReplayRecording
    catalog: Catalog
    pace: Pace
    timeout: float

    async def prove_all(self, traces: list[tuple[Path, str]]) -> list[Proof]:
        slots = asyncio.Semaphore(_CONCURRENT)

        async def one(trace: Path, finding_before: str) -> Proof:
            async with slots:
                return await self._one(trace, finding_before)

        return list(await asyncio.gather(*(one(*each) for each in traces)))

    async def _one(self, trace: Path, finding_before: str) -> Proof:
        session = Session.read(trace, catalog=self.catalog)
        finding_after = first_finding(session, self.catalog)
        try:
            as_client, as_server = await self._both_ends(trace, session)
            simulated = await self._simulated(trace, session, finding_after)
        except WsproxyError as error:
            return Proof(trace, finding_before, finding_after, problem=str(error))
        return Proof(
            trace, finding_before, finding_after, as_client.verdict, as_server.verdict, simulated
        )

    async def _both_ends(self, trace: Path, session: Session) -> tuple[Verdict, Verdict]:
        options = ServerOptions(pace=self.pace, timeout=self.timeout)
        async with ReplayServer(trace, options, self.records) as server:
            client = self._client(_address(server.url, session))
            as_client = await replay_client(trace, client, self.records)
            return as_client, await server.verdict()

    async def _simulated(self, trace: Path, session: Session, finding: str) -> str:
        condition = self._condition(finding)
        if condition is None:
            return ""
        plan = Plan([PlanStep(condition, trigger=self._failure_time(session))])
        async with Simulator(plan, limits=_QUOTAS, catalog=self.catalog) as api:
            client = self._client(_address(api.url, session))
            verdict = await replay_client(trace, client, self.records)
        # Messages of the simulated API before the failure may differ; only the failure counts.
        return "reproduced" if verdict.replayed.get("condition") == finding else verdict.verdict

    def _failure_time(self, session: Session) -> Trigger | None:
        """When the recorded session failed; None if the pace ignores recorded times."""
        if session.opened_ns is None or self.pace.fast:
            return None
        ended = session.close.t_ns if session.close else session.duration_ns
        return Trigger("seconds", self.pace.scaled(ended - session.opened_ns) / 1e9)

    def _condition(self, finding: str) -> Condition | None:
        try:
            condition = self.catalog.condition(finding)
        except UnknownCondition:
            return None
        return condition if condition.simulated else None

    def _client(self, url: str) -> ClientOptions:
        return ClientOptions(url, pace=self.pace, timeout=self.timeout)


def _address(url: str, session: Session) -> str:
    """The URL of the session; with scheme http for a plain HTTP exchange."""
    request = session.request
    upgrade = request is None or is_upgrade((h[0], h[1]) for h in request.headers)
    return url if upgrade else url.replace("ws:", "http:", 1)
