"""Readers that stop, floods, large messages and crowds: memory is bounded and nothing is lost.

The recorder is a process of its own, so that the figures are its own. Bounds of memory have
head-room: they are there to fail when something grows with the traffic.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from recorder_process import RecorderProcess, recorder_process
from tls_certificates import Certificate
from wire_bytes import BINARY, CONT, MASK, TEXT, accepted, frame, upgrade
from wire_servers import Scenario, Upstream, Witnessed
from wire_witness import PATIENCE, Peer, direct, through_connect, wait_until
from wsproxy.proxy.relay import Relay
from wsproxy.session import Session
from wsproxy.trace import SUFFIX, End, FrameRecord, TraceReader

# All with one recorder: its memory is what is measured, and the machine's is shared.
pytestmark = pytest.mark.xdist_group("backpressure")

MIB = 1 << 20
NOISE = Random(5).randbytes(16 * MIB)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecorderProcess]:
    with recorder_process(tmp_path_factory.mktemp("recorder")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_traces_of_other_tests(recorder: RecorderProcess) -> Iterator[None]:
    yield
    for path in recorder.out.glob(f"*{SUFFIX}"):
        path.unlink()


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Upstream]]:
    certificate = Certificate.make(tmp_path_factory.mktemp("tls") / "server.pem")
    with Upstream() as plain, Upstream(certificate) as tls:
        yield {False: plain, True: tls}


def traces(recorder: RecorderProcess, count: int) -> list[Path]:
    """So many traces, once the recorder is done with them."""

    def found() -> list[Path]:
        return list(recorder.out.glob(f"*{SUFFIX}"))

    def done() -> bool:
        return len(found()) == count and not recorder.has_open(recorder.out)

    wait_until(done)
    return found()


class Read:
    """A trace: what the frames of either direction carried, and whether it is complete."""

    def __init__(self, path: Path) -> None:
        self.payloads: dict[bool, list[bytes]] = {True: [], False: []}
        self.complete = False
        with TraceReader(path) as reader:
            for record in reader:
                if isinstance(record, FrameRecord):
                    self.payloads[record.from_client].append(record.payload)
                elif isinstance(record, End):
                    self.complete = record.complete
            assert not reader.losses

    def digest(self, from_client: bool) -> str:
        return hashlib.sha256(b"".join(self.payloads[from_client])).hexdigest()


def both_say(name: str, up: bytes, down: bytes, extensions: str = "") -> Scenario:
    """Both ends send at once, as fast as they can, and read all of what the other sends."""

    def side(says: bytes, hears: int, end: Callable[[Peer], None]) -> Callable[[Peer], None]:
        def script(peer: Peer) -> None:
            sender = threading.Thread(target=peer.send, args=(says,))
            sender.start()
            peer.until(hears)
            sender.join(PATIENCE)
            end(peer)

        return script

    def hang_up(peer: Peer) -> None:
        peer.eof()
        peer.until_end()

    def watch(peer: Peer) -> None:
        peer.until_end()
        peer.eof()

    server, client = side(down, len(up), watch), side(up, len(down), hang_up)
    return Scenario(name, server, client, "eof", "client", extensions=extensions)


def play(recorder: RecorderProcess, upstream: Upstream, scenario: Scenario) -> Witnessed:
    return upstream.play(scenario, lambda: through_connect(recorder.port, upstream.port, tls=False))


# -- a reader that stops


class Blocked:
    """A scenario in which one side stops reading until the other one's sender is blocked.

    Attributes:
        got_rid_of: bytes that the sender had got rid of when nothing went any more.
    """

    FLOOD = 1024  # frames of 64 KiB: more than all buffers on the way hold
    SAID = 500  # messages that go the other way meanwhile

    def __init__(self, stops: str) -> None:
        self.got_rid_of = 0
        self._flood = frame(BINARY, NOISE[:65536], mask=MASK if stops == "server" else None)
        self._said = frame(TEXT, b"and on" * 50, mask=MASK if stops == "client" else None)
        self._free = threading.Event()
        sides = (self._sends, self._stops) if stops == "client" else (self._stops, self._sends)
        self.scenario = Scenario(f"{stops}-stops-reading", *sides, "eof", stops)

    def _stops(self, peer: Peer) -> None:
        for _ in range(self.SAID):
            peer.send(self._said)
        assert self._free.wait(PATIENCE)
        peer.until(len(self._flood) * self.FLOOD)
        peer.eof()
        peer.until_end()

    def _sends(self, peer: Peer) -> None:
        gone = 0

        def flood() -> None:
            nonlocal gone
            for _ in range(self.FLOOD):
                peer.send(self._flood)
                gone += len(self._flood)

        sender = threading.Thread(target=flood)
        sender.start()
        # What goes the other way arrives though nothing is read there.
        peer.until(len(self._said) * self.SAID)
        while not gone or self.got_rid_of != gone:
            self.got_rid_of = gone
            threading.Event().wait(0.4)
        assert sender.is_alive(), "it is never blocked"
        self._free.set()
        sender.join(PATIENCE)
        peer.until_end()
        peer.eof()


@pytest.mark.sweep(kind=lambda stops: stops)
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("stops", ["client", "server"])
def test_relay_peer_stops_reading_blocks_only_its_sender(
    stops: str, tls: bool, recorder: RecorderProcess, upstreams: dict[bool, Upstream]
) -> None:
    upstream = upstreams[tls]
    without, through = Blocked(stops), Blocked(stops)
    upstream.play(without.scenario, lambda: direct(upstream.port, tls=tls))
    with recorder.growth() as growth:
        upstream.play(
            through.scenario, lambda: through_connect(recorder.port, upstream.port, tls=tls)
        )
    print(
        f"{stops} stops: the sender got rid of {without.got_rid_of / MIB:.1f} MiB directly, "
        f"{through.got_rid_of / MIB:.1f} MiB through the recorder, which took {growth.most:.0f} MiB"
    )
    # Two connections have twice the buffers, and kernels let them grow at their pleasure.
    assert through.got_rid_of < 6 * without.got_rid_of + 4 * MIB
    assert growth.most < 48
    read = Read(*traces(recorder, 1))
    assert read.complete
    assert [len(read.payloads[side]) for side in (stops == "server", stops == "client")] == [
        Blocked.FLOOD,
        Blocked.SAID,
    ]


@pytest.mark.one_python
def test_relay_upstream_faster_than_the_client_uses_bounded_memory(
    recorder: RecorderProcess, upstreams: dict[bool, Upstream]
) -> None:
    flood = frame(BINARY, NOISE[:8192]) * 4096  # 32 MiB

    def server(peer: Peer) -> None:
        peer.send(flood)
        peer.until_end()
        peer.eof()

    def client(peer: Peer) -> None:
        pause = threading.Event()
        left = len(flood) - len(peer.received)  # some came with the 101
        while left:
            target = max(0, left - (512 << 10))
            while left > target:
                data = peer.sock.recv(1 << 16)
                assert data, f"ended {left} bytes too early"
                left -= len(data)
            pause.wait(0.03)
        peer.eof()
        peer.until_end()

    with recorder.growth() as growth:
        play(recorder, upstreams[False], Scenario("slow", server, client, "eof", "client"))
    print(f"32 MiB to a slow client took {growth.most:.0f} MiB")
    assert growth.most < 64
    read = Read(*traces(recorder, 1))
    assert (read.complete, len(read.payloads[False])) == (True, 4096)


# -- large and small


def large(kind: str, mask: bytes | None) -> tuple[bytes, bytes]:
    """A message of 16 MiB: its payload and its frames."""
    if kind == "fragmented":
        size = len(NOISE) // 64
        parts = [NOISE[at : at + size] for at in range(0, len(NOISE), size)]
        frames = [
            frame(CONT if i else BINARY, part, fin=i == len(parts) - 1, mask=mask)
            for i, part in enumerate(parts)
        ]
        return NOISE, b"".join(frames)
    if kind == "deflated":
        payload = NOISE[: 4 * MIB] + bytes(12 * MIB)
        stream = zlib.compressobj(level=1, wbits=-15)
        data = (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]
        return payload, frame(BINARY, data, rsv=4, mask=mask)
    return NOISE, frame(BINARY, NOISE, mask=mask)


@pytest.mark.one_python
@pytest.mark.sweep
@pytest.mark.parametrize("kind", ["single", "fragmented", "deflated"])
def test_relay_messages_of_16_mib_are_delivered_both_ways(
    kind: str, recorder: RecorderProcess, upstreams: dict[bool, Upstream]
) -> None:
    payload, up = large(kind, MASK)
    _, down = large(kind, None)
    extensions = "permessage-deflate" if kind == "deflated" else ""
    scenario = both_say(f"large-{kind}", up, down, extensions)
    with recorder.growth() as growth:
        seen = play(recorder, upstreams[False], scenario)
        (path,) = traces(recorder, 1)
    assert (bytes(seen.server.received), bytes(seen.client.received)) == (up, down)
    print(f"16 MiB {kind}, both ways, took {growth.most:.0f} MiB")
    assert growth.most < 320
    read = Read(path)
    digest = hashlib.sha256(payload).hexdigest()
    assert (read.complete, read.digest(True), read.digest(False)) == (True, digest, digest)


@pytest.mark.one_python
def test_relay_burst_of_100_000_tiny_frames_is_delivered_both_ways(
    recorder: RecorderProcess, upstreams: dict[bool, Upstream]
) -> None:
    payloads = [b"%06d" % number for number in range(100_000)]
    up = b"".join(b"\x82\x86\0\0\0\0" + payload for payload in payloads)
    down = b"".join(b"\x82\x06" + payload for payload in payloads)
    with recorder.growth() as growth:
        play(recorder, upstreams[False], both_say("tiny", up, down))
        (path,) = traces(recorder, 1)
    print(f"100,000 tiny frames each way took {growth.most:.0f} MiB")
    assert growth.most < 64
    read = Read(path)
    assert read.complete
    assert read.payloads[True] == payloads
    assert read.payloads[False] == payloads


# -- many


SESSIONS = 60


def test_record_flood_of_many_sessions_is_complete(
    recorder: RecorderProcess, upstreams: dict[bool, Upstream]
) -> None:
    """More than the recorder keeps in its queue: reading is held, and nothing dropped."""
    up = frame(BINARY, NOISE[:65536], mask=MASK) * 16
    down = frame(BINARY, NOISE[:65536]) * 16
    scenario = both_say("flood", up, down)
    threads = [
        threading.Thread(target=play, args=(recorder, upstreams[False], scenario))
        for _ in range(SESSIONS)
    ]
    with recorder.growth() as growth:
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        paths = traces(recorder, SESSIONS)
    print(f"2 x {SESSIONS} MiB in {SESSIONS} sessions at once took {growth.most:.0f} MiB")
    assert growth.most < 256
    for path in paths:
        session = Session.read(path)
        assert (session.gaps, session.complete) == ([], True)
        assert (session.sent.frames, session.received.frames) == (16, 16)


@pytest.mark.one_python
def test_record_burst_of_connects_is_recorded_and_leaves_nothing(
    recorder: RecorderProcess,
) -> None:
    burst(recorder, 20)
    traces(recorder, 20)
    before = recorder.left()
    burst(recorder, 150)
    for path in traces(recorder, 170):
        session = Session.read(path)
        assert (session.complete, session.sent.frames) == (True, 1)
    wait_until(lambda: all(n <= before[what] for what, n in recorder.left().items()))


def burst(recorder: RecorderProcess, count: int) -> None:
    """Connect, upgrade and send a word in many sessions at once; each is answered."""
    word, answer = frame(TEXT, b"hello", mask=MASK), frame(TEXT, b"hello yourself")

    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(accepted())
        await reader.readexactly(len(word))
        writer.write(answer)
        await reader.read()
        writer.close()

    async def client(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", recorder.port)
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(upgrade("/burst", f"127.0.0.1:{port}"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        writer.write(word)
        got = await reader.readexactly(len(answer))
        writer.close()
        return got

    async def main() -> list[bytes]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        async with server:
            answers = await asyncio.gather(*(client(port) for _ in range(count)))
            await asyncio.gather(*(each for each in serving if each))
            return answers

    assert asyncio.run(main()) == [answer] * count


# -- whom the recorder holds


class FakeLeg:
    """Stands for a connection of a relay; knows whether it is held."""

    def __init__(self, from_client: bool) -> None:
        self.from_client = from_client
        self.holds: set[str] = set()

    def join(self, relay: Relay, other: FakeLeg) -> None:
        self.other = other

    def send(self, data: bytes) -> None:
        pass

    def hold(self, who: str) -> None:
        self.holds.add(who)

    def release(self, who: str) -> None:
        self.holds.discard(who)


class Full:
    """A sink that has no room."""

    def data(self, from_client: bool, data: bytes) -> bool:
        return False


def test_relay_recorder_behind_holds_only_the_flooded_direction() -> None:
    client, server = FakeLeg(True), FakeLeg(False)
    relay = Relay(client, server, Full(), lambda: False, lambda: None)  # type: ignore[arg-type]
    relay.data(client, b"a file")  # type: ignore[arg-type]
    assert (client.holds, server.holds) == ({"recorder"}, set())
    relay.hold()
    assert (client.holds, server.holds) == ({"recorder"}, {"recorder"})
    relay.release()
    assert (client.holds, server.holds) == (set(), set())
