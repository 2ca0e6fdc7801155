"""Takes credentials out of WebSocket messages, and whatever else is text.

`glance` says which are worth it. Messages in fragments are in `fragments`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .find import plain
from .fingerprint import PLACEHOLDER, Entry
from .head import Redactor
from .repeats import Repeats

REPLACED = PLACEHOLDER.encode()
MAX_TOLD = 1000  # maps in one record; each is up to 40 of the 50,000 items that a record may have


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A payload without credentials, and what was taken out of it."""

    data: bytes
    taken: list[Entry] = field(default_factory=list)


def told(taken: list[Entry]) -> list[Entry]:
    """What a record tells of what was taken out of it: each, up to MAX_TOLD, then how many more.

    A reader gives up a record that is over the format's limits, and what follows it.
    """
    if len(taken) <= MAX_TOLD:
        return taken
    more = taken[MAX_TOLD - 1 :]
    return [*taken[: MAX_TOLD - 1], {"where": more[0]["where"], "name": "", "more": len(more)}]


@dataclass(frozen=True, slots=True)
class Place:
    """A credential in a payload: from `start` to before `end`; see `Found` for the others."""

    start: int
    end: int
    name: str
    secret: str = field(repr=False)
    why: str
    delimiter: str = ""


class Cleaner:
    """Takes credentials out of payloads of one session.

    Args:
        redact: knows the places.
        repeats: what was taken out before.
        where: "message", "body" or "close".
    """

    def __init__(self, redact: Redactor, repeats: Repeats, where: str) -> None:
        self._redact = redact
        self._repeats = repeats
        self._where = where
        self._find = redact.find_in_body if where == "body" else redact.find

    def whole(self, data: bytes, *, cut: bool = False) -> Cleaned:
        """A payload without credentials.

        Args:
            cut: it goes on where it ends, and the rest is not kept.
        """
        return self.without(data, self.places(data, cut=cut))

    def places(self, data: bytes, *, cut: bool = False) -> list[Place]:
        """Where credentials are in a payload; see `whole`."""
        text = data.decode("latin-1")
        places = []
        for found in self._find(text, cut=cut):
            secret = secret_of(text[found.start : found.end])
            self._repeats.learn(secret)
            open_ended = found.delimiter
            places.append(Place(found.start, found.end, found.name, secret, found.why, open_ended))
        return places + self.repeated(data, cut=cut)

    def repeated(self, data: bytes, *, cut: bool = False) -> list[Place]:
        """Where credentials are that were taken out before."""
        return [
            Place(start, end, "", self._repeats.origin(form), "repeated")
            for start, end, form in self._repeats.spans(data, cut=cut)
        ]

    def describe(self, place: Place) -> Entry:
        return self._redact.describe(self._where, place.name, place.secret, place.why)

    def without(self, data: bytes, places: list[Place]) -> Cleaned:
        """The payload without what is at some places; of those that overlap the first counts."""
        out, taken, at = [], [], 0
        for place in sorted(places, key=lambda p: (p.start, -p.end)):
            if place.end <= at:
                continue
            if place.start >= at:
                out += [data[at : place.start], REPLACED]
                taken.append(self.describe(place))
            at = place.end
        return Cleaned(b"".join([*out, data[at:]]), taken)


def secret_of(text: str) -> str:
    """What a place in a Latin-1 text says."""
    return plain(text.encode("latin-1").decode("utf-8", "surrogateescape"))
