"""The request and its answer, made public."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.redact import PLACEHOLDER
from wsproxy.trace import Request, Response

from .allowlist import Allowlist
from .documented import documented
from .header_values import Values
from .texts import Texts

_PLACES = ("header", "query", "subprotocol", "path", "body", "message", "close", "text")
_SCHEMES = ("ws", "wss", "http", "https")
_METHOD = re.compile(r"GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|TRACE")
_HTTP = re.compile(r"HTTP/[0-3](\.[019])?")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?P<port>:\d{1,5})?")
_IPV6 = re.compile(r"[0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:%.*)?", re.DOTALL)
_SEGMENT = re.compile(r"([/;#=,]+)")


class Heads:
    """Makes requests and answers public.

    Args:
        hosts: whether the names of hosts are replaced as well.
        started_at_ns: Unix time of the session's beginning, ns.
    """

    def __init__(self, texts: Texts, *, hosts: bool, started_at_ns: int = 0) -> None:
        self._texts = texts
        self._hosts = hosts
        self._values = Values(texts, started_at_ns)

    @property
    def _known(self) -> Allowlist:
        return self._texts.known

    def request(self, request: Request) -> Request:
        """A request; where it went stays, unless hosts go."""
        return replace(
            request,
            method=request.method if _METHOD.fullmatch(request.method) else "GET",
            scheme=request.scheme if request.scheme in _SCHEMES else "ws",
            host=self._host(request.host),
            path=self._path(request.path),
            http_version=_http(request.http_version),
            headers=[[self._name(h[0]), self._header(h[0], h[1])] for h in request.headers],
            body=self._body(request.body, from_client=True),
            redacted=[self.redacted(entry) for entry in request.redacted],
        )

    def response(self, response: Response) -> Response:
        """An answer; its error stays."""
        return replace(
            response,
            reason=self._texts.failure(response.reason),
            http_version=_http(response.http_version),
            headers=[[self._name(h[0]), self._header(h[0], h[1])] for h in response.headers],
            body=self._body(response.body, from_client=False),
            redacted=[self.redacted(entry) for entry in response.redacted],
        )

    # -- hosts

    def _host(self, authority: str) -> str:
        """The host of a URL or a request; a port stays, and that there was a user."""
        _, at, host = authority.rpartition("@")
        found = _HOST.fullmatch(host)
        name, port = (found["name"], found["port"] or "") if found else (host, "")
        return f"{PLACEHOLDER if at else ''}{at}{self._host_name(name)}{port}"

    def _host_name(self, name: str) -> str:
        known = self._known
        if not self._hosts and known.keeps_host(name):
            return name
        if not self._hosts and known.is_providers(name):
            own = known.own_labels(name)
            labels = name.split(".")
            return ".".join(self._texts.free(x) if x.lower() in own else x for x in labels)
        return self._other_host(name)

    def _other_host(self, name: str) -> str:
        """Another name, of as many parts; for an address one that is nobody's."""
        bare = name.strip("[]")
        if self._known.is_here(name) and not self._hosts:
            return name
        if _IPV6.fullmatch(bare):
            return name.replace(bare, "2001:db8::1")  # RFC 3849
        before, dot, last = name.rpartition(".")
        if last.isdecimal():
            return "192.0.2.1"  # RFC 5737
        return f"{self._texts.free(before)}.test" if dot else self._texts.free(name)

    # -- headers

    def _name(self, name: str) -> str:
        return name if self._known.keeps_header(name) else self._texts.free(name)

    def _header(self, name: str, value: str) -> str:
        if not value.strip():
            return value
        match name.lower():
            case "host":
                return self._host(value)
            case "origin" | "referer" | "location":
                return self._url(value)
        return self._values.of(name, value)

    def _url(self, value: str) -> str:
        scheme, mark, rest = value.partition("://")
        if not mark:
            return self._path(value)
        scheme = scheme if scheme.lower() in _SCHEMES else self._texts.free(scheme)
        authority = _AUTHORITY.match(rest)
        assert authority is not None  # it matches the empty text
        path = rest[authority.end() :]
        return f"{scheme}{mark}{self._host(authority[0])}{self._path(path) if path else ''}"

    # -- path and query

    def _path(self, path: str) -> str:
        before, mark, query = path.partition("?")
        parts = [self._segment(part) for part in _SEGMENT.split(before)]
        return "".join(parts) + mark + "&".join(map(self._parameter, query.split("&")))

    def _segment(self, part: str) -> str:
        return part if self._known.keeps_segment(unquote_plus(part)) else self._texts.free(part)

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        if not equals:
            kept = part == PLACEHOLDER or self._known.keeps_name(unquote_plus(part))
            return part if kept else self._texts.free(part)
        plain = unquote_plus(value)
        made = self._texts.value(unquote_plus(name), plain)
        return (
            self._parameter_name(name)
            + equals
            + (value if made == plain else quote(made, errors="replace"))
        )

    def _parameter_name(self, name: str) -> str:
        plain = unquote_plus(name)
        return (
            name
            if self._known.keeps_name(plain)
            else quote(self._texts.free(plain), errors="replace")
        )

    # -- bodies

    def _body(self, body: bytes | None, *, from_client: bool) -> bytes | None:
        if body is None:
            return None
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return self._texts.aliases.data(body)
        if text.lstrip().startswith(("{", "[")):
            return self._texts.message(
                text, self._texts.aliases.data, from_client=from_client, fails=not from_client
            ).encode()
        return (self._texts.free(text) if from_client else self._texts.failure(text)).encode()

    # -- what was taken out

    def redacted(self, entry: dict[str, Any]) -> dict[str, Any]:
        """What was taken out, with another fingerprint: nobody can compare it with his own."""
        kept: dict[str, Any] = {}
        if entry.get("where") in _PLACES:
            kept["where"] = entry["where"]
        if isinstance(entry.get("length"), int):
            kept["length"] = entry["length"]
        if isinstance(entry.get("more"), int):
            kept["more"] = entry["more"]
        if entry.get("why") in ("name", "shape", "entropy"):
            kept["why"] = entry["why"]
        if isinstance(entry.get("name"), str):
            kept["name"] = self._texts.place(entry["name"])
        if isinstance(entry.get("fingerprint"), str):
            kept["fingerprint"] = self._texts.aliases.id(entry["fingerprint"])
        if isinstance(entry.get("around"), str):
            kept["around"] = self._around(entry["around"])
        providers = entry.get("like")
        if isinstance(providers, list):
            kept["like"] = [
                p for p in providers if isinstance(p, str) and self._known.is_provider(p)
            ]
        return kept

    def _around(self, text: str) -> str:
        scheme, blank, rest = text.partition(" ")
        if scheme.lower() in documented().subprotocols:
            return scheme + blank + self._texts.failure(rest)
        return self._texts.failure(text)


def parameters(query: str) -> list[tuple[str, str]]:
    """The parameters of a query, in their order, decoded."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def _http(version: str) -> str:
    return version if _HTTP.fullmatch(version) else "HTTP/1.1"
