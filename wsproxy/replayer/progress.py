"""How far one side of a session has come, in what does not depend on the moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from wsproxy.catalog import Api
from wsproxy.compare.message_kinds import MAX_TEXT, is_interim, keeps_alive, kind_of
from wsproxy.wire import Frame, Garbage, MessageAssembler, Opcode

MAX_KINDS = 1000  # of messages that are told apart; no API has so many, but a flood may

AMOUNTS = ("bytes", "frames", "seconds")


@dataclass(frozen=True, slots=True)
class ExpectedEnding:
    """One side ends its direction: "eof" (FIN) or "reset" (RST)."""

    how: str


Item = Frame | Garbage | ExpectedEnding


@dataclass(frozen=True, slots=True)
class Gate:
    """What of a side's messages counts as progress.

    Attributes:
        audio: what is counted of binary messages: "bytes", "frames" (messages), or "once"
            (whether any came).
        by_kind: text messages are counted by their kinds, not all together.
        api: whose messages they are, None if that is not known.
        scale: recorded bytes of audio for each byte that comes: an app may send another
            encoding or rate than the recorded one.
    """

    audio: str = "bytes"
    by_kind: bool = False
    api: Api | None = None
    scale: float = 1.0

    def passing(self, kind: str) -> bool:
        """Whether how often a kind comes is a matter of the moment: only the first counts."""
        results = self.api.vocabulary.results if self.api else ()
        return kind in results or is_interim(kind) or keeps_alive(kind, self.api)


@dataclass(frozen=True, slots=True)
class SideProgress:
    """How far a side has come.

    Attributes:
        binary: of binary messages, as the gate counts them.
        texts: complete text messages by kind; all under "" where kinds are not told apart.
        garbage: bytes that were no valid frame.
        closes: Close frames.
        ended: 1 once it has ended its direction.
    """

    binary: int = 0
    texts: Mapping[str, int] = field(default_factory=dict)
    garbage: int = 0
    closes: int = 0
    ended: int = 0

    def reaches(self, other: SideProgress) -> bool:
        """Whether this is as far as the other, in everything."""
        return self.reaches_end(other) and self.reaches_content(other)

    def reaches_content(self, other: SideProgress) -> bool:
        return (
            self.binary >= other.binary
            and self.garbage >= other.garbage
            and all(self.texts.get(kind, 0) >= count for kind, count in other.texts.items())
        )

    def reaches_end(self, other: SideProgress) -> bool:
        return self.closes >= other.closes and self.ended >= other.ended

    def lacks(self, other: SideProgress) -> SideProgress:
        """The content that is missing to reach the other."""
        texts = {kind: count - self.texts.get(kind, 0) for kind, count in other.texts.items()}
        return SideProgress(
            max(0, other.binary - self.binary),
            {kind: count for kind, count in texts.items() if count > 0},
            max(0, other.garbage - self.garbage),
        )

    def plus(self, other: SideProgress) -> SideProgress:
        """Both contents together; the end is this one's."""
        texts = dict(self.texts)
        for kind, count in other.texts.items():
            texts[kind] = texts.get(kind, 0) + count
        binary, garbage = self.binary + other.binary, self.garbage + other.garbage
        return replace(self, binary=binary, texts=texts, garbage=garbage)


NOTHING = SideProgress()
BY_BYTES = Gate()


class ProgressCounter:
    """Counts the progress of one direction, frame by frame.

    Args:
        gate: what counts.
    """

    def __init__(self, gate: Gate) -> None:
        self.progress = NOTHING
        self._gate = gate
        self._assembler = MessageAssembler(keep_text=MAX_TEXT if gate.by_kind else 0, keep_binary=0)
        self._audio = 0  # bytes

    def take(self, item: Item) -> bool:
        """Take what the side did next, inflated.

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
                self._take_data(item)
        return self.progress != before

    def _take_data(self, frame: Frame) -> None:
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
        if count and self._gate.by_kind and self._gate.passing(kind):
            return
        if not count and len(texts) >= MAX_KINDS:
            return
        self.progress = replace(self.progress, texts={**texts, kind: count + 1})
