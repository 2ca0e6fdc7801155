"""The records of a trace, one dataclass each, and their msgpack maps.

`docs/trace-format.md` is the specification. Times are nanoseconds since the session's
start, on a monotonic clock. Readers skip kinds and keys that they do not know.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from wsproxy.wire import Close, Frame, Opcode

VERSION = 1

MAX_INT = (1 << 63) - 1  # of all numbers; none is negative
MAX_RECORD = 1 << 20  # bytes of a record other than frame and bytes, packed
MAX_NOTE = 64 << 10  # bytes of a record of _NOTES, packed: a session may have many

# `Start.mode` of sessions that were not recorded from the traffic of an app, and the word for
# them in the names of their traces.
REPLAYS = {"replay-client": "replay", "replay-server": "replay"}
DERIVED = {"mutate": "mutated", "scrub": "scrubbed", "distill": "distilled"}

# What ended a session; `list --json` and the end record use these words.
ENDINGS = ("close", "eof", "reset", "refused", "failed", "http", "stopped", "unfinished")

# Keys that writers before 0.1.0 spelt differently: (kind, old key, key).
_OLD_KEYS = (
    ("start", "made_up", "synthetic"),
    ("end", "by_rule", "heuristic_redactions"),
)


@dataclass(frozen=True, slots=True)
class Sync:
    """The first record of every block: the block can be read alone."""

    kind: ClassVar[str] = "sync"
    version: int
    session: str
    block: int


@dataclass(frozen=True, slots=True)
class More:
    """The last record of a part that is not the last one: the session continues in another.

    Attributes:
        part: the number of the part that follows, from 2.
    """

    kind: ClassVar[str] = "more"
    t_ns: int
    part: int


@dataclass(frozen=True, slots=True)
class Start:
    """The first record of a session.

    Attributes:
        session: random id, hexadecimal.
        started_at_ns: Unix time of `t_ns` 0, ns.
        capture: "wire" (frames as sent) or "messages" (messages as mitmproxy read them).
        client: the app's address, "host:port".
        provider, api: the catalog's names, None if it has none for the host and path.
        attempt: 1, or 2 and up where attempts before it at the same endpoint failed.
        wsproxy, mitmproxy: versions that recorded it; mitmproxy None for a replay's own.
        mode: mitmproxy's proxy mode; a word of REPLAYS or DERIVED for a session that was not
            recorded from the traffic of an app.
        origin: session id of the trace that this session replays, or was derived from.
        origin_host: the host of that session, for a replay: a condition may depend on it.
        changes: how it differs from that one, a line each; None if it was not derived.
        synthetic: there was no HTTP exchange to record; request and failure are made from
            connection events.
        part: 2 and up at the head of a later part of the trace, where start, request
            and response are repeated; None in the first one.
    """

    kind: ClassVar[str] = "start"
    t_ns: int
    version: int
    session: str
    started_at_ns: int
    capture: str = "wire"
    client: str | None = None
    provider: str | None = None
    api: str | None = None
    attempt: int = 1
    wsproxy: str | None = None
    mitmproxy: str | None = None
    mode: str | None = None
    origin: str | None = None
    synthetic: bool = False
    changes: list[str] | None = None
    part: int | None = None
    origin_host: str | None = None

    @property
    def source(self) -> str:
        """The source of the session.

        "recorded" from an app's traffic; "replay" of the session `origin`; "derived" from it.
        """
        if self.changes is not None or self.mode in DERIVED:
            return "derived"
        return "replay" if self.mode in REPLAYS else "recorded"


@dataclass(frozen=True, slots=True)
class Request:
    """The opening handshake's request, or a plain HTTP request.

    Attributes:
        scheme: "ws", "wss", "http" or "https".
        path: path and query; credentials in it read REDACTED.
        headers: [name, value] pairs in their order.
        body: the first bytes of a plain request's body, decoded; None for an upgrade.
        redacted: what was redacted: maps with `where` ("header", "query", "subprotocol",
            "path", "body"; in other records "message" or "close"), `name`, `length`
            (characters), and `fingerprint` (keyed, hexadecimal), `around`, `like`, `why`
            and `part` where they apply.
    """

    kind: ClassVar[str] = "request"
    t_ns: int
    method: str
    scheme: str
    host: str
    port: int
    path: str
    http_version: str = "HTTP/1.1"
    headers: list[list[str]] = field(default_factory=list)
    body: bytes | None = None
    redacted: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to the request; `body` (its first bytes) only where the status is not 101."""

    kind: ClassVar[str] = "response"
    t_ns: int
    status: int
    reason: str = ""
    http_version: str = "HTTP/1.1"
    headers: list[list[str]] = field(default_factory=list)
    body: bytes | None = None
    body_length: int = 0
    redacted: list[dict[str, Any]] = field(default_factory=list)


