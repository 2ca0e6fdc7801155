"""Re-chunks the client's audio."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.errors import UsageError
from wsproxy.session.declared_audio import declared_format
from wsproxy.statistics import median
from wsproxy.wire import Opcode

from .change import Change, Value, format_seconds, parse_number, parse_time
from .draft import Draft, DraftMessage, DraftRecord, messages

MAX_CHUNKS = 1_000_000  # of one session
_MAX_SIZE = 1 << 26  # bytes


@dataclass(frozen=True, slots=True)
class Chunk(Change):
    """Re-chunks the client's binary messages.

    Text messages between them keep their position in the audio. Each chunk is sent at the time of
    its first byte. The bytes of a message are spread evenly until the next message, at the
    session's median rate, so pauses remain.

    Attributes:
        size: bytes of a chunk; 0: use `length_ns`.
        length_ns: duration of a chunk in the declared format, ns.
    """

    size: int = 0
    length_ns: int = 0

    @classmethod
    def parse(cls, text: str) -> Chunk:
        """Read "640" (bytes) or "20ms".

        Raises:
            UsageError: it is neither, or zero.
        """
        value = Value("chunk", text, "bytes or a length of time, such as 640 or 20ms")
        if text.strip().isdecimal():
            chunk = cls(size=parse_number(text, value, _MAX_SIZE))
        else:
            chunk = cls(length_ns=parse_time(text, value))
        if chunk == cls():
            raise value.error()
        return chunk

    def __str__(self) -> str:
        return f"chunk {self.size or format_seconds(self.length_ns)}"

    def apply(self, draft: Draft) -> None:
        api = draft.api
        if api is not None and api.audio.carrier != "binary":
            raise UsageError(
                f"{self}: the audio of {draft.api_title} is not in plain binary messages; "
                "only those can be re-chunked"
            )
        size = self.size or self._bytes(draft)
        runs = list(_runs(draft))
        if not runs:
            raise UsageError(f"{self}: the client sent no binary messages")
        if sum(len(m.content) for run in runs for m in run.messages) // size > MAX_CHUNKS:
            raise UsageError(f"{self}: that makes more than {MAX_CHUNKS} messages")
        pace = _pace(runs)
        # At the position of the run's first message, so that later records remain after it.
        new = {
            id(run.messages[0].items[0]): [
                draft.new_frame(t_ns, True, Opcode.BINARY, data)
                for t_ns, data in run.cut(size, pace)
            ]
            for run in runs
        }
        old = {id(item) for run in runs for message in run.messages for item in message.items}
        items: list[DraftRecord] = []
        for item in draft.items:
            items += new.get(id(item), [])
            if id(item) not in old:
                items.append(item)
        draft.items = items
        draft.sort()

    def _bytes(self, draft: Draft) -> int:
        """The chunk's size, bytes; a multiple of a sample."""
        audio_format = declared_format(draft.session, draft.api)
        if (
            audio_format is None
            or not audio_format.from_client
            or not audio_format.bytes_per_second
        ):
            raise UsageError(
                f"{self}: the session declares no encoding and sample rate; give the size in bytes"
            )
        samples = audio_format.rate * self.length_ns // 10**9
        size = samples * audio_format.sample_bytes
        if not 0 < size <= _MAX_SIZE:
            raise UsageError(f"{self}: that is {size} bytes of {audio_format}")
        return size


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive binary messages of the client.

    Attributes:
        until_ns: time of the client's next other message, or of the session's end.
    """

    messages: list[DraftMessage]
    until_ns: int

    def cut(self, size: int, pace: float) -> Iterator[tuple[int, bytes]]:
        """Its bytes in chunks, as (time in ns, bytes).

        Args:
            size: bytes of a chunk; the last one may be shorter.
            pace: bytes per second; 0: all bytes of a message have its time.
        """
        data = b"".join(message.content for message in self.messages)
        ends = [*(message.items[0].t_ns for message in self.messages[1:]), self.until_ns]
        index, begin = 0, 0  # the message in which a chunk begins, and its offset
        for at in range(0, len(data), size):
            while at >= begin + len(self.messages[index].content):
                begin += len(self.messages[index].content)
                index += 1
            later = (at - begin) / pace if pace else 0.0
            t_ns = self.messages[index].items[0].t_ns + round(later * 1e9)
            yield min(t_ns, ends[index]), data[at : at + size]


def _runs(draft: Draft) -> Iterator[_Run]:
    """The runs of the client's audio before the end of the session."""
    end = draft.first_end()
    end_ns = draft.items[end].t_ns if end < len(draft.items) else draft.end_ns
    run: list[DraftMessage] = []
    for message in messages(draft.items[:end], from_client=True):
        # An empty message is a signal in some APIs; an incomplete one cannot be re-chunked.
        if not message.is_text and message.complete and message.content:
            run.append(message)
            continue
        if run:
            yield _Run(run, message.items[0].t_ns)
        run = []
    if run:
        yield _Run(run, end_ns)


def _pace(runs: list[_Run]) -> float:
    """Median bytes per second; 0.0 if no two messages follow each other."""
    paces = []
    for run in runs:
        times = [message.items[0].t_ns for message in run.messages]
        for message, begin, end in zip(run.messages, times, times[1:], strict=False):
            if end > begin:
                paces.append(len(message.content) * 1e9 / (end - begin))
    return median(paces) if paces else 0.0
