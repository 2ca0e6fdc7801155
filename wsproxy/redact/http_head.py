"""Redacts the head of a request or response."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.catalog import CredentialPlaces

from . import heuristics, key_formats
from .finder import Budget, CredentialFinder, OverBudget
from .fingerprint import MIN_SECRET, PLACEHOLDER, Entry, EntryBuilder, over_budget
from .name_values import SCHEME

# Credentials with every provider: for the proxy, or for another service's session.
_ALWAYS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})

_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})
_PIECES = re.compile(r"[\s/;,()=\"']+")  # between the words of a header's value
# Words before a credential in an item of a subprotocol list.
_KEY_WORD = re.compile(
    r"(?i)(?:api[-_.]?key|subscription[-_.]?key|key|token|secret|bearer|authorization|auth|jwt"
    r"|password|ticket|credential)[-_.=:/|~+ ]{1,4}+"
)
_MIN_AFTER = 8  # characters of a credential after such a word
_K8S = "base64url.bearer.authorization.k8s.io."
_SEGMENT_PIECES = re.compile(r"[:~,@!.]")
_SEPARATOR = re.compile(r"[-_.:=/ ]")
_BETWEEN_PARAMETERS = re.compile(r"(&|;(?=[A-Za-z0-9_.%\[\]-]++=))")
_PATH = re.compile(r"([^?#]*+)(\?[^#]*+)?+(#.*+)?+", re.DOTALL)
_OF_SERVERS = frozenset({"server", "via"})  # hexadecimal digits in these are a revision
_MIN_COOKIE = 8  # characters of a cookie's value that is searched for in other places
_MIN_HEX_SEGMENT = 40  # 32 digits in a path are an id


@dataclass(frozen=True, slots=True)
class RedactedHead:
    """A handshake's headers and path without credentials, and an entry for each of them.

    Attributes:
        secrets: the credentials, which are redacted wherever either side repeats them. They
            never leave memory.
    """

    headers: list[list[str]]
    path: str
    entries: list[dict[str, Any]]
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True)
class _HeadRedactions:
    """What was redacted from a head so far.

    Attributes:
        subprotocol: the previous item: a list of subprotocols may span several headers.
        request: whether it is a request's head.
        budget: of the head.
    """

    request: bool
    budget: Budget = field(default_factory=Budget)
    entries: list[Entry] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    subprotocol: str = ""


class HeadRedactor:
    """Redacts heads; also finds the credentials and builds the entries for other redactors.

    Args:
        credentials: the places of credentials, of all providers.
        key: see `fingerprint_key`.
        shapes: formats of the providers' keys, as (id of the provider, pattern).
    """

    def __init__(
        self,
        credentials: CredentialPlaces,
        key: bytes,
        key_formats: Iterable[tuple[str, re.Pattern[str]]] = (),
    ) -> None:
        self.describe = EntryBuilder(key, key_formats)
        self.find = CredentialFinder(credentials, credentials.message_fields)
        self.find_in_body = CredentialFinder(
            credentials, (*credentials.message_fields, *credentials.body_fields)
        )
        self.quoted_fields = [f'"{name}"'.encode() for name in credentials.message_fields]
        self._headers = _ALWAYS | {name.lower() for name in credentials.headers}
        self._query = {heuristics.normalized(name) for name in credentials.query}
        self._markers = {name.lower() for name in credentials.subprotocols}
        self._prefixes = tuple(map(_normal, (*credentials.subprotocol_prefixes, _K8S)))

    def __call__(self, headers: list[tuple[str, str]], path: str = "") -> RedactedHead:
        """Redact one head.

        Args:
            headers: (name, value) pairs.
            path: of a request, with its query; empty for a response.
        """
        redactions = _HeadRedactions(request=bool(path))
        kept = []
        for name, value in headers:
            try:
                redactions.budget.spend(len(value))
                kept.append([self._name(name, redactions), self._header(name, value, redactions)])
            except OverBudget:
                kept.append([name, self._over_budget("header", name, value, redactions)])
        try:
            redactions.budget.spend(len(path))
            path = self._path(path, redactions)
        except OverBudget:
            path = "/" + self._over_budget("path", "", path, redactions)
        # Shorter ones would match by chance; longest first, because one may contain another.
        secrets = {each for each in redactions.secrets if len(each) >= MIN_SECRET}
        return RedactedHead(
            kept, path, redactions.entries, tuple(sorted(secrets, key=len, reverse=True))
        )

    def form(self, body: str) -> tuple[str, list[Entry], list[str]]:
        """Redact the body of a form; returns it, the entries and the credentials."""
        redactions = _HeadRedactions(request=True)
        parts = [self._parameter(part, redactions, "body") for part in body.split("&")]
        return "&".join(parts), redactions.entries, redactions.secrets

    def _over_budget(self, where: str, name: str, value: str, redactions: _HeadRedactions) -> str:
        redactions.entries.append(over_budget(where, len(value)) | {"name": name})
        return PLACEHOLDER

    def _redact(
        self, where: str, name: str, secret: str, redactions: _HeadRedactions, why: str = ""
    ) -> str:
        redactions.secrets.append(secret)
        redactions.entries.append(self.describe(where, name, secret, why))
        return PLACEHOLDER

    def _name(self, name: str, redactions: _HeadRedactions) -> str:
        """Redact a header's name if it is a key, written in the wrong place."""
        return (
            self._redact("header", "", name, redactions, "shape")
            if key_formats.is_key(name)
            else name
        )

    def _header(self, name: str, value: str, redactions: _HeadRedactions) -> str:
        lower = name.lower()
        if lower == "sec-websocket-protocol":
            return self._subprotocols(name, value, redactions)
        if not value.strip() or value == PLACEHOLDER:
            return value
        if value.strip().lower() in _SCHEMES:  # and nothing after it
            return value
        found = SCHEME.match(value)
        scheme = found[0] if found else ""
        secret = value[len(scheme) :]
        why = ""
        if lower not in self._headers:
            why = heuristics.matching_heuristic(name, secret.strip(), random=redactions.request)
            if not why:
                return self._parts_of_value(name, value, redactions)
        elif lower in ("cookie", "set-cookie"):
            redactions.secrets += _cookies(value, only_first=lower == "set-cookie")
        if secret in ("", PLACEHOLDER):
            return value
        return scheme + self._redact("header", name, secret, redactions, why)

    def _parts_of_value(self, name: str, value: str, redactions: _HeadRedactions) -> str:
        """Redact the words of a longer value that are keys by format, or random."""
        value = self._embedded("header", name, value, redactions)
        if not redactions.request and name.lower() in _OF_SERVERS:
            return value
        if heuristics.is_id_name(name) and not name.lower().startswith(("user-agent", "accept")):
            return value
        for piece in set(_PIECES.split(value)):
            random = redactions.request and heuristics.by_entropy("", piece)
            if random or heuristics.by_shape("", piece):
                why = "entropy" if random else "shape"
                value = value.replace(piece, self._redact("header", name, piece, redactions, why))
        return value

    def _embedded(self, where: str, name: str, text: str, redactions: _HeadRedactions) -> str:
        """Redact credentials inside a longer value: in a URL, or a key in a text."""
        out, at = [], 0
        for found in self.find(text, budget=redactions.budget):
            secret = text[found.start : found.end]
            if heuristics.is_id_name(name) and key_formats.is_hex_key(secret):
                continue
            out += [
                text[at : found.start],
                self._redact(where, name, secret, redactions, found.why),
            ]
            if unquote_plus(secret) != secret:
                redactions.secrets.append(unquote_plus(secret))
            at = found.end
        return "".join([*out, text[at:]])

    def _subprotocols(self, name: str, value: str, redactions: _HeadRedactions) -> str:
        """Redact items after a marker or with a prefix: browsers cannot set headers.

        The white space around an item stays as it is: not every server ignores it.
        """
        out: list[str] = []
        for part in value.split(","):
            item = part.strip()
            begins, why = self._find_in_subprotocol(item, redactions)
            secret = item[begins:]
            if secret in ("", PLACEHOLDER):
                kept = item
            elif why is not None:
                kept = item[:begins] + self._redact("subprotocol", name, secret, redactions, why)
            else:
                kept = self._embedded("subprotocol", name, item, redactions)
            before, _, after = part.partition(item) if item else (part, "", "")
            out.append(before + kept + after)
            redactions.subprotocol = item
        return ",".join(out)

    def _find_in_subprotocol(
        self, item: str, redactions: _HeadRedactions
    ) -> tuple[int, str | None]:
        """The offset of a credential in an item, and why it is one; None: there is none."""
        normal = _normal(item)
        prefix = next((p for p in self._prefixes if normal.startswith(p)), None)
        if prefix is not None:
            return len(prefix), ""
        before = redactions.subprotocol.lower()
        if before in self._markers or (before in self._headers and heuristics.looks_like_key(item)):
            return 0, ""
        if why := heuristics.matching_heuristic("", item, random=redactions.request):
            return 0, why
        for key_word in _KEY_WORD.finditer(item):
            rest = item[key_word.end() :]
            if len(rest) >= _MIN_AFTER and heuristics.looks_like_key(rest):
                return key_word.end(), "name"
        return 0, None

    def _path(self, path: str, redactions: _HeadRedactions) -> str:
        parts = _PATH.fullmatch(path)
        assert parts is not None  # it matches any text
        before = ""
        out = []
        for segment in parts[1].split("/"):
            # RFC 3986, section 3.3: parameters of a segment.
            first, *more = segment.split(";")
            kept = [self._segment(first, before, redactions)]
            kept += [self._parameter(part, redactions, "query") for part in more]
            out.append(";".join(kept))
            before = first
        kept_path = "/".join(out)
        for group in (2, 3):
            if parts[group]:
                kept_path += parts[group][0] + self._parameters(parts[group][1:], redactions)
        return kept_path

    def _segment(self, segment: str, before: str, redactions: _HeadRedactions) -> str:
        """Redact a segment of the path. Random segments are more often ids than keys.

        Args:
            before: the segment before it.
        """
        plain = unquote_plus(segment)
        if plain in ("", PLACEHOLDER):
            return segment
        long_hex = len(plain) >= _MIN_HEX_SEGMENT and heuristics.by_shape("", plain)
        named = heuristics.looks_like_key(plain) and heuristics.by_name(before, plain)
        pieces = () if PLACEHOLDER in plain else _SEGMENT_PIECES.split(plain)
        random = any(piece.isalnum() and heuristics.by_entropy("", piece) for piece in pieces)
        if long_hex or named or random or heuristics.by_shape("id", plain):
            redactions.secrets.append(segment)
            why = "name" if named else "entropy" if random else "shape"
            return self._redact("path", "", plain, redactions, why)
        kept = self._embedded("path", "", plain, redactions)
        return segment if kept == plain else quote(kept)

    def _parameters(self, query: str, redactions: _HeadRedactions) -> str:
        parts = _BETWEEN_PARAMETERS.split(query)
        parts[::2] = [self._parameter(part, redactions, "query") for part in parts[::2]]
        return "".join(parts)

    def _parameter(self, part: str, redactions: _HeadRedactions, where: str) -> str:
        name_as_sent, equals, value = part.partition("=")
        if not equals:
            name_as_sent, value = "", part
        name, secret = unquote_plus(name_as_sent), unquote_plus(value)
        if key_formats.is_key(name):
            return self._redact(where, "", name, redactions, "shape") + equals + value
        if secret in ("", PLACEHOLDER):
            return part
        # The words of "token[]" and "auth[token]" count.
        known = heuristics.normalized(name) in self._query
        why = (
            "" if known else heuristics.matching_heuristic(name, secret, random=redactions.request)
        )
        if known or why:
            redactions.secrets.append(value)  # as it may be repeated in a URL
            return name_as_sent + equals + quote(self._redact(where, name, secret, redactions, why))
        kept = self._embedded(where, name, secret, redactions)
        return part if kept == secret else name_as_sent + equals + quote(kept, "")


def _normal(text: str) -> str:
    """A subprotocol in lower case and with one separator; its length is unchanged."""
    return _SEPARATOR.sub(".", text.lower())


def _cookies(value: str, *, only_first: bool) -> list[str]:
    """The values of cookies that may be repeated in other places.

    Args:
        only_first: the pairs after the first are its attributes (RFC 6265, section 4.1).
    """
    pairs = value.split(";")[: 1 if only_first else None]
    values = (pair.partition("=")[2].strip() for pair in pairs)
    return [each for each in values if len(each) >= _MIN_COOKIE and heuristics.looks_like_key(each)]
