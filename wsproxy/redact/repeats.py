"""What was taken out once is hidden wherever either side repeats it.

Servers repeat keys in error texts, and apps send the key of the handshake again in a message.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote_plus

from .fingerprint import MIN_HIDDEN, PLACEHOLDER

MAX_SECRETS = 256  # of a session that are looked for: the first ones, the request's among them
_PART = 4  # characters of a credential that are taken out at the end of a fragment


def hide_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """A body, or a message, without these credentials."""
    for secret in secrets:
        data = data.replace(secret.encode("utf-8", "surrogateescape"), PLACEHOLDER.encode())
    return data


class Repeats:
    """The credentials of one session, in the spellings in which they may come back.

    Attributes:
        forms: each spelling as bytes, the longest first, as one may hold another.
    """

    def __init__(self) -> None:
        self.forms: tuple[bytes, ...] = ()
        self._origin: dict[bytes, str] = {}
        self._learnt: set[str] = set()

    def learn(self, secret: str) -> None:
        """Look for a credential from now on. Shorter ones would hide what is no repetition."""
        secret = secret.strip()
        if len(secret) < MIN_HIDDEN or PLACEHOLDER in secret or secret in self._learnt:
            return
        if len(self._learnt) >= MAX_SECRETS:
            return
        self._learnt.add(secret)
        for spelt in _spellings(secret):
            form = spelt.encode("utf-8", "surrogateescape")
            if len(form) >= MIN_HIDDEN:
                self._origin.setdefault(form, secret)
        self.forms = tuple(sorted(self._origin, key=len, reverse=True))

    def origin(self, form: bytes) -> str:
        """The credential that a spelling stands for."""
        return self._origin[form]

    def inside(self, data: bytes) -> bool:
        """Whether any is in there."""
        for form in self.forms:  # noqa: SIM110  # on the hot path: no generator
            if form in data:
                return True
        return False

    def spans(self, data: bytes, *, cut: bool = False) -> list[tuple[int, int, bytes]]:
        """Where they are, as (start, end, form).

        Args:
            cut: the data goes on: the beginning of one at the end counts as well.
        """
        found = []
        for form in self.forms:
            start = data.find(form)
            while start >= 0:
                found.append((start, start + len(form), form))
                start = data.find(form, start + len(form))
            if cut and (size := _begun(data, form)):
                found.append((len(data) - size, len(data), form))
        return found

    def hide(self, data: bytes) -> bytes:
        """The data without them."""
        for form in self.forms:
            data = data.replace(form, PLACEHOLDER.encode())
        return data

    def hide_text(self, text: str) -> str:
        """A text without them."""
        data = text.encode("utf-8", "surrogateescape")
        return self.hide(data).decode("utf-8", "surrogateescape") if self.inside(data) else text


def _spellings(secret: str) -> Iterable[str]:
    """As it is, in a URL, in JSON; of a Basic credential what it says, and its password."""
    for each in (secret, unquote_plus(secret), *_basic(secret)):
        yield each
        yield quote(each, errors="surrogateescape")
        yield quote(each, safe="", errors="surrogateescape")
        yield quote_plus(each, errors="surrogateescape")
        escaped = json.dumps(each)[1:-1]
        yield escaped
        yield escaped.replace("/", "\\/")
        yield json.dumps(each, ensure_ascii=False)[1:-1]


def _basic(secret: str) -> list[str]:
    """RFC 7617: base64 of user:password."""
    try:
        said = base64.b64decode(secret, validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    user, colon, password = said.partition(":")
    return [said, password] if colon and user.isprintable() and password.isprintable() else []


def _begun(data: bytes, form: bytes) -> int:
    """How many bytes at the end are the beginning of a form, 0 if fewer than _PART."""
    if data.find(form[:_PART], max(0, len(data) - len(form))) < 0:
        return 0
    for size in range(min(len(form) - 1, len(data)), _PART - 1, -1):
        if data.endswith(form[:size]):
            return size
    return 0
