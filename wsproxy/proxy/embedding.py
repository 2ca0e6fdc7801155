"""Runs mitmproxy with our addons inside this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mitmproxy import exceptions
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.options import CONF_DIR, Options
from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode, UpstreamMode
from mitmproxy.tools.dump import DumpMaster

from wsproxy.errors import InvalidValue, Setting, UsageError
from wsproxy.intercept.environment import mode_kind
from wsproxy.intercept.pass_through_report import NO_REMEDIES, PassThroughReport
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.intercept.user_proxies import UserProxies
from wsproxy.recorder import SessionWriter
from wsproxy.recorder.limits import RecorderLimits
from wsproxy.system.address import authority, is_loopback, public_url

from . import ca_folder, start_errors, upstream_trust
from .access_addon import AccessAddon
from .caught_connections import CaughtConnections
from .options import RecorderOptions, folder_problem
from .pass_through_addon import PassThroughAddon
from .proxy_chain_addon import ProxyChainAddon
from .record_addon import RecordAddon
from .redirect_addon import RedirectAddon
from .start_errors import CA_KEY

DISCONNECT_TIMEOUT = 2.0  # seconds for ending open connections when the recorder stops


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What to listen on and what to record.

    Attributes:
        host, port: address to listen on; port 0 takes a free one.
        mode: mitmproxy's proxy mode; `reverse:` also accepts ws and wss URLs.
        out: folder for the traces.
        hosts: record only hosts that match one of these regular expressions.
        confdir: folder of the CA; None is mitmproxy's own, ~/.mitmproxy.
        options: further mitmproxy options, as "name=value".
        auth: "user:password" that apps have to send; None: no authentication.
        limits: how much is recorded, and how safely.
        allow_hosts: additional names that apps may use for it in reverse mode; "*": any.
        with_proxy: in reverse mode, listen as a regular proxy as well.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    mode: str = "regular"
    out: Path = Path("recordings")
    hosts: tuple[str, ...] = ()
    confdir: Path | None = None
    options: tuple[str, ...] = ()
    auth: str | None = field(default=None, repr=False)
    limits: RecorderLimits = field(default_factory=RecorderLimits)
    allow_hosts: tuple[str, ...] = ()
    with_proxy: bool = False

    @property
    def kind(self) -> str:
        """The first word of the mode: "regular", "reverse", "socks5" ..."""
        return mode_kind(self.mode)

    @property
    def mitmproxy_mode(self) -> str:
        """The mode as mitmproxy spells it: without ws:// and wss:// upstreams."""
        for ours, theirs in (
            ("reverse:ws://", "reverse:http://"),
            ("reverse:wss://", "reverse:https://"),
        ):
            if self.mode.startswith(ours):
                return theirs + self.mode[len(ours) :]
        return self.mode


