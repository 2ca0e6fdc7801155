"""Traces for tests: what records there can be, and files made of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from hypothesis import strategies as st

from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
    TraceWriter,
)
from wsproxy.trace.records import MAX_INT

SESSION = "0123456789abcdef"


def pack_trace(blocks: Iterable[Sequence[Record]], *, finish: bool = True) -> bytes:
    """The bytes of a trace with these records, a block for each inner sequence."""
    file = io.BytesIO()
    writer = TraceWriter(file, SESSION)
    for block in blocks:
        for record in block:
            writer.write(record)
        writer.flush()
    if finish:
        writer.finish()
    return file.getvalue()


def make_trace(path: Path, records: Iterable[Record], *, finish: bool = True) -> Path:
    """A trace file with these records, each in a block of its own."""
    path.write_bytes(pack_trace(([record] for record in records), finish=finish))
    return path


def read_trace(path: Path) -> tuple[list[Record], TraceReader]:
    """All records of a trace, and its reader, for what it says of losses."""
    with TraceReader(path) as reader:
        return list(reader), reader


class FullDisk:
    """A file on a disk with little room; as a raw file, it may write less than it was given."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        if not self.room:
            raise OSError(28, "No space left on device")
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def truncate(self, size: int) -> int:
        return self.file.truncate(size)

    def seek(self, offset: int) -> int:
        return self.file.seek(offset)


_ints = st.integers(0, MAX_INT)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_maybe_text = st.none() | _text
_bytes = st.binary(max_size=200)
_headers = st.lists(st.lists(_text, min_size=2, max_size=2), max_size=4)
_redacted = st.lists(
    st.fixed_dictionaries(
        {"where": _text, "name": _text, "fingerprint": _text, "length": st.integers(0, 1000)}
    ),
    max_size=2,
)

# One strategy for each record kind, every attribute drawn.
KINDS: dict[str, st.SearchStrategy[Record]] = {
    "start": st.builds(
        Start, _ints, st.just(1), _text, _ints, _text, _maybe_text, _maybe_text, _maybe_text,
        _ints, _maybe_text, _maybe_text, _maybe_text, _maybe_text, st.booleans(),
        st.none() | st.lists(_text, max_size=3), st.none() | _ints,
    ),
    "request": st.builds(
        Request, _ints, _text, _text, _text, _ints, _text, _text, _headers,
        st.none() | _bytes, _redacted,
    ),
    "response": st.builds(
        Response, _ints, _ints, _text, _text, _headers, st.none() | _bytes, _ints, _redacted
    ),
    "frame": st.builds(
        FrameRecord, _ints, st.booleans(), st.sampled_from([0, 1, 2, 8, 9, 10]), _bytes,
        st.booleans(), st.integers(0, 7), st.none() | st.binary(min_size=4, max_size=4), _ints,
        st.booleans(), _ints, _maybe_text, _maybe_text,
    ),
    "bytes": st.builds(Bytes, _ints, st.booleans(), _bytes, _text),
    "eof": st.builds(Eof, _ints, st.booleans(), _text),
    "failure": st.builds(Failure, _ints, _text, st.booleans(), _text),
    "gap": st.builds(Gap, _ints, _ints, _text, _ints, _ints),
    "finding": st.builds(FindingRecord, _ints, _text, _text, _text, st.lists(_text, max_size=3)),
    "end": st.builds(
        End, _ints, _text, _maybe_text, st.none() | _ints, _maybe_text, _ints, _ints, _ints,
        _ints, st.booleans(), st.lists(_text, max_size=3), st.none() | _ints,
    ),
}  # fmt: skip
RECORDS = st.one_of(*KINDS.values())
