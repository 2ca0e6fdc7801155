"""Messages from the frames of one direction, in any split and in any order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from wsproxy.wire import AssembledMessage, Frame, MessageAssembler, Opcode


def assemble(frames: list[Frame], **keep: int) -> list[AssembledMessage]:
    """The messages that frames belong to, each once; frames are numbered from 1."""
    assembler = MessageAssembler(**keep)
    found: dict[int, AssembledMessage] = {}
    for number, frame in enumerate(frames, 1):
        if (message := assembler.add(frame, number)) is not None:
            found[id(message)] = message
    return list(found.values())


def fragments(is_text: bool, payload: bytes, cuts: list[int], pings: list[bool]) -> list[Frame]:
    edges = [0, *sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    pieces = [payload[a:b] for a, b in pairwise(edges)]
    out = []
    for n, piece in enumerate(pieces):
        first = Opcode.TEXT if is_text else Opcode.BINARY
        opcode = Opcode.CONTINUATION if n else first
        out.append(Frame(opcode, piece, fin=n == len(pieces) - 1))
        out += [Frame(Opcode.PING, b"p")] * pings[n % len(pings)]
    return out


MESSAGE = st.tuples(
    st.booleans(),
    st.binary(max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=3),
)


@given(st.lists(MESSAGE, max_size=5), st.integers(0, 50), st.integers(0, 50))
def test_assembler_any_split_has_sent_messages(
    sent: list[tuple[bool, bytes, list[int], list[bool]]], keep_text: int, keep_binary: int
) -> None:
    frames = [frame for message in sent for frame in fragments(*message)]
    received = assemble(frames, keep_text=keep_text, keep_binary=keep_binary)
    expected = [(t, p[: keep_text if t else keep_binary], len(p)) for t, p, *_ in sent]
    assert [(m.is_text, m.content, m.length) for m in received] == expected
    assert all(m.finished and m.has_start for m in received)
    begins = [n for n, f in enumerate(frames, 1) if f.opcode in (Opcode.TEXT, Opcode.BINARY)]
    assert [m.number for m in received] == begins


@given(
    st.lists(
        st.tuples(st.sampled_from(Opcode), st.binary(max_size=9), st.booleans(), st.integers(0, 9))
    ),
    st.integers(0, 12),
)
def test_assembler_frames_in_any_order_keep_payload_within_limit(
    values: list[tuple[Opcode, bytes, bool, int]], keep: int
) -> None:
    frames = [Frame(o, payload, fin, cut=cut) for o, payload, fin, cut in values]
    data = [f for f in frames if not f.control]
    messages = assemble(frames, keep_text=keep, keep_binary=keep)
    assert sum(m.length for m in messages) == sum(len(f.payload) + f.cut for f in data)
    assert sum(m.frames for m in messages) == len(data)
    assert sum(m.finished for m in messages) == sum(f.fin for f in data)
    assert all(len(m.content) <= keep for m in messages)


def test_assembler_message_inside_a_message_leaves_the_first_one_unfinished() -> None:
    first, second = assemble(
        [
            Frame(Opcode.TEXT, b"a", fin=False),
            Frame(Opcode.BINARY, b"b", fin=False),
            Frame(Opcode.CONTINUATION, b"c"),
        ]
    )
    assert (first.finished, first.content) == (False, b"a")
    assert (second.finished, second.is_text, second.content) == (True, False, b"bc")


def test_assembler_continuation_without_a_message_begins_one_without_a_start() -> None:
    (stray,) = assemble(
        [Frame(Opcode.CONTINUATION, b"a", fin=False), Frame(Opcode.CONTINUATION, b"b")]
    )
    assert (stray.has_start, stray.is_text, stray.finished) == (False, False, True)
    assert (stray.content, stray.frames) == (b"ab", 2)


def test_assembler_kept_of_last_is_kept_size_of_last_frame() -> None:
    assembler = MessageAssembler(keep_text=3)
    kept = []
    for opcode, payload in ((Opcode.TEXT, b"ab"), (Opcode.CONTINUATION, b"cd")):
        message = assembler.add(Frame(opcode, payload, fin=False))
        assert message is not None
        kept.append(message.kept_of_last)
    assert kept == [2, 1]