@dataclass(slots=True)
class RunningProxy:
    """A running proxy.

    Attributes:
        address: (host, port) that it listens on; None in modes without a port.
        ca: the CA certificate that apps have to trust, PEM.
        proxy_address: (host, port) of the proxy beside a reverse proxy, if there is one.
        open_to_all: it accepts connections from other machines without a password.
        connections: connections from apps so far.
        unreached: how many connections to hosts that are not recorded could not be made, by host,
            port and reason.
    """

    address: tuple[str, int] | None
    ca: Path
    open_to_all: bool
    _watch: _ConnectionCounter = field(repr=False)
    _stop: _Stop = field(repr=False)
    _passed_through: PassThroughReport = field(default_factory=PassThroughReport, repr=False)
    _caught: CaughtConnections | None = field(default=None, repr=False)
    proxy_address: tuple[str, int] | None = None
    unreached: Counter[str] = field(default_factory=Counter)

    def passed_through(self, remedies: Mapping[str, str] = NO_REMEDIES) -> list[str]:
        """One line for each server whose TLS was passed through, with the reason.

        Args:
            remedies: as for `PassThroughReport.lines`.
        """
        return self._passed_through.lines(remedies)

    @property
    def ca_key(self) -> Path:
        """The CA's key and certificate, PEM."""
        return self.ca.with_name(CA_KEY)

    @property
    def ca_key_is_readable(self) -> bool:
        """Whether other users of this machine can read the key."""
        try:
            return os.name == "posix" and bool(self.ca_key.stat().st_mode & 0o077)
        except OSError:
            return False

    @property
    def connections(self) -> int:
        return self._watch.connections

    def drain(self, seconds: float) -> None:
        """Wait until no app is connected, for at most this many seconds."""
        deadline = time.monotonic() + seconds
        while self._watch.open and time.monotonic() < deadline:
            time.sleep(0.01)

    def serve_caught(self, supervisor: socket.socket) -> None:
        """Record the connections that a supervisor has caught; called on any thread.

        Args:
            supervisor: `CaughtCommand.connections`; it is closed when the recorder stops.
        """
        assert isinstance(self._stop.addon, RecordAddon)
        self._caught = CaughtConnections(self._stop.addon, supervisor)
        self._stop.run(self._caught.serve())

    @property
    def past(self) -> dict[PastConnection, int]:
        """How many connections of a caught command went past the recorder, by kind."""
        return {} if self._caught is None else dict(self._caught.past)

    @property
    def relayed(self) -> dict[str, int]:
        """How many connections of a caught command are no speech API's, by host."""
        return {} if self._caught is None else dict(self._caught.relayed)

    def stop(self) -> None:
        """Stop it; called on any thread. A second call stops waiting for a disk that hangs."""
        self._stop()

    @property
    def stopped_in_order(self) -> bool:
        """False if it has stopped before everything was written; the log names what is missing."""
        return self._stop.in_order


@contextlib.asynccontextmanager
async def recorder(
    settings: ProxySettings,
    *,
    on_begin: Callable[[SessionWriter], None] | None = None,
    on_end: Callable[[SessionWriter], None] | None = None,
) -> AsyncIterator[tuple[RunningProxy, asyncio.Task[None]]]:
    """Run a recorder for the body of a `with`.

    Yields:
        The running recorder, and a task that ends when it has been stopped.

    Raises:
        UsageError: it cannot start: an invalid option, a port in use, an unwritable folder.
    """
    async with proxy(settings, RecordAddon(on_begin, on_end)) as up:
        yield up


@contextlib.asynccontextmanager
async def proxy(
    settings: ProxySettings, addon: RecordAddon | RedirectAddon
) -> AsyncIterator[tuple[RunningProxy, asyncio.Task[None]]]:
    """Run mitmproxy with one of our addons for the body of a `with`; see `recorder`."""
    with upstream_trust.bundle() as trusted:
        async with _proxy(settings, addon, trusted) as up:
            yield up


@contextlib.asynccontextmanager
async def _proxy(
    settings: ProxySettings, addon: RecordAddon | RedirectAddon, trusted: Path
) -> AsyncIterator[tuple[RunningProxy, asyncio.Task[None]]]:
    access, watch, passed = AccessAddon(), _ConnectionCounter(), PassThroughReport()
    with start_errors.ErrorLog() as errors:
        master = _master(settings, addon, access, trusted)
        _use_environment(master, addon, access, passed)
        master.addons.add(watch)  # the last one: what a connection leaves is complete then
        task = asyncio.create_task(master.run())
        waiting = asyncio.create_task(watch.ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    if errors.first is not None:
        master.shutdown()
        await task
        raise start_errors.explain(errors.first, settings.confdir or CONF_DIR)
    stop = _Stop(master, addon)
    try:
        await _check_upstreams(master, access)
        address, ca, is_open = _address(master), _ca(master), _open_to_all(master)
        running = RunningProxy(address, ca, is_open, watch, stop, passed)
        if isinstance(addon, RecordAddon):
            running.unreached = addon.unreached.reasons
        if settings.kind == "reverse":
            running.proxy_address = _address(master, RegularMode)
        yield running, task
    finally:
        master.shutdown()
        await task
        await _disconnect(master)


@contextlib.contextmanager
def background(
    settings: ProxySettings,
    addon: RecordAddon | RedirectAddon | None = None,
    **callbacks: Callable[[SessionWriter], None],
) -> Iterator[RunningProxy]:
    """Run a recorder, or mitmproxy with an addon, on its own thread for the body of a `with`.

    Raises:
        UsageError: see `recorder`.
    """
    started: list[RunningProxy] = []
    failed: list[BaseException] = []
    ready = threading.Event()

    async def main() -> None:
        async with proxy(settings, addon or RecordAddon(**callbacks)) as (running, task):
            started.append(running)
            ready.set()
            await asyncio.wait({task})

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="wsproxy-proxy", daemon=True)
    thread.start()
    ready.wait()
    if failed:
        raise failed[0]
    try:
        yield started[0]
    finally:
        started[0].stop()
        try:
            thread.join()
        except KeyboardInterrupt:
            started[0].stop()
            thread.join()
        if failed:
            raise failed[0]


