"""An incremental frame parser: bytes cut anywhere in, frames out.

It is an observer, not an endpoint: it never rejects. A frame that an endpoint would
fail the connection for is still a frame here if its bounds are known (the rule that it
breaks is what `check` tells). Where the bounds cannot be trusted any more, the bytes
are handed out as `Garbage`, as they were.
"""

from __future__ import annotations

from dataclasses import replace

from websockets.speedups import apply_mask

from .frames import CONTROL, RSV1, RSV2, RSV3, Close, Frame, Garbage, Opcode

MAX_PAYLOAD = 64 << 20  # bytes of one frame that are kept; the rest is counted

_OPCODES = {int(opcode): opcode for opcode in Opcode}


class FrameParser:
    """Splits one direction of a connection into frames (RFC 6455, section 5.2).

    Args:
        max_payload: bytes of a frame's payload that are kept, at most MAX_PAYLOAD. Of a
            longer frame the beginning is kept and the rest counted in `Frame.cut`, so
            that a hostile length costs no memory.
    """

    def __init__(self, *, max_payload: int = MAX_PAYLOAD) -> None:
        self._buffer = bytearray()
        self._max_payload = max(0, min(max_payload, MAX_PAYLOAD))
        self._lost: str | None = None  # the rule broken, once bounds are unknown
        # A frame over the limit: it, and its payload bytes that are still to come.
        self._oversized: Frame | None = None
        self._to_skip = 0
        # Bytes that the buffer must hold before another look is worth it: a large
        # frame that comes in small pieces is then not parsed again at each of them.
        self._need = 2

    def feed(self, data: bytes) -> list[Frame | Garbage]:
        """Take the next bytes and return what they complete, in order."""
        if self._lost is not None:
            return [Garbage(bytes(data), self._lost)] if data else []
        out: list[Frame | Garbage] = []
        if self._oversized is not None:
            data = self._skip(data, out)
        self._buffer += data
        while len(self._buffer) >= self._need:
            frame = self._next()
            if frame is None:
                break
            out.append(frame)
        return out

    def end(self) -> list[Frame | Garbage]:
        """The stream has ended: return the beginning of a frame that was never completed.

        Of a frame over the limit it is a Frame that counts what came of it.
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

    def _next(self) -> Frame | Garbage | None:
        buffer = self._buffer
        first, second = buffer[0], buffer[1]
        masked = second & 0x80
        length = second & 0x7F
        start = 2
        if length == 126:
            start = 4
        elif length == 127:
            start = 10
        header = start + (4 if masked else 0)
        if len(buffer) < header:
            self._need = header
            return None
        if start > 2:
            length = int.from_bytes(buffer[2:start], "big")
            if length >> 63:
                return self._lose("payload length with its highest bit set (section 5.2)")
        opcode = _OPCODES.get(first & 0x0F)
        kept = min(length, self._max_payload)
        if opcode is None and kept < length:
            return self._lose(f"reserved opcode {first & 0x0F:#x} (section 5.2)")
        if len(buffer) < header + kept:
            self._need = header + kept
            return None
        self._need = 2
        if opcode is None:
            # Its bounds are known all the same, so the frames after it are not lost.
            data = bytes(buffer[: header + kept])
            del buffer[: header + kept]
            return Garbage(data, f"reserved opcode {first & 0x0F:#x} (section 5.2)")
        mask = bytes(buffer[start:header]) if masked else None
        with memoryview(buffer) as view:
            payload = (
                apply_mask(view[header : header + kept], mask)
                if mask is not None
                else bytes(view[header : header + kept])
            )
        del buffer[: header + kept]
        frame = Frame(
            opcode,
            payload,
            bool(first & 0x80),
            first >> 4 & 7,
            mask,
            header + length,
            length - kept,
        )
        if not frame.cut:
            return frame
        self._oversized, self._to_skip = frame, frame.cut
        out: list[Frame | Garbage] = []
        rest = self._skip(bytes(buffer), out)
        buffer[:] = rest
        self._need = 2
        return out[0] if out else None

    def _skip(self, data: bytes, out: list[Frame | Garbage]) -> bytes:
        """Pass over the payload of an oversized frame; hand it out once it is complete."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        if self._to_skip == 0 and self._oversized is not None:
            out.append(self._oversized)
            self._oversized = None
        return data[skipped:]

    def _lose(self, rule: str) -> Garbage:
        """The bounds of frames are unknown from here on."""
        self._lost = rule
        data = bytes(self._buffer)
        self._buffer.clear()
        return Garbage(data, rule)


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

    def check(self, frame: Frame) -> str | None:
        """The rule broken by the next frame of this direction, or None."""
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

    def _check_bits(self, frame: Frame) -> str | None:
        if frame.rsv & (RSV2 | RSV3):
            return "reserved bit set without an extension (section 5.2)"
        if frame.rsv & RSV1:
            if not self._deflate:
                return "reserved bit set without an extension (section 5.2)"
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
