"""The trace file: one session, concatenated zstd frames of msgpack maps.

`docs/trace-format.md` is the specification.
"""

from .parts import SUFFIX
from .reader import Loss, TraceReader, find_traces
from .records import (
    ENDINGS,
    VERSION,
    Bytes,
    End,
    Eof,
    Failure,
    Finding,
    FrameRecord,
    Gap,
    More,
    Record,
    Request,
    Response,
    Start,
)
from .writer import TraceWriter

__all__ = [
    "ENDINGS",
    "SUFFIX",
    "VERSION",
    "Bytes",
    "End",
    "Eof",
    "Failure",
    "Finding",
    "FrameRecord",
    "Gap",
    "Loss",
    "More",
    "Record",
    "Request",
    "Response",
    "Start",
    "TraceReader",
    "TraceWriter",
    "find_traces",
]
