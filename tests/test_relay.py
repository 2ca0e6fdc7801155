"""Both ends see through the recorder what they see without it, and the trace has it all."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import mitmproxy.proxy.server
import pytest
from mitmproxy import ctx
from mitmproxy.proxy.server import ConnectionHandler

from wire_witness import (
    BINARY,
    CONT,
    MASK,
    PATIENCE,
    PING,
    PONG,
    TEXT,
    Certificate,
    Deflater,
    Peer,
    Scenario,
    Split,
    Upstream,
    Witnessed,
    close,
    connect_proxy,
    direct,
    frame,
    split,
    through_connect,
    through_socks5,
    wait_until,
)
from wsproxy.capture.embed import Running, Settings, background
from wsproxy.capture.live import LiveSession
from wsproxy.capture.relay import Leg
from wsproxy.recording import Recording
from wsproxy.session import Session
from wsproxy.trace import Bytes, Eof, FrameRecord, TraceReader

# -- what is said

HELLO = frame(TEXT, b'{"type":"hello"}', mask=MASK)
AUDIO = frame(BINARY, bytes(range(256)) * 5, mask=b"\xff\x00\xaa\x55")
RESULT = frame(TEXT, b'{"type":"Results","text":"one two"}')
MORE = frame(BINARY, b"\x00\x01\x02\x03" * 50)
BIG = bytes(range(251)) * (16 * 1024 * 1024 // 251 + 1)
BIG = BIG[: 16 * 1024 * 1024]


def server_says(
    *frames: bytes, after: bytes = HELLO, end: Callable[[Peer], None]
) -> Callable[[Peer], None]:
    """A server that takes what the client says first, says its own, and ends."""

    def script(peer: Peer) -> None:
        peer.until(len(after))
        peer.send(*frames)
        end(peer)

    return script


def client_says(*frames: bytes, end: Callable[[Peer], None]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.send(*frames)
        end(peer)

    return script


def reset(peer: Peer) -> None:
    peer.reset()


def fin(peer: Peer) -> None:
    """End at once, as a process that closes its socket does; all was read before."""
    peer.eof()
    peer.until_end()


def fin_with_close_notify(peer: Peer) -> None:
    peer.close_notify()
    fin(peer)


def watch(peer: Peer) -> None:
    """Wait for the other side's end, then end as well."""
    peer.until_end()
    if peer.saw[-1] == "eof":
        peer.eof()


def closing(*, code: int | None, reason: bytes = b"", by: str) -> Scenario:
    """A closing handshake: a Close, its echo, and the end of TLS and TCP by the server."""
    text = f"{code}-{len(reason)}" if reason else str(code)
    name = f"close-{text}-by-{by}"
    from_client, from_server = close(code, reason, mask=MASK), close(code, reason)

    def server(peer: Peer) -> None:
        peer.until(len(HELLO))
        peer.send(RESULT)
        if by == "server":
            peer.send(from_server)
        peer.until(len(HELLO + from_client))
        if by == "client":
            peer.send(from_server)
        fin_with_close_notify(peer)

    def client(peer: Peer) -> None:
        peer.send(HELLO)
        peer.until(len(RESULT))
        if by == "client":
            peer.send(from_client)
        peer.until(len(RESULT + from_server))
        if by == "server":
            peer.send(from_client)
        peer.until_end()
        peer.close_notify()
        peer.eof()

    return Scenario(name, server, client, "close", by)


def odd_server_frames(name: str, *frames: bytes, extensions: str = "") -> Scenario:
    """The server says something unusual, and the client hangs up as libraries do."""
    said = b"".join(frames)

    def server(peer: Peer) -> None:
        peer.until(len(HELLO))
        peer.send(*frames)
        watch(peer)

    def client(peer: Peer) -> None:
        peer.send(HELLO)
        peer.until(len(said))
        fin(peer)

    return Scenario(name, server, client, "eof", "client", extensions=extensions)


def odd_client_frames(name: str, *frames: bytes, extensions: str = "") -> Scenario:
    said = b"".join(frames)

    def server(peer: Peer) -> None:
        peer.until(len(said))
        fin(peer)

    def client(peer: Peer) -> None:
        peer.send(*frames)
        watch(peer)

    return Scenario(name, server, client, "eof", "server", extensions=extensions)


