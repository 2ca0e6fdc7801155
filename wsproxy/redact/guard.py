"""Takes credentials out of the records of one session, one after another.

What was taken out of one record is looked for in all that follow. One guard belongs to one
session and one thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wsproxy.trace import Bytes, Failure, FrameRecord, Record, Request, Response
from wsproxy.wire import Opcode, header

from . import body, garbage
from .fingerprint import Entry, unreadable
from .fragments import Fragments, is_json
from .head import Redactor
from .messages import Cleaned, Cleaner, told
from .repeats import Repeats

_BODY_HEADERS = ("content-length", "content-encoding")
_MAX_REASON = 123  # bytes of a close reason (RFC 6455, section 5.5)
_PIECE = 1 << 17  # bytes of a long message that are read at once: other threads wait meanwhile


class Guard:
    """Takes credentials out of a session's records.

    Args:
        redact: knows their places.
        known: credentials that are known before: a replay's own.
    """

    def __init__(self, redact: Redactor, known: Iterable[str] = ()) -> None:
        self._redact = redact
        self._repeats = Repeats()
        for secret in known:
            self._repeats.learn(secret)
        self._clean = Cleaner(redact, self._repeats, "message")
        self._fragments: dict[bool, Fragments | None] = {True: None, False: None}
        self._streams = {True: garbage.Stream(), False: garbage.Stream()}
        # A credential that was in the head need not be in messages.
        self._in_messages = True

    def __call__(self, record: Record) -> Record:
        """The record as it may be written."""
        match record:
            case FrameRecord():
                return self._frame(record)
            case Request():
                return self._request(record)
            case Response():
                return self._response(record)
            case Failure():
                return replace(record, message=self._text(record.message))
            case Bytes():
                return replace(record, data=self._bytes(record))
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
            path=self._repeats.hide_text(clean.path),
            body=None if said is None else said.data,
            redacted=told([*taken, *(said.taken if said is not None else [])]),
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
            redacted=told(
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
            self._repeats.learn(secret)

    def _headers(self, headers: list[list[str]]) -> tuple[list[list[str]], list[Entry]]:
        """Headers without what is known from elsewhere."""
        out, taken = [], []
        for name, value in headers:
            data = value.encode("utf-8", "surrogateescape")
            spans = self._repeats.spans(data)
            if spans:
                secret = self._repeats.origin(spans[0][2])
                taken.append(self._redact.describe("header", name, secret, "repeated"))
            out.append([name, self._repeats.hide_text(value) if spans else value])
        return out, taken

    def _body(self, data: bytes | None, *, cut: bool) -> Cleaned | None:
        """A body, which whoever recorded it has decoded."""
        if not data:
            return None if data is None else Cleaned(data)
        return body.clean(data, self._redact, self._repeats, cut=cut)

    def _text(self, text: str) -> str:
        """A text of no other kind: a failure's message, a status line's."""
        data = text.encode("utf-8", "surrogateescape")
        if self._repeats.inside(data) or self._redact.glance(data):
            return self._clean.whole(data).data.decode("utf-8", "surrogateescape")
        return text

    # -- after the upgrade

    def _frame(self, frame: FrameRecord) -> FrameRecord:
        if frame.opcode >= Opcode.CLOSE:
            return self._control(frame)
        if frame.deflated:
            return self._deflated(frame)
        payload = frame.payload
        fragments = self._fragments[frame.from_client]
        if frame.opcode != Opcode.CONTINUATION:
            fragments = None
        elif fragments is None:
            fragments = self._new(text=True)
        if fragments is None and frame.fin and not frame.cut and len(payload) <= _PIECE:
            self._fragments[frame.from_client] = None
            text = frame.opcode == Opcode.TEXT or is_json(payload)
            if text and self._redact.glance(payload):
                return _with(frame, self._clean.whole(payload))
            if self._repeats.inside(payload):
                places = self._clean.repeated(payload)
                return _with(frame, self._clean.without(payload, places))
            return frame
        fragments = fragments or self._new(text=True if frame.opcode == Opcode.TEXT else None)
        self._fragments[frame.from_client] = None if frame.fin else fragments
        return _with(frame, _in_pieces(fragments, payload, fin=frame.fin and not frame.cut))

    def _new(self, *, text: bool | None) -> Fragments:
        return Fragments(self._clean, self._redact.glance, self._repeats, text=text)

    def _control(self, frame: FrameRecord) -> FrameRecord:
        code = frame.payload[:2] if frame.opcode == Opcode.CLOSE else b""
        text = frame.payload[len(code) :]
        if not text or not (self._repeats.inside(text) or self._redact.glance(text)):
            return frame
        where = "close" if code else "message"
        cleaned = Cleaner(self._redact, self._repeats, where).whole(text)
        kept = cleaned.data if frame.cut else cleaned.data[:_MAX_REASON].decode("utf-8", "ignore")
        data = kept if isinstance(kept, bytes) else kept.encode()
        return _with(frame, Cleaned(code + data, cleaned.taken)) if cleaned.taken else frame

    def _deflated(self, frame: FrameRecord) -> FrameRecord:
        """What could not be inflated is not kept where there may be a credential in it."""
        if not self._in_messages or not frame.payload:
            return frame
        size = len(frame.payload)
        entry = unreadable("message", size)
        return replace(frame, payload=b"", cut=frame.cut + size, redacted=[entry])

    def _bytes(self, record: Bytes) -> bytes:
        side = record.from_client
        if not record.broken_rule or garbage.is_frame(record.data):
            fragments = self._fragments[side] or self._new(text=True)
            compressed = bool(record.data[:1] and record.data[0] & 0x40)
            if compressed and self._in_messages:
                return garbage.in_frame(record.data, lambda payload: bytes(len(payload)))
            return garbage.in_frame(record.data, fragments.blank)
        data = self._new(text=True).blank(record.data)  # an HTTP answer, or another text
        return self._streams[side](data, self._repeats.forms, self._redact.quoted_fields)


def _in_pieces(fragments: Fragments, payload: bytes, *, fin: bool) -> Cleaned:
    """A fragment, piece by piece if it is long."""
    out, taken = [], []
    for start in range(0, max(1, len(payload)), _PIECE):
        last = start + _PIECE >= len(payload)
        cleaned = fragments(payload[start : start + _PIECE], fin=fin and last)
        out.append(cleaned.data)
        taken += cleaned.taken
    return Cleaned(b"".join(out), taken)


def _with(frame: FrameRecord, cleaned: Cleaned) -> FrameRecord:
    if not cleaned.taken:
        return frame
    return replace(frame, payload=cleaned.data, redacted=told(cleaned.taken))


def _is_whole(request: Request) -> bool:
    """Whether its body is all that it was to be: recorders keep the beginning, or what came."""
    if request.body is None:
        return True
    said = {name: header(((h[0], h[1]) for h in request.headers), name) for name in _BODY_HEADERS}
    return said == {"content-length": str(len(request.body)), "content-encoding": None}
