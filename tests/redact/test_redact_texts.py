"""Texts behind encodings: escapes inside escapes, compression, UTF-8 in binary messages."""

from __future__ import annotations

import base64
import gzip
import zlib

import pytest
import zstandard

from wsproxy.catalog import load
from wsproxy.redact import PLACEHOLDER, HeadRedactor, SessionRedactor, encodings
from wsproxy.redact.encodings import unescape
from wsproxy.redact.key_formats import find_keys, unfinished_key_start
from wsproxy.trace import FrameRecord, Request

CATALOG = load()
REDACT = HeadRedactor(CATALOG.credentials, b"key" * 11, CATALOG.key_shapes)
KEY = "s3cr3t-0123456789-Abcdef"
PLACE = PLACEHOLDER.encode()


def cleaned(payload: bytes, opcode: int = 2) -> bytes:
    frame = SessionRedactor(REDACT)(FrameRecord(2, True, opcode, payload))
    assert isinstance(frame, FrameRecord)
    return frame.payload


def subprotocol(value: str) -> str:
    request = Request(1, "GET", "wss", "a", 443, "/", headers=[["Sec-WebSocket-Protocol", value]])
    clean = SessionRedactor(REDACT)(request)
    assert isinstance(clean, Request)
    return clean.headers[0][1]


def test_unescape_escapes_inside_escapes_keep_offsets() -> None:
    text = "a&#92;x26#37;41b"
    levels = []
    view = unescape(text)
    while view is not None:
        levels.append(view.text)
        assert text[view.raw_start(len(view.text) - 1) : view.raw_end(len(view.text))] == "b"
        assert view.raw_start(0) == 0
        view = view.unescape_again()
    assert levels == ["a\\x26#37;41b", "a&#37;41b", "a%41b"]  # not deeper


@pytest.mark.parametrize("text", ["", "plain", "a &nosuch; b", "100 % & more"])
def test_unescape_text_without_escapes_is_none(text: str) -> None:
    assert unescape(text) is None


def test_unescape_unknown_entity_stays_beside_a_known_one() -> None:
    view = unescape("&nosuch;&amp;")
    assert view is not None
    assert view.text == "&nosuch;&"
    assert (view.raw_start(8), view.raw_end(9)) == (8, 13)


@pytest.mark.parametrize(
    "compress", [zlib.compress, gzip.compress, zstandard.ZstdCompressor().compress]
)
def test_session_redactor_compressed_text_is_redacted_only_with_a_credential(
    compress: object,
) -> None:
    def packed(content: bytes) -> bytes:
        return bytes(compress(content))  # type: ignore[operator]

    secret = b'{"api_key":"%s"}' % KEY.encode()
    assert cleaned(packed(secret)) == PLACE
    harmless = packed(b'{"text":"hello, this is all there is"}')
    assert cleaned(harmless) == harmless
    # Text in what is no text from its beginning to its end.
    audio = bytes(range(128, 256)) * 20
    assert cleaned(packed(audio + b"\xa7api_key\xb8" + KEY.encode() + audio)) == PLACE
    assert cleaned(packed(audio)) == packed(audio)


def test_session_redactor_bytes_that_begin_like_zstd_stay() -> None:
    false = b"\x28\xb5\x2f\xfd" + b"\xff" * 40
    assert cleaned(false) == false


def test_session_redactor_binary_utf8_beyond_ascii_is_text() -> None:
    message = '{"text":"Grüße an alle Hörer, 日本語","pin":"4711"}'
    assert cleaned(message.encode()) == message.replace("4711", PLACEHOLDER).encode()


def test_find_keys_private_key_is_found_without_its_end() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK"
    for end in ("\n-----END RSA PRIVATE KEY-----", ""):
        assert (4, 4 + len(key + end)) in find_keys(f"is: {key}{end}")
    assert find_keys("-----BEGIN CERTIFICATE-----\nMIIEow") == []


@pytest.mark.parametrize(
    ("text", "start"),
    [("a sk-abcd", 2), ("sk-abcd hello wo", -1), ("a ghp_ x AKIA12", 9), ("ghp_ x", -1), ("", -1)],
)
def test_unfinished_key_start_is_of_a_key_at_the_end(text: str, start: int) -> None:
    assert unfinished_key_start(text) == start


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("token-key-Abc12345", f"token-{PLACEHOLDER}"),
        ("my-token-soon-key-a1b2c3d4", f"my-token-{PLACEHOLDER}"),
        ("key-words-token-list", "key-words-token-list"),
    ],
)
def test_head_redactor_key_after_a_word_in_a_subprotocol_is_redacted(
    item: str, expected: str
) -> None:
    assert subprotocol(item) == expected


@pytest.mark.parametrize("length", range(24, 60))
def test_decode_word_base32_of_any_length_is_read_as_far_as_it_is_complete(length: int) -> None:
    text = "a text that somebody encoded as base32"
    word = base64.b32encode(text.encode())[:length].decode()
    assert encodings.decode_word(word) == [text[: length * 5 // 8]]


def test_decode_word_damaged_compressed_text_is_none() -> None:
    packed = bytearray(gzip.compress(b"a text that somebody has compressed"))
    [plain] = encodings.decode_word(base64.b64encode(packed).decode())
    assert plain == "a text that somebody has compressed"
    packed[12:16] = b"\xff" * 4
    assert encodings.decode_word(base64.b64encode(packed).decode()) == []
