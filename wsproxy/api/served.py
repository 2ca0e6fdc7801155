"""What is served to the code under test, and how it is reached."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.errors import UsageError
from wsproxy.replayer import Verdict
from wsproxy.simulate import ConnectionLog, RunningSimulator

from .arrivals import refuse_in_event_loop
from .proxy import FindServer, Proxy, redirecting_proxy
from .server_thread import ServerThread

_NO_VERDICTS = "there are verdicts only where a trace is served"


class Served(ABC):
    """A server for the code under test, on its own thread.

    Attributes:
        url: base URL for the code under test, without a path.
        refused: requests that nothing answered, one line each.
    """

    def __init__(self, url: str, stack: ExitStack, confdir: Path | None) -> None:
        self.refused: list[str] = []
        self._url = url
        self._stack = stack
        self._confdir = confdir

    @property
    def url(self) -> str:
        return self._url

    @property
    def proxy(self) -> str:
        """URL of a proxy through which the server is reached at the API's real host name.

        The proxy starts when this, `ca` or `env` is first used. It does not connect to other
        machines.

        Raises:
            RecorderMissing: mitmproxy is not installed, and neither PATH nor WSPROXY_RECORDER
                has a wsproxy with it.
        """
        return self._running_proxy.url

    @property
    def ca(self) -> Path:
        """PEM file of the certificate authority to trust behind the proxy."""
        return self._running_proxy.ca

    @property
    def env(self) -> dict[str, str]:
        """The environment of this process, plus the variables that make a command use the proxy.

        They suit a command in any language: proxy variables, and those that make Python, Node,
        curl and others trust its certificates.
        """
        return dict(self._running_proxy.env)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts of all ended sessions; empty unless a trace is served."""
        return []

    @property
    def traces(self) -> list[Path]:
        """The recordings of the code under test; empty unless a trace is served."""
        return [verdict.trace for verdict in self.verdicts if verdict.trace is not None]

    @property
    def sessions(self) -> list[ConnectionLog]:
        """What arrived in each session; empty unless a condition or a plan is served."""
        return []

    def verdict(self, timeout: float = 30.0) -> Verdict:
        """Wait for the next session to end, and return its verdict.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: no session ended in that time.
            BlockingCall: an event loop is running on this thread.
            UsageError: no trace is served, or the session cannot be recorded.
        """
        raise UsageError(_NO_VERDICTS)

    async def verdict_async(self, timeout: float = 30.0) -> Verdict:  # noqa: ASYNC109
        """Wait like `verdict`, for asynchronous code.

        Raises:
            TimeoutError: no session ended in that time.
            UsageError: no trace is served, or the session cannot be recorded.
        """
        raise UsageError(_NO_VERDICTS)

    @abstractmethod
    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until `count` sessions have ended.

        Raises:
            TimeoutError: fewer have ended within `timeout` seconds.
            BlockingCall: an event loop is running on this thread.
        """

    @abstractmethod
    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """Wait like `wait`, for asynchronous code.

        Raises:
            TimeoutError: fewer have ended within `timeout` seconds.
        """

    def settle(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until no session is open; returns whether that is so."""
        return True

    @cached_property
    def _running_proxy(self) -> Proxy:
        return self._open_proxy()

    @abstractmethod
    def _open_proxy(self) -> Proxy:
        """Start the proxy; the exit stack stops it."""

    def _start_proxy(self, find_server: FindServer) -> Proxy:
        return self._stack.enter_context(
            redirecting_proxy(find_server, self._add_refused, self._confdir)
        )

    def _add_refused(self, host: str) -> None:
        self.refused.append(f"nothing here answers for {host}")


class ServedRecording(Served):
    """A served trace, or a served folder of traces."""

    def __init__(
        self, thread: ServerThread, refused: list[str], stack: ExitStack, confdir: Path | None
    ) -> None:
        super().__init__(thread.server.url, stack, confdir)
        self.refused = refused
        self._thread = thread
        self._returned = 0

    @property
    def verdicts(self) -> list[Verdict]:
        return [each for each in self._thread.results.items() if isinstance(each, Verdict)]

    @property
    def errors(self) -> list[Exception]:
        """Errors that occurred instead of a verdict."""
        return [each for each in self._thread.results.items() if isinstance(each, Exception)]

    def verdict(self, timeout: float = 30.0) -> Verdict:
        refuse_in_event_loop("verdict()", "await verdict_async()")
        return self._next_verdict(self._thread.results.wait(self._returned + 1, timeout))

    async def verdict_async(self, timeout: float = 30.0) -> Verdict:  # noqa: ASYNC109
        while True:
            returned = self._returned
            results = await self._thread.results.wait_async(returned + 1, timeout)
            if returned == self._returned:  # no other task has returned it meanwhile
                return self._next_verdict(results)

    def _next_verdict(self, results: list[Verdict | Exception]) -> Verdict:
        verdict = results[self._returned]
        self._returned += 1
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        refuse_in_event_loop("wait()", "await wait_async()")
        self._thread.results.wait(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        await self._thread.results.wait_async(count, timeout)

    def settle(self, timeout: float) -> bool:
        return self._thread.settle(timeout)

    def _open_proxy(self) -> Proxy:
        return self._start_proxy(self._thread.server.address_for)


class ServedPlan(Served):
    """Simulated APIs that fail according to a plan."""

    def __init__(self, simulator: RunningSimulator, stack: ExitStack, confdir: Path | None) -> None:
        super().__init__(simulator.url, stack, confdir)
        self._simulator = simulator

    @property
    def sessions(self) -> list[ConnectionLog]:
        return list(self._simulator.sessions)

    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        refuse_in_event_loop("wait()", "await wait_async()")
        self._simulator.ended(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        await self._simulator.ended_async(count, timeout)

    def _open_proxy(self) -> Proxy:
        def find_server(host: str, target: str) -> tuple[str, int] | None:
            provider, _ = load().recognize(host, target.partition("?")[0])
            return ("127.0.0.1", self._simulator.port) if provider is not None else None

        return self._start_proxy(find_server)
