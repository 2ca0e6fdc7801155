"""Scrubs requests and responses: values that standards and providers enumerate stay."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.redact import PLACEHOLDER
from wsproxy.trace import Request, Response
from wsproxy.wire import accept_key

from .aliases import words
from .allowlist import AGENT_PARTS, AGENTS, Allowlist, is_version
from .documented import documented, word_set
from .texts import TextScrubber

_NONCE = re.compile(r"[A-Za-z0-9+/]{22}==|[A-Za-z0-9+/]{27}=")
_NONCES = frozenset({"sec-websocket-key", "sec-websocket-accept"})
# Headers whose values are words and numbers between separators (RFC 9110, section 5.6).
_TOKENS = word_set("""
    upgrade connection sec-websocket-version sec-websocket-extensions content-encoding
    transfer-encoding accept-encoding accept-ranges accept-language content-language cache-control
    pragma keep-alive te allow strict-transport-security x-content-type-options x-frame-options
    x-xss-protection referrer-policy sec-fetch-mode sec-fetch-dest sec-fetch-site sec-fetch-user
    priority x-cache cf-cache-status cf-mitigated openai-beta dnt proxy-connection alt-svc
    access-control-allow-credentials access-control-allow-methods access-control-request-method
    x-should-retry sec-ch-ua-mobile x-forwarded-proto
""")
_NAMES = word_set("""
    vary trailer access-control-allow-headers access-control-expose-headers
    access-control-request-headers
""")
_NUMERIC_DIRECTIVES = word_set("""
    max-age s-maxage timeout max q ma client_max_window_bits server_max_window_bits rate channels
    stale-while-revalidate stale-if-error
