"""How a session, its frames, sizes and times are worded for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Loss, Start
from wsproxy.wire import Close, Opcode

from .safe_text import LONG, safe, short

_READ = 64 << 10  # bytes of a frame that are read for its line
MAX_LOSS_LINES = 5  # shown of a trace


def loss_lines(losses: Sequence[Loss]) -> list[str]:
    """Parts of a trace that could not be read: the first ones, and how many more there are."""
    lines = [str(loss) for loss in losses[:MAX_LOSS_LINES]]
    if len(losses) > MAX_LOSS_LINES:
        lines.append(f"and {len(losses) - MAX_LOSS_LINES} more")
    return lines


def size(count: float) -> str:
    """A number of bytes with a suitable unit."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def lasting(seconds: float) -> str:
    """A duration with a suitable unit."""
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
    """The session that one replays, or is derived from and how; empty for a recording."""
    origin = start.origin or "?"
    match start.source:
        case "recorded":
            return ""
        case "replay":
            return short(f"replay of session {origin}", limit)
    # Of a long list, only as much as can be shown is joined.
    changes = ", ".join((start.changes or [])[:limit])
    return short(f"derived from session {origin}: {changes}".removesuffix(": "), limit)


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
            return f"not started ({short(where, 40)}): {short(message, 200)}"
        case "eof":
            return f"connection ended{by} without a Close frame"
        case "reset":
            return f"connection reset{by}"
        case other:
            return safe(other)


def closed(by: str | None, code: int | None, reason: str | None) -> str:
    """A Close frame in a few words."""
    who = f" by the {safe(by)}" if by else ""
    shown_reason = short(reason or "", 200)
    return f"closed{who}: {'no code' if code is None else code} {shown_reason}".rstrip()


def api(session: Session) -> str:
    """Provider and API, or the host."""
    parts = [short(part, 40) for part in (session.provider, session.api) if part]
    return " ".join(parts) or (short(session.request.host, 100) if session.request else "?")


def content(record: FrameRecord, limit: int | None) -> str:
    """A frame's content on one line: text verbatim, JSON compact, binary summarized.

    Args:
        limit: in characters; None: no limit.
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


def compact(text: str) -> str:
    """JSON without needless blanks; any other text verbatim."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(", ", ": "))
    except (ValueError, RecursionError):
        return text
