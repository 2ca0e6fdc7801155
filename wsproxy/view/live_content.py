"""A session that is being recorded, read as it grows, for its page."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.diagnose import Finding
from wsproxy.errors import TraceError
from wsproxy.report import markdown
from wsproxy.report.explanation import Explanation
from wsproxy.report.html.frame_table import limits_of
from wsproxy.report.html.handshake_data import handshake_data
from wsproxy.report.html.json_block import json_block
from wsproxy.report.html.page import SessionView, rendered
from wsproxy.report.html.page_data import frame_columns, parts_besides_frames
from wsproxy.report.html.reading import SessionContent, read_content
from wsproxy.report.html.speech_data import event_data
from wsproxy.session.audio_track import TrackKey

from .growth import growth
from .live_parts import Diagnosed, Parts, live_parts

FRAME_LIMITS = (4000, 128)  # bytes of a text, and of a binary payload, of a frame that arrives
EXPLAIN_EVERY = 1.0  # seconds between two diagnoses of a session that grows, at least
EXPLAIN_REST = 40.0  # times the processor time of a diagnosis, until the next
# For pages that have not asked for them yet.
KEPT_UPDATES, KEPT_CHARACTERS = 80, 2_000_000
_SHOWN_EVENTS = 200  # of a section
# A session is read again when it is twice as long: the format of audio that is not declared was
# guessed from little audio, and the guess stays. A long one is not.
FIRST_AGAIN_NS, LAST_AGAIN_NS = 1_000_000_000, 200_000_000_000
# Parts of the page that are replaced, by the ids of their elements.
SECTIONS = {
    "about": "about.html.j2",
    "findings": "findings.html.j2",
    "numbers": "numbers.html.j2",
    "transcript-count": "transcript_count.html.j2",
    "latency-figures": "latency_figures.html.j2",
    "handshake": "handshake.html.j2",
    "bug-report": "bug_report.html.j2",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session as of one update, for a page that begins with it.

    Attributes:
        version: number of the update.
        ended: whether nothing more is written.
        frames: how many there are.
        parts: the data of the page besides its frames, without audio.
        tracks: the keys of its tracks.
    """

    version: int
    ended: bool
    frames: int
    parts: Mapping[str, Any]
    tracks: Sequence[TrackKey]
    explained: Explanation
    findings: Sequence[Finding]


