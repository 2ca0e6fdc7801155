"""One side of a recording as steps: what it sent, when, and what it had received before."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace

from wsproxy.catalog import load
from wsproxy.errors import LimitExceeded
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, FrameRecord, Record, TraceReader, bounded
from wsproxy.trace.read_limits import VARIABLE
from wsproxy.wire import RSV1, Deflate, Frame, Garbage, Opcode

from .handshake import negotiated_deflate
from .pace import RECORDED_PACE, Pace
from .progress import (
    BYTES_GATE,
    NO_PROGRESS,
    ExpectedEnding,
    Gate,
    Item,
    ProgressCounter,
    SideProgress,
)
from .value_rewriter import ObservedIds

MAX_CONTENT = 1 << 30  # bytes of one side's frames that a replay holds in memory
_MAX_HISTORY = 4096  # changes of the peer's progress
_STEP_OVERHEAD = 500  # bytes of memory of a step without its payload, approximately


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a side.

    Attributes:
        t_ns: time since the upgrade was complete.
        item: a frame, garbage, or the end of the direction.
        prerequisite: the peer's progress before this step.
        prerequisite_ns: when the peer last made progress before this step; 0 if it had made none.
        number: the frame's number in the recording, 0 for other items.
        deflate: the frame was compressed on the wire; `item` holds it inflated.
    """

    t_ns: int
    item: Item
    prerequisite: SideProgress = NO_PROGRESS
    prerequisite_ns: int = 0
    number: int = 0
    deflate: bool = False

    @property
    def is_close(self) -> bool:
        """Whether it sends a Close frame."""
        return is_close(self.item)


@dataclass(slots=True)
class Script:
    """One side of a recording.

    Attributes:
        from_client: whether it is the client's side.
        pace: to play it at.
        gate: what counts as the peer's progress.
        session: the facts of the complete recording.
        steps: in order, without the Pongs in `pong_delays_ns`.
        pong_delays_ns: delay of each Pong, ns, by the number (from 0) of the Ping it answers.
        answers_all_pings: every recorded Ping was answered, so a replay answers all of them.
        peer_progress: at the end of the recording.
        observed_ids: ids in the peer's messages.
        redacted_fields: names of JSON fields in its own messages that were redacted.
        end_ns: end of the session, since the upgrade was complete.
    """

    from_client: bool
    pace: Pace = RECORDED_PACE
    gate: Gate = BYTES_GATE
    session: Session = field(default_factory=Session)
    steps: list[Step] = field(default_factory=list)
    pong_delays_ns: dict[int, int] = field(default_factory=dict)
    answers_all_pings: bool = True
    peer_progress: SideProgress = NO_PROGRESS
    observed_ids: ObservedIds = field(default_factory=ObservedIds)
    redacted_fields: set[str] = field(default_factory=set)
    end_ns: int = 0

    @property
    def deflate(self) -> Deflate | None:
        """The compression that the recorded handshake negotiated."""
        return negotiated_deflate(self.session.response)

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        side: str,
        pace: Pace = RECORDED_PACE,
        *,
        audio: str = "bytes",
    ) -> Script:
        """Read one side ("client" or "server") of a trace.

        Args:
            pace: to play it at; it determines what counts as progress.
            audio: unit in which the client's audio counts: "bytes" or "frames".

        Raises:
            TraceError: the trace cannot be read.
            LimitExceeded: the side sent more than MAX_CONTENT bytes, or more than the trace's
                size allows.
        """
        from_client = side == "client"
        # As the client, only that audio arrives matters: its amount is up to the server.
        audio_gate = "once" if pace.causal and from_client else audio
        script = cls(from_client, pace, Gate(audio_gate, pace.causal))
        with TraceReader(path) as reader:
            builder = _Builder(script, reader)
            for record in bounded(reader):
                builder.add(record)
            script.session.losses = reader.losses
        builder.finish()
        return script


