"""Redacts credentials from WebSocket messages and other texts.

`prefilter` decides which messages need it; `fragments` handles messages in fragments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from . import binary_text, encodings
from .finder import Budget
from .fingerprint import PLACEHOLDER, Entry
from .http_head import HeadRedactor
from .json_fields import unescape_string
from .known_secrets import KnownSecrets

PLACEHOLDER_BYTES = PLACEHOLDER.encode()
_QUOTED = b'"' + PLACEHOLDER_BYTES + b'"'
_END = 256  # bytes that decide whether an incomplete message ends in text
MAX_ENTRIES = (
    1000  # maps in one record; each is up to 40 of the 50,000 items that a record may have
)


@dataclass(frozen=True, slots=True)
class RedactedMessage:
    """A payload without credentials, and an entry for each of them."""

    data: bytes
    entries: list[Entry] = field(default_factory=list)


def limit_entries(entries: list[Entry]) -> list[Entry]:
    """Limit the entries of one record to MAX_ENTRIES; the last one then counts the others.

    A reader rejects a record that exceeds the format's limits.
    """
    if len(entries) <= MAX_ENTRIES:
        return entries
    more = entries[MAX_ENTRIES - 1 :]
    return [*entries[: MAX_ENTRIES - 1], {"where": more[0]["where"], "name": "", "more": len(more)}]


@dataclass(frozen=True, slots=True)
class SecretSpan:
    """A credential in a payload; see `FoundCredential` for the other attributes.

    Attributes:
        word: its replacement.
    """

    start: int
    end: int
    name: str
    secret: str = field(repr=False)
    why: str
    delimiter: str = ""
    word: bytes = PLACEHOLDER_BYTES


class MessageRedactor:
    """Redacts payloads of one session.

    Args:
        redact: finds the credentials.
        known: the session's credentials.
        where: "message", "body" or "close".
        metadata: the payloads are not messages of the session but text around them; more
            heuristics apply to them.

    Attributes:
        budget: of the current record.
    """

    def __init__(
        self, redact: HeadRedactor, known: KnownSecrets, where: str, *, metadata: bool = False
    ) -> None:
        self.budget = Budget()
        self._redact = redact
        self._known = known
        self._where = where
        self._metadata = metadata
        self._find = redact.find_in_body if where == "body" else redact.find

    def redact(self, data: bytes, *, cut: bool = False) -> RedactedMessage:
        """A payload without credentials.

        Args:
            cut: it continues after its end, and the rest is not recorded.

        Raises:
            OverBudget: the record exceeds its work limit.
        """
        return self.remove(data, self.find_in_text(data, cut=cut))

    def find_in_text(self, data: bytes, *, cut: bool = False) -> list[SecretSpan]:
        """Spans of credentials in a text; see `redact`."""
        text = data.decode("latin-1")
        places = [*self._in_text(text, cut=cut), *self._in_wide(text, only_evident=False)]
        if not encodings.is_text(data[:256]):
            places += self._in_compressed(data) or self._in_binary_pairs(text, only_evident=False)
        return places + self.find_repeated(data, cut=cut)

    def find_in_binary(self, data: bytes, *, cut: bool = False) -> list[SecretSpan]:
        """Spans of credentials in a binary message; see `redact`.

        Data that is not text is content: names and formats do not count in it.
        """
        packed = self._in_compressed(data)
        if packed is not None:
            return packed
        if binary_text.is_text(data):
            return self.find_in_text(data, cut=cut)
        places = self._in_wide(data.decode("latin-1"), only_evident=True)
        for start, end in binary_text.text_regions(data):
            part = data[start:end]
            ends = cut and end == len(data) and binary_text.is_text(part[-_END:])
            for place in self._in_region(part, cut=ends):
                places.append(replace(place, start=start + place.start, end=start + place.end))
        return places

    def _in_region(self, part: bytes, *, cut: bool) -> list[SecretSpan]:
        text = part.decode("latin-1")
        places = [*self._in_text(text, cut=cut, only_evident=True)]
        places += self._in_binary_pairs(text, only_evident=True)
        return places + self.find_repeated(part, cut=cut)

    def _in_text(self, text: str, *, cut: bool, only_evident: bool = False) -> Iterator[SecretSpan]:
        for found in self._find(text, cut=cut, metadata=self._metadata, budget=self.budget):
            secret = secret_of(text[found.start : found.end])
            if only_evident and not binary_text.is_evident(found.name, found.why, secret):
                continue
            self._known.learn(secret)
            word = _QUOTED if found.is_number else PLACEHOLDER_BYTES
            yield SecretSpan(
                found.start, found.end, found.name, secret, found.why, found.delimiter, word
            )

    def _in_wide(self, text: str, *, only_evident: bool) -> list[SecretSpan]:
        places = []
        for wide in binary_text.wide_texts(text):
            word = PLACEHOLDER.encode(wide.codec)
            inside = [*self._in_text(wide.text, cut=False, only_evident=only_evident)]
            for place in inside + self.find_repeated(wide.text.encode("latin-1")):
                start, end = (wide.start + wide.width * at for at in (place.start, place.end))
                places.append(
                    SecretSpan(start, end, place.name, place.secret, place.why, word=word)
                )
        return places

    def _in_compressed(self, data: bytes) -> list[SecretSpan] | None:
        """All of a compressed message if it holds a credential; None if it is not compressed."""
        packed = binary_text.decompress(data)
        if packed is None:
            return None
        content, complete = packed
        inside = self._in_content(content)
        if not inside and (complete or not binary_text.is_text(content[:256])):
            return []
        name, why = (inside[0].name, inside[0].why) if inside else ("", "shape")
        secret = inside[0].secret if inside else ""
        return [SecretSpan(0, len(data), name, secret, why or "name")]

    def _in_content(self, content: bytes) -> list[SecretSpan]:
        if binary_text.is_text(content):
            text = content.decode("latin-1")
            return [*self._in_text(text, cut=False), *self.find_repeated(content)]
        parts = [content[start:end] for start, end in binary_text.text_regions(content)]
        return [place for part in parts for place in self._in_region(part, cut=False)]

    def _in_binary_pairs(self, text: str, *, only_evident: bool) -> list[SecretSpan]:
        places = []
        for name, start, end in binary_text.name_value_pairs(text):
            why = self._find.why_credential(name, text[start:end])
            secret = secret_of(text[start:end])
            if why is None:
                continue
            length_prefixed = only_evident and binary_text.is_length_prefixed(
                text, name, start, end
            )
            if only_evident and not binary_text.is_evident(
                name, why, secret, length_prefixed=length_prefixed
            ):
                continue
            self._known.learn(secret)
            places.append(SecretSpan(start, end, name, secret, why))
        return places

    def find_repeated(self, data: bytes, *, cut: bool = False) -> list[SecretSpan]:
        """Spans of credentials that were redacted before."""
        return [
            SecretSpan(start, end, "", origin, "repeated")
            for start, end, origin in self._known.spans(data, cut=cut)
        ]

    def is_content(self, name: str) -> bool:
        """Whether a field of this name holds text, transcripts or audio."""
        return self._find.is_content(name) and not self._find.is_credential_field(name)

    def describe(self, place: SecretSpan) -> Entry:
        """The entry of a credential. A credential may be in the name as well."""
        name = place.name.encode("utf-8", "surrogateescape")
        shown = (
            self._known.hide(name).decode("utf-8", "ignore")
            if self._known.occurs_in(name)
            else place.name
        )
        return self._redact.describe(self._where, shown, place.secret, place.why)

    def remove(self, data: bytes, places: list[SecretSpan]) -> RedactedMessage:
        """The payload without some spans; of those that overlap, the first counts."""
        out, entries, at = [], [], 0
        for place in sorted(places, key=lambda p: (p.start, -p.end)):
            if place.end <= at:
                continue
            if place.start >= at:
                out += [data[at : place.start], place.word]
                entries.append(self.describe(place))
            at = place.end
        return RedactedMessage(b"".join([*out, data[at:]]), entries)


def secret_of(text: str) -> str:
    """The credential in a span of a Latin-1 text."""
    return unescape_string(text.encode("latin-1").decode("utf-8", "surrogateescape"))
