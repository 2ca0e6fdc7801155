"""Text for people. Everything that comes from a trace passes through `safe`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsproxy.catalog import Catalog
from wsproxy.diagnose import Finding, summary
from wsproxy.session import FrameInfo, Session
from wsproxy.trace import FrameRecord
from wsproxy.wire import Opcode

RETRY = {
    "yes": "Trying again helps.",
    "wait": "Wait, then try again.",
    "fix-first": "Trying again does not help before it is fixed.",
    "maybe": "Trying again may help.",
    "no-error": "Nothing is wrong.",
}
_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}
_LAST = 8  # frames before the end that `explain` shows


def safe(text: str) -> str:
    """Text in which nothing is left that a terminal obeys; line ends and tabs are escaped too."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def size(count: float) -> str:
    """Bytes in a unit that fits."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def when(unix_ns: int) -> str:
    """Unix time as a date and time, UTC."""
    try:
        return datetime.fromtimestamp(unix_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return "?"


def ending(session: Session) -> str:
    """How a session ended, in a few words."""
    by = f" by the {session.closed_by}" if session.closed_by else ""
    match session.ending:
        case "close" if session.close is not None:
            return closed(session.closed_by, session.close.code, session.close.reason)
        case "refused" | "http" if session.response is not None:
            return f"{session.ending}: HTTP {session.response.status}"
        case "failed" if session.failure is not None:
            return f"failed ({safe(session.failure.where)}): {safe(session.failure.message)}"
        case "eof":
            return f"no Close frame, connection ended{by}"
        case "reset":
            return f"connection reset{by}"
        case other:
            return other


def closed(by: str | None, code: int | None, reason: str | None) -> str:
    """A Close frame in a few words."""
    who = f" by the {by}" if by else ""
    return f"closed{who}: {'no code' if code is None else code} {safe(reason or '')}".rstrip()


def api(session: Session) -> str:
    """Provider and API, or the host."""
    parts = [safe(part) for part in (session.provider, session.api) if part]
    return " ".join(parts) or (safe(session.request.host) if session.request else "?")


def content(record: FrameRecord, limit: int | None) -> str:
    """A frame's content on one line: text as it is, JSON compact, binary summarised.

    Args:
        limit: characters; None for all of it.
    """
    close = record.close
    if close is not None:
        return safe(str(close))
    if record.opcode == Opcode.TEXT:
        return _shortened(safe(_compact(record.payload.decode("utf-8", "replace"))), limit)
    shown = record.payload[:16].hex(" ")
    return f"{shown}{' …' if len(record.payload) > 16 else ''}"


def _compact(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, separators=(", ", ": "))
    except (ValueError, RecursionError):
        return text


def _shortened(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def explanation(session: Session, findings: Sequence[Finding], catalog: Catalog) -> RenderableType:
    """One screen: what happened, the moment, evidence, what to do, what to send to support."""
    parts: list[RenderableType] = [
        Text(summary(session, catalog), style="bold"),
        Text(_head(session)),
    ]
    if session.frame_count:
        parts += [Text(), Text("The last frames before the end", style="bold"), _moment(session)]
    for finding in findings:
        parts += [Text(), _finding(finding)]
    if not findings:
        parts += [Text(), Text("Nothing wrong was found.", style="green")]
    parts += [Text(), _support(session, catalog)]
    return Group(*parts)


def _head(session: Session) -> str:
    started = when(session.start.started_at_ns) if session.start else "?"
    sent, received = session.sent, session.received
    attempt = session.start.attempt if session.start else 1
    host = safe(session.request.host) if session.request else "?"
    return (
        f"{api(session)} at {host}, {started} UTC, "
        f"attempt {attempt}; the app sent {sent.frames} frames ({size(sent.size)}), "
        f"the server {received.frames} ({size(received.size)})"
    )


def _moment(session: Session) -> Table:
    end = session.close.t_ns if session.close else session.duration_ns
    last = session.close.frame if session.close else session.frame_count
    texts = {m.frame: m.text for side in (True, False) for m in session.messages(from_client=side)}
    reasons = {c.frame: str(c.code or "no code") + f" {c.reason}" for c in session.closes}
    table = Table(box=None, pad_edge=True, show_header=False)
    for justify in ("right", "right", "left", "left", "right", "left"):
        table.add_column(justify=justify, overflow="ellipsis", no_wrap=True)
    for number in range(max(1, last - _LAST + 1), min(last + 1, session.frame_count) + 1):
        frame = session.frame(number)
        said = reasons.get(number) or texts.get(number, "")
        table.add_row(*_frame_row(frame, end), _shortened(safe(_compact(said)), 60))
    return table


def _frame_row(frame: FrameInfo, end_ns: int) -> tuple[str, str, str, str, str]:
    arrow = "app →" if frame.from_client else "← server"
    relative = f"{(frame.t_ns - end_ns) / 1e9:+.3f} s"
    return f"#{frame.number}", relative, arrow, str(frame.opcode), f"{frame.length} B"


def _finding(finding: Finding) -> RenderableType:
    head = Text()
    head.append(f"{finding.severity}: ", style=_STYLES[finding.severity])
    head.append(finding.title, style="bold")
    head.append(f"  {finding.id}", style="dim")
    parts: list[RenderableType] = [head, _indented(finding.meaning)]
    parts += _listed("Evidence", [e.text for e in finding.evidence])
    parts += _listed("Likely causes", finding.causes)
    parts += _listed("What to do", finding.remedies)
    retry = f"{RETRY[finding.retry]} {finding.retry_note}".strip()
    parts.append(_indented(retry))
    if finding.disagreement:
        parts.append(_indented(f"Documents disagree: {finding.disagreement}"))
    if finding.related:
        parts.append(_indented(f"Near, but not it: {', '.join(finding.related)}"))
    source = finding.source
    if source:
        section = f", {source['section']}" if source.get("section") else ""
        parts.append(_indented(f"Source: {source['document']}{section}", style="dim"))
    return Group(*parts)


def _indented(text: str, style: str = "") -> Padding:
    return Padding(Text(text, style=style), (0, 0, 0, 2))


def _listed(title: str, lines: Sequence[str]) -> list[RenderableType]:
    if not lines:
        return []
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0))
    for line in lines:
        table.add_row(Text("-"), Text(line))
    return [_indented(title, style="bold"), Padding(table, (0, 0, 0, 2))]


def _support(session: Session, catalog: Catalog) -> Text:
    ids = request_ids(session, catalog)
    at = when(session.start.started_at_ns + session.duration_ns) if session.start else "?"
    shown = ", ".join(f"{name} {safe(value)}" for name, value in ids) or "none in the traffic"
    return Text(
        f"For support: request id: {shown}; time of the end: {at} UTC; and this trace.", style="dim"
    )


def request_ids(session: Session, catalog: Catalog) -> list[tuple[str, str]]:
    """The provider's ids of this session, as (where, value)."""
    provider = catalog.provider(session.provider or "")
    if provider is None:
        return []
    found = []
    for name in provider.request_ids.headers:
        value = session.response_header(name)
        if value:
            found.append((name, value))
    for message in session.messages(from_client=False):
        for name in provider.request_ids.message_fields:
            value = _field(message.text, name)
            if value and value not in (v for _, v in found):
                found.append((name, value))
                break
        if len(found) >= 3:
            break
    return found


def _field(text: str, name: str) -> str | None:
    """The text at a dotted path of a JSON object, or None."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
