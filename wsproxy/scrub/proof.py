"""Whether a failure survived: a scrubbed trace played from both sides, and against the API.

The replay server plays it for the replay client; the replay client plays it against the
simulated API, which fails with the condition that the trace is explained as.
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
    RECORDED,
    ClientOptions,
    Pace,
    ReplayServer,
    ServerOptions,
    Verdict,
    replay_client,
)
from wsproxy.replayer.recording import ReplayRecording
from wsproxy.session import Session
from wsproxy.simulate import ApiQuotas, Plan, PlanStep, Simulator, Trigger
from wsproxy.wire import is_upgrade

from .anonymize import first_finding

_AT_ONCE = 16
# It waits no longer than a second for a failure that comes "in silence".
_PATIENT = ApiQuotas(silence=1.0)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about one scrubbed trace.

    Attributes:
        was, now: id of the first finding of the original, and of the scrubbed trace; "" none.
        as_client, as_server: what the replay client and the replay server say.
        simulated: the same of the simulated condition: "reproduced" where the session with it
            is explained as the recorded one is; empty where the catalog has no simulation.
        problem: why it could not be played, empty if it was.
    """

    trace: Path
    was: str
    now: str
    as_client: str = ""
    as_server: str = ""
    simulated: str = ""
    problem: str = ""

    @property
    def survived(self) -> bool:
        """Whether the failure is still there, in every way that was tried."""
        tried = [self.as_client, self.as_server, *([self.simulated] if self.simulated else [])]
        return self.was == self.now and all(word == "reproduced" for word in tried)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "survived": self.survived,
            "explained_before": self.was or None,
            "explained_now": self.now or None,
            "replay_client": self.as_client or None,
            "replay_server": self.as_server or None,
            "simulated": self.simulated or None,
            **({"problem": self.problem} if self.problem else {}),
        }


def prove(
    traces: Iterable[tuple[Path, str]],
    *,
    pace: Pace = RECORDED,
    timeout: float = 10.0,
    catalog: Catalog | None = None,
) -> list[Proof]:
    """Play scrubbed traces, several at a time.

    Args:
        traces: each with the id of the first finding of what it was made of.
        timeout: seconds that a side may take longer than in the recording.
    """
    known = catalog or load()
    with TemporaryDirectory(prefix="wsproxy-prove-") as folder:
        stage = _Stage(ReplayRecording.into(Path(folder), known), known, pace, timeout)
        return asyncio.run(stage.all_of(list(traces)))


@dataclass(frozen=True, slots=True)
class _Stage:
    records: ReplayRecording
    catalog: Catalog
    pace: Pace
    timeout: float

    async def all_of(self, traces: list[tuple[Path, str]]) -> list[Proof]:
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(trace: Path, was: str) -> Proof:
            async with room:
                return await self._one(trace, was)

        return list(await asyncio.gather(*(one(*each) for each in traces)))

    async def _one(self, trace: Path, was: str) -> Proof:
        session = Session.read(trace)
        now = first_finding(session, self.catalog)
        try:
            as_client, as_server = await self._both_ends(trace, session)
            simulated = await self._simulated(trace, session, now)
        except WsproxyError as error:
            return Proof(trace, was, now, problem=str(error))
        return Proof(trace, was, now, as_client.verdict, as_server.verdict, simulated)

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
        plan = Plan([PlanStep(condition, trigger=self._moment(session))])
        async with Simulator(plan, limits=_PATIENT, catalog=self.catalog) as api:
            client = self._client(_address(api.url, session))
            verdict = await replay_client(trace, client, self.records)
        # What the API says before it fails is its own; that it fails so, is what counts.
        return "reproduced" if verdict.replayed.get("condition") == finding else verdict.verdict

    def _moment(self, session: Session) -> Trigger | None:
        """The failure comes when it came; None where the pace has no such time."""
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
    """Where a plain HTTP exchange goes as well."""
    request = session.request
    upgrade = request is None or is_upgrade((h[0], h[1]) for h in request.headers)
    return url if upgrade else url.replace("ws:", "http:", 1)
