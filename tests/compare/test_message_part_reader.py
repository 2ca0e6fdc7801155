"""Messages over the limit are compared by a digest of what is not kept."""

from __future__ import annotations

import pytest

from wsproxy.catalog import load
from wsproxy.compare import messages
from wsproxy.compare.messages import MessagePart, MessagePartReader
from wsproxy.session import Session, frame_fold
from wsproxy.trace import FrameRecord


def frame(payload: bytes, opcode: int = 1, *, fin: bool = True) -> FrameRecord:
    return FrameRecord(0, True, opcode, payload, fin)


def read(*frames: FrameRecord) -> list[MessagePart]:
    reader = MessagePartReader(Session(), load())
    return [part for frame in frames for part in reader.add(frame)]


@pytest.fixture(autouse=True)
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "KEPT_MESSAGE", 4)
    monkeypatch.setattr(frame_fold, "KEPT_MESSAGE", 4)


def test_reader_long_message_has_the_digest_of_its_own_rest_only() -> None:
    long = frame(b"abcdefgh")
    (alone,) = read(long)
    assert alone.text.startswith("abcd4 more bytes: ")
    unfinished = frame(b"12345678", fin=False)
    assert [part.text for part in read(frame(b"12345678"), long)][1] == alone.text
    assert [part.text for part in read(unfinished, long)] == [alone.text]


def test_reader_long_message_has_the_same_digest_in_any_fragments() -> None:
    (alone,) = read(frame(b"abcdefgh"))
    for at in range(1, 8):
        pieces = frame(b"abcdefgh"[:at], fin=False), frame(b"abcdefgh"[at:], 0)
        assert [part.text for part in read(*pieces)] == [alone.text]


def test_reader_short_message_after_a_long_one_has_no_digest() -> None:
    assert [part.text for part in read(frame(b"abcdefgh"), frame(b"ij"))][1] == "ij"
