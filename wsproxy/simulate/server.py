"""The simulated speech API as a server, and in a thread for synchronous tests."""

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

from websockets.datastructures import Headers

from wsproxy.catalog.model import Condition, Refusal, Simulate
from wsproxy.errors import UsageError

from .api import Api, Request
from .assemblyai import Streaming
from .connection import Connection, Seen
from .limits import Limits
from .listen import Listen
from .scripted import Scripted
from .speak import Speak

# path: (name, API)
APIS: dict[str, tuple[str, type[Api]]] = {
    "/v1/listen": ("deepgram listen", Listen),
    "/v1/speak": ("deepgram speak", Speak),
    "/v3/ws": ("assemblyai streaming", Streaming),
}


class _Nothing(Api):
    """A path that no API is at."""

    def refusal(self) -> Refusal | None:
        if self.request.path.rstrip("/") == "/v2/realtime/ws":
            return Refusal(410, (), '{"error": "Deprecated endpoint"}', "application/json")
        return Refusal(404, (), "nothing is simulated at this path\n", "text/plain")


class Simulator:
    """Serves the documented APIs, and fails every session if told how.

    Args:
        condition: what every session fails with; None: sessions fail only by their own
            doing, as documented.
        host, port: where to listen; port 0 takes a free one.
        tls: serves wss:// with this context.
        limits: what is allowed.
        deflate: agree on permessage-deflate with clients that offer it.
        on_end: called with each session that is over.

    Attributes:
        sessions: what came in each, in the order of their requests.

    Raises:
        UsageError: the condition is not one that a server brings about (at once), or the
            address cannot be listened on (when entered).
    """

    def __init__(
        self,
        condition: Condition | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        deflate: bool = False,
        on_end: Callable[[Seen], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.sessions: list[Seen] = []
        self._script = _script(condition)
        self._condition = condition
        self._tls = tls
        self._limits = limits or Limits()
        self._deflate = deflate
        self._on_end = on_end
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._ended = 0
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self._tls else 'ws'}://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(
                self._accept, self.host, self.port, ssl=self._tls
            )
        except (OSError, OverflowError) as error:
            number = getattr(error, "errno", None)
            # asyncio's own text repeats the address; a name that is not known has no such number.
            reason = os.strerror(number) if number and number > 0 else error
            raise UsageError(f"cannot listen on {self.host}:{self.port}: {reason}") from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ended(self, count: int) -> list[Seen]:
        """Wait until so many sessions are over, and return all."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended >= count)
        return self.sessions

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        seen = Seen()
        connection = Connection(
            reader,
            writer,
            seen,
            lambda target, headers: self._choose(seen, target, headers),
            deflate=self._deflate,
            linger=self._limits.linger,
        )
        try:
            await connection.run()
        finally:
            self._tasks.discard(task)
            if seen.path:
                await self._end(seen)

    async def _end(self, seen: Seen) -> None:
        self._open -= 1
        if self._on_end is not None:
            self._on_end(seen)
        async with self._changed:
            self._ended += 1
            self._changed.notify_all()

    def _choose(self, seen: Seen, target: str, headers: Headers) -> tuple[Request, Api]:
        """The API for a request; from here on it is a session."""
        request = Request.parse(
            target,
            {name.lower(): value for name, value in headers.raw_items()},
            request_id=str(uuid.uuid4()),
            created=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            now=time.time(),
            sessions=self._open,
        )
        name, kind = APIS.get(request.path.rstrip("/"), ("", _Nothing))
        api = kind(request, self._limits)
        if self._script is not None:
            answer_headers = api.answer_headers
            api = Scripted(api if name else Api(request, self._limits), self._script)
            provider = self._condition.provider if self._condition else ""
            api.answer_headers = ("dg-request-id",) if provider == "deepgram" else answer_headers
        seen.path, seen.api, seen.request_id = request.path, name, request.request_id
        self._open += 1
        self.sessions.append(seen)
        return request, api


def _script(condition: Condition | None) -> Simulate | None:
    if condition is None:
        return None
    script = condition.simulate
    if script is None or not (script.close or script.refuse or script.end):
        raise UsageError(f"{condition.id} is not something that a server brings about")
    return script


class Served:
    """A `Simulator` that runs in a thread of its own.

    Attributes:
        simulator: it; read its `url`, `port` and `sessions`.
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
    def sessions(self) -> list[Seen]:
        return self.simulator.sessions

    def ended(self, count: int, timeout: float = 30.0) -> list[Seen]:
        """Wait until so many sessions are over, and return all.

        Raises:
            TimeoutError: they were not within `timeout` seconds.
        """
        future = asyncio.run_coroutine_threadsafe(self.simulator.ended(count), self._loop)
        return future.result(timeout)


@contextlib.contextmanager
def serve_in_thread(
    condition: Condition | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    deflate: bool = False,
) -> Iterator[Served]:
    """Serve in a thread while the block runs; the arguments are `Simulator`'s.

    Raises:
        UsageError: as `Simulator` does.
    """
    simulator = Simulator(condition, host, port, tls=tls, limits=limits, deflate=deflate)
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
        yield Served(simulator, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
