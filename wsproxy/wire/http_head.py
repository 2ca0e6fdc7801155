"""A tolerant parser for heads of HTTP/1.1 messages; what was parsed serializes to the same bytes.

Servers differ in how they treat a space in the target or a header without a colon. A proxy must
not be stricter than the server, and must forward the bytes that the client sent.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from .handshake import is_upgrade

# Bytes of a head, of trailers, or of a chunk header that is incomplete. Servers allow 8 to
# 64 KiB. mitmproxy uses some 40 bytes of memory for each.
MAX_HEAD = 256 << 10

_BLANKS = b" \t"
_EMPTY_LINES = re.compile(rb"[\r\n]*")
_END = re.compile(rb"\n\r?\n")


def find_head_end(data: bytes | bytearray, searched: int = 0) -> int | None:
    """The size of the head at the beginning of data; None if it is incomplete.

    Args:
        searched: bytes at the beginning that are known not to contain the end.
    """
    start = _EMPTY_LINES.match(data)
    assert start is not None
    end = _END.search(data, max(start.end(), searched))
    return end.end() if end is not None else None


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field.

    Attributes:
        name, value: without surrounding white space; a folded value is joined.
        raw: its lines as they were sent.
    """

    name: bytes
    value: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class HttpHead:
    """The head of a request or a response.

    Attributes:
        line: the start line as it was sent, and the empty lines before it.
        fields: the header fields.
        end: the empty line.
    """

    line: bytes
    fields: tuple[HeaderField, ...]
    end: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Parse a complete head, including the empty line at its end. It never fails."""
        leading = len(raw) - len(raw.lstrip(b"\r\n"))
        lines = [line + b"\n" for line in raw[leading:].split(b"\n")[:-1]]
        fields = tuple(map(_field, _unfolded(lines[1:-1])))
        return cls(raw[:leading] + lines[0], fields, lines[-1])

    @property
    def start_line(self) -> bytes:
        """The start line without surrounding white space."""
        return self.line.strip()

    def serialize(
        self, line: bytes | None = None, fields: Iterable[tuple[bytes, bytes]] | None = None
    ) -> bytes:
        """The head with another start line or other fields; unchanged parts are verbatim.

        Args:
            line: the new start line without its line end; None: unchanged.
            fields: names and values of all fields; None: unchanged.
        """
        unused: defaultdict[tuple[bytes, bytes], deque[bytes]] = defaultdict(deque)
        for field in self.fields:
            unused[field.name, field.value].append(field.raw)
        if fields is None:
            fields = [(field.name, field.value) for field in self.fields]
        line_end = self.line[len(self.line.rstrip(b"\r\n")) :]
        parts = [self.line if line is None else line + line_end]
        for name, value in fields:
            raw = unused[name, value]
            parts.append(raw.popleft() if raw else name + b": " + value + b"\r\n")
        return b"".join([*parts, self.end])


@dataclass(frozen=True, slots=True)
class RequestHead(HttpHead):
    """The head of a request."""

    @property
    def method(self) -> bytes:
        return self._request_line()[0]

    @property
    def target(self) -> bytes:
        return self._request_line()[1]

    @property
    def version(self) -> bytes:
        """Empty if there is none."""
        return self._request_line()[2]

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return is_upgrade(
            (field.name.decode("latin-1"), field.value.decode("latin-1")) for field in self.fields
        )

    def _request_line(self) -> tuple[bytes, bytes, bytes]:
        method, _, rest = self.start_line.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        if not version.upper().startswith(b"HTTP/"):
            target, version = rest, b""
        return method, target.strip(_BLANKS), version


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """The lines of each field joined (RFC 9112, section 5.2)."""
    together: list[list[bytes]] = []
    for line in lines:
        if together and line[:1] in (b" ", b"\t"):
            together[-1].append(line)
        else:
            together.append([line])
    return [b"".join(each) for each in together]


def _field(raw: bytes) -> HeaderField:
    # Without a colon the first word is the name: redaction looks for credentials by name.
    text = b" ".join(line.strip() for line in raw.split(b"\n")).strip()
    if b":" in text:
        name, _, value = text.partition(b":")
    else:
        name, value, *_ = [*text.split(None, 1), b"", b""]
    return HeaderField(name.strip(), value.strip(), raw)
