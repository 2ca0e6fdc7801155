"""The two ends of a session that goes wrong, and what each of them notes."""

from __future__ import annotations

import contextlib
import errno
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable

from wire_witness import Peer
from wsproxy.system.tcp import reset_on_close

from .certificates import HOST

LIMIT = 5.0  # seconds without anything after which an end stops waiting
QUIET = 0.1  # seconds that an app waits for a server that has stalled

# What ends a direction, in the words of the table.
_ENDS = {"eof": "FIN", "reset": "RST", "close-notify": "close-notify"}


class Over(Exception):
    """An end has nothing more to do: the other one is gone."""


class End(Peer):
    """An end that notes what it sees of the other one, in words.

    Args:
        context: for TLS; None for a plain connection.
        acted: set when the end that is at fault has done it; shared by both.
        ready: set when the other one has come to the stage where it is to happen.
        until_seen: waits until the receiver has read what was sent.
        is_again: whether it is another connection than the first one to this server.

    Attributes:
        notes: what it saw, in order.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext | None,
        acted: threading.Event,
        ready: threading.Event,
        *,
        is_client: bool,
        is_again: bool = False,
        until_seen: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(sock)
        self.until_seen = until_seen
        self.has_read = False
        self.is_again = is_again
        self.is_client = is_client
        sock.settimeout(LIMIT)
        self.notes: list[str] = []
        self.context = context
        self.acted = acted
        self.ready = ready
        self._noted = 0  # of `saw`
        self._counted = 0  # of `received`

    def play(self, script: Callable[[End], None]) -> None:
        """Play a script to its end, and leave; note what the other end did meanwhile."""
        try:
            script(self)
        except Over:
            pass
        except TimeoutError:
            self.notes.append("nothing more")
        except ssl.SSLCertVerificationError as error:
            self.notes.append(_rejection(error.verify_message))
        except ssl.SSLError as error:
            self.notes.append(_alert(error.reason))
        except (ConnectionResetError, BrokenPipeError):
            self.saw.append("reset")
        except ConnectionError:
            self.saw.append("eof")
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            self.saw.append("reset")
        finally:
            self._note_ends()
            self._leave()

    @property
    def summary(self) -> str:
        return ", ".join(self.notes) or "nothing"

    # -- an upgrade

    def begin(self) -> None:
        """The TLS handshake, if there is one."""
        if self.context is not None:
            self.start_tls(self.context, HOST if self.is_client else None)

    def note_answer(self) -> None:
        """Read the answer to the upgrade; Over unless it is accepted."""
        head = self.read_head()
        status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        if not head.endswith(b"\r\n\r\n"):
            if head:
                self.notes.append(f"{len(head)} B of a response")
            raise Over
        if status and (status[1] != b"101" or b"Upgrade: websocket" in head):
            self.notes.append(status[1].decode())
        else:
            self.notes.append("an invalid response")
        if self.notes[-1] != "101":
            self.received.clear()  # a body, whose length says nothing
            raise Over

    def note_request(self) -> None:
        """Read a request; Over if there is none."""
        head = self.read_head()
        if head.endswith(b"\r\n\r\n"):
            self.notes.append("request" if head.startswith(b"GET ") else "an invalid request")
        elif head:
            self.notes.append(f"{len(head)} B of a request")
        if self.notes[-1:] != ["request"]:
            self.received.clear()
            raise Over

    def _recv(self, *, tcp_end: bool = True) -> bytes:
        data = super()._recv(tcp_end=tcp_end)
        self.has_read = self.has_read or bool(data)
        return data

    # -- reading on

    def need(self, size: int) -> None:
        """Read until `size` bytes have arrived after the upgrade; raises Over if they do not."""
        while len(self.received) < size:
            data = self._recv()
            if not data:
                raise Over
            self.received += data

    def watch(self) -> None:
        """Read to the end of the other side, and end as well."""
        self.until_end()
        if self.saw and self.saw[-1] == "eof":
            with contextlib.suppress(OSError):
                self.eof()

    def poke(self, data: bytes) -> None:
        """Read to the end of the other side, then find out whether it still listens."""
        self.until_end()
        if self.saw and self.saw[-1] != "eof":
            return
        self._note_ends()
        self.sock.setblocking(True)
        self.sock.settimeout(LIMIT)
        with contextlib.suppress(OSError):
            self.send(data)
            self._until_gone()
        self.saw.append("reset")

    def wait_in_vain(self) -> None:
        """Wait for a while for an end that has fallen silent."""
        self.await_fault()
        self.sock.settimeout(QUIET)
        try:
            while data := self._recv():
                self.received += data
        except TimeoutError:
            self._note_ends()
            self.notes.append("gets no response")

    def fall_silent(self) -> None:
        """Say nothing more, and see how the other one leaves."""
        self.acted.set()
        self.until_end()

    def await_fault(self) -> None:
        """Wait until the other end has done what it is at fault for."""
        self.acted.wait(LIMIT)

    def client_hello(self) -> bytes:
        """The first flight of a TLS handshake that is not gone on with."""
        assert self.context is not None
        incoming, out = ssl.MemoryBIO(), ssl.MemoryBIO()
        with contextlib.suppress(ssl.SSLWantReadError):
            self.context.wrap_bio(incoming, out, server_hostname=HOST).do_handshake()
        return out.read()

    # -- damage

    def send_raw(self, data: bytes) -> None:
        """Send bytes past TLS."""
        self.sent += data
        self.sock.sendall(data)

    def alert(self) -> None:
        """Send a fatal TLS alert, as an end does whose TLS was broken."""
        assert self._tls is not None
        with self._tls_lock:
            self._in.write(b"\x17\x03\x03\x00\x20" + bytes(32))  # decrypts to nothing
            with contextlib.suppress(ssl.SSLError):
                self._tls.read(1)
        self.sock.sendall(self._out.read())

    def vanish(self) -> None:
        """Close both directions at once, as the kernel does for a process that is killed."""
        self.sock.close()

    # -- notes

    def _note_ends(self) -> None:
        if len(self.received) > self._counted:
            self.notes.append(f"{len(self.received) - self._counted} B")
            self._counted = len(self.received)
        for how in self.saw[self._noted :]:
            note = _ENDS.get(how) or _alert(self.tls_error)
            if self.notes[-1:] != [note]:
                self.notes.append(note)
        self._noted = len(self.saw)

    def _until_gone(self) -> None:
        """Wait for the reset that answers what was sent to nobody."""
        poll = select.poll()
        poll.register(self.sock, select.POLLERR | select.POLLHUP)
        if not poll.poll(LIMIT * 1000):
            raise AssertionError("no reset comes")

    def _leave(self) -> None:
        """Close without a reset: FIN, then read to the other one's end."""
        with contextlib.suppress(OSError, ValueError):
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(LIMIT)
            while self.sock.recv(1 << 16):
                pass
        self.sock.close()


def reset_now(sock: socket.socket) -> None:
    """Abort a connection."""
    reset_on_close(sock)
    sock.close()


def _rejection(message: str) -> str:
    for word in ("self-signed", "expired", "mismatch", "local issuer"):
        if word in message:
            return f"rejects the certificate: {word}"
    return f"rejects the certificate: {message}"


def _alert(reason: str | None) -> str:
    """A TLS error in words that do not depend on the version of OpenSSL."""
    words = (reason or "").lower().replace("_", " ")
    if "alert" not in words:
        return "TLS broken"
    # Of the others it is a matter of the version which one is sent.
    known = [each for each in ("unknown ca", "bad certificate", "expired") if each in words]
    return f"TLS alert: {known[0]}" if known else "TLS alert"
