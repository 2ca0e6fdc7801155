"""mitmproxy on a thread of its own, and what sends code under test through it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wsproxy.address import authority
from wsproxy.errors import UsageError
from wsproxy.recording import Recording

if TYPE_CHECKING:
    from wsproxy.capture.addon import Record
    from wsproxy.capture.embed import Settings
    from wsproxy.capture.lead import Lead

# The address of what answers for a host and a target (path and query), None if nothing does.
Answer = Callable[[str, str], tuple[str, int] | None]

LINGER = 2.0  # seconds that sessions which are still open get to end

# mitmproxy keeps its options and its WebSocket layer in modules: two would get into each
# other's way.
_ONE = threading.Lock()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy.

    Attributes:
        address: (host, port).
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
) -> Iterator[Proxy]:
    """A proxy that leads requests to servers on this machine, and connects to no other one.

    Args:
        answer: which server answers; called on the proxy's thread.
        on_refused: called with the name of each host that nothing answers for.

    Raises:
        UsageError: a proxy is running in this process already.
    """
    from wsproxy.capture.embed import Settings  # noqa: PLC0415  # mitmproxy is slow to load
    from wsproxy.capture.lead import Lead  # noqa: PLC0415

    addon = Lead(answer, others="here", on_refused=on_refused)
    with _running(Settings(port=0, confdir=confdir), addon) as proxy:
        yield proxy


@contextmanager
def recording(
    mode: str,
    out: Path,
    hosts: tuple[str, ...],
    on_end: Callable[[Recording], None],
    confdir: Path | None,
    *,
    network: bool,
) -> Iterator[Proxy]:
    """A proxy that records.

    Args:
        mode: mitmproxy's proxy mode.
        network: whether other machines may be connected to.

    Raises:
        UsageError: a proxy is running in this process already, or it cannot start.
    """
    from wsproxy.capture.addon import Record  # noqa: PLC0415
    from wsproxy.capture.embed import Settings  # noqa: PLC0415
    from wsproxy.capture.lead import RecordHere  # noqa: PLC0415

    addon = (Record if network else RecordHere)(on_end=on_end)
    settings = Settings(port=0, mode=mode, out=out, hosts=hosts, confdir=confdir)
    with _running(settings, addon) as proxy:
        yield proxy


@contextmanager
def _running(settings: Settings, addon: Record | Lead) -> Iterator[Proxy]:
    from wsproxy.capture import embed, environment  # noqa: PLC0415

    if not _ONE.acquire(blocking=False):
        raise UsageError(
            "a proxy of wsproxy is running in this process already, and it can only be one: "
            "use the URL of the server, or the environment of one of them"
        )
    try:
        with (
            tempfile.TemporaryDirectory(prefix="wsproxy-") as folder,
            embed.background(settings, addon) as running,
        ):
            assert running.reachable is not None
            env = environment.for_command(running, settings.mode, Path(folder), os.environ)
            yield Proxy(running.reachable, running.ca, env)
            running.drain(LINGER)
    finally:
        _ONE.release()
