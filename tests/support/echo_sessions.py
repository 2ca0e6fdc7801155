"""Sessions with a server that echoes, for tests of what a recorder does to them."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wire_bytes import BINARY, MASK, accepted, close, frame, split, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, direct
from wsproxy.proxy.embedding import ProxySettings, RunningProxy, background
from wsproxy.recorder import SessionWriter
from wsproxy.recorder.limits import RecorderLimits
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, TraceReader

_numbers = itertools.count()


@dataclass
class RecorderSetup:
    """A recorder in front of an echoing server.

    Attributes:
        out: its folder.
        ended: sessions that are over and have a trace.
    """

    out: Path
    running: RunningProxy
    peers: dict[bytes, Peer]
    ended: queue.Queue[SessionWriter] = field(default_factory=queue.Queue)

    def open_session(self) -> EchoSession:
        """A session that was accepted."""
        opened = self.ask()
        assert opened.app.head.startswith(b"HTTP/1.1 101 "), opened.app.head
        return opened

    def ask(self) -> EchoSession:
        """An upgrade that was answered."""
        assert self.running.address is not None
        app = direct(self.running.address[1], tls=False)
        path = f"/{next(_numbers)}"
        app.send_head(upgrade(path, "localhost"))
        app.read_head()
        return EchoSession(app, path.encode(), self.peers)

    def next(self) -> SessionWriter:
        """The next session that has ended and has a trace."""
        return self.ended.get(timeout=PATIENCE)


@dataclass
class EchoSession:
    """A session, from the app's end; the server sends back what it gets."""

    app: Peer
    path: bytes
    peers: dict[bytes, Peer]
    frames: int = 0  # of both directions

    def talk(self, size: int = 3000, times: int = 1) -> None:
        """Send frames that nothing can compress, and get them back."""
        for _ in range(times):
            payload = os.urandom(size)
            self.app.send(frame(BINARY, payload, mask=MASK))
            self.app.until(len(self.app.received) + len(frame(BINARY, payload)))
            self.frames += 2

    def talk_until(self, condition: Callable[[], object]) -> None:
        """Talk on until it has come to something; every 20 ms, so that it is no flood."""
        for _ in range(int(PATIENCE / 0.02)):
            if condition():
                return
            self.talk()
            threading.Event().wait(0.02)
        raise AssertionError("it does not come to that")

    def hang_up(self) -> None:
        """Close, and hold what the one end got against what the other end sent."""
        self.app.send(close(1000, mask=MASK))
        self.app.until_end()
        self.app.close()
        self.frames += 2
        server = self.peers[self.path]
        assert server.received == self.app.sent
        assert self.app.received == server.sent


def _echo(peers: dict[bytes, Peer]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        head = peer.read_head()
        if not head:
            return
        peers[head.split(b" ")[1]] = peer
        peer.send_head(accepted())
        done = 0
        while True:
            complete, _ = split(bytes(peer.received[done:]))
            for each in complete:
                done += each.wire_length
                peer.send(frame(each.opcode, each.payload))
                if each.opcode == 8:
                    return
            try:
                peer.until(len(peer.received) + 1)
            except AssertionError:
                return  # the app has left

    return script


@contextlib.contextmanager
def recorder_setup(
    out: Path, confdir: Path, limits: RecorderLimits | None = None
) -> Iterator[RecorderSetup]:
    peers: dict[bytes, Peer] = {}
    setups: list[RecorderSetup] = []
    with serving(_echo(peers)) as port:
        settings = ProxySettings(
            port=0,
            mode=f"reverse:ws://127.0.0.1:{port}",
            out=out,
            confdir=confdir,
            limits=limits or RecorderLimits(),
        )
        with background(settings, on_end=lambda recording: setups[0].ended.put(recording)) as up:
            setups.append(RecorderSetup(out, up, peers))
            yield setups[0]


def counted(path: Path) -> tuple[int, int, Session]:
    """Frames in a trace, records that its gaps count as lost, and the session."""
    frames, session = 0, Session()
    with TraceReader(path) as reader:
        for record in reader:
            frames += isinstance(record, FrameRecord)
            session.add(record)
        session.losses = list(reader.losses)
    assert session.frame_count == frames
    return frames, sum(gap.records for gap in session.gaps), session
