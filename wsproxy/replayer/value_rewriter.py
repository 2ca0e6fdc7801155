"""What of a recorded message belongs to its session, and is made anew: ids, times, credentials.

Rules, for whole text messages (and the header of Azure's binary ones):
- An id that the other side had given (a session's id, sent back) becomes the one that it
  gives now, in the same field of the same message.
- Another id of the client's becomes a new one, the same wherever it stood. A server's stays.
- A time of the client's is moved to now.
- A credential that was taken out is put back, in the client's messages.

An id is a UUID, or 32 hexadecimal digits, in a field with a name that ends with "id"; a
time is one of RFC 3339 in a field with a name that says so. Lengths stay the same.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from wsproxy.compare import MAX_TEXT, kind_of
from wsproxy.redact import PLACEHOLDER
from wsproxy.wire import Frame, Opcode

from .progress import MAX_KINDS

# Each begins with the end of the field's name: what precedes it costs nothing.
_ID = re.compile(
    rb"id\"?\s{0,4}:\s{0,4}\"?"
    rb"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-z-])",
    re.IGNORECASE,
)
_LONGEST_NAME = 40  # bytes of a field's name that are told apart
_NAME = re.compile(rb"[A-Za-z0-9_.-]{0,%d}$" % _LONGEST_NAME)
_TIME = re.compile(
    rb"(?:time|stamp|date|_at)\"?\s{0,4}:\s{0,4}\"?"
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
    re.IGNORECASE,
)
_MAX_IDS = 10_000  # of one session that are kept apart
_AZURE_HEADER = 1024  # bytes at the beginning of a binary message that may hold one

DATA = (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)

Place = tuple[str, int, str]  # of an id: kind of the message, its number of that kind, field


@dataclass(slots=True)
class ObservedIds:
    """The ids in one side's messages, and where each stood first.

    Attributes:
        places: the place of each id (lower case).
        values: the id at each place.
    """

    places: dict[bytes, Place] = field(default_factory=dict)
    values: dict[Place, bytes] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)  # messages by kind

    def take(self, frame: Frame) -> None:
        """Learn from a message of that side; fragments are passed over."""
        if frame.opcode is not Opcode.TEXT or not frame.fin or len(self.values) >= _MAX_IDS:
            return
        if len(frame.payload) > MAX_TEXT:
            return
        kind = kind_of(frame.payload)
        if kind not in self._seen and len(self._seen) >= MAX_KINDS:
            return
        number = self._seen[kind] = self._seen.get(kind, 0) + 1
        for found in _ID.finditer(frame.payload):
            place = (kind, number, _name(found))
            self.places.setdefault(found[1].lower(), place)
            self.values.setdefault(place, found[1])


@dataclass(slots=True)
class ValueRewriter:
    """Makes the messages of one side anew.

    Args:
        from_client: whose messages.
        recorded: ids that the other side had given in the recording.
        moved: how much later than the recording this session is.
        secrets: values for the JSON fields whose credentials were taken out, by name.
        ids: make ids and times anew.
        azure: binary messages begin with header lines.
    """

    from_client: bool
    recorded: ObservedIds
    moved: timedelta = timedelta()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    ids: bool = True
    azure: bool = False
    live: ObservedIds = field(default_factory=ObservedIds)
    _made: dict[bytes, bytes] = field(default_factory=dict)

    def frame(self, frame: Frame) -> Frame:
        """The frame to send for a recorded one, still without credentials."""
        if not frame.fin or frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
            return frame
        size = len(frame.payload)
        if frame.opcode is Opcode.BINARY:
            size = _AZURE_HEADER if self.azure else 0
        head = frame.payload[:size]
        fresh = _ID.sub(self._id, head) if self.ids else head
        if self.ids and self.from_client:
            fresh = _TIME.sub(self._time, fresh)
        return frame if fresh == head else replace(frame, payload=fresh + frame.payload[size:])

    def with_secrets(self, frame: Frame) -> Frame:
        """The frame with credentials in their places; the same one if none is missing."""
        if frame.opcode not in DATA or not self.secrets:
            return frame
        filled = fill_secrets(frame.payload, self.secrets)
        return frame if filled == frame.payload else replace(frame, payload=filled)

    def _id(self, found: re.Match[bytes]) -> bytes:
        recorded = found[1].lower()
        place = self.recorded.places.get(recorded)
        given = self.live.values.get(place) if place is not None else None
        if given is not None and len(given) == len(recorded):
            value = given
        elif place is None and self.from_client:
            value = self._made.setdefault(recorded, _new_id(found[1]))
        else:
            value = found[1]
        return found[0][: found.start(1) - found.start()] + value

    def _time(self, found: re.Match[bytes]) -> bytes:
        try:
            moment = datetime.fromisoformat(found[1].decode()) + self.moved
        except (ValueError, OverflowError):
            return found[0]
        new = moment.isoformat(timespec="seconds").encode()
        start, end = found.start(1) - found.start(), found.end(1) - found.start()
        return found[0][:start] + new + found[0][end:]


def _name(found: re.Match[bytes]) -> str:
    """The name of the field that an id is in, lower case."""
    end = found.start() + len(b"id")
    name = _NAME.search(found.string[max(0, end - _LONGEST_NAME) : end])
    return name[0].decode().lower() if name else ""


def _new_id(like: bytes) -> bytes:
    new = str(uuid.uuid4()) if b"-" in like else uuid.uuid4().hex
    return (new.upper() if like.isupper() else new).encode()


def _secret_field(name: str) -> re.Pattern[bytes]:
    quoted = re.escape(name.encode())
    placeholder = re.escape(PLACEHOLDER.encode())
    return re.compile(rb'("' + quoted + rb'"\s{0,4}:\s{0,4}"[^"]{0,64}?)' + placeholder)


def lacking(payload: bytes, names: tuple[str, ...]) -> list[str]:
    """Which of these JSON fields of a message hold a credential that was taken out."""
    if PLACEHOLDER.encode() not in payload:
        return []
    return [name for name in names if _secret_field(name).search(payload)]


def fill_secrets(payload: bytes, secrets: Mapping[str, str]) -> bytes:
    """The message with credentials in their places."""
    if not secrets or PLACEHOLDER.encode() not in payload:
        return payload
    for name, value in secrets.items():
        quoted = json.dumps(value)[1:-1].encode().replace(b"\\", rb"\\")
        payload = _secret_field(name).sub(rb"\g<1>" + quoted, payload)
    return payload


def moved_since(started_at_ns: int, now_ns: int) -> timedelta:
    """Whole seconds between two Unix times in ns."""
    start = datetime.fromtimestamp(started_at_ns // 1_000_000_000, UTC)
    return datetime.fromtimestamp(now_ns // 1_000_000_000, UTC) - start
