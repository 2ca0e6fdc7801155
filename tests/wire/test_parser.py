"""The frame parser, against arbitrary splits, arbitrary bytes, and two other parsers."""

from __future__ import annotations

import itertools
import random
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import frames as websockets_frames
from websockets.streams import StreamReader
from wsproto.frame_protocol import FrameProtocol

from wsproxy.wire import Close, Frame, FrameParser, Garbage, Opcode, RuleChecker
from wsproxy.wire.parser import MAX_PAYLOAD

Items = list[Frame | Garbage]

payloads = st.binary(max_size=300) | st.sampled_from(
    [bytes(n) for n in (125, 126, 127, 65535, 65536, 70000)]
)
masks = st.none() | st.binary(min_size=4, max_size=4)
frames = st.builds(
    Frame, st.sampled_from(Opcode), payloads, st.booleans(), st.integers(0, 7), masks
).filter(lambda frame: frame.fin or not frame.rsv or not frame.control)
cuts = st.lists(st.integers(0, 1 << 20), max_size=12)


def split(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[a:b] for a, b in itertools.pairwise(places)]


def parse(pieces: list[bytes], **options: int) -> Items:
    parser = FrameParser(**options)
    return [item for piece in pieces for item in parser.feed(piece)] + parser.end()


def joined(items: Items) -> Items:
    """Garbage that came in several pieces, as one."""
    out: Items = []
    for item in items:
        last = out[-1] if out else None
        if (
            isinstance(item, Garbage)
            and isinstance(last, Garbage)
            and item.broken_rule == last.broken_rule
        ):
            out[-1] = Garbage(last.data + item.data, item.broken_rule)
        else:
            out.append(item)
    return out


def on_the_wire(frame: Frame, size: int) -> Frame:
    return Frame(frame.opcode, frame.payload, frame.fin, frame.rsv, frame.mask, size)


@given(st.lists(frames, max_size=6), cuts)
def test_serialize_then_parse_is_identity_in_any_split(items: list[Frame], at: list[int]) -> None:
    wire = [frame.serialize() for frame in items]
    expected = [on_the_wire(f, len(w)) for f, w in zip(items, wire, strict=True)]
    assert parse(split(b"".join(wire), at)) == expected


@given(frames)
def test_parser_byte_by_byte_finds_frames(frame: Frame) -> None:
    wire = Frame(frame.opcode, frame.payload[:300], frame.fin, frame.rsv, frame.mask).serialize()
    parser = FrameParser()
    for byte in wire[:-1]:
        assert parser.feed(bytes([byte])) == []
    [found] = parser.feed(wire[-1:])
    assert isinstance(found, Frame)
    assert found.serialize() == wire
    assert parser.end() == []


@given(st.binary(max_size=600), cuts, st.sampled_from([0, 1, 10, 200, MAX_PAYLOAD]))
def test_parser_arbitrary_bytes_never_raise_and_are_all_counted(
    data: bytes, at: list[int], limit: int
) -> None:
    unsplit = parse([data], max_payload=limit)
    assert joined(parse(split(data, at), max_payload=limit)) == joined(unsplit)
    size = sum(i.wire_length if isinstance(i, Frame) else len(i.data) for i in unsplit)
    assert size == len(data)
    assert all(len(i.payload) <= limit for i in unsplit if isinstance(i, Frame))


@given(st.lists(frames | st.binary(max_size=30), max_size=5), cuts)
def test_parser_output_serialized_equals_input(parts: list[Frame | bytes], at: list[int]) -> None:
    """Frames and garbage together are the stream, save for lengths in a longer form."""
    data = b"".join(p if isinstance(p, bytes) else p.serialize() for p in parts)
    items = parse(split(data, at))
    again = [i.data if isinstance(i, Garbage) else i.serialize() for i in items]
    for item, bytes_ in zip(items, again, strict=True):
        if isinstance(item, Frame) and len(bytes_) != item.wire_length:
            return
        if isinstance(item, Frame) and item.cut:
            return
    assert b"".join(again) == data


# -- oracles


