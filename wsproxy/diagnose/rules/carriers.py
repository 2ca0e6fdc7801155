"""Rules about what carries the app's audio: audio in a form that the API does not take.

The session finds audio in whatever carries it (`session.audio_carrier`); the catalog says what
carries it by the API's documents. `traffic.carrier.wrong` is the condition of all of them,
and conditions of providers name single ones as causes.
"""

from __future__ import annotations

from wsproxy.catalog.envelope import json_object
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.audio_carrier import (
    BASE64_JSON,
    BASE64_TEXT,
    BINARY,
    BUFFER_JSON,
    DATA_URL,
    HEX_JSON,
    MSGPACK,
    NUMBERS_JSON,
    OBJECT_TEXT,
    PRINTED_BYTES,
    TWILIO_JSON,
)
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.outcome import proof_of
from wsproxy.session.session_audio import is_audio
from wsproxy.wording import plural

_ALSO_RIGHT = (BASE64_JSON, BASE64_TEXT, NUMBERS_JSON)  # where an API takes audio in JSON
_MIN_TEXTS = 5  # text messages without a meaning that are hardly anything but audio gone wrong
_NAMES = {
    BINARY: "bytes",
    BASE64_JSON: "base64 in JSON",
    BASE64_TEXT: "base64 as text",
    HEX_JSON: "hexadecimal in JSON",
    MSGPACK: "binary data in MessagePack",
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


def binary_for_json(facts: SessionFacts) -> list[Evidence]:
    """The bytes were sent in binary messages to an API that takes base64 in JSON."""
    audio = facts.api.audio if facts.api else None
    if audio is None or audio.carrier != "json-base64" or not _is_expected(facts):
        return []
    tracks = facts.tracks(from_client=True)
    if any(track.carrier == BASE64_JSON for track in tracks):
        return []
    found = [track for track in tracks if track.carrier == BINARY and is_audio(track.kind)]
    return [_evidence(track, "base64 in JSON") for track in found if track.first_places]


def other_field(facts: SessionFacts) -> list[Evidence]:
    """The base64 is in a field of another name than the API's."""
    audio = facts.api.audio if facts.api else None
    if audio is None or audio.carrier != "json-base64" or not _is_expected(facts):
        return []
    names = [path.rpartition(".")[2] for path in audio.fields]
    tracks = [track for track in facts.tracks(from_client=True) if track.carrier == BASE64_JSON]
    if not names or not tracks or any(track.json_field in names for track in tracks):
        return []
    track, first = tracks[0], tracks[0].first_places[0]
    text = f"{plural(track.messages, 'message')} with the audio in {quoted(track.json_field, 40)}; "
    text += f"the API takes it in {' or '.join(dict.fromkeys(names))}, from frame {first.frame} on"
    return [Evidence(text, (first.frame,), first.t_ns, float(track.messages), "messages")]


def texts_for_audio(facts: SessionFacts) -> list[Evidence]:
    """The app sent no audio, and many texts that have no meaning in the API."""
    known = facts.vocabulary.client
    if not _takes_bytes(facts) or not known or facts.session.audio.tracks(from_client=True):
        return []
    name = facts.vocabulary.kind
    odd = [
        message
        for message in facts.session.messages(from_client=True)
        if message.complete
        and message.text.strip() not in known
        and not _has_kind(message.text, name)
    ]
    if len(odd) < _MIN_TEXTS:
        return []
    first = odd[0]
    text = f"{plural(len(odd), 'text message')} that the API does not have, such as "
    text += f"{quoted(first.text, 40)} (frame {first.frame}), and no audio"
    frames = tuple(message.frame for message in odd[:5])
    return [Evidence(text, frames, first.t_ns, float(len(odd)), "messages")]


def wrong_carrier(facts: SessionFacts) -> list[Evidence]:
    """The app sent its audio in a form that the API does not take, and was not understood.

    Base64 in text messages has a rule of its own, `text_as_audio`.
    """
    carriers = (
        HEX_JSON,
        MSGPACK,
        TWILIO_JSON,
        BUFFER_JSON,
        NUMBERS_JSON,
        OBJECT_TEXT,
        PRINTED_BYTES,
        DATA_URL,
    )
    return (
        _carried(facts, *carriers)
        or facts.measured(binary_for_json)
        or facts.measured(other_field)
        or facts.measured(texts_for_audio)
    )


def _carried(facts: SessionFacts, *carriers: str) -> list[Evidence]:
    if not _is_expected(facts):
        return []
    takes_bytes = _takes_bytes(facts)
    wrong = [each for each in carriers if takes_bytes or each not in _ALSO_RIGHT]
    tracks = facts.session.audio.tracks(from_client=True)
    found = [track for track in tracks if track.carrier in wrong and track.first_places]
    return [_evidence(track, "its bytes" if takes_bytes else "base64 alone") for track in found]


def _evidence(track: AudioTrack, expected: str) -> Evidence:
    first = track.first_places[0]
    text = f"{plural(track.messages, 'message')} with {_NAMES[track.carrier]} in place of the "
    text += f"audio as {expected}, from frame {first.frame} on"
    return Evidence(text, (first.frame,), first.t_ns, float(track.messages), "messages")


def _is_expected(facts: SessionFacts) -> bool:
    """Whether the API takes audio from the app, and nothing shows that it understood it."""
    audio, timeline = facts.api.audio if facts.api else None, facts.session.timeline
    if audio is None or audio.origin not in ("client", "both") or not facts.session.accepted:
        return False
    return timeline is None or proof_of(timeline) is None


def _takes_bytes(facts: SessionFacts) -> bool:
    """Whether the API takes the app's audio as bytes in binary messages."""
    audio = facts.api.audio if facts.api else None
    return audio is not None and audio.carrier in ("binary", "framed") and _is_expected(facts)


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
    binary_for_json,
    other_field,
    texts_for_audio,
)
