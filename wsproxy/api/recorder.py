"""Records what the code under test does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wsproxy.errors import UsageError

from .arrivals import Arrivals, refuse_in_event_loop
from .proxy import Proxy, recording

_API = re.compile(r"(?:ws|http)s?://[^\s/]+/?")


class Recorder:
    """A recorder that is running.

    Args:
        to: the API that its URL stands for.

    Attributes:
        out: the folder of the traces.
    """

    def __init__(self, out: Path, to: str | None) -> None:
        self.out = out
        self._to = to
        self._ended: Arrivals[Path] = Arrivals("sessions ended")
        self._proxy: Proxy

    @property
    def way(self) -> Proxy:
        """The proxy.

        Raises:
            UsageError: it stands for an API, and is none.
        """
        if self._to is not None:
            raise UsageError(f"the recorder stands for {self._to}: use its URL, or leave out to=")
        return self._proxy

    @property
    def url(self) -> str:
        """Base URL for the code under test, in the place of the API's.

        Raises:
            UsageError: it is a proxy.
        """
        if self._to is None:
            raise UsageError('to record through the URL, say which API it is: to="wss://HOST"')
        return self._proxy.url.replace("http", "ws", 1)

    @property
    def proxy(self) -> str:
        """URL of the proxy that records."""
        return self.way.url

    @property
    def ca(self) -> Path:
        """The certificate authority to trust behind the proxy, PEM."""
        return self.way.ca

    @property
    def env(self) -> dict[str, str]:
        """The environment of this process, with all that sends a command through the proxy."""
        return dict(self.way.env)

    @property
    def traces(self) -> list[Path]:
        """The traces of the sessions that are over, in the order of their ends."""
        return self._ended.items()

    def wait(self, count: int = 1, timeout: float = 30.0) -> list[Path]:
        """Wait until so many sessions are over, and return all their traces.

        Raises:
            TimeoutError: they were not within `timeout` seconds.
            BlockingCall: an event loop is running on this thread.
        """
        refuse_in_event_loop("wait()", "await wait_async()")
        return self._ended.wait(count, timeout)

    async def wait_async(self, count: int = 1, timeout: float = 30.0) -> list[Path]:  # noqa: ASYNC109
        """The same for asynchronous code.

        Raises:
            TimeoutError: they were not within `timeout` seconds.
        """
        return await self._ended.wait_async(count, timeout)

    def _add(self, ended: Path) -> None:
        self._ended.add(ended)


@contextmanager
def record(
    out: str | os.PathLike[str] = "recordings",
    *,
    hosts: Sequence[str] = (),
    to: str | None = None,
    network: bool = True,
    confdir: Path | None = None,
) -> Iterator[Recorder]:
    """Record the sessions of code that goes through a proxy, for the body of a `with`.

    Sessions that are still open at its end get two seconds to end, and are recorded as
    stopped then. Credentials are taken out before anything is written.

    Args:
        out: folder for the traces; made if it is not there.
        hosts: record only hosts that match one of these regular expressions.
        to: be no proxy, but stand for the API at this base URL, such as "wss://HOST".
        network: whether other machines than this one may be connected to.
        confdir: folder of the proxy's certificate authority; None: ~/.mitmproxy.

    Raises:
        RecorderMissing: there is no mitmproxy here, and no wsproxy with it in PATH or
            WSPROXY_RECORDER.
        UsageError: the folder cannot be written to.
    """
    if to is not None and not _API.fullmatch(to):
        raise UsageError(f"to={to!r}: give the API's base URL, such as wss://api.deepgram.com")
    recorder = Recorder(Path(out), to)
    mode = "regular" if to is None else f"reverse:{to}"
    add = recorder._add  # a thread calls it
    running = recording(mode, recorder.out, tuple(hosts), add, confdir, network=network)
    with running as recorder._proxy:
        yield recorder
