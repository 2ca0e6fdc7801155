"""Which traces of a folder are recordings, and not replays or made from others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from wsproxy.errors import TraceError

from .parts import one_a_session
from .read_limits import Allowance
from .reader import TraceReader, find_traces
from .records import Start


def find_recordings(
    paths: Iterable[str | os.PathLike[str]],
) -> tuple[list[Path], list[tuple[Path, str]]]:
    """The recordings at paths, for commands that want recordings.

    A trace that is named is included, whatever its source. Of a folder, its recordings and the
    traces that cannot be read are included; all of its traces if it has no recording.

    Returns:
        The traces, and the excluded ones, each with its `Start.source`.
    """
    found: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    allowance = Allowance()  # one for all: a folder may hold thousands of traces
    for path in map(Path, paths):
        if not path.is_dir():
            found += find_traces([path])
            continue
        sources = {trace: source_of(trace, allowance) for trace in find_traces([path])}
        others = [(trace, source) for trace, source in sources.items() if source != "recorded"]
        if len(others) == len(sources):
            found += sources
            continue
        found += [trace for trace, source in sources.items() if source == "recorded"]
        left_out += others
    return one_a_session(found), left_out


def source_of(trace: Path, allowance: Allowance | None = None) -> str:
    """The `Start.source` of a trace; "recorded" if its beginning cannot be read."""
    try:
        with TraceReader(trace, allowance) as reader:
            first = next(iter(reader), None)
    except TraceError:
        return "recorded"
    return first.source if isinstance(first, Start) else "recorded"
