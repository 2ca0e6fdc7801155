"""`wsproxy run -- CMD`: run a command with its sessions recorded."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from wsproxy.capture import descriptors, environment
from wsproxy.recording import Recording

from .catalog_option import catalog_option
from .logs import info_on_stderr
from .recording_options import ended_lines, recording_options, settings_of, warnings

if TYPE_CHECKING:
    from wsproxy.capture import embed

_LINGER = 2.0  # seconds that connections may stay open after the command's end


@click.command(name="run", context_settings={"ignore_unknown_options": False})
@catalog_option
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default="a free port",
    metavar="HOST:PORT",
    help="Where the recorder listens.",
)
@recording_options
@click.argument("cmd", nargs=-1, required=True, metavar="-- CMD...")
def command(listen: str, cmd: tuple[str, ...], **options: Any) -> None:
    """Run CMD with its sessions recorded, and exit as it does.

    CMD gets an environment that sends it through the recorder and makes it trust the
    recorder's CA: proxy variables in both cases, certificate variables for Python, curl
    and Node, and a preload for Node's ws package and Python's older websockets. What was
    recorded is printed on stderr, so that CMD's output stays its own.

    \b
      wsproxy run -- python app.py
      wsproxy run --host deepgram -- npm start
    """
    if shutil.which(cmd[0]) is None:
        _cannot_run(cmd[0], *_problem_of(cmd[0]))
    settings = settings_of(listen, **options)
    from wsproxy.capture import embed  # noqa: PLC0415  # it imports mitmproxy

    descriptors.raise_limit()
    recorded = Recorded()
    ended: int | None = None
    try:
        with (
            tempfile.TemporaryDirectory(prefix="wsproxy-") as folder,
            info_on_stderr(),
            embed.background(settings, on_end=recorded.add) as running,
        ):
            for line in warnings(settings, running):
                click.echo(f"wsproxy: warning: {line}", err=True)
            env = environment.for_command(running, settings.mode, Path(folder))
            ended = _run(cmd, env, embed.stopping_signals())
            with contextlib.suppress(KeyboardInterrupt):  # somebody does not want to wait
                # The command's last sessions end with it, a moment later.
                running.drain(_LINGER)
        _report(recorded, running, settings.out)
    except Exception as error:
        if ended is None:
            raise
        # Whatever went wrong here, the command has ended as it has.
        with contextlib.suppress(OSError):  # such as that nobody reads this any more
            click.echo(f"wsproxy: error: {error}", err=True)
    sys.exit(ended)


def _problem_of(program: str) -> tuple[str, int]:
    """Why a program cannot be run, and the exit status that a shell has for that."""
    path = Path(program)
    if path.name == program:
        return "command not found; give the command as in `wsproxy run -- python app.py`", 127
    if path.is_dir():
        return "is a folder, not a program", 126
    if path.exists():
        return f"is not executable; chmod +x {program}, or name the program that runs it", 126
    return "no such file", 127


def _cannot_run(program: str, problem: str, status: int) -> NoReturn:
    click.echo(f"error: {program}: {problem}", err=True)
    sys.exit(status)


def _run(cmd: tuple[str, ...], env: dict[str, str], stopping: Sequence[signal.Signals]) -> int:
    """Run the command to its end; its exit status, or 128 and the signal that ended it."""
    try:
        # The limit is part of what the command was started with.
        process = subprocess.Popen(cmd, env=env, preexec_fn=descriptors.as_at_start())  # noqa: PLW1509
    except FileNotFoundError:  # the program itself was found
        _cannot_run(cmd[0], "the interpreter that its first line names does not exist", 127)
    except OSError as error:
        _cannot_run(cmd[0], f"cannot be run: {error.strerror}", 126)
    with _signals_to(process, stopping):
        status = process.wait()
    return 128 - status if status < 0 else status


@contextlib.contextmanager
def _signals_to(
    process: subprocess.Popen[bytes], stopping: Sequence[signal.Signals]
) -> Iterator[None]:
    """Leave Ctrl-C to the command, which gets it from the terminal as well; pass others on."""

    def forward(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    before = {
        number: signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else forward)
        for number in stopping
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class Recorded:
    """What is printed of the sessions in the end; a command may open any number of them.

    Attributes:
        lines: all of them, as they ended.
        failed: the trace of the first one that failed.
    """

    count: int = 0
    lines: list[str] = field(default_factory=list)
    failed: Path | None = None

    def add(self, recording: Recording) -> None:
        """Take a session that has ended; nothing is kept of what was in it."""
        self.count += 1
        self.lines += ended_lines(recording)
        if self.failed is None and recording.session.failed:
            self.failed = recording.path


def _report(recorded: Recorded, running: embed.Running, out: Path) -> None:
    def say(text: str) -> None:
        click.echo(f"wsproxy: {text}" if text else "", err=True)

    if recorded.count:
        many = "" if recorded.count == 1 else "s"
        say(f"{recorded.count} session{many} recorded in {out}")
        for line in recorded.lines:
            click.echo(f"  {line}", err=True)
        if recorded.failed is not None:
            say(f"why: wsproxy explain {recorded.failed}")
    elif running.connections:
        many = "" if running.connections == 1 else "s"
        say(
            f"nothing recorded: the command opened {running.connections} connection{many} through "
            "the recorder, but none was a WebSocket or a failed call of a known speech API"
        )
    else:
        say("nothing recorded: the command opened no connection through the recorder")
        for line in environment.HINTS:
            click.echo(f"  {line}", err=True)
