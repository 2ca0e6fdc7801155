"""A proxy for code under test, in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from wsproxy.system.address import authority, reachable

from .child_process import Handlers, running

# The address of what answers for a host and a target (path and query), None if nothing does.
Answer = Callable[[str, str], tuple[str, int] | None]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy.

    Attributes:
        address: (host, port), for apps on this machine.
        ca: the certificate authority that makes its certificates, PEM.
        env: the environment of a command that is to go through it.
    """

    address: tuple[str, int]
    ca: Path
    env: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{authority(*self.address)}"


@contextmanager
def lead(
    answer: Answer,
    on_refused: Callable[[str], None],
    confdir: Path | None,
    *,
    listen: tuple[str, int] = ("127.0.0.1", 0),
    others: str = "here",
) -> Iterator[Proxy]:
    """A proxy that leads requests to servers on this machine.

    Args:
        answer: which server answers; called on a thread of the proxy's.
        on_refused: called with the name of each host that nothing answers for.
        confdir: folder of the proxy's certificate authority; None: ~/.mitmproxy.
        listen: where to listen; port 0 takes a free one.
        others: what becomes of all other requests: "pass", "refuse", or "here": pass those
            for this machine alone.

    Raises:
        RecorderMissing: there is no mitmproxy here, and no wsproxy elsewhere.
        UsageError: it cannot start.
    """
    asked = {"lead": {"others": others}}
    handlers = Handlers(answer=answer, refused=on_refused)
    with _proxy("regular", listen, confdir, asked, handlers) as proxy:
        yield proxy


@contextmanager
def recording(
    mode: str,
    out: Path,
    hosts: tuple[str, ...],
    on_end: Callable[[Path], None],
    confdir: Path | None,
    *,
    network: bool,
) -> Iterator[Proxy]:
    """A proxy that records.

    Args:
        mode: mitmproxy's proxy mode.
        on_end: called with the path of each trace that is complete.
        network: whether other machines may be connected to.

    Raises:
        RecorderMissing: there is no mitmproxy here, and no wsproxy elsewhere.
        UsageError: it cannot start.
    """
    asked = {"record": {"out": str(out), "hosts": hosts, "network": network}}
    with _proxy(mode, ("127.0.0.1", 0), confdir, asked, Handlers(ended=on_end)) as proxy:
        yield proxy


@contextmanager
def _proxy(
    mode: str,
    listen: tuple[str, int],
    confdir: Path | None,
    asked: Mapping[str, object],
    handlers: Handlers,
) -> Iterator[Proxy]:
    from wsproxy.proxy import environment  # noqa: PLC0415  # it is slow to load

    folder = None if confdir is None else str(confdir)
    where = {"host": listen[0], "port": listen[1], "mode": mode, "confdir": folder}
    with (
        tempfile.TemporaryDirectory(prefix="wsproxy-") as temporary,
        running({**where, **asked}, handlers) as started,
    ):
        env = environment.for_command(started, mode, Path(temporary))
        yield Proxy(reachable(started.address), started.ca, env)
