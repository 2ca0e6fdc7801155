"""Read a recorded session."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wsproxy.catalog import load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Loss, Record, TraceReader
from wsproxy.wire import MessageAssembler


@dataclass(frozen=True, slots=True)
class Message:
    """A complete message of a session, reassembled from its fragments.

    Attributes:
        frame: number of the frame that began it, from 1, as `wsproxy show` counts.
        t_ns: time of its last byte, ns since the start of the session.
        from_client: whether the client sent it.
        is_text: text or binary.
        data: its payload.
        cut: bytes that exceeded the recorder's limit and are missing from `data`.
    """

    frame: int
    t_ns: int
    from_client: bool
    is_text: bool
    data: bytes = field(repr=False)
    cut: int = 0

    @property
    def text(self) -> str:
        """The payload as text; invalid UTF-8 is replaced."""
        return self.data.decode("utf-8", "replace")

    def json(self) -> Any:
        """The payload's JSON value.

        Raises:
            ValueError: the payload is not JSON.
        """
        return json.loads(self.data)


class Trace:
    """A trace file. Iterate over it for its records.

    Frames and messages are read from the file each time, never kept.

    Attributes:
        path: the file.
        session: the facts: `provider`, `api`, `request`, `response`, `ending`, `closed_by`,
            `close` (code and reason), `duration_ns` and more, see `wsproxy.session.Session`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.session = Session.read(self.path, catalog=load())

    def __repr__(self) -> str:
        return f"Trace({str(self.path)!r})"

    def __iter__(self) -> Iterator[Record]:
        with TraceReader(self.path) as reader:
            yield from reader

    def frames(self) -> Iterator[FrameRecord]:
        """All frames of both directions, in order."""
        return (record for record in self if isinstance(record, FrameRecord))

    def messages(self, *, from_client: bool | None = None) -> Iterator[Message]:
        """The complete messages of both directions, or of one, in the order of their ends."""
        assemblers = {side: MessageAssembler() for side in (True, False)}
        for number, frame in enumerate(self.frames(), 1):
            side = frame.from_client
            if from_client not in (None, side):
                continue
            message = assemblers[side].add(frame, number)
            # Without its start it is the rest of a message whose beginning is missing.
            if message is not None and message.finished and message.has_start:
                data = message.content
                cut = message.length - len(data)
                yield Message(message.number, frame.t_ns, side, message.is_text, data, cut)

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings of `wsproxy explain`, the most important first."""
        return diagnose(self.session, load())

    @property
    def losses(self) -> list[Loss]:
        """Parts of the file that could not be read."""
        return self.session.losses


def open(path: str | os.PathLike[str]) -> Trace:  # noqa: A001  # wsproxy.open, as gzip.open
    """Open a trace for reading.

    Raises:
        TraceError: the file cannot be read.
        NotATrace: the file is not a trace.
    """
    return Trace(path)
