"""One side of a recording as steps: what it did, when, and what had come before."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace

from wsproxy.catalog import load
from wsproxy.errors import LimitExceeded
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, FrameRecord, Record, TraceReader, bounded
from wsproxy.trace.allowance import VARIABLE
from wsproxy.wire import RSV1, Deflate, Frame, Garbage, Opcode, header

from .pace import RECORDED, Pace
from .progress import BY_BYTES, NOTHING, ExpectedEnding, Gate, Item, ProgressCounter, SideProgress
from .value_rewriter import ObservedIds

MAX_CONTENT = 1 << 30  # bytes of one side's frames that a replay holds
_REMEMBERED = 4096  # changes of the other side's progress
_STEP = 500  # bytes that a step takes beside its payload, about


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a side does.

    Attributes:
        t_ns: when, from the upgrade's completion.
        item: a frame, bytes that are none, or the end of the direction.
        cause: what of the other side had come before.
        cause_ns: when the last of that had come; 0 where nothing had.
        number: the frame's number in the recording, 0 for what is no frame.
        deflate: the frame was compressed on the wire; `item` is not.
    """

    t_ns: int
    item: Item
    cause: SideProgress = NOTHING
    cause_ns: int = 0
    number: int = 0
    deflate: bool = False

    @property
    def is_close(self) -> bool:
        return is_close(self.item)


@dataclass(slots=True)
class Script:
    """One side of a recording.

    Attributes:
        from_client: which side.
        pace: at which it is to be played.
        gate: what of the other side's messages counts.
        session: the whole recording, folded.
        steps: what the side did, in order, without the Pongs in `answers`.
        answers: delays of the Pongs by the number (from 0) of the Ping they answer, ns.
        answers_all: every Ping was answered, so those beyond the recording are as well.
        other: the other side's progress at the end.
        given: the ids in the other side's messages.
        taken: names of the JSON fields of its messages that credentials were taken out of.
        end_ns: when the session ended, from the upgrade's completion.
    """

    from_client: bool
    pace: Pace = RECORDED
    gate: Gate = BY_BYTES
    session: Session = field(default_factory=Session)
    steps: list[Step] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)
    answers_all: bool = True
    other: SideProgress = NOTHING
    given: ObservedIds = field(default_factory=ObservedIds)
    taken: set[str] = field(default_factory=set)
    end_ns: int = 0

    @property
    def deflate(self) -> Deflate | None:
        """What the recorded handshakes agreed on."""
        response = self.session.response
        headers = ((h[0], h[1]) for h in response.headers) if response else ()
        return Deflate.parse(header(headers, "sec-websocket-extensions"))

    @classmethod
    def read(
        cls,
        path: str | os.PathLike[str],
        side: str,
        pace: Pace = RECORDED,
        *,
        audio: str = "bytes",
    ) -> Script:
        """Read one side ("client" or "server") of a trace.

        Args:
            pace: at which it is to be played; it decides what counts as progress.
            audio: what counts of the app's audio: one of progress.AMOUNTS.

        Raises:
            TraceError: it cannot be read.
            LimitExceeded: the side sent more than may be held, MAX_CONTENT bytes at the most.
        """
        from_client = side == "client"
        # How much speech comes back is the server's affair; how much is sent decides.
        counted = "once" if pace.causal and from_client else audio
        script = cls(from_client, pace, Gate(counted, pace.causal))
        with TraceReader(path) as reader:
            builder = _Builder(script, reader)
            for record in bounded(reader):
                builder.add(record)
            script.session.losses = reader.losses
        builder.finish()
        return script


