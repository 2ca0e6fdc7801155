"""Words for people. Everything that comes from a trace passes through `safe`."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from datetime import UTC, datetime

from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Start
from wsproxy.wire import Close, Opcode

_READ = 64 << 10  # bytes of a frame that are read for a line of it
LONG = 1 << 20  # bytes of a text that is not read as JSON, and is printed a part at a time


def safe(text: str) -> str:
    """Text in which nothing is left that a terminal obeys; line ends and tabs are escaped too."""
    if text.isprintable():
        return text
    # There may be much of it, with few kinds of characters.
    return text.translate({ord(c): repr(c)[1:-1] for c in set(text) if not c.isprintable()})


def short(text: str, limit: int) -> str:
    """Text as `safe` has it, and no longer than `limit` characters."""
    # What is cut off anyway is not escaped first: it may be very long.
    shown = safe(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def size(count: float) -> str:
    """Bytes in a unit that fits."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def lasting(seconds: float) -> str:
    """A duration in a unit that fits."""
    for length, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{round(seconds / length, 1):g} {unit}"
    return f"{round(seconds, 1):g} s"


def when(unix_ns: int) -> str:
    """Unix time as a date and time, UTC."""
    try:
        return datetime.fromtimestamp(unix_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def made_from(start: Start, limit: int) -> str:
    """Of which session one is a replay, or made from and how; empty for a recording."""
    origin = start.origin or "?"
    match start.source:
        case "recorded":
            return ""
        case "replay":
            return short(f"replay of session {origin}", limit)
    # No more of a long list than can be shown is put together.
    changes = ", ".join((start.changes or [])[:limit])
    return short(f"made from session {origin}: {changes}".removesuffix(": "), limit)


def ending(session: Session) -> str:
    """How a session ended, in a few words."""
    by = f" by the {safe(session.closed_by)}" if session.closed_by else ""
    match session.ending:
        case "close" if session.close is not None:
            return closed(session.closed_by, session.close.code, session.close.reason)
        case "refused" | "http" if session.response is not None:
            return f"{session.ending}: HTTP {session.response.status}"
        case "failed" if session.failure is not None:
            where, message = session.failure.where, session.failure.message
            return f"failed ({short(where, 40)}): {short(message, 200)}"
        case "eof":
            return f"no Close frame, connection ended{by}"
        case "reset":
            return f"connection reset{by}"
        case other:
            return safe(other)


def closed(by: str | None, code: int | None, reason: str | None) -> str:
    """A Close frame in a few words."""
    who = f" by the {safe(by)}" if by else ""
    said = short(reason or "", 200)
    return f"closed{who}: {'no code' if code is None else code} {said}".rstrip()


def api(session: Session) -> str:
    """Provider and API, or the host."""
    parts = [short(part, 40) for part in (session.provider, session.api) if part]
    return " ".join(parts) or (short(session.request.host, 100) if session.request else "?")


def content(record: FrameRecord, limit: int | None) -> str:
    """A frame's content on one line: text as it is, JSON compact, binary summarised.

    Args:
        limit: characters; None for all of it.
    """
    # A frame may have 64 MiB, and each character of it take four bytes.
    payload = record.payload if limit is None else record.payload[:_READ]
    if record.opcode == Opcode.CLOSE:
        text = str(Close.parse(payload))
        return safe(text) if limit is None else short(text, limit)
    if record.opcode == Opcode.TEXT:
        text = payload.decode("utf-8", "replace")
        if len(payload) == len(record.payload) <= LONG:
            text = compact(text)
        return safe(text) if limit is None else short(text, limit)
    shown = record.payload[:16].hex(" ")
    return f"{shown}{' …' if len(record.payload) > 16 else ''}"


def pieces(payload: bytes) -> Iterator[str]:
    """All of a long text as `safe` has it, a part at a time: escaped it may be very long."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for at in range(0, len(payload), LONG):
        yield safe(decoder.decode(payload[at : at + LONG]))
    yield safe(decoder.decode(b"", final=True))


def compact(text: str) -> str:
    """JSON without needless blanks; any other text as it is."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(", ", ": "))
    except (ValueError, RecursionError):
        return text
