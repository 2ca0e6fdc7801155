"""The progress of one side of a session, without what depends on timing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wsproxy.catalog import Api
from wsproxy.compare.message_kinds import is_keepalive
from wsproxy.session.message_kinds import MAX_TEXT, is_interim, kind_of
from wsproxy.wire import Frame, Garbage, MessageAssembler, Opcode

MAX_KINDS = 1000  # of messages; no API has that many, but a flood may

GATE_UNITS = ("bytes", "frames", "seconds")


@dataclass(frozen=True, slots=True)
class ExpectedEnding:
    """The end of one side's direction: "eof" (FIN) or "reset" (RST)."""

    how: str


Item = Frame | Garbage | ExpectedEnding


@dataclass(frozen=True, slots=True)
class Gate:
    """What counts as progress of a side.

    Attributes:
        audio: unit of binary messages: "bytes", "frames" (messages), or "once" (whether any
            arrived).
        by_kind: count text messages by kind instead of all together.
        api: the API whose messages they are, None if unknown.
        scale: recorded audio bytes per received byte: a client may send a different encoding
            or sample rate.
    """

    audio: str = "bytes"
    by_kind: bool = False
    api: Api | None = None
    scale: float = 1.0

    def counts_once(self, kind: str) -> bool:
        """Whether only the first message of a kind counts, because the number varies."""
        results = self.api.vocabulary.results if self.api else ()
        return kind in results or is_interim(kind) or is_keepalive(kind, self.api)


@dataclass(frozen=True, slots=True)
class SideProgress:
    """The progress of a side.

    Attributes:
        binary: binary messages, in the unit of the gate.
        texts: complete text messages by kind; all under "" if the gate does not distinguish kinds.
        garbage: bytes that were not a valid frame.
        closes: number of Close frames.
        ended: 1 once it has ended its direction.
    """

    binary: int = 0
    texts: Mapping[str, int] = field(default_factory=dict)
    garbage: int = 0
    closes: int = 0
    ended: int = 0

    def reaches(self, other: SideProgress) -> bool:
        """Whether this is at least as far as the other in every respect."""
        return self.reaches_end(other) and self.reaches_content(other)

    def reaches_content(self, other: SideProgress) -> bool:
        """Whether this is at least as far as the other in messages and garbage."""
        return (
            self.binary >= other.binary
            and self.garbage >= other.garbage
            and all(self.texts.get(kind, 0) >= count for kind, count in other.texts.items())
        )

    def reaches_end(self, other: SideProgress) -> bool:
        """Whether this is at least as far as the other in Close frames and ends."""
        return self.closes >= other.closes and self.ended >= other.ended

    def missing_for(self, other: SideProgress) -> SideProgress:
        """The content that is missing for the other to be reached."""
        texts = {kind: count - self.texts.get(kind, 0) for kind, count in other.texts.items()}
        return SideProgress(
            max(0, other.binary - self.binary),
            {kind: count for kind, count in texts.items() if count > 0},
            max(0, other.garbage - self.garbage),
        )

    def plus(self, other: SideProgress) -> SideProgress:
        """The content of both; Close frames and ends are those of this one."""
        texts = dict(self.texts)
        for kind, count in other.texts.items():
            texts[kind] = texts.get(kind, 0) + count
        binary, garbage = self.binary + other.binary, self.garbage + other.garbage
        return replace(self, binary=binary, texts=texts, garbage=garbage)


NO_PROGRESS = SideProgress()
BYTES_GATE = Gate()


class ProgressCounter:
    """Counts the progress of one direction, item by item.

    Args:
        gate: what counts.
    """

    def __init__(self, gate: Gate) -> None:
        self.progress = NO_PROGRESS
        self._gate = gate
        self._assembler = MessageAssembler(keep_text=MAX_TEXT if gate.by_kind else 0, keep_binary=0)
        self._audio = 0  # bytes

    def add(self, item: Item) -> bool:
        """Add the next item of the side; frames are inflated.

        Returns:
            Whether it changed the progress.
        """
        before = self.progress
        match item:
            case Garbage():
                self.progress = replace(before, garbage=before.garbage + len(item.data))
            case ExpectedEnding():
                self.progress = replace(before, ended=1)
            case Frame(opcode=Opcode.CLOSE):
                self.progress = replace(before, closes=before.closes + 1)
            case Frame(opcode=Opcode.PING | Opcode.PONG):
                return False
            case Frame():
                self._add_data(item)
        return self.progress != before

    def _add_data(self, frame: Frame) -> None:
        message = self._assembler.add(frame)
        if message is None or not message.is_text:
            self.progress = replace(self.progress, binary=self._binary(frame))
        elif message.finished:
            self._count(kind_of(message.content) if self._gate.by_kind else "")

    def _binary(self, frame: Frame) -> int:
        match self._gate.audio:
            case "once":
                return 1
            case "frames":
                return self.progress.binary + frame.fin
        self._audio += len(frame.payload) + frame.cut
        return round(self._audio * self._gate.scale)

    def _count(self, kind: str) -> None:
        texts = self.progress.texts
        count = texts.get(kind, 0)
        if count and self._gate.by_kind and self._gate.counts_once(kind):
            return
        if not count and len(texts) >= MAX_KINDS:
            return
        self.progress = replace(self.progress, texts={**texts, kind: count + 1})
