"""JSON messages over a socket, one a line; a sender never blocks."""

from __future__ import annotations

import json
import socket
from typing import Any

_READ_SIZE = 64 << 10


class Channel:
    """One end of a connection between the recorder's process and the supervisor."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._received = bytearray()
        self._unsent = bytearray()

    def fileno(self) -> int:
        return self.sock.fileno()

    @property
    def has_unsent(self) -> bool:
        """Whether `flush` is to be called when the socket is writable."""
        return bool(self._unsent)

    def send(self, **message: object) -> None:
        """Send a message; what the socket does not take now is kept for `flush`."""
        self._unsent += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self, *, wait: bool = False) -> None:
        """Send what is left; with `wait`, all of it."""
        try:
            while self._unsent:
                flags = 0 if wait else socket.MSG_DONTWAIT
                del self._unsent[: self.sock.send(self._unsent, flags)]
        except BlockingIOError:
            pass
        except OSError:  # nobody reads it any more
            self._unsent.clear()

    def receive(self) -> list[dict[str, Any]] | None:
        """Wait for messages; None when the other end is closed."""
        while b"\n" not in self._received:
            try:
                data = self.sock.recv(_READ_SIZE)
            except OSError:
                data = b""
            if not data:
                return None
            self._received += data
        complete, _, rest = bytes(self._received).rpartition(b"\n")
        self._received[:] = rest
        return [json.loads(line) for line in complete.split(b"\n")]
