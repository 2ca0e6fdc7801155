"""`wsproxy report`: a session as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from wsproxy.catalog import load
from wsproxy.errors import InvalidValue, UsageError
from wsproxy.recorder.limits import parse_size
from wsproxy.report.html.page import session_page
from wsproxy.report.html.reading import MAX_AUDIO
from wsproxy.report.text import safe, size
from wsproxy.trace.atomic_file import check_free, new_file

from .catalog_option import catalog_option
from .progress import ProgressLine

HTML = ".html"
LARGEST = 500_000_000  # bytes of audio


@click.command(name="report")
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path), metavar="TRACE")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=f"report{HTML}",
    show_default=True,
    metavar="FILE.html",
    help="File to write.",
)
@click.option("--no-audio", is_flag=True, help="Leave the audio out; its waveform is included.")
@click.option(
    "--max-audio",
    default=MAX_AUDIO,
    show_default=True,
    metavar="SIZE",
    help="Limit the audio in the file; of more audio, the end is included.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.html if it exists.")
def command(*, trace: Path, out: Path, no_audio: bool, max_audio: str, force: bool) -> None:
    """Write TRACE as one HTML file, to look at and to listen to.

    The file needs no network and no other file. It shows what happened and how to fix it, the
    audio of both directions, the transcript, latencies, frames and the handshake. It contains
    no credentials, but it does contain audio and text of the session; `wsproxy scrub` removes
    those.

    \b
      wsproxy report recordings/20261121T004012Z-deepgram-listen-1f9a0c42.wstrace
      wsproxy report trace.wstrace --out call.html --no-audio
    \b
    Exit status:
      0  written      2  invalid option, or cannot be written      3  the trace cannot be read
    """
    if trace.is_dir():
        raise UsageError(f"{trace} is a folder; give a trace")
    room = 0 if no_audio else _size(max_audio)
    check_free(out, force=force, source=trace)
    with ProgressLine("reading") as progress:
        parts = session_page(trace, load(), max_audio=room, step=progress.step)
        with new_file(out, force=force) as new:
            for part in parts:
                new.file.write(part.encode())
    click.echo(safe(f"wrote {out} ({size(out.stat().st_size)})"))


def _size(text: str) -> int:
    try:
        found = parse_size(text)
    except ValueError:
        raise InvalidValue("max-audio", text, "expected a size such as 20MB") from None
    if found > LARGEST:
        raise InvalidValue(
            "max-audio", text, "expected at most 500MB; browsers open no larger file"
        )
    return found