class _Builder:
    """Folds records into a script."""

    def __init__(self, script: Script, reader: TraceReader) -> None:
        self._script = script
        self._reader = reader
        self._counter = ProgressCounter(script.gate)
        self._cause = NOTHING  # the other side's progress, as far as it gates steps
        self._cause_ns = 0  # when that last changed
        self._before: deque[tuple[int, SideProgress]] = deque(
            maxlen=_REMEMBERED
        )  # the same, earlier
        self._closed = False  # the side has sent its Close
        self._ended = False  # the side itself
        self._deflated = False  # its message at hand was compressed
        # Pings by their payload, oldest first: number and time.
        self._unanswered: defaultdict[bytes, deque[tuple[int, int]]] = defaultdict(deque)
        self._pings = 0
        self._size = 0

    def add(self, record: Record) -> None:
        script = self._script
        script.session.add(record)
        opened = script.session.opened_ns
        if opened is None or not isinstance(record, FrameRecord | Bytes | Eof):
            self._learn_api()
            return
        t_ns = max(0, record.t_ns - opened)
        item = self._item(record)
        if record.from_client is not script.from_client:
            self._other(t_ns, item)
        elif not self._answer(t_ns, item):
            self._own(t_ns, item, record)

    def finish(self) -> None:
        script = self._script
        script.other = self._counter.progress
        script.answers_all = bool(script.answers) and not any(self._unanswered.values())
        opened = script.session.opened_ns or 0
        script.end_ns = max(0, script.session.duration_ns - opened)

    def _learn_api(self) -> None:
        """Look it up once it is known whose session this is."""
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
                # The stock layer's messages come without keys; a client masks all the same.
                start = self._script.session.start
                if record.from_client and start is not None and start.capture == "messages":
                    frame = replace(frame, mask=bytes(4))
                return frame
            case Bytes():
                return Garbage(record.data, record.broken_rule)
            case Eof():
                # TLS's own end is where a side said that it is done; its FIN comes behind that.
                return ExpectedEnding("reset" if record.how == "reset" else "eof")

    def _other(self, t_ns: int, item: Item) -> None:
        if isinstance(item, Frame) and item.opcode is Opcode.PING:
            self._unanswered[item.payload].append((self._pings, t_ns))
            self._pings += 1
        if isinstance(item, Frame):
            self._script.given.take(item)
        if not self._counter.take(item):
            return
        progress = self._counter.progress
        if self._closed:
            # What was on its way when this side closed need not come again.
            progress = replace(self._cause, closes=progress.closes, ended=progress.ended)
        if progress != self._cause:
            self._before.append((self._cause_ns, self._cause))
            self._cause, self._cause_ns = progress, t_ns

    def _cause_at(self, t_ns: int, item: Item) -> tuple[SideProgress, int]:
        """What had come of the other side.

        The beginning of a frame whose end never came is recorded when that is known, and is
        older: it did not wait for what came meanwhile.
        """
        if isinstance(item, Garbage) and not item.broken_rule and t_ns < self._cause_ns:
            for since_ns, cause in reversed(self._before):
                if since_ns <= t_ns:
                    return cause, since_ns
        return self._cause, self._cause_ns

    def _answer(self, t_ns: int, item: Item) -> bool:
        if not isinstance(item, Frame) or item.opcode is not Opcode.PONG:
            return False
        pings = self._unanswered.get(item.payload)
        if not pings:
            return False
        # Older ones of other payloads stay unanswered: a Pong answers the latest (section 5.5.3).
        number, pinged_ns = pings.popleft()
        self._script.answers[number] = t_ns - pinged_ns
        return True

    def _own(self, t_ns: int, item: Item, record: FrameRecord | Bytes | Eof) -> None:
        script = self._script
        if isinstance(item, Frame | Garbage):
            self._size += _STEP + len(item.payload if isinstance(item, Frame) else item.data)
            if self._size > min(MAX_CONTENT, self._reader.allowance.held):
                raise LimitExceeded(
                    "the trace holds more than a replay keeps in memory: 1 GiB, or less for a "
                    f"file that is small for what is in it ({VARIABLE}=1 in the environment: 1 GiB)"
                )
        if self._ended and item != ExpectedEnding("reset"):
            return  # nothing can be sent after a FIN
        self._ended = self._ended or isinstance(item, ExpectedEnding)
        if isinstance(record, FrameRecord) and record.redacted:
            script.taken |= {str(entry["name"]) for entry in record.redacted if entry.get("name")}
        number = script.session.frame_count if isinstance(record, FrameRecord) else 0
        deflate = isinstance(record, FrameRecord) and self._was_deflated(record)
        cause, cause_ns = self._cause_at(t_ns, item)
        script.steps.append(Step(t_ns, item, cause, cause_ns, number, deflate))
        self._closed = self._closed or is_close(item)

    def _was_deflated(self, record: FrameRecord) -> bool:
        """Whether a frame belongs to a compressed message, and was inflated for the trace."""
        if record.opcode > Opcode.BINARY:
            return False
        if record.opcode != Opcode.CONTINUATION:
            self._deflated = self._begins_deflated(record)
        return self._deflated and not record.deflated

    def _begins_deflated(self, record: FrameRecord) -> bool:
        """Whether a frame's RSV1 means that it was compressed, and no rule is broken by it."""
        first = record.opcode in (Opcode.TEXT, Opcode.BINARY)
        deflated = first and bool(record.rsv & RSV1) and not record.deflated
        return deflated and self._script.deflate is not None


def is_close(item: Item) -> bool:
    return isinstance(item, Frame) and item.opcode is Opcode.CLOSE


def unanswered_ns(session: Session) -> int:
    """How long a request had waited when the session ended without any answer; 0 otherwise."""
    if session.request is None or session.response is not None:
        return 0
    ended = session.failure.t_ns if session.failure is not None else session.duration_ns
    return max(0, ended - session.request.t_ns)
