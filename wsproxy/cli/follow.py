"""`wsproxy follow`: sessions and their transcripts while they are recorded."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from wsproxy.catalog import load
from wsproxy.errors import TraceError
from wsproxy.report.followed_session import Event, FollowedSession, Heard
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe, short
from wsproxy.report.text import api
from wsproxy.trace import FolderWatch
from wsproxy.trace.lock import is_held
from wsproxy.trace.parts import later_parts, part_of, part_path

from .catalog_option import catalog_option
from .width import columns, cut, wrapped

_POLL = 0.25  # seconds between two looks
_ID = 8  # characters of a session's id that a line has
_INDENT = _ID + 4
_TEXT = 1000  # characters of an interim result
_MAX_OPEN = 10  # open sessions with a line on a terminal


@click.command(name="follow")
@catalog_option
@click.argument("folder", type=click.Path(path_type=Path), default=Path("recordings"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, per event.")
def command(folder: Path, as_json: bool) -> None:
    """Show the sessions in FOLDER while they are recorded.

    A session has a line when it begins, one for each final result of its transcript, and its
    findings when it ends. On a terminal, the current interim result of each open session is
    shown at the bottom. Sessions that had ended before are not shown; `wsproxy list` lists them.
    FOLDER (default: recordings) need not exist yet. It is searched recursively.

    If FOLDER is a trace, that session is shown from its beginning, and the command ends with it.

    The recorder is another process: traces are read as they are written. Ctrl-C ends this
    command; a recorder continues.

    \b
      wsproxy follow
      wsproxy follow recordings --json | jq 'select(.event == "ended") | .findings[0].id'
    \b
    Exit status:
      0  ended, or stopped      2  invalid option      3  the trace cannot be read
    """
    following = _Following(folder, _screen(as_json))
    with _stopped_by_signals() as stop:
        if folder.is_dir() or not os.path.lexists(folder):
            following.announce()
        else:
            following.follow_one()  # of what is no regular file the reader says so
        with following.screen:
            while following.poll() and not stop.wait(_POLL):
                pass
    if following.failed:
        sys.exit(TraceError.exit_status)


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[Flag]:
    """A flag that Ctrl-C and SIGTERM set, as they stop a recorder."""
    stop = Flag()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Lines:
    """Prints events as lines; in a pipe nothing is ever printed over."""

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """There is nothing to end."""

    def say(self, line: str) -> None:
        """Print a line about the command itself."""
        click.echo(line)

    def show(self, session: FollowedSession, event: Event) -> None:
        """Print an event; of results only final ones."""
        if isinstance(event, Heard) and not event.result.final:
            return
        begin = f"[{safe(session.session.id[:_ID])}] "
        for line in event.lines():
            self._print(wrapped(begin + line, columns(), _INDENT))

    def warn(self, line: str) -> None:
        """Print a line about a trace that cannot be read."""
        print(safe(line), file=sys.stderr)  # noqa: T201

    def update(self, sessions: list[FollowedSession]) -> None:
        """Show the open sessions, where they can be printed over."""

    def _print(self, line: str) -> None:
        click.echo(line)


class _JsonLines(_Lines):
    """Prints each event as a JSON object."""

    def say(self, line: str) -> None:
        """Print it on stderr: stdout has nothing but JSON."""
        print(line, file=sys.stderr)  # noqa: T201

    def show(self, session: FollowedSession, event: Event) -> None:
        """Print an event, interim results too."""
        click.echo(dumps(event.as_json()))


class _Terminal(_Lines):
    """Prints lines, and below them the open sessions, which are printed over."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: list[Text] = []
        self._live = Live(console=console, get_renderable=self._board, transient=True)

    def __enter__(self) -> _Terminal:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def warn(self, line: str) -> None:
        """Print it above the open sessions."""
        self._print(safe(line))

    def update(self, sessions: list[FollowedSession]) -> None:
        """Show the open sessions, each with its interim result."""
        lines = [self._line(session) for session in sessions[:_MAX_OPEN]]
        if len(sessions) > _MAX_OPEN:
            lines.append(f"● {len(sessions) - _MAX_OPEN} more sessions")
        width = self._console.width - 1
        self._open = [Text(cut(line, width), no_wrap=True) for line in lines]

    @staticmethod
    def _line(session: FollowedSession) -> str:
        facts = session.session
        said = short(session.interim.text, _TEXT) if session.interim is not None else ""
        return (
            f"● [{safe(facts.id[:_ID])}] {api(facts)}  {facts.duration_ns / 1e9:.1f} s  {said}"
        ).rstrip()

    def _board(self) -> Group:
        return Group(*self._open)

    def _print(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


def _screen(as_json: bool) -> _Lines:
    if as_json:
        return _JsonLines()
    console = Console(highlight=False)
    return _Terminal(console) if console.is_terminal else _Lines()


class _Following:
    """The sessions of a folder, or one of them.

    Attributes:
        failed: whether the only trace that was asked for could not be read.
    """

    def __init__(self, folder: Path, screen: _Lines) -> None:
        self.screen = screen
        self.failed = False
        self._folder = folder
        self._catalog = load()
        self._watch: FolderWatch | None = None
        self._open: list[FollowedSession] = []

    def follow_one(self) -> None:
        """Follow the trace that was named."""
        self._open.append(FollowedSession(self._folder, self._catalog))

    def announce(self) -> None:
        """Say what is followed, and begin with the sessions that are being recorded."""
        self._watch = FolderWatch(self._folder)
        for path in self._watch.new():
            if _is_recorded(path):
                self._open.append(FollowedSession(path, self._catalog))
        name = safe(str(self._folder))
        missing = "" if self._folder.is_dir() else "; the folder does not exist yet"
        self.screen.say(f"following {name}{missing}; stop with Ctrl-C")

    def poll(self) -> bool:
        """Show what is new; returns whether more may come."""
        if self._watch is not None:
            new = self._watch.new()
            self._open += [FollowedSession(path, self._catalog) for path in new]
        for session in self._open:
            self._show(session)
        self._open = [session for session in self._open if not session.has_ended]
        self.screen.update(self._open)
        return self._watch is not None or bool(self._open)

    def _show(self, session: FollowedSession) -> None:
        try:
            for event in session.poll():
                self.screen.show(session, event)
        except TraceError as error:
            session.has_ended = True
            self.failed = self._watch is None
            self.screen.warn(f"error: {error}")


def _is_recorded(path: Path) -> bool:
    """Whether a trace is being recorded: its last part is held."""
    first, number = part_of(path)
    last = part_path(first, max([number, *later_parts(first, number)]))
    with contextlib.suppress(OSError):
        return is_held(last)
    return False
