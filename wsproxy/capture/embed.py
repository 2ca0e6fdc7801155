"""Runs mitmproxy with the recording addon, for `wsproxy record` and `wsproxy run`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mitmproxy import exceptions
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.options import CONF_DIR, Options
from mitmproxy.proxy.mode_specs import ProxyMode, ReverseMode, UpstreamMode
from mitmproxy.tools.dump import DumpMaster

from wsproxy.address import authority, is_loopback
from wsproxy.errors import InvalidValue, Setting, UsageError
from wsproxy.recording import Recording

from .access import Access
from .addon import Record
from .environment import mode_kind
from .keeping import Keeping
from .lead import Lead
from .options import folder_problem

CA_KEY = "mitmproxy-ca.pem"  # and its certificate

# What mitmproxy says.
_NO_KEY = re.compile(r"Could not deserialize key data|Unable to load PEM file")
_NO_LISTENER = re.compile(r"failed to listen on (\S+):(\d+) with (.*)")

DISCONNECT_PATIENCE = 2.0  # seconds that open connections get to end when the recorder stops


@dataclass(frozen=True, slots=True)
class Settings:
    """What to listen on and what to record.

    Attributes:
        host, port: where to listen; port 0 takes a free one.
        mode: mitmproxy's proxy mode; `reverse:` takes ws and wss URLs as well.
        out: folder for the traces.
        hosts: record only hosts that match one of these regular expressions.
        confdir: folder of the CA; None is mitmproxy's own, ~/.mitmproxy.
        options: further mitmproxy options, as "name=value".
        auth: what apps have to give for name and password, "user:password".
        keeping: how much is kept of the sessions, and how safely.
        allow_hosts: further names by which apps may call it in reverse mode; "*": any.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    mode: str = "regular"
    out: Path = Path("recordings")
    hosts: tuple[str, ...] = ()
    confdir: Path | None = None
    options: tuple[str, ...] = ()
    auth: str | None = field(default=None, repr=False)
    keeping: Keeping = field(default_factory=Keeping)
    allow_hosts: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The mode without what it names: "regular", "reverse", "socks5" ..."""
        return mode_kind(self.mode)

    @property
    def mitmproxy_mode(self) -> str:
        """The mode in mitmproxy's words: it knows no ws:// and wss:// upstreams."""
        for ours, theirs in (
            ("reverse:ws://", "reverse:http://"),
            ("reverse:wss://", "reverse:https://"),
        ):
            if self.mode.startswith(ours):
                return theirs + self.mode[len(ours) :]
        return self.mode


