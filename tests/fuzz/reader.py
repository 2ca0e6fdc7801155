"""A trace's bytes, read and diagnosed.

The first byte of an input says how a file is made of the rest: as it is, or as blocks with
sound checksums and sync records around pieces of msgpack, which no mutation would hit upon.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgpack

from fuzz.judge import scratch
from fuzz.samples import recorded
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose, summary
from wsproxy.errors import TraceError
from wsproxy.session import Session
from wsproxy.trace import TraceReader
from wsproxy.trace.blocks import Compressor, seek_table, seek_table_entry
from wsproxy.trace.records import Sync, from_map, to_map

CUT = b"\xc1CUT"  # between blocks; the byte C1 begins no msgpack
_BLOCKS, _SYNCS, _TABLE, _RAW_TAIL = 1, 2, 4, 8


def one(data: bytes) -> None:
    with scratch() as folder:
        path = folder / "t.wstrace"
        path.write_bytes(_file(data))
        try:
            session = Session.read(path)
        except TraceError:
            return
        catalog = load()
        diagnose(session, catalog)
        summary(session, catalog)
        glanced = Session.summary(path)
        assert glanced.id == session.id or session.losses or session.start is None
        with TraceReader(path) as reader:
            for record in reader:
                assert from_map(to_map(record)) == record
            assert [str(loss) for loss in reader.losses] == [str(loss) for loss in session.losses]


def _file(data: bytes) -> bytes:
    how, rest = (data or b"\0")[0], data[1:]
    if not how & _BLOCKS:
        return rest
    pieces = rest.split(CUT)
    tail = pieces.pop() if how & _RAW_TAIL else b""
    out, entries = bytearray(), bytearray()
    for number, piece in enumerate(pieces):
        sync = msgpack.packb(to_map(Sync(1, "0123456789abcdef", number)))
        block = (sync if how & _SYNCS else b"") + piece
        packed = Compressor().compress(block)
        out += packed
        entries += seek_table_entry(len(packed), len(block))
    return bytes(out + (seek_table(entries) if how & _TABLE else b"") + tail)


def seeds() -> Iterator[bytes]:
    for number, records in enumerate(recorded()):
        maps = [msgpack.packb(each) for each in records]
        joint = CUT if number % 3 == 0 else b""
        yield bytes([_BLOCKS | _SYNCS | (_TABLE if number % 2 else 0)]) + joint.join(maps)
        if number % 20 == 0:
            yield b"\0" + _file(bytes([_BLOCKS | _SYNCS | _TABLE]) + CUT.join(maps))
