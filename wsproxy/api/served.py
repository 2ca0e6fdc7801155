"""What is served to the code under test, and how that gets there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from wsproxy.catalog import load
from wsproxy.errors import UsageError
from wsproxy.replayer import Verdict
from wsproxy.simulate import ConnectionLog
from wsproxy.simulate import RunningSimulator as Simulated

from .arrivals import refuse_in_event_loop
from .proxy import Answer, Proxy, lead
from .server_thread import ServerThread

_NO_VERDICTS = "there are verdicts only where a trace is served"


class Served(ABC):
    """A server for the code under test, on a thread of its own.

    Attributes:
        url: where it listens, without a path: the base URL for the code under test.
        refused: requests that nothing answered, a line each.
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
        """URL of a proxy through which the server is met at the API's real host name.

        It is started when this, `ca` or `env` is asked for first. Through it no other
        machine is reached.

        Raises:
            RecorderMissing: there is no mitmproxy here, and no wsproxy with it in PATH or
                WSPROXY_RECORDER.
        """
        return self._way.url

    @property
    def ca(self) -> Path:
        """The certificate authority to trust behind the proxy, PEM."""
        return self._way.ca

    @property
    def env(self) -> dict[str, str]:
        """The environment of this process, with all that sends a command through the proxy.

        For a command in any language: proxy variables, and those that make Python, Node,
        curl and others trust its certificates.
        """
        return dict(self._way.env)

    @property
    def verdicts(self) -> list[Verdict]:
        """Where a trace is served: what each session that is over came to."""
        return []

    @property
    def traces(self) -> list[Path]:
        """Where a trace is served: what the code under test did, recorded."""
        return [verdict.trace for verdict in self.verdicts if verdict.trace is not None]

    @property
    def sessions(self) -> list[ConnectionLog]:
        """Where a condition or a plan is served: what came in each session."""
        return []

    def verdict(self, timeout: float = 30.0) -> Verdict:
        """Wait for the next session to end, and for what it came to.

        Args:
            timeout: seconds.

        Raises:
            TimeoutError: none ended in that time.
            BlockingCall: an event loop is running on this thread.
            UsageError: no trace is served, or what was sent cannot be recorded.
        """
        raise UsageError(_NO_VERDICTS)

    async def verdict_async(self, timeout: float = 30.0) -> Verdict:  # noqa: ASYNC109
        """The same for asynchronous code.

        Raises:
            TimeoutError: none ended in that time.
            UsageError: no trace is served, or what was sent cannot be recorded.
        """
        raise UsageError(_NO_VERDICTS)

    @abstractmethod
    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        """Wait until `count` sessions are over.

        Raises:
            TimeoutError: they were not within `timeout` seconds.
            BlockingCall: an event loop is running on this thread.
        """

    @abstractmethod
    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """The same for asynchronous code.

        Raises:
            TimeoutError: they were not within `timeout` seconds.
        """

    def settle(self, timeout: float) -> bool:
        """Wait until no session is open any more, seconds; whether that came about."""
        return True

    @cached_property
    def _way(self) -> Proxy:
        return self._open()

    @abstractmethod
    def _open(self) -> Proxy:
        """Start the proxy; the stack ends it."""

    def _lead(self, answer: Answer) -> Proxy:
        return self._stack.enter_context(lead(answer, self._refuse, self._confdir))

    def _refuse(self, host: str) -> None:
        self.refused.append(f"nothing here answers for {host}")


class ServedRecording(Served):
    """A trace, or a folder of them."""

    def __init__(
        self, playing: ServerThread, refused: list[str], stack: ExitStack, confdir: Path | None
    ) -> None:
        super().__init__(playing.server.url, stack, confdir)
        self.refused = refused
        self._playing = playing
        self._given = 0

    @property
    def verdicts(self) -> list[Verdict]:
        return [each for each in self._playing.came.items() if isinstance(each, Verdict)]

    @property
    def errors(self) -> list[Exception]:
        """What took the place of verdicts."""
        return [each for each in self._playing.came.items() if isinstance(each, Exception)]

    def verdict(self, timeout: float = 30.0) -> Verdict:
        refuse_in_event_loop("verdict()", "await verdict_async()")
        return self._next(self._playing.came.wait(self._given + 1, timeout))

    async def verdict_async(self, timeout: float = 30.0) -> Verdict:  # noqa: ASYNC109
        while True:
            given = self._given
            came = await self._playing.came.wait_async(given + 1, timeout)
            if given == self._given:  # no other task has taken it meanwhile
                return self._next(came)

    def _next(self, came: list[Verdict | Exception]) -> Verdict:
        verdict = came[self._given]
        self._given += 1
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        refuse_in_event_loop("wait()", "await wait_async()")
        self._playing.came.wait(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        await self._playing.came.wait_async(count, timeout)

    def settle(self, timeout: float) -> bool:
        return self._playing.settle(timeout)

    def _open(self) -> Proxy:
        server = self._playing.server

        def answer(host: str, target: str) -> tuple[str, int] | None:
            return server.address if server.library.answers_for(host, target) else None

        return self._lead(answer)


class ServedPlan(Served):
    """Simulated APIs that fail as planned."""

    def __init__(self, simulated: Simulated, stack: ExitStack, confdir: Path | None) -> None:
        super().__init__(simulated.url, stack, confdir)
        self._simulated = simulated

    @property
    def sessions(self) -> list[ConnectionLog]:
        return list(self._simulated.sessions)

    def wait(self, count: int = 1, timeout: float = 30.0) -> None:
        refuse_in_event_loop("wait()", "await wait_async()")
        self._simulated.ended(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        await self._simulated.ended_async(count, timeout)

    def _open(self) -> Proxy:
        def answer(host: str, target: str) -> tuple[str, int] | None:
            provider, _ = load().recognise(host, target.partition("?")[0])
            return ("127.0.0.1", self._simulated.port) if provider is not None else None

        return self._lead(answer)
