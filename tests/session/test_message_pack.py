from __future__ import annotations

import base64
import json
import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsproxy.session.message_pack import MAX_ITEMS, json_of_map

AUDIO = bytes(range(256)) * 20
MESSAGE = {"event": "audio", "time": 12.5, "audio": AUDIO}


def test_json_of_map_has_binary_data_as_base64() -> None:
    data = msgpack.packb(MESSAGE)

    found = json_of_map(data, len(data))

    assert found is not None
    text, length = found
    assert length == len(text)
    assert json.loads(text) == MESSAGE | {"audio": base64.b64encode(AUDIO).decode()}


@pytest.mark.parametrize("kept", [60, 100, 1500, 5000])
def test_json_of_map_that_was_not_recorded_to_its_end_has_the_beginning_of_the_audio(
    kept: int,
) -> None:
    data = msgpack.packb(MESSAGE)

    found = json_of_map(data[:kept], len(data))

    assert found is not None
    text, length = found
    audio = base64.b64decode(json.loads(text)["audio"])
    assert AUDIO.startswith(audio)
    assert kept - 60 < len(audio) < kept
    assert length - len(text) == pytest.approx((len(AUDIO) - len(audio)) * 4 / 3, abs=4)


NESTED = b"\x81\xa1a" + b"\x91" * 5000 + b"\xc0"
HOSTILE = {
    "nothing": b"",
    "an empty map": b"\x80",
    "a list": msgpack.packb([1, 2, 3, 4]),
    "a number for a name": msgpack.packb({1: "a", 2: "b"}),
    "a name with signs": msgpack.packb({"\x00\x01": 1}),
    "binary data for a name": msgpack.packb({b"abc": 1}),
    "more after it": msgpack.packb({"event": "stop"}) + b"\x00",
    "its end is missing": msgpack.packb({"event": "stop"})[:-1],
    "nested deeply": NESTED,
    "a length that is not there": b"\x81\xa1a\xc6\xff\xff\xff\xff" + AUDIO,
    "a list of 4 billion": b"\x81\xa1a\xdd\xff\xff\xff\xff" + AUDIO,
    "a map of 4 billion": b"\x81\xa1a\xdf\xff\xff\xff\xff" + AUDIO,
    "many empty maps": b"\x81\xa1a\xdc\x80\x00" + b"\x80" * 0x8000,
    "many items": msgpack.packb({"a": [[0] * (MAX_ITEMS // 2)] * 3}),
    "another type": msgpack.packb({"a": msgpack.ExtType(5, b"abcd")}),
    "a time": msgpack.packb({"a": msgpack.Timestamp(1)}),
    "a text that is no UTF-8": b"\x81\xa1a\xa2\xff\xff",
    "PCM": struct.pack("<200h", *(n * 37 % 900 - 450 for n in range(200))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_json_of_other_data_is_none(name: str) -> None:
    assert json_of_map(HOSTILE[name], len(HOSTILE[name])) is None


@given(st.binary(max_size=200), st.integers(0, 300))
def test_json_of_any_data_never_raises(data: bytes, more: int) -> None:
    for each in (data, b"\x82\xa1a" + data, b"\xde\x00\x02\xa1a" + data):
        found = json_of_map(each, len(each) + more)
        assert found is None or isinstance(json.loads(found[0]), dict)
