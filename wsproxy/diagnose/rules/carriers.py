"""Rules about what carries the app's audio: audio in a form that the API does not take.

The session finds audio in whatever carries it (`session.audio_carrier`); the catalog says what
carries it by the API's documents. `traffic.carrier.wrong` is the condition of all of them,
and conditions of providers name single ones as causes.
"""

from __future__ import annotations

from wsproxy.catalog.envelope import json_object
from wsproxy.diagnose.evidence import Evidence, plural, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_carrier import (
    BASE64_JSON,
    BASE64_TEXT,
    BUFFER_JSON,
    DATA_URL,
    NUMBERS_JSON,
    OBJECT_TEXT,
    PRINTED_BYTES,
    TWILIO_JSON,
)

_MIN_TEXTS = 5  # text messages without a meaning that are hardly anything but audio gone wrong
_NAMES = {
    BASE64_JSON: "base64 in JSON",
    BASE64_TEXT: "base64 as text",
    TWILIO_JSON: "Twilio's media messages",
    BUFFER_JSON: "a Buffer or typed array as JSON",
    NUMBERS_JSON: "a list of numbers as JSON",
    DATA_URL: "a data URL",
    OBJECT_TEXT: "the name of an object",
    PRINTED_BYTES: "bytes as a program prints them",
}


def twilio_forwarded(facts: SessionFacts) -> list[Evidence]:
    """Twilio's media messages were passed on without unpacking."""
    return _carried(facts, TWILIO_JSON)


def numbers_for_audio(facts: SessionFacts) -> list[Evidence]:
    """A Buffer, a typed array or a list of numbers was sent as JSON."""
    return _carried(facts, BUFFER_JSON, NUMBERS_JSON)


def object_for_audio(facts: SessionFacts) -> list[Evidence]:
    """The text of an object, such as "[object Blob]", was sent in place of its bytes."""
    return _carried(facts, OBJECT_TEXT, PRINTED_BYTES)


def base64_for_audio(facts: SessionFacts) -> list[Evidence]:
    """Base64 was sent to an API that takes the bytes."""
    return _carried(facts, BASE64_TEXT, BASE64_JSON, DATA_URL)


def texts_for_audio(facts: SessionFacts) -> list[Evidence]:
    """The app sent no audio, and many texts that have no meaning in the API."""
    known = facts.vocabulary.client
    if not _takes_bytes(facts) or not known or facts.session.audio.tracks(from_client=True):
        return []
    name = facts.vocabulary.kind
    odd = [
        message
        for message in facts.session.messages(from_client=True)
        if message.text.strip() not in known and not _has_kind(message.text, name)
    ]
    if len(odd) < _MIN_TEXTS:
        return []
    first = odd[0]
    text = f"{plural(len(odd), 'text message')} that the API does not have, such as "
    text += f"{quoted(first.text, 40)} (frame {first.frame}), and no audio"
    frames = tuple(message.frame for message in odd[:5])
    return [Evidence(text, frames, first.t_ns, float(len(odd)), "messages")]


def wrong_carrier(facts: SessionFacts) -> list[Evidence]:
    """The app sent its audio in a form that the API does not take.

    Base64 in text messages has a rule of its own, `text_as_audio`.
    """
    carriers = (TWILIO_JSON, BUFFER_JSON, NUMBERS_JSON, OBJECT_TEXT, PRINTED_BYTES, DATA_URL)
    return _carried(facts, *carriers) or texts_for_audio(facts)


def _carried(facts: SessionFacts, *carriers: str) -> list[Evidence]:
    if not _takes_bytes(facts):
        return []
    tracks = facts.session.audio.tracks(from_client=True)
    out = []
    for track in tracks:
        if track.carrier not in carriers or not track.first_places:
            continue
        first = track.first_places[0]
        text = f"{plural(track.messages, 'message')} with {_NAMES[track.carrier]} in place of the "
        text += f"bytes of the audio, from frame {first.frame} on"
        frames = (first.frame,)
        out.append(Evidence(text, frames, first.t_ns, float(track.messages), "messages"))
    return out


def _takes_bytes(facts: SessionFacts) -> bool:
    """Whether the API takes the app's audio as bytes in binary messages."""
    audio = facts.api.audio if facts.api else None
    if audio is None or not facts.session.accepted:
        return False
    return audio.origin == "client" and audio.carrier in ("binary", "framed")


def _has_kind(text: str, name: str) -> bool:
    """Whether a text is a message with a kind, even if the API does not know it."""
    content = json_object(text)
    return content is not None and bool(name) and isinstance(content.get(name), str)


RULES: tuple[Measure, ...] = (
    wrong_carrier,
    twilio_forwarded,
    numbers_for_audio,
    object_for_audio,
    base64_for_audio,
    texts_for_audio,
)