def stop_on_signals(running: RunningProxy) -> None:
    """Stop the recorder on SIGINT and SIGTERM, and when its terminal is closed."""
    loop = asyncio.get_running_loop()
    for number in stopping_signals():
        with contextlib.suppress(NotImplementedError):  # not on Windows
            loop.add_signal_handler(number, running.stop)


def stopping_signals() -> list[signal.Signals]:
    """The signals that stop a recorder: SIGHUP only if nohup does not ignore it."""
    found = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        found.append(hangup)
    return found


def _master(
    settings: ProxySettings,
    addon: RecordAddon | RedirectAddon,
    access: AccessAddon,
    trusted: Path,
) -> DumpMaster:
    _check_folders(settings, isinstance(addon, RecordAddon))
    options = Options(listen_host=settings.host, listen_port=settings.port)
    if settings.confdir is not None:
        options.confdir = str(settings.confdir)
    master = DumpMaster(options, with_termlog=False, with_dumper=False)
    # It prints a line and exits; `recorder` raises the logged error instead.
    master.addons.remove(master.addons.get("errorcheck"))
    try:
        master.addons.add(access, addon)  # in this order: refused requests are not recorded
        if isinstance(addon, RecordAddon):
            recorder_options = RecorderOptions(settings.out, settings.limits)
            options.update(wsproxy_host=list(settings.hosts), **recorder_options.as_options())
        options.update(ssl_verify_upstream_trusted_ca=str(trusted))
        options.update(proxyauth=settings.auth, wsproxy_allow_host=list(settings.allow_hosts))
        options.set(*settings.options)
        options.update(mode=_modes(settings))
        for spec in options.mode:
            _listen_without_http3(spec)
    except (exceptions.OptionsError, ValueError) as error:
        text = start_errors.without_values(str(error), settings.mitmproxy_mode, settings.options)
        raise UsageError(text) from None
    return master


def _use_environment(
    master: DumpMaster,
    addon: RecordAddon | RedirectAddon,
    access: AccessAddon,
    passed: PassThroughReport,
) -> None:
    """Use the user's own proxies, and leave connections alone that are not to be recorded.

    Raises:
        UsageError: a variable names no proxy.
    """
    proxies = UserProxies.of_environment(os.environ)
    master.addons.add(ProxyChainAddon(proxies, access.is_own_address))
    if isinstance(addon, RecordAddon):
        master.addons.add(PassThroughAddon(addon.hosts, proxies, passed))


def _modes(settings: ProxySettings) -> list[str]:
    """The modes that mitmproxy runs."""
    if not settings.with_proxy or settings.kind != "reverse":
        return [settings.mitmproxy_mode]
    with socket.create_server(("127.0.0.1", 0)) as free:
        # mitmproxy does not listen on "a free port" twice.
        port = free.getsockname()[1]
    return [settings.mitmproxy_mode, f"regular@127.0.0.1:{port}"]


def _check_folders(settings: ProxySettings, records: bool) -> None:
    """Check that traces and the CA can be written: mitmproxy's errors for it are unclear.

    Raises:
        UsageError: a folder cannot be written.
    """
    if records and (problem := folder_problem(settings.out)) is not None:
        raise UsageError(problem, Setting("out"))
    confdir = _option(settings, "confdir") or settings.confdir or CONF_DIR
    key_size = _option(settings, "key_size")
    ca_folder.prepare(Path(confdir).expanduser(), int(key_size) if key_size.isdecimal() else None)


