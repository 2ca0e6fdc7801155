"""Takes credentials out of a message that comes in fragments.

A fragment is written when it comes, so what is cut by its border is taken out of both sides.
Of a value whose end is not there yet everything is taken out, and what stood before the border
is remembered for what follows it. What only the next fragment shows to be a credential (a key
by its shape, the repetition of another) leaves up to three of its characters in the first, and
of a hexadecimal one, which any short number begins like, up to seven.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from . import content, name_values, shapes, text_evidence
from .budget import OverBudget
from .fields import value_end
from .fingerprint import Entry
from .known_secrets import KnownSecrets
from .messages import REPLACED, MessageRedactor, RedactedMessage, SecretPlace, secret_of
from .prefilter import Prefilter

_BEFORE = 512  # bytes of a message that are remembered before a fragment
_MAX_SECRET = 1 << 16  # bytes of one credential that are put together from fragments
_HEX = b"0123456789abcdefABCDEF"
_MIN_HEX = 8
_WORD_END = re.compile(r"[^A-Za-z0-9._~+/=-]")
_BLANKS = re.compile(rb"(?:[ \t\r\n]|(?<!\\)\\++[nrt]){2,}+")
_MAX_TAIL = 1 << 13  # bytes at the end of a fragment that are looked at for a beginning


@dataclass(slots=True)
class _Open:
    """A value that has begun and not ended.

    Attributes:
        written: the word in its place has been written.
    """

    name: str
    why: str
    delimiter: str
    value: bytearray = field(repr=False)
    written: bool = False

    def end_in(self, data: bytes) -> int:
        """Where it ends in the next fragment, -1 if it does not."""
        if self.delimiter == " ":
            match = _WORD_END.search(data.decode("latin-1"))
            return match.start() if match else -1
        # What a quotation mark is depends on the backslashes before it.
        tail = self.value[len(self.value.rstrip(b"\\")) :]
        end = value_end((tail + data).decode("latin-1"), 0, self.delimiter)
        return -1 if end < 0 else max(0, end - len(tail))


class FragmentRedactor:
    """One message, fragment by fragment.

    Args:
        clean: for the session.
        glance: says whether something is worth reading.
        known: what was taken out before.
        text: whether it is a text message.
    """

    def __init__(
        self, clean: MessageRedactor, glance: Prefilter, known: KnownSecrets, *, text: bool
    ) -> None:
        self._clean = clean
        self._glance = glance
        self._known = known
        self._text = text
        self._before = b""
        self._open: _Open | None = None
        self._at_border = False  # what was taken out of the last fragment reached its end
        self._in_content = False  # a string of content goes on after it

    def __call__(self, data: bytes, *, fin: bool) -> RedactedMessage:
        """The next fragment without credentials.

        Args:
            fin: it is the last one.
        """
        cleaned, at = self._rest_of_value(data, fin=fin)
        head, taken = cleaned.data, cleaned.taken
        rest, offset = data[at:], len(self._before) + at
        whole = self._before + data
        places = [p for p in self._places_in(whole, data, fin=fin) if p.end > offset]
        out = self._clean.without(rest, [])
        if rest and places:
            out = self._without(rest, offset, places, fin=fin)
        self._at_border = any(place.end == len(whole) for place in places)
        # However much white space stands between a name and its value.
        self._before = (_BLANKS.sub(b" ", whole) if self._text else whole)[-_BEFORE:]
        return RedactedMessage(head + out.data, [*taken, *out.taken])

    def _rest_of_value(self, data: bytes, *, fin: bool) -> tuple[RedactedMessage, int]:
        """What belongs to the value at hand: what is written for it, and where it ends."""
        value = self._open
        if value is None:
            return RedactedMessage(b""), 0
        end = value.end_in(data)
        part = data if end < 0 else data[:end]
        value.value += part[: _MAX_SECRET - len(value.value)]
        shown = b"" if value.written or not part else REPLACED
        value.written = value.written or bool(part)
        if end < 0 and not fin:
            return RedactedMessage(shown, [self._part(value.name, len(part))] if part else []), len(
                part
            )
        self._open = None
        secret = secret_of(value.value.decode("latin-1"))
        if not secret:
            return RedactedMessage(b""), len(part)
        self._known.learn(secret)
        place = SecretPlace(0, len(part), value.name, secret, value.why)
        return RedactedMessage(shown, [self._clean.describe(place)]), len(part)

    def _places_in(self, whole: bytes, data: bytes, *, fin: bool) -> list[SecretPlace]:
        """Where credentials are; in content, which may go on from before, only known ones."""
        if not self._text:
            return self._places(whole, fin=fin)
        if not self._in_content:
            self._in_content = not fin and content.is_open(whole, self._clean.is_content)
            return self._places(whole, fin=fin)
        end = content.end(self._before, data)
        known = self._clean.repeated(whole, cut=not fin) if self._glance.text(whole) else []
        if end == len(data):
            return known or ([] if fin else self._at_end(whole))
        rest = len(self._before) + end
        others = b" " * rest + whole[rest:]
        self._in_content = not fin and content.is_open(others, self._clean.is_content)
        return known + self._places(others, fin=fin)

    def _places(self, whole: bytes, *, fin: bool) -> list[SecretPlace]:
        if not self._text:
            return self._in_binary(whole, fin=fin)
        if self._glance.text(whole) or (not fin and _has_begun(whole)):
            return self._clean.places(whole, cut=not fin)
        return self._at_end(whole) if not fin else []

    def _in_binary(self, whole: bytes, *, fin: bool) -> list[SecretPlace]:
        begun = not fin and text_evidence.is_text(whole[-_BEFORE:])
        if not begun and not self._glance.binary(whole):
            return []
        try:
            return self._clean.binary(whole, cut=not fin)
        except OverBudget:
            if text_evidence.is_text(whole):
                raise
            return self._clean.repeated(whole)

    def _at_end(self, whole: bytes) -> list[SecretPlace]:
        """The beginning of a known credential at the end of what holds none."""
        at = max(0, len(whole) - _BEFORE)
        places = self._clean.repeated(whole[at:], cut=True)
        return [replace(p, start=at + p.start, end=at + p.end) for p in places]

    def _without(
        self, rest: bytes, offset: int, places: list[SecretPlace], *, fin: bool
    ) -> RedactedMessage:
        """The fragment from `offset` on without what is at places of the whole."""
        out, taken, at = [], [], 0
        for place in sorted(places, key=lambda p: (p.start, -p.end)):
            start, end = max(0, place.start - offset), place.end - offset
            if end <= at and not (place.delimiter and start == len(rest)):
                continue
            if start >= at:
                out.append(rest[at:start])
                begun = self._at_border and place.start < offset
                out.append(b"" if begun or start == end else place.word)
            taken.append(self._taken(place, end - max(start, at), fin=fin, offset=offset))
            at = max(at, end)
        return RedactedMessage(b"".join([*out, rest[at:]]), [entry for entry in taken if entry])

    def _taken(self, place: SecretPlace, length: int, *, fin: bool, offset: int) -> Entry:
        if not place.delimiter or fin:
            return self._clean.describe(place)
        value = bytearray(place.secret.encode("utf-8", "surrogateescape"))
        self._open = _Open(place.name, place.why, place.delimiter, value, written=bool(length))
        return self._part(place.name, length) if length else {}

    def _part(self, name: str, length: int) -> Entry:
        """What is said of a part; the fragment in which the value ends says the whole."""
        return {"where": "message", "name": name, "length": length, "part": True}

    def blank(self, data: bytes) -> bytes:
        """The beginning of a fragment whose end never came, its length kept."""
        if self._open is not None:
            return bytes(len(data))
        out = bytearray(data)
        offset = len(self._before)
        for place in self._places(self._before + data, fin=False):
            start = max(0, place.start - offset)
            out[start : max(start, place.end - offset)] = b"*" * max(0, place.end - offset - start)
        return bytes(out)


def _has_begun(data: bytes) -> bool:
    """Whether a credential may begin at the end of a fragment."""
    tail = data[-_MAX_TAIL:].decode("latin-1")
    word = data[-_MAX_TAIL:].rstrip(_HEX)
    quoted = word.endswith(b'"') and len(tail) - len(word) >= _MIN_HEX
    return quoted or shapes.begun(tail) >= 0 or name_values.user_begun(tail) >= 0
