"""Credentials of one session that are known, found again by their content.

Servers repeat keys in error texts, and apps send the key of the handshake again in a message:
under another scheme, in base64, escaped, cut to the beginning. So any 8 characters of a known
credential are one, whatever stands around them, if they are not an ordinary word.

The texts are looked through in steps: a run of 8 characters holds 4 characters that begin at a
multiple of 4. The cost is that of the text, however many credentials are known.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
import string
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote_plus

from . import encoded, escapes
from .fingerprint import MIN_HIDDEN, PLACEHOLDER

MAX_SECRETS = 256  # of a session that are looked for: the first ones, the request's among them
_MAX_SHORT = 16  # credentials of 6 and 7 characters
_MAX_INDEXED = 1 << 18  # characters of all their forms
_MAX_PLAIN = 4096  # characters of a credential by which it is found
_MAX_ENCODED = 512  # characters of a credential that are looked for in base64
_RUN = 8  # characters of a credential that give it away
_MAX_DEPTH = 2  # of base64 and hexadecimal digits
_PIECE = 4  # a run holds a piece of this length that begins at a multiple of it ...
_STEP = 5  # ... in one of so many places
_MAX_SOUGHT = 8  # pieces of a text that are looked for one after another
_PART = 4  # characters of a credential that are taken out at the end of a fragment

# RFC 9110, section 11.4: what is around the credential in a header.
_SEPARATORS = re.compile(r"[\s,;\"'<>(){}\[\]]+|(?<=[A-Za-z0-9])=(?=[\"'A-Za-z0-9])")
_SPACE = frozenset(b" \t\r\n\"'\\")
# Kinds of characters: digits, small letters, capitals, those of times, blanks, others.
_KINDS = bytearray(b"." * 256)
for _characters, _kind in (
    (string.ascii_lowercase, b"a"),
    (string.ascii_uppercase, b"A"),
    (string.digits, b"0"),
    ("TZ", b"T"),
    (":,+-.", b":"),
    (" ", b" "),
):
    for _character in _characters:
        _KINDS[ord(_character)] = _kind[0]
_MIN_DIFFERENT = 4  # characters of a run
_PLAIN_WORD = re.compile(r"[A-Za-z]+|[a-z]+(?:[-_][a-z]+)+")


class TextSpan(NamedTuple):
    """A part of a text that repeats a known credential: from `start` to before `end`."""

    start: int
    end: int
    origin: str


class _Form(NamedTuple):
    """One spelling of a credential, in small letters; `whole`: only all of it counts."""

    text: bytes
    origin: str
    whole: bool


def hide_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """A body, or a message, without these credentials."""
    for secret in secrets:
        data = data.replace(secret.encode("utf-8", "surrogateescape"), PLACEHOLDER.encode())
    return data


class KnownSecrets:
    """The credentials of one session.

    Attributes:
        version: a number that changes with each that is learnt.
        spellings: of each credential, as they may come back in full; for bytes without frames.
        characters: all that are in them, but for white space and quotes.
        spaced: whether one has these in it.
    """

    def __init__(self) -> None:
        self.version = 0
        self.spellings: tuple[bytes, ...] = ()
        self.characters: frozenset[int] = frozenset()
        self.spaced = False
        self._learnt: set[str] = set()
        self._indexed = 0
        self._grams: dict[bytes, tuple[_Form, int]] = {}
        self._pieces: set[int] = set()  # as numbers: these are looked up faster
        self._begins: dict[bytes, _Form] = {}  # the first 4 to 7 characters of a form
        self._short: tuple[_Form, ...] = ()  # forms that are too short for the index

    def __bool__(self) -> bool:
        return bool(self._learnt)

    def learn(self, secret: str) -> None:
        """Look for a credential from now on, and for each of its parts that is one by itself.

        Args:
            secret: as it stood in its place; what is under 6 characters is not looked for.
        """
        secret = secret.strip()
        if PLACEHOLDER in secret:
            return
        self._learn(secret)
        for plain in (unquote_plus(secret), *_basic(secret)):
            self._learn(plain)
            for part in _SEPARATORS.split(plain):
                if part != plain and _is_telling(part):
                    self._learn(part)
                    for said in _basic(part):
                        self._learn(said)

    def _learn(self, secret: str) -> None:
        if len(secret) < MIN_HIDDEN or secret in self._learnt or len(self._learnt) >= MAX_SECRETS:
            return
        self._learnt.add(secret)
        self.version += 1
        plain = secret.encode("utf-8", "surrogateescape")
        self._index(_Form(plain.lower(), secret, not _is_telling(secret)), plain[:_MAX_PLAIN])
        for form in _in_base64(plain[:_MAX_ENCODED]):
            self._index(_Form(form.lower(), secret, whole=False), form)
        self.characters |= frozenset(plain) - _SPACE
        # No run of a credential that counts in parts has a space in it.
        blanks = _SPACE if not _is_telling(secret) else _SPACE - {32}
        self.spaced = self.spaced or not blanks.isdisjoint(plain)
        spelt = {each.encode("utf-8", "surrogateescape") for each in _spellings(secret)}
        self.spellings = tuple(sorted({*self.spellings, *spelt}, key=len, reverse=True))

    def _index(self, form: _Form, exact: bytes) -> None:
        """Put a form into the index; `exact` is its beginning in its own case."""
        text = form.text
        if len(text) < _RUN:
            if len(text) >= MIN_HIDDEN and len(self._short) < _MAX_SHORT:
                self._short = (*self._short, form)
            return
        if self._indexed + len(exact) > _MAX_INDEXED:
            return
        self._indexed += len(exact)
        for size in range(_PART, _RUN):
            self._begins.setdefault(text[:size], form)
        starts = range(1 if form.whole else len(exact) - _RUN + 1)
        for at in starts:
            if form.whole or _tells(exact[at : at + _RUN]):
                gram = text[at : at + _RUN]
                self._grams.setdefault(gram, (form, at))
                self._pieces.update(
                    int.from_bytes(gram[n : n + _PIECE], sys.byteorder) for n in range(_STEP)
                )

    def inside(self, data: bytes) -> bool:
        """Whether any of them, or a part of one, is in a text as it stands."""
        return bool(self._learnt) and next(self._found(data.lower()), None) is not None

    def _found(self, low: bytes) -> Iterator[TextSpan]:
        grams, reached = self._grams, 0
        for at in self._places(low):
            for start in range(max(reached, at - _STEP + 1), at + 1):
                hit = grams.get(low[start : start + _RUN])
                span = _extended(low, start, reached, *hit) if hit else None
                if span is not None:
                    reached = span.end
                    yield span
                    break
        yield from self._found_short(low)

    def _places(self, low: bytes) -> Iterable[int]:
        """Where a piece of one is that begins at a multiple of its length."""
        words = memoryview(low[: len(low) // _PIECE * _PIECE]).cast("I")
        seen = self._pieces.intersection(words)
        if not seen:
            return ()
        if len(seen) > _MAX_SOUGHT:
            return (n * _PIECE for n, word in enumerate(words) if word in seen)
        return sorted(at for word in seen for at in _all(low, word.to_bytes(_PIECE, sys.byteorder)))

    def _found_short(self, low: bytes) -> Iterator[TextSpan]:
        for form in self._short:
            start = low.find(form.text)
            while start >= 0:
                if _stands_alone(low, start, start + len(form.text), form):
                    yield TextSpan(start, start + len(form.text), form.origin)
                start = low.find(form.text, start + len(form.text))

    def spans(self, data: bytes, *, cut: bool = False, depth: int = _MAX_DEPTH) -> list[TextSpan]:
        """Where they are, escaped or encoded in any way or not.

        Args:
            cut: the data goes on: the beginning of one at the end counts as well.
            depth: how many encodings inside each other are opened.
        """
        if not self._learnt:
            return []
        low = data.lower()
        found = list(self._found(low))
        text = data.decode("latin-1")
        found += self._in_words(text, depth)
        view = escapes.unescaped(text)
        while view is not None:
            plain = view.text.encode("latin-1")
            found += [
                TextSpan(view.raw_start(s), view.raw_end(e), origin)
                for s, e, origin in self._found(plain.lower())
            ]
            view = view.again()
        if cut:
            found += self._at_end(low)
        return found

    def _in_words(self, text: str, depth: int) -> Iterator[TextSpan]:
        """Words of hexadecimal digits or base64 that hold one."""
        for start, end, said in encoded.words(text) if depth else ():
            inside = self.spans(said.encode("latin-1"), depth=depth - 1)
            if inside:
                yield TextSpan(start, end, inside[0].origin)

    def _at_end(self, low: bytes) -> list[TextSpan]:
        for size in range(_RUN - 1, _PART - 1, -1):
            form = self._begins.get(low[-size:]) if len(low) >= size else None
            if form is not None:
                return [TextSpan(len(low) - size, len(low), form.origin)]
        return []

    def hide(self, data: bytes) -> bytes:
        """The data without them."""
        out, at = [], 0
        for start, end, _ in sorted(self.spans(data)):
            if start >= at:
                out += [data[at:start], PLACEHOLDER.encode()]
            at = max(at, end)
        return b"".join([*out, data[at:]])

    def hide_text(self, text: str) -> str:
        """A text without them."""
        return self.hide(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _all(low: bytes, piece: bytes) -> Iterator[int]:
    at = low.find(piece)
    while at >= 0:
        yield at
        at = low.find(piece, at + 1)


def _extended(low: bytes, start: int, reached: int, form: _Form, at: int) -> TextSpan | None:
    """All that a text has of a form around a place where 8 characters are the same."""
    text = form.text
    if form.whole:
        end = start + len(text)
        alone = low[start:end] == text and _stands_alone(low, start, end, form)
        return TextSpan(start, end, form.origin) if alone else None
    first = start
    while first > reached and at > 0 and low[first - 1] == text[at - 1]:
        first, at = first - 1, at - 1
    same = _same(low, first, text, at)
    return TextSpan(first, first + same, form.origin)


def _same(low: bytes, first: int, text: bytes, at: int) -> int:
    """How many bytes are the same from two places on."""
    size = 0
    for a, b in zip(low[first : first + len(text) - at], text[at:], strict=False):
        if a != b:
            break
        size += 1
    return size


def _stands_alone(low: bytes, start: int, end: int, form: _Form) -> bool:
    """Whether what a form repeats is no part of a longer word, nor a field's name."""
    before, after = low[max(0, start - 1) : start], low[end : end + 1]
    if before.isalnum() or after.isalnum():
        return False
    if not _PLAIN_WORD.fullmatch(form.text.decode("latin-1")):
        return True
    # One word alone: only as the whole value of a field or a parameter.
    if before == b'"' and after == b'"':
        return not low[end + 1 : end + 64].lstrip().startswith(b":")
    return before in (b"", b"=") and after in (b"", b"&")


