"""What carries audio in a message, right or wrong: binary data, base64 in JSON, and so on.

Nothing here depends on the provider: audio is found in whatever carries it, so that unknown APIs
are covered, and audio in the wrong carrier is a fact.
"""

from __future__ import annotations

import re
import sys
import zlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wsproxy.audio.base64_text import decode_base64, is_base64
from wsproxy.catalog import envelope

from .message_kinds import KIND_FIELDS

BINARY = "binary"  # the message is the audio
FRAMED = "framed"  # Azure's headers, or AWS's event-stream, around the audio
BASE64_JSON = "base64-json"  # base64 in a field of a JSON message
BASE64_TEXT = "base64-text"  # the text message is base64
HEX_JSON = "hex-json"  # hexadecimal digits in a field of a JSON message
MSGPACK = "msgpack"  # a binary value of a MessagePack map
TWILIO_JSON = "twilio-json"  # Twilio's media event
BUFFER_JSON = "buffer-json"  # Node's Buffer, or a typed array, as JSON prints it
NUMBERS_JSON = "numbers-json"  # an array of numbers
DATA_URL = "data-url"  # data:audio/…;base64,…
OBJECT_TEXT = "object-text"  # "[object Blob]", "[object ArrayBuffer]"
PRINTED_BYTES = "printed-bytes"  # b'\x00…' as Python prints it
CARRIERS = (
    BINARY,
    FRAMED,
    BASE64_JSON,
    BASE64_TEXT,
    HEX_JSON,
    MSGPACK,
    TWILIO_JSON,
    BUFFER_JSON,
    NUMBERS_JSON,
    DATA_URL,
    OBJECT_TEXT,
    PRINTED_BYTES,
)

_HEX = b"0123456789abcdef"
_HEX_DIGITS = 3  # different ones, of which audio in hexadecimal has at least as many
_MIN_BASE64 = 120  # characters of base64 that are hardly anything else
_MIN_CHUNK = 40  # of it in a field of audio, of a message of audio; 10 ms of mu-law are 108
_LONG = 1 << 20  # bytes of a text whose strings are counted before it is split
_MAX_QUOTES = 200_000
_MAX_FIELDS = 16  # fields, and kinds of messages of each, that are remembered
_MIN_NUMBERS = 32  # numbers in a list that may be samples
_ENVELOPES_TRIED = 16  # binary messages of a direction in which an envelope is looked for
# Fields that carry audio in the APIs of the catalog and in those of telephony providers.
_AUDIO_FIELDS = frozenset(
    b"audio audio_data audio_chunk audio_base_64 audio_base64 audiobase64 audiocontent chunk "
    b"user_audio_chunk payload pcm samples audiochunk audiodata".split()
)
_KIND_FIELDS = tuple(name.encode() for name in (*KIND_FIELDS, "message"))
_MEDIA_FIELDS = (b"mimeType", b"mime_type", b"contentType", b"content_type")
_OBJECT = re.compile(rb'\s*"?\[object (?:Blob|ArrayBuffer|Uint8Array|Int16Array|Object)\]"?\s*\Z')
_BUFFER = re.compile(rb'"type"\s*:\s*"Buffer"\s*,\s*"data"\s*:\s*(\[[\d,\s]*)')
_TYPED_ARRAY = re.compile(rb'\{\s*"0"\s*:\s*-?[\d.e-]+\s*,\s*"1"\s*:\s*-?\d')
_INDEX = re.compile(rb'"\d+"\s*:\s*(-?[\d.e-]+)')
_NUMBERS = re.compile(rb'(?:"(\w{1,40})"\s*:\s*|^\s*)(\[\s*-?\d[\s\d.,e+-]*)')
_DATA_URL = re.compile(rb"data:(audio/[^\"]{1,80}|application/octet-stream);base64,")


