"""How APIs wrap messages and audio inside WebSocket messages.

Most send JSON in text messages and audio in binary ones, without an envelope. The others:

json          JSON in binary messages as well (Gemini Live).
azure         Azure Speech: lines of headers before the body; in a binary message their
              length stands before them, 2 bytes big-endian.
event-stream  AWS: binary messages with typed headers, a payload and two CRC-32 sums
              (application/vnd.amazon.eventstream).

A message is read as one JSON object: the body's fields, and the headers under their names.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

MAX_DEPTH = 100  # of nested lists and objects
ENVELOPES = ("json", "azure", "event-stream")
Json: TypeAlias = dict[str, Any]

# Brackets, and strings, which may contain brackets; possessive, so that it never backtracks.
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_raw_decode = json.JSONDecoder().raw_decode  # `json.loads` takes twice as long for short texts
_WHITESPACE = " \t\n\r"  # of JSON
_PRELUDE = struct.Struct(">III")  # total length, length of the headers, CRC of these two
_AZURE_HEADERS = ("Path", "X-RequestId", "X-StreamId", "X-Timestamp", "Content-Type")
_STRING = 7  # type of an event-stream header
# Bytes of the values of the other types; booleans have none, 6 is followed by a length as 7 is.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


def read(envelope: str, content: str | bytes) -> tuple[Json | None, bytes]:
    """Open a message.

    Args:
        envelope: one of ENVELOPES, or "" for plain JSON in text messages.
        content: text or binary message, as on the wire. It may be truncated after the
            part that is needed.

    Returns:
        The JSON object, or None, and the audio, or nothing.
    """
    if envelope == "azure":
        return _read_azure(content)
    if isinstance(content, str):
        return json_object(content), b""
    match envelope:
        case "event-stream":
            return _read_event(content)
        case "json":
            return json_object(content.decode("utf-8", "replace")), b""
    return None, content


def wrap(envelope: str, message: str, audio: bytes = b"") -> str | bytes:
    """Put a message into its envelope; the inverse of `read`.

    Args:
        message: JSON text, for an envelope a JSON object; empty: audio alone.
    """
    match envelope:
        case "azure":
            return _wrap_azure(json_object(message) or {"Path": "audio"}, audio)
        case "event-stream":
            return _wrap_event(json_object(message) or _AUDIO_EVENT, audio)
        case "json":
            return message.encode()
    return audio or message


def json_object(text: str) -> Json | None:
    """A JSON object, or None where the text is something else, or nested over MAX_DEPTH."""
    text = text.strip(_WHITESPACE)
    if not text.startswith("{") or is_nested_deeply(text):
        return None
    try:
        value, end = _raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) else None


def is_nested_deeply(text: str) -> bool:
    """Whether JSON is nested over MAX_DEPTH, which recursive code could not handle."""
    if len(text) <= MAX_DEPTH or text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _NESTING.finditer(text):
        if (mark := found[0]) in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif mark in "}]":
            depth -= 1
    return False


@lru_cache(maxsize=1024)
def _names(path: str) -> tuple[str, ...]:
    """The names of a dotted path."""
    return tuple(path.split("."))


def field(message: Mapping[str, Any], path: str) -> object:
    """The value at a dotted path of names; None where there is none.

    A number stands for that item of a list, "*" for the first. A name with a dot in it is
    found as well.
    """
    if path in message:
        return message[path]
    if "." not in path and type(message) is dict:
        return None  # nearly always
    names = _names(path)
    if names[0] not in message and type(message) is dict:
        return None  # often
    value: object = message
    for name in names:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and (name == "*" or name.isdecimal()):
            index = 0 if name == "*" else int(name[:9])
            value = value[index] if index < len(value) else None
        else:
            return None
    return value


def holders(message: object, path: str) -> Iterator[tuple[Json, str]]:
    """The objects that hold the last name of a dotted path, each with that name.

    "*" stands for all items of a list.
    """
    name, _, rest = path.partition(".")
    if isinstance(message, list) and name == "*" and rest:
        for item in message:
            yield from holders(item, rest)
    elif isinstance(message, dict) and name in message:
        if rest:
            yield from holders(message[name], rest)
        else:
            yield message, name


# -- Azure Speech


def _read_azure(content: str | bytes) -> tuple[Json | None, bytes]:
    if isinstance(content, bytes):
        if len(content) < 2:
            return None, b""
        size = int.from_bytes(content[:2], "big")
        head, body = content[2 : 2 + size].decode("utf-8", "replace"), content[2 + size :]
        headers = _header_lines(head.split("\r\n"))
        return (headers, body) if headers else (None, b"")
    head, _, text = content.partition("\r\n\r\n")
    headers = _header_lines(head.split("\r\n"))
    if not headers:
        return None, b""
    fields = {"text": text} if _is_plain(headers) else json_object(text) or {}
    return {**fields, **headers}, b""


def _is_plain(headers: Json) -> bool:
    """Whether the body is a text, or a piece of one, and not JSON."""
    return str(headers.get("Content-Type", "")).startswith("text/plain")


def _header_lines(lines: Iterable[str]) -> Json:
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _wrap_azure(message: Json, audio: bytes) -> str | bytes:
    headers = {name: str(message[name]) for name in _AZURE_HEADERS if name in message}
    body = {name: value for name, value in message.items() if name not in headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if audio or message.get("Path") == "audio":
        encoded = head.encode()
        return len(encoded).to_bytes(2, "big") + encoded + audio
    text = str(body.get("text", "")) if _is_plain(headers) else json.dumps(body)
    return f"{head}\r\n{text}"


# -- AWS event stream

_AUDIO_EVENT = {":message-type": "event", ":event-type": "AudioEvent"}


def _read_event(content: bytes) -> tuple[Json | None, bytes]:
    if len(content) < _PRELUDE.size:
        return None, b""
    total, headers_size, prelude_sum = _PRELUDE.unpack_from(content)
    if zlib.crc32(content[:8]) != prelude_sum or total < headers_size + 16:
        return None, b""
    start = _PRELUDE.size + headers_size
    payload = content[start : total - 4]
    complete = len(content) >= total
    if complete and zlib.crc32(content[: total - 4]) != int.from_bytes(
        content[total - 4 : total], "big"
    ):
        return None, b""
    headers = _event_headers(content[_PRELUDE.size : start])
    if headers is None:
        return None, b""
    if headers.get(":event-type") == "AudioEvent":
        return headers, payload
    body = json_object(payload.decode("utf-8", "replace"))
    return {**(body or {}), **headers}, b""


def _event_headers(data: bytes) -> Json | None:
    """The headers whose values are text; None where they are malformed."""
    found: Json = {}
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name = data[at + 1 : name_end].decode("utf-8", "replace")
        kind = data[name_end] if name_end < len(data) else None
        at = name_end + 1
        if kind in (6, _STRING):
            size = int.from_bytes(data[at : at + 2], "big")
            if at + 2 + size > len(data):
                return None
            if kind == _STRING:
                found[name] = data[at + 2 : at + 2 + size].decode("utf-8", "replace")
            at += 2 + size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            return None
    return found


def _wrap_event(message: Json, audio: bytes) -> bytes:
    headers = {name: value for name, value in message.items() if name.startswith(":")}
    body = {name: value for name, value in message.items() if name not in headers}
    payload = audio if audio or headers == _AUDIO_EVENT else json.dumps(body).encode()
    packed = b"".join(_event_header(name, str(value)) for name, value in headers.items())
    start = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    data = start + zlib.crc32(start).to_bytes(4, "big") + packed + payload
    return data + zlib.crc32(data).to_bytes(4, "big")


def _event_header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return bytes([len(key)]) + key + bytes([_STRING]) + len(text).to_bytes(2, "big") + text