def valid_stream(seed: int, masked: bool) -> list[Frame]:
    """Messages, fragmented or not, with control frames anywhere, as an endpoint sends them."""
    rnd = random.Random(seed)
    out: list[Frame] = []

    def put(opcode: Opcode, payload: bytes, fin: bool = True) -> None:
        out.append(Frame(opcode, payload, fin, 0, rnd.randbytes(4) if masked else None))

    for _ in range(rnd.randrange(1, 6)):
        text = rnd.random() < 0.5
        count = rnd.choice([1, 1, 2, 4])
        for number in range(count):
            size = rnd.choice([0, 1, 125, 126, 127, 1000, 65535, 65536])
            payload = b"t" * size if text else rnd.randbytes(size)
            opcode = Opcode.CONTINUATION if number else (Opcode.TEXT if text else Opcode.BINARY)
            put(opcode, payload, number == count - 1)
            if rnd.random() < 0.3:
                put(rnd.choice([Opcode.PING, Opcode.PONG]), rnd.randbytes(rnd.choice([0, 4, 125])))
    put(Opcode.CLOSE, Close(1011, "ünd").serialize())
    return out


@pytest.mark.parametrize("masked", [True, False], ids=["client", "server"])
@given(st.integers(0, 2**32), cuts)
def test_parser_result_equals_websockets(masked: bool, seed: int, at: list[int]) -> None:
    data = b"".join(frame.serialize() for frame in valid_stream(seed, masked))
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    theirs = []
    while not reader.eof or reader.buffer:
        step = websockets_frames.Frame.parse(reader.read_exact, mask=masked)
        try:
            next(step)
        except StopIteration as done:
            theirs.append(done.value)
        except EOFError:
            break
        if not reader.buffer:
            break
    ours = parse(split(data, at))
    assert [(f.opcode, f.payload, f.fin) for f in ours if isinstance(f, Frame)] == [
        (f.opcode, bytes(f.data), f.fin) for f in theirs
    ]
    assert all(isinstance(item, Frame) for item in ours)


@pytest.mark.parametrize("masked", [True, False], ids=["client", "server"])
@given(st.integers(0, 2**32), cuts)
def test_parser_result_equals_wsproto(masked: bool, seed: int, at: list[int]) -> None:
    data = b"".join(frame.serialize() for frame in valid_stream(seed, masked))
    protocol = FrameProtocol(client=not masked, extensions=[])
    pieces = split(data, at)
    theirs: list[tuple[int, bytes]] = []
    message = bytearray()
    for piece in pieces:
        protocol.receive_bytes(piece)
        for frame in protocol.received_frames():
            if isinstance(frame.payload, tuple):  # of a Close frame
                code, reason = frame.payload
                theirs.append((8, Close(int(code), reason or "").serialize()))
            elif frame.opcode >= 8:
                assert not isinstance(frame.payload, str)
                theirs.append((int(frame.opcode), bytes(frame.payload)))
            else:
                payload = frame.payload
                message += payload.encode() if isinstance(payload, str) else payload
                if frame.message_finished:
                    theirs.append((0, bytes(message)))
                    message.clear()
    ours: list[tuple[int, bytes]] = []
    for item in parse(pieces):
        assert isinstance(item, Frame)
        if item.control:
            ours.append((int(item.opcode), item.payload))
        else:
            message += item.payload
            if item.fin:
                ours.append((0, bytes(message)))
                message.clear()
    assert ours == theirs


@pytest.mark.parametrize("masked", [True, False], ids=["client", "server"])
@given(st.integers(0, 2**32))
def test_rule_checker_valid_stream_has_no_violation(masked: bool, seed: int) -> None:
    checker = RuleChecker(from_client=masked)
    data = b"".join(frame.serialize() for frame in valid_stream(seed, masked))
    items = parse([data])
    assert [checker.check(item) for item in items if isinstance(item, Frame)] == [None] * len(items)


# -- limits


@given(st.integers(0, 50), st.binary(max_size=200), masks, cuts)
def test_parser_oversized_frame_keeps_beginning_and_counts_rest(
    limit: int, payload: bytes, mask: bytes | None, at: list[int]
) -> None:
    wire = Frame(Opcode.BINARY, payload, mask=mask).serialize()
    after = Frame(Opcode.PING, b"").serialize()
    first, second = parse(split(wire + after, at), max_payload=limit)
    assert isinstance(first, Frame)
    assert first.payload == payload[:limit]
    assert first.cut == max(0, len(payload) - limit)
    assert first.wire_length == len(wire)
    assert second == Frame(Opcode.PING, b"", wire_length=2)


def test_parser_unfinished_oversized_frame_counts_received_bytes() -> None:
    wire = Frame(Opcode.BINARY, bytes(100)).serialize()
    [frame] = parse([wire[:50]], max_payload=10)
    assert isinstance(frame, Frame)
    assert (frame.payload, frame.cut, frame.wire_length) == (bytes(10), 38, 50)


