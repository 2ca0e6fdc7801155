"""The audio of a session: what was declared, what the bytes are, how long they last."""

from __future__ import annotations

import codecs
import functools
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

from wsproxy.audio.containers import container
from wsproxy.audio.samples import LEAST, kind_of
from wsproxy.catalog import Api, json_messages
from wsproxy.catalog.envelope import field
from wsproxy.wire import Opcode

from . import FrameColumns, Session

# Bytes of a sample, for the encodings with samples of a fixed size.
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
class AudioFormat:
    """What the session declares its audio to be.

    Attributes:
        from_client: whose binary messages are audio.
        encoding: as declared, "" where nothing is (a container is expected).
        rate: samples a second, 0 if unknown.
        given: which of "encoding", "rate" and "channels" the session declares; the others are
            the API's defaults.
    """

    from_client: bool
    encoding: str
    rate: int
    channels: int
    given: frozenset[str] = frozenset()

    @property
    def bytes_per_second(self) -> int:
        """0 if the encoding has no samples of a fixed size."""
        return _SAMPLE_BYTES.get(self.encoding, 0) * self.rate * self.channels

    def duration(self, size: int) -> float:
        """Seconds that `size` bytes last; 0.0 if unknown."""
        return size / self.bytes_per_second if self.bytes_per_second else 0.0

    def __str__(self) -> str:
        if not self.encoding:
            return "a container (no encoding declared)"
        rate = f" at {self.rate} Hz" if self.rate else ""
        channels = f", {self.channels} channels" if self.channels != 1 else ""
        return f"{self.encoding}{rate}{channels}"


def declared_format(session: Session, api: Api | None) -> AudioFormat | None:
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

    encoding = value(audio.encoding_query, audio.encoding_field).lower()
    rate = _number(value(audio.rate_query, audio.rate_field))
    channels = _number(value(audio.channels_query, audio.channels_field))
    given = {"encoding": encoding, "rate": rate, "channels": channels}
    return AudioFormat(
        audio.origin == "client",
        encoding or audio.default_encoding.lower(),
        rate or audio.default_rate,
        channels or 1,
        frozenset(name for name, said in given.items() if said),
    )


def query_of(session: Session) -> dict[str, str]:
    """The query parameters of a session's request; of one that is there twice the last."""
    path = session.request.path if session.request else ""
    try:
        return dict(
            parse_qsl(
                path.partition("?")[2], max_num_fields=200, errors="replace", keep_blank_values=True
            )
        )
    except ValueError:  # more than that: nobody's API
        return {}


def _number(text: str) -> int:
    """A number under a million, 0 where the text is none."""
    return int(text) if text.isdecimal() and len(text) < 7 else 0


def audio_frames(session: Session, form: AudioFormat | None) -> FrameColumns:
    """The frames that carry audio: binary ones of the side that sends it."""
    opcodes = (Opcode.BINARY,) if form else ()
    return session.track(from_client=form is None or form.from_client, opcodes=opcodes)


LOOKED_AT = 32 << 10  # bytes at most that tell what audio is
TEXTS = frozenset({"JSON", "HTML", "XML", "base64 text", "text"})
_SILENT = tuple(map(frozenset, (b"\0", b"\xff\x7f", b"\xd5\x55", b"\x80")))
_SHORT_TEXT = 32  # characters under which text may be samples by chance


# Several rules ask it of the same session.
@functools.lru_cache(maxsize=4)
def sniff(head: bytes) -> str:
    """What the first bytes of a stream are, by LOOKED_AT of them.

    Returns:
        A name of `containers.container`, one of TEXTS or of `samples.KINDS`, "silence" (of
        16-bit, 8-bit, mu-law or A-law samples), "too little to tell", "data of no known kind"
        (compressed, encrypted, samples of another size) or "nothing".
    """
    if not head:
        return "nothing"
    start = head[:LOOKED_AT]
    found = container(start) or _text_kind(start)
    if found:
        return found
    # From the first sound on, at the beginning of a sample of any size.
    silent = len(head) - len(head.lstrip(b"\0"))
    sound = head[silent // 4 * 4 :][:LOOKED_AT]
    if any(values.issuperset(sound) for values in _SILENT):
        return "silence"
    if len(sound) < LEAST:
        return "too little to tell"
    return kind_of(sound) or "data of no known kind"


def _text_kind(head: bytes) -> str | None:
    text = _printable(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n")
    low = start[:9].lower()
    if low.startswith(("<!doctype", "<html", "<head", "<body")):
        return "HTML"
    if low.startswith("<?xml"):
        return "XML"
    if _is_json(head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")):
        return "JSON"
    if len(text) >= 2 * _SHORT_TEXT and _BASE64.issuperset(text):
        return "base64 text"
    return "text" if len(text) >= _SHORT_TEXT else None


_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\r\n")
# Of an object that is longer than what is looked at, the beginning has to do.
_OBJECT = re.compile(r'\{\s*"[^"]*"\s*:')


def _printable(head: bytes) -> str | None:
    """The first 1,024 bytes as text, None where they are none."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head[:1024])
    except UnicodeDecodeError:
        return None
    return text if all(c.isprintable() or c in "\ufeff\r\n\t" for c in text) else None


def _is_json(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return _OBJECT.match(text) is not None
    return True
