"""An incremental frame parser: bytes cut anywhere in, frames out.

It is an observer, not an endpoint: it never rejects. A frame for which an endpoint would
fail the connection is still a frame here if its bounds are known; `RuleChecker` names the rule
that it breaks. Once frame synchronization is lost, the bytes are returned verbatim as
`Garbage`.
"""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import replace

from .frames import CONTROL, RSV1, RSV2, RSV3, Close, Frame, Garbage, Opcode
from .mask import apply_mask

MAX_PAYLOAD = 64 << 20  # bytes of one frame that are kept; the rest is counted

_utf8 = codecs.getincrementaldecoder("utf-8")

_OPCODES = {int(opcode): opcode for opcode in Opcode}


class FrameParser:
    """Splits one direction of a connection into frames (RFC 6455, section 5.2).

    Args:
        max_payload: bytes of a frame's payload that are kept, at most MAX_PAYLOAD. Of a
            longer frame the beginning is kept, the rest counted in `Frame.cut`, and
            `Frame.digest` is of all of it, so that a hostile length costs no memory.
    """

    def __init__(self, *, max_payload: int = MAX_PAYLOAD) -> None:
        self._buffer = bytearray()
        self._max_payload = max(0, min(max_payload, MAX_PAYLOAD))
        self._lost: str | None = None  # the rule broken, once bounds are unknown
        # A frame over the limit, and how many bytes of its payload have not arrived.
        self._oversized: Frame | None = None
        self._to_skip = 0
        self._digest = hashlib.sha256()
        # Bytes that the buffer must hold before it is parsed again: a large frame that
        # arrives in small pieces is then not parsed at each of them.
        self._need = 2

    def feed(self, data: bytes) -> list[Frame | Garbage]:
        """Add the next bytes; returns the frames that they complete, in order."""
        if self._lost is not None:
            return [Garbage(bytes(data), self._lost)] if data else []
        out: list[Frame | Garbage] = []
        if self._oversized is not None:
            data = data[self._skip(data, out) :]
        buffer = self._buffer
        if not buffer:
            # Nearly every read is complete frames, which need no copy to be split.
            done = self._split(data, out)
            if done < len(data):
                buffer += data[done:]
            return out
        buffer += data
        if len(buffer) >= self._need:
            with memoryview(buffer) as view:
                done = self._split(view, out)
            del buffer[:done]
        return out

    @property
    def is_inside_frame(self) -> bool:
        """Whether the beginning of a frame has arrived and its end has not."""
        return bool(self._buffer) or self._oversized is not None

    def end(self) -> list[Frame | Garbage]:
        """The stream has ended: return the beginning of a frame that was never completed.

        A frame over the limit is returned as a Frame that counts the bytes that arrived.
        """
        if self._oversized is not None:
            frame, missing, self._oversized = self._oversized, self._to_skip, None
            return [
                replace(frame, cut=frame.cut - missing, wire_length=frame.wire_length - missing)
            ]
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._need = 2
        return [Garbage(rest, "")] if rest else []

    def _split(self, data: bytes | memoryview, out: list[Frame | Garbage]) -> int:
        """Append the frames that data begins with to `out`; returns their length in bytes."""
        at, size = 0, len(data)
        while size - at >= 2:
            first, second = data[at], data[at + 1]
            if first & 0x70 and _is_no_frame(first):
                return self._lose(data[at:], _in_place_of_a_frame(data[at:]), out) + at
            length = second & 0x7F
            start = at + (2 if length < 126 else 4 if length == 126 else 10)
            content = start + 4 if second & 0x80 else start  # where the payload begins
            if size < content:
                self._need = content - at
                return at
            if length >= 126:
                length = int.from_bytes(data[at + 2 : start], "big")
                if length >> 63:
                    rule = "payload length with its highest bit set (section 5.2)"
                    return self._lose(data[at:], rule, out) + at
            opcode = _OPCODES.get(first & 0x0F)
            kept = min(length, self._max_payload)
            if opcode is None and kept < length:
                rule = f"reserved opcode {first & 0x0F:#x} (section 5.2)"
                return self._lose(data[at:], rule, out) + at
            end = content + kept
            if size < end:
                self._need = end - at
                return at
            if opcode is None:
                # Its bounds are known all the same, so the frames after it are not lost.
                rule = f"reserved opcode {first & 0x0F:#x} (section 5.2)"
                out.append(Garbage(bytes(data[at:end]), rule))
                at = end
                continue
            mask = bytes(data[start:content]) if second & 0x80 else None
            frame = Frame(
                opcode,
                bytes(data[content:end]) if mask is None else apply_mask(data[content:end], mask),
                first >= 0x80,
                first >> 4 & 7,
                mask,
                content - at + length,
                length - kept,
            )
            at = end
            if kept == length:
                out.append(frame)
                continue
            self._oversized, self._to_skip = frame, length - kept
            self._digest = hashlib.sha256(frame.payload)
            at += self._skip(data[at:], out)
        self._need = 2
        return at

    def _skip(self, data: bytes | memoryview, out: list[Frame | Garbage]) -> int:
        """Pass over payload of an oversized frame; append the frame once it is complete.

        Args:
            data: the next bytes of the stream.

        Returns:
            How many of them belong to the frame.
        """
        frame = self._oversized
        assert frame is not None
        skipped = min(self._to_skip, len(data))
        rest = data[:skipped]
        if frame.mask is not None:
            # The key is used from this place of the payload on (RFC 6455, section 5.3).
            turn = (len(frame.payload) + frame.cut - self._to_skip) % 4
            rest = apply_mask(rest, frame.mask[turn:] + frame.mask[:turn])
        self._digest.update(rest)
        self._to_skip -= skipped
        if self._to_skip == 0:
            out.append(replace(frame, digest=self._digest.hexdigest()))
            self._oversized = None
        return skipped

    def _lose(self, rest: bytes | memoryview, rule: str, out: list[Frame | Garbage]) -> int:
        """Frame synchronization is lost from here on; returns how many bytes were appended."""
        self._lost = rule
        out.append(Garbage(bytes(rest), rule))
        return len(rest)


