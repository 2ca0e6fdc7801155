"""Takes credentials out of the head of a request or a response."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.catalog import Credentials

from . import rules
from .find import Finder
from .fingerprint import MIN_HIDDEN, PLACEHOLDER, Describer, Entry
from .glance import Glance

# Credentials whatever the provider: for the proxy, or a session of something else.
_ALWAYS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})

# Schemes that stay before the credential, so that a wrong one can be seen.
_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})


@dataclass(frozen=True, slots=True)
class Redacted:
    """A handshake's headers and path without credentials, and what was taken where.

    Attributes:
        secrets: the credentials themselves, to be hidden where the other side repeats
            them. They never leave memory.
    """

    headers: list[list[str]]
    path: str
    taken: list[dict[str, Any]]
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class _Taken:
    """What has been taken out of a head so far.

    Attributes:
        subprotocol: the last one seen: a list of them may go over several lines.
        request: whether it is a request's head.
    """

    request: bool
    records: list[Entry] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    subprotocol: str = ""


class Redactor:
    """Knows the places of credentials, and the key of the fingerprints.

    Args:
        credentials: the places, of all providers together.
        key: see `fingerprint_key`.
        shapes: what the keys of a provider look like, as (id, pattern).
    """

    def __init__(
        self,
        credentials: Credentials,
        key: bytes,
        shapes: Iterable[tuple[str, re.Pattern[str]]] = (),
    ) -> None:
        self.describe = Describer(key, shapes)
        self.find = Finder(credentials, credentials.message_fields)
        self.find_in_body = Finder(
            credentials, (*credentials.message_fields, *credentials.body_fields)
        )
        self.glance = Glance(self.find)
        self.quoted_fields = [f'"{name}"'.encode() for name in credentials.message_fields]
        self._headers = _ALWAYS | {name.lower() for name in credentials.headers}
        self._query = {name.lower() for name in credentials.query}
        self._markers = {name.lower() for name in credentials.subprotocols}
        self._prefixes = tuple(credentials.subprotocol_prefixes)

    def __call__(self, headers: list[tuple[str, str]], path: str = "") -> Redacted:
        """Redact one head.

        Args:
            headers: (name, value) pairs.
            path: of a request, with its query; empty for a response.
        """
        taken = _Taken(request=bool(path))
        kept = [[name, self._header(name, value, taken)] for name, value in headers]
        path = self._path(path, taken)
        # Shorter ones would hide what is no repetition; longest first, as one may hold another.
        secrets = {each for each in taken.secrets if len(each) >= MIN_HIDDEN}
        return Redacted(kept, path, taken.records, tuple(sorted(secrets, key=len, reverse=True)))

    def query(self, query: str, where: str = "query") -> tuple[str, list[Entry], list[str]]:
        """A query, or the body of a form, without credentials; what was taken; the credentials."""
        taken = _Taken(request=True)
        return self._parameters(query, taken, where), taken.records, taken.secrets

    def _take(self, where: str, name: str, secret: str, taken: _Taken, why: str = "") -> str:
        taken.secrets.append(secret)
        taken.records.append(self.describe(where, name, secret, why))
        return PLACEHOLDER

    def _header(self, name: str, value: str, taken: _Taken) -> str:
        lower = name.lower()
        if lower == "sec-websocket-protocol":
            return self._subprotocols(name, value, taken)
        why = ""
        if not value.strip() or value == PLACEHOLDER:
            return value
        scheme, space, secret = value.partition(" ")
        scheme = scheme if space and scheme.lower() in _SCHEMES else ""
        secret = secret if scheme else value
        if lower not in self._headers:
            why = rules.why(name, secret.strip(), random=taken.request)
            if not why:
                return self._loose("header", name, value, taken)
        elif lower in ("cookie", "set-cookie"):
            taken.secrets += _cookies(value)
        if secret in ("", PLACEHOLDER):
            return value
        out = self._take("header", name, secret, taken, why)
        return f"{scheme} {out}" if scheme else out

    def _loose(self, where: str, name: str, text: str, taken: _Taken) -> str:
        """What is inside a longer value: a URL with a password or a token, a key in a text."""
        out, at = [], 0
        for found in self.find(text):
            secret = text[found.start : found.end]
            out += [text[at : found.start], self._take(where, name, secret, taken, found.why)]
            if unquote_plus(secret) != secret:
                taken.secrets.append(unquote_plus(secret))
            at = found.end
        return "".join([*out, text[at:]])

    def _subprotocols(self, name: str, value: str, taken: _Taken) -> str:
        """An item after a marker, or with a prefix, is a credential: browsers have no headers."""
        out: list[str] = []
        for item in value.split(","):
            item = item.strip()  # noqa: PLW2901
            prefix = next((p for p in self._prefixes if item.startswith(p)), None)
            secret = item[len(prefix or "") :]
            if secret in ("", PLACEHOLDER):
                out.append(item)
            elif prefix is not None:
                out.append(prefix + self._take("subprotocol", name, secret, taken))
            elif taken.subprotocol.lower() in self._markers:
                out.append(self._take("subprotocol", name, item, taken))
            elif why := rules.why(name, item, random=taken.request):
                out.append(self._take("subprotocol", name, item, taken, why))
            else:
                out.append(self._loose("subprotocol", name, item, taken))
            taken.subprotocol = item
        return ", ".join(out)

    def _path(self, path: str, taken: _Taken) -> str:
        before, mark, query = path.partition("?")
        parts = [self._segment(part, taken) for part in before.split("/")]
        return "/".join(parts) + mark + (self._parameters(query, taken, "query") if mark else "")

    def _segment(self, segment: str, taken: _Taken) -> str:
        """A part of the path; random ones are ids more often than keys."""
        plain = unquote_plus(segment)
        if plain and rules.by_shape("id", plain):
            taken.secrets.append(segment)
            return quote(self._take("path", "", plain, taken, "shape"))
        return segment

    def _parameters(self, query: str, taken: _Taken, where: str) -> str:
        out = []
        for part in query.split("&"):
            name, equals, value = part.partition("=")
            name, secret = unquote_plus(name), unquote_plus(value)
            known = name.lower() in self._query
            why = "" if known else rules.why(name, secret, random=taken.request)
            if secret in ("", PLACEHOLDER):
                out.append(part)
            elif known or why:
                taken.secrets.append(value)  # as it may be repeated in a URL
                kept = quote(self._take(where, name, secret, taken, why))
                out.append(f"{part.partition('=')[0]}{equals}{kept}")
            else:
                kept = self._loose(where, name, secret, taken)
                same = kept == secret
                out.append(part if same else f"{part.partition('=')[0]}{equals}{quote(kept, '')}")
        return "&".join(out)


def _cookies(value: str) -> list[str]:
    """The values of cookies that may be repeated by themselves."""
    pairs = (each.partition("=")[2].strip() for each in value.split(";"))
    return [each for each in pairs if rules.looks_random(each)]
