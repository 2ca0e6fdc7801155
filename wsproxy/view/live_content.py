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
from wsproxy.report.html.page_data import frame_columns
from wsproxy.report.html.reading import SessionContent, read_content
from wsproxy.report.html.speech_data import event_data
from wsproxy.session.audio_track import TrackKey
from wsproxy.trace import FrameIndex, Start

from .frame_marks import FrameMarks
from .frame_window import FRAME_LIMITS, FrameWindow
from .growth import growth
from .live_parts import Diagnosed, Parts, final_parts, live_parts, parts_so_far
from .live_turns import LiveTurns, results

EXPLAIN_EVERY = 1.0  # seconds between two diagnoses of a session that grows, at least
EXPLAIN_REST = 40.0  # times the processor time of a diagnosis, until the next
# For pages that have not asked for them yet.
KEPT_UPDATES, KEPT_CHARACTERS = 80, 1_000_000
LISTED_RESULTS = 200
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
        turns: of the transcript, the last ones.
        results: of the transcript, the last ones, for the table of a page without scripts.
        tracks: the keys of its tracks.
    """

    version: int
    ended: bool
    frames: int
    parts: Mapping[str, Any]
    turns: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]
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
        frames: reads those that a page asks for; on any thread.

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
        # Those that updates have: the number of the last one that changed it, and its JSON.
        self._changed: dict[str, tuple[int, str]] = {}
        self._frames, self._results, self._turn = 0, 0, 0  # that updates have
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
        index = FrameIndex()
        self.frames = FrameWindow(self._path, index)
        self._marks, self._turns = FrameMarks(), LiveTurns()
        self._records = self._content.session.following(self._path, index)

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
        grew, transcript = False, None
        for record in self._records:
            if record is None:
                break
            self._content.add(record)
            self._marks.add(record)
            if transcript is None or type(record) is Start:
                # Asked for once: it is the same until then, and analyzes the audio that waits.
                transcript = self._content.timeline.transcript
            self._turns.follow(transcript)
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
        make = final_parts if self.ended else live_parts
        parts = make(self._content, diagnosed, self._marks)
        transcript, new = self._content.timeline.transcript, table.after(self._frames)
        changed = growth(self._parts, parts)
        if changed is None and not new and sections == self._sections and not self.ended:
            return
        if self.version:  # a page begins with what was read first
            update = {
                "version": self.version + 1,
                "ended": self.ended,
                "frames": frame_columns(new, table.count, limits_of(new, FRAME_LIMITS)),
                "turns": self._turns.data(transcript, self._turn)
                if transcript.results != self._results
                else None,
                "growth": changed or {"in": {}, "drop": []},
            }
            self._keep(json_block(update), sections)
        self._parts, self._sections, self._frames = parts, sections, table.count
        self._results, self._turn = transcript.results, self._turns.count
        table.forget()
        self.version += 1

    def _keep(self, update: str, sections: Mapping[str, str]) -> None:
        with self._lock:
            for name, html in sections.items():
                if self._sections.get(name) != html:
                    self._changed[name] = (self.version + 1, json_block({name: html})[1:-1])
            self._updates.append((self.version + 1, update))
            self._characters += len(update)
            while self._has_too_many():
                self._characters -= len(self._updates.popleft()[1])

    def _has_too_many(self) -> bool:
        count = len(self._updates)
        return count > KEPT_UPDATES or (count > 1 and self._characters > KEPT_CHARACTERS)

    def _rendered(self, diagnosed: Diagnosed) -> dict[str, str]:
        """The parts of the page that are replaced."""
        parts = live_parts(self._content, diagnosed, self._marks)
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
        """The updates after one, as JSON; None if they are not kept. On any thread.

        The last of them has the parts of the page that have changed since, as they are now.
        """
        with self._lock:
            updates = list(self._updates)
            changed = [text for number, text in self._changed.values() if number > version]
        if version < self.version and (not updates or updates[0][0] > version + 1):
            return None
        found = [text for number, text in updates if number > version]
        last = len(found) - 1
        return [
            f'{text[:-1]},"sections":{{{",".join(changed) if at == last else ""}}}}}'
            for at, text in enumerate(found)
        ]

    def snapshot(self) -> Snapshot:
        """The session as of now; updates after its version belong to it."""
        self.poll(now=True)
        diagnosed, content = self._diagnosed, self._content
        assert diagnosed is not None, "it was polled"
        return Snapshot(
            self.version,
            self.ended,
            self._frames,
            parts_so_far(content, diagnosed, self._marks),
            self._turns.data(content.timeline.transcript, 0),
            self.results(max(1, self._results - LISTED_RESULTS + 1), self._results),
            diagnosed.tracks,
            diagnosed.explained,
            content.findings,
        )

    def turns(self, first: int, last: int) -> list[Parts]:
        """Those turns of the transcript, by their numbers, that are kept."""
        return self._turns.turns(self._content.timeline.transcript, first, last)

    def turn_at(self, seconds: float) -> int:
        """The number of the first turn whose result came at a time or later; of the last one."""
        return self._turns.around(self._content.timeline.transcript, round(seconds * 1e9))

    def results(self, first: int, last: int) -> list[Parts]:
        """Those results of the transcript, by their numbers, that are kept."""
        return list(results(self._content.timeline.transcript, first, last))

    def close(self) -> None:
        """Close the file."""
        self._records.close()


@dataclass(frozen=True, slots=True)
class _GrowingView(SessionView):
    """A view for a page whose table has all frames."""

    @property
    def listed(self) -> Container[int]:
        return range(1, self.data["frames"]["count"] + 1)
