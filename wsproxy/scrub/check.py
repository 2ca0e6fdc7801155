"""Looks whether anything of people is left in a trace that is to be made public.

It reads both traces anew and trusts nothing that was said while one was made of the other. What
it finds is told by place and reason, never by value.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import parse_qsl

from wsproxy.envelope import read
from wsproxy.mutate.draft import Draft, Message, messages
from wsproxy.redact import PLACEHOLDER
from wsproxy.trace import Bytes, Failure, FrameRecord, Gap, Request, Response
from wsproxy.wire import Opcode

from .aliases import EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID, words
from .binary import is_text
from .jsontext import Value, rewrite
from .known import AGENT_PARTS, AGENTS, Known, is_own, is_protocol, is_version
from .texts import Said, is_json_like, is_looked_for, runs

# Texts, with the names of the fields that they are in, outermost first.
Fields: TypeAlias = tuple[tuple[tuple[str, ...], str], ...]

_WINDOW = 32  # bytes of audio that are looked for
_PLAIN = 8  # different values that a window has at least; what has fewer is silence, or a header
_HEADER = 4096  # bytes at the beginning of a stream in which a container's header may be
_BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
_IDS = re.compile(
    "|".join((PLACEHOLDER, *(p.pattern for p in (UUID, EMAIL, HEXADECIMAL, MIXED, PHONE))))
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_FIGURES = re.compile(r"(?<![\w.-])\d+(?![\w.-])")
_NONCES = frozenset({"sec-websocket-key", "sec-websocket-accept"})
_MAX_TOLD = 100


@dataclass(frozen=True, slots=True)
class Left:
    """Something that may not be made public.

    Attributes:
        place: where, e.g. "frame 12" or "request header X-Name".
        why: what it is.
    """

    place: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.why}"


@dataclass(slots=True)
class Private:
    """What of a trace nobody else may see."""

    said: Said = field(default_factory=Said)
    ids: set[str] = field(default_factory=set)
    audio: set[bytes] = field(default_factory=set)


def private_in(draft: Draft, known: Known) -> Private:
    """Collect it."""
    found = Private()
    for place in places(draft):
        for names, text in place.fields:
            found.ids.update(_ids(known, names, text))
            if _is_said(known, names, text, place):
                found.said.add(text)
        for data in place.audio:
            found.audio.update(filter(_is_sound, _windows(data)))
    return found


def left(made: Draft, private: Private, known: Known) -> list[Left]:
    """What of it is in another trace, in that one's order."""
    out: dict[str, Left] = {}
    for place in places(made):
        for why in _reasons(place, private, known):
            found = Left(place.name, why)
            out.setdefault(str(found), found)
        if len(out) >= _MAX_TOLD:
            break
    return list(out.values())


