"""What `wsproxy show` shows of a session instead of its frames: `--timeline` and others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.diagnose.outcome import outcome
from wsproxy.errors import UsageError
from wsproxy.report.json_output import dumps
from wsproxy.report.latency import latency_json, latency_lines
from wsproxy.report.safe_text import safe
from wsproxy.report.timeline import timeline_json, timeline_lines, transcript_json
from wsproxy.report.transcript import INDENT, transcript_lines
from wsproxy.session import Session
from wsproxy.session.timeline import Timeline

from .progress import ProgressLine
from .streams import can_print
from .width import PIPED, columns, wrapped

_RESULTS = 5000  # of a transcript, from the beginning, and as many from the end


def timeline(trace: Path, *, as_json: bool) -> None:
    """Show outcome, latencies, audio, transcript and control events."""
    catalog = load()
    with ProgressLine(f"reading {trace.name}"):
        session = Session.read(trace, catalog=catalog)
        found = outcome(session, diagnose(session, catalog))
    _warn_unread(session)
    assert session.timeline is not None
    assert found is not None
    if as_json:
        click.echo(dumps(timeline_json(session, session.timeline, found), indent=2))
        return
    for line in timeline_lines(session, session.timeline, found):
        click.echo(line)


def transcript(trace: Path, *, as_json: bool, interims: bool) -> None:
    """Show the results that stay; with `interims` all of them."""
    session, found = _read(trace)
    if as_json:
        shown = {"session": session.id, **transcript_json(found.transcript)}
        click.echo(dumps(shown, indent=2))
        return
    width = columns()
    for line in transcript_lines(found.transcript, interims=interims):
        click.echo(wrapped(line, width, INDENT))


def latency(trace: Path, *, as_json: bool) -> None:
    """Show the latencies of the session."""
    session, found = _read(trace)
    if as_json:
        click.echo(dumps({"session": session.id, **latency_json(found.latency)}, indent=2))
        return
    width = columns()
    for line in latency_lines(found.latency):
        click.echo(wrapped(line, width, INDENT))


def waveform(trace: Path, *, as_json: bool) -> None:
    """Show the audio of both directions as characters."""
    if as_json:
        raise UsageError(
            "--waveform and --json exclude each other; --timeline --json has what it is drawn from"
        )
    from wsproxy.report.html.reading import read_content  # noqa: PLC0415  # not for other views
    from wsproxy.report.waveform import BLOCKS, waveform_lines  # noqa: PLC0415  # likewise

    with ProgressLine("reading") as progress:
        content = read_content(trace, load(), max_audio=0, step=progress.step)
    _warn_unread(content.session)
    width = columns() or PIPED
    for line in waveform_lines(content, width, ascii_only=not can_print(BLOCKS)):
        click.echo(line)


VIEWS: Mapping[str, Callable[..., None]] = {
    "timeline": timeline,
    "transcript": transcript,
    "latency": latency,
    "waveform": waveform,
}


def chosen_view(chosen: Mapping[str, bool], others: Mapping[str, object]) -> str | None:
    """The view that is chosen; None: the frames are shown.

    Args:
        chosen: for each name of VIEWS, whether its option is given.
        others: options for frames, by their names.

    Raises:
        UsageError: two options exclude each other.
    """
    views = [name for name, is_chosen in chosen.items() if is_chosen]
    if not views:
        return None
    given = [*views[1:], *(name for name, value in others.items() if value)]
    if given:
        raise UsageError(f"--{views[0]} and --{given[0]} exclude each other")
    return views[0]


def _read(trace: Path) -> tuple[Session, Timeline]:
    session = Session.analyzing(load(), _RESULTS)
    with ProgressLine(f"reading {trace.name}"):
        for _ in session.reading(trace):
            pass
        found = session.timeline
    _warn_unread(session)
    assert found is not None
    return session, found


def _warn_unread(session: Session) -> None:
    if session.unread:
        print(f"warning: {safe(session.unread)}", file=sys.stderr)  # noqa: T201
