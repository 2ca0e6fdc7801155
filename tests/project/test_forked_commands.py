"""A command that is forked (tests/support/forked_commands.py) is a process as a started one."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import forked_commands
from forked_commands import is_installed, real_processes

pytestmark = pytest.mark.skipif(not is_installed(), reason="commands are started here")
SIMULATE = [sys.executable, "-m", "wsproxy", "simulate", "--listen", "127.0.0.1:0"]


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Another limit, mask and blocked signal than those that the server was started with."""
    number = resource.RLIMIT_CORE
    before, mask = resource.getrlimit(number), os.umask(0o27)
    resource.setrlimit(number, (0, before[1]))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        resource.setrlimit(number, before)
        os.umask(mask)


def _kernel_view(folder: Path, *, real: bool) -> dict[str, object]:
    """What the kernel holds of a command that runs, and how it ends."""
    read, write = os.pipe()
    with (
        contextlib.ExitStack() as stack,
        open(read, "rb"),
        open(write, "wb"),
        _limited(),
    ):
        if real:
            stack.enter_context(real_processes())
        process = subprocess.Popen(
            SIMULATE,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[write],
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening on ")
        at = Path(f"/proc/{process.pid}")
        status = dict(
            line.split(":\t", 1)
            for line in (at / "status").read_text().splitlines()
            if ":\t" in line
        )
        seen: dict[str, object] = {
            name: status[name]
            for name in ("PPid", "Umask", "Uid", "Gid", "SigBlk", "SigIgn", "SigCgt", "NoNewPrivs")
        }
        seen["session"] = os.getsid(process.pid) == process.pid == os.getpgid(process.pid)
        seen["limits"] = (at / "limits").read_text()
        seen["folder"] = (at / "cwd").readlink()
        seen["passed"] = (at / "fd" / str(write)).readlink() == Path(
            f"/proc/self/fd/{write}"
        ).readlink()
        seen["descriptors"] = sorted(each.name for each in (at / "fd").iterdir())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        seen["end"] = process.returncode
    return seen


def test_forked_command_is_to_the_kernel_what_a_started_one_is(tmp_path: Path) -> None:
    forked = _kernel_view(tmp_path, real=False)
    assert forked == _kernel_view(tmp_path, real=True)
    assert forked["PPid"] == str(os.getpid())
    assert (forked["session"], forked["passed"]) == (True, True)


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize(
    "arguments",
    [["explain", "missing.wstrace"], ["show"], ["--version"], ["list", "."], ["diff", "--exact"]],
)
def test_forked_command_prints_and_exits_as_a_started_one(
    arguments: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "wsproxy", *arguments]

    def outcome() -> tuple[int, bytes]:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout

    forked = outcome()
    with real_processes():
        assert forked == outcome()


VERSION = [sys.executable, "-m", "wsproxy", "--version"]


def _is_started(
    monkeypatch: pytest.MonkeyPatch, command: Sequence[str] = VERSION, **environment: str
) -> bool:
    """Whether a command with these variables as well is started, not forked."""
    started = []
    real = vars(forked_commands)["_real_fork_exec"]

    def counting(*arguments: object) -> object:
        started.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(forked_commands, "_real_fork_exec", counting)
    subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=True)
    return bool(started)


@pytest.mark.parametrize(
    ("name", "started"),
    [("PYTHONPATH", True), ("LC_ALL", True), ("COVERAGE_RCFILE", True), ("NO_COLOR", False)],
)
def test_command_with_variables_read_at_start_is_started(
    name: str, started: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in [each for each in os.environ if each.startswith("COVERAGE_")]:
        monkeypatch.delenv(each)  # where coverage is measured, all commands are started
    _is_started(monkeypatch)  # starts the server, if this is the first command
    assert _is_started(monkeypatch, **{name: str(tmp_path)}) is started


def test_pytest_is_forked_and_has_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "test_it.py").write_text("import only_here\ndef test_it(): ...\n")
    for each in [each for each in os.environ if each.startswith("COVERAGE_")]:
        monkeypatch.delenv(each)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    command = [sys.executable, "-mpytest", str(tmp_path / "app"), "--import-mode=importlib"]
    for again in (False, True):
        started = _is_started(monkeypatch, command, PYTHONPATH=str(tmp_path))
        assert not (again and started)  # else it starts the server, perhaps


def test_command_is_started_with_coverage_of_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COVERAGE_RCFILE", str(tmp_path))
    assert _is_started(monkeypatch)


@pytest.mark.real_processes
def test_command_of_a_test_of_real_processes_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_started(monkeypatch)
