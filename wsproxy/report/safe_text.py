"""Text of a trace without terminal control sequences: all that is printed passes through here."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

LONG = 1 << 20  # bytes; a longer text is not parsed as JSON, and is printed in parts


def safe(text: str) -> str:
    """Text without terminal control sequences; line ends and tabs are escaped too."""
    if text.isprintable():
        return text
    # The text may be long, but has few different characters.
    return text.translate({ord(c): repr(c)[1:-1] for c in set(text) if not c.isprintable()})


def short(text: str, limit: int) -> str:
    """Text as by `safe`, of at most `limit` characters."""
    # Cut before escaping: the text may be very long.
    shown = safe(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def pieces(payload: bytes) -> Iterator[str]:
    """A long text as by `safe`, in parts: escaped it may be very long."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for at in range(0, len(payload), LONG):
        yield safe(decoder.decode(payload[at : at + LONG]))
    yield safe(decoder.decode(b"", final=True))
