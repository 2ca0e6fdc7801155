"""A session as a fold over the records of its trace.

The recorder folds records as it writes them, the commands as they read them: both have the same
facts. A session holds running totals and a bounded number of frames and messages.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

from wsproxy.catalog import Catalog
from wsproxy.errors import LimitExceeded
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameIndex,
    FrameRecord,
    FrameRun,
    Gap,
    GrowingTrace,
    Loss,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
    bounded_runs,
)
from wsproxy.trace.read_limits import Allowance
from wsproxy.wire import Close, Opcode, header

from . import ending
from .direction import Direction
from .frame_fold import FrameFold, MessageListener
from .head_tail_buffer import KEPT_TEXT
from .heuristic_redactions import HeuristicRedactions
from .messages import BinaryMessage, CloseInfo, TextMessage
from .outcome import Outcome, outcome_of
from .session_audio import SessionAudio
from .short_session import FewRecords
from .timeline import Timeline
from .track_signal import MakeAnalyzer, TrackSignal
from .traffic import FrameInfo, Traffic
from .transcript import KEPT_RESULTS

_T = TypeVar("_T")
_R = TypeVar("_R", Record | FrameRun, Record | FrameRun | None)
_CLOSE = int(Opcode.CLOSE)
RECORDS_PER_REST = 32
FIRST_FRAMES = 16  # that a summary reads: the messages that set the session up are in them
KEPT_RECORDS = 100  # kept of each kind that is rare: closes, failures, gaps, findings
KEPT_BROKEN = 1000  # frames kept that broke a rule
KEPT_RULE = 200  # characters kept of a broken rule


class Session:
    """The facts of one session.

    Args:
        with_audio: whether `audio` has tracks. The recorder does without them: what explains a
            session reads its trace.

    Attributes:
        start, request, response, end: the records, None if not read (yet).
        close: the first Close frame; `closes` has the first KEPT_RECORDS.
        failures, gaps, findings: in their order, the first KEPT_RECORDS of each.
        losses: parts of the trace that could not be read.
        unread: a sentence why the rest of a trace over the limits was not read; else "".
        sent, received: traffic of the client, and of the server.
        before_close: the frame before the first Close frame, None if there is none.
        first_ended: how the direction ended that ended first.
        broken: the first KEPT_BROKEN frames that broke a rule of RFC 6455, as (number, rule).
    """

    def __init__(self, *, with_audio: bool = True) -> None:
        self.start: Start | None = None
        self.request: Request | None = None
        self.response: Response | None = None
        self.end: End | None = None
        self.closes: list[CloseInfo] = []
        self.failures: list[Failure] = []
        self.gaps: list[Gap] = []
        self.findings: list[FindingRecord] = []
        self.losses: list[Loss] = []
        self.unread = ""
        self.broken: list[tuple[int, str]] = []
        self.sent = Direction()
        self.received = Direction()
        self.last_ns = 0
        self._timeline: Timeline | None = None
        self.first_ended: Eof | None = None
        self._frames = FrameFold(with_audio=with_audio)
        self._broken_ns: dict[int, int] = {}
        self.before_close: FrameInfo | None = None
        self._heuristic_redactions = HeuristicRedactions()
        self._few = FewRecords()
        if with_audio:
            self._few.discard()

    @classmethod
    def analyzing(
        cls,
        catalog: Catalog,
        keep_results: int = KEPT_RESULTS,
        analyzer: MakeAnalyzer = TrackSignal,
    ) -> Session:
        """A session that reads all messages and analyzes all audio, see `timeline`.

        Args:
            keep_results: of its transcript, see `SessionTranscript`.
            analyzer: makes what analyzes a track.
        """
        session = cls()
        session._timeline = timeline = Timeline(session, catalog, keep_results)
        session.listen(timeline)
        session.audio.analyzer_of = partial(analyzer, session, catalog, timeline.follow_speech)
        return session

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        allowance: Allowance | None = None,
        catalog: Catalog | None = None,
        rest: Callable[[], None] | None = None,
    ) -> Session:
        """Read a trace: all of it, or as much as the limits allow, see `unread`.

        Args:
            allowance: as for a `TraceReader`.
            catalog: to read all messages and to analyze all audio as well, see `timeline` and
                `AudioTrack.signal`.
            rest: called after every RECORDS_PER_REST records; what it raises ends the reading.

        Raises:
            TraceError: it cannot be read.
            LimitExceeded: nothing of it can be read within the limits.
        """
        session = cls() if catalog is None else cls.analyzing(catalog)
        for number, _ in enumerate(session.reading(path, allowance)):
            if rest is not None and number % RECORDS_PER_REST == 0:
                rest()
        return session

    def reading(
        self, path: str | os.PathLike[str], allowance: Allowance | None = None
    ) -> Iterator[Record | FrameRun]:
        """Add the records of a trace, and yield each, or a run of frames, once it is added.

        Raises:
            TraceError: as `read` does; the arguments are the same.
        """
        with TraceReader(path, allowance) as reader:
            yield from self._add_all(reader, bounded_runs(reader))

    def following(
        self, path: str | os.PathLike[str], index: FrameIndex | None = None
    ) -> Generator[Record | FrameRun | None, None, None]:
        """Do the same with a trace that is being written; all as of a `GrowingTrace`."""
        with GrowingTrace(path, index=index) as reader:
            yield from self._add_all(reader, reader.following())

    def _add_all(self, reader: TraceReader, records: Iterator[_R]) -> Iterator[_R]:
        try:
            for record in records:
                if isinstance(record, FrameRun):
                    self.add_run(record)
                elif record is not None:
                    self.add(record)
                yield record
        except LimitExceeded as error:
            if reader.session is None:
                raise  # nothing was found in it so far
            self.unread = str(error)
        self.losses = reader.losses

    @classmethod
    def summary(
        cls,
        path: str | os.PathLike[str],
        allowance: Allowance | None = None,
        catalog: Catalog | None = None,
    ) -> Session:
        """Read the beginning of a trace, with its first frames, and its end record.

        Fast for large traces. A trace without an end record is read completely.

        Args:
            allowance: as for a `TraceReader`.
            catalog: as for `read`, for a trace that is read completely.

        Raises:
            TraceError: it cannot be read.
        """
        session = cls()
        with TraceReader(path, allowance) as reader:
            end = reader.last()
            if end is None:
                return cls.read(path, allowance, catalog)
            with suppress(LimitExceeded):  # before the first frame: `read` raises it
                for record in reader:
                    if isinstance(record, Bytes | Eof | End) or _is_later_frame(record, session):
                        session.add(end)
                        break
                    session.add(record)
        return session if session.start and session.end else cls.read(path, allowance, catalog)

    # -- the fold

    def add(self, record: Record) -> None:
        """Add the next record."""
        if record.t_ns > self.last_ns:  # noqa: PLR1730  # a call costs as much as all else here
            self.last_ns = record.t_ns
        if self._few.complete:
            self._few.add(record)
        if type(record) is FrameRecord:
            self._add_frame(record)
            return
        match record:
            case Bytes():
                direction = self.sent if record.from_client else self.received
                direction.size += len(record.data)
                direction.garbage += len(record.data)
            case Start():
                self.start = record
                if self._timeline is not None:
                    self._timeline.begin()
            case Request():
                self.request = record
                self._heuristic_redactions.add(record.redacted)
            case Response():
                self.response = record
                self._heuristic_redactions.add(record.redacted)
                if self._timeline is not None:
                    self._timeline.add_response(record)
            case Eof():
                self._add_eof(record)
            case Failure():
                _keep(self.failures, record)
            case Gap():
                _keep(self.gaps, record)
            case FindingRecord():
                _keep(self.findings, record)
            case End():
                self.end = record
                self._frames.end()

    def analyzed(self, catalog: Catalog) -> Session | None:
        """The same session with all messages and all audio read, see `analyzing`.

        Returns:
            None where the records are no longer in memory: `read` them from the trace.
        """
        if not self._few.complete:
            return None
        session = Session.analyzing(catalog)
        for record in self._few:
            session.add(record)
        return session

    def add_run(self, run: FrameRun) -> None:
        """Add the next frames, as `add` of each would do."""
        direction = self.sent if run.from_client else self.received
        direction.frames += len(run.times)
        direction.size += sum(run.wire_lengths)
        latest = max(run.times, default=0)
        for _, text in run.texts:
            direction = self.sent if text.from_client else self.received
            direction.frames += 1
            direction.size += text.wire_length
            if text.t_ns > latest:  # noqa: PLR1730  # a call costs as much as all else here
                latest = text.t_ns
        self.last_ns = max(self.last_ns, latest)
        self._frames.add_run(run)

    def release(self) -> None:
        """Free its memory at once; without it, a garbage collection does. Do not use it again."""
        vars(self).clear()

    def _add_frame(self, frame: FrameRecord) -> None:
        number, from_client = self._frames.add(frame), frame.from_client
        if frame.redacted is not None:
            self._heuristic_redactions.add(frame.redacted)
        direction = self.sent if from_client else self.received
        direction.frames += 1
        direction.size += frame.wire_length
        if frame.broken_rule and len(self.broken) < KEPT_BROKEN:
            self.broken.append((number, frame.broken_rule[:KEPT_RULE]))
            self._broken_ns[number] = frame.t_ns
        if frame.opcode == _CLOSE:
            close = Close.parse(frame.payload[:KEPT_TEXT])
            info = CloseInfo(number, frame.t_ns, from_client, close.code, close.reason)
            _keep(self.closes, info)
            if len(self.closes) == 1 and number > 1:
                self.before_close = self.traffic.frame(number - 1)
            self._frames.end()

    def _add_eof(self, eof: Eof) -> None:
        direction = self.sent if eof.from_client else self.received
        if direction.ended is None or eof.how == "reset":
            direction.ended = eof
        self.first_ended = self.first_ended or eof
        if not eof.from_client:
            self._frames.end()

    def listen(self, listener: MessageListener | None) -> None:
        """Let a listener read every message from now on."""
        self._frames.listener = listener

    def tell_listener(self) -> None:
        """Let it read those that wait: many messages of audio are read at once."""
        self._frames.tell_listener()

    # -- facts

    @property
    def id(self) -> str:
        return self.start.session if self.start else "?"

    @property
    def provider(self) -> str | None:
        return self.start.provider if self.start else None

    @property
    def api(self) -> str | None:
        return self.start.api if self.start else None

    @property
    def recorded_host(self) -> str | None:
        """The host of the request; of a replay, that of the session that it replays."""
        if self.start is not None and self.start.origin_host is not None:
            return self.start.origin_host
        return self.request.host if self.request is not None else None

    @property
    def close(self) -> CloseInfo | None:
        return self.closes[0] if self.closes else None

    @property
    def failure(self) -> Failure | None:
        return self.failures[0] if self.failures else None

    @property
    def accepted(self) -> bool:
        """Whether the upgrade was accepted."""
        return self.response is not None and self.response.status == 101

    @property
    def complete(self) -> bool:
        """Whether everything that happened is in the trace."""
        return self.end is not None and self.end.complete and not self.gaps and not self.losses

    @property
    def heuristic_redactions(self) -> list[str]:
        """Places of credentials that a heuristic found and no catalog names, with the reason."""
        if self.end is not None and self.end.heuristic_redactions is not None:
            return self.end.heuristic_redactions
        return list(self._heuristic_redactions)

    def settle(self) -> None:
        """Analyze what waits for more: the last messages, and the last samples of each track."""
        self._frames.tell_listener()
        if self._timeline is not None:
            self._timeline.settle((self.frame_count, self._frames.ended))

    @property
    def timeline(self) -> Timeline | None:
        """All messages as `read` has read them with a catalog; else None."""
        self.settle()
        return self._timeline

    @property
    def traffic(self) -> Traffic:
        """The frames of both directions, in running totals."""
        return self._frames.traffic

    @property
    def audio(self) -> SessionAudio:
        """The audio of both directions, whatever carries it."""
        return self._frames.audio

    @property
    def declaration_count(self) -> int:
        """How many messages so far may declare a format of audio."""
        return self._frames.declaration_count

    @property
    def frame_count(self) -> int:
        return self._frames.frame_count

    def frame(self, number: int) -> FrameInfo:
        """The frame of this number, from 1, if it is one of the first or of the last.

        Raises:
            IndexError: there is none, or it is not kept, see `Traffic.frame`.
        """
        return self.traffic.frame(number)

    def frames(self, *, from_client: bool | None = None) -> Iterator[FrameInfo]:
        """The first and the last frames in their order, or those of one direction."""
        return self.traffic.frames(from_client=from_client)

    def time_of(self, frame: int) -> int | None:
        """When a frame came, ns; None if neither it nor its message is kept."""
        if frame in self._broken_ns:
            return self._broken_ns[frame]
        found = self._frames.time_of(frame)
        closes = (close.t_ns for close in self.closes if close.frame == frame)
        return next(closes, None) if found is None else found

    def messages(self, *, from_client: bool) -> list[TextMessage]:
        """The text messages kept of a direction.

        The first ones, the last ones, and some between them that look like failures. Of
        messages with audio fewer are kept, the first and the last ones.
        """
        return [
            TextMessage(
                frame, t_ns, side, content.decode("utf-8", "replace"), length <= len(content)
            )
            for frame, t_ns, side, content, length in self._frames.texts(from_client=from_client)
        ]

    def binaries(self, *, from_client: bool) -> list[BinaryMessage]:
        """The binary messages kept of a direction: first, last, and some that look like JSON."""
        return [BinaryMessage(*kept) for kept in self._frames.binaries(from_client=from_client)]

    # -- how it ended

    @property
    def ending(self) -> str:
        """One of trace.ENDINGS."""
        return ending.recorded(self)

    @property
    def derived_ending(self) -> str | None:
        """The ending that the records show, without the end record."""
        return ending.derived(self)

    @property
    def closed_by(self) -> str | None:
        """Which side ended it: "client", "server", or None."""
        return ending.ended_by(self)

    @property
    def opened_ns(self) -> int | None:
        """When the upgrade was accepted, ns."""
        return self.response.t_ns if self.response is not None and self.accepted else None

    @property
    def duration_ns(self) -> int:
        return self.end.t_ns if self.end is not None else self.last_ns

    @property
    def ended_ns(self) -> int:
        """When the session ended: its first Close frame, or else the end of the connection."""
        return ending.time_of_end(self)

    @property
    def outcome(self) -> Outcome | None:
        """Whether it succeeded; None where it was read without its messages."""
        return outcome_of(self, self.timeline) if self.timeline is not None else None

    @property
    def failed(self) -> bool:
        """Whether the ending is not a normal one."""
        return ending.is_failure(self)

    def response_header(self, name: str) -> str | None:
        """A header of the response, or None."""
        return _header(self.response, name)

    def request_header(self, name: str) -> str | None:
        """A header of the request, or None."""
        return _header(self.request, name)


def _is_later_frame(record: Record, session: Session) -> bool:
    """Whether a summary does without this frame: the setup is in those before it."""
    if not isinstance(record, FrameRecord):
        return False
    return session.frame_count == FIRST_FRAMES or record.opcode == Opcode.CLOSE


def _header(head: Request | Response | None, name: str) -> str | None:
    return header(((h[0], h[1]) for h in head.headers), name) if head is not None else None


def _keep(kept: list[_T], item: _T) -> None:
    if len(kept) < KEPT_RECORDS:
        kept.append(item)
