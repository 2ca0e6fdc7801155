"""Decisions about connect(2) calls, with a listener that is not the kernel's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import cast

import pytest

from wsproxy.intercept.catch import target
from wsproxy.intercept.catch.channel import Channel
from wsproxy.intercept.catch.connects import Connects
from wsproxy.intercept.catch.seccomp import Listener, Notification

if not hasattr(socket, "AF_UNIX"):
    pytest.skip("there are no Unix sockets", allow_module_level=True)


class FakeListener:
    """Has one notification, and keeps the answers."""

    def __init__(self) -> None:
        self.passed: list[int] = []
        self._ours, self._other = socket.socketpair()
        self._other.send(b"!")

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> Notification:
        return Notification(4711, 1, False, (3, 0, 16, 0, 0, 0))

    def let_pass(self, number: int) -> bool:
        self.passed.append(number)
        return True

    def close(self) -> None:
        self._ours.close()
        self._other.close()


@pytest.fixture
def recorder() -> Iterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours), Channel(theirs)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (PermissionError(1, "no"), "its process cannot be inspected"),
        (ValueError("a bug"), "the supervisor has failed: ValueError('a bug')"),
    ],
)
def test_connects_error_lets_the_call_pass_and_reports_it(
    recorder: tuple[Channel, Channel],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    why: str,
) -> None:
    """Whatever happens: a connect(2) that nobody answers would wait for ever."""

    def fail(notification: Notification) -> tuple[int, bytes]:
        raise error

    monkeypatch.setattr(target, "connect_arguments", fail)
    monkeypatch.setattr(target, "network_namespace", lambda process: 1)
    listener = FakeListener()
    with Connects(cast(Listener, listener), recorder[0], frozenset([443])) as connects:
        assert connects.receive()
        assert listener.passed == [4711]
    (message,) = recorder[1].receive() or []
    assert message["why"] == why


def test_channel_message_larger_than_the_socket_takes_is_sent_in_parts(
    recorder: tuple[Channel, Channel],
) -> None:
    ours, theirs = recorder
    text = "x" * 10_000_000
    ours.send(text=text)
    received = None
    while not received:
        ours.flush()
        # Only what is there already: the rest follows.
        if b"\n" in theirs.sock.recv(1 << 20, socket.MSG_PEEK):
            received = theirs.receive()
        else:
            theirs._received += theirs.sock.recv(1 << 20)
    assert received == [{"text": text}]
    assert not ours.has_unsent


def test_channel_other_end_closed_receives_none(recorder: tuple[Channel, Channel]) -> None:
    ours, theirs = recorder
    theirs.sock.close()
    assert ours.receive() is None
    ours.send(text="nobody reads it")
    assert not ours.has_unsent