def test_parser_hostile_length_allocates_nothing() -> None:
    parser = FrameParser(max_payload=1 << 20)
    tracemalloc.start()
    parser.feed(b"\x82\x7f" + struct.pack("!Q", (1 << 63) - 1))
    piece = bytes(1 << 20)
    for _ in range(64):
        assert parser.feed(piece) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20
    [frame] = parser.end()
    assert isinstance(frame, Frame)
    assert frame.cut == 63 << 20


def test_parser_limit_over_maximum_is_capped() -> None:
    assert FrameParser(max_payload=1 << 40)._max_payload == MAX_PAYLOAD


# -- bytes that are no frame


def test_parser_reserved_opcode_affects_one_frame() -> None:
    bad = b"\x83\x03abc"
    items = parse(
        [Frame(Opcode.TEXT, b"a").serialize() + bad + Frame(Opcode.PING, b"b").serialize()]
    )
    assert [type(item) for item in items] == [Frame, Garbage, Frame]
    assert items[1] == Garbage(bad, "reserved opcode 0x3 (section 5.2)")


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"\x82\x7f" + b"\xff" * 8, "highest bit"),
        (b"\x83\x7f\x7f" + b"\xff" * 7, "reserved opcode 0x3"),
    ],
)
def test_parser_lost_synchronization_keeps_bytes_verbatim(data: bytes, rule: str) -> None:
    parser = FrameParser()
    [first] = parser.feed(data + b"x")
    [second] = parser.feed(b"\x81\x01a")
    assert isinstance(first, Garbage)
    assert isinstance(second, Garbage)
    assert first.data + second.data == data + b"x\x81\x01a"
    assert rule in first.broken_rule
    assert first.broken_rule == second.broken_rule
    assert parser.feed(b"") == []
    assert parser.end() == []


def test_parser_maximum_length_is_a_frame() -> None:
    parser = FrameParser(max_payload=1)
    assert parser.feed(b"\x82\x7f\x7f" + b"\xff" * 7 + b"xy") == []
    [frame] = parser.end()
    assert isinstance(frame, Frame)
    assert (frame.payload, frame.cut) == (b"x", 1)


def test_parser_incomplete_frame_keeps_bytes_verbatim() -> None:
    wire = Frame(Opcode.TEXT, b"hello", mask=b"abcd").serialize()
    for size in range(1, len(wire)):
        assert parse([wire[:size]]) == [Garbage(wire[:size], "")]


# -- rules

KEY = b"abcd"
LONG_2 = Frame(Opcode.TEXT, b"a", wire_length=2 + 2 + 1)
LONG_8 = Frame(Opcode.TEXT, bytes(70), mask=KEY, wire_length=2 + 8 + 4 + 70)
BEGIN = Frame(Opcode.TEXT, b"", fin=False)
RULES = [
    (False, False, [Frame(Opcode.TEXT, b"")], None),
    (True, False, [Frame(Opcode.TEXT, b"", mask=KEY)], None),
    (True, False, [Frame(Opcode.TEXT, b"")], "client frame not masked"),
    (False, False, [Frame(Opcode.TEXT, b"", mask=KEY)], "server frame masked"),
    (False, False, [Frame(Opcode.TEXT, b"", rsv=4)], "reserved bit"),
    (False, True, [Frame(Opcode.TEXT, b"", rsv=4)], None),
    (False, True, [Frame(Opcode.TEXT, b"", rsv=2)], "reserved bit"),
    (False, True, [Frame(Opcode.TEXT, b"", rsv=1)], "reserved bit"),
    (False, True, [Frame(Opcode.PING, b"", rsv=4)], "RSV1 on a frame"),
    (False, True, [BEGIN, Frame(Opcode.CONTINUATION, b"", rsv=4)], "RSV1 on a frame"),
    (False, False, [Frame(Opcode.CONTINUATION, b"")], "continuation frame without a message"),
    (False, False, [BEGIN, Frame(Opcode.PING, b""), Frame(Opcode.CONTINUATION, b"")], None),
    (False, False, [BEGIN, Frame(Opcode.TEXT, b"")], "text frame inside a fragmented message"),
    (False, False, [BEGIN, Frame(Opcode.BINARY, b"")], "binary frame inside a fragmented"),
    (False, False, [Frame(Opcode.PING, bytes(125))], None),
    (False, False, [Frame(Opcode.PING, bytes(126))], "control frame with over 125"),
    (False, False, [Frame(Opcode.PING, bytes(10), cut=116)], "control frame with over 125"),
    (False, False, [Frame(Opcode.PONG, b"", fin=False)], "fragmented control frame"),
    (False, False, [Frame(Opcode.CLOSE, b"")], None),
    (False, False, [Frame(Opcode.CLOSE, b"\x03")], "close frame with a payload of 1 byte"),
    (False, False, [Frame(Opcode.CLOSE, b"\x03\xe8")], None),
    (False, False, [Frame(Opcode.CLOSE, b"\x03\xe7")], "close code 999 must not be sent"),
    *[
        (False, False, [Frame(Opcode.CLOSE, Close(code).serialize())], f"close code {code}")
        for code in (1004, 1005, 1006, 1015)
    ],
    *[
        (False, False, [Frame(Opcode.CLOSE, Close(code).serialize())], None)
        for code in (1000, 1001, 1011, 1014, 3008, 4000, 4999)
    ],
    (False, False, [Frame(Opcode.CLOSE, b"\x03\xe8\xff")], "close reason is not UTF-8"),
    (False, False, [LONG_2], "not in its shortest form"),
    (True, False, [LONG_8], "not in its shortest form"),
    (False, False, [Frame(Opcode.TEXT, bytes(126), wire_length=130)], None),
]


