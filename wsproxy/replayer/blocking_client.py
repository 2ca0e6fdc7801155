"""Replays a trace as the client with blocking sockets: for plain threads, and under gevent.

Only `socket`, `ssl`, `select` and `time` wait here, so that gevent's monkey patching makes a
replay a greenlet among many. What is played, and when, is the same code as under asyncio.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from dataclasses import replace

from python_socks import ProxyError
from python_socks.sync import Proxy

from wsproxy.errors import UsageError
from wsproxy.recorder import Clock, SessionWriter
from wsproxy.system.tcp import reset_on_close, unacknowledged
from wsproxy.trace import Request, Response

from .asyncio_client import BODY_TIMEOUT
from .client_replay import ClientReplay
from .connection import CLOSE_TIMEOUT, SEND_TIMEOUT, Receiver
from .player import Player
from .recording import ReplayRecording, written
from .response_reader import ResponseReader
from .schedule import Schedule
from .target import connect_failed
from .verdict import ReplayResult, Verdict, judge_played

_MAX_BUFFERED = 64 << 10  # bytes that wait for the peer to read; then nothing more is sent
_CHUNK = 64 << 10  # bytes that are read at once
_CHUNKS = 16  # that are read in a turn: a flood must not keep steps from being sent
_MAX_WAITING = 1 << 20  # bytes that wait for a receiver
# What TLS says where a plain socket says BlockingIOError.
_NOT_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def play_blocking(call: ClientReplay, records: ReplayRecording) -> Verdict:
    """Replay once what has been made ready, and judge it.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    records.check()
    return judge_played(play_once_blocking(call, records), call.options.rules)


def play_once_blocking(
    call: ClientReplay, records: ReplayRecording, schedule: Schedule | None = None
) -> ReplayResult:
    """The same without a verdict; records are taken as checked.

    Args:
        schedule: of the call, for whom it interests how it goes.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    schedule = schedule or call.schedule()
    request = call.request()
    clock = Clock.start()
    line = BlockingLine(_connect(call))
    try:
        recording = call.begin(records, clock, request)
    except UsageError:
        line.close()
        raise
    try:
        line.send(call.wire(request))
        response = _answer(call, line, recording, clock, request)
        if response is not None:
            recording.response(response)
            if call.accepted(response):
                player = Player(call.endpoint(response, recording, schedule), line, clock)
                for seconds in player.moves():
                    if seconds is None:
                        line.reset()
                    else:
                        line.turn(seconds)
    finally:
        line.close()
        recording.end(clock.now(), "stopped")
    return ReplayResult.of(call.trace, written(recording), schedule, kept=records.kept)


def _connect(call: ClientReplay) -> socket.socket:
    target = call.target
    try:
        if call.proxy is None:
            sock = socket.create_connection((target.host, target.port), call.patience)
        else:
            proxy = Proxy.from_url(call.proxy)
            sock = proxy.connect(target.host, target.port, timeout=call.patience)
            sock.settimeout(call.patience)
        return _secure(call, sock)
    except TimeoutError:
        error = TimeoutError(f"no answer in {call.patience:g} s")
        raise connect_failed(target, error) from None
    except (OSError, ssl.SSLError) as error:
        raise connect_failed(target, error) from None
    except ProxyError as error:
        raise connect_failed(target, error, call.proxy) from None


def _secure(call: ClientReplay, sock: socket.socket) -> socket.socket:
    """The socket with TLS, where the URL asks for it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio has it
    if call.context is None:
        return sock
    try:
        return call.context.wrap_socket(sock, server_hostname=call.target.host)
    except BaseException:
        sock.close()
        raise


def _answer(
    call: ClientReplay, line: BlockingLine, recording: SessionWriter, clock: Clock, request: Request
) -> Response | None:
    """The answer to the request, with its body where it is a refusal; None without one.

    What is none is recorded as a failure.
    """
    reader = ResponseReader()
    deadline = time.monotonic() + call.waits
    in_body = False
    while not reader.done:
        data = line.take()
        if data:
            reader.feed(data)
        elif line.end is not None:
            reader.end()
        elif (left := deadline - time.monotonic()) > 0:
            line.turn(left)
        else:
            reader.late(call.waits)
        if reader.response is not None and not in_body:
            in_body, deadline = True, time.monotonic() + BODY_TIMEOUT
    response = reader.response
    error = reader.error if response is None else call.unfit(response, request)
    if response is None or error is not None:
        call.no_answer(recording, clock.now(), error or "no answer", line.end)
        return None
    line.put_back(reader.rest)
    return replace(response, t_ns=clock.now())