def frames_after_close() -> Scenario:
    """Both go on after a Close; a server does it with results that were under way."""
    first, last = close(1000, b"done"), close(1011, b"too late")
    echo = close(1000, mask=MASK)

    def server(peer: Peer) -> None:
        peer.until(len(HELLO))
        peer.send(first, RESULT, last, MORE)
        peer.until(len(HELLO + echo + AUDIO))
        fin_with_close_notify(peer)

    def client(peer: Peer) -> None:
        peer.send(HELLO)
        peer.until(len(first))
        peer.send(echo, AUDIO)
        peer.until_end()
        peer.eof()

    return Scenario("frames-after-close", server, client, "close", "server")


def pings() -> Scenario:
    """Both ping with a payload; nobody in between answers for them."""
    ping, pong = frame(PING, b"from the server"), frame(PONG, b"from the client")
    asked = frame(PING, b"from the client", mask=MASK)
    answer = frame(PONG, b"from the server", mask=MASK)
    unasked = frame(PONG, b"unasked", mask=MASK)

    def server(peer: Peer) -> None:
        peer.send(ping)
        peer.until(len(asked + answer + unasked))
        peer.send(pong, frame(PING), close(1000))
        watch(peer)

    def client(peer: Peer) -> None:
        peer.until(len(ping))
        peer.send(asked, answer, unasked)
        peer.until(len(ping + pong + frame(PING) + close(1000)))
        fin_with_close_notify(peer)

    return Scenario("pings", server, client, "close", "server")