@pytest.mark.parametrize(("from_client", "deflate", "items", "rule"), RULES)
def test_rule_checker_last_frame_has_its_violation(
    from_client: bool, deflate: bool, items: list[Frame], rule: str | None
) -> None:
    checker = RuleChecker(from_client=from_client, deflate=deflate)
    *before, last = (checker.check(item) for item in items)
    assert before == [None] * len(before)
    if rule is None:
        assert last is None
    else:
        assert last is not None
        assert last.startswith(rule) or rule in last


@given(st.lists(frames, max_size=8), st.booleans(), st.booleans())
def test_rule_checker_any_frames_never_raise(
    items: list[Frame], from_client: bool, deflate: bool
) -> None:
    checker = RuleChecker(from_client=from_client, deflate=deflate)
    for item in items:
        rule = checker.check(item)
        assert rule is None or "section" in rule


@pytest.mark.parametrize(
    "text", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"<html>", b'{"error": 1}', b"\xf3hm"]
)
def test_parser_text_in_place_of_frame_is_kept_verbatim(text: bytes) -> None:
    """`H` reads as a fragment of a Close frame with a reserved bit: there was no Close."""
    valid_frame = Frame(Opcode.TEXT, b"before").serialize()
    for pieces in ([valid_frame + text * 20], [valid_frame + text[:2], text[2:] + text * 19]):
        frame, *rest = joined(parse(pieces))
        assert isinstance(frame, Frame)
        garbage = [item for item in rest if isinstance(item, Garbage)]
        assert [item.data for item in garbage] == [text * 20]
    assert garbage[0].broken_rule.endswith("in place of a frame (section 5.2)")
    assert garbage[0].broken_rule.startswith("an HTTP answer") is text.startswith(b"HTTP")


NOT_UTF8 = "text message is not UTF-8 (section 8.1)"


def texts(*frames: tuple[Opcode, bytes, bool]) -> list[str | None]:
    checker = RuleChecker(from_client=False)
    return [checker.check_text(Frame(o, data, fin), data) for o, data, fin in frames]


def test_rule_checker_invalid_utf8_is_reported_at_its_frame() -> None:
    text, binary, more, ping = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION, Opcode.PING
    assert texts((text, b"\xc3\xb6", True), (binary, b"\xff", True)) == [None, None]
    assert texts((text, b"\xff", True), (text, b"ok", True)) == [NOT_UTF8, None]
    assert texts((text, b"\xc3", True)) == [NOT_UTF8]  # it ends within a character
    assert texts((text, b"\xc3", False), (ping, b"\xff", True), (more, b"\xb6", True)) == [None] * 3
    assert texts((text, b"\xc3", False), (more, b"x", False), (more, b"\xff", True)) == [
        None,
        NOT_UTF8,
        None,
    ]


def test_rule_checker_unknown_text_content_is_not_checked() -> None:
    checker = RuleChecker(from_client=False, deflate=True)
    first, last = Frame(Opcode.TEXT, b"\xff", False), Frame(Opcode.CONTINUATION, b"\xff", True)
    assert checker.check_text(first, None) is None
    assert checker.check_text(last, b"\xff") is None
