"""The known credentials of one session, searched for by their content.

Servers repeat keys in error texts, and apps repeat the key of the handshake in a message: under
another scheme, in base64, escaped, truncated. Any 8 consecutive characters of a known credential
are therefore redacted in any context, unless they are an ordinary word.

A text is searched in steps of 4: a run of 8 characters holds 4 characters that begin at a multiple
of 4. The cost depends on the length of the text, not on the number of credentials.
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

from . import encodings
from .fingerprint import MIN_SECRET, PLACEHOLDER

MAX_SECRETS = 256  # of a session: the first ones, which include the request's
_MAX_SHORT = 16  # credentials of 6 and 7 characters
_MAX_INDEXED = 1 << 18  # characters of all their forms
_MAX_PLAIN = 4096  # characters of a credential that are indexed
_MAX_ENCODED = 512  # characters of a credential that are indexed in base64
_RUN = 8  # characters of a credential that are redacted on their own
_MAX_DEPTH = 2  # of base64 and hexadecimal digits
_PIECE = 4  # a run holds a piece of this length that begins at a multiple of it ...
_PIECES_PER_RUN = 5  # ... in one of so many places
_MAX_SINGLE_SEARCHES = 8  # pieces that are searched for one by one
_MIN_PREFIX = 4  # characters of a credential that are redacted at the end of a fragment

# RFC 9110, section 11.4: what separates the credential from the rest of a header.
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
_ALPHANUMERIC = frozenset((string.ascii_letters + string.digits).encode())
_MIN_DIFFERENT = 4  # characters of a run
_PLAIN_WORD = re.compile(r"[A-Za-z]+|[a-z]+(?:[-_][a-z]+)+")


class TextSpan(NamedTuple):
    """A part of a text that repeats a known credential: from `start` to before `end`."""

    start: int
    end: int
    origin: str


class _Form(NamedTuple):
    """One spelling of a credential in lower case; `complete_only`: its parts do not count."""

    text: bytes
    origin: str
    complete_only: bool


def hide_bytes(data: bytes, secrets: Iterable[str]) -> bytes:
    """A body or message with PLACEHOLDER in place of these credentials."""
    for secret in secrets:
        data = data.replace(secret.encode("utf-8", "surrogateescape"), PLACEHOLDER.encode())
    return data


class KnownSecrets:
    """The credentials of one session.

    Attributes:
        version: a number that changes with each learned credential.
        spellings: complete spellings of each credential; for bytes that are not frames.
        characters: all their characters except white space and quotation marks.
        spaced: whether one of them contains white space or quotation marks.
        numeric: whether one of them is a number.
    """

    def __init__(self) -> None:
        self.version = 0
        self.spellings: tuple[bytes, ...] = ()
        self.characters: frozenset[int] = frozenset()
        self.spaced = False
        self.numeric = False
        self._learned: set[str] = set()
        self._indexed = 0
        self._grams: dict[bytes, tuple[_Form, int]] = {}
        self._pieces: set[int] = set()  # as numbers: these are looked up faster
        self._prefixes: dict[bytes, _Form] = {}  # the first 4 to 7 characters of a form
        self._short: tuple[_Form, ...] = ()  # forms that are too short for the index

    def learn(self, secret: str) -> None:
        """Search for a credential from now on, and for its parts that are distinctive.

        Args:
            secret: as it was written; under MIN_SECRET characters it is not searched for.
        """
        secret = secret.strip()
        if PLACEHOLDER in secret:
            return
        self._learn(secret)
        for plain in (unquote_plus(secret), *_decoded_forms(secret)):
            self._learn(plain)
            for part in _SEPARATORS.split(plain):
                if part != plain and _has_distinctive_run(part):
                    self._learn(part)
                    for decoded in _decoded_forms(part):
                        self._learn(decoded)

    def _learn(self, secret: str) -> None:
        if len(secret) < MIN_SECRET or secret in self._learned or len(self._learned) >= MAX_SECRETS:
            return
        self._learned.add(secret)
        self.version += 1
        self.numeric = self.numeric or not secret.strip("0123456789.-")
        plain = secret.encode("utf-8", "surrogateescape")
        self._index(
            _Form(plain.lower(), secret, not _has_distinctive_run(secret)), plain[:_MAX_PLAIN]
        )
        letters = bytes(c for c in plain[:_MAX_PLAIN] if c in _ALPHANUMERIC)
        if letters != plain and _has_distinctive_run(letters.decode()):
            self._index(_Form(letters.lower(), secret, complete_only=False), letters)
        for form in _base64_forms(plain[:_MAX_ENCODED]):
            self._index(_Form(form.lower(), secret, complete_only=False), form)
        self.characters |= frozenset(plain) - _SPACE
        # No run of a credential that counts in parts has a space in it.
        blanks = _SPACE if not _has_distinctive_run(secret) else _SPACE - {32}
        self.spaced = self.spaced or not blanks.isdisjoint(plain)
        spelled = {each.encode("utf-8", "surrogateescape") for each in _spellings(secret)}
        self.spellings = tuple(sorted({*self.spellings, *spelled}, key=len, reverse=True))

    def _index(self, form: _Form, exact: bytes) -> None:
        """Add a form to the index; `exact` is its beginning in its original case."""
        text = form.text
        if len(text) < _RUN:
            if len(text) >= MIN_SECRET and len(self._short) < _MAX_SHORT:
                self._short = (*self._short, form)
            return
        if self._indexed + len(exact) > _MAX_INDEXED:
            return
        self._indexed += len(exact)
        for size in range(_MIN_PREFIX, _RUN):
            self._prefixes.setdefault(text[:size], form)
        starts = range(1 if form.complete_only else len(exact) - _RUN + 1)
        pieces: set[int] = set()  # where they begin
        for at in starts:
            if form.complete_only or _is_distinctive(exact[at : at + _RUN]):
                self._grams.setdefault(text[at : at + _RUN], (form, at))
                pieces.update(range(at, at + _PIECES_PER_RUN))
        self._pieces.update(int.from_bytes(text[at : at + _PIECE], sys.byteorder) for at in pieces)

    def occurs_in(self, data: bytes) -> bool:
        """Whether a text contains one of them, or a part, without decoding the text."""
        return bool(self._learned) and next(self._matches(data.lower()), None) is not None

    def _matches(self, low: bytes) -> Iterator[TextSpan]:
        grams, reached = self._grams, 0
        for at in self._candidate_offsets(low):
            for start in range(max(reached, at - _PIECES_PER_RUN + 1), at + 1):
                hit = grams.get(low[start : start + _RUN])
                span = _extended(low, start, reached, *hit) if hit else None
                if span is not None:
                    reached = span.end
                    yield span
                    break
        yield from self._short_matches(low)

    def _candidate_offsets(self, low: bytes) -> Iterable[int]:
        """Offsets of pieces of credentials at multiples of the length of a piece."""
        words = memoryview(low[: len(low) // _PIECE * _PIECE]).cast("I")
        seen = self._pieces.intersection(words)
        if not seen:
            return ()
        if len(seen) > _MAX_SINGLE_SEARCHES:
            return (n * _PIECE for n, word in enumerate(words) if word in seen)
        return sorted(
            at for word in seen for at in occurrences(low, word.to_bytes(_PIECE, sys.byteorder))
        )

    def _short_matches(self, low: bytes) -> Iterator[TextSpan]:
        for form in self._short:
            start = low.find(form.text)
            while start >= 0:
                if _stands_alone(low, start, start + len(form.text), form):
                    yield TextSpan(start, start + len(form.text), form.origin)
                start = low.find(form.text, start + len(form.text))

    def spans(self, data: bytes, *, cut: bool = False, depth: int = _MAX_DEPTH) -> list[TextSpan]:
        """Spans of them, plain, escaped or encoded.

        Args:
            cut: the data continues: the beginning of one at its end counts too.
            depth: levels of encodings that are decoded.
        """
        if not self._learned:
            return []
        low = data.lower()
        found = list(self._matches(low))
        text = data.decode("latin-1")
        found += self._in_pieces(text)
        found += self._in_encoded_words(text, depth)
        view = encodings.unescape(text)
        while view is not None:
            plain = view.text.encode("latin-1")
            found += [
                TextSpan(view.raw_start(s), view.raw_end(e), origin)
                for s, e, origin in (*self._matches(plain.lower()), *self._in_pieces(view.text))
            ]
            view = view.unescape_again()
        if cut:
            found += self._prefix_at_end(low)
        return found

    def _in_pieces(self, text: str) -> Iterator[TextSpan]:
        """Those with something between their characters: spaces, hyphens, line breaks."""
        joined = encodings.join_words(text)
        for start, end, origin in self._matches(joined.text.lower().encode("latin-1")):
            yield TextSpan(joined.raw(start), joined.raw(end - 1) + 1, origin)

    def _in_encoded_words(self, text: str, depth: int) -> Iterator[TextSpan]:
        """Words of hexadecimal digits or base64 that hold one."""
        for start, end, decoded in encodings.encoded_words(text) if depth else ():
            inside = self.spans(decoded.encode("latin-1"), depth=depth - 1)
            if inside:
                yield TextSpan(start, end, inside[0].origin)

    def _prefix_at_end(self, low: bytes) -> list[TextSpan]:
        for size in range(_RUN - 1, _MIN_PREFIX - 1, -1):
            form = self._prefixes.get(low[-size:]) if len(low) >= size else None
            if form is not None:
                return [TextSpan(len(low) - size, len(low), form.origin)]
        return []

    def hide(self, data: bytes) -> bytes:
        """The data with PLACEHOLDER in place of them."""
        out, at = [], 0
        for start, end, _ in sorted(self.spans(data)):
            if start >= at:
                out += [data[at:start], PLACEHOLDER.encode()]
            at = max(at, end)
        return b"".join([*out, data[at:]])

    def hide_text(self, text: str) -> str:
        """A text with PLACEHOLDER in place of them."""
        return self.hide(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def occurrences(data: bytes, piece: bytes) -> Iterator[int]:
    """Offsets of a piece of data, in order; they may overlap."""
    at = data.find(piece)
    while at >= 0:
        yield at
        at = data.find(piece, at + 1)


def _extended(low: bytes, start: int, reached: int, form: _Form, at: int) -> TextSpan | None:
    """The longest match of a form around an offset where 8 characters are equal."""
    text = form.text
    if form.complete_only:
        end = start + len(text)
        alone = low[start:end] == text and _stands_alone(low, start, end, form)
        return TextSpan(start, end, form.origin) if alone else None
    first = start
    while first > reached and at > 0 and low[first - 1] == text[at - 1]:
        first, at = first - 1, at - 1
    same = _common_length(low, first, text, at)
    return TextSpan(first, first + same, form.origin)


def _common_length(low: bytes, first: int, text: bytes, at: int) -> int:
    """Number of equal bytes from two offsets on."""
    size = 0
    for a, b in zip(low[first : first + len(text) - at], text[at:], strict=False):
        if a != b:
            break
        size += 1
    return size


def _stands_alone(low: bytes, start: int, end: int, form: _Form) -> bool:
    """Whether a match is neither part of a longer word nor a field's name."""
    before, after = low[max(0, start - 1) : start], low[end : end + 1]
    if before.isalnum() or after.isalnum():
        return False
    if not _PLAIN_WORD.fullmatch(form.text.decode("latin-1")):
        return True
    # A single ordinary word: only as the complete value of a field or parameter.
    if before == b'"' and after == b'"':
        return not low[end + 1 : end + 64].lstrip().startswith(b":")
    return before in (b"", b"=") and after in (b"", b"&")


