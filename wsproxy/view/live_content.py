"""A session that is being recorded, read as it grows, for its page."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.errors import TraceError
from wsproxy.report import markdown
from wsproxy.report.explanation import Explanation, explain
from wsproxy.report.html.json_block import json_block
from wsproxy.report.html.page import LIVE, SessionView, render, rendered, view_of
from wsproxy.report.html.page_data import frame_columns, parts_besides_frames
from wsproxy.report.html.reading import SessionContent, read_content

from .growth import growth

FRAME_LIMITS = (4000, 128)  # bytes of a text, and of a binary payload, of a frame that arrives
EXPLAIN_EVERY = 1.0  # seconds between two diagnoses of a session that grows, at least
EXPLAIN_REST = 20.0  # times as long as a diagnosis took, until the next: frames are not late
KEPT_UPDATES = 240  # for pages that have not asked for them yet
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


class LiveContent:
    """Follows a session for its pages, all of which show the same.

    Used on one thread, but for `after`.

    Args:
        path: of its trace.
        catalog: to diagnose it.
        max_audio: as for `read_content`.

    Attributes:
        version: number of the last update.
        ended: whether nothing more is written.

    Raises:
        TraceError: by all methods: the trace cannot be read.
    """

    def __init__(self, path: Path, catalog: Catalog, *, max_audio: int) -> None:
        self.version = 0
        self.ended = False
        self._path, self._catalog, self._max_audio = path, catalog, max_audio
        self._begin()
        self._again_at_ns = FIRST_AGAIN_NS
        self._explained: Explanation | None = None
        self._explain_at = 0.0
        self._is_stale = False  # whether it has grown since it was diagnosed
        self._sections_due = False
        self._parts: dict[str, Any] = {}
        self._sections: dict[str, str] = {}
        self._frames = 0  # that updates have
        self._updates: deque[tuple[int, str]] = deque(maxlen=KEPT_UPDATES)
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
        due = now or time.monotonic() >= self._explain_at
        if grew or self.ended or (due and self._is_stale) or self._explained is None:
            self._update(now=due or self.ended)

    def _begin(self) -> None:
        """Read from the beginning of the trace on."""
        self._content = SessionContent.empty(
            self._path, self._catalog, max_audio=self._max_audio, name=Path(self._path.name)
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
                self._path,
                self._catalog,
                max_audio=self._max_audio,
                name=Path(self._path.name),
            )

    def _update(self, *, now: bool) -> None:
        content, table = self._content, self._content.frames
        explained = self._explain(now=now)
        parts = parts_besides_frames(content, explained, [None] * len(content.tracks))
        for track in parts["tracks"]:
            # The page has them as they were when it was loaded.
            del track["audio"], track["note"]
        sections = self._rendered(parts, explained)
        new = table.after(self._frames)
        del parts["handshake"]  # it is in a section alone
        changed = growth(self._parts, parts)
        if changed is None and not new and sections == self._sections and not self.ended:
            return
        update = {
            "version": self.version + 1,
            "ended": self.ended,
            "frames": frame_columns(new, table.count, FRAME_LIMITS),
            "growth": changed or {"in": {}, "drop": []},
            "sections": {n: s for n, s in sections.items() if self._sections.get(n) != s},
        }
        self._parts, self._sections, self._frames = parts, sections, table.count
        with self._lock:
            self.version += 1
            self._updates.append((self.version, json_block(update)))

    def _explain(self, *, now: bool) -> Explanation:
        content = self._content
        if self._explained is None or now:
            began = time.monotonic()
            content.diagnose()
            self._explained = explain(
                content.name, content.session, content.findings, content.catalog
            )
            ended = time.monotonic()
            self._explain_at = ended + max(EXPLAIN_EVERY, EXPLAIN_REST * (ended - began))
            self._is_stale, self._sections_due = False, True
        return self._explained

    def _rendered(self, parts: dict[str, Any], explained: Explanation) -> dict[str, str]:
        """The parts of the page that are replaced; as before until the next diagnosis."""
        if not self._sections_due:
            return self._sections
        self._sections_due = False
        data = {**parts, "frames": {"count": self._content.frames.count}}
        text = markdown.session(explained, everything=True)
        view = _GrowingView("", data, explained, [], text, {})
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

    def page(self, session: str) -> Iterator[str]:
        """The page as of now, in parts; updates after `version` belong to it.

        Args:
            session: its id in URLs.
        """
        self.poll(now=True)
        live = {"id": session, "version": self.version, "ended": self.ended}
        return render("viewed.html.j2", [view_of(self._content)], LIVE, data_live=live)

    def close(self) -> None:
        """Close the file."""
        self._records.close()


@dataclass(frozen=True, slots=True)
class _GrowingView(SessionView):
    """A view for a page whose table has all frames."""

    @property
    def listed(self) -> Container[int]:
        return range(1, self.data["frames"]["count"] + 1)
