"""A recorder with a crowd of live sessions that is killed, and what is asked of its traces."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from wire_bytes import BINARY, CLOSE, MASK, accepted, close, frame, split, upgrade
from wire_servers import listens, serving, unused_port
from wire_witness import PATIENCE, Peer, through_connect, wait_until
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Response, TraceReader, find_traces
from wsproxy.trace.atomic_file import sweep

CHECKOUT = Path(__file__).resolve().parents[2]
EVERY = 0.02  # seconds between two frames of one direction
LOST_AT_MOST = 0.25  # seconds
TALKERS = 14  # sessions of a crowd that go on until the recorder is killed
LOUD = 2  # of those that send so much that their traces go on in further parts
PASSERS = 3  # clients of a crowd that have one short session after the other
SHORT = 60  # frames of each direction of a short session
SHORT_FRAME = 5000  # bytes of their payloads
ANSWER_AFTER = 0.4  # seconds after which the server answers an upgrade at the latest
LIFE = 3.0  # seconds after which a recorder is killed at the latest
FILLING = os.urandom(SHORT_FRAME)

_STAMP = struct.Struct("!dI")  # when it was sent (monotonic clock), and its number
# What the client of a short session sends: masked frames and a Close.
_SHORT_SIZE = SHORT * (2 + 2 + 4 + SHORT_FRAME) + 2 + 4 + 2


def stamped(number: int, size: int) -> bytes:
    """A frame's payload with its time and number; a long one is filled with noise."""
    rest = size - _STAMP.size
    filling = FILLING[:rest] if rest <= len(FILLING) else os.urandom(rest)
    return _STAMP.pack(time.monotonic(), number) + filling


def sent_at(payload: bytes) -> float:
    when: float = _STAMP.unpack_from(payload)[0]
    return when


@dataclass
class Talk:
    """A session of the crowd.

    Attributes:
        peers: by whether it is the client.
        asked, opened, ended: when the server had the request, the client the answer, and
            both the other's Close (monotonic clock); None: not yet.
    """

    peers: dict[bool, Peer] = field(default_factory=dict)
    asked: float | None = None
    opened: float | None = None
    ended: float | None = None

    def passed(self, *, from_client: bool) -> list[bytes]:
        """Payloads of the frames of a direction that came through, Close frames left out."""
        peer = self.peers.get(not from_client)
        frames = split(bytes(peer.received))[0] if peer is not None else []
        return [each.payload for each in frames if each.opcode == BINARY]

    def sent(self, *, from_client: bool) -> list[bytes]:
        """Payloads of all frames that were sent in a direction, or were about to be."""
        peer = self.peers.get(from_client)
        frames = split(bytes(peer.sent))[0] if peer is not None else []
        return [each.payload for each in frames if each.opcode == BINARY]


@dataclass
class Killed:
    """What a kill has left.

    Attributes:
        pairs: sessions by what they were at when the recorder was killed.
        losses: by how much the trace of each session that had not ended lacks what passed
            last, seconds, the worse direction.
        left: hidden files of work that the kill has stopped.
        files: files of traces that there were.
        parts: those of them that are later parts of a trace.
    """

    pairs: Counter[str] = field(default_factory=Counter)
    losses: list[float] = field(default_factory=list)
    left: int = 0
    files: int = 0
    parts: int = 0

    def add(self, other: Killed) -> None:
        self.pairs += other.pairs
        self.losses += other.losses
        self.left += other.left
        self.files += other.files
        self.parts += other.parts


