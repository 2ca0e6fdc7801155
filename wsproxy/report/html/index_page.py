"""The page of many sessions: groups, outcomes over time, latencies, links to their pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from wsproxy.diagnose import Finding
from wsproxy.report import json_schema
from wsproxy.report.examination import ExaminedSession
from wsproxy.report.groups import Group, Overview
from wsproxy.report.safe_text import short
from wsproxy.session.outcome import FAILED, SUCCEEDED, UNPROVEN
from wsproxy.statistics import percentile

from . import index_charts as charts
from .page import INDEX as INDEX_KIND
from .page import render

INDEX = "index.html"
MAX_PAGES = 200  # sessions that have a page of their own: failed ones first, then the latest ones
MAX_LISTED = 5000  # sessions in the table, the latest ones
_STEPS = 24  # into which the time from the first to the last session is divided
_OUTCOMES = (FAILED, UNPROVEN, SUCCEEDED)
_NAME = 200  # bytes of the name of a page
_TEXT = 300  # characters


@dataclass(slots=True)
class SessionIndex:
    """Many sessions, for a page.

    Attributes:
        sessions: in the order in which they were added.
        pages: relative paths of the pages of sessions that have one, by those of their traces.
    """

    overview: Overview = field(default_factory=Overview)
    sessions: list[ExaminedSession] = field(default_factory=list)
    pages: dict[Path, str] = field(default_factory=dict)

    def add(self, session: ExaminedSession) -> None:
        """Add a session."""
        self.overview.add(session)
        self.sessions.append(session)

    def set_across(self, across: Sequence[Finding]) -> None:
        """Set the findings that only several sessions together show."""
        self.overview.set_across(across)

    def choose_pages(self) -> dict[Path, str]:
        """Name the pages of the sessions that get one; returns `pages`."""
        chosen = sorted(self.sessions, key=lambda each: (each.state != "failed", -each.began_ns))
        used: set[str] = {INDEX}
        for session in chosen[:MAX_PAGES]:
            name = _page_name(session.path, used)
            used.add(name.lower())
            self.pages[session.path] = name
        return self.pages

    def page(self) -> Iterator[str]:
        """The page, in parts."""
        data = index_data(self)
        strips = {
            name: charts.latency_strip(each, _values(self.sessions, name))
            for name, each in data["latency"].items()
        }
        times = data["times"]
        return render(
            "index.html.j2",
            [],
            INDEX_KIND,
            data_index=data,
            charts=charts,
            bars=list(charts.outcome_bars(times)) if times else [],
            largest=charts.largest_step(times) if times else 0,
            strips=strips,
        )


def _page_name(path: Path, used: set[str]) -> str:
    """A name for a session's page that is not used yet, also where case does not count."""
    stem = path.stem.encode()[:_NAME].decode(errors="ignore")
    name, number = f"{stem}.html", 1
    while name.lower() in used:
        number += 1
        name = f"{stem}-{number}.html"
    return name


def index_data(index: SessionIndex) -> dict[str, Any]:
    """What the page shows, see `page_data`."""
    listed = sorted(index.sessions, key=lambda each: -each.began_ns)[:MAX_LISTED]
    overview = index.overview
    return {
        "summary": " ".join(overview.counts),
        "total": len(index.sessions),
        "unreadable": overview.unreadable,
        "sessions": [_session(each, index.pages) for each in listed],
        "groups": [_group(each, index.pages) for each in overview.groups],
        "across": json_schema.together(overview.across)["findings"],
        "times": _times(index.sessions),
        "latency": _latency(index.sessions),
    }


def _session(session: ExaminedSession, pages: dict[Path, str]) -> dict[str, Any]:
    first = session.first
    return {
        "file": short(session.path.name, _TEXT),
        "page": _link(session.path, pages),
        "began": round(session.began_ns / 1e9, 3) if session.began_ns else None,
        "duration": round(session.duration_s, 3),
        "state": session.state,
        "outcome": session.outcome,
        "finding": first.id if first is not None else None,
        "severity": first.severity if first is not None else None,
        "title": first.title if first is not None else None,
        "model": short(session.model, 80) if session.model else None,
        "latency": dict(session.latency),
    }


def _link(path: Path, pages: dict[Path, str]) -> str | None:
    return quote(pages[path], errors="surrogateescape") if path in pages else None


def _group(group: Group, pages: dict[Path, str]) -> dict[str, Any]:
    return {
        "id": group.id,
        "severity": group.severity,
        "title": group.title,
        "sentence": group.sentence,
        "count": group.count,
        "first": group.first,
        "last": group.last,
        "shares": group.shares,
        "file": short(group.path.name, _TEXT),
        "page": _link(group.path, pages),
    }


def _times(sessions: Sequence[ExaminedSession]) -> dict[str, Any] | None:
    """How many sessions began in each step of time, by outcome."""
    known = [each for each in sessions if each.began_ns]
    if not known:
        return None
    first = min(each.began_ns for each in known)
    step = max(1, (max(each.began_ns for each in known) - first) // _STEPS + 1)
    counts = {name: [0] * _STEPS for name in (*_OUTCOMES, "unknown")}
    for each in known:
        name = each.outcome if each.outcome in _OUTCOMES else "unknown"
        counts[name][(each.began_ns - first) // step] += 1
    return {"start": round(first / 1e9, 3), "step": round(step / 1e9, 3), **counts}


def _latency(sessions: Sequence[ExaminedSession]) -> dict[str, Any]:
    """The distribution of each latency over the sessions."""
    names = dict.fromkeys(name for each in sessions for name in each.latency)
    found = {}
    for name in names:
        values = _values(sessions, name)
        found[name] = {
            "count": len(values),
            "p50": percentile(values, 0.5),
            "p95": percentile(values, 0.95),
            "max": max(values),
        }
    return found


def _values(sessions: Sequence[ExaminedSession], name: str) -> list[float]:
    return [each.latency[name] for each in sessions if name in each.latency]
