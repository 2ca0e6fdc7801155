"""Notices a reset that comes after the peer's FIN, which asyncio does not listen to any more.

The kernel ends a process's connection so: a FIN, and a RST to what is sent to it after that.
Without this the other end would be told at the next write, or never.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable
from typing import Protocol

POLL = 0.02  # seconds; only of connections whose peer has ended its direction


class ResetWatch(Protocol):
    """A watch over one connection."""

    def close(self) -> None:
        """End it."""


def watch_for_reset(sock: socket.socket, on_reset: Callable[[OSError], None]) -> ResetWatch:
    """Watch a connection whose peer has sent its FIN.

    Args:
        on_reset: called once, on the running event loop, with why the connection is gone.
            It is not called for one that has ended in order.

    Raises:
        OSError, ValueError: the socket is closed.
    """
    if hasattr(select, "epoll"):
        return _Epoll(sock, on_reset)
    return _Polling(sock, on_reset)


class _Epoll:
    """The kernel tells of errors and of the end without being asked for them."""

    def __init__(self, sock: socket.socket, on_reset: Callable[[OSError], None]) -> None:
        self._sock = sock
        self._on_reset = on_reset
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        try:
            self._epoll.register(sock.fileno(), 0)
        except (OSError, ValueError):
            self._epoll.close()
            raise
        self._loop.add_reader(self._epoll.fileno(), self._ended)

    def close(self) -> None:
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _ended(self) -> None:
        self.close()
        error = _error(self._sock)
        if error is not None:  # else both directions have ended in order
            self._on_reset(error)


class _Polling:
    """Asks for the socket's error now and then, where there is no epoll: on macOS.

    kqueue would not do better: it reports the FIN that has come already, over and over.
    """

    def __init__(self, sock: socket.socket, on_reset: Callable[[OSError], None]) -> None:
        self._sock = sock
        self._on_reset = on_reset
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(POLL, self._ask)

    def close(self) -> None:
        self._timer.cancel()

    def _ask(self) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile: nothing is left to be noticed
            error = _error(self._sock)
            if error is not None:
                self._on_reset(error)
            else:
                self._timer = self._loop.call_later(POLL, self._ask)


def _error(sock: socket.socket) -> OSError | None:
    """What went wrong with a connection; asking takes it away."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(number, os.strerror(number)) if number else None
