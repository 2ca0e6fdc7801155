"""Frames as values."""

from __future__ import annotations

import pytest
import wsproto.frame_protocol as oracle
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames as websockets_frames
from websockets.utils import apply_mask

from wsproxy.wire import Close, Frame, Opcode

masks = st.none() | st.binary(min_size=4, max_size=4)
sizes = st.sampled_from([bytes(n) for n in (125, 126, 65535, 65536)])
data_frames = st.builds(
    Frame,
    st.sampled_from([Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY]),
    st.binary(max_size=300) | sizes,
    st.booleans(),
    mask=masks,
)
control_frames = st.builds(
    Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125), mask=masks
)


@given(data_frames | control_frames, st.integers(0, 7))
def test_serialize_frame_equals_websockets(frame: Frame, rsv: int) -> None:
    opcode = websockets_frames.Opcode(frame.opcode)
    theirs = websockets_frames.Frame(opcode, frame.payload, frame.fin).serialize(mask=False)
    assert Frame(frame.opcode, frame.payload, frame.fin).serialize() == theirs
    # The rest is around it: reserved bits, which websockets writes none of, and the mask.
    ours = Frame(frame.opcode, frame.payload, frame.fin, rsv, frame.mask).serialize()
    assert ours[0] == theirs[0] | rsv << 4
    if frame.mask is None:
        assert ours[1:] == theirs[1:]
    else:
        head = len(theirs) - len(frame.payload)
        assert ours[1:head] == bytes([theirs[1] | 0x80]) + theirs[2:head]
        assert ours[head : head + 4] == frame.mask
        assert apply_mask(ours[head + 4 :], frame.mask) == frame.payload


@pytest.mark.parametrize("opcode", Opcode)
def test_opcode_names_are_those_of_the_rfc(opcode: Opcode) -> None:
    assert str(opcode) == oracle.Opcode(opcode).name.lower()
    assert Frame(opcode, b"").control == (opcode >= 8)


@given(st.integers(0, 65535), st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_close_round_trip_is_identity(code: int, reason: str) -> None:
    close = Close(code, reason)
    assert Close.parse(close.serialize()) == close


@given(st.binary(max_size=200))
def test_close_parse_any_payload_never_raises(payload: bytes) -> None:
    close = Close.parse(payload)
    assert (close.code is None) == (len(payload) < 2)


def test_close_str_has_code_and_reason() -> None:
    assert str(Close(None)) == "no code"
    assert str(Close(1000)) == "1000"
    assert str(Close(1011, "no audio")) == "1011 no audio"
    assert Close(None).serialize() == b""
