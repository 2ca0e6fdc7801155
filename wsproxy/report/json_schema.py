"""The JSON of `wsproxy list`, `show` and `explain`; docs/json.md describes each field."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wsproxy.catalog import Catalog
from wsproxy.diagnose import Finding
from wsproxy.diagnose.outcome import outcome
from wsproxy.session import Session
from wsproxy.session.requested_model import requested_language, requested_model
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
)
from wsproxy.wire import Close, Opcode

from .request_ids import key_fingerprint, request_ids
from .timeline import outcome_json


def entry(path: Path, session: Session, catalog: Catalog) -> dict[str, Any]:
    """One session, as `wsproxy list` prints it."""
    start, end = session.start, session.end
    # The end record counts frames that a summary has not read.
    counts = end if end is not None else _counts(session)
    return {
        "path": str(path),
        "session": session.id,
        "origin": start.source if start else None,
        "origin_session": start.origin if start else None,
        "started_at": iso_time(start.started_at_ns) if start else None,
        "provider": session.provider,
        "api": session.api,
        "host": session.request.host if session.request else None,
        "model": requested_model(session),
        "language": requested_language(session),
        "request_id": next((value for _, value in request_ids(session, catalog)), None),
        "key": key_fingerprint(session),
        "attempt": start.attempt if start else None,
        "status": session.response.status if session.response else None,
        "frames_sent": counts.frames_sent,
        "frames_received": counts.frames_received,
        "bytes_sent": counts.bytes_sent,
        "bytes_received": counts.bytes_received,
        "duration_s": round(session.duration_ns / 1e9, 3),
        "close_code": counts.close_code,
        "close_reason": counts.close_reason,
        "closed_by": counts.closed_by,
        "ending": session.ending,
        "complete": end is not None and end.complete and not session.losses,
        "outcome": counts.outcome,
        "findings": counts.findings,
        "heuristic_redactions": session.heuristic_redactions,
    }


def _counts(session: Session) -> End:
    """The counts of a session that has no end record."""
    close = session.close
    return End(
        session.last_ns,
        session.ending,
        session.closed_by,
        close.code if close else None,
        close.reason if close else None,
        session.sent.frames,
        session.received.frames,
        session.sent.size,
        session.received.size,
        complete=False,
        findings=[finding.id for finding in session.findings],
    )


def record(item: Record, number: int | None = None, limit: int | None = None) -> dict[str, Any]:
    """One record, as `wsproxy show` prints it.

    Args:
        number: of a frame, from 1.
        limit: bytes of a payload that are included; "not_shown" counts the others.
    """
    out: dict[str, Any] = {"kind": item.kind, "t_ns": item.t_ns}
    match item:
        case FrameRecord():
            out |= {"number": number, **_frame(item, limit)}
        case Bytes():
            out |= {
                "from_client": item.from_client,
                "length": len(item.data),
                "base64": _base64(item.data[:limit]),
                "broken_rule": item.broken_rule or None,
            }
            out |= _not_shown(item.data, limit)
        case Request():
            out |= _fields(item, "method", "scheme", "host", "port", "path", "http_version")
            out |= _fields(item, "headers", "redacted")
            out["body_base64"] = _base64(item.body) if item.body is not None else None
        case Response():
            out |= _fields(item, "status", "reason", "http_version", "headers", "redacted")
            if item.status != 101:
                out |= {"body_base64": _base64(item.body or b""), "body_length": item.body_length}
        case Start():
            out |= _fields(item, "version", "session", "capture", "client", "provider", "api")
            out |= _fields(item, "attempt", "wsproxy", "mitmproxy", "mode", "origin", "synthetic")
            out |= _fields(item, "origin_host", "changes")
            if item.part:
                out |= _fields(item, "part")
            out["started_at"] = iso_time(item.started_at_ns)
        case Eof():
            out |= _fields(item, "from_client", "how")
        case Failure():
            out |= _fields(item, "where", "from_client", "message")
        case Gap():
            out |= _fields(item, "until_ns", "reason", "records", "size")
        case FindingRecord():
            out |= _fields(item, "id", "severity", "title", "evidence")
        case End():
            out |= _fields(item, "ending", "closed_by", "close_code", "close_reason")
            out |= _fields(item, "frames_sent", "frames_received", "bytes_sent", "bytes_received")
            out |= _fields(item, "complete", "findings")
            if item.outcome is not None:
                out |= _fields(item, "outcome")
            if item.heuristic_redactions:
                out |= _fields(item, "heuristic_redactions")
            if item.parts:
                out |= _fields(item, "parts")
    return out


def _not_shown(data: bytes, limit: int | None) -> dict[str, Any]:
    return {"not_shown": len(data) - limit} if limit is not None and len(data) > limit else {}


def _frame(frame: FrameRecord, limit: int | None) -> dict[str, Any]:
    payload = frame.payload[:limit]
    out: dict[str, Any] = {
        "from_client": frame.from_client,
        "opcode": str(Opcode(frame.opcode)),
        "fin": frame.fin,
        "rsv": frame.rsv,
        "masked": frame.mask is not None,
        "wire_length": frame.wire_length,
        "length": len(frame.payload) + frame.cut,
        "sha256": hashlib.sha256(frame.payload).hexdigest(),
    }
    if frame.opcode == Opcode.TEXT and (text := _utf8(payload)) is not None:
        out["text"] = text
    else:
        out["base64"] = _base64(payload)
    if frame.opcode == Opcode.CLOSE:
        close = Close.parse(payload)
        out |= {"code": close.code, "reason": close.reason}
    out |= _not_shown(frame.payload, limit)
    for name in ("deflated", "cut", "digest", "broken_rule", "redacted"):
        if value := getattr(frame, name):
            out[name] = value
    return out


def explanation(
    path: Path,
    session: Session,
    findings: Sequence[Finding],
    summary: str,
    retry_after_s: float | None,
) -> dict[str, Any]:
    """One session, as `wsproxy explain` prints it.

    Args:
        summary: what happened, in one sentence.
        retry_after_s: seconds that its refusal asks to wait.
    """
    return {
        "session": session.id,
        "path": str(path),
        "summary": summary,
        **outcome_json(outcome(session, findings)),
        "ending": session.ending,
        "heuristic_redactions": session.heuristic_redactions,
        "retry_after_s": retry_after_s,
        "findings": [_finding(finding) for finding in findings],
    }


def together(findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings of several sessions together, in the form of one session's explanation."""
    return {
        "session": None,
        "path": None,
        "summary": None,
        **outcome_json(None),
        "ending": None,
        "heuristic_redactions": None,
        "retry_after_s": None,
        "findings": [_finding(finding) for finding in findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "title": finding.title,
        "meaning": finding.meaning,
        "evidence": [
            {
                "text": evidence.text,
                "frames": list(evidence.frames),
                "t_ns": evidence.t_ns,
                "value": evidence.value,
                "unit": evidence.unit,
            }
            for evidence in finding.evidence
        ],
        "causes": list(finding.causes),
        "seen": list(finding.seen),
        "remedies": list(finding.remedies),
        "retry": finding.retry,
        "retry_note": finding.retry_note,
        "source": finding.source,
        "confidence": finding.confidence,
        "disagreement": finding.disagreement,
        "related": list(finding.related),
        "sentence": finding.sentence,
        "class": finding.error_class,
    }


def _fields(item: Record, *names: str) -> dict[str, Any]:
    return {name: getattr(item, name) for name in names}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _utf8(payload: bytes) -> str | None:
    """The text of a payload; None if it is not UTF-8 by itself, as some fragments."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def iso_time(unix_ns: int) -> str | None:
    """Unix time as RFC 3339, UTC; None if it is out of range."""
    """Unix time as RFC 3339, UTC; None if it is out of range."""
    try:
        return datetime.fromtimestamp(unix_ns / 1e9, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None