def deflated_fragments(extensions: str, name: str) -> Scenario:
    """Fragments of compressed messages, with a ping and a Close between them."""

    def fragments(mask: bytes | None) -> list[bytes]:
        deflater = Deflater()
        out = []
        for text in (b'{"word":"spoken"}' * 40, b'{"word":"spoken"}' * 41):
            data = deflater.message(text)
            if "no_context_takeover" in extensions:
                deflater = Deflater()
            third = max(1, len(data) // 3)
            out += [
                frame(TEXT, data[:third], fin=False, rsv=4, mask=mask),
                frame(PING, b"between", mask=mask),
                frame(CONT, data[third : 2 * third], fin=False, mask=mask),
                frame(PONG, b"", mask=mask),
                frame(CONT, data[2 * third :], mask=mask),
            ]
        out.append(frame(TEXT, b"not compressed", mask=mask))
        return out

    from_client, from_server = b"".join(fragments(MASK)), b"".join(fragments(None))

    def server(peer: Peer) -> None:
        peer.until(len(from_client))
        for each in fragments(None):
            peer.send(each)
        peer.send(close(1000))
        peer.until(len(from_client + close(1000, mask=MASK)))
        fin_with_close_notify(peer)

    def client(peer: Peer) -> None:
        for each in fragments(MASK):
            peer.send(each)
        peer.until(len(from_server + close(1000)))
        peer.send(close(1000, mask=MASK))
        peer.until_end()
        peer.eof()

    return Scenario(name, server, client, "close", "server", extensions=extensions)


def big_message() -> Scenario:
    up, down = frame(BINARY, BIG, mask=MASK), frame(BINARY, BIG)

    def server(peer: Peer) -> None:
        peer.until(len(up))
        peer.send(down, close(1000))
        watch(peer)

    def client(peer: Peer) -> None:
        peer.send(up)
        peer.until(len(down + close(1000)))
        fin_with_close_notify(peer)

    return Scenario("big-message", server, client, "close", "server")


def in_the_101(end: Callable[[Peer], None], name: str, ending: str) -> Scenario:
    """Frames in the very segment of the 101, and then the end at once."""

    def client(peer: Peer) -> None:
        watch(peer)

    def server(peer: Peer) -> None:
        end(peer)

    return Scenario(name, server, client, ending, "server", with_101=RESULT + MORE)


def early_client() -> Scenario:
    """A client that does not wait for the 101 before it sends frames."""

    def server(peer: Peer) -> None:
        peer.until(len(HELLO + AUDIO))
        peer.send(RESULT)
        fin(peer)

    return Scenario("early-client", server, watch, "eof", "server", with_request=HELLO + AUDIO)


def half_closed_by(by: str, how: str) -> Scenario:
    """One side ends its direction; the other goes on for a while."""
    many = [
        frame(BINARY, bytes([i]) * 3000, mask=None if by == "client" else MASK) for i in range(64)
    ]

    def half(peer: Peer) -> None:
        if how == "close-notify":
            peer.close_notify()
        else:
            peer.eof()

    def ends_first(said: bytes) -> Callable[[Peer], None]:
        def script(peer: Peer) -> None:
            peer.send(said)
            half(peer)
            peer.until_end()
            if how == "close-notify":
                peer.eof()

        return script

    def goes_on(peer: Peer) -> None:
        peer.until_close_notify()
        for each in many:
            peer.send(each)
        peer.close_notify()
        peer.eof()
        if "eof" not in peer.saw:
            peer.until_end()

    first = ends_first(HELLO if by == "client" else RESULT)
    server, client = (goes_on, first) if by == "client" else (first, goes_on)
    return Scenario(
        f"half-close-by-{by}-{how}",
        server,
        client,
        "eof",
        by,
        tls=True if how == "close-notify" else None,
    )


def stalled(by: str) -> Scenario:
    """One side does not read for a while; what it sends gets through all the same."""
    # More than all socket buffers on the way hold, so that the sender has to wait.
    flood = [frame(BINARY, BIG[:65536], mask=MASK if by == "server" else None)] * 384
    said = [
        frame(TEXT, b"%06d" % i * 20, mask=MASK if by == "client" else None) for i in range(500)
    ]
    free = threading.Event()

    def staller(peer: Peer) -> None:
        free.clear()
        for each in said:
            peer.send(each)
        assert free.wait(PATIENCE)
        peer.until(len(b"".join(flood)))
        fin(peer)

    def flooder(peer: Peer) -> None:
        def run() -> None:
            for each in flood:
                peer.send(each)

        sender = threading.Thread(target=run)
        sender.start()
        peer.until(len(b"".join(said)))
        assert sender.is_alive(), "the flood was no flood"
        free.set()
        sender.join()
        watch(peer)

    server, client = (flooder, staller) if by == "client" else (staller, flooder)
    return Scenario(f"stalled-{by}", server, client, "eof", by)


def reset_while_client_sends() -> Scenario:
    """The server resets while the client is sending and does not read."""
    last_words = close(1011, b"going away")

    def server(peer: Peer) -> None:
        peer.until(len(AUDIO) * 100)
        peer.send(RESULT, last_words)
        peer.reset()

    def client(peer: Peer) -> None:
        peer.send_until_refused(AUDIO * 10)
        peer.until_end()

    return Scenario("reset-while-client-sends", server, client, "close", "server", exact=False)


def reset_while_server_sends() -> Scenario:
    """The client resets while the server is sending and does not read."""

    def server(peer: Peer) -> None:
        peer.send_until_refused(MORE * 100)
        peer.until_end()

    def client(peer: Peer) -> None:
        peer.until(len(MORE) * 1000)
        peer.send(HELLO)
        peer.reset()

    return Scenario("reset-while-server-sends", server, client, "reset", "client", exact=False)


_123 = b"x" * 123
_UTF8 = "vorüber – 終わり 🎙".encode()
_COMPRESSED = "permessage-deflate"
_RESET = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

SCENARIOS = [
    Scenario(
        "upstream-reset",
        server_says(RESULT, MORE, end=reset),
        client_says(HELLO, end=watch),
        "reset",
        "server",
    ),
    Scenario(
        "upstream-fin",
        server_says(RESULT, MORE, end=fin),
        client_says(HELLO, end=watch),
        "eof",
        "server",
    ),
    Scenario(
        "upstream-close-notify",
        server_says(RESULT, MORE, end=fin_with_close_notify),
        client_says(HELLO, end=watch),
        "eof",
        "server",
        tls=True,
    ),
    Scenario(
        "client-reset",
        server_says(RESULT, after=HELLO + AUDIO, end=watch),
        client_says(HELLO, AUDIO, end=lambda peer: (peer.until(len(RESULT)), peer.reset())[1]),
        "reset",
        "client",
    ),
    Scenario(
        "client-reset-mid-frame",
        lambda peer: (peer.send(RESULT), watch(peer))[1],
        client_says(HELLO, AUDIO[:100], end=lambda p: (p.until(len(RESULT)), p.reset())[1]),
        "reset",
        "client",
    ),
    Scenario(
        "client-fin-mid-frame",
        lambda peer: (peer.send(RESULT), watch(peer))[1],
        client_says(HELLO, AUDIO[:3], end=lambda p: (p.until(len(RESULT)), fin(p))[1]),
        "eof",
        "client",
    ),
    Scenario(
        "upstream-reset-mid-frame",
        server_says(RESULT, MORE[:1], end=reset),
        client_says(HELLO, end=watch),
        "reset",
        "server",
    ),
    *(
        closing(code=code, by=by)
        for by in ("server", "client")
        for code in (1000, 1001, 1002, 1007, 1011, 1014, 3008, 4000, None)
    ),
    closing(code=1011, reason=_UTF8, by="server"),
    closing(code=1008, reason=_123, by="server"),
    closing(code=4999, reason=_123, by="client"),
    Scenario(
        "close-then-reset",
        server_says(RESULT, close(1011, b"NET-0001"), end=reset),
        client_says(HELLO, end=watch),
        "close",
        "server",
    ),
    Scenario(
        "close-then-fin",
        server_says(RESULT, close(3008, b"Session expired"), end=fin),
        client_says(HELLO, end=watch),
        "close",
        "server",
    ),
    frames_after_close(),
    pings(),
    deflated_fragments(_COMPRESSED, "deflated-fragments"),
    deflated_fragments(_RESET, "deflated-fragments-no-takeover"),
    big_message(),
    odd_server_frames("server-invalid-opcode", RESULT, frame(0x3, b"what"), RESULT),
    odd_client_frames("client-invalid-opcode", HELLO, frame(0xF, b"what", mask=MASK), HELLO),
    odd_server_frames("server-bad-rsv", frame(TEXT, b"a", rsv=3), frame(TEXT, b"b", rsv=4)),
    odd_client_frames("client-bad-rsv", frame(TEXT, b"a", rsv=7, mask=MASK), HELLO),
    odd_server_frames("masked-server-frame", frame(TEXT, b"masked", mask=MASK), RESULT),
    odd_client_frames("unmasked-client-frame", frame(TEXT, b"not masked"), HELLO),
    odd_server_frames("not-utf-8", frame(TEXT, b"\xff\xfe\x80"), RESULT),
    odd_server_frames("long-ping", frame(PING, b"p" * 200), RESULT),
    odd_server_frames(
        "wrong-continuation", frame(CONT, b"of nothing"), frame(TEXT, b"", fin=False)
    ),
    odd_server_frames("long-way-to-write-a-length", frame(TEXT, b"short", length_size=8), RESULT),
    odd_server_frames("impossible-length", RESULT, b"\x82\x7f" + b"\xff" * 8 + b"some", b"more"),
    odd_server_frames("no-websocket-at-all", b"HTTP/1.1 500 Oops\r\n\r\n" * 3),
    odd_server_frames(
        "damaged-deflate", frame(TEXT, b"\xff\xff\xff\xff", rsv=4), RESULT, extensions=_COMPRESSED
    ),
    in_the_101(fin, "with-the-101-then-fin", "eof"),
    in_the_101(reset, "with-the-101-then-reset", "reset"),
    in_the_101(fin_with_close_notify, "with-the-101-then-close-notify", "eof"),
    early_client(),
    half_closed_by("client", "eof"),
    half_closed_by("server", "eof"),
    half_closed_by("client", "close-notify"),
    half_closed_by("server", "close-notify"),
    stalled("client"),
    stalled("server"),
    reset_while_client_sends(),
    reset_while_server_sends(),
]

SOME = [
    s
    for s in SCENARIOS
    if s.name
    in {
        "upstream-reset",
        "upstream-fin",
        "client-reset-mid-frame",
        "close-1011-by-server",
        "with-the-101-then-reset",
        "deflated-fragments",
        "half-close-by-client-eof",
        "stalled-client",
    }
]


# -- the ways through the recorder


@dataclass
class Rig:
    """A recorder in one mode, the servers behind it, and the traces that it completes."""

    upstream: dict[bool, Upstream]
    running: Running
    mode: str
    traces: dict[str, Path] = field(default_factory=dict)
    ended: threading.Condition = field(default_factory=threading.Condition)

    def take(self, recording: Recording) -> None:
        with self.ended:
            request = recording.session.request
            self.traces[request.path if request else ""] = recording.path
            self.ended.notify_all()

    def play(
        self, scenario: Scenario, *, client_tls: bool, server_tls: bool
    ) -> tuple[Witnessed, Path]:
        """Play a scenario through the recorder; returns what was seen and its trace."""
        upstream = self.upstream[server_tls]
        seen = upstream.play(scenario, lambda: self.connect(upstream, tls=client_tls))
        return seen, self.trace(seen.server.head.split(b" ", 2)[1].decode())

    def trace(self, path: str) -> Path:
        """The completed trace of the session with this path."""
        with self.ended:
            assert self.ended.wait_for(lambda: path in self.traces, PATIENCE), "no trace"
            return self.traces[path]

    def connect(self, upstream: Upstream, *, tls: bool) -> Peer:
        assert self.running.address is not None
        port = self.running.address[1]
        if self.mode.startswith("reverse"):
            return direct(port, tls=tls)
        if self.mode == "socks5":
            return through_socks5(port, upstream.port, tls=tls)
        return through_connect(port, upstream.port, tls=tls)


@pytest.fixture(scope="module")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Upstream]]:
    certificate = Certificate.make(tmp_path_factory.mktemp("upstream") / "server.pem")
    with Upstream() as plain, Upstream(certificate) as encrypted:
        yield {False: plain, True: encrypted}