def _is_telling(secret: str) -> bool:
    """Whether a part of a credential can be told from ordinary words."""
    data = secret.encode("utf-8", "surrogateescape")
    grams = len(data) - _RUN + 1
    return any(_tells(data[at : at + _RUN]) for at in range(min(grams, 256)))


def _tells(gram: bytes) -> bool:
    """Whether 8 characters occur in no ordinary text: no words, numbers, dates, regions."""
    return _is_unlike_words(gram.translate(_KINDS)) and len(set(gram)) >= _MIN_DIFFERENT


@functools.lru_cache(maxsize=1 << 14)
def _is_unlike_words(kinds: bytes) -> bool:
    """What `_tells` says by the kinds of the characters alone."""
    if b" " in kinds or not kinds.strip(b"0T:"):
        return False
    digits, small, capitals = (kinds.count(kind) for kind in (b"0", b"a", b"A"))
    capitals += kinds.count(b"T")
    if digits:
        return small + capitals > 0 and (digits > 1 or (small > 0 and capitals > 0))
    rises = kinds.count(b"aA") + kinds.count(b"aT")
    return rises >= 2 or (capitals >= 2 and small >= 2 and rises >= 1)


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """What base64 makes of bytes at each of the three places in a longer text."""
    if len(plain) < _RUN:
        return
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + plain)
        # The characters at both ends depend on the neighbours.
        first = (0, 2, 3)[shift]
        last = len(encoded.rstrip(b"=")) - ((shift + len(plain)) % 3 > 0)
        yield encoded[first:last]
        if b"+" in encoded or b"/" in encoded:
            yield encoded[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def _spellings(secret: str) -> Iterable[str]:
    """As it is, in a URL, in JSON; of a Basic credential what it says, and its password."""
    yield secret
    yield quote(secret, safe="", errors="surrogateescape")
    yield quote_plus(secret, errors="surrogateescape")
    yield json.dumps(secret)[1:-1]


def _basic(secret: str) -> list[str]:
    """RFC 7617: base64 of user:password. Of any other text in base64, the text."""
    try:
        said = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_").decode()
    except (binascii.Error, ValueError):
        return []
    user, colon, password = said.partition(":")
    if colon and user.isprintable() and password.isprintable():
        return [said, password]
    return [said] if len(said) >= 16 and said.isprintable() else []