@dataclass(slots=True)
class CarriedAudio:
    """The audio of one message.

    Attributes:
        carrier: one of CARRIERS.
        json_field: the name of the JSON field, "" outside of JSON.
        size: bytes of audio, those that were not recorded included.
        decode: returns the audio, as much as was recorded.
        encoded: the texts that hold it, as base64 or hexadecimal, of a JSON message without its
            escapes.
        media: the media type that the message declares, "" if none.
        known: whether it is audio for certain; otherwise the content has to show it.
    """

    carrier: str
    json_field: str
    size: int
    decode: Callable[[], bytes]
    encoded: Sequence[bytes] = ()
    media: str = ""
    known: bool = True
    _data: bytes | None = None

    def data(self) -> bytes:
        """The audio, as much as was recorded; decoded once."""
        if self._data is None:
            self._data = self.decode()
        return self._data


@dataclass(slots=True)
class AudioCarrierReader:
    """Finds the audio in the messages of one direction, which it is given in their order.

    Attributes:
        fields: dotted paths of the fields in which the API carries audio: however short it is.
    """

    fields: Sequence[str] = ()
    _kinds: dict[bytes, set[bytes]] = field(default_factory=dict)  # of messages, by audio field
    _envelope: str = ""
    _binaries: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether binary messages have no envelope: enough of them had none."""
        return self._binaries >= _ENVELOPES_TRIED and not self._envelope

    def binary(self, data: bytes, length: int) -> CarriedAudio | None:
        """The audio of a binary message.

        Args:
            data: the message, or its beginning.
            length: bytes of all of it.

        Returns:
            None where the message has none: it is JSON with audio in no field, or an event.
        """
        if self._binaries < _ENVELOPES_TRIED:
            self._binaries += 1
            self._envelope = _envelope_of(data) or self._envelope
        if self._envelope:
            message, audio = envelope.read(self._envelope, data)
            if message is not None:
                media = str(message.get("Content-Type", message.get(":content-type", "")))[:80]
                size = len(audio) + length - len(data)
                return CarriedAudio(FRAMED, "", size, lambda: audio, (), media) if audio else None
        if data[:1] == b"{" and data[-4:].rstrip()[-1:] == b"}" and b'":' in data:
            found = self.text(data, length)
            if found is not None:
                return found
        return CarriedAudio(BINARY, "", length, lambda: data)

    def text(self, data: bytes, length: int) -> CarriedAudio | None:
        """The audio of a text message, None where it has none; arguments as of `binary`."""
        if len(data) > _LONG and data.count(b'"') > _MAX_QUOTES:
            return _printed(data)  # many values: no string with audio is among so many
        if not (self._kinds or self.fields) and len(data) < _MIN_BASE64:
            if data[:1] == b"{":
                return None  # nearly always, where all audio is binary
            return self._short(data, ())
        parts = data.split(b'"')
        if max(map(len, parts)) < _MIN_BASE64:
            return self._declared(data, parts) or self._short(data, parts)
        longest = max(parts, key=len)
        missing = length - len(data)
        if longest.startswith(b"data:"):
            url = _DATA_URL.match(longest)
            if url is None:
                return None
            found = _base64(DATA_URL, b"", [longest[url.end() :]], missing, url[1])
            found.encoded = [_unescaped(longest)]
            return found
        if not is_base64(longest):
            return self._declared(data, parts) or _printed(data)
        if len(parts) in (1, 3):  # the text itself, or one JSON string
            return _base64(BASE64_TEXT, b"", [longest.strip()], missing)
        return self._field(parts, longest, missing)

    def _field(self, parts: Sequence[bytes], longest: bytes, missing: int) -> CarriedAudio | None:
        """The audio of a JSON message whose longest string is base64."""
        at = parts.index(longest)
        name = parts[at - 2] if at >= 2 and parts[at - 1].strip() == b":" else b""
        kind, media = _value(parts, _KIND_FIELDS), _value(parts, _MEDIA_FIELDS)
        if media.startswith((b"image/", b"video/", b"text/")):
            return None
        known = name.lower() in _AUDIO_FIELDS or media.startswith(b"audio/") or b"audio" in kind
        kinds = self._kinds.setdefault(name, set()) if len(self._kinds) < _MAX_FIELDS else set()
        if len(kinds) < _MAX_FIELDS:
            kinds.add(kind)
        contents = [longest]
        if name and parts.count(name) > 1:
            # After a colon: the kind may have the same name, as in {"type": "audio", "audio": "…"}.
            contents = [
                part
                for i, part in enumerate(parts)
                if i > 1 and parts[i - 2] == name and parts[i - 1].strip() == b":"
            ]
            contents = [part for part in contents if part and is_base64(part)]
        if _is_hex(longest):
            return _hexadecimal(name, contents, missing, media, known=known)
        if kind == b"media" and name == b"payload":
            return _base64(TWILIO_JSON, _of_call(parts), contents, missing, media, known=known)
        return _base64(BASE64_JSON, name, contents, missing, media, known=known)

    def _declared(self, data: bytes, parts: Sequence[bytes]) -> CarriedAudio | None:
        """The audio of a JSON message in the fields that the API names."""
        names = [(path, path.rpartition(".")[2]) for path in self.fields]
        found = [(path, name) for path, name in names if name.encode() in parts]
        if not found:
            return None
        kind = _value(parts, _KIND_FIELDS)
        message = envelope.json_object(data.decode("utf-8", "replace"))
        for path, name in found:
            # OpenAI uses one field name for text and audio; only the kind distinguishes them.
            if name == "delta" and b"audio.delta" not in kind:
                continue
            values = (holder[name] for holder, _ in envelope.holders(message, path))
            texts = [value.encode("utf-8", "replace") for value in values if isinstance(value, str)]
            if texts := [text for text in texts if text and is_base64(text)]:
                return _base64(BASE64_JSON, name.encode(), texts, 0)
        return None

    def _chunk(self, parts: Sequence[bytes]) -> CarriedAudio | None:
        """The audio of a short message that names it: its kind, and its field."""
        if not _MIN_CHUNK <= max(map(len, parts), default=0) < _MIN_BASE64:
            return None
        longest = max(parts, key=len)
        at, kind = parts.index(longest), _value(parts, _KIND_FIELDS)
        if at < 2 or parts[at - 2].lower() not in _AUDIO_FIELDS or not is_base64(longest):
            return None
        return self._field(parts, longest, 0) if kind == b"media" or b"audio" in kind else None

    def _short(self, data: bytes, parts: Sequence[bytes]) -> CarriedAudio | None:
        """The audio of a message without a long string.

        It is in a field that has carried some, or the message names it as audio.
        """
        if found := self._chunk(parts):
            return found
        if not self._kinds and len(data) >= _MIN_BASE64 and data.count(b",") < _MIN_NUMBERS:
            return None  # nearly always
        for name, kinds in self._kinds.items():
            if name in parts and (kind := _value(parts, _KIND_FIELDS)) in kinds:
                at = parts.index(name)
                content = parts[at + 2] if at + 2 < len(parts) else b""
                if len(content) > 3 and parts[at + 1].strip() == b":" and is_base64(content):
                    twilio = kind == b"media" and name == b"payload"
                    if twilio:
                        return _base64(TWILIO_JSON, _of_call(parts), [content], 0)
                    return _base64(BASE64_JSON, name, [content], 0)
        if len(data) < _MIN_BASE64:
            is_object = data[:10].lstrip(b' "\t\r\n').startswith(b"[object") and _OBJECT.match(data)
            return CarriedAudio(OBJECT_TEXT, "", 0, bytes) if is_object else None
        return _printed(data) if data.count(b",") >= _MIN_NUMBERS else None


def _base64(  # one call for each carrier
    carrier: str,
    name: bytes,
    contents: Sequence[bytes],
    missing: int,
    media: bytes = b"",
    *,
    known: bool = True,
) -> CarriedAudio:
    """Audio in base64, in one or more strings."""
    contents = [_unescaped(c) if b"\\" in c else c for c in contents]
    size = sum((len(c) - c[-2:].count(b"=")) * 3 // 4 for c in contents)
    if missing:  # estimated: a number of complete samples, as no rule may say that it is not
        size = (size + missing * 3 // 4) // 4 * 4
    return CarriedAudio(
        carrier,
        name.decode("utf-8", "replace")[:60],
        size,
        lambda: b"".join(map(decode_base64, contents)),
        contents,
        media.decode("utf-8", "replace")[:80],
        known,
    )


def _is_hex(text: bytes) -> bool:
    """Whether it is hexadecimal, which hardly any audio in base64 looks like."""
    if text[:_MIN_BASE64].translate(None, _HEX) or len(text) % 2:
        return False  # nearly always
    return not text.translate(None, _HEX) and len(set(text)) >= _HEX_DIGITS


def _hexadecimal(
    name: bytes, contents: Sequence[bytes], missing: int, media: bytes, *, known: bool
) -> CarriedAudio:
    """Audio in hexadecimal, as MiniMax sends it."""
    digits = [c for c in contents if not (len(c) % 2 or c.translate(None, _HEX))]
    return CarriedAudio(
        HEX_JSON,
        name.decode("utf-8", "replace")[:60],
        (sum(map(len, digits)) + missing) // 4 * 2,
        lambda: bytes.fromhex(b"".join(digits).decode()),
        digits,
        media.decode("utf-8", "replace")[:80],
        known,
    )


def _unescaped(text: bytes) -> bytes:
    """Base64 without the escapes of JSON: of slashes, and of the ends of lines."""
    return text.replace(b"\\r", b"\r").replace(b"\\n", b"\n").replace(b"\\", b"")


def _of_call(parts: Sequence[bytes]) -> bytes:
    """The name of the audio of a call: a stream may have that of both sides in turn."""
    return b"payload outbound" if _value(parts, (b"track",)) == b"outbound" else b"payload"


def _value(parts: Sequence[bytes], names: Sequence[bytes]) -> bytes:
    """The text in the first of these fields, by the parts of JSON between its quotes."""
    for name in names:
        if name in parts:
            at = parts.index(name) + 2
            if at < len(parts) and parts[at - 1].strip() == b":":
                return parts[at][:60]
    return b""


def _envelope_of(data: bytes) -> str:
    """The envelope that a binary message shows by its first bytes, "" if none."""
    size = int.from_bytes(data[:2], "big")
    if 4 < size < 4096 and b"path:" in data[2 : 2 + size].lower():
        return "azure"
    if len(data) >= 16 and zlib.crc32(data[:8]) == int.from_bytes(data[8:12], "big"):
        return "event-stream"
    return ""


# -- samples that were printed


def _printed(data: bytes) -> CarriedAudio | None:
    """The audio of a text that a program printed from its samples."""
    if b'"Buffer"' in data and (buffer := _BUFFER.search(data)):
        return _numbers(BUFFER_JSON, b"", buffer[1])
    if _TYPED_ARRAY.match(data):
        return _numbers(BUFFER_JSON, b"", b",".join(_INDEX.findall(data)))
    if data[:2] in (b"b'", b'b"') and data.count(b"\\x") >= _MIN_NUMBERS:
        content = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), data.strip()[2:-1])
        return CarriedAudio(PRINTED_BYTES, "", len(content), lambda: content)
    found = _NUMBERS.search(data)
    if found is None or found[2].count(b",") < _MIN_NUMBERS:
        return None
    name = found[1] or b""
    if name and name.lower() not in _AUDIO_FIELDS | {b"data"}:
        return None  # times of words, an embedding
    return _numbers(NUMBERS_JSON, name, found[2], known=False)


def _numbers(carrier: str, name: bytes, text: bytes, *, known: bool = True) -> CarriedAudio:
    """Audio as a list of numbers: bytes, 16-bit samples or floats."""
    values = [value for value in text.strip(b"[ \r\n\t,").split(b",") if value.strip()]
    data = _packed(values)
    return CarriedAudio(
        carrier, name.decode("utf-8", "replace"), len(data), lambda: data, known=known
    )


def _packed(values: Sequence[bytes]) -> bytes:
    """Numbers as little-endian samples of the smallest type that holds them."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return b""
    if all(number.is_integer() and 0 <= number <= 255 for number in numbers):
        return bytes(int(number) for number in numbers)
    packed: array[int] | array[float]
    if all(number.is_integer() for number in numbers):
        packed = array("h", (int(max(-32768.0, min(32767.0, n))) for n in numbers))
    else:
        packed = array("f", (max(-1e9, min(1e9, number)) for number in numbers))
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
