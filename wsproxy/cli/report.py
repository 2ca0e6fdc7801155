"""`wsproxy report`: sessions as HTML, to look at and to listen to."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from wsproxy.catalog import load
from wsproxy.diagnose.session_groups import KEPT_SPANS, SessionSpan, findings_across
from wsproxy.errors import InvalidValue, TraceError, UsageError
from wsproxy.recorder.limits import parse_size
from wsproxy.report.examination import UnreadableTrace, examine_all
from wsproxy.report.html.index_page import INDEX, SessionIndex
from wsproxy.report.html.page import session_page, view_of
from wsproxy.report.html.pair_page import pair_page
from wsproxy.report.html.reading import MAX_AUDIO, read_content
from wsproxy.report.safe_text import safe
from wsproxy.report.text import size
from wsproxy.trace import find_recordings
from wsproxy.trace.atomic_file import check_free, new_file
from wsproxy.wording import plural

from .catalog_option import catalog_option
from .progress import ProgressLine

OUT = "report"
HTML = ".html"
LARGEST = 500_000_000  # bytes of audio


@click.command(name="report")
@catalog_option
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE|FOLDER..."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.html|DIR",
    help="File to write; of many sessions the folder.  [default: report.html; of many sessions "
    "report]",
)
@click.option("--no-audio", is_flag=True, help="Leave the audio out; its waveform is included.")
@click.option(
    "--max-audio",
    default=MAX_AUDIO,
    show_default=True,
    metavar="SIZE",
    help="Limit the audio in a file; of more audio, the end is included.",
)
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
def command(
    *, traces: tuple[Path, ...], out: Path | None, no_audio: bool, max_audio: str, force: bool
) -> None:
    """Write the session in TRACE as one HTML file, to look at and to listen to.

    The file needs no network and no other file. It shows what happened and how to fix it, the
    audio of both directions, the transcript, latencies, frames and the handshake. It contains
    no credentials, but it does contain audio and text of the session; those of a trace from
    `wsproxy scrub` are synthetic.

    Of two traces, the file shows where they differ as well. Of more traces, or of a FOLDER
    (searched recursively), a folder with an index page and a page for each session is written.

    \b
      wsproxy report recordings/20261121T004012Z-deepgram-listen-1f9a0c42.wstrace
      wsproxy report trace.wstrace --out call.html --no-audio
      wsproxy report good.wstrace bad.wstrace
      wsproxy report recordings --out overview
    \b
    Exit status:
      0  written      2  invalid option, or cannot be written      3  a trace cannot be read
    """
    room = 0 if no_audio else audio_size(max_audio)
    if len(traces) > 2 or any(path.is_dir() for path in traces):
        _write_folder(traces, out or Path(OUT), room, force=force)
        return
    place = out or Path(OUT + HTML)
    for trace in traces:
        check_free(place, force=force, source=trace)
    with ProgressLine("reading") as progress:
        if len(traces) == 2:
            parts = pair_page(*traces, load(), max_audio=room, step=progress.step)
        else:
            parts = _page(traces[0], room, progress)
        _write(parts, place, force=force)
    click.echo(safe(f"wrote {place} ({size(place.stat().st_size)})"))


def _page(path: Path, room: int, progress: ProgressLine) -> Iterator[str]:
    content = read_content(path, load(), max_audio=room, step=progress.step)
    progress.step(f"writing the page of {path.name}")
    return session_page(view_of(content))


def _write(parts: Iterable[str], place: Path, *, force: bool) -> None:
    with new_file(place, force=force) as new:
        for part in parts:
            new.file.write(part.encode())


def _write_folder(traces: Sequence[Path], folder: Path, room: int, *, force: bool) -> None:
    """Write an index page and the pages of the sessions."""
    paths, _ = find_recordings(traces)
    if not paths:
        raise UsageError(f"no recordings in {safe(' '.join(map(str, traces)))}")
    check_free(folder / INDEX, force=force)
    with ProgressLine("explaining") as progress:
        index = _read_index(paths, progress)
        pages = index.choose_pages()
        for name in pages.values():
            check_free(folder / name, force=force)
        _make_folder(folder)
        for path in progress.each(list(pages)):
            _write(_page(path, room, progress), folder / pages[path], force=force)
        _write(index.page(), folder / INDEX, force=force)
    written = plural(len(pages), "session")
    more = len(index.sessions) - len(pages)
    without = f"; {more} more are in the index only" if more else ""
    click.echo(safe(f"wrote {folder / INDEX} and the pages of {written}{without}"))
    if index.overview.unreadable:
        sys.exit(TraceError.exit_status)


def _read_index(paths: Sequence[Path], progress: ProgressLine) -> SessionIndex:
    index = SessionIndex()
    spans: deque[SessionSpan] = deque(maxlen=KEPT_SPANS)
    for number, found in enumerate(examine_all(paths), 1):
        progress.number(number, len(paths), found.path.name)
        if isinstance(found, UnreadableTrace):
            index.overview.unreadable += 1
            print(f"error: {safe(found.message)}", file=sys.stderr)  # noqa: T201
            continue
        index.add(found)
        if found.span is not None:
            spans.append(found.span)
    index.set_across(findings_across(spans))
    return index


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot create {folder}: {error.strerror or error}") from None


def audio_size(text: str) -> int:
    """The bytes that `--max-audio` names.

    Raises:
        InvalidValue: it is no size, or too large.
    """
    try:
        found = parse_size(text)
    except ValueError:
        raise InvalidValue("max-audio", text, "expected a size such as 20MB") from None
    if found > LARGEST:
        raise InvalidValue("max-audio", text, "expected at most 500MB")
    return found
