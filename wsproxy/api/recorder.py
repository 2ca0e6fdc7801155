"""Record the sessions of code under test."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wsproxy.errors import UsageError

from .arrivals import Arrivals, refuse_in_event_loop
from .proxy import Proxy, recording_proxy

_API_URL = re.compile(r"(?:ws|http)s?://[^\s/]+/?")


class Recorder:
    """A running recorder.

    Args:
        out: folder for the traces.
        to: base URL of the API that its URL stands for; None: it is a proxy.

    Attributes:
        out: the folder of the traces.
    """

    def __init__(self, out: Path, to: str | None) -> None:
        self.out = out
        self._to = to
        self._traces: Arrivals[Path] = Arrivals("sessions ended")
        self._proxy: Proxy

    @property
    def running_proxy(self) -> Proxy:
        """The proxy.

        Raises:
            UsageError: the recorder stands for an API, and is not a proxy.
        """
        if self._to is not None:
            raise UsageError(f"the recorder stands for {self._to}: use its URL, or leave out to=")
        return self._proxy

    @property
    def url(self) -> str:
        """Base URL for the code under test, in place of the API's.

        Raises:
            UsageError: the recorder is a proxy.
        """
        if self._to is None:
            raise UsageError('to record through the URL, say which API it is: to="wss://HOST"')
        return self._proxy.url.replace("http", "ws", 1)

    @property
    def proxy(self) -> str:
        """URL of the proxy that records."""
        return self.running_proxy.url

    @property
    def ca(self) -> Path:
        """PEM file of the certificate authority to trust behind the proxy."""
        return self.running_proxy.ca

    @property
    def env(self) -> dict[str, str]:
        """The environment of this process, plus the variables that make a command use the proxy."""
        return dict(self.running_proxy.env)

    @property
    def traces(self) -> list[Path]:
        """The traces of the sessions that have ended, in the order of their ends."""
        return self._traces.items()

    def wait(self, count: int = 1, timeout: float = 30.0) -> list[Path]:
        """Wait until `count` sessions have ended, and return the traces of all ended ones.

        Raises:
            TimeoutError: fewer have ended within `timeout` seconds.
            BlockingCall: an event loop is running on this thread.
        """
        refuse_in_event_loop("wait()", "await wait_async()")
        return self._traces.wait(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> list[Path]:  # noqa: ASYNC109
        """Wait like `wait`, for asynchronous code.

        Raises:
            TimeoutError: fewer have ended within `timeout` seconds.
        """
        return await self._traces.wait_async(count, timeout)

    def _add(self, trace: Path) -> None:
        self._traces.add(trace)


@contextmanager
def record(
    out: str | os.PathLike[str] = "recordings",
    *,
    hosts: Sequence[str] = (),
    to: str | None = None,
    network: bool = True,
    confdir: Path | None = None,
) -> Iterator[Recorder]:
    """Record the sessions of code that uses a proxy, for the body of a `with`.

    Sessions that are open at its end get two seconds to end, and are then recorded as
    stopped. Credentials are redacted before anything is written.

    Args:
        out: folder for the traces; created if it does not exist.
        hosts: record only hosts that match one of these regular expressions.
        to: stand for the API at this base URL, such as "wss://HOST", instead of being a proxy.
        network: whether connections to other machines are allowed.
        confdir: folder of the proxy's certificate authority; None: ~/.mitmproxy.

    Raises:
        RecorderMissing: mitmproxy is not installed, and neither PATH nor WSPROXY_RECORDER has a
            wsproxy with it.
        UsageError: the folder cannot be written.
    """
    if to is not None and not _API_URL.fullmatch(to):
        raise UsageError(f"to={to!r}: give the API's base URL, such as wss://api.deepgram.com")
    recorder = Recorder(Path(out), to)
    mode = "regular" if to is None else f"reverse:{to}"
    add = recorder._add  # a thread calls it
    proxy = recording_proxy(mode, recorder.out, tuple(hosts), add, confdir, network=network)
    with proxy as recorder._proxy:
        yield recorder
