"""Takes credentials out of the records of one session, one after another.

What was taken out of one record is looked for in all that follow. One guard belongs to one
session and one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from wsproxy.trace import Bytes, Failure, FrameRecord, Record, Request, Response
from wsproxy.wire import Opcode, header

from . import http_body, invalid_bytes
from .budget import Budget, OverBudget
from .fingerprint import Entry, over_budget, unreadable
from .fragments import FragmentRedactor
from .http_head import HeadRedactor
from .known_secrets import KnownSecrets
from .messages import MessageRedactor, RedactedMessage, reported
from .prefilter import Prefilter

_BODY_HEADERS = ("content-length", "content-encoding")
_MAX_REASON = 123  # bytes of a close reason (RFC 6455, section 5.5)
_CONTINUATION, _TEXT, _BINARY, _CONTROL = 0, 1, 2, 8  # opcodes: plain numbers are faster
_PIECE = 1 << 17  # bytes of a long message that are read at once: other threads wait meanwhile


class SessionRedactor:
    """Takes credentials out of a session's records.

    Args:
        redact: knows their places.
        known: credentials that are known before: a replay's own.
    """

    def __init__(self, redact: HeadRedactor, known: Iterable[str] = ()) -> None:
        self._redact = redact
        self._known = KnownSecrets()
        for secret in known:
            self._known.learn(secret)
        self._clean = MessageRedactor(redact, self._known, "message")
        self._glance = Prefilter(redact.find, self._known)
        self._fragments: dict[bool, FragmentRedactor | None] = {True: None, False: None}
        self._streams = {
            True: invalid_bytes.ByteStreamRedactor(),
            False: invalid_bytes.ByteStreamRedactor(),
        }
        # A credential that was in the head need not be in messages.
        self._in_messages = True

    def __call__(self, record: Record) -> Record:
        """The record as it may be written."""
        if isinstance(record, FrameRecord):  # first: nearly all are
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
                self._clean.budget = Budget()
                try:
                    return replace(record, data=self._bytes(record))
                except OverBudget:
                    return replace(record, data=bytes(len(record.data)))
        return record

    # -- HTTP

    def _request(self, request: Request) -> Request:
        clean = self._redact([(h[0], h[1]) for h in request.headers], request.path)
        self._learn(clean.secrets)
        self._in_messages = not (clean.taken or request.redacted)
        headers, repeated = self._headers(clean.headers)
        taken = [*request.redacted, *clean.taken, *repeated]
        said = self._body(request.body, cut=not _is_whole(request))
        return replace(
            request,
            headers=headers,
            path=self._known.hide_text(clean.path),
            body=None if said is None else said.data,
            redacted=reported([*taken, *(said.taken if said is not None else [])]),
        )

    def _response(self, response: Response) -> Response:
        clean = self._redact([(h[0], h[1]) for h in response.headers])
        self._learn(clean.secrets)
        headers, repeated = self._headers(clean.headers)
        cut = response.body is not None and response.body_length > len(response.body)
        said = self._body(response.body, cut=cut)
        return replace(
            response,
            reason=self._text(response.reason),
            headers=headers,
            body=None if said is None else said.data,
            redacted=reported(
                [
                    *response.redacted,
                    *clean.taken,
                    *repeated,
                    *(said.taken if said is not None else []),
                ]
            ),
        )

    def _learn(self, secrets: Iterable[str]) -> None:
        for secret in secrets:
            self._known.learn(secret)

    def _headers(self, headers: list[list[str]]) -> tuple[list[list[str]], list[Entry]]:
        """Headers without what is known from elsewhere."""
        out, taken = [], []
        for name, value in headers:
            data = value.encode("utf-8", "surrogateescape")
            spans = self._known.spans(data)
            if spans:
                secret = spans[0].origin
                taken.append(self._redact.describe("header", name, secret, "repeated"))
            out.append([name, self._known.hide_text(value) if spans else value])
        return out, taken

    def _body(self, data: bytes | None, *, cut: bool) -> RedactedMessage | None:
        """A body, which whoever recorded it has decoded."""
        if not data:
            return None if data is None else RedactedMessage(data)
        try:
            return http_body.clean(data, self._redact, self._known, cut=cut)
        except OverBudget:
            return RedactedMessage(b"", [over_budget("body", len(data))])

    def _text(self, text: str) -> str:
        """A text of no other kind: a failure's message, a status line's."""
        if not text:
            return text
        data = text.encode("utf-8", "surrogateescape")
        cleaner = MessageRedactor(self._redact, self._known, "message", control=True)
        try:
            return cleaner.whole(data).data.decode("utf-8", "surrogateescape")
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
                look, clean = self._glance.text, self._whole
            else:
                look, clean = self._glance.binary, self._binary
            return self._within_budget(frame, clean) if look(payload) else frame
        return self._within_budget(frame, self._fragment)

    def _within_budget(
        self, frame: FrameRecord, clean: Callable[[FrameRecord], FrameRecord]
    ) -> FrameRecord:
        """A frame without credentials, or as its length if that is too much work."""
        self._clean.budget = Budget()
        try:
            return clean(frame)
        except OverBudget:
            self._fragments[frame.from_client] = None if frame.fin else self._new(text=True)
            size = len(frame.payload)
            entry = over_budget("message", size)
            return replace(frame, payload=b"", cut=frame.cut + size, redacted=[entry])

    def _whole(self, frame: FrameRecord) -> FrameRecord:
        return _with(frame, self._clean.whole(frame.payload))

    def _binary(self, frame: FrameRecord) -> FrameRecord:
        payload = frame.payload
        return _with(frame, self._clean.without(payload, self._clean.binary(payload)))

    def _fragment(self, frame: FrameRecord) -> FrameRecord:
        side = frame.from_client
        fragments = self._fragments[side] if frame.opcode == _CONTINUATION else None
        fragments = fragments or self._new(text=frame.opcode != _BINARY)
        self._fragments[side] = None if frame.fin else fragments
        fin = frame.fin and not frame.cut
        cleaned, left = _in_pieces(fragments, frame.payload, fin=fin)
        if not left:
            return _with(frame, cleaned)
        self._fragments[side] = None if frame.fin else self._new(text=True)
        taken = reported([over_budget("message", left), *cleaned.taken])  # it has to be told
        return replace(frame, payload=cleaned.data, cut=frame.cut + left, redacted=taken)

    def _new(self, *, text: bool) -> FragmentRedactor:
        return FragmentRedactor(self._clean, self._glance, self._known, text=text)

    def _control(self, frame: FrameRecord) -> FrameRecord:
        code = frame.payload[:2] if frame.opcode == Opcode.CLOSE else b""
        text = frame.payload[len(code) :]
        if not text:
            return frame
        cleaner = MessageRedactor(
            self._redact, self._known, "close" if code else "message", control=True
        )
        cleaned = cleaner.whole(text)
        kept = cleaned.data if frame.cut else cleaned.data[:_MAX_REASON].decode("utf-8", "ignore")
        data = kept if isinstance(kept, bytes) else kept.encode()
        return _with(frame, RedactedMessage(code + data, cleaned.taken)) if cleaned.taken else frame

    def _deflated(self, frame: FrameRecord) -> FrameRecord:
        """What could not be inflated is not kept where there may be a credential in it."""
        if not self._in_messages or not frame.payload:
            return frame
        size = len(frame.payload)
        entry = unreadable("message", size)
        return replace(frame, payload=b"", cut=frame.cut + size, redacted=[entry])

    def _bytes(self, record: Bytes) -> bytes:
        side = record.from_client
        if not record.broken_rule or invalid_bytes.is_frame(record.data):
            fragments = self._fragments[side] or self._new(text=True)
            compressed = bool(record.data[:1] and record.data[0] & 0x40)
            if compressed and self._in_messages:
                return invalid_bytes.in_frame(record.data, lambda payload: bytes(len(payload)))
            return invalid_bytes.in_frame(record.data, fragments.blank)
        data = self._new(text=True).blank(record.data)  # an HTTP answer, or another text
        return self._streams[side](data, self._known.spellings, self._redact.quoted_fields)


def _in_pieces(
    fragments: FragmentRedactor, payload: bytes, *, fin: bool
) -> tuple[RedactedMessage, int]:
    """A fragment, piece by piece if it is long; how many bytes of it are too much work.

    Raises:
        OverBudget: its first piece is.
    """
    out: list[bytes] = []
    taken: list[Entry] = []
    for start in range(0, max(1, len(payload)), _PIECE):
        last = start + _PIECE >= len(payload)
        try:
            cleaned = fragments(payload[start : start + _PIECE], fin=fin and last)
        except OverBudget:
            if not start:
                raise
            return RedactedMessage(b"".join(out), taken), len(payload) - start
        out.append(cleaned.data)
        taken += cleaned.taken
    return RedactedMessage(b"".join(out), taken), 0


def _with(frame: FrameRecord, cleaned: RedactedMessage) -> FrameRecord:
    if not cleaned.taken:
        return frame
    return replace(frame, payload=cleaned.data, redacted=reported(cleaned.taken))


def _is_whole(request: Request) -> bool:
    """Whether its body is all that it was to be: recorders keep the beginning, or what came."""
    if request.body is None:
        return True
    said = {name: header(((h[0], h[1]) for h in request.headers), name) for name in _BODY_HEADERS}
    return said == {"content-length": str(len(request.body)), "content-encoding": None}