@dataclass(slots=True)
class Running:
    """A recorder that is up.

    Attributes:
        address: (host, port) that it listens on; None in modes without a port.
        ca: the CA certificate that apps have to trust, PEM.
        open_to_all: it listens on more than this machine, and asks for no password.
        connections: connections from apps so far.
    """

    address: tuple[str, int] | None
    ca: Path
    open_to_all: bool
    _watch: _Watch = field(repr=False)
    _stop: _Stop = field(repr=False)

    @property
    def ca_key(self) -> Path:
        """The CA's key and certificate, PEM."""
        return self.ca.with_name(CA_KEY)

    @property
    def ca_key_is_readable(self) -> bool:
        """Whether other users of this machine may read the key."""
        try:
            return os.name == "posix" and bool(self.ca_key.stat().st_mode & 0o077)
        except OSError:
            return False

    @property
    def connections(self) -> int:
        return self._watch.connections

    def drain(self, seconds: float) -> None:
        """Wait until no app is connected any more, for so long at the most."""
        deadline = time.monotonic() + seconds
        while self._watch.open and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask it to stop; from any thread. Asked again, it waits for no disk any longer."""
        self._stop()

    @property
    def stopped_in_order(self) -> bool:
        """False once it has stopped without having written everything; its log says what."""
        return self._stop.in_order


@contextlib.asynccontextmanager
async def recorder(
    settings: Settings,
    *,
    on_begin: Callable[[Recording], None] | None = None,
    on_end: Callable[[Recording], None] | None = None,
) -> AsyncIterator[tuple[Running, asyncio.Task[None]]]:
    """Run a recorder for the body of a `with`.

    Yields:
        The running recorder, and a task that ends when it has been stopped.

    Raises:
        UsageError: it cannot start: a bad option, a port in use, an unwritable folder.
    """
    async with proxy(settings, Record(on_begin, on_end)) as up:
        yield up


@contextlib.asynccontextmanager
async def proxy(
    settings: Settings, addon: Record | Lead
) -> AsyncIterator[tuple[Running, asyncio.Task[None]]]:
    """Run mitmproxy with an addon of ours for the body of a `with`; as `recorder`."""
    access, watch = Access(), _Watch()
    with _ErrorLog() as errors:
        master = _master(settings, addon, access, watch)
        task = asyncio.create_task(master.run())
        waiting = asyncio.create_task(watch.ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    if errors.first is not None:
        master.shutdown()
        await task
        raise _explained(errors.first, settings)
    stop = _Stop(master, addon)
    try:
        await _check_upstreams(master, access)
        yield Running(_address(master), _ca(master), _open_to_all(master), watch, stop), task
    finally:
        master.shutdown()
        await task
        await _disconnect(master)


@contextlib.contextmanager
def background(
    settings: Settings,
    addon: Record | Lead | None = None,
    **callbacks: Callable[[Recording], None],
) -> Iterator[Running]:
    """Run a recorder, or mitmproxy with an addon, on a thread of its own, for the body of a `with`.

    Raises:
        UsageError: as `recorder`.
    """
    started: list[Running] = []
    failed: list[BaseException] = []
    ready = threading.Event()

    async def main() -> None:
        async with proxy(settings, addon or Record(**callbacks)) as (running, task):
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


def stop_on_signals(running: Running) -> None:
    """End the recorder properly on SIGINT and SIGTERM, and when its terminal goes."""
    loop = asyncio.get_running_loop()
    for number in stopping_signals():
        with contextlib.suppress(NotImplementedError):  # not on Windows
            loop.add_signal_handler(number, running.stop)


def stopping_signals() -> list[signal.Signals]:
    """The signals that end a recorder: not SIGHUP where nohup has it ignored."""
    found = [signal.SIGINT, signal.SIGTERM]
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    if hangup is not None and signal.getsignal(hangup) != signal.SIG_IGN:
        found.append(hangup)
    return found


def _master(settings: Settings, addon: Record | Lead, access: Access, watch: _Watch) -> DumpMaster:
    _check_folders(settings, isinstance(addon, Record))
    options = Options(listen_host=settings.host, listen_port=settings.port)
    if settings.confdir is not None:
        options.confdir = str(settings.confdir)
    master = DumpMaster(options, with_termlog=False, with_dumper=False)
    # It prints a line of its own and exits; `recorder` raises what was logged instead.
    master.addons.remove(master.addons.get("errorcheck"))
    try:
        master.addons.add(access, addon, watch)  # what is refused is not recorded
        if isinstance(addon, Record):
            options.update(
                wsproxy_out=str(settings.out),
                wsproxy_host=list(settings.hosts),
                **settings.keeping.options(),
            )
        options.update(proxyauth=settings.auth, wsproxy_allow_host=list(settings.allow_hosts))
        options.set(*settings.options)
        options.update(mode=[settings.mitmproxy_mode])
        for spec in options.mode:
            _listen_without_http3(spec)
    except (exceptions.OptionsError, ValueError) as error:
        raise UsageError(str(error)) from error
    return master


def _check_folders(settings: Settings, records: bool) -> None:
    """See that there is room for traces and the CA: mitmproxy's words for it help nobody.

    Raises:
        UsageError: it cannot be written where it has to be.
    """
    if records and (problem := folder_problem(settings.out)) is not None:
        raise UsageError(problem, Setting("out"))
    named = [o.partition("=")[2] for o in settings.options if o.startswith("confdir=")]
    confdir = Path(named[-1] if named else settings.confdir or CONF_DIR).expanduser()
    try:
        if (key := confdir / CA_KEY).exists():
            key.read_bytes()
        else:
            confdir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=confdir):
                pass
    except OSError as error:
        what = "read" if key.exists() else "create"
        why = error.strerror or error
        text = f"cannot {what} the CA in {confdir}: {why}"
        raise UsageError(text, Setting("confdir")) from None


async def _check_upstreams(master: DumpMaster, access: Access) -> None:
    """See that no mode leads to this recorder itself.

    Raises:
        UsageError: one does.
    """
    for spec in master.options.mode:
        mode = ProxyMode.parse(spec)
        if isinstance(mode, ReverseMode | UpstreamMode) and await access.leads_here(mode.address):
            where = authority(*mode.address)
            raise InvalidValue("mode", spec, f"the recorder itself listens on {where}")


def _listen_without_http3(spec: str) -> None:
    """Have a reverse proxy for https:// listen on TCP alone.

    mitmproxy adds a listener for HTTP/3, which carries no WebSocket here. Its runtime can
    outlive the interpreter, and then crashes the process.
    """
    mode = ProxyMode.parse(spec)  # the same object whenever mitmproxy asks for it
    if isinstance(mode, ReverseMode) and mode.scheme == "https":
        mode.transport_protocol = "tcp"


async def _disconnect(master: DumpMaster) -> None:
    """Stop listening, which mitmproxy leaves to the process's end, and end open connections.

    Their sessions are recorded as stopped. Left to the end of the event loop, each would log
    a traceback on Python 3.11.
    """
    proxyserver = _proxyserver(master)
    await proxyserver.servers.update([])
    for handler in list(proxyserver.connections.values()):
        io = handler.transports.get(handler.client)
        if io is not None and io.handler is not None:
            io.handler.cancel("the recorder is stopped")
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DISCONNECT_PATIENCE
    # mitmproxy has no event for it.
    while proxyserver.connections and loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.005)


class _Stop:
    """Stops mitmproxy; called again, it has the addon give up a disk that hangs sooner.

    Created on the event loop, and called on any thread.
    """

    def __init__(self, master: DumpMaster, addon: Record | Lead) -> None:
        self._loop = asyncio.get_running_loop()
        self._master = master
        self.addon = addon
        self._asked = False

    def __call__(self) -> None:
        if self._asked and isinstance(self.addon, Record):
            self.addon.hurry()
        self._asked = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._master.shutdown)

    @property
    def in_order(self) -> bool:
        """Whether everything was written by the end."""
        return not isinstance(self.addon, Record) or self.addon.stopped_in_order


class _Watch:
    """Tells when mitmproxy listens, and counts connections."""

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


class _ErrorLog(logging.Handler):
    """Keeps the first error that mitmproxy logs while it starts."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.first: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage().splitlines()[0]

    def __enter__(self) -> _ErrorLog:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)