class _Builder:
    """Builds a script from records."""

    def __init__(self, script: Script, reader: TraceReader) -> None:
        self._script = script
        self._reader = reader
        self._counter = ProgressCounter(script.gate)
        self._prerequisite = NO_PROGRESS  # the peer's progress, as far as it gates steps
        self._prerequisite_ns = 0  # when it last changed
        self._history: deque[tuple[int, SideProgress]] = deque(maxlen=_MAX_HISTORY)  # earlier ones
        self._close_sent = False  # this side has sent its Close
        self._direction_ended = False  # this side's direction
        self._message_deflated = False  # its current message was compressed
        # Unanswered Pings by payload, oldest first: number and time.
        self._open_pings: defaultdict[bytes, deque[tuple[int, int]]] = defaultdict(deque)
        self._pings = 0
        self._size = 0

    def add(self, record: Record) -> None:
        script = self._script
        script.session.add(record)
        opened = script.session.opened_ns
        if opened is None or not isinstance(record, FrameRecord | Bytes | Eof):
            self._set_api()
            return
        t_ns = max(0, record.t_ns - opened)
        item = self._item(record)
        if record.from_client is not script.from_client:
            self._add_peer_item(t_ns, item)
        elif not self._note_pong(t_ns, item):
            self._add_own_item(t_ns, item, record)

    def finish(self) -> None:
        script = self._script
        script.peer_progress = self._counter.progress
        script.answers_all_pings = bool(script.pong_delays_ns) and not any(
            self._open_pings.values()
        )
        opened = script.session.opened_ns or 0
        script.end_ns = max(0, script.session.duration_ns - opened)

    def _set_api(self) -> None:
        """Set the gate's API once the first record has named it."""
        script, start = self._script, self._script.session.start
        if script.gate.by_kind and script.gate.api is None and start is not None:
            api = load().api(start.provider, start.api)
            script.gate = replace(script.gate, api=api)
            self._counter = ProgressCounter(script.gate)

    def _item(self, record: FrameRecord | Bytes | Eof) -> Item:
        match record:
            case FrameRecord():
                rsv = record.rsv & ~RSV1 if self._begins_deflated(record) else record.rsv
                frame = replace(record.frame, cut=record.cut, rsv=rsv)
                # Messages of the fallback layer have no masking keys, but a client must mask.
                start = self._script.session.start
                if record.from_client and start is not None and start.capture == "messages":
                    frame = replace(frame, mask=bytes(4))
                return frame
            case Bytes():
                return Garbage(record.data, record.broken_rule)
            case Eof():
                # With TLS, close_notify is the side's own end; its FIN follows later.
                return ExpectedEnding("reset" if record.how == "reset" else "eof")

    def _add_peer_item(self, t_ns: int, item: Item) -> None:
        if isinstance(item, Frame) and item.opcode is Opcode.PING:
            self._open_pings[item.payload].append((self._pings, t_ns))
            self._pings += 1
        if isinstance(item, Frame):
            self._script.observed_ids.observe(item)
        if not self._counter.add(item):
            return
        progress = self._counter.progress
        if self._close_sent:
            # What was on its way when this side closed may be missing in a replay.
            progress = replace(self._prerequisite, closes=progress.closes, ended=progress.ended)
        if progress != self._prerequisite:
            self._history.append((self._prerequisite_ns, self._prerequisite))
            self._prerequisite, self._prerequisite_ns = progress, t_ns

    def _prerequisite_at(self, t_ns: int, item: Item) -> tuple[SideProgress, int]:
        """The peer's progress before an item, and when it was reached.

        An incomplete frame is recorded late, with the time of its beginning: it did not wait
        for what arrived after that.
        """
        if isinstance(item, Garbage) and not item.broken_rule and t_ns < self._prerequisite_ns:
            for since_ns, prerequisite in reversed(self._history):
                if since_ns <= t_ns:
                    return prerequisite, since_ns
        return self._prerequisite, self._prerequisite_ns

    def _note_pong(self, t_ns: int, item: Item) -> bool:
        if not isinstance(item, Frame) or item.opcode is not Opcode.PONG:
            return False
        pings = self._open_pings.get(item.payload)
        if not pings:
            return False
        # Older Pings stay unanswered: a Pong may answer the latest only (section 5.5.3).
        number, pinged_ns = pings.popleft()
        self._script.pong_delays_ns[number] = t_ns - pinged_ns
        return True

    def _add_own_item(self, t_ns: int, item: Item, record: FrameRecord | Bytes | Eof) -> None:
        script = self._script
        if isinstance(item, Frame | Garbage):
            self._size += _STEP_OVERHEAD + len(
                item.payload if isinstance(item, Frame) else item.data
            )
            if self._size > min(MAX_CONTENT, self._reader.allowance.held):
                raise LimitExceeded(
                    "the trace holds more than a replay keeps in memory: 1 GiB, or less for a "
                    f"file that is small for what is in it ({VARIABLE}=1 in the environment: 1 GiB)"
                )
        if self._direction_ended and item != ExpectedEnding("reset"):
            return  # nothing can be sent after a FIN
        self._direction_ended = self._direction_ended or isinstance(item, ExpectedEnding)
        if isinstance(record, FrameRecord) and record.redacted:
            script.redacted_fields |= {
                str(entry["name"]) for entry in record.redacted if entry.get("name")
            }
        number = script.session.frame_count if isinstance(record, FrameRecord) else 0
        deflate = isinstance(record, FrameRecord) and self._was_deflated(record)
        prerequisite, prerequisite_ns = self._prerequisite_at(t_ns, item)
        script.steps.append(Step(t_ns, item, prerequisite, prerequisite_ns, number, deflate))
        self._close_sent = self._close_sent or is_close(item)

    def _was_deflated(self, record: FrameRecord) -> bool:
        """Whether a frame belongs to a compressed message that was inflated for the trace."""
        if record.opcode > Opcode.BINARY:
            return False
        if record.opcode != Opcode.CONTINUATION:
            self._message_deflated = self._begins_deflated(record)
        return self._message_deflated and not record.deflated

    def _begins_deflated(self, record: FrameRecord) -> bool:
        """Whether RSV1 marks a frame as compressed, as negotiated."""
        first = record.opcode in (Opcode.TEXT, Opcode.BINARY)
        deflated = first and bool(record.rsv & RSV1) and not record.deflated
        return deflated and self._script.deflate is not None


def is_close(item: Item) -> bool:
    """Whether an item is a Close frame."""
    return isinstance(item, Frame) and item.opcode is Opcode.CLOSE


def unanswered_duration_ns(session: Session) -> int:
    """How long a request without a response had waited when the session ended; 0 otherwise."""
    if session.request is None or session.response is not None:
        return 0
    ended = session.failure.t_ns if session.failure is not None else session.duration_ns
    return max(0, ended - session.request.t_ns)
