"""Bytes that are no frame, or no longer in step: credentials in them, masked or not."""

from __future__ import annotations

import pytest

from wire_bytes import BINARY, MASK, frame
from wsproxy.redact.invalid_bytes import ByteStreamRedactor, blank_frame, is_frame
from wsproxy.wire.mask import apply_mask

SECRET = b"s3cr3t-of-sixteen"
NAME = b'"api_key"'


def zeros(payload: bytes) -> bytes:
    return bytes(len(payload))


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("size", [1, 125, 126, 70_000])
def test_blank_frame_payload_is_blanked_and_head_stays(mask: bytes | None, size: int) -> None:
    data = frame(BINARY, b"p" * size, mask=mask)
    assert is_frame(data)
    assert blank_frame(data, zeros) == frame(BINARY, bytes(size), mask=mask)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 6])
def test_blank_frame_without_payload_is_unchanged(size: int) -> None:
    data = frame(BINARY, b"payload", mask=MASK)[:size]
    assert not is_frame(data)
    assert blank_frame(data, zeros) == data


@pytest.mark.parametrize("mask", [bytes(4), MASK])
@pytest.mark.parametrize("at", range(1, len(SECRET)))
def test_stream_redactor_secret_in_two_reads_loses_its_end(mask: bytes, at: int) -> None:
    data = apply_mask(b"before " + SECRET + b" after", mask)
    redact = ByteStreamRedactor()
    cut = 7 + at
    out = redact(data[:cut], [SECRET], []) + redact(data[cut:], [SECRET], [])
    clear = apply_mask(out, mask)
    assert (len(out), clear[:7], clear[-6:]) == (len(data), b"before ", b" after")
    assert out[cut : 7 + len(SECRET)] == bytes(len(SECRET) - at)


@pytest.mark.parametrize("mask", [bytes(4), MASK])
def test_stream_redactor_everything_after_a_name_is_replaced(mask: bytes) -> None:
    data = apply_mask(b"{" + NAME + b": 1234", mask)
    redact = ByteStreamRedactor()
    kept = 1 + len(NAME)
    assert redact(data, [], [NAME]) == data[:kept] + bytes(len(data) - kept)
    assert redact(b"more", [], [NAME]) == bytes(4)


def test_stream_redactor_short_word_is_found_unmasked_only() -> None:
    assert ByteStreamRedactor()(b"a pass b", [b"pass"], []) == b"a " + bytes(4) + b" b"
    masked = apply_mask(b"a pass b", MASK)
    assert ByteStreamRedactor()(masked, [b"pass"], []) == masked