@pytest.fixture(scope="module")
def confdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CA of all recorders of this module."""
    return tmp_path_factory.mktemp("ca")


@contextmanager
def recorder(
    mode: str, upstreams: dict[bool, Upstream], confdir: Path, out: Path, *options: str
) -> Iterator[Rig]:
    rigs: list[Rig] = []
    settings = Settings(
        port=0, mode=mode, out=out, confdir=confdir, options=("ssl_insecure=true", *options)
    )
    with background(settings, on_end=lambda recording: rigs[0].take(recording)) as running:
        rigs.append(Rig(upstreams, running, mode))
        yield rigs[0]


@pytest.fixture(scope="module")
def rig(
    request: pytest.FixtureRequest,
    upstreams: dict[bool, Upstream],
    confdir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rig]:
    out = tmp_path_factory.mktemp("traces")
    mode = str(request.param)
    with connect_proxy() as proxy:
        full = {
            "reverse-http": f"reverse:ws://127.0.0.1:{upstreams[False].port}",
            "reverse-https": f"reverse:wss://127.0.0.1:{upstreams[True].port}",
            "upstream": f"upstream:http://127.0.0.1:{proxy}",
        }.get(mode, mode)
        with recorder(full, upstreams, confdir, out) as running:
            yield running


CASES = [
    pytest.param(mode, client_tls, server_tls, scenario, id=f"{mode}-{label}-{scenario}")
    for mode, client_tls, server_tls, label, scenarios in (
        ("regular", False, False, "ws", SCENARIOS),
        ("regular", True, True, "wss", SCENARIOS),
        ("reverse-http", False, False, "ws", SCENARIOS),
        ("reverse-https", True, True, "wss", SCENARIOS),
        ("reverse-https", False, True, "ws-to-wss", SOME),
        ("socks5", False, False, "ws", SOME),
        ("socks5", True, True, "wss", SOME),
        ("upstream", False, False, "ws", SOME),
        ("upstream", True, True, "wss", SOME),
    )
    for scenario in scenarios
    if scenario.tls is None or scenario.tls == client_tls == server_tls
]


@pytest.mark.parametrize(("rig", "client_tls", "server_tls", "scenario"), CASES, indirect=["rig"])
def test_not_touched_and_all_there(
    rig: Rig, client_tls: bool, server_tls: bool, scenario: Scenario
) -> None:
    upstream = rig.upstream[server_tls]
    expected = upstream.play(scenario, lambda: direct(upstream.port, tls=server_tls))
    seen, trace = rig.play(scenario, client_tls=client_tls, server_tls=server_tls)
    check_not_touched(scenario, expected, seen, same_tls=client_tls == server_tls)
    check_all_there(scenario, seen, trace)


def check_not_touched(
    scenario: Scenario, expected: Witnessed, seen: Witnessed, *, same_tls: bool
) -> None:
    assert headers(seen.server.head) == headers(expected.server.head)
    assert seen.client.head == expected.client.head
    for end in ("client", "server"):
        here, there = getattr(seen, end), getattr(expected, end)
        ends = [how for how in there.saw if same_tls or how != "close-notify"]
        assert [how for how in here.saw if same_tls or how != "close-notify"] == ends
        if scenario.exact:
            assert here.received == there.received
    if not scenario.exact:
        # The side that is cut off gets rid of more or less; the other says a fixed thing.
        check_cut_off(seen)


def check_cut_off(seen: Witnessed) -> None:
    assert seen.client.sent.startswith(seen.server.received)
    assert seen.server.sent.startswith(seen.client.received)
    if "reset" in seen.server.did:
        assert seen.client.received == seen.server.sent
    else:
        assert seen.server.received == seen.client.sent


def headers(head: bytes) -> list[bytes]:
    """The head's lines without the path, which counts the runs."""
    return head.split(b"\r\n")[1:]


