"""A recorder with simple servers and clients, for tests of what is recorded."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from wire_bytes import MASK, TEXT, accepted, close, frame, upgrade
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.session import Session
from wsproxy.trace import SUFFIX


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ca")


HELLO = frame(TEXT, b"hello", mask=MASK)
RESULT = frame(TEXT, b'{"type":"Results"}')
REFUSED = (
    b"HTTP/1.1 401 Unauthorized\r\ndg-error: Invalid credentials.\r\ndg-request-id: 4ac8\r\n"
    b'Content-Type: application/json\r\nContent-Length: 31\r\n\r\n{"err_code":"INVALID_AUTH"}    '
)


@dataclass
class Recorded:
    """A recorder and the sessions that it completes."""

    running: RunningProxy
    sessions: queue.Queue[Path] = field(default_factory=queue.Queue)

    @property
    def port(self) -> int:
        assert self.running.address is not None
        return self.running.address[1]

    def next(self) -> Session:
        """The next session that was completed."""
        return Session.read(self.sessions.get(timeout=PATIENCE))


@contextlib.contextmanager
def recorder(
    confdir: Path, out: Path, mode: str = "regular", *options: str, hosts: tuple[str, ...] = ()
) -> Iterator[Recorded]:
    out.mkdir(exist_ok=True)
    sessions: queue.Queue[Path] = queue.Queue()
    settings = ProxySettings(
        port=0, mode=mode, out=out, confdir=confdir, hosts=hosts, options=tuple(options)
    )
    with background(settings, on_end=lambda recording: sessions.put(recording.path)) as running:
        yield Recorded(running, sessions)


def traces(out: Path) -> list[Path]:
    return sorted(out.glob(f"*{SUFFIX}"))


def good_server(peer: Peer) -> None:
    """Accept, answer the first message, close."""
    peer.read_head()
    peer.send_head(accepted(), RESULT + close(1000))
    peer.until_end()


def patient_server(peer: Peer) -> None:
    """Accept, wait for the first message before the answer to it."""
    peer.read_head()
    peer.send_head(accepted())
    peer.until(len(HELLO))
    peer.send(RESULT, close(1000))
    peer.until_end()


def ask(peer: Peer, path: str = "/v1/listen", host: str = "127.0.0.1") -> bytes:
    """Ask for an upgrade; returns the head of the answer."""
    peer.send_head(upgrade(path, host))
    return peer.read_head()


def good_session(
    port: int, upstream: int, path: str = "/v1/listen", host: str = "127.0.0.1"
) -> None:
    peer = through_connect(port, upstream, tls=False, host=host)
    assert ask(peer, path, f"{host}:{upstream}").startswith(b"HTTP/1.1 101")
    peer.send(HELLO)
    peer.until(len(RESULT + close(1000)))
    peer.send(close(1000, mask=MASK))
    peer.close()


def refuse(peer: Peer) -> None:
    while peer.read_head():
        peer.send_head(REFUSED)


def held_open(peer: Peer) -> None:
    peer.read_head()
    peer.send_head(accepted(), RESULT)
    peer.until_end()


def open_session(port: int, upstream: int) -> Peer:
    """A session in which both have said something and the server waits."""
    peer = through_connect(port, upstream, tls=False)
    ask(peer)
    peer.send(HELLO)
    peer.until(len(RESULT))
    return peer


def check_stopped(out: Path) -> None:
    (path,) = traces(out)
    session = Session.read(path)
    assert (session.ending, session.closed_by, session.complete) == ("stopped", None, True)
    assert session.end is not None
    assert session.received.frames == 1
