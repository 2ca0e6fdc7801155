"""Takes credentials out of a handshake before anything of it is queued.

What stays is that there was one, its length, and a keyed fingerprint: two traces of one
machine can be told to use the same credential, and nobody else can test a guess.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_plus

import click

from wsproxy.catalog import Credentials

PLACEHOLDER = "REDACTED"
MIN_HIDDEN = 6  # characters of a credential that is looked for in the answer as well

# Credentials whatever the provider: for the proxy, or a session of something else.
_ALWAYS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})

# Schemes that stay before the credential, so that a wrong one can be seen.
_SCHEMES = frozenset({"basic", "bearer", "digest", "token"})


def fingerprint_key(folder: Path | None = None) -> bytes:
    """The key of this installation's fingerprints, made on first use.

    Args:
        folder: where it is kept; None: with the user's settings. If it cannot be
            written, the key lives as long as the process.
    """
    folder = folder or Path(click.get_app_dir("wsproxy"))
    path = folder / "fingerprint.key"
    try:
        return path.read_bytes()
    except OSError:
        key = secrets.token_bytes(32)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return key
    with open(fd, "wb") as file:
        file.write(key)
    return key


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


def hide(text: str, secrets: tuple[str, ...]) -> str:
    """A text of the answer without the request's credentials, which some servers repeat."""
    for secret in secrets:
        text = text.replace(secret, PLACEHOLDER)
    return text


def hide_bytes(data: bytes, secrets: tuple[str, ...]) -> bytes:
    """As `hide`, for a body."""
    for secret in secrets:
        data = data.replace(secret.encode("utf-8", "surrogateescape"), PLACEHOLDER.encode())
    return data


@dataclass(slots=True)
class _Taken:
    """What has been taken out of a head so far.

    Attributes:
        subprotocol: the last one seen: a list of them may go over several lines.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
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
        self._headers = _ALWAYS | {name.lower() for name in credentials.headers}
        self._query = {name.lower() for name in credentials.query}
        self._markers = {name.lower() for name in credentials.subprotocols}
        self._prefixes = tuple(credentials.subprotocol_prefixes)
        self._key = key
        self._shapes = tuple(shapes)

    def __call__(self, headers: list[tuple[str, str]], path: str = "") -> Redacted:
        """Redact one head.

        Args:
            headers: (name, value) pairs.
            path: of a request, with its query.
        """
        taken = _Taken()
        kept = [[name, self._header(name, value, taken)] for name, value in headers]
        path = self._path(path, taken)
        # Shorter ones would hide what is no repetition; longest first, as one may hold another.
        secrets = {each for each in taken.secrets if len(each) >= MIN_HIDDEN}
        return Redacted(kept, path, taken.records, tuple(sorted(secrets, key=len, reverse=True)))

    def _take(self, where: str, name: str, secret: str, taken: _Taken) -> str:
        taken.secrets.append(secret)
        digest = hmac.new(self._key, secret.encode("utf-8", "surrogateescape"), hashlib.sha256)
        taken.records.append(
            {
                "where": where,
                "name": name,
                "fingerprint": digest.hexdigest()[:12],
                "length": len(secret),
                **self._described(secret),
            }
        )
        return PLACEHOLDER

    def _described(self, secret: str) -> dict[str, Any]:
        """What is wrong with a key by the look of it, and nothing of the key."""
        bare = secret.strip().strip("\"'").strip()
        around = ["white space"] if secret != secret.strip() else []
        around += ["quotation marks"] if bare != secret.strip() else []
        like = [name for name, shape in self._shapes if shape.search(bare)]
        found: dict[str, Any] = {"around": " and ".join(around)} if around else {}
        return found | ({"like": like} if like else {})

    def _header(self, name: str, value: str, taken: _Taken) -> str:
        lower = name.lower()
        if lower == "sec-websocket-protocol":
            return self._subprotocols(name, value, taken)
        if lower not in self._headers or not value.strip():
            return value
        scheme, space, secret = value.partition(" ")
        if space and scheme.lower() in _SCHEMES:
            return f"{scheme} {self._take('header', name, secret, taken)}" if secret else value
        return self._take("header", name, value, taken)

    def _subprotocols(self, name: str, value: str, taken: _Taken) -> str:
        """An item after a marker, or with a prefix, is a credential: browsers have no headers."""
        out: list[str] = []
        for item in value.split(","):
            item = item.strip()  # noqa: PLW2901
            prefix = next((p for p in self._prefixes if item.startswith(p)), None)
            if prefix is not None:
                out.append(prefix + self._take("subprotocol", name, item[len(prefix) :], taken))
            elif taken.subprotocol.lower() in self._markers:
                out.append(self._take("subprotocol", name, item, taken))
            else:
                out.append(item)
            taken.subprotocol = item
        return ", ".join(out)

    def _path(self, path: str, taken: _Taken) -> str:
        before, mark, query = path.partition("?")
        if not mark:
            return path
        out = []
        for part in query.split("&"):
            name, equals, value = part.partition("=")
            if value and unquote_plus(name).lower() in self._query:
                secret = unquote_plus(value)
                taken.secrets.append(value)  # as it may be repeated in a URL
                out.append(name + equals + quote(self._take("query", name, secret, taken)))
            else:
                out.append(part)
        return before + mark + "&".join(out)