def check_all_there(scenario: Scenario, seen: Witnessed, path: Path) -> None:
    with TraceReader(path) as reader:
        records = list(reader)
        assert not reader.losses
    for peer, other, from_client in (
        (seen.client, seen.server, True),
        (seen.server, seen.client, False),
    ):
        check_direction(scenario, peer, other, records, from_client=from_client)
    session = Session.read(path)
    assert (session.ending, session.closed_by) == (scenario.ending, scenario.closed_by)
    assert session.complete
    assert session.end is not None
    assert session.end.ending == scenario.ending
    if scenario.exact:
        assert session.end.bytes_sent == len(seen.client.sent)
        assert session.end.bytes_received == len(seen.server.sent)
    assert session.end.frames_sent == session.sent.frames
    assert session.end.frames_received == session.received.frames


def check_direction(
    scenario: Scenario,
    peer: Peer,
    other: Peer,
    records: list[object],
    *,
    from_client: bool,
) -> None:
    mine = [r for r in records if getattr(r, "from_client", None) is from_client]
    wire = [r for r in mine if isinstance(r, FrameRecord | Bytes)]
    if scenario.extensions:
        check_inflated(peer, wire)
    else:
        recorded = b"".join(on_the_wire(r) for r in wire)
        if scenario.exact:
            assert recorded == peer.sent
        else:
            assert peer.sent.startswith(recorded)
            assert recorded.startswith(other.received)
    ends = [r.how for r in mine if isinstance(r, Eof)]
    if "reset" in other.did:
        # The other side cut the connection: what this one did then reached nobody.
        assert ends == peer.did[: len(ends)]
    else:
        assert ends == peer.did


