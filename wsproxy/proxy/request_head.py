"""The head of an upgrade request: taken apart leniently, put together again byte for byte.

A server decides itself what it makes of a blank in the target or a header without a colon.
So that it can, its proxy must not be stricter than it, and must send what the client sent.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass

# Bytes of a head, of trailers, or of a chunk's header that may wait for their end. Servers
# allow 8 to 64 KiB. mitmproxy needs some 40 bytes of memory for each.
MAX_HEAD = 256 << 10

_BLANKS = b" \t"


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One header field.

    Attributes:
        name, value: without white space around them; a folded value in one line.
        raw: its lines as the client sent them.
    """

    name: bytes
    value: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of a request.

    Attributes:
        line: the request line as the client sent it, and the empty lines before it.
        method, target, version: of the request line; the version is empty if there is none.
        fields: the header fields.
        end: the empty line.
    """

    line: bytes
    method: bytes
    target: bytes
    version: bytes
    fields: tuple[HeaderField, ...]
    end: bytes

    @classmethod
    def parse(cls, raw: bytes) -> RequestHead:
        """Take a head apart, the empty line at its end included. There is none that fails."""
        leading = len(raw) - len(raw.lstrip(b"\r\n"))
        lines = [line + b"\n" for line in raw[leading:].split(b"\n")[:-1]]
        method, _, rest = lines[0].strip().partition(b" ")
        target, _, version = rest.rpartition(b" ")
        if not version.upper().startswith(b"HTTP/"):
            target, version = rest, b""
        fields = tuple(map(_field, _unfolded(lines[1:-1])))
        line = raw[:leading] + lines[0]
        return cls(line, method, target.strip(_BLANKS), version, fields, lines[-1])

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return any(
            field.name.lower() == b"upgrade" and b"websocket" in field.value.lower()
            for field in self.fields
        )

    def serialize(
        self, line: bytes | None = None, fields: Iterable[tuple[bytes, bytes]] | None = None
    ) -> bytes:
        """The head with another request line or other fields; what is unchanged is verbatim.

        Args:
            line: the request line without its end, if it has changed.
            fields: names and values of all fields, if some may have changed.
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


def _unfolded(lines: list[bytes]) -> list[bytes]:
    """The lines of each field together (RFC 9112, section 5.2)."""
    together: list[list[bytes]] = []
    for line in lines:
        if together and line[:1] in (b" ", b"\t"):
            together[-1].append(line)
        else:
            together.append([line])
    return [b"".join(each) for each in together]


def _field(raw: bytes) -> HeaderField:
    # Without a colon the first word is the name: whoever looks for credentials goes by that.
    text = b" ".join(line.strip() for line in raw.split(b"\n")).strip()
    if b":" in text:
        name, _, value = text.partition(b":")
    else:
        name, value, *_ = [*text.split(None, 1), b"", b""]
    return HeaderField(name.strip(), value.strip(), raw)