class LiveContent:
    """Follows a session for its pages, all of which show the same.

    What it holds is bounded: no audio, and frames only until the next update. An update takes time
    for what is new; the parts of the page that depend on everything are made again after a rest.
    Used on one thread, but for `after`.

    Args:
        path: of its trace.
        catalog: to diagnose it.

    Attributes:
        version: number of the last update; 1 is what was read first.
        ended: whether nothing more is written.

    Raises:
        TraceError: by all methods: the trace cannot be read.
    """

    def __init__(self, path: Path, catalog: Catalog) -> None:
        self.version = 0
        self.ended = False
        self._path, self._catalog = path, catalog
        self._begin()
        self._again_at_ns = FIRST_AGAIN_NS
        self._diagnosed: Diagnosed | None = None
        self._diagnose_at = 0.0
        self._is_stale = False  # whether it has grown since it was diagnosed
        self._parts: Parts = {}
        self._sections: dict[str, str] = {}
        self._frames = 0  # that updates have
        self._updates: deque[tuple[int, str]] = deque()
        self._characters = 0  # of the updates
        self._lock = Lock()

    def poll(self, *, now: bool = False) -> None:
        """Read what was written, and make an update of it.

        Args:
            now: also if the session was diagnosed a short time ago.
        """
        if self.ended:
            return
        grew = self._read()
        if self.ended:
            self._conclude()
        found = self._diagnosed
        due = now or time.monotonic() >= self._diagnose_at
        if found is None or self.ended or (due and self._is_stale) or self._has_new_track(found):
            self._diagnose()
        elif grew:
            self._update(found, self._sections)

    def _has_new_track(self, diagnosed: Diagnosed) -> bool:
        return len(self._content.tracks) > len(diagnosed.tracks)

    def _begin(self) -> None:
        """Read from the beginning of the trace on."""
        self._content = SessionContent.empty(
            self._path, self._catalog, max_audio=0, name=Path(self._path.name)
        )
        self._records = self._content.session.following(self._path)

    def _read(self) -> bool:
        """Add what was written; returns whether there was something."""
        grew = self._add()
        if not self.ended and self._content.session.last_ns >= self._again_at_ns:
            while self._again_at_ns <= self._content.session.last_ns:
                self._again_at_ns *= 2
            if self._again_at_ns > LAST_AGAIN_NS:
                self._again_at_ns = sys.maxsize
            if self.version:  # else all of it was read at once
                self.close()
                self._begin()
                self._add()
        return grew

    def _add(self) -> bool:
        grew = False
        for record in self._records:
            if record is None:
                break
            self._content.add(record)
            if self._content.frames.count <= self._frames:  # it is read again
                self._content.frames.forget()
            grew = True
        else:
            self.ended = True
        if grew:
            self._is_stale = True
        return grew

    def _conclude(self) -> None:
        """Read the trace once more, as `report` does: the page shows the same at the end."""
        self.close()
        self.ended = True
        with suppress(TraceError):  # it was removed: what was read so far is shown
            self._content = read_content(
                self._path, self._catalog, max_audio=0, name=Path(self._path.name)
            )

    def _diagnose(self) -> None:
        """Diagnose the session, and make an update with the parts that depend on everything."""
        is_first, began = self._diagnosed is None, time.thread_time()
        self._diagnosed = found = Diagnosed.of(self._content)
        self._is_stale = False
        self._update(found, self._rendered(found))
        # The first one may have loaded libraries and templates.
        spent = 0.0 if is_first else time.thread_time() - began
        self._diagnose_at = time.monotonic() + max(EXPLAIN_EVERY, EXPLAIN_REST * spent)

    def _update(self, diagnosed: Diagnosed, sections: dict[str, str]) -> None:
        table = self._content.frames
        parts = self._all_parts(diagnosed) if self.ended else live_parts(self._content, diagnosed)
        new = table.after(self._frames)
        changed = growth(self._parts, parts)
        if changed is None and not new and sections == self._sections and not self.ended:
            return
        if self.version:  # a page begins with what was read first
            update = {
                "version": self.version + 1,
                "ended": self.ended,
                "frames": frame_columns(new, table.count, limits_of(new, FRAME_LIMITS)),
                "growth": changed or {"in": {}, "drop": []},
                "sections": {n: s for n, s in sections.items() if self._sections.get(n) != s},
            }
            self._keep(json_block(update))
        self._parts, self._sections, self._frames = parts, sections, table.count
        table.forget()
        self.version += 1

    def _keep(self, update: str) -> None:
        with self._lock:
            self._updates.append((self.version + 1, update))
            self._characters += len(update)
            while self._has_too_many():
                self._characters -= len(self._updates.popleft()[1])

    def _has_too_many(self) -> bool:
        count = len(self._updates)
        return count > KEPT_UPDATES or (count > 1 and self._characters > KEPT_CHARACTERS)

    def _all_parts(self, diagnosed: Diagnosed) -> Parts:
        """The data of the report, without its audio and its handshake, which is in a section."""
        content = self._content
        parts = parts_besides_frames(content, diagnosed.explained, [None] * len(content.tracks))
        del parts["handshake"]
        for track in parts["tracks"]:
            del track["audio"], track["note"]
        return parts

    def _rendered(self, diagnosed: Diagnosed) -> dict[str, str]:
        """The parts of the page that are replaced."""
        parts = live_parts(self._content, diagnosed)
        events = islice(self._content.timeline.events, _SHOWN_EVENTS)
        data = {
            **parts,
            "lanes": {**parts["lanes"], "events": [event_data(event) for event in events]},
            "handshake": handshake_data(self._content.session),
            "frames": {"count": self._content.frames.count},
        }
        text = markdown.session(diagnosed.explained, everything=True)
        view = _GrowingView("", data, diagnosed.explained, [], text, {})
        return {
            name: rendered("section.html.j2", view, section=template)
            for name, template in SECTIONS.items()
        }

    def after(self, version: int) -> list[str] | None:
        """The updates after one, as JSON; None if they are not kept. On any thread."""
        with self._lock:
            updates = list(self._updates)
        if version < self.version and (not updates or updates[0][0] > version + 1):
            return None
        return [text for number, text in updates if number > version]

    def snapshot(self) -> Snapshot:
        """The session as of now; updates after its version belong to it."""
        self.poll(now=True)
        diagnosed, content = self._diagnosed, self._content
        assert diagnosed is not None, "it was polled"
        return Snapshot(
            self.version,
            self.ended,
            self._frames,
            parts_besides_frames(content, diagnosed.explained, [None] * len(content.tracks)),
            diagnosed.tracks,
            diagnosed.explained,
            content.findings,
        )

    def close(self) -> None:
        """Close the file."""
        self._records.close()


@dataclass(frozen=True, slots=True)
class _GrowingView(SessionView):
    """A view for a page whose table has all frames."""

    @property
    def listed(self) -> Container[int]:
        return range(1, self.data["frames"]["count"] + 1)
