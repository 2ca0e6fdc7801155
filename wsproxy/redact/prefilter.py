"""A quick check of whether a message may hold a credential.

Nearly all messages hold none. For these the check is the only cost: their words are looked up in a
set of harmless ones. It never misses what `find` or `known` would find (a test checks this). A
false positive only costs time.
"""

from __future__ import annotations

import re

from . import binary_text, encodings, heuristics, key_formats
from .finder import CredentialFinder
from .known_secrets import KnownSecrets

# Characters of words; all others separate words. Those of known credentials are added.
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~+/%")
_MAX_WORDS = 2048  # in the set of harmless ones
_MIN_NAME = 2  # characters
_MIN_KNOWN = 6  # characters of a known credential
_MIN_KEY = 16  # characters of a key by its format, or of an encoded text
_MAX_NUMBER = 24  # characters of a number
_NO_NAME = 192  # characters of a word that is too long for a name
_LONG = 1024  # characters of a word that may be audio in base64
_PROBE = 512  # characters between the probes for these words
_NOT_BASE64 = (b".", b"~", b"%")
# Escapes: in JSON of an ASCII character, in HTML, in a URL.
_ESCAPED = re.compile(rb"\\u00[2-7]|\\x|\\u\{|\\[01][0-7]|&(?:#|[A-Za-z]{2,8};)|\\[/'\\]")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
# Words, besides names, before a key or at its beginning.
_MARKER_WORDS = frozenset(
    (
        b"temp",
        b"inline",
        b"basic",
        b"hidden",
        b"-----begin",
        b"-u",
        b"-a",
        b"--user",
        b"--proxy-user",
    )
)
# Parts of words in sentences about authentication, and of URLs that are credentials.
_MARKERS = (b"uthoriz", b"uthoris", b"uthentic", b"UTHORI", b"UTHENTIC", b"hooks.", b"webhook")
_BYTE_LIST = re.compile(rb"\[\s*+\d{2,3}+(?:\s*+,\s*+(?:1[0-2]\d|[3-9]\d)\b){7}")
_TEXT = frozenset(b"{[<")  # first or second byte of a binary message that is text
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x28\xb5")
_BOMS = (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff")
# First bytes of a message that is text, compressed, or has a byte order mark.
_FIRST = frozenset(each[0] for each in (*_PACKED, *_BOMS, b"{", b"[", b"<"))
_SHORT = 1024  # bytes of a binary message that is checked byte by byte
_EDGE_BYTES = 128  # bytes at both ends of a longer one that are checked so
_PRINTABLE_RUN = b"x" * 8
_WIDE_RUNS = (b"xn" * 7, b"xnnn" * 5)  # in UTF-16 and UTF-32
_WIDE_NAMES = (b"xnxnx", b"xnnnx")  # the shortest
_EDGE = 32  # characters at both ends of a long word that are checked
_MAX_MAGIC_OFFSET = 18  # bytes before compressed text, in protocols with a header
_MIN_BINARY = 5  # bytes
_TEXT_PROBE = 33  # bytes at the beginning that distinguish text from audio


class Prefilter:
    """Checks the messages of one session.

    Args:
        find: decides which names are suspicious.
        known: the session's credentials.
    """

    def __init__(self, find: CredentialFinder, known: KnownSecrets) -> None:
        self._find = find
        self._known = known
        self._version = -1
        self._harmless: set[bytes] = set()
        self._words = self._kinds = b""

    def _prepare(self) -> None:
        """Reset for new known credentials."""
        self._version = self._known.version
        self._harmless = set()
        characters = _WORD | self._known.characters
        self._words = bytes(c if c in characters else 32 for c in range(256))
        kinds = {0: 110} | dict.fromkeys([*characters, *b" ="], 120)
        self._kinds = bytes(kinds.get(c, 46) for c in range(256))

    def may_hold_in_text(self, data: bytes) -> bool:
        """Whether a text message may hold a credential."""
        if self._version != self._known.version:
            self._prepare()
        escaped = b"\\" in data
        if (escaped or b"&" in data) and _ESCAPED.search(data):
            return True
        if (escaped or not data.isascii()) and heuristics.may_have_foreign_name(data):
            return True
        if b"\0" in data and self._has_wide(data, data.translate(self._kinds), _WIDE_NAMES):
            return True
        if self._known.spaced and self._known.occurs_in(data):
            return True
        words = data.translate(self._words)
        if len(data) >= _LONG:
            short = self._without_audio(words)
            if short is None:
                return True
            words = short
        if b"@" in data and b" //" in words:  # the rest of a URL with a user
            return True
        if b"code=" in data:  # in a URL
            return True
        if b"[" in data and _BYTE_LIST.search(data):
            return True
        new = set(words.split()).difference(self._harmless)
        if not new:
            return False
        for word in new:
            if self._is_suspicious(word):
                return True
        if len(self._harmless) > _MAX_WORDS:
            self._harmless = set()
        self._harmless |= new
        return False

    def may_hold_in_binary(self, data: bytes) -> bool:
        """Whether a binary message may hold a credential: in text, or compressed.

        A long message is checked in steps of 3 bytes, which detects 24 consecutive characters,
        and 8 at its ends.
        """
        if self._version != self._known.version:
            self._prepare()
        size = len(data)
        if size < _MIN_BINARY:
            return False
        first = data[0] in _FIRST or data[1] in _TEXT or _PACKED[0] in data[:_MAX_MAGIC_OFFSET]
        if first and self._begins_as_text(data):
            return True
        if size <= _SHORT:
            kinds = data.translate(self._kinds)
            seen = _PRINTABLE_RUN in kinds
        else:
            kinds = data[::3].translate(self._kinds)
            ends = (data[:_EDGE_BYTES] + b"\xff" + data[-_EDGE_BYTES:]).translate(self._kinds)
            seen = _PRINTABLE_RUN in kinds or _PRINTABLE_RUN in ends
        if seen and self._has_text(data):
            return True
        if data[-1] and data[-2] and data[0] and data[1]:  # neither end can be UTF-16
            return False
        return self._has_wide(data, kinds, _WIDE_RUNS)

    def _has_text(self, data: bytes) -> bool:
        if not binary_text.may_hold_credential(data):
            return False
        if binary_text.is_text(data):
            return self.may_hold_in_text(data)
        parts = (data[start:end] for start, end in binary_text.text_regions(data))
        return any(self.may_hold_in_text(part.replace(b"\0", b"\1")) for part in parts)

    def _has_wide(self, data: bytes, kinds: bytes, runs: tuple[bytes, ...]) -> bool:
        """Whether texts in UTF-16 or UTF-32 may hold one; `kinds` must have one of `runs`."""
        if not any(run in kinds for run in runs):
            return False
        texts = binary_text.wide_texts(data.decode("latin-1"))
        return any(self.may_hold_in_text(wide.text.encode("latin-1")) for wide in texts)

    def _begins_as_text(self, data: bytes) -> bool:
        start = data[:2]
        if start in _PACKED or start in _BOMS or _PACKED[0] in data[:_MAX_MAGIC_OFFSET]:
            return True
        if _TEXT.isdisjoint(start) or not binary_text.has_no_controls(data[1:_TEXT_PROBE]):
            return False  # one in 40 audio messages begins this way by chance
        return self.may_hold_in_text(data)

    def _is_suspicious(self, word: bytes) -> bool:
        size = len(word)
        if size < _MIN_NAME:
            return False
        if size <= _MAX_NUMBER and word.replace(b".", b"").replace(b"-", b"").isdigit():
            return self._known.numeric and self._known.occurs_in(word)
        if size < _NO_NAME and (word.lower() in _MARKER_WORDS or _has_marker(word)):
            return True
        named = size < _NO_NAME or b"_" in word or b"-" in word or b"." in word
        if named and self._has_suspicious_name(word[-128:].decode("latin-1")):
            return True
        if b"%" in word and _PERCENT.search(word):
            return True
        if size >= _MIN_KNOWN and self._known.occurs_in(word):
            return True
        if size < _MIN_KEY:
            return False
        text = word.decode("latin-1")
        return key_formats.may_be_key(text) or bool(encodings.decode_word(text))

    def _has_suspicious_name(self, word: str) -> bool:
        inner = binary_text.name_in(word)
        return self._find.is_suspicious_name(word) or (
            inner != word and self._find.is_suspicious_name(inner)
        )

    def _without_audio(self, words: bytes) -> bytes | None:
        """The words without long base64; None if one of them encodes text."""
        out, at, probe, size = [], 0, _PROBE, len(words)
        while probe < size:
            if words.find(b" ", probe, probe + _PROBE) >= 0:
                probe += _PROBE
                continue
            start, end = words.rfind(b" ", at, probe) + 1 or at, words.find(b" ", probe)
            end = size if end < 0 else end
            if end - start >= _LONG:
                if not self._is_audio(words, start, end):
                    return None
                out.append(words[at:start])
                at = end
            probe = end + _PROBE
        return b" ".join([*out, words[at:]])

    def _is_audio(self, words: bytes, start: int, end: int) -> bool:
        if any(words.find(other, start, end) >= 0 for other in _NOT_BASE64):
            return False
        head, tail = words[start : start + _EDGE], words[end - _EDGE : end]
        if self._known.occurs_in(head + b" " + tail):
            return False
        return not encodings.begins_text(head.decode("ascii"))


def _has_marker(word: bytes) -> bool:
    for marker in _MARKERS:  # noqa: SIM110 - `any` takes twice as long
        if marker in word:
            return True
    return False