# Of the only extension that is in use, the bit means that the message is compressed.
UNASKED_COMPRESSION = "reserved bit RSV1 set without permessage-deflate (section 5.2)"


def _is_no_frame(first: int) -> bool:
    """Whether a first byte with reserved bits breaks a second rule of section 5.2 or 5.4.

    An extension may use one of these bits on a frame. No endpoint sends a reserved opcode
    with them, or a fragmented control frame: bytes that begin so are text or noise, and have
    no length field. Nearly every ASCII letter is such a byte.
    """
    opcode = first & 0x0F
    return opcode not in _OPCODES or (opcode >= 8 and first < 0x80)


def _in_place_of_a_frame(data: bytes | memoryview) -> str:
    # Two bytes: more of them may not have arrived yet.
    what = "an HTTP answer" if bytes(data[:2]) == b"HT" else "something else"
    return f"{what} in place of a frame (section 5.2)"


class RuleChecker:
    """Names the rule that a frame of one direction breaks, if it breaks one.

    Args:
        from_client: which side sends these frames; a client masks, a server does not.
        deflate: whether permessage-deflate was agreed on, which gives RSV1 a meaning.
    """

    def __init__(self, *, from_client: bool, deflate: bool = False) -> None:
        self._from_client = from_client
        self._deflate = deflate
        self._in_message = False
        self._text: codecs.IncrementalDecoder | None = None  # of the message that is open

    def check(self, frame: Frame) -> str | None:
        """The rule broken by the next frame of this direction, or None."""
        if (
            frame.fin
            and not frame.rsv
            and not self._in_message
            and (frame.opcode is Opcode.BINARY or frame.opcode is Opcode.TEXT)
            and (frame.mask is not None) is self._from_client
            and _check_length(frame) is None
        ):
            return None  # nearly every frame
        rule = self._check_bits(frame) or _check_length(frame)
        if frame.opcode in CONTROL:
            return rule or _check_control(frame)
        if frame.opcode is Opcode.CONTINUATION:
            if not self._in_message:
                rule = rule or "continuation frame without a message (section 5.4)"
        elif self._in_message:
            rule = rule or f"{frame.opcode} frame inside a fragmented message (section 5.4)"
        self._in_message = not frame.fin
        return rule

    def check_text(self, frame: Frame, content: bytes | None) -> str | None:
        """The rule broken if a text message is not UTF-8, at the first frame that shows it.

        Args:
            frame: the next of this direction.
            content: its payload as the application reads it; None if that is unknown.
        """
        if frame.opcode is Opcode.TEXT:
            if frame.fin and content is not None and content.isascii():
                return None  # nearly every message
            self._text = _utf8()
        elif frame.opcode is not Opcode.CONTINUATION or self._text is None:
            return None
        if content is None or frame.cut:
            self._text = None
            return None
        rule = None
        try:
            assert self._text is not None
            self._text.decode(content, frame.fin)
        except UnicodeDecodeError:
            rule = "text message is not UTF-8 (section 8.1)"
        if rule is not None or frame.fin:
            self._text = None
        return rule

    def _check_bits(self, frame: Frame) -> str | None:
        if frame.rsv & (RSV2 | RSV3):
            return "reserved bit set without an extension (section 5.2)"
        if frame.rsv & RSV1:
            if not self._deflate:
                return UNASKED_COMPRESSION
            if frame.control or frame.opcode is Opcode.CONTINUATION:
                return "RSV1 on a frame that does not begin a message (RFC 7692, section 6.1)"
        if self._from_client and frame.mask is None:
            return "client frame not masked (section 5.1)"
        if not self._from_client and frame.mask is not None:
            return "server frame masked (section 5.1)"
        return None


def _check_length(frame: Frame) -> str | None:
    length = len(frame.payload) + frame.cut
    extended = frame.wire_length - length - 2 - (4 if frame.mask is not None else 0)
    if (extended == 2 and length < 126) or (extended == 8 and length < 1 << 16):
        return "payload length not in its shortest form (section 5.2)"
    return None


def _check_control(frame: Frame) -> str | None:
    if len(frame.payload) + frame.cut > 125:
        return "control frame with over 125 bytes (section 5.5)"
    if not frame.fin:
        return "fragmented control frame (section 5.5)"
    if frame.opcode is Opcode.CLOSE and len(frame.payload) == 1:
        return "close frame with a payload of 1 byte (section 5.5.1)"
    if frame.opcode is Opcode.CLOSE and len(frame.payload) >= 2:
        code = Close.parse(frame.payload).code
        if code is not None and (code < 1000 or code in (1004, 1005, 1006, 1015)):
            return f"close code {code} must not be sent (section 7.4)"
        try:
            frame.payload[2:].decode()
        except UnicodeDecodeError:
            return "close reason is not UTF-8 (section 5.5.1)"
    return None