# -- where something can be


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a trace.

    Attributes:
        fields: texts, with the names of the fields that they are in, outermost first.
        kind: "path" or "parameter" of the request, or "header".
        loose: whether the texts are what a person may have written, and no message.
        audio: bytes that may be audio.
    """

    name: str
    fields: Fields = ()
    loose: bool = False
    audio: tuple[bytes, ...] = ()
    kind: str = ""


def places(draft: Draft) -> Iterator[Place]:
    """All parts of a trace that hold texts or bytes of the session."""
    yield _text_place("client", draft.start.client or "")
    for line in draft.start.changes or ():
        yield _text_place("changes", line)
    for item in draft.items:
        for entry in getattr(item.record, "redacted", None) or ():
            text = f"{entry.get('name', '')} {entry.get('around', '')}"
            yield _text_place("what was taken out", text)
        match item.record:
            case Request():
                yield from _request(item.record)
            case Response():
                yield from _response(item.record)
            case Failure():
                yield _text_place("failure", f"{item.record.where} {item.record.message}")
            case Gap():
                yield _text_place("gap", item.record.reason)
            case Bytes():
                yield _bytes_place("bytes that are no frame", item.record.data)
            case FrameRecord() as frame if frame.opcode >= Opcode.CLOSE:
                name = f"frame {item.number}"
                reason = frame.payload[2 * (frame.opcode == Opcode.CLOSE) :]
                yield _text_place(name, reason.decode("utf-8", "replace"))
    envelope = draft.api.envelope if draft.api else ""
    for side in (True, False):
        start = 0
        for message in messages(draft.items, from_client=side):
            yield _message_place(message, envelope, first=start < _HEADER)
            start += len(message.content)


def _text_place(name: str, text: str) -> Place:
    return Place(name, (((), text),), loose=True)


def _request(request: Request) -> Iterator[Place]:
    yield _text_place("request method", request.method)
    path, _, query = request.path.partition("?")
    yield replace(_text_place("request path", path), kind="path")
    yield Place("request host", ((("host",), request.host),))
    for name, value in parse_qsl(query, keep_blank_values=True, errors="replace"):
        yield Place(f"request parameter {name[:40]!r}", (((name,), value),), kind="parameter")
    yield from _headers("request", request.headers)
    if request.body:
        yield _content_place("request body", request.body)


def _response(response: Response) -> Iterator[Place]:
    yield _text_place("response reason", response.reason)
    yield from _headers("response", response.headers)
    if response.body:
        yield replace(_content_place("response body", response.body), loose=True)


def _headers(side: str, headers: Iterable[list[str]]) -> Iterator[Place]:
    for name, value in headers:
        if name.lower() not in _NONCES:
            text = _without_figures(name, value)
            yield Place(f"{side} header {name[:40]!r}", (((name,), text),), kind="header")


def _without_figures(name: str, value: str) -> str:
    """A header without versions and figures that stay: some look like a telephone number."""
    if name.lower() in AGENTS:
        return " ".join(part for part in AGENT_PARTS.split(value) if not is_version(part))
    return _FIGURES.sub(" ", value) if is_protocol(name, value) else value


def _message_place(message: Message, envelope: str, *, first: bool) -> Place:
    name = f"frame {message.items[0].number}"
    content = message.content
    if envelope:
        found, audio = opened(envelope, content, is_text=message.is_text)
        return Place(name, found, audio=audio)
    if message.is_text or is_text(content):
        return _content_place(name, content)
    return Place(name, audio=() if first and _is_header(content) else (content,))


def opened(envelope: str, content: bytes, *, is_text: bool) -> tuple[Fields, tuple[bytes, ...]]:
    """The texts and the audio of a message in its envelope."""
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
    """Whether it is the head of a container, which stays."""
    return len(content) < _HEADER and content[:4] in (b"RIFF", b"OggS", b"\x1aE\xdf\xa3", b"fLaC")


def _bytes_place(name: str, data: bytes) -> Place:
    text = data.decode("latin-1")
    return Place(name, (((), text),), loose=True, audio=() if is_text(data) else (data,))


def _content_place(name: str, content: bytes) -> Place:
    text = content.decode("utf-8", "replace")
    found = fields(text)
    audio = (_decoded(value) for _, value in found if _BASE64.fullmatch(value))
    return Place(name, found, audio=tuple(data for data in audio if data))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def fields(text: str) -> Fields:
    """Texts of a message with the names that they stand under; of what is no JSON, the whole."""
    if not is_json_like(text):
        return (((), text),)
    found: list[tuple[tuple[str, ...], str]] = []

    def take(value: Value) -> str:
        names = tuple(name for name in value.path if name != "*")
        # A name tells little, but for those that people choose.
        if value.kind != "name" or any(map(is_own, names)):
            found.append((names, value.content))
        return value.content

    rewrite(text, take)
    return tuple(found)


# -- what is in it


def _ids(known: Known, names: tuple[str, ...], text: str) -> set[str]:
    """Ids, addresses and telephone numbers in a field."""
    name = names[-1] if names else ""
    if _NUMBER.fullmatch(text) and known.keeps_number(name, text):
        return set()
    if name and known.keeps(name, text):
        return set()
    return {each[0] for each in _IDS.finditer(TIME.sub(" ", text))} - {PLACEHOLDER}


def _is_said(known: Known, names: tuple[str, ...], text: str, place: Place) -> bool:
    if not names:
        return not place.loose and text.strip() not in known.kinds
    if known.keeps(names[-1], text) and not known.is_said(names[-1]):
        return False
    if place.kind == "parameter" and text != PLACEHOLDER:
        return True  # no document has it
    return any(known.is_said(name) or is_own(name) for name in names)


def _reasons(place: Place, private: Private, known: Known) -> Iterator[str]:
    for names, text in place.fields:
        if not private.ids.isdisjoint(_ids(known, names, text)):
            yield "an id, an address or a number of the original"
        found = [word.casefold() for word in words(text) if word != PLACEHOLDER]
        if names and known.is_said(names[-1]):
            harmless: frozenset[str] = frozenset()
        elif _stays(place, names, text, known):
            continue
        else:
            harmless = known.path_words if place.kind == "path" else known.words
        if any(is_looked_for(w) and w in private.said.words and w not in harmless for w in found):
            yield "a word of what was said"
        if any(run in private.said.runs for run in runs(found)):
            yield "words of what was said"
    for data in place.audio:
        if _is_of(private.audio, data):
            yield "audio of the original"


def _stays(place: Place, names: tuple[str, ...], text: str, known: Known) -> bool:
    """Whether the words of a field are those of a document, whoever else said them."""
    if not names:
        return False
    if place.kind == "header" and is_protocol(names[-1], text):
        return True
    host = names[-1].lower() == "host" and known.keeps_host(text.rpartition(":")[0] or text)
    return host or known.keeps(names[-1], text)


def _is_of(audio: set[bytes], data: bytes) -> bool:
    """Whether a good part of some audio is in a collection of pieces."""
    windows = _windows(data)
    same = sum(window in audio for window in windows)
    return same > 0 and 4 * same >= sum(map(_is_sound, windows))


def _windows(data: bytes) -> list[bytes]:
    """Audio in pieces; none of what is one value all over, of which there may be hours."""
    if not data.strip(data[:1]):
        return []
    starts = range(0, len(data) - _WINDOW + 1, _WINDOW)
    return [data[at : at + _WINDOW] for at in starts]


def _is_sound(window: bytes) -> bool:
    return len(set(window)) >= _PLAIN