""")
_MEDIA = frozenset({"content-type", "accept"})
_DATES = frozenset({"date", "expires", "last-modified", "retry-after", "if-modified-since"})
_ERROR_HEADERS = frozenset(
    {"www-authenticate", "proxy-authenticate", "dg-error", "x-error", "warning"}
)
_SEPARATORS = re.compile(r'([\s,;="]+)')
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,3})?")
_NUMBER_WITH_UNIT = re.compile(r"\d{1,10}(?:\.\d{1,6})?(?:ms|s|m|h)?")
_VERSION = re.compile(r"20\d\d-[01]\d-[0-3]\d")  # of an API
_SECRET = re.compile(r"(?i)(basic|bearer|digest|token)?\s*REDACTED")
_NEAR = timedelta(days=2)


class HeaderValueScrubber:
    """Scrubs the values of headers.

    Args:
        started_at_ns: Unix time of the session's start, ns. The trace contains it, so a date
            near it may stay.
    """

    def __init__(self, texts: TextScrubber, started_at_ns: int) -> None:
        self._texts = texts
        self._allowlist = texts.allowlist
        self._documented = documented()
        self._accepts: dict[str, str] = {}  # scrubbed Sec-WebSocket-Accept by the original one
        self._started = datetime.fromtimestamp(max(0, min(started_at_ns, 1 << 62)) / 1e9, UTC)

    def scrub(self, name: str, value: str) -> str:
        """Scrub the value of a header that is not a host or URL."""
        plain, texts = name.lower(), self._texts
        if _SECRET.fullmatch(value):
            return value
        if plain in _NONCES and _NONCE.fullmatch(value):
            return self._nonce(plain, value)
        if plain == "sec-websocket-protocol":
            return ", ".join(self._subprotocol(item.strip()) for item in value.split(","))
        if plain in _TOKENS:
            return self._tokens(value)
        if plain in _NAMES:
            return self._scrub_items(
                value, lambda item: item == "*" or self._allowlist.keeps_header(item)
            )
        if plain in _MEDIA:
            return self._scrub_items(value, self._documented.is_media_type)
        if plain in self._documented.numeric and _NUMBER_WITH_UNIT.fullmatch(value.strip()):
            return value
        if plain in _DATES:
            return self._date(value)
        if plain in AGENTS or plain in ("server", "via"):
            return self._agent(value)
        if plain in _ERROR_HEADERS:
            return texts.error_text(value)
        if plain.endswith("version") and _VERSION.fullmatch(value):
            return value
        if self._documented.is_model(value) and plain.endswith("model-name"):
            return value
        return texts.replace(value)

    def _nonce(self, name: str, value: str) -> str:
        """Replace a key, which may hold anything; a correct accept value remains correct."""
        if name == "sec-websocket-key":
            new_value = b64encode(self._texts.aliases.data(b64decode(value))).decode()
            self._accepts[accept_key(value)] = accept_key(new_value)
            return new_value
        other = b64encode(self._texts.aliases.data(b64decode(value))).decode()
        return self._accepts.get(value, other)

    def _subprotocol(self, item: str) -> str:
        if self._allowlist.keeps_subprotocol(item):
            return item
        before, mark, after = item.rpartition(PLACEHOLDER)
        if mark and not after:
            return self._texts.replace(before) + mark
        return self._texts.replace(item)

    def _tokens(self, value: str) -> str:
        out: list[str] = []
        before = ""  # the word before a number
        for n, part in enumerate(_SEPARATORS.split(value)):
            if not n % 2:
                figure = before in _NUMERIC_DIRECTIVES or len(part) <= 2
                kept = self._is_token(part) or (figure and _NUMBER.fullmatch(part))
                before = part.lower()
                out.append(part if kept else self._texts.replace(part))
            else:
                out.append(part)
        return "".join(out)

    def _is_token(self, text: str) -> bool:
        return text in ("", "*") or text.lower() in self._documented.tokens

    def _scrub_items(self, value: str, kept: Callable[[str], bool]) -> str:
        return ",".join(
            item if not item.strip() or kept(item.strip()) else self._texts.replace(item)
            for item in value.split(",")
        )

    def _date(self, value: str) -> str:
        if value.strip().isdecimal() and len(value.strip()) <= 6:
            return value  # seconds
        try:
            date = parsedate_to_datetime(value)
        except (TypeError, ValueError, IndexError, OverflowError):
            return self._texts.replace(value)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        if abs(date - self._started) < _NEAR:
            return value
        return format_datetime(self._started.replace(microsecond=0), usegmt=True)

    def _agent(self, value: str) -> str:
        """Scrub a user agent: libraries and systems with their versions stay, apps do not."""
        out: list[str] = []
        known = (
            False  # whether the last name is a known one, so that a number after it is its version
        )
        for n, part in enumerate(AGENT_PARTS.split(value)):
            if n % 2 or not part:
                out.append(part)
                continue
            if is_version(part):
                kept = known or not part.isdecimal() or len(part) <= 2
            else:
                known = kept = all(
                    w.casefold() in self._allowlist.words
                    or (is_version(w) and len(w) <= 6 and not (w.isdecimal() and len(w) > 3))
                    for w in words(part)
                )
            out.append(part if kept else self._texts.replace(part))
        return "".join(out)


_PLACES = ("header", "query", "subprotocol", "path", "body", "message", "close", "text")
_SCHEMES = ("ws", "wss", "http", "https")
_METHOD = re.compile(r"GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS|CONNECT|TRACE")
_HTTP = re.compile(r"HTTP/[0-3](\.[019])?")
_AUTHORITY = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(?P<name>\[[^\]]*\]|[^:]*)(?P<port>:\d{1,5})?")
_IPV6 = re.compile(r"[0-9a-fA-F.]*:[0-9a-fA-F:.]*(?:%.*)?", re.DOTALL)
_SEGMENT = re.compile(r"([/;#=,]+)")


class HeadScrubber:
    """Scrubs requests and responses.

    Args:
        hosts: whether to replace the names of hosts too.
        started_at_ns: Unix time of the session's start, ns.
    """

    def __init__(self, texts: TextScrubber, *, hosts: bool, started_at_ns: int = 0) -> None:
        self._texts = texts
        self._hosts = hosts
        self._values = HeaderValueScrubber(texts, started_at_ns)

    @property
    def _allowlist(self) -> Allowlist:
        return self._texts.allowlist

    def request(self, request: Request) -> Request:
        """Scrub a request; its host stays unless hosts are replaced."""
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
        """Scrub a response; its error stays."""
        return replace(
            response,
            reason=self._texts.error_text(response.reason),
            http_version=_http(response.http_version),
            headers=[[self._name(h[0]), self._header(h[0], h[1])] for h in response.headers],
            body=self._body(response.body, from_client=False),
            redacted=[self.redacted(entry) for entry in response.redacted],
        )

    # -- hosts

    def host(self, name: str) -> str:
        """Scrub the name of a host; it stays unless hosts are replaced."""
        return self._host(name)

    def _host(self, authority: str) -> str:
        """Scrub the host of a URL or request; a port stays, a user becomes the placeholder."""
        _, at, host = authority.rpartition("@")
        found = _HOST.fullmatch(host)
        name, port = (found["name"], found["port"] or "") if found else (host, "")
        return f"{PLACEHOLDER if at else ''}{at}{self._host_name(name)}{port}"

    def _host_name(self, name: str) -> str:
        allowlist = self._allowlist
        if not self._hosts and allowlist.keeps_host(name):
            return name
        if not self._hosts and allowlist.is_provider_host(name):
            own = allowlist.customer_labels(name)
            labels = name.split(".")
            return ".".join(self._texts.replace(x) if x.lower() in own else x for x in labels)
        return self._other_host(name)

    def _other_host(self, name: str) -> str:
        """A synthetic name with the same number of labels; for an address a reserved one."""
        address = name.strip("[]")
        if self._allowlist.is_local(name) and not self._hosts:
            return name
        if _IPV6.fullmatch(address):
            return name.replace(address, "2001:db8::1")  # RFC 3849
        before, dot, last = name.rpartition(".")
        if last.isdecimal():
            return "192.0.2.1"  # RFC 5737
        return f"{self._texts.replace(before)}.test" if dot else self._texts.replace(name)

    # -- headers

    def _name(self, name: str) -> str:
        return name if self._allowlist.keeps_header(name) else self._texts.replace(name)

    def _header(self, name: str, value: str) -> str:
        if not value.strip():
            return value
        match name.lower():
            case "host":
                return self._host(value)
            case "origin" | "referer" | "location":
                return self._url(value)
        return self._values.scrub(name, value)

    def _url(self, value: str) -> str:
        scheme, mark, rest = value.partition("://")
        if not mark:
            return self._path(value)
        scheme = scheme if scheme.lower() in _SCHEMES else self._texts.replace(scheme)
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
        return (
            part if self._allowlist.keeps_segment(unquote_plus(part)) else self._texts.replace(part)
        )

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        if not equals:
            kept = part == PLACEHOLDER or self._allowlist.keeps_name(unquote_plus(part))
            return part if kept else self._texts.replace(part)
        plain = unquote_plus(value)
        new_value = self._texts.value(unquote_plus(name), plain)
        return (
            self._parameter_name(name)
            + equals
            + (value if new_value == plain else quote(new_value, errors="replace"))
        )

    def _parameter_name(self, name: str) -> str:
        plain = unquote_plus(name)
        return (
            name
            if self._allowlist.keeps_name(plain)
            else quote(self._texts.replace(plain), errors="replace")
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
        return (self._texts.replace(text) if from_client else self._texts.error_text(text)).encode()

    # -- redacted credentials

    def redacted(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Scrub an entry of `redacted`; a new fingerprint prevents comparison with other traces."""
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
            kept["name"] = self._texts.field_name(entry["name"])
        if isinstance(entry.get("fingerprint"), str):
            kept["fingerprint"] = self._texts.aliases.id(entry["fingerprint"])
        if isinstance(entry.get("around"), str):
            kept["around"] = self._around(entry["around"])
        providers = entry.get("like")
        if isinstance(providers, list):
            kept["like"] = [
                p for p in providers if isinstance(p, str) and self._allowlist.is_provider_id(p)
            ]
        return kept

    def _around(self, text: str) -> str:
        scheme, blank, rest = text.partition(" ")
        if scheme.lower() in documented().subprotocols:
            return scheme + blank + self._texts.error_text(rest)
        return self._texts.error_text(text)


def parameters(query: str) -> list[tuple[str, str]]:
    """The parameters of a query, in order, decoded."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(unquote_plus(name), unquote_plus(value)) for name, _, value in pairs]


def _http(version: str) -> str:
    return version if _HTTP.fullmatch(version) else "HTTP/1.1"
