"""The proxy's process, where it is started; `wsproxy.capture.process` is the other end."""

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

from wsproxy.capture import needs, protocol
from wsproxy.errors import RecorderMissing, Setting, UsageError

VARIABLE = "WSPROXY_RECORDER"
_COMMAND = "proxy-process"
_PATIENCE = 10.0  # seconds that it may take to end, which is twice what it should

logger = logging.getLogger("wsproxy.recorder")


@dataclass(frozen=True, slots=True)
class Handlers:
    """What is called as things happen, on a thread of its own.

    Attributes:
        ended: with the path of each trace that is complete.
        refused: with each host that nothing answers for.
        answer: which server answers for a host and a target.
    """

    ended: Callable[[Path], None] = lambda path: None
    refused: Callable[[str], None] = lambda host: None
    answer: Callable[[str, str], tuple[str, int] | None] = lambda host, target: None


@dataclass(frozen=True, slots=True)
class Started:
    """A proxy that listens.

    Attributes:
        address: (host, port).
        ca: the certificate authority that makes its certificates, PEM.
    """

    address: tuple[str, int]
    ca: Path


@contextmanager
def running(asked: Mapping[str, object], handlers: Handlers) -> Iterator[Started]:
    """Run a proxy in a process of its own for the body of a `with`.

    Args:
        asked: what is asked for, see `wsproxy.capture.protocol`.

    Raises:
        RecorderMissing: there is no mitmproxy here, and no wsproxy elsewhere.
        UsageError: the proxy cannot start.
    """
    command, env = _command()
    # A file, so that nobody has to read it while the process runs.
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
            child.send({"protocol": protocol.VERSION, **asked})
            yield child.started(lambda: _last_line(errors, command[0]))
        finally:
            child.end()


@dataclass
class _Child:
    """The process.

    Attributes:
        handlers: what is called as it reports.
    """

    process: subprocess.Popen[bytes]
    handlers: Handlers
    _thread: threading.Thread | None = field(default=None, init=False)

    def send(self, said: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        with suppress(OSError):  # it has ended, which is noticed where its lines are read
            self.process.stdin.write(json.dumps(said).encode() + b"\n")
            self.process.stdin.flush()

    def started(self, why_not: Callable[[], str]) -> Started:
        """Wait until it listens; from then on a thread reads what it reports.

        Args:
            why_not: what to raise if it ends without having said why.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = protocol.parse(line)
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
                return Started((host, port), Path(event["ca"]))
            self._happened(event)
        self.process.wait()
        raise UsageError(why_not())

    def end(self) -> None:
        """Have it end its sessions and go; kill it if it does not."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._thread is not None:
            self._thread.join()
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._happened(json.loads(line))

    def _happened(self, event: dict[str, Any]) -> None:
        try:
            match event:
                case {"ask": number, "host": host, "target": target}:
                    address = self.handlers.answer(host, target)
                    self.send({"answer": number, "address": address})
                case {"ended": path}:
                    self.handlers.ended(Path(path))
                case {"ask": number, "refused": host}:
                    self.handlers.refused(host)
                    self.send({"answer": number, "address": None})
                case {"log": level, "message": message}:
                    logger.log(level, "%s", message)
        except Exception:  # of a handler; what is reported next has to be read all the same
            logger.exception("a report of the proxy could not be handled: %s", event)
            if "ask" in event:  # somebody waits for it
                self.send({"answer": event["ask"], "address": None})


def _command() -> tuple[list[str], dict[str, str] | None]:
    """The command that is wsproxy with a recorder, and its environment; None: this one's.

    Raises:
        RecorderMissing: there is none.
        UsageError: the one that was named is none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise UsageError(f"{VARIABLE} names {named}, which is no program")
        return [found], _of_its_own()
    try:
        needs.check()
    except RecorderMissing as missing:
        found = _elsewhere()
        if found is None:
            raise RecorderMissing(
                f"{missing}; or name a wsproxy that has it in {VARIABLE}"
            ) from None
        return [found], _of_its_own()
    # Not the folder at hand, in which an app's modules are.
    return [sys.executable, "-P", "-m", "wsproxy"], None


def _elsewhere() -> str | None:
    """A `wsproxy` in PATH that is another installation than this one, such as that of pipx."""
    here = {Path(sysconfig.get_path("scripts")), Path(sys.executable).parent}
    for folder in os.get_exec_path():
        if folder and Path(folder) not in here:
            found = shutil.which("wsproxy", path=folder)
            if found is not None:
                return found
    return None


def _of_its_own() -> dict[str, str]:
    """The environment for a Python that is not this one: its modules are its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME")
    }


def _last_line(errors: IO[bytes], program: str) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else "it is no wsproxy"
    said = last.removeprefix("error: ").removeprefix("Error: ")
    return f"the recorder {program} cannot be used: {said}"
