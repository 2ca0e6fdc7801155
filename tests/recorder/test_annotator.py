"""The thread that explains ended sessions, while others are recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder_harness import Relay, begin, frame, until
from wsproxy.recorder import Annotation, SessionWriter, shutdown_deadline, worker
from wsproxy.recorder.worker import RecorderWorker
from wsproxy.session import Session
from wsproxy.trace import FindingRecord

FOUND = Annotation([FindingRecord(5, "a.finding", "warning", "A title", [])], "unproven")


def ended(path: Path) -> tuple[list[str], str | None]:
    """The findings and the outcome in the end record."""
    end = Session.read(path).end
    assert end is not None
    return end.findings, end.outcome


def traces(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wstrace"))


def test_annotator_end_record_has_findings_and_outcome(tmp_path: Path) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        recorder = RecorderWorker(tmp_path, loop, annotate=lambda *_: FOUND)
        begin(recorder, Relay()).end()
        recorder.close()

    asyncio.run(main())
    [path] = traces(tmp_path)
    assert ended(path) == (["a.finding"], "unproven")
    assert [finding.title for finding in Session.read(path).findings] == ["A title"]


def test_annotator_reads_all_of_the_session_in_its_trace(tmp_path: Path) -> None:
    seen: list[int] = []

    def annotate(live: Session, path: Path | None, rest: Callable[[], None]) -> Annotation:
        assert path is not None
        seen.append(Session.read(path).sent.frames)
        return Annotation()

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), annotate=annotate)
        session = begin(recorder, Relay())
        for _ in range(5):
            session.data(True, frame())
        session.end()
        recorder.close()

    asyncio.run(main())
    assert seen == [5]


def test_annotator_takes_long_other_sessions_are_recorded(tmp_path: Path) -> None:
    go_on = threading.Event()

    def annotate(*_: object) -> Annotation:
        assert go_on.wait(30)
        return FOUND

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), annotate=annotate)
        begin(recorder, Relay()).end()
        other = begin(recorder, Relay())
        other.data(True, frame())
        await until(lambda: any(Session.read(p).sent.frames for p in traces(tmp_path)))
        assert all(Session.read(path).end is None for path in traces(tmp_path))
        go_on.set()
        other.end()
        recorder.close()

    asyncio.run(main())
    assert [ended(path)[1] for path in traces(tmp_path)] == ["unproven", "unproven"]


def test_annotator_recorder_stops_uses_what_is_in_memory_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "ANNOTATION_TIMEOUT", 0.1)

    def annotate(live: Session, path: Path | None, rest: Callable[[], None]) -> Annotation:
        if path is None:
            return Annotation(FOUND.findings)
        while True:  # a session that takes forever
            rest()

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), annotate=annotate)
        begin(recorder, Relay()).end()
        begin(recorder, Relay())
        assert recorder.close()

    asyncio.run(main())
    assert [ended(path) for path in traces(tmp_path)] == [(["a.finding"], None)] * 2
    assert sorted(Session.read(path).ending for path in traces(tmp_path)) == [
        "stopped",
        "unfinished",
    ]


def test_annotator_thread_ends_with_the_recorder(tmp_path: Path, no_threads_left: None) -> None:
    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), annotate=lambda *_: FOUND)
        begin(recorder, Relay()).end()
        recorder.close()
        await until(lambda: not any(t.name == "wsproxy-annotator" for t in threading.enumerate()))

    asyncio.run(main())


def test_annotator_thread_ends_when_the_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown_deadline, "STALL", 0.2)
    gate = threading.Event()
    data = SessionWriter.data

    def hang(recording: SessionWriter, *args: Any) -> bool:
        gate.wait(30)
        return data(recording, *args)

    monkeypatch.setattr(SessionWriter, "data", hang)

    async def main() -> None:
        recorder = RecorderWorker(tmp_path, asyncio.get_running_loop(), annotate=lambda *_: FOUND)
        begin(recorder, Relay()).data(True, frame())
        assert not recorder.close()
        gate.set()
        await until(lambda: not any(t.name.startswith("wsproxy") for t in threading.enumerate()))

    asyncio.run(asyncio.wait_for(main(), 30))
