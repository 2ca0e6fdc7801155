"""Envelopes: what is wrapped is read again, by others too; nothing hostile raises."""

from __future__ import annotations

import json
import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.catalog.envelope import ENVELOPES, field, json_object, read, wrap

EXCEPTION = {
    ":message-type": "exception",
    ":exception-type": "BadRequestException",
    ":content-type": "application/json",
    "Message": "No audio – für 15 s",
}
AUDIO = bytes(range(256)) * 4


# -- AWS event stream


def test_wrap_event_stream_message_is_read_by_botocore() -> None:
    wrapped = wrap("event-stream", json.dumps(EXCEPTION))
    assert isinstance(wrapped, bytes)
    buffer = EventStreamBuffer()
    buffer.add_data(wrapped)
    (message,) = list(buffer)
    assert message.headers == {k: v for k, v in EXCEPTION.items() if k != "Message"}
    assert json.loads(message.payload) == {"Message": EXCEPTION["Message"]}


def test_wrap_event_stream_audio_is_read_back() -> None:
    event = {":message-type": "event", ":event-type": "AudioEvent"}
    wrapped = wrap("event-stream", json.dumps(event), AUDIO)
    assert read("event-stream", wrapped) == (event, AUDIO)
    assert isinstance(wrapped, bytes)
    buffer = EventStreamBuffer()
    buffer.add_data(wrapped)
    assert [m.payload for m in buffer] == [AUDIO]


def test_read_event_stream_headers_of_every_type_keeps_text_headers() -> None:
    """As the specification of the encoding lists them; those that are no text are left out."""
    headers = b"".join(
        bytes([len(name)]) + name + bytes([kind]) + value
        for name, kind, value in (
            (b"true", 0, b""),
            (b"false", 1, b""),
            (b"byte", 2, b"\x01"),
            (b"short", 3, b"\x00\x01"),
            (b"int", 4, b"\x00\x00\x00\x01"),
            (b"long", 5, bytes(8)),
            (b"bytes", 6, b"\x00\x02ab"),
            (b"time", 8, bytes(8)),
            (b"uuid", 9, bytes(16)),
            (b":event-type", 7, b"\x00\x01X"),
        )
    )
    body = b'{"a": 1}'
    start = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    data = start + zlib.crc32(start).to_bytes(4, "big") + headers + body
    data += zlib.crc32(data).to_bytes(4, "big")
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    assert len(next(iter(buffer)).headers) == 10
    assert read("event-stream", data) == ({"a": 1, ":event-type": "X"}, b"")


def test_read_event_stream_damaged_message_is_none() -> None:
    wrapped = wrap("event-stream", json.dumps(EXCEPTION))
    assert isinstance(wrapped, bytes)
    for at in range(len(wrapped)):
        damaged = bytearray(wrapped)
        damaged[at] ^= 0x10
        assert read("event-stream", bytes(damaged)) == (None, b""), at


def test_read_event_stream_truncated_message_has_its_beginning() -> None:
    """The session keeps the beginning of a long message; the headers are sufficient."""
    long = json.dumps({**EXCEPTION, "Message": "x" * 9000})
    wrapped = wrap("event-stream", long)
    assert isinstance(wrapped, bytes)
    message, _ = read("event-stream", wrapped[:4096])
    assert message is not None
    assert message[":exception-type"] == "BadRequestException"


# -- Azure Speech


def test_read_azure_text_message_is_read() -> None:
    text = (
        "X-RequestId:123\r\nContent-Type:application/json; charset=utf-8\r\nPath:speech.phrase"
        '\r\n\r\n{"RecognitionStatus":"NoMatch","Offset":1}'
    )
    message, audio = read("azure", text)
    assert message == {
        "X-RequestId": "123",
        "Content-Type": "application/json; charset=utf-8",
        "Path": "speech.phrase",
        "RecognitionStatus": "NoMatch",
        "Offset": 1,
    }
    assert audio == b""


def test_read_azure_audio_message_is_read() -> None:
    head = b"Path: audio\r\nX-RequestId: 123\r\nContent-Type: audio/x-wav\r\n"
    message, audio = read("azure", len(head).to_bytes(2, "big") + head + AUDIO)
    assert audio == AUDIO
    assert message is not None
    assert message["Path"] == "audio"


@pytest.mark.parametrize("audio", [AUDIO, b""])
def test_wrap_azure_audio_round_trip_is_identity(audio: bytes) -> None:
    header = {"Path": "audio", "X-RequestId": "123"}
    wrapped = wrap("azure", json.dumps(header), audio)
    assert isinstance(wrapped, bytes)
    assert read("azure", wrapped) == (header, audio)


def test_azure_text_that_is_no_json_is_a_field() -> None:
    message = {"Path": "text.piece", "Content-Type": "text/plain", "text": "Good morning. "}

    assert read("azure", wrap("azure", json.dumps(message))) == (message, b"")


# -- JSON, and none


def test_read_json_in_text_or_binary_is_read() -> None:
    assert read("json", b'{"goAway": {}}') == ({"goAway": {}}, b"")
    assert read("json", '{"goAway": {}}') == ({"goAway": {}}, b"")
    assert read("", '{"type": "x"}') == ({"type": "x"}, b"")
    assert read("", AUDIO) == (None, AUDIO)


@pytest.mark.parametrize("text", ["", "EOS", "[1]", "{", "null", '{"a": ' + "[" * 100_000])
def test_json_object_of_other_json_is_none(text: str) -> None:
    assert json_object(text) is None


@pytest.mark.parametrize(
    "path, value",
    [
        ("a", {"b": [{"c": 1}, {"c": 2}]}),
        ("a.b.*.c", 1),
        ("a.b.1.c", 2),
        ("a.b.2.c", None),
        ("a.b.c", None),
        ("d.e", "dotted"),
        ("nothing", None),
        ("a.b.99999999999999999999.c", None),
    ],
)
def test_field_path_has_its_value(path: str, value: object) -> None:
    message = {"a": {"b": [{"c": 1}, {"c": 2}]}, "d.e": "dotted"}
    assert field(message, path) == value


@pytest.mark.one_python
@given(st.sampled_from(["", *ENVELOPES]), st.one_of(st.binary(max_size=300), st.text(max_size=300)))
def test_read_any_content_never_raises(envelope: str, content: bytes | str) -> None:
    message, audio = read(envelope, content)
    assert message is None or isinstance(message, dict)
    assert isinstance(audio, bytes)


@given(
    st.sampled_from(["", "json"]),
    st.dictionaries(st.text(max_size=10), st.one_of(st.text(), st.integers(), st.booleans())),
)
def test_wrap_then_read_is_identity(envelope: str, message: dict[str, object]) -> None:
    assert read(envelope, wrap(envelope, json.dumps(message))) == (message, b"")