def on_the_wire(record: FrameRecord | Bytes) -> bytes:
    if isinstance(record, Bytes):
        return record.data
    size = record.wire_length - len(record.payload) - 2 - (4 if record.mask else 0)
    return frame(
        record.opcode,
        record.payload,
        fin=record.fin,
        rsv=record.rsv,
        mask=record.mask,
        length_size=size,
    )


def check_inflated(peer: Peer, records: list[FrameRecord | Bytes]) -> None:
    """Compare frame by frame; of a compressed message the inflated text, as a whole."""
    frames, rest = split(bytes(peer.sent))
    assert not rest
    assert len(records) == len(frames)
    for record, sent in zip(records, frames, strict=True):
        assert isinstance(record, FrameRecord)
        assert Split(
            record.fin, record.rsv, record.opcode, record.mask, b"", record.wire_length
        ) == Split(sent.fin, sent.rsv, sent.opcode, sent.mask, b"", sent.wire_length)
        if record.deflated:  # there may be a credential in what cannot be read
            assert (record.payload, record.cut) == (b"", len(sent.payload))
            assert record.redacted is not None
            assert [entry["why"] for entry in record.redacted] == ["unreadable"]
    control = [(r.opcode, r.payload) for r in records if r.opcode >= 8]
    assert control == [(f.opcode, f.payload) for f in frames if f.opcode >= 8]
    if not any(r.deflated for r in records):
        said = b"".join(r.payload for r in records if r.opcode < 8)
        expected = b'{"word":"spoken"}' * 81 + b"not compressed" if len(frames) > 3 else said
        assert said == expected


