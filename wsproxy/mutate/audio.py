"""The client's audio, cut into other chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from wsproxy.diagnose.audio import Format, declared
from wsproxy.errors import UsageError
from wsproxy.wire import Opcode

from .change import Change
from .draft import Draft, Item, Message, messages
from .places import Value, parse_number, parse_time, seconds

MAX_CHUNKS = 1_000_000  # that a session is cut into
_MAX_SIZE = 1 << 26  # bytes


@dataclass(frozen=True, slots=True)
class Chunk(Change):
    """Cuts the client's binary messages anew.

    What the client says in text between them stays in its place in the audio. Each chunk is
    sent when its first byte was, as if the bytes of a message had come evenly up to the next
    one, at the pace of the session: pauses stay pauses.

    Attributes:
        size: bytes of a chunk, or
        length_ns: how long it lasts, by the declared format.
    """

    size: int = 0
    length_ns: int = 0

    @classmethod
    def parse(cls, text: str) -> Chunk:
        """Read "640" (bytes) or "20ms".

        Raises:
            UsageError: it is neither, or nothing.
        """
        value = Value("chunk", text, "bytes or a length of time, such as 640 or 20ms")
        if text.strip().isdecimal():
            chunk = cls(size=parse_number(text, value, _MAX_SIZE))
        else:
            chunk = cls(length_ns=parse_time(text, value))
        if chunk == cls():
            raise value.wrong()
        return chunk

    def __str__(self) -> str:
        return f"chunk {self.size or seconds(self.length_ns)}"

    def apply(self, draft: Draft) -> None:
        api = draft.api
        if api is not None and api.audio.carrier != "binary":
            raise UsageError(
                f"{self}: the audio of {draft.whose} has a form of its own; "
                "only plain binary messages can be cut anew"
            )
        size = self.size or self._bytes(draft)
        runs = list(_runs(draft))
        if not runs:
            raise UsageError(f"{self}: the client sent no binary messages")
        if sum(len(m.content) for run in runs for m in run.messages) // size > MAX_CHUNKS:
            raise UsageError(f"{self}: that would make over {MAX_CHUNKS} messages")
        pace = _pace(runs)
        # In the place of the first old one, so that what follows the run stays behind it.
        new = {
            id(run.messages[0].items[0]): [
                draft.new_frame(t_ns, True, Opcode.BINARY, data)
                for t_ns, data in run.cut(size, pace)
            ]
            for run in runs
        }
        old = {id(item) for run in runs for message in run.messages for item in message.items}
        items: list[Item] = []
        for item in draft.items:
            items += new.get(id(item), [])
            if id(item) not in old:
                items.append(item)
        draft.items = items
        draft.sort()

    def _bytes(self, draft: Draft) -> int:
        """The chunk's size in bytes, whole samples."""
        form: Format | None = declared(draft.session, draft.api)
        if form is None or not form.from_client or not form.bytes_per_second:
            raise UsageError(
                f"{self}: the session declares no encoding and rate from which its bytes are "
                "known; give the size in bytes"
            )
        sample = form.bytes_per_second // form.rate
        size = form.bytes_per_second * self.length_ns // 10**9 // sample * sample
        if not 0 < size <= _MAX_SIZE:
            raise UsageError(f"{self}: that is {size} bytes of {form}")
        return size


@dataclass(frozen=True, slots=True)
class _Run:
    """Binary messages of the client with no other message of it between them.

    Attributes:
        until_ns: when the client says something else, or the session ends.
    """

    messages: list[Message]
    until_ns: int

    def cut(self, size: int, pace: float) -> Iterator[tuple[int, bytes]]:
        """Its bytes in chunks: (when, bytes).

        Args:
            size: bytes of a chunk; the last one has what is left.
            pace: bytes in a second; 0: all that is in one message comes at once.
        """
        data = b"".join(message.content for message in self.messages)
        ends = [*(message.items[0].t_ns for message in self.messages[1:]), self.until_ns]
        index, begin = 0, 0  # the message that a chunk begins in, and where that one begins
        for at in range(0, len(data), size):
            while at >= begin + len(self.messages[index].content):
                begin += len(self.messages[index].content)
                index += 1
            later = (at - begin) / pace if pace else 0.0
            t_ns = self.messages[index].items[0].t_ns + round(later * 1e9)
            yield min(t_ns, ends[index]), data[at : at + size]


def _runs(draft: Draft) -> Iterator[_Run]:
    """The client's audio up to the end of the session, in runs."""
    end = draft.first_end()
    end_ns = draft.items[end].t_ns if end < len(draft.items) else draft.end_ns
    run: list[Message] = []
    for message in messages(draft.items[:end], from_client=True):
        # An empty message is a sign in some APIs; what is not known whole cannot be cut.
        if not message.is_text and message.whole and message.content:
            run.append(message)
            continue
        if run:
            yield _Run(run, message.items[0].t_ns)
        run = []
    if run:
        yield _Run(run, end_ns)


def _pace(runs: list[_Run]) -> float:
    """Bytes in a second, as most messages have it; 0.0 where no two follow each other."""
    paces = []
    for run in runs:
        times = [message.items[0].t_ns for message in run.messages]
        for message, begin, end in zip(run.messages, times, times[1:], strict=False):
            if end > begin:
                paces.append(len(message.content) * 1e9 / (end - begin))
    return median(paces) if paces else 0.0
