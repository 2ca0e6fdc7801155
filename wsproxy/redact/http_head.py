"""Takes credentials out of the head of a request or a response."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

from wsproxy.catalog import CredentialPlaces

from . import heuristics, shapes
from .budget import Budget, OverBudget
from .finder import Finder
from .fingerprint import MIN_HIDDEN, PLACEHOLDER, Describer, Entry, over_budget
from .name_values import SCHEME

# Credentials whatever the provider: for the proxy, or a session of something else.
_ALWAYS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})

_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})
_PIECES = re.compile(r"[\s/;,()=\"']+")  # between the parts of a header's value
# In an item of a subprotocol list, what says that a credential follows it.
_SAYS_SO = re.compile(
    r"(?i)(?:api[-_.]?key|subscription[-_.]?key|key|token|secret|bearer|authorization|auth|jwt"
    r"|password|ticket|credential)[-_.=:/|~+ ]{1,4}+"
)
_MIN_AFTER = 8  # characters of a credential after such a word
_K8S = "base64url.bearer.authorization.k8s.io."
_SEGMENT_PIECES = re.compile(r"[:~,@!]")
_SEPARATOR = re.compile(r"[-_.:=/ ]")
_BETWEEN_PARAMETERS = re.compile(r"(&|;(?=[A-Za-z0-9_.%\[\]-]++=))")
_PATH = re.compile(r"([^?#]*+)(\?[^#]*+)?+(#.*+)?+", re.DOTALL)
_OF_SERVERS = frozenset({"server", "via"})  # in these, hexadecimal digits are a revision
_MIN_COOKIE = 8  # characters of a cookie's value that is looked for elsewhere
_MIN_HEX_SEGMENT = 40  # 32 digits of a path are an id


@dataclass(frozen=True, slots=True)
class RedactedHead:
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
        budget: of the head.
    """

    request: bool
    budget: Budget = field(default_factory=Budget)
    records: list[Entry] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    subprotocol: str = ""


