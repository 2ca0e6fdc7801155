"""What a recorder writes at the end of a trace."""

from __future__ import annotations

from pathlib import Path

from wsproxy.catalog import load
from wsproxy.diagnose.annotation import annotate
from wsproxy.session import Session
from wsproxy.trace import Eof, FrameRecord, Record, Request, Response, Start, TraceWriter


def records(frames: int) -> list[Record]:
    """A session whose last message is an error."""
    error = b'{"type":"Error","description":"model not found"}'
    return [
        Start(0, 1, "0" * 16, 0, provider="deepgram", api="listen"),
        Request(1, "GET", "wss", "api.deepgram.com", 443, "/v1/listen?model=x"),
        Response(2, 101),
        *(FrameRecord(3 + at, True, 2, bytes(100), wire_length=108) for at in range(frames)),
        FrameRecord(10**9, False, 1, error, wire_length=60),
        FrameRecord(10**9 + 1, False, 8, b"\x03\xf3model not found", wire_length=19),
        Eof(10**9 + 2, False),
    ]


def recorded(frames: int) -> Session:
    session = Session(with_audio=False)
    for record in records(frames):
        session.add(record)
    return session


def test_annotate_short_session_is_explained_without_its_trace(tmp_path: Path) -> None:
    catalog, path = load(), tmp_path / "a.wstrace"
    from_memory = annotate(recorded(5), path, catalog=catalog)
    assert from_memory.outcome == "failed"
    with path.open("wb", buffering=0) as file:
        writer = TraceWriter(file, "0" * 16)
        for record in records(5):
            writer.write(record)
        writer.finish()
    without = recorded(5)
    without._few.discard()
    assert annotate(without, path, catalog=catalog) == from_memory


def test_session_of_many_records_is_not_kept_in_memory() -> None:
    assert recorded(5).analyzed(load()) is not None
    assert recorded(100).analyzed(load()) is None
    large = recorded(5)
    large.add(FrameRecord(10**9, True, 2, bytes(20_000), wire_length=20_008))
    assert large.analyzed(load()) is None
