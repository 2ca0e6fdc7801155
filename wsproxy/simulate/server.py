"""The simulated speech APIs as a server, and in a thread for synchronous tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Self

from wsproxy.catalog import Catalog, Condition, load
from wsproxy.catalog.model import Api as CatalogApi
from wsproxy.catalog.model import Refusal
from wsproxy.errors import UsageError
from wsproxy.system.address import authority

from .api import ApiAnswer, ApiQuotas, ApiRequest, SimulatedApi
from .assemblyai import AssemblyAIStreaming, RetiredApi
from .condition_api import ConditionApi
from .connection import ApiConnection, ConnectionLog, UpgradeRequest
from .deepgram_http import DeepgramHttp
from .deepgram_listen import DeepgramListen
from .deepgram_speak import DeepgramSpeak
from .dialogue_api import DialogueApi
from .plan import Plan, PlanStep

# APIs that validate the client's messages as documented; the others are `DialogueApi`.
_VALIDATING: dict[tuple[str, str], type[SimulatedApi]] = {
    ("deepgram", "listen"): DeepgramListen,
    ("deepgram", "speak"): DeepgramSpeak,
    ("deepgram", "rest"): DeepgramHttp,
    ("assemblyai", "streaming"): AssemblyAIStreaming,
    ("assemblyai", "realtime-v2"): RetiredApi,
}


class _UnknownPath(SimulatedApi):
    """A path without an API."""

    def refusal(self) -> Refusal | None:
        return Refusal(404, (), "nothing is simulated at this path\n", "text/plain")

    def answer(self, body: bytes) -> ApiAnswer:
        return ApiAnswer(404, (), b"nothing is simulated at this path\n", "text/plain")


def simulated_apis(catalog: Catalog) -> list[tuple[str, CatalogApi]]:
    """The APIs that can be simulated: (id of the provider, the API)."""
    return [
        (provider.id, api)
        for provider in catalog.providers
        for api in provider.apis
        if api.dialogue is not None or (provider.id, api.name) in _VALIDATING
    ]


class Simulator:
    """Serves the documented APIs at their real paths, and fails sessions according to a plan.

    Args:
        plan: how the sessions of each API fail; a condition: all fail with it; None: sessions
            fail only through their own fault, as documented.
        host, port: the address to listen on; port 0 selects a free one.
        tls: serves wss:// with this context.
        limits: the limits of each API.
        deflate: accept offers of permessage-deflate.
        on_end: called with each session that has ended.
        catalog: the APIs to serve.

    Attributes:
        sessions: the log of each session, in the order of their requests.

    Raises:
        UsageError: the plan names an API that is not simulated (at once), or the
            address cannot be listened on (when entered).
    """

    def __init__(
        self,
        plan: Plan | Condition | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        limits: ApiQuotas | None = None,
        deflate: bool = False,
        on_end: Callable[[ConnectionLog], None] | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.sessions: list[ConnectionLog] = []
        self._plan = Plan([PlanStep(plan)]) if isinstance(plan, Condition) else plan or Plan()
        self._catalog = catalog or load()
        _check(self._plan, self._catalog)
        self._tls = tls
        self._limits = limits or ApiQuotas()
        self._deflate = deflate
        self._on_end = on_end
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._ended = 0
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        return f"{'wss' if self._tls else 'ws'}://{authority(self.host, self.port)}"

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(
                self._accept, self.host, self.port, ssl=self._tls
            )
        except (OSError, OverflowError) as error:
            number = getattr(error, "errno", None)
            # asyncio's own text repeats the address; an unknown host has no such number.
            reason = os.strerror(number) if number and number > 0 else error
            where = authority(self.host, self.port)
            raise UsageError(f"cannot listen on {where}: {reason}") from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ended(self, count: int) -> list[ConnectionLog]:
        """Wait until `count` sessions have ended, and return all."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended >= count)
        return self.sessions

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        log = ConnectionLog()
        connection = ApiConnection(
            reader,
            writer,
            log,
            lambda upgrade_request: self._choose(log, upgrade_request),
            deflate=self._deflate,
            linger=self._limits.linger,
        )
        try:
            await connection.run()
        finally:
            self._tasks.discard(task)
            if log.path:
                await self._end(log)

    async def _end(self, log: ConnectionLog) -> None:
        self._open -= 1
        if self._on_end is not None:
            self._on_end(log)
        async with self._changed:
            self._ended += 1
            self._changed.notify_all()

    def _choose(self, log: ConnectionLog, upgrade_request: UpgradeRequest) -> SimulatedApi:
        """Select the API for a request, and start its session."""
        request = ApiRequest.parse(
            upgrade_request.target,
            upgrade_request.headers,
            request_id=str(uuid.uuid4()),
            created=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            now=time.time(),
            sessions=self._open,
            method=upgrade_request.method,
            secure=self._tls is not None,
        )
        provider, known = self._recognize(request, plain=not upgrade_request.upgrade)
        name = known.name if known else ""
        api = self._healthy_api(request, provider, known)
        step = self._plan.next(provider, name, plain=not upgrade_request.upgrade)
        if step.condition is not None:
            api = _with_failure(api, step)
        log.path, log.request_id = request.path, request.request_id
        log.api = f"{provider} {name}" if name else ""
        self._open += 1
        self.sessions.append(log)
        return api

    def _recognize(self, request: ApiRequest, *, plain: bool) -> tuple[str, CatalogApi | None]:
        """Select an API by host and path; at other hosts, by the path alone.

        If several APIs have that path, one with a step in the plan is selected. An API that
        cannot be simulated otherwise is served if the plan fails it.
        """
        host = request.headers.get("host", "")
        provider, api = self._catalog.at_host(host, request.path)
        if provider is not None:
            return provider.id, api
        found = [
            (known.id, api)
            for known in self._catalog.providers
            for api in known.apis
            if any(pattern.search(request.path) for pattern in api.paths)
        ]
        served = [each for each in found if each in simulated_apis(self._catalog)]
        planned = [(n, api) for n, api in served if self._plan.has(n, api.name, plain=plain)]
        failing = [(n, api) for n, api in found if self._plan.fails(n, api.name, plain=plain)]
        return next(iter([*planned, *failing, *served]), ("", None))

    def _healthy_api(
        self, request: ApiRequest, provider: str, known: CatalogApi | None
    ) -> SimulatedApi:
        if known is None or (provider, known) not in simulated_apis(self._catalog):
            return _UnknownPath(request, self._limits)
        validating = _VALIDATING.get((provider, known.name))
        if validating is not None:
            return validating(request, self._limits)
        return DialogueApi(request, self._limits, known)


