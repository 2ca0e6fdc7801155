"""The sessions of a folder, as they are recorded, for the start page."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.errors import TraceError, UnknownCondition
from wsproxy.report.list_index import Listed, listed
from wsproxy.report.safe_text import short
from wsproxy.session import Session
from wsproxy.trace import FrameRun, Record, find_traces

from .recording import recorded_among

RECORDING, INCOMPLETE, UNREADABLE = "recording", "incomplete", "unreadable"
MAX_SESSIONS = 5000  # that are shown, those with the latest names
_TEXT = 300  # characters
_READING = 0.2  # seconds in which traces are read, at a time
_REST = 10.0  # times as long as listing the folder took, until it is listed again

_State = tuple[int, int]  # bytes of the first part, and when it was modified, Unix time, ns
Row = dict[str, Any]


def session_id(root: Path, path: Path) -> str:
    """The name of a trace in URLs, which says nothing about where it is."""
    relative = os.path.relpath(path, root)
    return hashlib.sha256(os.fsencode(relative)).hexdigest()[:20]


@dataclass(slots=True)
class _Followed:
    """A session that is being recorded.

    Attributes:
        count: of its records so far; a run of frames is one.
    """

    session: Session
    records: Iterator[Record | FrameRun | None]
    count: int = 0

    @classmethod
    def begin(cls, path: Path) -> _Followed:
        session = Session(with_audio=False)
        return cls(session, session.following(path))

    def read(self) -> bool:
        """Read what was written; returns whether nothing more will be."""
        for record in self.records:
            if record is None:
                return False
            self.count += 1
        return True


class SessionFolder:
    """Follows a folder, or a single trace.

    `poll` is called on one thread; the other methods may be called on any.

    Args:
        root: the folder, searched recursively, or the trace.
        catalog: names the findings.

    Attributes:
        version: number of the last change.
    """

    def __init__(self, root: Path, catalog: Catalog) -> None:
        self.version = 0
        self.root = root
        self._catalog = catalog
        self._lock = Lock()
        self._paths: dict[str, Path] = {}
        self._rows: dict[str, tuple[int, Row]] = {}
        self._removed: dict[str, int] = {}
        self._states: dict[Path, _State] = {}
        self._followed: dict[Path, _Followed] = {}
        self._waiting: dict[Path, None] = {}  # traces that have to be read, in their order
        self._listing: Iterator[tuple[Path, Listed | TraceError]] | None = None
        self._list_at = 0.0

    # -- what is shown

    def path_of(self, session: str) -> Path | None:
        """The trace of a session; None if the folder has none of this id."""
        with self._lock:
            return self._paths.get(session)

    def ids(self) -> list[tuple[str, Path]]:
        """All sessions, the latest names first."""
        with self._lock:
            return sorted(self._paths.items(), key=lambda item: item[1].name, reverse=True)

    def row(self, session: str) -> Row | None:
        """What the start page shows of a session; None before it was read."""
        with self._lock:
            found = self._rows.get(session)
        return found[1] if found is not None else None

    def changes(self, after: int) -> dict[str, Any] | None:
        """What has changed after a version; None if nothing has."""
        with self._lock:
            rows = [row for version, row in self._rows.values() if version > after]
            removed = [name for name, version in self._removed.items() if version > after]
            version = self.version
        if not rows and not removed:
            return None
        return {"version": version, "sessions": rows, "removed": removed}

    # -- following

    def poll(self) -> None:
        """Look for new and changed traces, and read what was written of open sessions."""
        if time.monotonic() >= self._list_at:
            began = time.monotonic()
            self._list()
            self._list_at = time.monotonic() + _REST * (time.monotonic() - began)
        for path, followed in list(self._followed.items()):
            self._follow(path, followed)
        self._read_waiting()

    def _list(self) -> None:
        traces = find_traces([self.root])[-MAX_SESSIONS:]
        states = {path: state for path in traces if (state := _state(path)) is not None}
        for path in self._states.keys() - states.keys():
            self._remove(path)
        changed = {
            path: state
            for path, state in states.items()
            if self._states.get(path) != state and path not in self._followed
        }
        recorded = recorded_among(changed)
        for path, state in changed.items():
            self._states[path] = state
            with self._lock:
                self._paths[session_id(self.root, path)] = path
            if path in recorded:
                self._followed[path] = _Followed.begin(path)
                self._waiting.pop(path, None)
            elif state[0]:
                self._waiting[path] = None

    def _remove(self, path: Path) -> None:
        del self._states[path]
        self._followed.pop(path, None)
        self._waiting.pop(path, None)
        session = session_id(self.root, path)
        with self._lock:
            self.version += 1
            self._paths.pop(session, None)
            self._rows.pop(session, None)
            self._removed[session] = self.version

    def _follow(self, path: Path, followed: _Followed) -> None:
        read, ended = followed.count, True
        with suppress(TraceError):  # the row of an unreadable one says why
            ended = followed.read()
        if ended:
            del self._followed[path]
            self._states[path] = _state(path) or (0, 0)
            self._waiting[path] = None  # it is read as a finished one now
        elif followed.count != read:
            self._set(path, _open_row(followed.session))

    def _read_waiting(self) -> None:
        end = time.monotonic() + _READING
        while time.monotonic() < end:
            if self._listing is None:
                if not self._waiting:
                    return
                self._listing = listed(list(self._waiting)[::-1])
                self._waiting.clear()
            found = next(self._listing, None)
            if found is None:
                self._listing = None
            elif found[0] not in self._followed:
                self._set(found[0], self._listed_row(found[1]))

    def _set(self, path: Path, row: Row) -> None:
        session = session_id(self.root, path)
        row = {"id": session, "file": short(path.name, _TEXT), **row}
        with self._lock:
            self._removed.pop(session, None)
            self._paths[session] = path
            self.version += 1
            self._rows[session] = self.version, row

    def _listed_row(self, found: Listed | TraceError) -> Row:
        if isinstance(found, TraceError):
            return {"state": UNREADABLE, "title": short(str(found), _TEXT), "severity": "error"}
        entry = found.entry
        state = entry["outcome"] if entry["ending"] != "unfinished" else INCOMPLETE
        first = entry["findings"][0] if entry["findings"] else ""
        title, severity = self._finding(first)
        return {
            "state": state or "unproven",
            "began": found.started_at_ns / 1e9 if found.started_at_ns else None,
            "duration": entry["duration_s"],
            "provider": _short(entry["provider"]),
            "api": _short(entry["api"]),
            "host": _short(entry["host"]),
            "model": _short(entry["model"]),
            "origin": _short(entry["origin"]),
            "sent": entry["frames_sent"],
            "received": entry["frames_received"],
            "finding": short(first, _TEXT),
            "title": title or short(found.how, _TEXT),
            "severity": severity,
        }

    def _finding(self, condition: str) -> tuple[str, str]:
        """The title and the severity of a finding; empty if the catalog does not have it."""
        with suppress(UnknownCondition):
            if condition:
                found = self._catalog.condition(condition)
                return short(found.title, _TEXT), found.severity
        return "", ""


def _state(path: Path) -> _State | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_size, info.st_mtime_ns


def _short(text: str | None) -> str | None:
    return None if text is None else short(text, _TEXT)


def _open_row(session: Session) -> Row:
    start = session.start
    return {
        "state": RECORDING,
        "began": start.started_at_ns / 1e9 if start is not None else None,
        "duration": round(session.duration_ns / 1e9, 3),
        "provider": _short(session.provider),
        "api": _short(session.api),
        "host": _short(session.recorded_host),
        "model": None,
        "origin": start.source if start is not None else None,
        "sent": session.sent.frames,
        "received": session.received.frames,
        "finding": "",
        "title": "",
        "severity": "",
    }
