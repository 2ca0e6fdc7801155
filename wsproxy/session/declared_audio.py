"""The format that a session declares its audio in binary messages to have."""

from __future__ import annotations

from dataclasses import dataclass

from wsproxy.audio.encodings import AudioFormat
from wsproxy.catalog import Api, json_messages
from wsproxy.catalog.envelope import field

from . import Session
from .format_timeline import encoding_and_rate
from .request_query import query_parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFormat(AudioFormat):
    """The format that the audio of a session is declared to have.

    Attributes:
        from_client: whether the client's binary messages are the audio, or the server's.
        explicit: which of "encoding", "rate" and "channels" the session itself declares; the
            others are the API's defaults.
    """

    from_client: bool
    explicit: frozenset[str] = frozenset()


def declared_format(session: Session, api: Api | None) -> DeclaredFormat | None:
    """The declared format of a session's audio; None where no binary messages carry audio."""
    audio = api.audio if api else None
    if api is None or audio is None or audio.carrier != "binary":
        return None
    if audio.origin not in ("client", "server"):
        return None
    query = query_parameters(session.request)
    messages = [m for _, m in json_messages(session, api.envelope, from_client=True)]

    def value(parameter: str, path: str) -> str:
        if parameter in query:
            return query[parameter]
        found = (field(message, path) for message in messages) if path else iter(())
        return next((str(v) for v in found if isinstance(v, str | int)), "")

    encoding = value(audio.encoding_query, audio.encoding_field).lower()
    implied = 0
    if encoding.startswith("audio/") and not encoding.startswith("audio/x-raw"):
        encoding, implied = encoding_and_rate(encoding)
    rate = _number(value(audio.rate_query, audio.rate_field)) or implied
    channels = _number(value(audio.channels_query, audio.channels_field))
    declared = {"encoding": encoding, "rate": rate, "channels": channels}
    return DeclaredFormat(
        encoding or audio.default_encoding.lower(),
        rate or audio.default_rate,
        channels or 1,
        from_client=audio.origin == "client",
        explicit=frozenset(name for name, value in declared.items() if value),
    )


def _number(text: str) -> int:
    """The number in a text, 0 where it is not one of at most six digits."""
    return int(text) if text.isdecimal() and len(text) < 7 else 0