def _option(settings: ProxySettings, name: str) -> str:
    """The value of a mitmproxy option; empty if it is not set."""
    named = [o.partition("=")[2] for o in settings.options if o.startswith(f"{name}=")]
    return named[-1] if named else ""


async def _check_upstreams(master: DumpMaster, access: AccessAddon) -> None:
    """Check that no mode names this recorder as its upstream.

    Raises:
        UsageError: one does.
    """
    for spec in master.options.mode:
        mode = ProxyMode.parse(spec)
        if isinstance(mode, ReverseMode | UpstreamMode) and await access.is_own_address(
            mode.address
        ):
            where = authority(*mode.address)
            raise InvalidValue("mode", public_url(spec), f"the recorder itself listens on {where}")


def _listen_without_http3(spec: str) -> None:
    """Make a reverse proxy for https:// listen on TCP only.

    mitmproxy adds a listener for HTTP/3, over which it supports no WebSocket. The listener's
    runtime can outlive the interpreter, and then crashes the process.
    """
    mode = ProxyMode.parse(spec)  # cached: mitmproxy gets the same object
    if isinstance(mode, ReverseMode) and mode.scheme == "https":
        mode.transport_protocol = "tcp"


async def _disconnect(master: DumpMaster) -> None:
    """Stop listening and end open connections, which mitmproxy does only at process exit.

    The sessions are recorded as stopped. If the end of the event loop ended them, each would log
    a traceback on Python 3.11.
    """
    proxyserver = _proxyserver(master)
    await proxyserver.servers.update([])
    for handler in list(proxyserver.connections.values()):
        io = handler.transports.get(handler.client)
        if io is not None and io.handler is not None:
            io.handler.cancel("the recorder is stopped")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DISCONNECT_TIMEOUT
    # mitmproxy has no event for it.
    while proxyserver.connections and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


class _Stop:
    """Stops mitmproxy; a second call shortens the wait for a disk that hangs.

    Created on the event loop, and called on any thread.
    """

    def __init__(self, master: DumpMaster, addon: RecordAddon | RedirectAddon) -> None:
        self._loop = asyncio.get_running_loop()
        self._master = master
        self.addon = addon
        self._requested = False

    def __call__(self) -> None:
        if self._requested and isinstance(self.addon, RecordAddon):
            self.addon.hurry()
        self._requested = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._master.shutdown)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the event loop until it ends or the loop does."""
        self._running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    @property
    def in_order(self) -> bool:
        """Whether everything was written."""
        return not isinstance(self.addon, RecordAddon) or self.addon.stopped_in_order


class _ConnectionCounter:
    """An addon that signals when mitmproxy listens, and counts connections."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.connections = 0
        self.open = 0

    def running(self) -> None:
        self.ready.set()

    def client_connected(self, client: Client) -> None:
        self.connections += 1
        self.open += 1

    def client_disconnected(self, client: Client) -> None:
        self.open -= 1


def _proxyserver(master: DumpMaster) -> Proxyserver:
    proxyserver = master.addons.get("proxyserver")
    assert isinstance(proxyserver, Proxyserver)
    return proxyserver


def _address(master: DumpMaster, mode: type[ProxyMode] = ProxyMode) -> tuple[str, int] | None:
    """The first address that is listened on in a mode."""
    for server in _proxyserver(master).servers:
        if isinstance(server.mode, mode):
            for address in server.listen_addrs:
                return str(address[0]), int(address[1])
    return None


def _open_to_all(master: DumpMaster) -> bool:
    """Whether it is open to other machines, by its sockets; WireGuard needs a key and is not."""
    servers = [s for s in _proxyserver(master).servers if s.mode.transport_protocol != "udp"]
    addresses = [str(address[0]) for server in servers for address in server.listen_addrs]
    return not master.options.proxyauth and not all(map(is_loopback, addresses))


def _ca(master: DumpMaster) -> Path:
    return Path(master.options.confdir).expanduser() / "mitmproxy-ca-cert.pem"
