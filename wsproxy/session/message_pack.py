"""Messages that are a map of MessagePack, as the same message in JSON.

Some services send MessagePack where others send JSON: a map with names, and audio as binary data
in it. In JSON, binary data is base64. What reads messages then needs to know only one of the two.
"""

from __future__ import annotations

import json
import re
import struct
from base64 import b64encode
from typing import Any

import msgpack

MAX_SIZE = 1 << 20  # bytes of a message that are read
MAX_ITEMS = 20_000  # items of all lists and maps of one message
_MAX_NAMES = 64  # of the map
_FIXED_MAP, _MAP_16 = 0x80, 0xDE  # first bytes of maps of up to 15, and of more names
_NAME = re.compile(r"[A-Za-z_][\w.-]{0,59}\Z")
# What begins a name: a string of 1 to 31 bytes, or the mark before the length of a longer one.
_NAME_BEGINS = frozenset((*range(0xA1, 0xC0), 0xD9))
_BINARY = {0xC4: struct.Struct(">B"), 0xC5: struct.Struct(">H"), 0xC6: struct.Struct(">I")}


def json_of_map(data: bytes, length: int) -> tuple[bytes, int] | None:
    """A binary message as JSON, if it is one map of MessagePack and nothing else.

    Args:
        data: the message, or its beginning.
        length: bytes of all of it.

    Returns:
        The JSON text, and how long that of the complete message is, in bytes; None for other
        messages: audio, a list, a map with other names than those of fields, too many items.
    """
    if not _may_be_map(data):
        return None
    try:
        content, missing = _map_of(data[:MAX_SIZE], length)
        text = json.dumps(content, default=_base64)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException):
        return None
    return text.encode(), len(text) + missing * 4 // 3


def _may_be_map(data: bytes) -> bool:
    """Whether the first bytes are those of a map and of its first name: of audio, one in 100."""
    if len(data) < 4:
        return False
    first = data[0]
    if first == _MAP_16:
        return data[3] in _NAME_BEGINS
    return _FIXED_MAP < first < _FIXED_MAP + 16 and data[1] in _NAME_BEGINS


def _map_of(data: bytes, length: int) -> tuple[dict[str, Any], int]:
    """The map, and how many bytes of it are missing: of the binary value at its end.

    Raises:
        ValueError: it is another message, has more than that missing, or has too many items.
        msgpack.UnpackException: it is no MessagePack.
    """
    items = _ItemLimit()
    unpacker = msgpack.Unpacker(
        max_buffer_size=MAX_SIZE,
        max_array_len=MAX_ITEMS,
        max_map_len=MAX_ITEMS,
        max_ext_len=0,
        strict_map_key=True,
        list_hook=items.count,
        object_hook=items.count,
    )
    unpacker.feed(data)
    content: dict[str, Any] = {}
    for _ in range(min(unpacker.read_map_header(), _MAX_NAMES + 1)):
        name = unpacker.unpack()
        if not isinstance(name, str) or not _NAME.match(name) or len(content) >= _MAX_NAMES:
            raise ValueError("not the name of a field")
        at = unpacker.tell()
        try:
            content[name] = unpacker.unpack()
        except msgpack.OutOfData:
            if len(data) == length:
                raise
            content[name] = part = _beginning(data[at:])
            return content, max(0, length - at - len(part))
    if unpacker.tell() != length:
        raise ValueError("more than a map")
    return content, 0


def _beginning(data: bytes) -> bytes:
    """The beginning of a binary value whose end is missing."""
    size = _BINARY.get(data[0]) if data else None
    if size is None or len(data) <= size.size:
        raise ValueError("not binary data")
    return data[1 + size.size :]


def _base64(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value)} has no form in JSON")
    return b64encode(value).decode()


class _ItemLimit:
    """Counts the items of the lists and maps in one message."""

    def __init__(self) -> None:
        self.items = 0

    def count(self, items: Any) -> Any:
        """Count a complete list or map, and return it.

        Raises:
            ValueError: with it there are over MAX_ITEMS.
        """
        self.items += 1 + len(items)
        if self.items > MAX_ITEMS:
            raise ValueError(f"over {MAX_ITEMS} items in one message")
        return items