def _has_distinctive_run(secret: str) -> bool:
    """Whether a credential has 8 characters that occur in no ordinary text."""
    data = secret.encode("utf-8", "surrogateescape")
    grams = len(data) - _RUN + 1
    return any(_is_distinctive(data[at : at + _RUN]) for at in range(min(grams, 256)))


def _is_distinctive(gram: bytes) -> bool:
    """Whether 8 characters occur in no ordinary text: no words, numbers, dates, regions."""
    return _is_unlike_words(gram.translate(_KINDS)) and len(set(gram)) >= _MIN_DIFFERENT


@functools.lru_cache(maxsize=1 << 14)
def _is_unlike_words(kinds: bytes) -> bool:
    """`_is_distinctive`, by the kinds of the characters only."""
    if b" " in kinds or not kinds.strip(b"0T:"):
        return False
    digits, small, capitals = (kinds.count(kind) for kind in (b"0", b"a", b"A"))
    capitals += kinds.count(b"T")
    if digits:
        return small + capitals > 0 and (digits > 1 or (small > 0 and capitals > 0))
    rises = kinds.count(b"aA") + kinds.count(b"aT")
    return rises >= 2 or (capitals >= 2 and small >= 2 and rises >= 1)


def _base64_forms(plain: bytes) -> Iterator[bytes]:
    """The base64 of bytes at each of the three alignments in a longer text."""
    if len(plain) < _RUN:
        return
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + plain)
        # The characters at both ends depend on the neighbours.
        first = (0, 2, 3)[shift]
        last = len(coded.rstrip(b"=")) - ((shift + len(plain)) % 3 > 0)
        yield coded[first:last]
        if b"+" in coded or b"/" in coded:
            yield coded[first:last].translate(bytes.maketrans(b"+/", b"-_"))


def _spellings(secret: str) -> Iterable[str]:
    """Spellings of a credential: unchanged, in a URL, in JSON."""
    yield secret
    yield quote(secret, safe="", errors="surrogateescape")
    yield quote_plus(secret, errors="surrogateescape")
    yield json.dumps(secret)[1:-1]


def _decoded_forms(secret: str) -> list[str]:
    """The decoded text of base64; of user:password (RFC 7617) also the password."""
    try:
        decoded = base64.b64decode(secret + "=" * (-len(secret) % 4), altchars=b"-_").decode()
    except (binascii.Error, ValueError):
        return []
    user, colon, password = decoded.partition(":")
    if colon and user.isprintable() and password.isprintable():
        return [decoded, password]
    return [decoded] if len(decoded) >= 16 and decoded.isprintable() else []
