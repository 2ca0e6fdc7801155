"""Detects a reset after the peer's FIN; asyncio does not watch a connection after its FIN.

When a process ends, the kernel closes its connections like this: it sends a FIN, and a RST in
response to later data. Without this watch the other side would see the reset at the next write,
or never.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
from collections.abc import Callable
from typing import Protocol

POLL_INTERVAL = 0.02  # seconds; for connections whose peer has sent its FIN


class ResetWatch(Protocol):
    """A watch on one connection."""

    def close(self) -> None:
        """End it."""


def watch_for_reset(sock: socket.socket, on_reset: Callable[[OSError], None]) -> ResetWatch:
    """Watch a connection whose peer has sent its FIN.

    Args:
        on_reset: called at most once, on the running event loop, with the error of the
            connection. It is not called for a connection that ends normally.

    Raises:
        OSError, ValueError: the socket is closed.
    """
    if hasattr(select, "epoll"):
        return _EpollWatch(sock, on_reset)
    return _PollingWatch(sock, on_reset)


class _EpollWatch:
    """Uses epoll without events: the kernel still reports errors and hang-ups."""

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
        self._loop.add_reader(self._epoll.fileno(), self._on_event)

    def close(self) -> None:
        if not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()

    def _on_event(self) -> None:
        self.close()
        error = _take_error(self._sock)
        if error is not None:  # otherwise both directions have ended normally
            self._on_reset(error)


class _PollingWatch:
    """Polls the socket's error where there is no epoll: on macOS.

    kqueue is no alternative: it reports the FIN that was received already, repeatedly.
    """

    def __init__(self, sock: socket.socket, on_reset: Callable[[OSError], None]) -> None:
        self._sock = sock
        self._on_reset = on_reset
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(POLL_INTERVAL, self._poll)

    def close(self) -> None:
        self._timer.cancel()

    def _poll(self) -> None:
        with contextlib.suppress(OSError):  # the socket was closed: there is nothing to detect
            error = _take_error(self._sock)
            if error is not None:
                self._on_reset(error)
            else:
                self._timer = self._loop.call_later(POLL_INTERVAL, self._poll)


def _take_error(sock: socket.socket) -> OSError | None:
    """The pending error of a socket; reading it clears it."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return OSError(number, os.strerror(number)) if number else None
