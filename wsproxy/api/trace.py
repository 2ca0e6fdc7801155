"""Read a recorded session."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsproxy.catalog import load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.session import Session
from wsproxy.session.latency import Latency
from wsproxy.session.timeline import Timeline
from wsproxy.session.transcript import Result
from wsproxy.trace import FrameRecord, Loss, Record, TraceReader
from wsproxy.wire import MessageAssembler

from . import notebook
from .notebook import TraceAudio

if TYPE_CHECKING:
    from pandas import DataFrame


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

    Frames, messages and audio are read from the file each time, never kept. As the value of a
    notebook's cell it shows its verdict, findings, numbers, waveform and transcript.

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
    def transcript(self) -> list[Result]:
        """The results in their order: `text`, `final`, `t_ns` and `frame` of the message,
        `start_s` and `end_s` in the app's audio, `words`, `channel`, `turn`, `by_agent`.

        Of a long session, the first 500 and the last 500.
        """
        return list(self._timeline.transcript)

    @property
    def latency(self) -> Latency:
        """The latencies in seconds: `upgrade`, `first_interim`, `first_final`, `finalization`,
        `lags`, `utterances`, `turns` and others; None where there was nothing to measure.
        """
        return self._timeline.latency

    def audio(self, side: str) -> TraceAudio:
        """The audio of a side, decoded: `samples, rate = trace.audio("app")`.

        It is the audio as it was sent, without the gaps in time: `wsproxy play` places it in time.
        Of a side with several streams of audio, the one with the most.

        Args:
            side: "app" or "server".

        Returns:
            The samples, a numpy array of float32, -1 to 1 at full scale, of shape
            (samples, channels), and their rate in Hz.

        Raises:
            InvalidValue: the side is another one.
            NoAudio: it has no audio, or none that can be decoded.
            LimitExceeded: the decoded audio has over 1 GiB, at two bytes a sample.
        """
        return notebook.audio(self.path, side)

    def to_pandas(self) -> DataFrame:
        """The frames as a table: one row a frame, with the numbers of `wsproxy show` as the index.

        Columns: `t_s` (seconds since the start of the session), `from_client`, `opcode`, `fin`,
        `length` (bytes of the payload), `wire_length` (bytes of the frame), `text` (of a text
        frame, or what a Close frame says; else missing).

        Raises:
            NotebookMissing: pandas is not installed.
            LimitExceeded: there are over 5 million frames.
        """
        return notebook.frames_table(self.frames())

    def _repr_html_(self) -> str:
        return self._html

    @cached_property
    def _html(self) -> str:
        return notebook.report_html(self.path)

    @property
    def _timeline(self) -> Timeline:
        timeline = self.session.timeline
        assert timeline is not None, "it was read with a catalog"
        return timeline

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
