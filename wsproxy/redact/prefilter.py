"""Says whether a message is worth reading for credentials.

Nearly all messages hold none, and for them a look is all that there is: their words are looked
up among those that are known to be harmless. Whatever `find` or `known` would find in a
message makes this say yes (a test holds it to that); yes to a message without a credential
costs time and nothing else.
"""

from __future__ import annotations

import re

from . import binary, encoded, shapes, text_evidence
from .finder import Finder
from .known_secrets import KnownSecrets

# Characters of words; all others are between them. Those of known credentials are added.
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~+/%")
_MAX_WORDS = 2048  # that are known to be harmless
_MIN_NAME = 3  # characters
_MIN_KNOWN = 6  # characters of a known credential
_MIN_KEY = 16  # characters of what is a key by its shape, or stands for a text
_MAX_NUMBER = 24  # characters of a number
_NO_NAME = 192  # characters of a word that is no name
_LONG = 1024  # characters of a word that may be audio in base64
_PROBE = 512  # such a word is found by looking for its end from every so many characters
_NOT_BASE64 = (b".", b"~", b"%")
# What stands for another character: in JSON for one in ASCII, in HTML, in a URL.
_ESCAPED = re.compile(rb"\\u00[2-7]|\\x|&(?:#|[A-Za-z]{2,8};)|\\[/'\\]")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
# Words beside names after which a value may be a key, and with which one begins.
_SIGNS = frozenset({b"temp", b"inline", b"basic", b"hidden", b"-----begin"})
_TEXT = frozenset(b"{[<")  # what a binary message of text begins with, or has as its second byte
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x28\xb5")
_BOMS = (b"\xef\xbb", b"\xff\xfe", b"\xfe\xff")
# Bytes with which a message begins that is text, packed, or has a byte order mark.
_FIRST = frozenset(each[0] for each in (*_PACKED, *_BOMS, b"{", b"[", b"<"))
_SHORT = 1024  # bytes of a binary message that is looked at byte by byte
_END = 128  # bytes at both ends of a longer one that are
_EIGHT, _WIDE = b"x" * 8, b"xn" * 7
_NAME_WIDE = b"xnxnx"  # of the shortest name in UTF-16
_EDGE = 32  # characters at both ends of a long word that are looked at
_HEAD = 18  # bytes in which packed text begins, in protocols with a header
_MIN_BINARY = 5  # bytes
_TELLING = 33  # bytes at the beginning of text that tell it from audio


class Prefilter:
    """Looks at the messages of one session.

    Args:
        find: knows the names.
        known: the session's credentials.
    """

    def __init__(self, find: Finder, known: KnownSecrets) -> None:
        self._find = find
        self._known = known
        self._version = -1
        self._harmless: set[bytes] = set()
        self._words = self._kinds = b""

    def _prepare(self) -> None:
        """Begin anew with what has become known."""
        self._version = self._known.version
        self._harmless = set()
        characters = _WORD | self._known.characters
        self._words = bytes(c if c in characters else 32 for c in range(256))
        kinds = {0: 110} | dict.fromkeys([*characters, *b" ="], 120)
        self._kinds = bytes(kinds.get(c, 46) for c in range(256))

    def text(self, data: bytes) -> bool:
        """Whether a text message is worth reading."""
        if self._version != self._known.version:
            self._prepare()
        if (b"\\" in data or b"&" in data) and _ESCAPED.search(data):
            return True
        if b"\0" in data and _NAME_WIDE in data.translate(self._kinds) and self._has_wide(data):
            return True
        if self._known.spaced and self._known.inside(data):
            return True
        words = data.translate(self._words)
        if len(data) >= _LONG:
            short = self._without_audio(words)
            if short is None:
                return True
            words = short
        if b"@" in data and b" //" in words:  # what is left of a URL with a user
            return True
        if b"code=" in data:  # in a URL
            return True
        new = set(words.split()).difference(self._harmless)
        if not new:
            return False
        for word in new:
            if self._is_worth(word):
                return True
        if len(self._harmless) > _MAX_WORDS:
            self._harmless = set()
        self._harmless |= new
        return False

    def binary(self, data: bytes) -> bool:
        """Whether a binary message is worth reading: it has text in it, or is packed text.

        A long message is looked at in steps of 3 bytes, so that 24 characters in a row are
        seen, and 8 at its ends.
        """
        if self._version != self._known.version:
            self._prepare()
        size = len(data)
        if size < _MIN_BINARY:
            return False
        first = data[0] in _FIRST or data[1] in _TEXT or _PACKED[0] in data[:_HEAD]
        if first and self._begins_as_text(data):
            return True
        if size <= _SHORT:
            kinds = data.translate(self._kinds)
            seen = _EIGHT in kinds
        else:
            kinds = data[::3].translate(self._kinds)
            ends = (data[:_END] + b"\xff" + data[-_END:]).translate(self._kinds)
            seen = _EIGHT in kinds or _EIGHT in ends
        if seen and self._has_text(data):
            return True
        if data[-1] and data[-2] and data[0] and data[1]:  # at no end it is UTF-16
            return False
        return _WIDE in kinds and self._has_wide(data)

    def _has_text(self, data: bytes) -> bool:
        if not text_evidence.is_spoken(data):
            return False
        if text_evidence.is_text(data):
            return self.text(data)
        parts = (data[start:end] for start, end in text_evidence.regions(data))
        return any(self.text(part.replace(b"\0", b"\1")) for part in parts)

    def _has_wide(self, data: bytes) -> bool:
        texts = binary.wide(data.decode("latin-1"))
        return any(self.text(wide.text.encode("latin-1")) for wide in texts)

    def _begins_as_text(self, data: bytes) -> bool:
        start = data[:2]
        if start in _PACKED or start in _BOMS or _PACKED[0] in data[:_HEAD]:
            return True
        if _TEXT.isdisjoint(start) or not text_evidence.has_no_controls(data[1:_TELLING]):
            return False  # one of 40 audio messages begins so by chance
        return self.text(data)

    def _is_worth(self, word: bytes) -> bool:
        size = len(word)
        if size < _MIN_NAME:
            return False
        if size <= _MAX_NUMBER and word.replace(b".", b"").replace(b"-", b"").isdigit():
            return False
        if size < _NO_NAME and word.lower() in _SIGNS:
            return True
        named = size < _NO_NAME or b"_" in word or b"-" in word or b"." in word
        if named and self._find.speaks(word[-128:].decode("latin-1")):
            return True
        if b"%" in word and _PERCENT.search(word):
            return True
        if size >= _MIN_KNOWN and self._known.inside(word):
            return True
        if size < _MIN_KEY:
            return False
        name = word.decode("latin-1")
        return shapes.may_be_key(name) or bool(encoded.decoded(name))

    def _without_audio(self, words: bytes) -> bytes | None:
        """The words without long ones in base64; None: there is one that stands for text."""
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
        if self._known.inside(head + b" " + tail):
            return False
        return not encoded.is_text(encoded.from_base64(head.decode("ascii")) or b"\0")
