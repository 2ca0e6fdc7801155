"""The opening handshake for a page, see `page_data`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsproxy.report.safe_text import safe, short
from wsproxy.session import Session
from wsproxy.system.address import authority
from wsproxy.trace import Request, Response

_MAX_HEADERS = 200
_VALUE = 2000  # characters of a header's value
_BODY = 20_000  # bytes of a body
_FACTS = ("length", "why", "fingerprint")


def handshake_data(session: Session) -> dict[str, Any]:
    """Request, response, and how they were recorded."""
    return {
        "request": _request(session.request) if session.request is not None else None,
        "response": _response(session.response) if session.response is not None else None,
        "facts": _facts(session),
    }


def url_of(request: Request) -> str:
    """Its address and path, shortened."""
    address = f"{request.scheme}://{authority(request.host, request.port)}"
    return short(f"{address}{request.path}", _VALUE)


def _request(request: Request) -> dict[str, Any]:
    return {
        "method": short(request.method, 40),
        "url": url_of(request),
        "version": short(request.http_version, 40),
        "headers": _headers(request.headers),
        "body": _body(request.body),
        "redacted": _redacted(request.redacted),
    }


def _response(response: Response) -> dict[str, Any]:
    return {
        "status": response.status,
        "reason": short(response.reason, 200),
        "version": short(response.http_version, 40),
        "headers": _headers(response.headers),
        "body": _body(response.body),
        "body_length": response.body_length,
        "redacted": _redacted(response.redacted),
    }


def _headers(headers: Sequence[Sequence[str]]) -> list[list[str]]:
    shown = [[short(name, 200), short(value, _VALUE)] for name, value in headers[:_MAX_HEADERS]]
    more = len(headers) - len(shown)
    return shown + ([["…", f"{more} more headers"]] if more else [])


def _body(body: bytes | None) -> str | None:
    """The text of a body, its lines kept."""
    if not body:
        return None
    text = body[:_BODY].decode("utf-8", "replace")
    shown = "\n".join(safe(line) for line in text.splitlines())
    return shown + (f"\n… ({len(body) - _BODY} more bytes)" if len(body) > _BODY else "")


def _redacted(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "where": short(str(entry.get("where") or "?"), 200),
            "name": short(str(entry.get("name") or _more(entry)), 200),
            **{key: _plain(entry[key]) for key in _FACTS if key in entry},
        }
        for entry in entries[:_MAX_HEADERS]
    ]


def _more(entry: dict[str, Any]) -> str:
    """The name of an entry without one: it may stand for many."""
    count = entry.get("more")
    return f"{count:,} more" if type(count) is int else "a key"


def _plain(value: object) -> object:
    return value if isinstance(value, int) else short(str(value), 200)


def _facts(session: Session) -> list[list[str]]:
    start = session.start
    if start is None:
        return []
    wire = "every frame" if start.capture == "wire" else "messages; frames were not visible"
    facts = [
        ("recorded", wire),
        ("proxy mode", start.mode),
        ("client", start.client),
        ("attempt", str(start.attempt)),
        ("wsproxy", start.wsproxy),
        ("mitmproxy", start.mitmproxy),
        ("reconstructed", "from connection events" if start.synthetic else None),
        ("origin session", start.origin),
        ("origin host", start.origin_host),
    ]
    return [[name, short(value, 200)] for name, value in facts if value]