def _explained(message: str, settings: Settings) -> UsageError:
    """What mitmproxy logged, with the settings that matter for it."""
    if _NO_KEY.search(message):
        confdir = settings.confdir or CONF_DIR
        return UsageError(
            f"cannot read the CA in {confdir}: {CA_KEY} holds no key; remove it, and a new CA is "
            "created",
            Setting("confdir"),
        )
    failed = _NO_LISTENER.search(message)
    if failed is None:
        return UsageError(message)
    why = (
        "the port is in use"
        if "in use" in message
        else failed[3].rpartition("] ")[2].rpartition("): ")[2]
    )
    where = authority(failed[1], int(failed[2]))
    return UsageError(f"cannot listen on {where}: {why}", Setting("listen"))


def _proxyserver(master: DumpMaster) -> Proxyserver:
    proxyserver = master.addons.get("proxyserver")
    assert isinstance(proxyserver, Proxyserver)
    return proxyserver


def _address(master: DumpMaster) -> tuple[str, int] | None:
    for address in _proxyserver(master).listen_addrs():
        return str(address[0]), int(address[1])
    return None


def _open_to_all(master: DumpMaster) -> bool:
    """By its sockets: options and modes both name addresses. WireGuard asks for a key."""
    servers = [s for s in _proxyserver(master).servers if s.mode.transport_protocol != "udp"]
    addresses = [str(address[0]) for server in servers for address in server.listen_addrs]
    return not master.options.proxyauth and not all(map(is_loopback, addresses))


def _ca(master: DumpMaster) -> Path:
    return Path(master.options.confdir).expanduser() / "mitmproxy-ca-cert.pem"
