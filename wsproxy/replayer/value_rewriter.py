"""Rewrite the values of a recorded message that belong to its session: ids, times, credentials.

Rules for complete text messages (and the header of Azure's binary messages):
- An id that the peer had sent (such as a session id that is sent back) becomes the id that the
  peer sends now, in the same field of the same message.
- Any other id of the client becomes a new one, the same at each occurrence. A server's stays.
- A time of the client is shifted to now.
- A redacted credential in a message of the client is filled in.

An id is a UUID, or 32 hexadecimal digits, in a field whose name ends with "id". A time is an
RFC 3339 time in a field whose name says so. Lengths do not change.
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

# Each begins with the end of the field's name, so that the regex engine need not search back.
_ID = re.compile(
    rb"id\"?\s{0,4}:\s{0,4}\"?"
    rb"([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})(?![0-9a-z-])",
    re.IGNORECASE,
)
_MAX_NAME_LENGTH = 40  # bytes of a field's name that are compared
_NAME_AT_END = re.compile(rb"[A-Za-z0-9_.-]{0,%d}$" % _MAX_NAME_LENGTH)
_TIME = re.compile(
    rb"(?:time|stamp|date|_at)\"?\s{0,4}:\s{0,4}\"?"
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
    re.IGNORECASE,
)
_MAX_IDS = 10_000  # of one session
_AZURE_HEADER = 1024  # bytes at the beginning of a binary message that may hold a header

DATA_OPCODES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION)

IdPosition = tuple[str, int, str]  # kind of the message, its number among its kind, field


@dataclass(slots=True)
class ObservedIds:
    """The ids in one side's messages, each with its first position.

    Attributes:
        positions: the position of each id (lower case).
        values: the id at each position.
    """

    positions: dict[bytes, IdPosition] = field(default_factory=dict)
    values: dict[IdPosition, bytes] = field(default_factory=dict)
    _message_counts: dict[str, int] = field(default_factory=dict)  # messages by kind

    def observe(self, frame: Frame) -> None:
        """Learn the ids of a message of that side; fragments are ignored."""
        if frame.opcode is not Opcode.TEXT or not frame.fin or len(self.values) >= _MAX_IDS:
            return
        if len(frame.payload) > MAX_TEXT:
            return
        kind = kind_of(frame.payload)
        if kind not in self._message_counts and len(self._message_counts) >= MAX_KINDS:
            return
        number = self._message_counts[kind] = self._message_counts.get(kind, 0) + 1
        for found in _ID.finditer(frame.payload):
            position = (kind, number, _field_name(found))
            self.positions.setdefault(found[1].lower(), position)
            self.values.setdefault(position, found[1])


@dataclass(slots=True)
class ValueRewriter:
    """Rewrites the messages of one side.

    Args:
        from_client: whether it is the client's side.
        recorded_ids: ids of the peer in the recording.
        time_shift: time from the recording to this replay.
        credentials: values for redacted JSON fields, by field name.
        rewrite_ids: rewrite ids and times.
        azure: binary messages begin with header lines.

    Attributes:
        live_ids: ids of the peer in this replay.
    """

    from_client: bool
    recorded_ids: ObservedIds
    time_shift: timedelta = timedelta()
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    rewrite_ids: bool = True
    azure: bool = False
    live_ids: ObservedIds = field(default_factory=ObservedIds)
    _new_ids: dict[bytes, bytes] = field(default_factory=dict)

    def rewrite(self, frame: Frame) -> Frame:
        """The frame to send for a recorded one, still without credentials."""
        if not frame.fin or frame.opcode not in (Opcode.TEXT, Opcode.BINARY):
            return frame
        size = len(frame.payload)
        if frame.opcode is Opcode.BINARY:
            size = _AZURE_HEADER if self.azure else 0
        head = frame.payload[:size]
        rewritten = _ID.sub(self._id, head) if self.rewrite_ids else head
        if self.rewrite_ids and self.from_client:
            rewritten = _TIME.sub(self._time, rewritten)
        if rewritten == head:
            return frame
        return replace(frame, payload=rewritten + frame.payload[size:])

    def with_credentials(self, frame: Frame) -> Frame:
        """The frame with credentials filled in; the same object if there is nothing to fill."""
        if frame.opcode not in DATA_OPCODES or not self.credentials:
            return frame
        filled = fill_credentials(frame.payload, self.credentials)
        return frame if filled == frame.payload else replace(frame, payload=filled)

    def _id(self, found: re.Match[bytes]) -> bytes:
        recorded = found[1].lower()
        position = self.recorded_ids.positions.get(recorded)
        live_id = self.live_ids.values.get(position) if position is not None else None
        if live_id is not None and len(live_id) == len(recorded):
            value = live_id
        elif position is None and self.from_client:
            value = self._new_ids.setdefault(recorded, _new_id(found[1]))
        else:
            value = found[1]
        return found[0][: found.start(1) - found.start()] + value

    def _time(self, found: re.Match[bytes]) -> bytes:
        try:
            shifted = datetime.fromisoformat(found[1].decode()) + self.time_shift
        except (ValueError, OverflowError):
            return found[0]
        new = shifted.isoformat(timespec="seconds").encode()
        start, end = found.start(1) - found.start(), found.end(1) - found.start()
        return found[0][:start] + new + found[0][end:]


def _field_name(found: re.Match[bytes]) -> str:
    """The name of the field that holds an id, lower case."""
    end = found.start() + len(b"id")
    name = _NAME_AT_END.search(found.string[max(0, end - _MAX_NAME_LENGTH) : end])
    return name[0].decode().lower() if name else ""


def _new_id(original: bytes) -> bytes:
    new = str(uuid.uuid4()) if b"-" in original else uuid.uuid4().hex
    return (new.upper() if original.isupper() else new).encode()


def _credential_pattern(name: str) -> re.Pattern[bytes]:
    quoted = re.escape(name.encode())
    placeholder = re.escape(PLACEHOLDER.encode())
    return re.compile(rb'("' + quoted + rb'"\s{0,4}:\s{0,4}"[^"]{0,64}?)' + placeholder)


def fields_to_fill(payload: bytes, names: tuple[str, ...]) -> list[str]:
    """The JSON fields of a message, out of these, that hold a redacted credential."""
    if PLACEHOLDER.encode() not in payload:
        return []
    return [name for name in names if _credential_pattern(name).search(payload)]


def fill_credentials(payload: bytes, credentials: Mapping[str, str]) -> bytes:
    """The message with credentials filled in."""
    if not credentials or PLACEHOLDER.encode() not in payload:
        return payload
    for name, value in credentials.items():
        quoted = json.dumps(value)[1:-1].encode().replace(b"\\", rb"\\")
        payload = _credential_pattern(name).sub(rb"\g<1>" + quoted, payload)
    return payload


def time_shift_since(started_at_ns: int, now_ns: int) -> timedelta:
    """The time between two Unix times in ns, in complete seconds."""
    start = datetime.fromtimestamp(started_at_ns // 1_000_000_000, UTC)
    return datetime.fromtimestamp(now_ns // 1_000_000_000, UTC) - start
