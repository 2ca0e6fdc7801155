"""Takes credentials out of WebSocket messages, and whatever else is text.

`glance` says which are worth it. Messages in fragments are in `fragments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from . import binary, encoded, text_evidence
from .budget import Budget
from .fields import plain
from .fingerprint import PLACEHOLDER, Entry
from .http_head import HeadRedactor
from .known_secrets import KnownSecrets

REPLACED = PLACEHOLDER.encode()
_QUOTED = b'"' + REPLACED + b'"'
_END = 256  # bytes that say whether a message that goes on is text where it ends
MAX_TOLD = 1000  # maps in one record; each is up to 40 of the 50,000 items that a record may have


@dataclass(frozen=True, slots=True)
class RedactedMessage:
    """A payload without credentials, and what was taken out of it."""

    data: bytes
    taken: list[Entry] = field(default_factory=list)


def reported(taken: list[Entry]) -> list[Entry]:
    """What a record tells of what was taken out of it: each, up to MAX_TOLD, then how many more.

    A reader gives up a record that is over the format's limits, and what follows it.
    """
    if len(taken) <= MAX_TOLD:
        return taken
    more = taken[MAX_TOLD - 1 :]
    return [*taken[: MAX_TOLD - 1], {"where": more[0]["where"], "name": "", "more": len(more)}]


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """A credential in a payload: from `start` to before `end`; see `Found` for the others.

    Attributes:
        word: what stands there instead.
    """

    start: int
    end: int
    name: str
    secret: str = field(repr=False)
    why: str
    delimiter: str = ""
    word: bytes = REPLACED


class MessageRedactor:
    """Takes credentials out of payloads of one session.

    Args:
        redact: knows the places.
        known: what was taken out before.
        where: "message", "body" or "close".
        control: what is cleaned is no message of the session, so that more is taken out.

    Attributes:
        budget: of the record at hand.
    """

    def __init__(
        self, redact: HeadRedactor, known: KnownSecrets, where: str, *, control: bool = False
    ) -> None:
        self.budget = Budget()
        self._redact = redact
        self._known = known
        self._where = where
        self._control = control
        self._find = redact.find_in_body if where == "body" else redact.find

    def whole(self, data: bytes, *, cut: bool = False) -> RedactedMessage:
        """A payload without credentials.

        Args:
            cut: it goes on where it ends, and the rest is not kept.

        Raises:
            OverBudget: it is too much work.
        """
        return self.without(data, self.places(data, cut=cut))

    def places(self, data: bytes, *, cut: bool = False) -> list[SecretPlace]:
        """Where credentials are in a text; see `whole`."""
        text = data.decode("latin-1")
        places = [*self._in_text(text, cut=cut), *self._in_wide(text, evident=False)]
        if not encoded.is_text(data[:256]):
            places += self._in_packed(data) or self._under_names(text, evident=False)
        return places + self.repeated(data, cut=cut)

    def binary(self, data: bytes, *, cut: bool = False) -> list[SecretPlace]:
        """Where credentials are in a binary message; see `whole`.

        What is no text is content: names and shapes do not count in it.
        """
        packed = self._in_packed(data)
        if packed is not None:
            return packed
        if text_evidence.is_text(data):
            return self.places(data, cut=cut)
        places = self._in_wide(data.decode("latin-1"), evident=True)
        for start, end in text_evidence.regions(data):
            part = data[start:end]
            ends = cut and end == len(data) and text_evidence.is_text(part[-_END:])
            for place in self._in_region(part, cut=ends):
                places.append(replace(place, start=start + place.start, end=start + place.end))
        return places

    def _in_region(self, part: bytes, *, cut: bool) -> list[SecretPlace]:
        text = part.decode("latin-1")
        places = [*self._in_text(text, cut=cut, evident=True)]
        places += self._under_names(text, evident=True)
        return places + self.repeated(part, cut=cut)

    def _in_text(self, text: str, *, cut: bool, evident: bool = False) -> Iterator[SecretPlace]:
        for found in self._find(text, cut=cut, control=self._control, budget=self.budget):
            secret = secret_of(text[found.start : found.end])
            if evident and not text_evidence.is_evident(found.name, found.why, secret):
                continue
            self._known.learn(secret)
            word = _QUOTED if found.bare else REPLACED
            yield SecretPlace(
                found.start, found.end, found.name, secret, found.why, found.delimiter, word
            )

    def _in_wide(self, text: str, *, evident: bool) -> list[SecretPlace]:
        places = []
        for wide in binary.wide(text):
            word = PLACEHOLDER.encode(wide.codec)
            inside = [*self._in_text(wide.text, cut=False, evident=evident)]
            for place in inside + self.repeated(wide.text.encode("latin-1")):
                start, end = wide.start + 2 * place.start, wide.start + 2 * place.end
                places.append(
                    SecretPlace(start, end, place.name, place.secret, place.why, word=word)
                )
        return places

    def _in_packed(self, data: bytes) -> list[SecretPlace] | None:
        """All of a packed message if a credential is in it; None: it is not packed."""
        said = binary.unpacked(data)
        if said is None:
            return None
        content, whole = said
        inside = self._in_content(content)
        if not inside and (whole or not text_evidence.is_text(content[:256])):
            return []
        name, why = (inside[0].name, inside[0].why) if inside else ("", "shape")
        secret = inside[0].secret if inside else ""
        return [SecretPlace(0, len(data), name, secret, why or "name")]

    def _in_content(self, content: bytes) -> list[SecretPlace]:
        if text_evidence.is_text(content):
            text = content.decode("latin-1")
            return [*self._in_text(text, cut=False), *self.repeated(content)]
        parts = [content[start:end] for start, end in text_evidence.regions(content)]
        return [place for part in parts for place in self._in_region(part, cut=False)]

    def _under_names(self, text: str, *, evident: bool) -> list[SecretPlace]:
        places = []
        for name, start, end in binary.named(text):
            rule = self._find.rule(name, text[start:end])
            secret = secret_of(text[start:end])
            if rule is None:
                continue
            framed = evident and text_evidence.is_framed(text, name, start, end)
            if evident and not text_evidence.is_evident(name, rule, secret, framed=framed):
                continue
            self._known.learn(secret)
            places.append(SecretPlace(start, end, name, secret, rule))
        return places

    def repeated(self, data: bytes, *, cut: bool = False) -> list[SecretPlace]:
        """Where credentials are that were taken out before."""
        return [
            SecretPlace(start, end, "", origin, "repeated")
            for start, end, origin in self._known.spans(data, cut=cut)
        ]

    def is_content(self, name: str) -> bool:
        """Whether a field of this name holds text, transcripts or audio."""
        return self._find.is_content(name) and not self._find.knows(name)

    def describe(self, place: SecretPlace) -> Entry:
        return self._redact.describe(self._where, place.name, place.secret, place.why)

    def without(self, data: bytes, places: list[SecretPlace]) -> RedactedMessage:
        """The payload without what is at some places; of those that overlap the first counts."""
        out, taken, at = [], [], 0
        for place in sorted(places, key=lambda p: (p.start, -p.end)):
            if place.end <= at:
                continue
            if place.start >= at:
                out += [data[at : place.start], place.word]
                taken.append(self.describe(place))
            at = place.end
        return RedactedMessage(b"".join([*out, data[at:]]), taken)


def secret_of(text: str) -> str:
    """What a place in a Latin-1 text says."""
    return plain(text.encode("latin-1").decode("utf-8", "surrogateescape"))
