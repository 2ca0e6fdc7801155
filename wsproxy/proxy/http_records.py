"""Trace records of mitmproxy's HTTP messages."""

from __future__ import annotations

from mitmproxy import http

from wsproxy.trace import Request, Response
from wsproxy.wire import is_upgrade

from .http_stream import body_prefix


def is_upgrade_request(request: http.Request) -> bool:
    """Whether a request asks for a WebSocket."""
    return is_upgrade(request.headers.items(multi=True))


def request_record(request: http.Request, t_ns: int) -> Request:
    """The record of a request, without a body for an upgrade; `t_ns` since the session's start."""
    upgrade = is_upgrade_request(request)
    scheme = request.scheme
    if upgrade:
        scheme = "wss" if scheme == "https" else "ws"
    body = None if upgrade else body_prefix(request)
    return Request(
        t_ns,
        request.method,
        scheme,
        request.pretty_host,
        request.port,
        request.path,
        request.http_version,
        _header_lists(request.headers),
        body.data if body is not None else None,
        body.redacted if body is not None else [],
    )


def response_record(response: http.Response, t_ns: int) -> Response:
    """The record of a response, without a body for a 101; `t_ns` since the session's start."""
    body = body_prefix(response) if response.status_code != 101 else None
    return Response(
        t_ns,
        response.status_code,
        response.reason,
        response.http_version,
        _header_lists(response.headers),
        body.data if body is not None else None,
        body.size if body is not None else 0,
        body.redacted if body is not None else [],
    )


def _header_lists(headers: http.Headers) -> list[list[str]]:
    return [[name, value] for name, value in headers.items(multi=True)]
