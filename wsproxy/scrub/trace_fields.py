"""The parts of a trace that may hold private data, as the leak check reads them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote

from wsproxy.catalog.envelope import read
from wsproxy.mutate.draft import Draft, DraftMessage, messages
from wsproxy.trace import Bytes, Failure, FrameRecord, Gap, Request, Response
from wsproxy.wire import Opcode

from .allowlist import AGENT_PARTS, AGENTS, Allowlist, is_version
from .documented import documented, normalized_name
from .json_rewrite import JsonValue, many_numbers, rewrite
from .texts import is_json_like, is_text

# Texts with the names of their enclosing fields, outermost first.
Fields: TypeAlias = tuple[tuple[tuple[str, ...], str], ...]

NAME = ("\0",)  # in place of the enclosing names if the text is itself a name
_HEADER = 4096  # bytes at the beginning of a stream that may hold a container's header
_NONCES = frozenset({"sec-websocket-key", "sec-websocket-accept"})
_DATED = frozenset({"date", "expires", "last-modified", "retry-after", "age"})
_URLS = frozenset({"host", "origin", "referer", "location"})
_PORT = re.compile(r":\d{1,5}(?=[/?#]|$)")
_CODED = re.compile(r"[A-Za-z0-9+/_=\s-]{48,}")
_FIGURE = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_ROW = re.compile(r"[\s\d,;.eE+-]+")
_DATA = re.compile(r"data:([\w.+/-]{1,80}(?:;[\w=.+-]{1,80}){0,4}?);base64,")
# Numbers in HTTP directives (RFC 9110, RFC 9111, RFC 7692).
_DIRECTIVE = re.compile(
    r"(?i)(?<![\w-])(?:(?:s-)?max-?age|timeout|max|q|ma|(?:client|server)_max_window_bits|rate"
    r"|channels|stale-while-revalidate|stale-if-error)[\s,;=\"]{1,4}\d{1,9}(?![\w.])"
)
_FIGURES = re.compile(r"(?<![\w.-])\d+(?![\w.-])")
# Private use areas hold words in special fonts.
_TOKEN = re.compile(r"[^\W_]{4,}|[\ue000-\uf8ff\U000f0000-\U0010ffff]+")
_RUN = re.compile(r"\w++(?:[./:@+-]++\w++)*+")
_MEASURE = re.compile(r"\b\d{1,6}(?:[.,]\d{1,6})?\s?([a-zA-Z]{1,12})(?![a-zA-Z])")
_COUNTED = re.compile(r"\b([a-zA-Z]+)(?: (?:of|is|to|at|was|value))?[ :=(]{1,2}\d{1,6}(?![\w.]*\w)")
_NESTED = 3  # levels of nested lists: channels and frames
_SAMPLES = 16  # numbers in a list that is audio


@dataclass(frozen=True, slots=True)
class TraceField:
    """A part of a trace.

    Attributes:
        fields: texts with the names of their enclosing fields, outermost first.
        kind: "path" or "parameter" of the request, or "header"; "" for a message or text.
        is_free_text: whether the texts are free text rather than a message.
        audio: bytes that may be audio.
    """

    name: str
    fields: Fields = ()
    is_free_text: bool = False
    audio: tuple[bytes, ...] = ()
    kind: str = ""

    def is_kept(self, names: tuple[str, ...], text: str, allowlist: Allowlist) -> bool:
        """Whether a text or number may stay in its field."""
        if names == NAME:
            return (
                allowlist.keeps_header(text)
                if self.kind == "header"
                else allowlist.keeps_name(text)
            )
        return (
            self.is_message(names)
            and not allowlist.is_user_defined(names)
            and allowlist.keeps(names[-1], text)
        )

    def is_message(self, names: tuple[str, ...]) -> bool:
        """Whether a text is the value of a field or parameter."""
        return bool(names) and names != NAME and self.kind != "header"


def without_harmless(text: str, allowlist: Allowlist) -> str:
    """A text without base64, names of models, numbers with a unit, and limits."""
    terms = documented()
    text = _DATA.sub(lambda each: " " if terms.is_media_type(each[1]) else each[0], text)
    text = _CODED.sub(_without_code, text)
    text = _RUN.sub(lambda each: " " if _is_term(each[0], allowlist) else each[0], text)
    text = _COUNTED.sub(lambda each: " " if each[1].lower() in terms.limits else each[0], text)
    return _MEASURE.sub(lambda each: " " if each[1].lower() in terms.units else each[0], text)


def _is_term(run: str, allowlist: Allowlist) -> bool:
    return run in allowlist.listed_values or documented().is_model(run)


def long_words(text: str) -> list[str]:
    """Words and numbers of 4 characters and more, casefolded."""
    return [each.casefold() for each in _TOKEN.findall(text)]


def _without_code(found: re.Match[str]) -> str:
    """A space for base64, which contains words by chance; other text is unchanged."""
    return " " if _bytes_of(found[0]) else found[0]


def trace_fields(draft: Draft, allowlist: Allowlist) -> Iterator[TraceField]:
    """All parts of a trace with texts or bytes of the session."""
    yield _text_field("client", draft.start.client or "")
    for line in draft.start.changes or ():
        yield _text_field("changes", line)
    for item in draft.items:
        for entry in getattr(item.record, "redacted", None) or ():
            text = f"{entry.get('name', '')} {entry.get('around', '')}"
            yield _text_field("redacted entry", text)
        match item.record:
            case Request():
                yield from _request(item.record, allowlist)
            case Response():
                yield from _response(item.record)
            case Failure():
                yield _text_field("failure", f"{item.record.where} {item.record.message}")
            case Gap():
                yield _text_field("gap", item.record.reason)
            case Bytes():
                yield _bytes_field("invalid bytes", item.record.data)
            case FrameRecord() as frame if frame.opcode >= Opcode.CLOSE:
                name = f"frame {item.number}"
                reason = frame.payload[2 * (frame.opcode == Opcode.CLOSE) :]
                yield _text_field(name, reason.decode("utf-8", "replace"))
    envelope = draft.api.envelope if draft.api else ""
    for side in (True, False):
        start = 0
        for message in messages(draft.items, from_client=side):
            place = _message_field(message, envelope, first=start < _HEADER)
            yield _without_audio_fields(place, allowlist)
            start += len(message.content)


_BINARY = 64  # bytes of a binary string; one in _BINARY_PART is a control character
_BINARY_PART = 16
_CONTROLS = bytes([*range(9), *range(14, 32), *range(127, 160)])


def _text_field(name: str, text: str) -> TraceField:
    return TraceField(name, (((), text),), is_free_text=True)


# -- heads


def _request(request: Request, allowlist: Allowlist) -> Iterator[TraceField]:
    yield _text_field("request method", request.method)
    path, _, query = request.path.partition("?")
    yield replace(_text_field("request path", unquote(path)), kind="path")
    yield TraceField("request host", ((("host",), _PORT.sub(" ", request.host)),), kind="header")
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        place = (
            f"request parameter {name[:40]!r}" if allowlist.keeps_name(name) else "request query"
        )
        yield TraceField(place, ((NAME, name), ((name,), value)), kind="parameter")
    yield from _headers("request", request.headers, allowlist)
    if request.body:
        yield _content_field("request body", request.body)


def _response(response: Response) -> Iterator[TraceField]:
    yield _text_field("response reason", response.reason)
    yield from _headers("response", response.headers, None)
    if response.body:
        yield replace(_content_field("response body", response.body), is_free_text=True)


def _headers(
    side: str, headers: Iterable[list[str]], allowlist: Allowlist | None
) -> Iterator[TraceField]:
    terms = documented()
    for name, value in headers:
        plain = name.lower()
        place = f"{side} header {name[:40]!r}" if plain in terms.headers else f"a {side} header"
        yield TraceField(place, ((NAME, name),), kind="header")
        if plain not in _NONCES:
            text = _without_numbers(plain, value)
            yield TraceField(place, (((plain,), text),), kind="header")


def _without_numbers(name: str, value: str) -> str:
    """A header without versions, dates and numbers that may stay."""
    if name in AGENTS or name in ("server", "via"):
        return " ".join(part for part in AGENT_PARTS.split(value) if not is_version(part))
    if name in _DATED:
        return ""
    if name in _URLS:
        return _PORT.sub(" ", value)
    terms = documented()
    if name in terms.numeric or terms.tokens.issuperset(_words_of(value)):
        return _FIGURES.sub(" ", value)
    return _DIRECTIVE.sub(" ", value)


def _words_of(value: str) -> set[str]:
    return {each for each in re.split(r"[\s,;=\"]+", value.lower()) if not each.isdecimal()} - {""}


# -- messages


def _message_field(message: DraftMessage, envelope: str, *, first: bool) -> TraceField:
    name = f"frame {message.items[0].number}"
    content = message.content
    if envelope:
        found, audio = open_envelope(envelope, content, is_text=message.is_text)
        return _with_audio(TraceField(name, found, audio=tuple(map(_samples, audio))))
    if message.is_text or is_text(content):
        return _content_field(name, content)
    return TraceField(name, audio=() if first and _is_header(content) else (_samples(content),))


def _without_audio_fields(place: TraceField, allowlist: Allowlist) -> TraceField:
    """Move base64 in the fields that the catalog names as audio from the texts to the audio.

    A short piece of it looks like a word or an id.
    """
    texts, audio = [], list(place.audio)
    for names, text in place.fields:
        data = _bytes_of(text) if allowlist.is_audio_field(names) else b""
        if data:
            audio.append(data)
        else:
            texts.append((names, text))
    return replace(place, fields=tuple(texts), audio=tuple(audio))


def open_envelope(
    envelope: str, content: bytes, *, is_text: bool
) -> tuple[Fields, tuple[bytes, ...]]:
    """The texts and audio of a message in an envelope."""
    text = content.decode("utf-8", "replace")
    message, audio = read(envelope, text if is_text else content)
    if message is None:
        return (((), text),) if is_text else (), () if is_text else (content,)
    found = fields(json.dumps(message, ensure_ascii=False))
    _, _, body = text.partition("\r\n\r\n")
    if is_text and not body.lstrip().startswith("{"):
        found = (*found, ((), body))  # SSML
    return found, (audio,)


def _is_header(content: bytes) -> bool:
    """Whether data is a container's header, which is unchanged."""
    return len(content) < _HEADER and content[:4] in (b"OggS", b"\x1aE\xdf\xa3", b"fLaC")


