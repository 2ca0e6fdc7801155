"""permessage-deflate (RFC 7692): inflates and deflates the payloads of frames."""

from __future__ import annotations

import zlib
from dataclasses import replace

from .frames import RSV1, Frame, Opcode
from .handshake import Deflate

_TAIL = b"\x00\x00\xff\xff"  # what a sender removes from the end of each message (section 7.2.1)

_MAX_STREAMS = 64  # deflate streams in one frame; each costs a copy of what follows it

MAX_INFLATED = 64 << 20  # bytes that one message may inflate to


class Inflater:
    """Inflates the messages of one direction, frame by frame, in their order.

    Frames of a fragmented message are inflated one by one, with the window carried
    over as agreed; control frames between them are not changed.

    Args:
        deflate: what the handshake agreed on.
        from_client: which side's frames these are.
        max_inflated: bytes that one message may inflate to.
    """

    def __init__(
        self, deflate: Deflate, *, from_client: bool, max_inflated: int = MAX_INFLATED
    ) -> None:
        self._keep_window = not (
            deflate.client_no_context_takeover
            if from_client
            else deflate.server_no_context_takeover
        )
        bits = deflate.client_max_window_bits if from_client else deflate.server_max_window_bits
        # zlib inflates a raw stream of window 8 only with a window of 9.
        self._wbits = -max(bits, 9)
        self._max_inflated = max_inflated
        self._stream = zlib.decompressobj(self._wbits)
        self._compressed = False  # whether the current message is
        self._inflated = 0  # bytes of it so far
        self._broken = False

    def inflate(self, frame: Frame) -> bytes | None:
        """The payload as the application reads it.

        Returns:
            The inflated payload of a frame of a compressed message, the unchanged payload
            of any other frame; None if it cannot be inflated: damaged data, a message over
            the limit, a frame that was cut, or anything after those while the window is
            carried over.
        """
        if frame.control:
            return frame.payload
        if frame.opcode is not Opcode.CONTINUATION:
            self._compressed = bool(frame.rsv & RSV1)
            self._inflated = 0
            if self._compressed and not self._keep_window:
                self._stream = zlib.decompressobj(self._wbits)
                self._broken = False
        if not self._compressed:
            return frame.payload
        payload = None if self._broken or frame.cut else self._decompress(frame)
        if payload is None:
            self._broken = True
        return payload

    def _decompress(self, frame: Frame) -> bytes | None:
        data = frame.payload + _TAIL if frame.fin else frame.payload
        out = b""
        for _ in range(_MAX_STREAMS):
            room = self._max_inflated - self._inflated
            try:
                piece = self._stream.decompress(data, room + 1)
            except zlib.error:
                return None
            if len(piece) > room:
                return None
            self._inflated += len(piece)
            out += piece
            if not self._stream.eof:
                return out
            # A block marked final inside a message (section 7.2.3.4): what follows it
            # is a new deflate stream with an empty window.
            data = self._stream.unused_data
            self._stream = zlib.decompressobj(self._wbits)
        return None


class Deflater:
    """Deflates the messages of one direction, frame by frame, in their order.

    Args:
        deflate: what the handshake agreed on.
        from_client: which side's frames these are.
    """

    def __init__(self, deflate: Deflate, *, from_client: bool) -> None:
        self._keep_window = not (
            deflate.client_no_context_takeover
            if from_client
            else deflate.server_no_context_takeover
        )
        bits = deflate.client_max_window_bits if from_client else deflate.server_max_window_bits
        # zlib makes no raw stream of window 8, and one of window 9 may refer back too far.
        self._stored = bits == 8
        self._wbits = -max(bits, 9)
        self._stream = self._new_stream()

    def deflate(self, frame: Frame) -> Frame:
        """A data frame as it goes over the wire, RSV1 set if it begins a message.

        Pass it all fragments of a message and nothing else: messages that are sent
        uncompressed do not change the window (section 7.2.1).
        """
        data = self._stream.compress(frame.payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        if frame.fin:
            # Without new data since the last flush it still is an empty block (section 7.2.3.6).
            data = data.removesuffix(_TAIL) or b"\0"
            if not self._keep_window:
                self._stream = self._new_stream()
        first = frame.opcode is not Opcode.CONTINUATION
        return replace(frame, payload=data, rsv=frame.rsv | RSV1 if first else frame.rsv)

    def _new_stream(self) -> zlib._Compress:
        level = 0 if self._stored else zlib.Z_DEFAULT_COMPRESSION
        return zlib.compressobj(level, zlib.DEFLATED, self._wbits)
