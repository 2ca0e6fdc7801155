"""Inflating, against messages that wsproto and websockets deflated."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames as websockets_frames
from websockets.extensions.permessage_deflate import PerMessageDeflate as WebsocketsDeflate
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.frame_protocol import FrameProtocol

from wsproxy.wire import RSV1, Deflate, Deflater, Frame, FrameParser, Inflater, Opcode

MESSAGES = [
    b"",
    b"hello",
    b"hello hello hello",
    random.Random(1).randbytes(3000),
    bytes(100_000),
    b'{"type":"Results","channel":{"alternatives":[{"transcript":""}]}}' * 40,
    random.Random(1).randbytes(3000),  # again: with takeover, a copy from the window
]


def inflate(wire: bytes, deflate: Deflate, *, from_client: bool) -> list[bytes]:
    """The messages of a stream."""
    inflater = Inflater(deflate, from_client=from_client)
    out, message = [], b""
    for frame in FrameParser().feed(wire):
        assert isinstance(frame, Frame)
        payload = inflater.inflate(frame)
        assert payload is not None
        if not frame.control:
            message += payload
            if frame.fin:
                out.append(message)
                message = b""
    return out


def agreed(from_client: bool, takeover: bool, bits: int) -> Deflate:
    if from_client:
        return Deflate(client_no_context_takeover=not takeover, client_max_window_bits=bits)
    return Deflate(server_no_context_takeover=not takeover, server_max_window_bits=bits)


@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no-takeover"])
@pytest.mark.parametrize("from_client", [True, False], ids=["client", "server"])
def test_inflater_output_of_websockets_is_inflated(
    from_client: bool, takeover: bool, bits: int
) -> None:
    """zlib deflates with a window of 9 where 8 was agreed on; a raw stream cannot have 8."""
    extension = WebsocketsDeflate(False, not takeover, 15, max(bits, 9))
    wire = b""
    for number, message in enumerate(MESSAGES):
        half = len(message) // 2
        pieces = [message] if number % 2 else [message[:half], message[half:]]
        for index, piece in enumerate(pieces):
            opcode = websockets_frames.Opcode.CONT if index else websockets_frames.Opcode.BINARY
            frame = websockets_frames.Frame(opcode, piece, index == len(pieces) - 1)
            wire += frame.serialize(mask=from_client, extensions=[extension])
            wire += Frame(Opcode.PING, b"between").serialize()
    assert inflate(wire, agreed(from_client, takeover, bits), from_client=from_client) == MESSAGES


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("takeover", [True, False], ids=["takeover", "no-takeover"])
@pytest.mark.parametrize("from_client", [True, False], ids=["client", "server"])
def test_inflater_output_of_wsproto_is_inflated(
    from_client: bool, takeover: bool, bits: int
) -> None:
    extension = WsprotoDeflate(
        client_no_context_takeover=not takeover,
        server_no_context_takeover=not takeover,
        client_max_window_bits=bits,
        server_max_window_bits=bits,
    )
    extension._enabled = True
    protocol = FrameProtocol(client=from_client, extensions=[extension])
    wire = b""
    for message in MESSAGES:
        half = len(message) // 2
        wire += protocol.send_data(message[:half], fin=False)
        wire += protocol.ping(b"between")
        wire += protocol.send_data(message[half:], fin=True)
    assert inflate(wire, agreed(from_client, takeover, bits), from_client=from_client) == MESSAGES


def deflated(message: bytes, packer: zlib._Compress | None = None) -> bytes:
    packer = packer or zlib.compressobj(wbits=-15)
    return (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def text(payload: bytes, *, fin: bool = True, cut: int = 0) -> Frame:
    return Frame(Opcode.TEXT, payload, rsv=RSV1, fin=fin, cut=cut)


def test_inflater_uncompressed_message_in_between_is_unchanged() -> None:
    packer = zlib.compressobj(wbits=-15)
    inflater = Inflater(Deflate(), from_client=True)
    assert inflater.inflate(text(deflated(b"one two", packer))) == b"one two"
    assert inflater.inflate(Frame(Opcode.TEXT, b"plain")) == b"plain"
    assert inflater.inflate(text(deflated(b"one two", packer))) == b"one two"


@pytest.mark.parametrize("takeover", [True, False])
def test_inflater_final_deflate_block_continues_message(takeover: bool) -> None:
    """RFC 7692, section 7.2.3.4, and a second stream in the same message."""
    packer = zlib.compressobj(wbits=-15)
    final = packer.compress(b"Hello") + packer.flush()
    inflater = Inflater(Deflate(client_no_context_takeover=not takeover), from_client=True)
    assert inflater.inflate(text(final + b"\0")) == b"Hello"
    assert inflater.inflate(text(final + deflated(b" again"))) == b"Hello again"
    assert inflater.inflate(text(deflated(b"more"))) == b"more"


def test_inflater_bomb_stops_at_limit() -> None:
    bomb = deflated(bytes(64 << 20))
    inflater = Inflater(
        Deflate(client_no_context_takeover=True), from_client=True, max_inflated=1 << 20
    )
    tracemalloc.start()
    assert inflater.inflate(text(bomb)) is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert inflater.inflate(text(deflated(b"after"))) == b"after"


def test_inflater_bomb_in_fragments_stops_at_limit() -> None:
    packer = zlib.compressobj(wbits=-15)
    inflater = Inflater(Deflate(), from_client=True, max_inflated=1000)
    first = packer.compress(b"a" * 900) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert inflater.inflate(text(first, fin=False)) == b"a" * 900
    rest = packer.compress(b"a" * 900) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert inflater.inflate(Frame(Opcode.CONTINUATION, rest)) is None


def test_inflater_message_of_limit_size_is_inflated() -> None:
    inflater = Inflater(Deflate(), from_client=True, max_inflated=1000)
    assert inflater.inflate(text(deflated(bytes(1000)))) == bytes(1000)
    assert inflater.inflate(text(deflated(bytes(1001)))) is None


def test_inflater_too_many_streams_in_frame_fails() -> None:
    empty = zlib.compressobj(wbits=-15).flush()
    assert Inflater(Deflate(), from_client=True).inflate(text(empty * 1_000_000)) is None


@pytest.mark.parametrize("takeover", [True, False])
def test_inflater_after_damage_continues_only_without_takeover(takeover: bool) -> None:
    """With the window carried over, nothing after it can be trusted."""
    inflater = Inflater(Deflate(server_no_context_takeover=not takeover), from_client=False)
    good = text(deflated(b"good"))
    assert inflater.inflate(text(b"\xff\xff\xff")) is None
    assert inflater.inflate(Frame(Opcode.PING, b"p")) == b"p"
    assert inflater.inflate(Frame(Opcode.TEXT, b"plain")) == b"plain"
    assert inflater.inflate(good) == (None if takeover else b"good")


def test_inflater_unfinished_message_keeps_later_ones_intact() -> None:
    inflater = Inflater(Deflate(client_no_context_takeover=True), from_client=True)
    assert inflater.inflate(text(b"\xff\xff", fin=False)) is None
    assert inflater.inflate(text(deflated(b"good"))) == b"good"


def test_inflater_cut_frame_is_not_inflated() -> None:
    assert Inflater(Deflate(), from_client=True).inflate(text(deflated(b"x" * 99), cut=1)) is None


any_frame = st.builds(
    Frame, st.sampled_from(Opcode), st.binary(max_size=100), st.booleans(), st.integers(0, 7)
)


@given(st.lists(any_frame, max_size=6), st.booleans())
def test_inflater_arbitrary_frames_never_raise(frames: list[Frame], takeover: bool) -> None:
    inflater = Inflater(Deflate(client_no_context_takeover=not takeover), from_client=True)
    for frame in frames:
        payload = inflater.inflate(frame)
        assert payload is None or isinstance(payload, bytes)


@given(
    messages=st.lists(st.lists(st.binary(max_size=300), min_size=1, max_size=3), max_size=6),
    bits=st.integers(8, 15),
    takeover=st.booleans(),
    from_client=st.booleans(),
)
def test_deflater_then_inflater_is_identity(
    messages: list[list[bytes]], bits: int, takeover: bool, from_client: bool
) -> None:
    """By our own reader and by that of websockets; fragments keep their borders."""
    deflate = agreed(from_client, takeover, bits)
    deflater = Deflater(deflate, from_client=from_client)
    inflater = Inflater(deflate, from_client=from_client)
    theirs = WebsocketsDeflate(not takeover, False, max(bits, 9), 15)
    for fragments in messages:
        for index, payload in enumerate(fragments):
            opcode = Opcode.CONTINUATION if index else Opcode.BINARY
            plain = Frame(opcode, payload, fin=index == len(fragments) - 1)
            sent = deflater.deflate(plain)
            assert sent.rsv == (0 if index else RSV1)
            assert inflater.inflate(sent) == payload
            read = theirs.decode(
                websockets_frames.Frame(
                    websockets_frames.Opcode(int(opcode)), sent.payload, sent.fin, rsv1=not index
                )
            )
            assert read.data == payload


def test_deflater_window_of_8_has_no_longer_references() -> None:
    """What is repeated at a distance of over 256 bytes is not a reference."""
    deflater = Deflater(Deflate(client_max_window_bits=8), from_client=True)
    block = random.Random(2).randbytes(300)
    sent = deflater.deflate(Frame(Opcode.BINARY, block + block))
    assert len(sent.payload) > 600
