"""One turn of the client in a dialogue: an utterance or a text, and what the server says to it."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from wsproxy.audio.encodings import encoding_named
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog.envelope import field as field_at

from .recognizer import RecognizedWord, sentence

_CHARACTER_SECONDS = 0.06  # seconds of speech
_SHORTEST, _LONGEST = 0.4, 20.0  # seconds of speech
_PIECE = 0.25  # seconds of speech in one message
HELLO = "Hello, this is the synthetic assistant. How can I help you today?"
_ANSWERS = (
    "Thank you for calling. Let me look that up for you.",
    "I found your request, and everything is ready for tomorrow.",
    "Could you tell me the name that it was booked under?",
    "Of course. I will send the details to you in a moment.",
    "That is all settled now. Is there anything else I can do?",
)
_TAG = re.compile(r"<[^<>]*>")
_RATE = re.compile(r"(?<!\d)(\d{1,3})(khz|000)\b|_(\d{4,5})(?!\d)", re.IGNORECASE)
# Where clients declare the format of the server's audio.
_FORMAT_FIELDS = (
    "output_format.sample_rate",
    "output_format.encoding",
    "output_format",
    "audio.output.sample_rate",
    "audio.output.encoding",
    "synthesis.audio.outputFormat",
    "synthesis.audio.metadataOptions.outputFormat",
    "data.speech_sample_rate",
    "data.output_audio_codec",
    "audio_format",
    "sample_rate",
    "precision",
)
_FORMAT_PARAMETERS = (
    "encoding",
    "codec",
    "sample_rate",
    "output_format",
    "audioFormat",
    "samplingRate",
)


@dataclass(slots=True)
class ClientTurn:
    """What the client said since the last turn.

    Attributes:
        number: from 0, in the session.
        content: the client's last fields by name, newest first where they repeat.
        words: of its speech.
        text: to synthesize.
        started: whether the server has reported its beginning.
        changed: when the last of it came, in seconds of a monotonic clock.
    """

    number: int
    content: dict[str, Any] = field(default_factory=dict)
    words: list[RecognizedWord] = field(default_factory=list)
    text: str = ""
    started: bool = False
    changed: float = 0.0

    @property
    def pending(self) -> bool:
        """Whether there is something to reply to."""
        return bool(self.words or self.text.strip())

    def values(self, total: float) -> dict[str, Any]:
        """The values of its placeholders.

        Args:
            total: seconds of the client's audio so far.
        """
        start = self.words[0].start if self.words else total
        end = self.words[-1].end if self.words else total
        said = " ".join(word.text for word in self.words)
        answer = _ANSWERS[self.number % len(_ANSWERS)]
        return {
            "text": sentence(self.words) if self.words else self.text.strip(),
            "interim": said or self.text.strip(),
            "answer": answer,
            "hello": HELLO,
            "spoken": spoken_words(self.text),
            "turn": self.number,
            "start": start,
            "end": end,
            "duration": round(end - start, 3),
            "total": round(total, 3),
        }


def spoken_text(content: Mapping[str, Any], path: str, raw: str) -> str:
    """The text to synthesize in a client's message, without markup.

    Args:
        path: of its field; empty: under a usual name.
        raw: the message, which is SSML in some APIs.
    """
    if path:
        found = field_at(content, path)
    else:
        names = ("text", "transcript", "inputs.0.text")
        found = next(filter(None, (field_at(content, name) for name in names)), None)
    if found is None and "<speak" in raw:
        found = _TAG.sub(" ", raw[raw.index("<speak") :])
    return " ".join(found.split()) + " " if isinstance(found, str) and found.strip() else ""


def spoken_words(text: str) -> dict[str, list[Any]]:
    """The words of a text, and when each begins and ends in its speech, in seconds."""
    words = text.split()
    ends = list(accumulate((len(word) + 1) * _CHARACTER_SECONDS for word in words))
    starts = [0.0, *ends[:-1]][: len(words)]
    times = {"start": starts, "end": ends}
    return {"words": words, **{name: [round(t, 3) for t in each] for name, each in times.items()}}


def audio_pieces(
    text: str, declared: Sequence[str], rate: int, seed: int, container: str = ""
) -> list[bytes]:
    """Speech as long as a text, in pieces.

    Args:
        declared: encodings, rates and names of formats that the client declared for it.
        rate: samples a second if nothing declares them.
        container: "wav": each piece is a file; empty: samples alone, and a header before the
            first ones if the client declared a format such as "riff-16khz-16bit-mono-pcm".
    """
    rate = next(filter(None, map(_declared_rate, declared)), rate)
    encodings = filter(None, (encoding_named(re.sub(r"_\d+$", "", name)) for name in declared))
    law = next((found.law for found in encodings if found.law), None)
    seconds = min(max(len(text) * _CHARACTER_SECONDS, _SHORTEST), _LONGEST)
    samples = speech(seconds, rate, seed)
    size = int(rate * _PIECE) * 2
    pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
    if law:
        return [law.encode_pcm(piece) for piece in pieces]
    if container:
        return [_wav_header(rate, len(piece)) + piece for piece in pieces]
    if any(name.startswith("riff-") for name in declared):
        pieces[0] = _wav_header(rate, 0) + pieces[0]
    return pieces


def _wav_header(rate: int, size: int) -> bytes:
    """The header of a WAV file with 16-bit samples; a size of 0 is unknown."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    riff = size + 36 if size else 0
    return (
        struct.pack("<4sI8s", b"RIFF", riff, b"WAVEfmt ")
        + form
        + struct.pack("<4sI", b"data", size)
    )


def declared_formats(content: Mapping[str, Any], query: Mapping[str, str]) -> list[str]:
    """What a client declares about the format of the server's audio."""
    values = [field_at(content, path) for path in _FORMAT_FIELDS]
    values += [query.get(name) for name in _FORMAT_PARAMETERS]
    return [str(value) for value in values if isinstance(value, str | int)]


def _declared_rate(text: str) -> int:
    """The rate in "24000", "pcm_24000" or "raw-24khz-16bit-mono-pcm"; 0 if there is none."""
    if text.isdecimal():
        return int(text) if 4 <= len(text) <= 5 else 0
    found = _RATE.search(text)
    if found is None:
        return 0
    return int(found[1]) * 1000 if found[1] else int(found[3])


def has_value(content: Mapping[str, Any], query: Mapping[str, str], condition: str) -> bool:
    """Whether a "path=JSON" of `Dialogue.manual` or `mute` holds."""
    path, _, wanted = condition.partition("=")
    if path.startswith("query."):
        return bool(query.get(path.removeprefix("query.")) == json.loads(wanted))
    parent, _, name = path.rpartition(".")
    holder = field_at(content, parent) if parent else content
    return isinstance(holder, dict) and name in holder and bool(holder[name] == json.loads(wanted))