class BlockingLine:
    """One connection: reads and writes what can be in `turn`, which is all that waits.

    Keeps what comes until there is a receiver, then hands it on as it comes.

    Args:
        sock: connected; with TLS, after the TLS handshake. It is closed by `close`.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._receiver: Receiver | None = None
        self._waiting = bytearray()
        self._out = bytearray()
        self._finishing = False  # the direction ends behind what is in `_out`
        self._mute = False  # nothing can be sent any more
        self._shut = False
        self._end: str | None = None

    # -- player.Line

    @property
    def writable(self) -> bool:
        """Whether more may be sent."""
        return len(self._out) <= _MAX_BUFFERED

    @property
    def end(self) -> str | None:
        """How the peer ended its direction; None while it has not."""
        return self._end

    def receive_with(self, receiver: Receiver) -> None:
        """Hand what waits, and what comes from now on, to a receiver."""
        self._receiver = receiver
        if waiting := self.take():
            receiver.data(waiting)
        if self._end is not None:
            receiver.ended(self._end)

    def send(self, data: bytes) -> None:
        """Send, behind what was sent before."""
        if not self._mute and not self._finishing:
            self._out += data
            self._write()

    def finish(self) -> None:
        """End this direction with a FIN behind what was sent; with TLS, the connection."""
        self._finishing = True
        self._write()

    # -- what comes

    def take(self) -> bytes:
        """What waits for a receiver."""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        return waiting

    def put_back(self, data: bytes) -> None:
        """Let what was read too far come again."""
        self._waiting[:0] = data

    def turn(self, seconds: float) -> None:
        """Read and write what can be; wait for so long, at most, until something can."""
        self._write()
        if self._read() or seconds <= 0:
            return
        self._wait(seconds)
        self._write()
        self._read()

    def _wait(self, seconds: float) -> None:
        reading = self._end is None and len(self._waiting) <= _MAX_WAITING
        if self._shut or not (reading or self._out):
            time.sleep(seconds)
            return
        readers = [self._sock] if reading else []
        writers = [self._sock] if self._out else []
        if not hasattr(select, "poll"):
            select.select(readers, writers, [], seconds)
            return
        # select() itself knows only the first 1024 descriptors of a process.
        poll = select.poll()
        wanted = (select.POLLIN if readers else 0) | (select.POLLOUT if writers else 0)
        poll.register(self._sock, wanted)
        poll.poll(seconds * 1000)

    def _read(self) -> bool:
        """Read what is there; whether anything was."""
        for number in range(_CHUNKS):
            if self._shut or self._end is not None or len(self._waiting) > _MAX_WAITING:
                return number > 0
            try:
                data = self._sock.recv(_CHUNK)
            except _NOT_YET:
                return number > 0
            except OSError:
                self._ended("reset")
                return True
            if not data:
                self._ended("eof")
                self._mute = self._mute or self._tls  # TLS has no direction that could stay open
                return True
            self._came(data)
        return True

    def _came(self, data: bytes) -> None:
        if self._receiver is not None:
            self._receiver.data(data)
        else:
            self._waiting += data

    def _ended(self, how: str) -> None:
        if self._end in (how, "reset"):
            return
        self._end = how
        self._mute = self._mute or how == "reset"
        if self._receiver is not None:
            self._receiver.ended(how)

    # -- what is sent

    def _write(self) -> None:
        """Send what the peer takes now."""
        while self._out and not self._mute and not self._shut:
            try:
                sent = self._sock.send(self._out)
            except _NOT_YET:
                return
            except OSError:
                self._lost()
                return
            del self._out[:sent]
        if self._mute:
            self._out.clear()
        elif self._finishing:
            self._end_own()

    def _lost(self) -> None:
        """A write has noticed the end first: read what had come before it."""
        self._mute = True
        self._out.clear()
        with contextlib.suppress(*_NOT_YET, OSError):
            while not self._tls and self._end is None and (data := self._sock.recv(_CHUNK)):
                self._came(data)
        self._ended("reset")

    def _end_own(self) -> None:
        self._mute = True
        with contextlib.suppress(*_NOT_YET, OSError):  # not connected any more
            if isinstance(self._sock, ssl.SSLSocket):
                self._close_socket()
                self._ended("eof")
            else:
                self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Reset the connection (RST) once what was sent before is delivered."""
        deadline = time.monotonic() + SEND_TIMEOUT
        while (
            not self._shut
            and self._end != "reset"
            and (self._out or unacknowledged(self._sock))
            and time.monotonic() < deadline
        ):
            self.turn(0.001)
        reset_on_close(self._sock)
        self._shut = self._mute = True
        self._sock.close()

    def close(self) -> None:
        """Close the connection, once what was sent is under way; by force if it takes too long."""
        self._receiver = None
        deadline = time.monotonic() + CLOSE_TIMEOUT
        while self._out and not self._shut and time.monotonic() < deadline:
            self._waiting.clear()
            self.turn(CLOSE_TIMEOUT / 10)
        self._close_socket()

    def _close_socket(self) -> None:
        if self._shut:
            return
        self._shut = self._mute = True
        if isinstance(self._sock, ssl.SSLSocket) and self._end != "reset":
            # The peer's own close_notify is not waited for (RFC 8446, section 6.1).
            with contextlib.suppress(*_NOT_YET, OSError, ValueError):
                self._sock.unwrap()
        self._sock.close()
