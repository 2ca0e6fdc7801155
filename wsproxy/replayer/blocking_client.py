"""Replay a trace as the client with blocking sockets: in threads, and under gevent.

Only `socket`, `ssl`, `select` and `time` wait here, so that gevent's monkey patching turns a
replay into one greenlet among many.
"""

from __future__ import annotations

import socket

from python_socks.sync import Proxy

from .blocking_connection import BlockingConnection
from .client_replay import ClientReplay
from .client_session import ClientSession
from .replay_trace import ReplayRecording
from .target import connect_errors
from .verdict import ReplayResult


def play_once_blocking(replay: ClientReplay, recordings: ReplayRecording) -> ReplayResult:
    """Replay once without judging the result; the caller has called `recordings.check()`.

    Raises:
        ConnectFailed: the server cannot be reached.
        UsageError: the trace of the replay cannot be written.
    """
    session = ClientSession(replay, recordings)
    connection = BlockingConnection(_connect(replay))
    try:
        connection.follow(session.steps(connection))
    finally:
        connection.close()
        session.end()
    return session.result()


def _connect(replay: ClientReplay) -> socket.socket:
    target, timeout = replay.target, replay.connect_timeout
    with connect_errors(target, replay.proxy, timeout):
        if replay.proxy is None:
            sock = socket.create_connection((target.host, target.port), timeout)
        else:
            proxy = Proxy.from_url(replay.proxy)
            sock = proxy.connect(target.host, target.port, timeout=timeout)
            sock.settimeout(timeout)
        return _secure(replay, sock)


def _secure(replay: ClientReplay, sock: socket.socket) -> socket.socket:
    """The socket, with TLS where the URL requires it."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio sets it too
    if replay.context is None:
        return sock
    try:
        return replay.context.wrap_socket(sock, server_hostname=replay.target.host)
    except BaseException:
        sock.close()
        raise
