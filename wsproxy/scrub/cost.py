"""What it costs to make a trace public, before it is begun.

A few kilobytes of zstd can unpack to a hundred megabytes of text, and each word of a text, each
value of JSON is looked up, replaced and looked for. What a recording has for each byte of its
file is bounded; what a trace has beyond that is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from wsproxy.errors import LimitExceeded
from wsproxy.mutate.draft import Draft, messages
from wsproxy.trace import Bytes, Failure, FrameRecord, Gap, Request, Response
from wsproxy.trace.allowance import VARIABLE
from wsproxy.wire import Opcode

from .texts import is_text

# What a record costs, and how much of other things costs as much as a word.
_RECORD = 2  # words, for each record
_MARKS = 8  # brackets and commas
_TEXT = 128  # bytes of text, such as base64
_BINARY = 512  # bytes of audio
_LARGE = 2 << 20  # bytes of one text, beyond which memory counts
_LARGE_TEXT = 8  # bytes beyond that

_WORDY = bytes(
    97 if chr(n).isalnum() or n == 95 or n >= 128 else 91 if chr(n) in "[]{}," else 32
    for n in range(256)
)


def check_work(draft: Draft, path: Path) -> None:
    """Refuse a trace that would cost more than one of its size may.

    Args:
        path: which it is, for the message.

    Raises:
        LimitExceeded: it has too many words, values or records for its size.
    """
    if sum(_work(draft)) > draft.words:
        raise LimitExceeded(
            f"{path}: it has more text than a recording of its size; "
            f"with {VARIABLE}=1 in the environment it is scrubbed all the same"
        )


def _work(draft: Draft) -> Iterator[int]:
    """The cost of each part, in words."""
    envelope = draft.api.envelope if draft.api else ""
    for side in (True, False):
        for message in messages(draft.items, from_client=side):
            content = message.content
            if message.is_text or envelope or is_text(content):
                yield _text(content)
            else:
                yield len(content) // _BINARY
    for item in draft.items:
        yield _RECORD + sum(map(_text, _texts(item.record))) + 4 * len(_redacted(item.record))


def _texts(record: object) -> Iterable[bytes]:
    """The texts of a record, but for those of messages."""
    match record:
        case FrameRecord():
            rule = [(record.broken_rule or "").encode("utf-8", "replace")]
            return rule if record.opcode < Opcode.CLOSE else [*rule, record.payload]
        case Bytes():
            return [record.data] if is_text(record.data) else []
        case Request() | Response():
            path = record.path if isinstance(record, Request) else record.reason
            texts = (path, *(text for pair in record.headers for text in pair))
            return [" ".join(texts).encode("utf-8", "replace"), record.body or b""]
        case Failure(message=text) | Gap(reason=text):
            return [text.encode("utf-8", "replace")]
    return []


def _redacted(record: object) -> list[object]:
    return getattr(record, "redacted", None) or []


def _text(content: bytes) -> int:
    if not content:
        return 0
    kinds = content.translate(_WORDY)
    words = kinds.count(b" a") + kinds.count(b"[a") + kinds.startswith(b"a")
    large = max(0, len(content) - _LARGE) // _LARGE_TEXT
    return words + kinds.count(b"[") // _MARKS + len(content) // _TEXT + large