def _samples(data: bytes) -> bytes:
    """Audio without a WAV header, which is unchanged."""
    if data[:4] not in (b"RIFF", b"RIFX"):
        return data
    at = data.find(b"data", 12, _HEADER)
    return data[at + 8 :] if at > 0 else data[_HEADER:]


def _bytes_field(name: str, data: bytes) -> TraceField:
    text = data.decode("latin-1")
    return TraceField(
        name, (((), text),), is_free_text=True, audio=() if is_text(data) else (data,)
    )


def _content_field(name: str, content: bytes) -> TraceField:
    return _with_audio(TraceField(name, fields(content.decode("utf-8", "replace"))))


def _with_audio(place: TraceField) -> TraceField:
    """Add the audio in the texts of a trace field."""
    found = list(place.audio)
    kept = documented().lists
    for names, text in place.fields:
        if not isinstance(text, AudioSamples):
            found += map(_bytes_of, _CODED.findall(text))
            found.append(_bytes_in(text))
        elif not (names and normalized_name(names[-1]) in kept):
            found.append(text.samples)
    texts = tuple(each for each in place.fields if not isinstance(each[1], AudioSamples))
    return replace(place, fields=texts, audio=tuple(_samples(data) for data in found if data))


def _bytes_of(text: str) -> bytes:
    """The binary content of base64; empty for text and for other data."""
    bare = re.sub(r"[\s=]", "", text).translate(str.maketrans("-_", "+/"))
    if " " in text.strip():
        return b""
    try:
        data = base64.b64decode(bare[: len(bare) // 4 * 4])
    except (binascii.Error, ValueError):
        return b""
    return b"" if is_text(data) else data


def _bytes_in(text: str) -> bytes:
    """The bytes of a JavaScript binary string, one character per byte; empty for others."""
    if len(text) < _BINARY:
        return b""
    data = text.encode("latin-1", "replace")
    controls = len(data) - len(data.translate(None, _CONTROLS))
    return data if controls * _BINARY_PART > len(data) else b""


class AudioSamples(str):
    """A long list of numbers that may be audio."""

    __slots__ = ()

    @property
    def samples(self) -> bytes:
        """The numbers as 16-bit samples, or as bytes."""
        values = [max(-1e300, min(1e300, float(each))) for each in self.split()]
        if all(0 <= value <= 255 and not value % 1 for value in values):
            return bytes(map(int, values))
        most = max(map(abs, values))
        if all(not value % 1 for value in values) and most < 1 << 15:
            most = 32767.0
        scale = 32767 / max(most, 1e-300)
        return array("h", (round(value * scale) for value in values)).tobytes()


def fields(text: str) -> Fields:
    """The texts of a message with their names; the complete text if it is not JSON."""
    if _ROW.fullmatch(text) and len(found := _FIGURE.findall(text)) >= _SAMPLES:
        return (((), AudioSamples(" ".join(found))),)
    if not is_json_like(text):
        return (((), text),)
    try:
        value = json.loads(text, object_pairs_hook=_Pairs, parse_int=_Figure, parse_float=_Figure)
    except (ValueError, RecursionError):
        return _truncated_fields(text)
    try:
        return tuple(_walk(value, ()))
    except RecursionError:
        return _truncated_fields(text)


class _Pairs(list[tuple[str, Any]]):
    """An object, including duplicate names."""


class _Figure(str):
    """A number as written."""

    __slots__ = ()


def _walk(value: object, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if (numbers := _numbers(value)) is not None and len(numbers) >= _SAMPLES:
        yield names, AudioSamples(" ".join(numbers))
    elif isinstance(value, _Pairs):
        for name, item in value:
            yield NAME, name
            yield from _walk(item, (*names, name))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, names)
    elif isinstance(value, str):
        if not isinstance(value, _Figure) and value.lstrip()[:1] in ("{", "["):
            for inner, text in fields(value):
                yield (inner if inner == NAME else (*names, *inner)), text
        else:
            yield names, value


def _numbers(value: object, depth: int = 0) -> list[str] | None:
    """The numbers of a list, nested lists or a typed array; None for anything else."""
    if isinstance(value, _Figure):
        return [value]
    if isinstance(value, _Pairs):
        named = all(
            isinstance(item, _Figure) and name == str(n) for n, (name, item) in enumerate(value)
        )
        return [str(item) for _, item in value] if named else None
    if not isinstance(value, list) or depth > _NESTED:
        return None
    found: list[str] = []
    for item in value:
        if isinstance(item, _Pairs) or (inside := _numbers(item, depth + 1)) is None:
            return None
        found += inside
    return found


def _truncated_fields(text: str) -> Fields:
    """The texts of truncated or invalid JSON."""
    found: list[tuple[tuple[str, ...], str]] = []

    def collect(value: JsonValue) -> str:
        names = tuple(name for name in value.path if name != "*")
        if value.kind == "numbers":
            numbers = [each[0] for each in many_numbers(value.content)]
            found.append((names, AudioSamples(" ".join(numbers))))
        else:
            found.append((NAME if value.kind == "name" else names, value.content))
        return value.content

    rewrite(text, collect)
    return tuple(found)
