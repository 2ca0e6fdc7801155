"""Decides about each connect(2) of the command, and finishes those of caught connections."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import time
from dataclasses import dataclass

from . import target
from .channel import Channel
from .meeting import Meeting
from .seccomp import Listener, Notification
from .socket_address import SocketAddress

_MAX_NAME = 16  # IFNAMSIZ
_MPTCP = 262  # IPPROTO_MPTCP: its sockets cannot meet those of TCP
_UNCONNECTED = 7  # TCP_CLOSE
_CONNECTING = (2, 3)  # TCP_SYN_SENT, TCP_SYN_RECV
_TIMEVAL = struct.Struct("@ll")
# Sockets whose connect(2) was interrupted by a signal: the kernel calls it again.
_MAX_INTERRUPTED = 1000


@dataclass(slots=True)
class _Pending:
    """A connection that the recorder is making.

    Attributes:
        answered: whether the app knows that the connection is in progress.
        waiting: the notification of a blocking connect(2); None if nobody waits for it.
        sock: the socket of a blocking connect(2), which keeps it open as the kernel would.
        deadline: when a blocking connect(2) stops waiting, monotonic seconds; None: never.
    """

    meeting: Meeting
    answered: bool = False
    waiting: Notification | None = None
    sock: socket.socket | None = None
    deadline: float | None = None


class Connects:
    """The connect(2) calls of the processes under a filter.

    Args:
        listener: their notifications.
        recorder: messages to and from `wsproxy.proxy.caught_connections`.
        ports: TCP ports whose connections are caught.
        ca_folder: the path that the environment of a process has if it trusts the recorder's CA;
            None: all of them do.
    """

    def __init__(
        self,
        listener: Listener,
        recorder: Channel,
        ports: frozenset[int],
        ca_folder: bytes | None = None,
    ) -> None:
        self.listener = listener
        self.recorder = recorder
        self._ports = ports
        self._ca_folder = ca_folder
        self._namespace = target.network_namespace("self")
        # Both by the cookie of the app's socket.
        self._pending: dict[int, _Pending] = {}
        self._interrupted: dict[int, None] = {}
        self._has_recorder = True
        self._hang_up = select.poll()
        self._hang_up.register(listener.fileno(), select.POLLIN)

    def __enter__(self) -> Connects:
        return self

    def __exit__(self, *exc: object) -> None:
        self.listener.close()

    # -- notifications

    def receive(self) -> bool:
        """Handle a notification; False if no process under the filter is left."""
        for _, events in self._hang_up.poll(0):
            if events & select.POLLIN:
                notification = self.listener.receive()
                if notification is not None:
                    self._handle(notification)
            elif events & (select.POLLHUP | select.POLLERR):
                return False
        return True

    def _handle(self, notification: Notification) -> None:
        """Answer a notification, now or when the recorder has connected."""
        caught = False
        try:
            caught = self._has_recorder and self._catch(notification)
        except Exception as error:  # without this process, every connect(2) would fail
            self._report(None, notification.thread, f"the supervisor has failed: {error!r}")
        if not caught:
            self.listener.let_pass(notification.id)

    def _catch(self, notification: Notification) -> bool:
        """Send a connection to the recorder if it has to go there."""
        if notification.thread == 0:
            self._report(None, 0, "its process is in a PID namespace of its own")
            return False
        try:
            fd, data = target.connect_arguments(notification)
        except (OSError, struct.error) as error:
            if not isinstance(error, OSError) or error.errno not in (errno.EIO, errno.EFAULT):
                self._report(None, notification.thread, "its process cannot be inspected")
            return False
        destination = SocketAddress.parse(data)
        if (
            destination is None
            or destination.port not in self._ports
            or not destination.is_remote
            or not self.listener.is_valid(notification.id)
        ):
            return False
        try:
            if target.network_namespace(notification.thread) != self._namespace:
                self._report(destination, notification.thread, "it uses another network namespace")
                return False
            with target.borrowed_socket(notification.thread, fd) as sock:
                if sock.type != socket.SOCK_STREAM or sock.family != destination.family:
                    return False
                if (why := _obstacle(sock)) is not None:
                    self._report(destination, notification.thread, why)
                    return False
                return sock.proto == socket.IPPROTO_TCP and self._redirect(
                    sock, destination, notification
                )
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOTSOCK):  # the app's own mistakes
                why = f"its socket cannot be connected to the recorder ({error.strerror})"
                self._report(destination, notification.thread, why)
            return False

    def _redirect(
        self, sock: socket.socket, destination: SocketAddress, notification: Notification
    ) -> bool:
        """Begin the connection, or continue with one that a signal has interrupted."""
        cookie = target.cookie(sock)
        if cookie in self._pending:
            return self._wait(sock, self._pending[cookie], notification)
        if cookie in self._interrupted:
            if self.listener.answer(notification.id, 0):
                del self._interrupted[cookie]
            return True
        if target.tcp_state(sock) != _UNCONNECTED or not _has_route(destination):
            return False  # the kernel has the right error for it
        meeting = Meeting(destination)
        try:
            app = meeting.invite(sock)
        except OSError:
            meeting.close()
            raise
        pending = self._pending[cookie] = _Pending(meeting)
        self.recorder.send(
            opening=cookie,
            to=destination.python,
            meeting=meeting.address,
            app=app,
            without_ca=self._program_without_ca(notification.thread),
        )
        return self._wait(sock, pending, notification)

    def _wait(self, sock: socket.socket, pending: _Pending, notification: Notification) -> bool:
        """Answer as connect(2) does for a connection that is in progress."""
        if fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_NONBLOCK:
            # Asked again, once the recorder has connected it: the kernel knows. The first answer is
            # the same however fast the recorder was.
            if pending.answered and target.tcp_state(sock) not in _CONNECTING:
                return False
            error = errno.EALREADY if pending.answered else errno.EINPROGRESS
            pending.answered |= self.listener.answer(notification.id, error)
            return True
        if pending.waiting is not None and self.listener.is_valid(pending.waiting.id):
            return self.listener.answer(notification.id, errno.EALREADY)
        pending.waiting = notification
        pending.sock = pending.sock or sock.dup()
        timeout = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEVAL.size)
        seconds, microseconds = _TIMEVAL.unpack(timeout)
        if seconds or microseconds:
            pending.deadline = time.monotonic() + seconds + microseconds / 1e6
        return True

    def _program_without_ca(self, thread: int) -> str | None:
        """The program of a process that was started without the CA's variables; None: it has them.

        An empty environment, or `sudo`: the process would reject the recorder's certificate.
        """
        if self._ca_folder is None:
            return None
        environment = target.environment(thread)
        if environment is None or self._ca_folder in environment:
            return None
        return target.program_of(thread)

    def _report(self, destination: SocketAddress | None, thread: int, why: str) -> None:
        """Report a connection that goes past the recorder."""
        to = [destination.host, destination.port] if destination is not None else None
        self.recorder.send(past=to, program=target.program_of(thread), why=why)

    # -- results

    def receive_results(self) -> bool:
        """Finish connections that the recorder has made, or could not make.

        Returns:
            False if the recorder has ended.
        """
        self.recorder.flush()
        if not select.select([self.recorder], [], [], 0)[0]:
            return True
        messages = self.recorder.receive()
        if messages is None:
            self._has_recorder = False
            for cookie in list(self._pending):
                self._finish(cookie, errno.ECONNREFUSED)
            return False
        for message in messages:
            self._finish(message["opened"], message["errno"])
        return True

    def _finish(self, cookie: int, error: int) -> None:
        pending = self._pending.pop(cookie, None)
        if pending is None:
            return
        with contextlib.closing(pending.meeting):
            if pending.sock is not None:
                with pending.sock:
                    _complete(pending.sock, error)
            if pending.waiting is not None:
                pending.answered = self.listener.answer(pending.waiting.id, error)
            if not pending.answered and not error:
                self._remember_interrupted(cookie)

    def _remember_interrupted(self, cookie: int) -> None:
        self._interrupted[cookie] = None
        if len(self._interrupted) > _MAX_INTERRUPTED:
            del self._interrupted[next(iter(self._interrupted))]

    # -- time limits of blocking sockets (SO_SNDTIMEO)

    def timeout(self) -> float | None:
        """Seconds until `expire` is to be called."""
        deadlines = [p.deadline for p in self._pending.values() if p.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def expire(self, now: float) -> None:
        """End the wait of blocking calls whose time is over; their connections continue."""
        for pending in self._pending.values():
            if pending.deadline is not None and pending.deadline <= now:
                pending.deadline = None
                if pending.waiting is not None:
                    answered = self.listener.answer(pending.waiting.id, errno.EINPROGRESS)
                    pending.answered, pending.waiting = answered, None


def _complete(sock: socket.socket, error: int) -> None:
    """Leave a socket as a blocking connect(2) does: connected, or unconnected."""
    if error:
        target.disconnect(sock)
    else:
        # Until then the kernel takes it for a connection in progress: the app's next connect(2)
        # would succeed instead of failing with EISCONN.
        sock.connect_ex(sock.getpeername())


def _obstacle(sock: socket.socket) -> str | None:
    """Why a socket cannot be connected to the recorder's."""
    if sock.proto == _MPTCP:
        return "it uses Multipath TCP"
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _MAX_NAME).strip(b"\0"):
        return "its socket is bound to a network interface"
    return None


def _has_route(destination: SocketAddress) -> bool:
    """Whether the kernel would send a SYN at all; a datagram socket sends nothing."""
    with socket.socket(destination.real_family, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(destination.python) == 0