def _check(plan: Plan, catalog: Catalog) -> None:
    known = [f"{provider}.{api.name}" for provider, api in simulated_apis(catalog)]
    others = {
        f"{provider.id}.{api.name}" for provider in catalog.providers for api in provider.apis
    }
    for step in plan.steps:
        fails = step.condition is not None and step.api in others
        if step.api and step.api not in known and not fails:
            raise UsageError(
                f"{step.api!r} is not a simulated API; expected one of {', '.join(known)}"
            )


def _with_failure(api: SimulatedApi, step: PlanStep) -> SimulatedApi:
    assert step.condition is not None and step.condition.simulate is not None
    if isinstance(api, _UnknownPath):
        api = SimulatedApi(api.request, api.limits)
    failing_api = ConditionApi(api, step.condition.simulate, step.trigger)
    if step.condition.provider == "deepgram":
        failing_api.answer_headers = ("dg-request-id",)
    return failing_api


class RunningSimulator:
    """A `Simulator` that runs in its own thread.

    Attributes:
        simulator: the server; read its `url`, `port` and `sessions`.
    """

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator = simulator
        self._loop = loop

    @property
    def url(self) -> str:
        return self.simulator.url

    @property
    def port(self) -> int:
        return self.simulator.port

    @property
    def sessions(self) -> list[ConnectionLog]:
        return self.simulator.sessions

    def ended(self, count: int, timeout: float = 30.0) -> list[ConnectionLog]:
        """Wait until so many sessions are over, and return all.

        Raises:
            TimeoutError: fewer have ended after `timeout` seconds.
        """
        future = asyncio.run_coroutine_threadsafe(self.simulator.ended(count), self._loop)
        return future.result(timeout)

    async def ended_async(self, count: int, timeout: float = 30.0) -> list[ConnectionLog]:  # noqa: ASYNC109
        """The same for asynchronous code.

        Raises:
            TimeoutError: fewer have ended after `timeout` seconds.
        """
        future = asyncio.run_coroutine_threadsafe(self.simulator.ended(count), self._loop)
        async with asyncio.timeout(timeout):
            return await asyncio.wrap_future(future)


@contextlib.contextmanager
def serve_in_thread(
    plan: Plan | Condition | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: ssl.SSLContext | None = None,
    limits: ApiQuotas | None = None,
    deflate: bool = False,
) -> Iterator[RunningSimulator]:
    """Serve in a thread while the block runs; the arguments are `Simulator`'s.

    Raises:
        UsageError: as `Simulator` does.
    """
    simulator = Simulator(plan, host, port, tls=tls, limits=limits, deflate=deflate)
    ready = threading.Event()
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        try:
            async with simulator:
                ready.set()
                await stop.wait()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()

    def run() -> None:
        with contextlib.suppress(UsageError), asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    ready.wait()
    if failed:
        thread.join()
        raise failed[0]
    try:
        yield RunningSimulator(simulator, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
