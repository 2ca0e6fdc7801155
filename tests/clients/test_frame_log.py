"""What the matrix calls a complete trace."""

from __future__ import annotations

from dataclasses import replace

import pytest
from websockets.frames import Frame, Opcode

from frame_log import TracedSession, UpstreamSession, read_trace
from wsproxy.trace.records import FrameRecord, Request, Response

RECORDS = [
    FrameRecord(1, True, 1, b"hello"),
    FrameRecord(2, False, 1, b"echo hello"),
    FrameRecord(3, True, 8, b"\x03\xe8"),
]


def upstream() -> UpstreamSession:
    """A session with the frames of RECORDS, in bytes."""
    session = UpstreamSession("api.example.com", "/v1")
    for record in RECORDS:
        data = Frame(Opcode(record.opcode), record.payload).serialize(mask=record.from_client)
        (session.sent if record.from_client else session.received).extend(data)
    return session


def traced(frames: list[FrameRecord], status: int = 101) -> TracedSession | None:
    request = Request(0, "GET", "wss", "api.example.com", 443, "/v1?key=REDACTED")
    return read_trace([request, Response(0, status), *frames])


def test_trace_with_each_frame_is_complete() -> None:
    session = traced(RECORDS)
    assert session is not None
    assert session.place == upstream().place
    assert session.is_complete(upstream())


@pytest.mark.parametrize(
    "frames",
    [
        RECORDS[:2],
        RECORDS[1:],
        [*RECORDS, RECORDS[-1]],
        [replace(RECORDS[0], payload=b"hallo"), *RECORDS[1:]],
        [replace(RECORDS[0], opcode=2), *RECORDS[1:]],
        [replace(RECORDS[0], fin=False), *RECORDS[1:]],
        [replace(RECORDS[1], from_client=True), RECORDS[0], RECORDS[2]],
    ],
)
def test_trace_that_differs_in_a_frame_is_incomplete(frames: list[FrameRecord]) -> None:
    session = traced(frames)
    assert session is not None
    assert not session.is_complete(upstream())


def test_trace_with_a_redacted_frame_is_complete() -> None:
    hidden = replace(RECORDS[0], payload=b"REDACTED", redacted=[{"where": "message"}])
    session = traced([hidden, *RECORDS[1:]])
    assert session is not None
    assert session.is_complete(upstream())


def test_trace_of_a_failed_opening_handshake_is_no_session() -> None:
    assert traced([], status=403) is None
