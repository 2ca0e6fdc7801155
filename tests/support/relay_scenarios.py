"""What both sides of a session say on the wire, byte for byte."""

from __future__ import annotations

import threading
from collections.abc import Callable

from wire_bytes import BINARY, CONT, MASK, PING, PONG, TEXT, Deflater, close, frame
from wire_servers import Scenario
from wire_witness import PATIENCE, Peer

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


def in_turn(*steps: Callable[[Peer], None]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        for step in steps:
            step(peer)

    return script


def until_result(peer: Peer) -> None:
    peer.until(len(RESULT))


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
    expected = b"".join(frames)

    def server(peer: Peer) -> None:
        peer.until(len(HELLO))
        peer.send(*frames)
        watch(peer)

    def client(peer: Peer) -> None:
        peer.send(HELLO)
        peer.until(len(expected))
        fin(peer)

    return Scenario(name, server, client, "eof", "client", extensions=extensions)


def odd_client_frames(name: str, *frames: bytes, extensions: str = "") -> Scenario:
    expected = b"".join(frames)

    def server(peer: Peer) -> None:
        peer.until(len(expected))
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
    """One side ends its direction; the other continues for a while."""
    many = [
        frame(BINARY, bytes([i]) * 3000, mask=None if by == "client" else MASK) for i in range(64)
    ]

    def half(peer: Peer) -> None:
        if how == "close-notify":
            peer.close_notify()
        else:
            peer.eof()

    def ends_first(expected: bytes) -> Callable[[Peer], None]:
        def script(peer: Peer) -> None:
            peer.send(expected)
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
    expected = [
        frame(TEXT, b"%06d" % i * 20, mask=MASK if by == "client" else None) for i in range(500)
    ]
    free = threading.Event()

    def staller(peer: Peer) -> None:
        free.clear()
        for each in expected:
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
        peer.until(len(b"".join(expected)))
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
        client_says(HELLO, AUDIO, end=in_turn(until_result, Peer.reset)),
        "reset",
        "client",
    ),
    Scenario(
        "client-reset-mid-frame",
        server_says(RESULT, after=b"", end=watch),
        client_says(HELLO, AUDIO[:100], end=in_turn(until_result, Peer.reset)),
        "reset",
        "client",
    ),
    Scenario(
        "client-fin-mid-frame",
        server_says(RESULT, after=b"", end=watch),
        client_says(HELLO, AUDIO[:3], end=in_turn(until_result, fin)),
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
