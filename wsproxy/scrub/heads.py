"""The request and its answer, made public."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.redact import PLACEHOLDER
from wsproxy.trace import Request, Response

from .aliases import words
from .known import AGENT_PARTS, AGENTS, is_protocol, is_version
from .texts import Texts

_PLACES = ("header", "query", "subprotocol", "path", "body", "message", "close", "text")
_SCHEMES = ("ws", "wss", "http", "https")
_METHOD = re.compile(r"[A-Z]{1,16}")
_HTTP = re.compile(r"HTTP/\d(\.\d)?")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?P<port>:\d{1,5})?")
_IPV6 = re.compile(r"[0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:%.*)?", re.DOTALL)
_TELL = frozenset(
    {"server", "via", "www-authenticate", "dg-error", "x-error", "x-cache", "warning"}
)
_SECRET = re.compile(r"(?i)(basic|bearer|digest|token)?\s*REDACTED")


class Heads:
    """Makes requests and answers public.

    Args:
        hosts: whether the names of hosts are replaced as well.
    """

    def __init__(self, texts: Texts, *, hosts: bool) -> None:
        self._texts = texts
        self._hosts = hosts

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

    def _host(self, authority: str) -> str:
        """The host of a URL or a request; a port stays, and that there was a user."""
        _, at, host = authority.rpartition("@")
        found = _HOST.fullmatch(host)
        name, port = (found["name"], found["port"] or "") if found else (host, "")
        if self._hosts or not self._texts.known.keeps_host(name):
            name = self._other_host(name)
        return f"{PLACEHOLDER if at else ''}{at}{name}{port}"

    def _other_host(self, name: str) -> str:
        """Another name, of as many parts; for an address one that is nobody's."""
        bare = name.strip("[]")
        if _IPV6.fullmatch(bare):
            return name.replace(bare, "2001:db8::1")  # RFC 3849
        before, dot, last = name.rpartition(".")
        if last.isdecimal():
            return "192.0.2.1"  # RFC 5737
        return f"{self._texts.free(before)}.test" if dot else self._texts.free(name)

    def _name(self, name: str) -> str:
        return name if self._texts.known.keeps_name(name) else self._texts.free(name)

    def _header(self, name: str, value: str) -> str:
        plain, texts = name.lower(), self._texts
        if _SECRET.fullmatch(value) or not value.strip():
            return value
        if is_protocol(name, value):
            return value
        match plain:
            case "host":
                return self._host(value)
            case "origin" | "referer" | "location":
                return self._url(value)
            case "sec-websocket-protocol":
                return ", ".join(self._subprotocol(item.strip()) for item in value.split(","))
        if plain in AGENTS:
            return self._agent(value)
        if plain in _TELL:
            return texts.failure(value)
        return texts.value(name, value)

    def _url(self, value: str) -> str:
        scheme, mark, rest = value.partition("://")
        if not mark:
            return self._path(value)
        scheme = scheme if scheme.lower() in _SCHEMES else self._texts.free(scheme)
        authority = _AUTHORITY.match(rest)
        assert authority is not None  # it matches the empty text
        path = rest[authority.end() :]
        return f"{scheme}{mark}{self._host(authority[0])}{self._path(path) if path else ''}"

    def _subprotocol(self, item: str) -> str:
        return item if self._texts.known.keeps_subprotocol(item) else self._texts.free(item)

    def _agent(self, value: str) -> str:
        """Libraries and systems with their versions stay, names of apps do not."""
        out = []
        for part in AGENT_PARTS.split(value):
            known = all(
                w.casefold() in self._texts.known.words or is_version(w) for w in words(part)
            )
            out.append(part if known or is_version(part) else self._texts.free(part))
        return "".join(out)

    def _path(self, path: str) -> str:
        before, mark, query = path.partition("?")
        parts = [self._segment(part) for part in before.split("/")]
        return "/".join(parts) + mark + "&".join(map(self._parameter, query.split("&")))

    def _segment(self, part: str) -> str:
        segments = self._texts.known.segments
        known = all(word in segments for word in words(unquote_plus(part)))
        return part if known else self._texts.free(part)

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        if not equals:
            known = all(w.casefold() in self._texts.known.words for w in words(unquote_plus(part)))
            return part if known else self._texts.free(part)
        plain = unquote_plus(value)
        made = self._texts.value(unquote_plus(name), plain)
        return self._name(name) + equals + (value if made == plain else quote(made))

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
            kept["around"] = self._texts.failure(entry["around"])
        providers = entry.get("like")
        if isinstance(providers, list):
            kept["like"] = [
                p for p in providers if isinstance(p, str) and self._texts.known.is_provider(p)
            ]
        return kept


def parameters(query: str) -> list[tuple[str, str]]:
    """The parameters of a query, in their order, decoded."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def _http(version: str) -> str:
    return version if _HTTP.fullmatch(version) else "HTTP/1.1"
