"""The page of a session that is being recorded, as it is when it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.report import markdown
from wsproxy.report.html.embedded_audio import embedded_audio
from wsproxy.report.html.frame_table import limits_of
from wsproxy.report.html.page import LIVE, SessionView, render
from wsproxy.report.html.page_data import frame_columns
from wsproxy.report.html.reading import SessionContent, add_evidence
from wsproxy.report.html.static_frames import static_rows
from wsproxy.report.html.track_data import element_id, embedded_data

from .frame_window import FRAME_LIMITS
from .live_content import Snapshot

LAST_FRAMES = 1000  # with which a page begins


def live_page(
    session: str, path: Path, catalog: Catalog, snapshot: Snapshot, *, max_audio: int
) -> Iterator[str]:
    """The page, in parts.

    Args:
        session: its id in URLs.
        path: of the trace.
        snapshot: what the page begins with.
        max_audio: as for `read_content`.

    Raises:
        TraceError: the trace cannot be read.
    """
    live = {"id": session, "version": snapshot.version, "ended": snapshot.ended}
    view = live_view(path, catalog, snapshot, max_audio=max_audio)
    return render("viewed.html.j2", [view], LIVE, data_live=live)


def live_view(path: Path, catalog: Catalog, snapshot: Snapshot, *, max_audio: int) -> SessionView:
    """The page as its template shows it.

    The last frames are in it; it asks for others. These and the audio are read from the trace:
    nothing holds them while a session is followed. Arguments and errors are those of `live_page`.
    """
    content = SessionContent.empty(path, catalog, max_audio=max_audio, name=Path(path.name))
    for record in content.session.reading(path):
        content.add(record)
        if content.frames.count >= snapshot.frames:
            break
    content.session.settle()
    content.findings = snapshot.findings
    add_evidence(content)
    tracks, files = _with_audio(content, snapshot)
    last = [frame for frame in content.frames if frame.number <= snapshot.frames][-LAST_FRAMES:]
    counts = snapshot.parts["transcript"]
    earlier = snapshot.turns["results"] - len(snapshot.results)
    return SessionView(
        "",
        {
            **snapshot.parts,
            "tracks": tracks,
            "transcript": {**counts, "results": snapshot.results, "earlier": earlier},
            "turns": snapshot.turns,
            "frames": frame_columns(last, snapshot.frames, limits_of(last, FRAME_LIMITS)),
        },
        snapshot.explained,
        list(static_rows(content)),
        markdown.session(snapshot.explained, everything=True),
        files,
    )


def _with_audio(
    content: SessionContent, snapshot: Snapshot
) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """The tracks of a snapshot with the audio that was read, and its files by their elements."""
    read = {track.key: (track, recorder) for track, recorder in content.tracks}
    heard = [(number, *read[key]) for number, key in enumerate(snapshot.tracks) if key in read]
    audio = embedded_audio([recorder for _, _, recorder in heard], content.max_audio)
    tracks = [dict(figures) for figures in snapshot.parts["tracks"]]
    files = {}
    for (number, track, recorder), file in zip(heard, audio, strict=True):
        element, duration = element_id("", number), tracks[number]["duration"] or 0.0
        tracks[number] |= embedded_data(track, recorder, file, element, duration)
        if file is not None:
            files[element] = file.data
    return tracks, files