def test_an_idle_session_outlives_mitmproxys_timeout(
    upstreams: dict[bool, Upstream],
    confdir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: tuple[str, ...] = ()
    if hasattr(mitmproxy.proxy.server, "TCP_TIMEOUT"):
        monkeypatch.setattr(mitmproxy.proxy.server, "TCP_TIMEOUT", 1)  # seconds; mitmproxy 11
    else:
        options = ("tcp_timeout=1",)
    upstream = upstreams[False]
    others_cut = threading.Event()

    def server(peer: Peer) -> None:
        assert others_cut.wait(PATIENCE)
        peer.send(RESULT)
        peer.until(len(HELLO))
        fin(peer)

    def client(peer: Peer) -> None:
        # A tunnel that begins to be idle after this session did, and is cut for it.
        idle = rig.connect(upstream, tls=False)
        idle.until_end()
        assert idle.saw == ["eof"]
        idle.close()
        others_cut.set()
        peer.until(len(RESULT))
        peer.send(HELLO)
        watch(peer)

    scenario = Scenario("idle", server, client, "eof", "server")
    with recorder("regular", upstreams, confdir, tmp_path, *options) as rig:
        check_all_there(scenario, *rig.play(scenario, client_tls=False, server_tls=False))


def test_a_session_that_is_not_recorded_is_not_touched_either(
    upstreams: dict[bool, Upstream], confdir: Path, tmp_path: Path
) -> None:
    upstream = upstreams[False]
    with recorder("regular", upstreams, confdir, tmp_path, "wsproxy_host=^nobody$") as rig:
        for scenario in SOME:
            expected = upstream.play(scenario, lambda: direct(upstream.port, tls=False))
            seen = upstream.play(scenario, lambda: rig.connect(upstream, tls=False))
            check_not_touched(scenario, expected, seen, same_tls=True)
        settled()
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_over(
    upstreams: dict[bool, Upstream], confdir: Path, tmp_path: Path
) -> None:
    """After many sessions with all kinds of ends: no file, thread, task or connection."""
    kinds = [s for s in SCENARIOS if not s.name.startswith(("big", "stalled"))]

    def play(rig: Rig, times: int) -> None:
        for number in range(times):
            scenario = kinds[number % len(kinds)]
            tls = scenario.tls if scenario.tls is not None else number % 2 == 0
            rig.play(scenario, client_tls=tls, server_tls=tls)

    with recorder("regular", upstreams, confdir, tmp_path) as rig:
        play(rig, 5)
        before = settled()
        play(rig, 200)
        # What was just being closed then may be among what was there before.
        wait_until(lambda: Counter(settled()) <= Counter(before))
        record = ctx.master.addons.get("record")
        assert (record._live, record._busy) == ({}, {})


def settled() -> dict[str, int]:
    """What there is once mitmproxy has let go of all connections."""
    wait_until(lambda: not ctx.master.addons.get("proxyserver").connections)
    gc.collect()
    return {
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        **Counter(
            kind.__name__
            for each in gc.get_objects()
            for kind in (asyncio.Task, Leg, LiveSession, Recording, ConnectionHandler)
            if isinstance(each, kind) and not (kind is asyncio.Task and each.done())
        ),
    }
