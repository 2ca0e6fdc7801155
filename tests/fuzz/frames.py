"""A connection's bytes, cut anywhere, parsed and recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fuzz.choices import Choices
from fuzz.judge import scratch
from fuzz.samples import recorded
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.session import Session
from wsproxy.trace import Eof, Response
from wsproxy.wire import (
    Deflate,
    Deflater,
    Frame,
    FrameParser,
    Garbage,
    Inflater,
    Opcode,
    RuleChecker,
)

_LIMITS = (0, 1, 10, 125, 126, 1000, 65_536, 64 << 20)
_EXTENSIONS = (
    "",
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=8; client_max_window_bits=9",
    "permessage-deflate; client_max_window_bits",
)
_MAX_INFLATED = 1 << 20
_MASK = b"\x01\x20\x03\x40"


def one(data: bytes) -> None:
    choices = Choices(data)
    limit = choices.one_of(_LIMITS)
    extensions = choices.one_of(_EXTENSIONS)
    pieces = list(_pieces(choices))
    for side in (True, False):
        _parse([piece for from_client, piece in pieces if from_client is side], side, limit)
    _inflate(pieces, extensions, limit)
    _record(pieces, extensions, limit)


def _pieces(choices: Choices) -> Iterator[tuple[bool, bytes]]:
    """The bytes of both sides in order: a piece begins with a byte for its side and its length."""
    while choices.more:
        head = choices.byte()
        yield bool(head & 0x80), choices.take((head & 0x7F) or 1000)


def _parse(pieces: list[bytes], side: bool, limit: int) -> None:
    """Frames do not depend on the cuts, and no byte goes missing."""
    cut = _items(pieces, limit)
    complete = _items([b"".join(pieces)], limit)
    assert _joined(cut) == _joined(complete)
    sizes = (len(i.data) if isinstance(i, Garbage) else i.wire_length for i in cut)
    assert sum(sizes) == sum(map(len, pieces))
    checker = RuleChecker(from_client=side)
    for item in cut:
        if isinstance(item, Frame):
            checker.check(item)
            assert len(item.payload) <= limit


def _items(pieces: list[bytes], limit: int) -> list[Frame | Garbage]:
    parser = FrameParser(max_payload=limit)
    return [item for piece in pieces for item in parser.feed(piece)] + parser.end()


def _joined(items: list[Frame | Garbage]) -> list[Frame | Garbage]:
    """Adjacent garbage is joined: the parser returns it as it arrives."""
    out: list[Frame | Garbage] = []
    for item in items:
        last = out[-1] if out else None
        if isinstance(item, Garbage) and isinstance(last, Garbage):
            out[-1] = replace(last, data=last.data + item.data)
        else:
            out.append(item)
    return out


def _inflate(pieces: list[tuple[bool, bytes]], extensions: str, limit: int) -> None:
    deflate = Deflate.parse(extensions) or Deflate()
    for side in (True, False):
        inflater = Inflater(deflate, from_client=side, max_inflated=_MAX_INFLATED)
        size = 0
        for item in _items([piece for by, piece in pieces if by is side], limit):
            if not isinstance(item, Frame):
                continue
            inflated = inflater.inflate(item)
            if item.opcode in (Opcode.TEXT, Opcode.BINARY):
                size = 0
            size += len(inflated or b"") if item.rsv & 4 or size else 0
            assert item.control or size <= _MAX_INFLATED + limit


def _record(pieces: list[tuple[bool, bytes]], extensions: str, limit: int) -> None:
    """What was recorded is read again, and says the same."""
    with scratch() as folder:
        path = folder / "t.wstrace"
        recording = SessionWriter(path, new_start(Clock(0, 0)), max_payload=limit)
        headers = [["Sec-WebSocket-Extensions", extensions]]
        recording.response(Response(1, 101, headers=headers))
        for t_ns, (from_client, piece) in enumerate(pieces):
            recording.data(t_ns, from_client, piece)
        recording.eof(Eof(len(pieces), from_client=True, how="reset"))
        recording.end(len(pieces))
        session = Session.read(path)
    assert not session.losses and session.complete
    assert list(session.frames()) == list(recording.session.frames())
    assert session.ending == recording.session.ending
    for side, direction in ((True, session.sent), (False, session.received)):
        assert direction.size == sum(len(piece) for by, piece in pieces if by is side)


def seeds() -> Iterator[bytes]:
    for number, records in enumerate(recorded()):
        agreed = number % len(_EXTENSIONS)
        deflate = Deflate.parse(_EXTENSIONS[agreed])
        out = bytearray([number % len(_LIMITS), agreed])
        deflaters = {
            side: Deflater(deflate or Deflate(), from_client=side) for side in (True, False)
        }
        for record in records:
            if record["kind"] != "frame":
                continue
            side, opcode = record["from_client"], Opcode(record["opcode"])
            frame = Frame(
                opcode, record["payload"][:300], record["fin"], mask=_MASK if side else None
            )
            if deflate is not None and opcode <= Opcode.BINARY:
                frame = deflaters[side].deflate(frame)
            wire = frame.serialize()
            for at in range(0, len(wire), 100):
                out.append((0x80 if side else 0) | len(wire[at : at + 100]))
                out += wire[at : at + 100]
        yield bytes(out)