class HeadRedactor:
    """Knows the places of credentials, and the key of the fingerprints.

    Args:
        credentials: the places, of all providers together.
        key: see `fingerprint_key`.
        shapes: what the keys of a provider look like, as (id, pattern).
    """

    def __init__(
        self,
        credentials: CredentialPlaces,
        key: bytes,
        shapes: Iterable[tuple[str, re.Pattern[str]]] = (),
    ) -> None:
        self.describe = Describer(key, shapes)
        self.find = Finder(credentials, credentials.message_fields)
        self.find_in_body = Finder(
            credentials, (*credentials.message_fields, *credentials.body_fields)
        )
        self.quoted_fields = [f'"{name}"'.encode() for name in credentials.message_fields]
        self._headers = _ALWAYS | {name.lower() for name in credentials.headers}
        self._query = {heuristics.squashed(name) for name in credentials.query}
        self._markers = {name.lower() for name in credentials.subprotocols}
        self._prefixes = tuple(map(_normal, (*credentials.subprotocol_prefixes, _K8S)))

    def __call__(self, headers: list[tuple[str, str]], path: str = "") -> RedactedHead:
        """Redact one head.

        Args:
            headers: (name, value) pairs.
            path: of a request, with its query; empty for a response.
        """
        taken = _Taken(request=bool(path))
        kept = []
        for name, value in headers:
            try:
                taken.budget.spend(len(value))
                kept.append([self._name(name, taken), self._header(name, value, taken)])
            except OverBudget:
                kept.append([name, self._too_much("header", name, value, taken)])
        try:
            taken.budget.spend(len(path))
            path = self._path(path, taken)
        except OverBudget:
            path = "/" + self._too_much("path", "", path, taken)
        # Shorter ones would hide what is no repetition; longest first, as one may hold another.
        secrets = {each for each in taken.secrets if len(each) >= MIN_HIDDEN}
        return RedactedHead(
            kept, path, taken.records, tuple(sorted(secrets, key=len, reverse=True))
        )

    def form(self, body: str) -> tuple[str, list[Entry], list[str]]:
        """The body of a form without credentials; what was taken; the credentials."""
        taken = _Taken(request=True)
        parts = [self._parameter(part, taken, "body") for part in body.split("&")]
        return "&".join(parts), taken.records, taken.secrets

    def _too_much(self, where: str, name: str, value: str, taken: _Taken) -> str:
        taken.records.append(over_budget(where, len(value)) | {"name": name})
        return PLACEHOLDER

    def _take(self, where: str, name: str, secret: str, taken: _Taken, why: str = "") -> str:
        taken.secrets.append(secret)
        taken.records.append(self.describe(where, name, secret, why))
        return PLACEHOLDER

    def _name(self, name: str, taken: _Taken) -> str:
        """A name, which is a key if somebody wrote it into the wrong place."""
        return self._take("header", "", name, taken, "shape") if shapes.is_key(name) else name

    def _header(self, name: str, value: str, taken: _Taken) -> str:
        lower = name.lower()
        if lower == "sec-websocket-protocol":
            return self._subprotocols(name, value, taken)
        if not value.strip() or value == PLACEHOLDER:
            return value
        if value.strip().lower() in _SCHEMES:  # and nothing after it
            return value
        found = SCHEME.match(value)
        scheme = found[0] if found else ""
        secret = value[len(scheme) :]
        why = ""
        if lower not in self._headers:
            why = heuristics.why(name, secret.strip(), random=taken.request)
            if not why:
                return self._pieces(name, value, taken)
        elif lower in ("cookie", "set-cookie"):
            taken.secrets += _cookies(value, only_first=lower == "set-cookie")
        if secret in ("", PLACEHOLDER):
            return value
        return scheme + self._take("header", name, secret, taken, why)

    def _pieces(self, name: str, value: str, taken: _Taken) -> str:
        """What is inside a longer value; a part of it that is a key by its shape, or random."""
        value = self._loose("header", name, value, taken)
        if not taken.request and name.lower() in _OF_SERVERS:
            return value
        if heuristics.is_id(name) and not name.lower().startswith(("user-agent", "accept")):
            return value
        for piece in set(_PIECES.split(value)):
            random = taken.request and heuristics.by_entropy("", piece)
            if random or heuristics.by_shape("", piece):
                why = "entropy" if random else "shape"
                value = value.replace(piece, self._take("header", name, piece, taken, why))
        return value

    def _loose(self, where: str, name: str, text: str, taken: _Taken) -> str:
        """What is inside a longer value: a URL with a password or a token, a key in a text."""
        out, at = [], 0
        for found in self.find(text, budget=taken.budget):
            secret = text[found.start : found.end]
            if heuristics.is_id(name) and shapes.is_hexadecimal(secret):
                continue
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
            begins, why = self._credential_in(item, taken)
            secret = item[begins:]
            if secret in ("", PLACEHOLDER):
                out.append(item)
            elif why is not None:
                out.append(item[:begins] + self._take("subprotocol", name, secret, taken, why))
            else:
                out.append(self._loose("subprotocol", name, item, taken))
            taken.subprotocol = item
        return ", ".join(out)

    def _credential_in(self, item: str, taken: _Taken) -> tuple[int, str | None]:
        """Where a credential begins in an item, and why it is one; None: it has none."""
        normal = _normal(item)
        prefix = next((p for p in self._prefixes if normal.startswith(p)), None)
        if prefix is not None:
            return len(prefix), ""
        before = taken.subprotocol.lower()
        if before in self._markers or (before in self._headers and heuristics.like_a_key(item)):
            return 0, ""
        if why := heuristics.why("", item, random=taken.request):
            return 0, why
        for says_so in _SAYS_SO.finditer(item):
            rest = item[says_so.end() :]
            if len(rest) >= _MIN_AFTER and heuristics.like_a_key(rest):
                return says_so.end(), "name"
        return 0, None

    def _path(self, path: str, taken: _Taken) -> str:
        parts = _PATH.fullmatch(path)
        assert parts is not None  # it matches any text
        before = ""
        out = []
        for segment in parts[1].split("/"):
            # RFC 3986, section 3.3: parameters of a segment.
            first, *more = segment.split(";")
            kept = [self._segment(first, before, taken)]
            kept += [self._parameter(part, taken, "query") for part in more]
            out.append(";".join(kept))
            before = first
        kept_path = "/".join(out)
        for group in (2, 3):
            if parts[group]:
                kept_path += parts[group][0] + self._parameters(parts[group][1:], taken)
        return kept_path

    def _segment(self, segment: str, before: str, taken: _Taken) -> str:
        """A part of the path; random ones are ids more often than keys.

        Args:
            before: the segment before it.
        """
        plain = unquote_plus(segment)
        if plain in ("", PLACEHOLDER):
            return segment
        long_hex = len(plain) >= _MIN_HEX_SEGMENT and heuristics.by_shape("", plain)
        named = heuristics.like_a_key(plain) and heuristics.by_name(before, plain)
        pieces = () if PLACEHOLDER in plain else _SEGMENT_PIECES.split(plain)
        random = any(piece.isalnum() and heuristics.by_entropy("", piece) for piece in pieces)
        if long_hex or named or random or heuristics.by_shape("id", plain):
            taken.secrets.append(segment)
            why = "name" if named else "entropy" if random else "shape"
            return self._take("path", "", plain, taken, why)
        kept = self._loose("path", "", plain, taken)
        return segment if kept == plain else quote(kept)

    def _parameters(self, query: str, taken: _Taken) -> str:
        parts = _BETWEEN_PARAMETERS.split(query)
        parts[::2] = [self._parameter(part, taken, "query") for part in parts[::2]]
        return "".join(parts)

    def _parameter(self, part: str, taken: _Taken, where: str) -> str:
        name_as_sent, equals, value = part.partition("=")
        if not equals:
            name_as_sent, value = "", part
        name, secret = unquote_plus(name_as_sent), unquote_plus(value)
        if shapes.is_key(name):
            return self._take(where, "", name, taken, "shape") + equals + value
        if secret in ("", PLACEHOLDER):
            return part
        # Of "token[]" and "auth[token]" the words count.
        known = heuristics.squashed(name) in self._query
        why = "" if known else heuristics.why(name, secret, random=taken.request)
        if known or why:
            taken.secrets.append(value)  # as it may be repeated in a URL
            return name_as_sent + equals + quote(self._take(where, name, secret, taken, why))
        kept = self._loose(where, name, secret, taken)
        return part if kept == secret else name_as_sent + equals + quote(kept, "")


def _normal(text: str) -> str:
    """A subprotocol's text in one case and with one separator; its length stays."""
    return _SEPARATOR.sub(".", text.lower())


def _cookies(value: str, *, only_first: bool) -> list[str]:
    """The values of cookies that may be repeated by themselves.

    Args:
        only_first: what follows the first pair are its attributes (RFC 6265, section 4.1).
    """
    pairs = value.split(";")[: 1 if only_first else None]
    values = (pair.partition("=")[2].strip() for pair in pairs)
    return [each for each in values if len(each) >= _MIN_COOKIE and heuristics.like_a_key(each)]
