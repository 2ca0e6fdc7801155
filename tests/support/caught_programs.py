"""Programs that run direct and with their connections caught, to compare the two."""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from wsproxy.intercept.catch import availability
from wsproxy.intercept.catch.command import CaughtCommand
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background

PATIENCE = 60.0  # seconds
# Nothing is sent to them.
_TEST_NET = ("192.0.2.1", 9)
_TEST_NET_IPV6 = ("2001:db8::1", 9)


def require_catch() -> None:
    """Skip the tests of a module where connections cannot be caught."""
    why = availability.obstacle(sys.executable)
    if why is None and own_address() is None:
        why = "this machine has no address besides those of loopback"
    if why is not None:
        pytest.skip(f"connections cannot be caught: {why}", allow_module_level=True)


def own_address(family: int = socket.AF_INET) -> str | None:
    """An address of this machine that is not a loopback address."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(_TEST_NET if family == socket.AF_INET else _TEST_NET_IPV6)
            address: str = probe.getsockname()[0]
    except OSError:
        return None
    return None if address.startswith("127.") or address == "::1" else address


@dataclass(frozen=True)
class Ran:
    """What a program has done."""

    output: str
    status: int


def run_direct(argv: Sequence[str], env: Mapping[str, str] | None = None) -> Ran:
    """Run a program without catching anything."""
    result = subprocess.run(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return Ran(result.stdout, result.returncode)


class Catching:
    """A recorder that catches connections.

    Attributes:
        running: the recorder.
        out: the folder of its traces.
    """

    def __init__(self, running: RunningProxy, out: Path, folder: Path) -> None:
        self.running = running
        self.out = out
        self._output = folder / "output"

    def start(
        self,
        argv: Sequence[str],
        ports: Sequence[int],
        env: Mapping[str, str] | None = None,
        *,
        may_gain_privileges: bool | None = None,
    ) -> CaughtCommand:
        """Start a program whose connections to these ports are caught."""
        if may_gain_privileges is None:
            may_gain_privileges = availability.may_gain_privileges()
        return CaughtCommand.start(
            argv,
            os.environ if env is None else env,
            ports=ports,
            limit=None,
            may_gain_privileges=may_gain_privileges,
        )

    def run(
        self,
        argv: Sequence[str],
        ports: Sequence[int],
        env: Mapping[str, str] | None = None,
        *,
        may_gain_privileges: bool | None = None,
    ) -> Ran:
        """Run a program to its end."""
        with self._output_file():
            command = self.start(argv, ports, env, may_gain_privileges=may_gain_privileges)
        self.running.serve_caught(command.connections)
        try:
            status = command.wait()
        finally:
            command.close()
        return Ran(self._output.read_text(), status)

    @contextlib.contextmanager
    def _output_file(self) -> Iterator[None]:
        """A file in place of the three standard streams; a program inherits them."""
        sys.stdout.flush()
        kept = [os.dup(fd) for fd in range(3)]
        try:
            with self._output.open("wb") as file, Path(os.devnull).open("rb") as null:
                for fd, source in enumerate((null, file, file)):
                    os.dup2(source.fileno(), fd)
            yield
        finally:
            for fd, each in enumerate(kept):
                os.dup2(each, fd)
                os.close(each)


@contextlib.contextmanager
def catching(folder: Path, *options: str) -> Iterator[Catching]:
    """A recorder that catches connections, with mitmproxy options."""
    out = folder / "recordings"
    settings = ProxySettings(port=0, out=out, confdir=folder / "ca", options=options)
    with background(settings) as running:
        yield Catching(running, out, folder)


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(4096):
                self.request.sendall(data)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 512


class _ServerIPv6(_Server):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def serving(
    handler: type[socketserver.BaseRequestHandler] = _Echo, host: str | None = None
) -> Iterator[int]:
    """A server at this machine's own address; yields its port.

    Args:
        handler: the default one echoes.
    """
    host = own_address() or "127.0.0.1" if host is None else host
    kind = _ServerIPv6 if ":" in host else _Server
    with kind((host, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()
