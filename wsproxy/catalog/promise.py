"""What a service promises for a setting of the client, for the catalog file of an API."""

from __future__ import annotations

from dataclasses import dataclass

from .success import MessagePattern


@dataclass(frozen=True, slots=True)
class Promise:
    """What comes because the client asked for it.

    Attributes:
        what: that is, for people.
        settings: of the client, in the URL (`query.NAME=VALUE`) or in a message, that ask for it;
            empty: it comes unasked.
        unless: settings without it.
        messages: of the server; one of them keeps the promise.
        fields: dotted paths in a final result with words; a value there keeps it.
        texts: in a result; one of them keeps it.
        words: of final results, which are enough to show it.
        pause: seconds of audio without words after which it has to come, each time; 0: it comes
            with the words.
    """

    what: str
    settings: tuple[MessagePattern, ...] = ()
    unless: tuple[MessagePattern, ...] = ()
    messages: tuple[MessagePattern, ...] = ()
    fields: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    words: int = 0
    pause: float = 0.0
