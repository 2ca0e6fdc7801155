"""A recorder that is killed leaves traces that read, and that lack 250 ms at most."""

from __future__ import annotations

import contextlib
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from wire_witness import (
    BINARY,
    MASK,
    PATIENCE,
    Peer,
    accepted,
    frame,
    listens,
    serving,
    split,
    through_connect,
    unused_port,
    upgrade,
    wait_until,
)
from wsproxy.trace import SUFFIX, FrameRecord, TraceReader

CHECKOUT = Path(__file__).resolve().parent.parent
SESSIONS = 50
EVERY = 0.02  # seconds between two frames of one direction
LOST_AT_MOST = 0.25  # seconds
FRAMES_BEFORE_THE_KILL = 60

_STAMP = struct.Struct("!dI")  # when it was sent (monotonic clock), and its number


class Talker:
    """Sends numbered frames at a steady pace, and reads what comes, until the end."""

    def __init__(self, peer: Peer, mask: bytes | None) -> None:
        self.number = 0
        self._peer = peer
        self._mask = mask
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            self._peer.until_end()

    def talk(self, stop: threading.Event) -> None:
        """Send until told to stop, or until the connection is gone."""
        with contextlib.suppress(OSError):
            while not stop.wait(EVERY):
                stamp = _STAMP.pack(time.monotonic(), self.number)
                self._peer.send(frame(BINARY, stamp + bytes(628), mask=self._mask))
                self.number += 1


def last_sent(data: bytes, before: float) -> float:
    """When the last of these frames was sent that was sent before a moment."""
    times = [_STAMP.unpack_from(each.payload)[0] for each in split(data)[0]]
    return max(sent for sent in times if sent < before)


@contextlib.contextmanager
def mitmdump(out: Path, confdir: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = unused_port()
    command = [str(Path(sys.executable).parent / "mitmdump"), "-q"]
    command += ["-s", str(CHECKOUT / "addons" / "record.py"), "--listen-host", "127.0.0.1"]
    command += ["--listen-port", str(port), "--set", f"wsproxy_out={out}"]
    process = subprocess.Popen([*command, "--set", f"confdir={confdir}"], cwd=out.parent)
    try:
        wait_until(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None
        yield process, port
    finally:
        process.kill()
        process.wait()


def test_a_killed_recorder_loses_a_quarter_of_a_second_at_most(tmp_path: Path) -> None:
    out = tmp_path / "traces"
    stop = threading.Event()
    peers: dict[str, dict[bool, Peer]] = {}
    threads = []

    def talk(peer: Peer, mask: bytes | None) -> Talker:
        talker = Talker(peer, mask)
        thread = threading.Thread(target=talker.talk, args=(stop,), daemon=True)
        thread.start()
        threads.append(thread)
        return talker

    def server(peer: Peer) -> None:
        path = peer.read_head().split(b" ", 2)[1].decode()
        peers[path][False] = peer
        peer.send_head(accepted())
        talk(peer, None)
        stop.wait(3 * PATIENCE)

    with mitmdump(out, tmp_path / "conf") as (process, port), serving(server) as upstream:
        talkers = []
        for number in range(SESSIONS):
            path = f"/v1/listen?session={number}"
            peers[path] = {}
            peer = through_connect(port, upstream, tls=False)
            peer.send_head(upgrade(path, f"127.0.0.1:{upstream}"))
            assert peer.read_head().startswith(b"HTTP/1.1 101")
            peers[path][True] = peer
            talkers.append(talk(peer, MASK))
        wait_until(lambda: min(t.number for t in talkers) >= FRAMES_BEFORE_THE_KILL)
        killed = time.monotonic()
        process.send_signal(signal.SIGKILL)
        process.wait()
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    losses = [loss(path, peers, killed) for path in out.glob(f"*{SUFFIX}")]
    assert len(losses) == SESSIONS
    print(f"worst loss {max(losses) * 1000:.0f} ms")
    assert max(losses) <= LOST_AT_MOST


def loss(trace: Path, peers: dict[str, dict[bool, Peer]], killed: float) -> float:
    """By how much, in seconds, a trace ends before what last passed, the worse direction."""
    recorded: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
    path = ""
    with TraceReader(trace) as reader:
        for record in reader:
            if isinstance(record, FrameRecord):
                recorded[record.from_client].append(_STAMP.unpack_from(record.payload))
            elif record.kind == "request":
                path = record.path
        # Nothing that was written is damaged; only the end is not there.
        assert all(each.at_end for each in reader.losses), reader.losses
    worst = 0.0
    for from_client, stamps in recorded.items():
        numbers = [number for _, number in stamps]
        assert numbers == list(range(len(numbers)))
        passed = bytes(peers[path][not from_client].received)
        worst = max(worst, last_sent(passed, killed) - stamps[-1][0])
    return worst
