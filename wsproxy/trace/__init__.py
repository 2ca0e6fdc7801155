"""The trace file: one session, concatenated zstd frames of msgpack maps.

`docs/trace-format.md` is the specification.
"""

from .folder_watch import FolderWatch
from .frame_index import FrameIndex, FramePlace
from .frame_run import FrameRun
from .growing import GrowingTrace
from .parts import SUFFIX
from .reader import BlockPlace, Loss, TraceReader, bounded, bounded_runs, find_traces
from .records import (
    DERIVED,
    ENDINGS,
    REPLAYS,
    VERSION,
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    More,
    Record,
    Request,
    Response,
    Start,
)
from .selection import find_recordings
from .writer import TraceWriter

__all__ = [
    "DERIVED",
    "ENDINGS",
    "REPLAYS",
    "SUFFIX",
    "VERSION",
    "BlockPlace",
    "Bytes",
    "End",
    "Eof",
    "Failure",
    "FindingRecord",
    "FolderWatch",
    "FrameIndex",
    "FramePlace",
    "FrameRecord",
    "FrameRun",
    "Gap",
    "GrowingTrace",
    "Loss",
    "More",
    "Record",
    "Request",
    "Response",
    "Start",
    "TraceReader",
    "TraceWriter",
    "bounded",
    "bounded_runs",
    "find_recordings",
    "find_traces",
]
