"""Start the proxy's process and talk to it; `wsproxy.proxy.child_process` is the other end."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from wsproxy.errors import RecorderMissing, Setting, UsageError
from wsproxy.proxy import child_protocol, requirements

RECORDER_VARIABLE = "WSPROXY_RECORDER"
_COMMAND = "proxy-process"
_EXIT_TIMEOUT = 10.0  # seconds; twice what it needs

logger = logging.getLogger("wsproxy.recorder")


@dataclass(frozen=True, slots=True)
class Handlers:
    """Callbacks for the events of the proxy; they run on a separate thread.

    Attributes:
        on_trace: gets the path of each complete trace.
        on_refused: gets each host that no server answers for.
        find_server: gets a host and a target; returns the server that answers.
    """

    on_trace: Callable[[Path], None] = lambda path: None
    on_refused: Callable[[str], None] = lambda host: None
    find_server: Callable[[str, str], tuple[str, int] | None] = lambda host, target: None


@dataclass(frozen=True, slots=True)
class StartedProxy:
    """A running proxy.

    Attributes:
        address: (host, port).
        ca: PEM file of its certificate authority.
    """

    address: tuple[str, int]
    ca: Path


@contextmanager
def run_proxy(request: Mapping[str, object], handlers: Handlers) -> Iterator[StartedProxy]:
    """Run a proxy in a separate process for the body of a `with`.

    Args:
        request: the settings, see `wsproxy.proxy.child_protocol`.
        handlers: callbacks for its events.

    Raises:
        RecorderMissing: mitmproxy is not installed, and no other wsproxy was found.
        UsageError: the proxy cannot start.
    """
    command, env = _command()
    # A file, so that it need not be read while the process runs.
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*command, _COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=env,
        )
        child = _Child(process, handlers)
        try:
            child.send({"protocol": child_protocol.VERSION, **request})
            yield child.wait_started(lambda: _last_line(errors, command[0]))
        finally:
            child.end()


@dataclass
class _Child:
    """The process of the proxy.

    Attributes:
        handlers: callbacks for its events.
    """

    process: subprocess.Popen[bytes]
    handlers: Handlers
    _thread: threading.Thread | None = field(default=None, init=False)

    def send(self, message: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended; the reader notices that
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()

    def wait_started(self, failure_reason: Callable[[], str]) -> StartedProxy:
        """Wait until it listens; from then on a thread reads its events.

        Args:
            failure_reason: returns the message if it ends without one.

        Raises:
            UsageError: it cannot start.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = child_protocol.parse(line)
            if event is None:
                self.process.kill()
                break
            if "failed" in event:
                named = (Setting(*each) for each in event.get("settings", ()))
                raise UsageError(event["failed"], *named)
            if "listening" in event:
                self._thread = threading.Thread(
                    target=self._read, name="wsproxy-proxy", daemon=True
                )
                self._thread.start()
                host, port = event["listening"]
                return StartedProxy((host, port), Path(event["ca"]))
            self._handle_event(event)
        self.process.wait()
        raise UsageError(failure_reason())

    def end(self) -> None:
        """Tell it to end its sessions and exit; kill it if it does not."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(_EXIT_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._thread is not None:
            self._thread.join()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._handle_event(json.loads(line))

    def _handle_event(self, event: dict[str, Any]) -> None:
        try:
            match event:
                case {"ask": number, "host": host, "target": target}:
                    address = self.handlers.find_server(host, target)
                    self.send({"answer": number, "address": address})
                case {"ended": path}:
                    self.handlers.on_trace(Path(path))
                case {"ask": number, "refused": host}:
                    self.handlers.on_refused(host)
                    self.send({"answer": number, "address": None})
                case {"log": level, "message": message}:
                    logger.log(level, "%s", message)
        except Exception:  # of a handler; later events must be read all the same
            logger.exception("cannot handle an event of the proxy: %s", event)
            if "ask" in event:  # the proxy waits for the answer
                self.send({"answer": event["ask"], "address": None})


def _command() -> tuple[list[str], dict[str, str] | None]:
    """The command of a wsproxy with a recorder, and its environment; None: the current one.

    Raises:
        RecorderMissing: none was found.
        UsageError: the configured one is not a program.
    """
    configured = os.environ.get(RECORDER_VARIABLE)
    if configured:
        found = shutil.which(configured)
        if found is None:
            raise UsageError(f"{RECORDER_VARIABLE} names {configured}, which is not a program")
        return [found], _foreign_environment()
    try:
        requirements.check()
    except RecorderMissing as missing:
        found = _other_installation()
        if found is None:
            raise RecorderMissing(
                f"{missing}; or set the path of a wsproxy that has it in {RECORDER_VARIABLE}"
            ) from None
        return [found], _foreign_environment()
    # -P: the current folder, with an app's modules, is not on the module path.
    return [sys.executable, "-P", "-m", "wsproxy"], None


def _other_installation() -> str | None:
    """A `wsproxy` in PATH that is a different installation, such as one of pipx."""
    here = {Path(sysconfig.get_path("scripts")), Path(sys.executable).parent}
    for folder in os.get_exec_path():
        if folder and Path(folder) not in here:
            found = shutil.which("wsproxy", path=folder)
            if found is not None:
                return found
    return None


def _foreign_environment() -> dict[str, str]:
    """The environment for another Python, without this one's module paths."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME")
    }


def _last_line(errors: IO[bytes], program: str) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it is not wsproxy"
    message = last.removeprefix("error: ").removeprefix("Error: ")
    return f"the recorder {program} cannot be used: {message}"
