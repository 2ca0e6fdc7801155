"""How much audio a direction carries, and how much of it is audible speech.

A simple measure: it decodes 16-bit PCM and mu-law, and judges a piece of 100 ms by its peak.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Protocol
from urllib.parse import parse_qsl

from wsproxy.audio.encodings import AudioFormat, encoding_named
from wsproxy.catalog import Api

from .message import SessionMessage

PIECE = 0.1  # seconds of audio that are judged at once
HANGOVER = 0.3  # seconds after an audible piece that still count as speech
_LOUD_PCM = 3  # of 127: the high byte of samples over -33 dBFS
_LOUD_MULAW = 0x60  # codes below it, without their sign, are louder
_MIN_BASE64 = 108  # characters of a text that may be audio: 10 ms at 8 kHz
_MAX_DEPTH = 8
_MEASURED_AT_ONCE = 64  # messages
_LONG = 16 << 10  # bytes of a message that is measured at once
# The bytes that are not loud.
_QUIET_PCM = bytes(b for b in range(256) if min(b, 255 - b) < _LOUD_PCM)
_QUIET_MULAW = bytes(b for b in range(256) if b & 0x7F >= _LOUD_MULAW)
_RATE_NAMES = re.compile(r"(?i)^(?:input_|output_)?sample_?rate(?:_?hertz)?$|^rate$")
_ENCODING_NAMES = re.compile(
    r"(?i)^(?:input_audio_|output_audio_|audio_)?(?:format|encoding|type|mimeType)$"
)
_NO_AUDIO = re.compile(r"(?i)id$|token|key|signature|secret")  # names of other base64
_NAMES = {
    "g711_ulaw": ("mulaw", 8000),
    "audio/pcmu": ("mulaw", 8000),
    "ulaw_8000": ("mulaw", 8000),
    "mulaw": ("mulaw", 0),
    "g711_alaw": ("alaw", 8000),
    "audio/pcma": ("alaw", 8000),
}
_PCM_RATE = re.compile(r"(?i)^(?:audio/)?(?:l16|pcm)[_;].*?(\d{4,6})")


class AudioClock(Protocol):
    """What the timeline needs to know of the audio of a direction.

    Attributes:
        messages, size: number of messages with audio, and their bytes.
        first_ns, last_ns: time of the first and of the last one; None without audio.
    """

    messages: int
    size: int
    first_ns: int | None
    last_ns: int | None

    @property
    def speech_ns(self) -> int | None:
        """Time of the last message with audible speech; None if there was none."""

    @property
    def seconds(self) -> float | None:
        """Seconds of audio so far; None where the format does not give them."""

    @property
    def speech(self) -> float | None:
        """Seconds of audible speech so far; None where it is not decoded."""

    def add(self, message: SessionMessage) -> int:
        """Add a message of the direction; returns its bytes of audio."""


class AudioMeter:
    """An `AudioClock` over the messages of one direction.

    Args:
        api: whose messages these are; None if unknown.
        path: of the request, with its query.
    """

    def __init__(self, api: Api | None, path: str, *, from_client: bool) -> None:
        self.messages = 0
        self.size = 0
        self.first_ns: int | None = None
        self.last_ns: int | None = None
        self._speech_ns: int | None = None
        self._waiting: list[tuple[bytes, int]] = []
        self._api = api
        self._seconds: float | None = 0.0
        self._speech: float | None = 0.0
        self._quiet_for = HANGOVER
        self._set_format(_declared(api, path, from_client=from_client))

    @property
    def seconds(self) -> float | None:
        self._measure_waiting()
        return self._seconds

    @property
    def speech(self) -> float | None:
        self._measure_waiting()
        return self._speech

    @property
    def speech_ns(self) -> int | None:
        self._measure_waiting()
        return self._speech_ns

    def add(self, message: SessionMessage) -> int:
        """Add a message of the direction; returns its bytes of audio."""
        data = message.data
        if not data and message.content is not None:
            data = self._encoded(message)
        if not data:
            return 0
        if not self.messages:
            self.declare(message.content or {})
        self.add_binary(data, message.t_ns)
        return len(data)

    def add_binary(self, data: bytes, t_ns: int) -> None:
        """Add a binary message that is audio."""
        self.messages += 1
        self.size += len(data)
        self.last_ns = t_ns
        if self.first_ns is None:
            self.first_ns = t_ns
            data = self._without_header(data)
        self._waiting.append((data, t_ns))
        if len(self._waiting) >= _MEASURED_AT_ONCE or len(data) > _LONG:
            self._measure_waiting()

    def _measure_waiting(self) -> None:
        """Measure the messages that wait: few long pieces take less time than many short ones."""
        waiting = self._waiting
        if waiting:
            self._waiting = []
            ends = list(accumulate(len(data) for data, _ in waiting))
            self._measure(b"".join([data for data, _ in waiting]), ends, waiting)

    def declare(self, content: Mapping[str, Any]) -> None:
        """Learn the format from a message that configures the session."""
        rate, encoding = 0, ""
        for name, value in _leaves(content):
            if _RATE_NAMES.match(name) and str(value).isdecimal():
                rate = rate or int(str(value)[:7])
            elif _ENCODING_NAMES.match(name) and isinstance(value, str):
                known, its_rate = _NAMES.get(value.lower(), ("", 0))
                found = _PCM_RATE.match(value)
                named = value if encoding_named(value) else ""
                encoding = known or ("linear16" if found else named) or encoding
                rate = int(found[1]) if found else its_rate or rate
        if rate or encoding:
            self._set_format(
                AudioFormat(encoding or self.format.encoding, rate or self.format.rate)
            )

    def _without_header(self, data: bytes) -> bytes:
        """The audio after the header of a WAV file, whose format is used."""
        if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
            return data
        kind, channels = int.from_bytes(data[20:22], "little"), data[22]
        names = {1: "linear16", 6: "alaw", 7: "mulaw"}
        rate = int.from_bytes(data[24:28], "little")
        self._set_format(AudioFormat(names.get(kind, ""), rate, channels or 1))
        return data[44:]

    @property
    def format(self) -> AudioFormat:
        """The format that is declared at present."""
        return self._format

    def _set_format(self, declared: AudioFormat) -> None:
        self._measure_waiting()
        # Kept apart: they are needed for every message.
        self._format = declared
        self._per_second = declared.bytes_per_second
        self._step = max(2, int(self._per_second * PIECE) // 2 * 2)
        samples = declared.samples
        self._is_pcm16 = samples is not None and samples.is_pcm16
        self._is_mulaw = samples is not None and samples.kind == "mu-law"

    def _measure(
        self, data: bytes, ends: Sequence[int], messages: Sequence[tuple[bytes, int]]
    ) -> None:
        per_second = self._per_second
        if not per_second or self._seconds is None:
            self._seconds = self._speech = None
            return
        self._seconds += len(data) / per_second
        for start in range(0, len(data), self._step):
            if self._judge(data[start : start + self._step]):
                end = min(start + self._step, len(data))
                self._speech_ns = messages[bisect_left(ends, end)][1]

    def _judge(self, piece: bytes) -> bool:
        """Count a piece; whether it is audible."""
        if self._speech is None:
            return False
        if self._is_pcm16:
            loud = bool(piece[1::8].translate(None, _QUIET_PCM))
        elif self._is_mulaw:
            loud = bool(piece[::4].translate(None, _QUIET_MULAW))
        else:
            self._speech = None
            return False
        length = len(piece) / self._per_second
        self._quiet_for = 0.0 if loud else self._quiet_for + length
        if self._quiet_for < HANGOVER:
            self._speech += length
        return loud

    def _encoded(self, message: SessionMessage) -> bytes:
        """The base64 audio in the fields of a message."""
        if message.length < _MIN_BASE64 or message.content is None:
            return b""
        if not message.is_text and self._api is not None and self._api.envelope != "json":
            return b""
        found = [
            data
            for name, value in _leaves(message.content)
            if isinstance(value, str) and not _NO_AUDIO.search(name) and (data := _decoded(value))
        ]
        return max(found, key=len, default=b"")


def _leaves(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The values in JSON that are neither objects nor lists, with the names of their fields."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, key, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name, depth + 1)
    else:
        yield name, value


def _decoded(text: str) -> bytes:
    """The bytes of a long text that is base64."""
    if len(text) < _MIN_BASE64 or len(text) % 4 or " " in text[:200]:
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _declared(api: Api | None, path: str, *, from_client: bool) -> AudioFormat:
    """The format that the URL and the API's defaults declare."""
    audio = api.audio if api else None
    try:
        query = dict(parse_qsl(path.partition("?")[2], max_num_fields=200, errors="replace"))
    except ValueError:
        query = {}
    if audio is None:
        return AudioFormat(query.get("encoding", ""), _number(query.get("sample_rate", "")))
    asked = audio.origin == "both" or (audio.origin == "client") is from_client
    declared = query.get(audio.encoding_query, "") if asked else ""
    encoding = declared or audio.default_encoding
    rate = _number(query.get(audio.rate_query, "")) or audio.default_rate
    if found := _PCM_RATE.match(encoding):
        encoding, rate = "linear16", int(found[1])
    if encoding.lower() in _NAMES:
        name, its_rate = _NAMES[encoding.lower()]
        encoding, rate = name, its_rate or rate
    return AudioFormat(encoding.lower(), rate, _number(query.get(audio.channels_query, "")) or 1)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0
