"""Redacts credentials from a message in fragments.

A fragment is written when it arrives, so a credential that crosses a border is redacted from both
fragments. If the end of a value has not arrived yet, the complete rest is redacted, and the bytes
before the border are kept in memory for the next fragment. Some credentials are recognized only in
the next fragment (by format, or as a repetition). Up to three of their characters, or seven of a
hexadecimal key, remain in the first fragment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from . import binary_text, json_fields, key_formats, name_values
from .finder import OverBudget
from .fingerprint import Entry
from .known_secrets import KnownSecrets
from .messages import PLACEHOLDER_BYTES, MessageRedactor, RedactedMessage, SecretSpan, secret_of
from .prefilter import Prefilter

_MAX_PREVIOUS = 512  # bytes before a fragment that are kept in memory
_MAX_SECRET = 1 << 16  # bytes of one credential that are reassembled from fragments
_HEX = b"0123456789abcdefABCDEF"
_MIN_HEX = 8
_WORD_END = re.compile(r"[^A-Za-z0-9._~+/=-]")
_BLANKS = re.compile(rb"(?:[ \t\r\n]|(?<!\\)\\++[nrt]){2,}+")
_MAX_TAIL = 1 << 13  # bytes at the end of a fragment that are searched for a beginning


@dataclass(slots=True)
class _UnfinishedValue:
    """A value that has started and not ended.

    Attributes:
        placeholder_written: whether a fragment with its placeholder was written.
    """

    name: str
    why: str
    delimiter: str
    value: bytearray = field(repr=False)
    placeholder_written: bool = False

    def end_in(self, data: bytes) -> int:
        """The offset of its end in the next fragment; -1 if it does not end there."""
        if self.delimiter == " ":
            match = _WORD_END.search(data.decode("latin-1"))
            return match.start() if match else -1
        # The backslashes before a quotation mark decide whether it ends the value.
        tail = self.value[len(self.value.rstrip(b"\\")) :]
        end = json_fields.string_end((tail + data).decode("latin-1"), 0, self.delimiter)
        return -1 if end < 0 else max(0, end - len(tail))


class FragmentRedactor:
    """Redacts one message, fragment by fragment.

    Args:
        redactor: for the session.
        prefilter: of the session.
        known: the session's credentials.
        text: whether it is a text message.
    """

    def __init__(
        self, redactor: MessageRedactor, prefilter: Prefilter, known: KnownSecrets, *, text: bool
    ) -> None:
        self._redactor = redactor
        self._prefilter = prefilter
        self._known = known
        self._is_text = text
        self._previous = b""
        self._unfinished: _UnfinishedValue | None = None
        self._at_border = False  # the last fragment ended in a redacted value
        self._in_content = False  # the last fragment ended in a string of content

    def __call__(self, data: bytes, *, fin: bool) -> RedactedMessage:
        """The next fragment without credentials.

        Args:
            fin: it is the last one.
        """
        cleaned, at = self._rest_of_value(data, fin=fin)
        head, entries = cleaned.data, cleaned.entries
        rest, offset = data[at:], len(self._previous) + at
        buffered = self._previous + data
        places = [p for p in self._spans_outside_content(buffered, data, fin=fin) if p.end > offset]
        out = self._redactor.remove(rest, [])
        if rest and places:
            out = self._remove(rest, offset, places, fin=fin)
        self._at_border = any(place.end == len(buffered) for place in places)
        # A name and its value may have any amount of white space between them.
        self._previous = (_BLANKS.sub(b" ", buffered) if self._is_text else buffered)[
            -_MAX_PREVIOUS:
        ]
        return RedactedMessage(head + out.data, [*entries, *out.entries])

    def _rest_of_value(self, data: bytes, *, fin: bool) -> tuple[RedactedMessage, int]:
        """The rest of an unfinished value: its replacement, and the offset of its end."""
        value = self._unfinished
        if value is None:
            return RedactedMessage(b""), 0
        end = value.end_in(data)
        part = data if end < 0 else data[:end]
        value.value += part[: _MAX_SECRET - len(value.value)]
        shown = b"" if value.placeholder_written or not part else PLACEHOLDER_BYTES
        value.placeholder_written = value.placeholder_written or bool(part)
        if end < 0 and not fin:
            return RedactedMessage(
                shown, [self._partial_entry(value.name, len(part))] if part else []
            ), len(part)
        self._unfinished = None
        secret = secret_of(value.value.decode("latin-1"))
        if not secret:
            return RedactedMessage(b""), len(part)
        self._known.learn(secret)
        place = SecretSpan(0, len(part), value.name, secret, value.why)
        return RedactedMessage(shown, [self._redactor.describe(place)]), len(part)

    def _spans_outside_content(
        self, buffered: bytes, data: bytes, *, fin: bool
    ) -> list[SecretSpan]:
        """Spans of credentials; inside content, which may have begun earlier, only known ones."""
        if not self._is_text:
            return self._spans(buffered, fin=fin)
        if not self._in_content:
            self._in_content = not fin and json_fields.ends_in_content(
                buffered, self._redactor.is_content
            )
            return self._spans(buffered, fin=fin)
        end = json_fields.content_end(self._previous, data)
        known = (
            self._redactor.find_repeated(buffered, cut=not fin)
            if self._prefilter.may_hold_in_text(buffered)
            else []
        )
        if end == len(data):
            return known or ([] if fin else self._known_prefix_at_end(buffered))
        rest = len(self._previous) + end
        others = b" " * rest + buffered[rest:]
        self._in_content = not fin and json_fields.ends_in_content(
            others, self._redactor.is_content
        )
        return known + self._spans(others, fin=fin)

    def _spans(self, buffered: bytes, *, fin: bool) -> list[SecretSpan]:
        if not self._is_text:
            return self._in_binary(buffered, fin=fin)
        if self._prefilter.may_hold_in_text(buffered) or (
            not fin and _may_begin_credential(buffered)
        ):
            return self._redactor.find_in_text(buffered, cut=not fin)
        return self._known_prefix_at_end(buffered) if not fin else []

    def _in_binary(self, buffered: bytes, *, fin: bool) -> list[SecretSpan]:
        started = not fin and binary_text.is_text(buffered[-_MAX_PREVIOUS:])
        if not started and not self._prefilter.may_hold_in_binary(buffered):
            return []
        try:
            return self._redactor.find_in_binary(buffered, cut=not fin)
        except OverBudget:
            if binary_text.is_text(buffered):
                raise
            return self._redactor.find_repeated(buffered)

    def _known_prefix_at_end(self, buffered: bytes) -> list[SecretSpan]:
        """The beginning of a known credential at the end of data without one."""
        at = max(0, len(buffered) - _MAX_PREVIOUS)
        places = self._redactor.find_repeated(buffered[at:], cut=True)
        return [replace(p, start=at + p.start, end=at + p.end) for p in places]

    def _remove(
        self, rest: bytes, offset: int, places: list[SecretSpan], *, fin: bool
    ) -> RedactedMessage:
        """The fragment from `offset` on without some spans of the buffered data."""
        out, entries, at = [], [], 0
        for place in sorted(places, key=lambda p: (p.start, -p.end)):
            start, end = max(0, place.start - offset), place.end - offset
            if end <= at and not (place.delimiter and start == len(rest)):
                continue
            if start >= at:
                out.append(rest[at:start])
                started = self._at_border and place.start < offset
                out.append(b"" if started or start == end else place.word)
            entries.append(self._entry(place, end - max(start, at), fin=fin, offset=offset))
            at = max(at, end)
        return RedactedMessage(b"".join([*out, rest[at:]]), [entry for entry in entries if entry])

    def _entry(self, place: SecretSpan, length: int, *, fin: bool, offset: int) -> Entry:
        if not place.delimiter or fin:
            return self._redactor.describe(place)
        value = bytearray(place.secret.encode("utf-8", "surrogateescape"))
        self._unfinished = _UnfinishedValue(
            place.name, place.why, place.delimiter, value, placeholder_written=bool(length)
        )
        return self._partial_entry(place.name, length) if length else {}

    def _partial_entry(self, name: str, length: int) -> Entry:
        """The entry of a part; the fragment in which the value ends has the complete entry."""
        return {"where": "message", "name": name, "length": length, "part": True}

    def blank_credentials(self, data: bytes) -> bytes:
        """An incomplete fragment with asterisks in place of credentials; its length is kept."""
        if self._unfinished is not None:
            return bytes(len(data))
        out = bytearray(data)
        offset = len(self._previous)
        for place in self._spans(self._previous + data, fin=False):
            start = max(0, place.start - offset)
            out[start : max(start, place.end - offset)] = b"*" * max(0, place.end - offset - start)
        return bytes(out)


def _may_begin_credential(data: bytes) -> bool:
    """Whether a credential may begin at the end of a fragment."""
    tail = data[-_MAX_TAIL:].decode("latin-1")
    word = data[-_MAX_TAIL:].rstrip(_HEX)
    quoted = word.endswith(b'"') and len(tail) - len(word) >= _MIN_HEX
    return (
        quoted
        or key_formats.unfinished_key_start(tail) >= 0
        or name_values.unfinished_userinfo_start(tail) >= 0
    )