# Not frozen: creating one would cost eight times as much, and there is one for every frame.
@dataclass(slots=True, unsafe_hash=True)
class FrameRecord:
    """One frame (RFC 6455, section 5.2). Treat it as immutable.

    Attributes:
        t_ns: when its last byte arrived.
        opcode: as on the wire, 0, 1, 2, 8, 9 or 10.
        rsv: RSV1 is 4, RSV2 is 2, RSV3 is 1.
        mask: the masking key, None for an unmasked frame.
        wire_length: bytes on the wire, header included.
        payload: unmasked and inflated.
        deflated: `payload` is still deflated because it could not be inflated.
        cut: bytes of the payload that were over the recorder's limit; they followed `payload`.
        digest: of a frame with `cut` bytes, a keyed digest of its complete payload, as on the wire
            but unmasked; None if its end never arrived.
        broken_rule: the rule of RFC 6455 that the frame breaks.
        redacted: what was redacted in `payload`, as in `Request`; None for nothing.
    """

    kind: ClassVar[str] = "frame"
    t_ns: int
    from_client: bool
    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0
    mask: bytes | None = None
    wire_length: int = 0
    deflated: bool = False
    cut: int = 0
    broken_rule: str | None = None
    digest: str | None = None
    redacted: list[dict[str, Any]] | None = field(default=None, hash=False)

    @property
    def close(self) -> Close | None:
        """Code and reason, if this is a Close frame."""
        return Close.parse(self.payload) if self.opcode == Opcode.CLOSE else None

    @property
    def frame(self) -> Frame:
        """The frame on the wire; a frame of an inflated message as it would be without deflate."""
        rsv = self.rsv if self.deflated else self.rsv & 3
        return Frame(Opcode(self.opcode), self.payload, self.fin, rsv, self.mask, self.wire_length)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes that are no valid frame, verbatim."""

    kind: ClassVar[str] = "bytes"
    t_ns: int
    from_client: bool
    data: bytes
    broken_rule: str = ""


@dataclass(frozen=True, slots=True)
class Eof:
    """One side ended its direction of the TCP connection.

    Attributes:
        how: "eof" (FIN), "close-notify" (TLS's own end, before FIN) or "reset" (RST,
            or the connection was lost).
    """

    kind: ClassVar[str] = "eof"
    t_ns: int
    from_client: bool
    how: str = "eof"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure outside of frames.

    Attributes:
        where: "dns", "connect", "proxy" (CONNECT refused), "tls-server", "tls-client",
            "http", "handshake", "request" (wsproxy could not pass the request on), or
            "recorder" (its own limits; neither peer is at fault).
        from_client: whether it happened on the connection to the client.
    """

    kind: ClassVar[str] = "failure"
    t_ns: int
    where: str
    from_client: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """Traffic that happened and is not in the trace.

    Attributes:
        t_ns, until_ns: from when to when.
        records, size: how many records, or how many bytes on the wire, are missing;
            0 if unknown.
    """

    kind: ClassVar[str] = "gap"
    t_ns: int
    until_ns: int
    reason: str
    records: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class FindingRecord:
    """A finding of the recorder's catalog about the session when it ended."""

    kind: ClassVar[str] = "finding"
    t_ns: int
    id: str
    severity: str
    title: str
    evidence: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class End:
    """The last record of a session; everything in it can be computed from the others.

    Attributes:
        ending: one of ENDINGS.
        closed_by: "client" or "server", or None.
        complete: no gap.
        parts: how many files the trace is in; None for one.
        heuristic_redactions: places of credentials that a heuristic found and no catalog
            names, a text each; None for none.
        outcome: "succeeded", "failed" or "unproven", as the recorder's catalog sees it; None if
            the complete session was not examined.
    """

    kind: ClassVar[str] = "end"
    t_ns: int
    ending: str
    closed_by: str | None = None
    close_code: int | None = None
    close_reason: str | None = None
    frames_sent: int = 0
    frames_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    complete: bool = True
    findings: list[str] = field(default_factory=list)
    parts: int | None = None
    heuristic_redactions: list[str] | None = None
    outcome: str | None = None


Record = (
    Start | Request | Response | FrameRecord | Bytes | Eof | Failure | Gap | FindingRecord | End
)
AnyRecord = Sync | More | Record


_NOTES = (Eof, Failure, Gap, FindingRecord, More, Sync)


def max_size(record: AnyRecord) -> int:
    """The most bytes of a packed record; records with a payload have the block's limit only."""
    if isinstance(record, FrameRecord | Bytes):
        return sys.maxsize
    return MAX_NOTE if isinstance(record, _NOTES) else MAX_RECORD


