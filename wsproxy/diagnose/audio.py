"""The audio of a session: what was declared, what the bytes are, how long they last."""

from __future__ import annotations

import json
import math
from array import array
from dataclasses import dataclass
from urllib.parse import parse_qsl

from wsproxy.catalog import Api, json_messages
from wsproxy.envelope import field
from wsproxy.session import Session, Track
from wsproxy.wire import Opcode

# Bytes of a sample for the encodings whose length tells their duration.
_SAMPLE_BYTES = {
    "linear16": 2,
    "linear32": 4,
    "pcm_s16le": 2,
    "pcm_s16be": 2,
    "pcm_f32le": 4,
    "pcm_f32be": 4,
    "pcm_mulaw": 1,
    "mulaw": 1,
    "ulaw": 1,
    "alaw": 1,
}


@dataclass(frozen=True, slots=True)
class Format:
    """What the session declares its audio to be.

    Attributes:
        from_client: whose binary messages are audio.
        encoding: as declared, "" where nothing is (a container is expected).
        rate: samples a second, 0 if not known.
        bytes_per_second: 0 where the length does not tell the duration.
    """

    from_client: bool
    encoding: str
    rate: int
    channels: int

    @property
    def bytes_per_second(self) -> int:
        return _SAMPLE_BYTES.get(self.encoding, 0) * self.rate * self.channels

    def duration(self, size: int) -> float:
        """Seconds that so many bytes last; 0.0 where that is not known."""
        return size / self.bytes_per_second if self.bytes_per_second else 0.0

    def __str__(self) -> str:
        if not self.encoding:
            return "a container (no encoding declared)"
        rate = f" at {self.rate} Hz" if self.rate else ""
        channels = f", {self.channels} channels" if self.channels != 1 else ""
        return f"{self.encoding}{rate}{channels}"


def declared(session: Session, api: Api | None) -> Format | None:
    """The declared format of a session's audio; None if its API has none in binary messages."""
    audio = api.audio if api else None
    if api is None or audio is None or audio.carrier != "binary":
        return None
    if audio.origin not in ("client", "server"):
        return None
    query = query_of(session)
    said = [m for _, m in json_messages(session, api.envelope, from_client=True)]

    def value(parameter: str, path: str) -> str:
        if parameter in query:
            return query[parameter]
        found = (field(message, path) for message in said) if path else iter(())
        return next((str(v) for v in found if isinstance(v, str | int)), "")

    return Format(
        audio.origin == "client",
        (value(audio.encoding_query, audio.encoding_field) or audio.default_encoding).lower(),
        _number(value(audio.rate_query, audio.rate_field), audio.default_rate),
        _number(value(audio.channels_query, audio.channels_field), 1),
    )


def query_of(session: Session) -> dict[str, str]:
    """The query parameters of a session's request; of one that is there twice the last."""
    path = session.request.path if session.request else ""
    return dict(
        parse_qsl(
            path.partition("?")[2], max_num_fields=200, errors="replace", keep_blank_values=True
        )
    )


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and 0 < int(text) < 1_000_000 else default


def chunks(session: Session, form: Format | None) -> Track:
    """The frames that carry audio: binary ones of the side that sends it."""
    opcodes = (Opcode.BINARY,) if form else ()
    return session.track(from_client=form is None or form.from_client, opcodes=opcodes)


_MAGICS = (
    (b"RIFF", "WAV"),
    (b"OggS", "Ogg"),
    (b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (b"fLaC", "FLAC"),
    (b"ID3", "MP3"),
    (b"#!AMR", "AMR"),
    (b"\xff\xf1", "AAC (ADTS)"),
    (b"\xff\xf9", "AAC (ADTS)"),
    (b"\xff\xfb", "MP3"),
    (b"\xff\xf3", "MP3"),
)


def sniff(head: bytes) -> str:
    """What the first bytes of a stream are.

    Returns:
        A container's or codec's name, "JSON", "HTML", "base64 text", "text", "silence" (all
        zero), "16-bit PCM", "noise" (statistics of neither text nor PCM) or "nothing".
    """
    if not head:
        return "nothing"
    for magic, name in _MAGICS:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "MP4"
    if not any(head):
        return "silence"
    return _text_kind(head) or _sample_kind(head)


def _text_kind(head: bytes) -> str | None:
    try:
        text = head[:1024].decode("ascii")
    except UnicodeDecodeError:
        return None
    if not all(c.isprintable() or c in "\r\n\t" for c in text):
        return None
    start = text.lstrip().lower()
    if start.startswith(("<!doctype", "<html", "<?xml")):
        return "HTML"
    if start.startswith(("{", "[")):
        return "JSON" if _is_json(head) else "text"
    if len(text) >= 64 and not set(text.strip()) - _BASE64:
        return "base64 text"
    return "text"


_BASE64 = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n")


def _is_json(head: bytes) -> bool:
    try:
        json.JSONDecoder().raw_decode(head.decode("utf-8", "replace").lstrip())
    except (ValueError, RecursionError):
        return False
    return True


def _sample_kind(head: bytes) -> str:
    """PCM moves little from sample to sample; what is compressed, or no audio, does not."""
    samples = array("h", head[: min(len(head), 1 << 15) // 2 * 2])
    if len(samples) < 200:
        return "16-bit PCM or too little to tell"
    mean = sum(samples) / len(samples)
    power = math.sqrt(sum((s - mean) ** 2 for s in samples) / len(samples))
    steps = (samples[i + 1] - samples[i] for i in range(len(samples) - 1))
    step = math.sqrt(sum(d * d for d in steps) / (len(samples) - 1))
    return "16-bit PCM" if step < power * 1.2 else "noise"
