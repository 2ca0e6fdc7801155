"""Redacts the records of one session, in order.

A credential that was redacted from one record is searched for in all later ones. A SessionRedactor
belongs to one session and one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from wsproxy.trace import Bytes, Failure, FrameRecord, Record, Request, Response
from wsproxy.wire import Opcode, header

from . import http_body, invalid_bytes
from .finder import Budget, OverBudget
from .fingerprint import PLACEHOLDER, Entry, over_budget, unreadable
from .fragments import FragmentRedactor
from .http_head import HeadRedactor
from .known_secrets import KnownSecrets
from .messages import MessageRedactor, RedactedMessage, limit_entries
from .prefilter import Prefilter

_BODY_HEADERS = ("content-length", "content-encoding")
_MAX_REASON = 123  # bytes of a close reason (RFC 6455, section 5.5)
_CONTINUATION, _TEXT, _BINARY, _CONTROL = 0, 1, 2, 8  # opcodes: plain numbers are faster
_PIECE = 1 << 17  # bytes of a long message that are searched at once; other threads wait


class SessionRedactor:
    """Redacts a session's records.

    Args:
        redact: finds the credentials.
        known: credentials that are known before the session starts: a replay's own.
    """

    def __init__(self, redact: HeadRedactor, known: Iterable[str] = ()) -> None:
        self._redact = redact
        self._known = KnownSecrets()
        for secret in known:
            self._known.learn(secret)
        self._messages = MessageRedactor(redact, self._known, "message")
        self._prefilter = Prefilter(redact.find, self._known)
        self._fragments: dict[bool, FragmentRedactor | None] = {True: None, False: None}
        self._streams = {
            True: invalid_bytes.ByteStreamRedactor(),
            False: invalid_bytes.ByteStreamRedactor(),
        }
        # If the head has a credential, deflated messages are unlikely to have another one.
        self._may_be_in_messages = True

    def __call__(self, record: Record) -> Record:
        """The record without credentials."""
        if isinstance(record, FrameRecord):  # first: nearly all records are frames
            if record.cut and record.digest is not None:
                record = replace(record, digest=self._redact.describe.keyed(record.digest))
            return self._frame(record)
        match record:
            case Request():
                return self._request(record)
            case Response():
                return self._response(record)
            case Failure():
                return replace(record, message=self._text(record.message))
            case Bytes():
                self._messages.budget = Budget()
                try:
                    return replace(record, data=self._bytes(record))
                except OverBudget:
                    return replace(record, data=bytes(len(record.data)))
        return record

    # -- HTTP

    def _request(self, request: Request) -> Request:
        head = self._redact([(h[0], h[1]) for h in request.headers], request.path)
        self._learn(head.secrets)
        self._may_be_in_messages = not (head.entries or request.redacted)
        host, user = self._host(request.host)
        headers, repeated = self._redact_repeated(head.headers)
        entries = [*request.redacted, *head.entries, *repeated, *user]
        body = self._body(request.body, cut=not _is_complete(request))
        return replace(
            request,
            host=host,
            headers=headers,
            path=self._known.hide_text(head.path),
            body=None if body is None else body.data,
            redacted=limit_entries([*entries, *(body.entries if body is not None else [])]),
        )

    def _host(self, host: str) -> tuple[str, list[Entry]]:
        """A host without user and password, which no client should put there."""
        user, at, name = host.rpartition("@")
        if not at or user == PLACEHOLDER:
            return self._known.hide_text(host), []
        self._learn([user, user.rpartition(":")[2]])
        entry = self._redact.describe("header", "Host", user, "shape")
        return f"{PLACEHOLDER}@{name}", [entry]

    def _response(self, response: Response) -> Response:
        head = self._redact([(h[0], h[1]) for h in response.headers])
        self._learn(head.secrets)
        headers, repeated = self._redact_repeated(head.headers)
        cut = response.body is not None and response.body_length > len(response.body)
        body = self._body(response.body, cut=cut)
        return replace(
            response,
            reason=self._text(response.reason),
            headers=headers,
            body=None if body is None else body.data,
            redacted=limit_entries(
                [
                    *response.redacted,
                    *head.entries,
                    *repeated,
                    *(body.entries if body is not None else []),
                ]
            ),
        )

    def _learn(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            self._known.learn(secret)

    def _redact_repeated(self, headers: list[list[str]]) -> tuple[list[list[str]], list[Entry]]:
        """Headers without credentials that are known from other places."""
        out, entries = [], []
        for name, value in headers:
            data = value.encode("utf-8", "surrogateescape")
            spans = self._known.spans(data)
            if spans:
                secret = spans[0].origin
                entries.append(self._redact.describe("header", name, secret, "repeated"))
            out.append([name, self._known.hide_text(value) if spans else value])
        return out, entries

    def _body(self, data: bytes | None, *, cut: bool) -> RedactedMessage | None:
        """A body, which the recorder has decoded."""
        if not data:
            return None if data is None else RedactedMessage(data)
        try:
            return http_body.redact_body(data, self._redact, self._known, cut=cut)
        except OverBudget:
            return RedactedMessage(b"", [over_budget("body", len(data))])

    def _text(self, text: str) -> str:
        """Any other text: the message of a failure, the reason phrase of a response."""
        if not text:
            return text
        data = text.encode("utf-8", "surrogateescape")
        cleaner = MessageRedactor(self._redact, self._known, "message", metadata=True)
        try:
            return cleaner.redact(data).data.decode("utf-8", "surrogateescape")
        except OverBudget:
            return ""

    # -- after the upgrade

    def _frame(self, frame: FrameRecord) -> FrameRecord:
        opcode, payload = frame.opcode, frame.payload
        if opcode >= _CONTROL:
            return self._control(frame)
        if frame.deflated:
            return self._deflated(frame)
        if opcode and frame.fin and not frame.cut and len(payload) <= _PIECE:
            self._fragments[frame.from_client] = None
            if opcode == _TEXT:
                may_hold, redact = self._prefilter.may_hold_in_text, self._redact_text
            else:
                may_hold, redact = self._prefilter.may_hold_in_binary, self._redact_binary
            return self._within_budget(frame, redact) if may_hold(payload) else frame
        return self._within_budget(frame, self._fragment)

    def _within_budget(
        self, frame: FrameRecord, redact: Callable[[FrameRecord], FrameRecord]
    ) -> FrameRecord:
        """A frame without credentials; over the work limit, its length only."""
        self._messages.budget = Budget()
        try:
            return redact(frame)
        except OverBudget:
            self._fragments[frame.from_client] = (
                None if frame.fin else self._new_fragments(text=True)
            )
            size = len(frame.payload)
            entry = over_budget("message", size)
            return replace(frame, payload=b"", cut=frame.cut + size, redacted=[entry])

    def _redact_text(self, frame: FrameRecord) -> FrameRecord:
        return _replaced(frame, self._messages.redact(frame.payload))

    def _redact_binary(self, frame: FrameRecord) -> FrameRecord:
        payload = frame.payload
        return _replaced(
            frame, self._messages.remove(payload, self._messages.find_in_binary(payload))
        )

    def _fragment(self, frame: FrameRecord) -> FrameRecord:
        side = frame.from_client
        fragments = self._fragments[side] if frame.opcode == _CONTINUATION else None
        fragments = fragments or self._new_fragments(text=frame.opcode != _BINARY)
        self._fragments[side] = None if frame.fin else fragments
        fin = frame.fin and not frame.cut
        cleaned, rest_size = _redact_in_pieces(fragments, frame.payload, fin=fin)
        if not rest_size:
            return _replaced(frame, cleaned)
        self._fragments[side] = None if frame.fin else self._new_fragments(text=True)
        entries = limit_entries([over_budget("message", rest_size), *cleaned.entries])
        return replace(frame, payload=cleaned.data, cut=frame.cut + rest_size, redacted=entries)

    def _new_fragments(self, *, text: bool) -> FragmentRedactor:
        return FragmentRedactor(self._messages, self._prefilter, self._known, text=text)

    def _control(self, frame: FrameRecord) -> FrameRecord:
        code = frame.payload[:2] if frame.opcode == Opcode.CLOSE else b""
        text = frame.payload[len(code) :]
        if not text:
            return frame
        cleaner = MessageRedactor(
            self._redact, self._known, "close" if code else "message", metadata=True
        )
        cleaned = cleaner.redact(text)
        kept = cleaned.data if frame.cut else cleaned.data[:_MAX_REASON].decode("utf-8", "ignore")
        data = kept if isinstance(kept, bytes) else kept.encode()
        return (
            _replaced(frame, RedactedMessage(code + data, cleaned.entries))
            if cleaned.entries
            else frame
        )

    def _deflated(self, frame: FrameRecord) -> FrameRecord:
        """A payload that could not be inflated is kept only if it cannot hold a credential."""
        if not self._may_be_in_messages or not frame.payload:
            return frame
        size = len(frame.payload)
        entry = unreadable("message", size)
        return replace(frame, payload=b"", cut=frame.cut + size, redacted=[entry])

    def _bytes(self, record: Bytes) -> bytes:
        side = record.from_client
        if not record.broken_rule or invalid_bytes.is_frame(record.data):
            fragments = self._fragments[side] or self._new_fragments(text=True)
            compressed = bool(record.data[:1] and record.data[0] & 0x40)
            if compressed and self._may_be_in_messages:
                return invalid_bytes.blank_frame(record.data, lambda payload: bytes(len(payload)))
            return invalid_bytes.blank_frame(record.data, fragments.blank_credentials)
        data = self._new_fragments(text=True).blank_credentials(
            record.data
        )  # an HTTP response, or another text
        return self._streams[side](data, self._known.spellings, self._redact.quoted_fields)


def _redact_in_pieces(
    fragments: FragmentRedactor, payload: bytes, *, fin: bool
) -> tuple[RedactedMessage, int]:
    """Redact a fragment, a long one in pieces; returns it and the bytes over the work limit.

    Raises:
        OverBudget: its first piece exceeds the limit.
    """
    out: list[bytes] = []
    entries: list[Entry] = []
    for start in range(0, max(1, len(payload)), _PIECE):
        last = start + _PIECE >= len(payload)
        try:
            cleaned = fragments(payload[start : start + _PIECE], fin=fin and last)
        except OverBudget:
            if not start:
                raise
            return RedactedMessage(b"".join(out), entries), len(payload) - start
        out.append(cleaned.data)
        entries += cleaned.entries
    return RedactedMessage(b"".join(out), entries), 0


def _replaced(frame: FrameRecord, cleaned: RedactedMessage) -> FrameRecord:
    if not cleaned.entries:
        return frame
    return replace(frame, payload=cleaned.data, redacted=limit_entries(cleaned.entries))


def _is_complete(request: Request) -> bool:
    """Whether its body is all that it was to be: recorders keep the beginning, or what came."""
    if request.body is None:
        return True
    body = {name: header(((h[0], h[1]) for h in request.headers), name) for name in _BODY_HEADERS}
    return body == {"content-length": str(len(request.body)), "content-encoding": None}