class BadRecord(ValueError):
    """A map in a trace is not a valid record of its kind."""


_CLASSES: tuple[type[AnyRecord], ...] = typing.get_args(AnyRecord)


def to_map(record: AnyRecord) -> dict[str, Any]:
    """The msgpack map of a record; attributes that are None are left out."""
    if type(record) is FrameRecord:  # the hot path, spelt out
        out: dict[str, Any] = {
            "kind": "frame",
            "t_ns": record.t_ns,
            "from_client": record.from_client,
            "opcode": record.opcode,
            "fin": record.fin,
            "rsv": record.rsv,
            "wire_length": record.wire_length,
            "payload": record.payload,
        }
        if record.mask is not None:
            out["mask"] = record.mask
        if record.deflated:
            out["deflated"] = True
        if record.cut:
            out["cut"] = record.cut
        if record.broken_rule is not None:
            out["broken_rule"] = record.broken_rule
        if record.digest is not None:
            out["digest"] = record.digest
        if record.redacted:
            out["redacted"] = record.redacted
        return out
    out = {"kind": record.kind}
    for name, _, _ in _FIELDS[record.kind]:
        value = getattr(record, name)
        if value is not None:
            out[name] = value
    return out


def from_map(data: object) -> AnyRecord | None:
    """The record of a msgpack map.

    Returns:
        The record, or None for a kind that this version does not know.

    Raises:
        BadRecord: a key is missing or has the wrong type.
    """
    if not isinstance(data, dict):
        raise BadRecord("a record is not a map")
    kind = data.get("kind")
    cls = _BY_KIND.get(kind) if isinstance(kind, str) else None
    if cls is None:
        if isinstance(kind, str):
            return None
        raise BadRecord("a record has no kind")
    for old_kind, old, new in _OLD_KEYS:
        if kind == old_kind and old in data:
            data = {new: data[old], **data}
    values: dict[str, Any] = {}
    for name, accepts, required in _FIELDS[cls.kind]:
        if name in data:
            value = data[name]
            if type(value) not in accepts:
                raise BadRecord(f"{kind}.{name} has the wrong type: {type(value).__name__}")
            if type(value) is int and not 0 <= value <= MAX_INT:
                raise BadRecord(f"{kind}.{name} is out of range")
            values[name] = value
        elif required:
            raise BadRecord(f"{kind}.{name} is missing")
    record = cls(**values)
    _check(record)
    return record


def _check(record: AnyRecord) -> None:
    """Check what types do not express."""
    match record:
        case FrameRecord():
            if record.opcode not in _OPCODES or record.rsv > 7:
                raise BadRecord("frame with values outside of RFC 6455")
            if record.mask is not None and len(record.mask) != 4:
                raise BadRecord("frame.mask is not 4 bytes")
            _check_maps("frame.redacted", record.redacted or ())
        case Request() | Response():
            for pair in record.headers:
                if (
                    type(pair) is not list
                    or len(pair) != 2
                    or type(pair[0]) is not str
                    or type(pair[1]) is not str
                ):
                    raise BadRecord(f"{record.kind}.headers is not a list of pairs of text")
            _check_maps(f"{record.kind}.redacted", record.redacted)
        case End(findings=texts, heuristic_redactions=places):
            _check_texts(record.kind, [*texts, *(places or ())])
        case FindingRecord(evidence=texts) | Start(changes=list(texts)):
            _check_texts(record.kind, texts)


def _check_texts(kind: str, texts: list[Any]) -> None:
    if any(type(text) is not str for text in texts):
        raise BadRecord(f"{kind} has a list with something else than text")


def _check_maps(where: str, maps: Iterable[Any]) -> None:
    for entry in maps:
        if type(entry) is not dict or not all(map(_is_plain, entry.values())):
            raise BadRecord(f"{where} is not a list of maps of text and numbers")


def _is_plain(value: object) -> bool:
    """Whether a value is text, an integer, or a list of text."""
    if type(value) is list:
        return all(type(each) is str for each in value)
    return type(value) in (str, int, bool)


_OPCODES = frozenset(int(opcode) for opcode in Opcode)


def _fields(cls: type[AnyRecord]) -> tuple[tuple[str, frozenset[type], bool], ...]:
    """(name, accepted types, whether it must be there) of each attribute."""
    hints = typing.get_type_hints(cls)
    out = []
    for f in dataclasses.fields(cls):
        hint = hints[f.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        accepts = frozenset(typing.get_origin(option) or option for option in options)
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        out.append((f.name, accepts, required))
    return tuple(out)


_BY_KIND: dict[str, type[AnyRecord]] = {cls.kind: cls for cls in _CLASSES}
_FIELDS = {cls.kind: _fields(cls) for cls in _CLASSES}
