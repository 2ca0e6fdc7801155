"""Content (speech, transcripts, audio) is never taken, whatever it looks like by chance."""

from __future__ import annotations

import pytest

from wsproxy.catalog import load
from wsproxy.redact import Guard, Redactor
from wsproxy.trace import FrameRecord, Record, Request

CATALOG = load()
REDACT = Redactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
KEY = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"
COOKIE = "Zz9$kq81mmA0-7Qx"
TOKEN = "Zk3vQ9xT7mB2nR8sW4yH6jL1pD5f"


def guard() -> Guard:
    """Of a session that has sent three credentials."""
    made = Guard(REDACT)
    made(
        Request(
            0,
            "GET",
            "wss",
            "api.deepgram.com",
            443,
            f"/v1/listen?token={TOKEN}",
            headers=[["Authorization", f"Token {KEY}"], ["Cookie", f"a=b; sid={COOKIE}"]],
        )
    )
    return made


def payload_of(record: Record) -> bytes:
    assert isinstance(record, FrameRecord)
    return record.payload


@pytest.mark.parametrize("digits", ["%06d" % 7 * 20, "0123456789" * 4, "a" * 64, "0a" * 20])
def test_guard_text_of_digits_without_variety_stays(digits: str) -> None:
    for message in (digits, f'{{"x":"{digits}"}}'):
        frame = FrameRecord(0, True, 1, message.encode())
        assert guard()(frame) == frame
