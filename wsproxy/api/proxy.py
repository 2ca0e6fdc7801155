"""A proxy for code under test, in a separate process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wsproxy.system.address import authority, reachable

from .child_process import Handlers, run_proxy

# Gets a host and a target (path and query); returns the server's address, None without one.
FindServer = Callable[[str, str], tuple[str, int] | None]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy.

    Attributes:
        address: (host, port), for apps on this machine.
        ca: PEM file of its certificate authority.
        env: environment for a command that uses it.
    """

    address: tuple[str, int]
    ca: Path
    env: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Its http:// URL."""
        return f"http://{authority(*self.address)}"


@contextmanager
def redirecting_proxy(
    find_server: FindServer,
    on_refused: Callable[[str], None],
    confdir: Path | None,
    *,
    listen: tuple[str, int] = ("127.0.0.1", 0),
    unmatched: str = "here",
) -> Iterator[Proxy]:
    """Run a proxy that redirects requests to servers on this machine.

    Args:
        find_server: returns the server that answers; called on a thread of the proxy.
        on_refused: gets the name of each host that no server answers for.
        confdir: folder of the proxy's certificate authority; None: ~/.mitmproxy.
        listen: host and port; port 0 selects a free one.
        unmatched: what to do with all other requests: "pass", "refuse", or "here": pass those
            for this machine only.

    Raises:
        RecorderMissing: mitmproxy is not installed, and no other wsproxy was found.
        UsageError: the proxy cannot start.
    """
    request = {"lead": {"others": unmatched}}
    handlers = Handlers(find_server=find_server, on_refused=on_refused)
    with _run_proxy("regular", listen, confdir, request, handlers) as proxy:
        yield proxy


@contextmanager
def recording_proxy(
    mode: str,
    out: Path,
    hosts: tuple[str, ...],
    on_end: Callable[[Path], None],
    confdir: Path | None,
    *,
    network: bool,
) -> Iterator[Proxy]:
    """Run a proxy that records.

    Args:
        mode: mitmproxy's proxy mode.
        out: folder for the traces.
        hosts: regular expressions; record only matching hosts.
        on_end: gets the path of each complete trace.
        confdir: folder of the proxy's certificate authority; None: ~/.mitmproxy.
        network: whether connections to other machines are allowed.

    Raises:
        RecorderMissing: mitmproxy is not installed, and no other wsproxy was found.
        UsageError: the proxy cannot start.
    """
    request = {"record": {"out": str(out), "hosts": hosts, "network": network}}
    with _run_proxy(mode, ("127.0.0.1", 0), confdir, request, Handlers(on_trace=on_end)) as proxy:
        yield proxy


@contextmanager
def _run_proxy(
    mode: str,
    listen: tuple[str, int],
    confdir: Path | None,
    request: Mapping[str, object],
    handlers: Handlers,
) -> Iterator[Proxy]:
    from wsproxy.intercept import environment  # noqa: PLC0415  # it is slow to load

    folder = None if confdir is None else str(confdir)
    location = {"host": listen[0], "port": listen[1], "mode": mode, "confdir": folder}
    with (
        tempfile.TemporaryDirectory(prefix="wsproxy-") as temporary,
        run_proxy({**location, **request}, handlers) as started,
    ):
        env = environment.for_command(started, mode, Path(temporary))
        yield Proxy(reachable(started.address), started.ca, env)