@contextlib.contextmanager
def mitmdump(
    out: Path, confdir: Path, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A recorder in a process of its own, and its port."""
    port = unused_port()
    command = [str(Path(sys.executable).parent / "mitmdump"), "-q"]
    command += ["-s", str(CHECKOUT / "addons" / "record.py"), "--listen-host", "127.0.0.1"]
    command += ["--listen-port", str(port), "--set", f"wsproxy_out={out}"]
    command += ["--set", f"confdir={confdir}"]
    for option in options:
        command += ["--set", option]
    process = subprocess.Popen(command, cwd=out.parent)
    try:
        wait_until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None
        yield process, port
    finally:
        process.kill()
        process.wait()


class Crowd:
    """Clients and a server with sessions at every stage, through one recorder.

    Args:
        proxy: the recorder's port.
        seed: of when what happens.
    """

    def __init__(self, proxy: int, seed: int) -> None:
        self.talks: dict[str, Talk] = {}
        self._proxy = proxy
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._upstream = 0

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """All of them at work in the body of a `with`."""
        with serving(self._serve) as self._upstream:
            for number in range(TALKERS):
                name = f"{'loud' if number < LOUD else 'talk'}{number}"
                self._start(self._talker, name, self._random.uniform(0, 1.0))
            for number in range(PASSERS):
                self._start(self._passer, f"pass{number}", self._random.uniform(0, 0.5))
            try:
                yield
            finally:
                self._stop.set()
                for thread in self._threads:
                    thread.join(PATIENCE)

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    # -- clients

    def _talker(self, name: str, wait: float) -> None:
        self._stop.wait(wait)
        with contextlib.suppress(OSError, AssertionError):
            talk = self._open(f"/v1/listen?session={name}")
            if talk is not None:
                self._talk(talk.peers[True], MASK, _size(name))

    def _passer(self, name: str, wait: float) -> None:
        self._stop.wait(wait)
        number = 0
        while not self._stop.is_set():
            number += 1
            with contextlib.suppress(OSError, AssertionError):
                talk = self._open(f"/v1/listen?short={name}-{number}")
                if talk is None:
                    continue
                peer = talk.peers[True]
                for count in range(SHORT):
                    peer.send(frame(BINARY, stamped(count, SHORT_FRAME), mask=MASK))
                peer.send(close(1000, mask=MASK))
                peer.until_end()
                if any(each.opcode == CLOSE for each in split(bytes(peer.received))[0]):
                    talk.ended = time.monotonic()
                peer.close()

    def _open(self, path: str) -> Talk | None:
        self.talks[path] = talk = Talk()
        peer = through_connect(self._proxy, self._upstream, tls=False)
        talk.peers[True] = peer
        peer.send_head(upgrade(path, f"127.0.0.1:{self._upstream}"))
        if not peer.read_head().startswith(b"HTTP/1.1 101"):
            return None
        talk.opened = time.monotonic()
        return talk

    def _talk(self, peer: Peer, mask: bytes | None, size: int) -> None:
        """Send until `stop` is set or the connection has ended; read what arrives."""
        reader = threading.Thread(target=_read, args=(peer,), daemon=True)
        reader.start()
        number = 0
        while not self._stop.wait(EVERY):
            peer.send(frame(BINARY, stamped(number, size), mask=mask))
            number += 1
        reader.join(PATIENCE)

    # -- the server

    def _serve(self, peer: Peer) -> None:
        head = peer.read_head()
        if not head:
            return
        path = head.split(b" ", 2)[1].decode()
        talk = self.talks[path]
        talk.peers[False] = peer
        talk.asked = time.monotonic()
        self._stop.wait(self._random.uniform(0, ANSWER_AFTER) if "session" in path else 0)
        peer.send_head(accepted())
        with contextlib.suppress(OSError, AssertionError):  # the recorder is killed
            if "session" in path:
                self._talk(peer, None, _size(path))
                return
            for count in range(SHORT):
                peer.send(frame(BINARY, stamped(count, SHORT_FRAME)))
            peer.until(_SHORT_SIZE)
            peer.send(close(1000))


def _size(name: str) -> int:
    """Bytes of the frames of a session."""
    return 20_000 if "loud" in name else 640


def _read(peer: Peer) -> None:
    with contextlib.suppress(OSError):
        peer.until_end()


def kill_one(folder: Path, seed: int, *options: str) -> Killed:
    """Run a recorder with a crowd, kill it at a random moment, look at every trace.

    Raises:
        AssertionError: a trace cannot be read, has something that was not sent, or lacks
            more than LOST_AT_MOST.
    """
    out = folder / f"traces{seed}"
    chance = random.Random(~seed)
    with mitmdump(out, folder / "conf", *options) as (process, port):
        crowd = Crowd(port, seed)
        with crowd.going():
            time.sleep(chance.uniform(0.1, LIFE))  # the moment is what is random
            killed = time.monotonic()
            process.send_signal(signal.SIGKILL)
            process.wait()
    return examine(out, crowd.talks, killed)


def examine(out: Path, talks: dict[str, Talk], killed: float) -> Killed:
    """Hold the traces of a killed recorder against what its clients and servers know."""
    result = Killed(left=sum(1 for path in out.glob(".*") if ".wstrace." in path.name))
    seen: dict[str, Path] = {}
    for path in find_traces([str(out)]) if out.exists() else []:
        request = Session.read(path).request
        if request is not None:
            seen[request.path] = path
    for target, talk in talks.items():
        if talk.asked is None or talk.asked > killed:
            continue
        trace = seen.get(target)
        lost = killed - talk.asked if trace is None else _loss(trace, talk, killed)
        assert lost <= LOST_AT_MOST, f"{trace or target} lacks {lost * 1000:.0f} ms"
        stage = _stage(talk, killed)
        result.pairs[stage] += 1
        if stage != "ended":
            result.losses.append(lost)
    result.files = sum(1 for _ in out.glob("*.wstrace"))
    result.parts = sum(1 for _ in out.glob("*.part*.wstrace"))
    sweep(out)
    assert not list(out.glob(".*.rewrite"))
    return result


def _stage(talk: Talk, killed: float) -> str:
    if talk.ended is not None and talk.ended < killed:
        return "ended"
    if talk.opened is None or talk.opened > killed:
        return "in the upgrade"
    return "live"


def _loss(trace: Path, talk: Talk, killed: float) -> float:
    """By how much a trace ends before what last passed, seconds; checks what is in it."""
    recorded: dict[bool, list[bytes]] = {True: [], False: []}
    answered = False
    with TraceReader(trace) as reader:
        for record in reader:
            if isinstance(record, FrameRecord) and record.opcode == BINARY:
                recorded[record.from_client].append(record.payload)
            answered = answered or isinstance(record, Response)
        # Nothing that was written is damaged; only the end is not there.
        assert all(each.at_end for each in reader.losses), reader.losses
    worst = 0.0
    if talk.opened is not None and talk.opened < killed and not answered:
        worst = killed - talk.opened
    for from_client, payloads in recorded.items():
        # True, and without a hole.
        assert payloads == talk.sent(from_client=from_client)[: len(payloads)], trace
        passed = [p for p in talk.passed(from_client=from_client) if sent_at(p) < killed]
        if len(passed) > len(payloads):
            since = sent_at(payloads[-1] if payloads else passed[0])
            worst = max(worst, sent_at(passed[-1]) - since)
    return worst
