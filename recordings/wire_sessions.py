"""Sessions for what happens on the wire: endings, broken rules, fragments, compression.

The side that behaves is a real library or the simulated API; the one that does not is a
script over a socket, step by step.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from websockets.asyncio.connection import Connection
from websockets.asyncio.server import serve
from websockets.exceptions import WebSocketException
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from conditions import ANYWHERE, LIMITS, Behaviour, Home, good
from recordings.sample import (
    CATALOG,
    KEYS,
    SPEAK,
    Sample,
    credentials,
    packed_well,
    place_of,
    session,
    talk,
    voice,
)
from wire_witness import (
    BINARY,
    CLOSE,
    MASK,
    PING,
    TEXT,
    Peer,
    Script,
    close,
    frame,
    serving,
    split,
    upgrade,
)
from wsproxy.simulate import Moment, Plan, Simulator, Step
from wsproxy.wire import accept_key

Server = Callable[[], AbstractAsyncContextManager[int]]
Client = Callable[[Peer], Awaitable[object]]
Says = Callable[[Connection], Awaitable[None]]

STREAM = "/v1/stream"  # at `ANYWHERE`, where no provider is
DEEPGRAM = place_of("deepgram.listen")
LISTEN = f"{DEEPGRAM.path}&interim_results=true"
PAUSE = 0.1  # seconds between two messages of audio, or what libraries say
CHUNK = 3200  # bytes of audio in `PAUSE`
SOON = 0.07  # seconds after which a script says something: not at the same time

HELLO = frame(TEXT, b'{"type":"hello"}', mask=MASK)
RESULT = frame(TEXT, b'{"type":"Results","text":"one two"}')


def samples() -> list[Sample]:
    return [
        *_accepted(),
        *_cut_off(),
        *_closed(),
        *_pings(),
        *_broken_by_the_server(),
        *_broken_by_the_client(),
        *_messages(),
    ]


def _accepted() -> list[Sample]:
    speaks = replace(good(place_of("deepgram.speak")), path=SPEAK, stalls=0.4)
    flux = replace(packed_well(good(place_of("deepgram.listen-v2"))), stalls=0.3)
    streams = Behaviour(audio(12), stalls=0.2, ends=['{"type": "Terminate"}'])
    streams.path = f"{place_of('assemblyai.streaming').path}&format_turns=true"
    subprotocol = library(_listens, DEEPGRAM, subprotocols=["token", KEYS["deepgram"]])
    ends = "close by server"
    return [
        _api(
            "accepted-listen",
            "deepgram.listen",
            _to_the_end(),
            ends,
            "Deepgram listen: interim and final results, the closing Metadata",
        ),
        _api("accepted-flux", "deepgram.listen-v2", flux, ends, "Deepgram Flux: a complete turn"),
        _api(
            "accepted-speak",
            "deepgram.speak",
            speaks,
            ends,
            "Deepgram speak: text in, audio out",
        ),
        _api(
            "accepted-assemblyai",
            "assemblyai.streaming",
            streams,
            ends,
            "AssemblyAI streaming: Begin, turns, Termination",
        ),
        Sample(
            "wire/accepted-subprotocol",
            DEEPGRAM.host,
            simulator(),
            subprotocol,
            ends=ends,
            shows="Deepgram listen as from a browser, with the key in the subprotocol",
        ),
        _api(
            "refused",
            "deepgram.listen",
            Behaviour(headers={"Authorization": f"Token {KEYS['deepgram']}-invalid"}),
            "refused by server",
            "the upgrade is answered with 401 and a body",
        ),
    ]


def _cut_off() -> list[Sample]:
    streams = Behaviour(audio(12), path=LISTEN, stalls=1.0)
    return [
        _api(
            "reset-by-server",
            "deepgram.listen",
            streams,
            "reset by server",
            "the server sends RST during audio",
            simulator("rfc6455.end.server-reset", "9frames"),
        ),
        _app("reset-by-client", [stream(9), heard, Peer.reset], "reset by client",
             "the app sends RST during audio"),
        _api(
            "fin-by-server",
            "deepgram.listen",
            streams,
            "eof by server",
            "the server sends FIN during audio, without a Close frame",
            simulator("rfc6455.end.server-eof", "9frames"),
        ),
        _app("fin-by-client", [stream(9), heard, *FIN], "eof by client",
             "the app sends FIN during audio, without a Close frame"),
        _any(
            "silence",
            scripted(heard, sends(RESULT), *END),
            library(_gives_up, close_timeout=0.4),
            "close by client",
            "the server stops sending; the app gives up after 1 s and gets no Close frame",
        ),
    ]  # fmt: skip


def _closed() -> list[Sample]:
    by_server = close(1011, b"overloaded")
    return [
        Sample(
            "wire/close-by-client",
            DEEPGRAM.host,
            simulator(),
            library(_closes, DEEPGRAM, headers=credentials(DEEPGRAM)),
            ends="close by client",
            shows="the app begins the closing handshake, with a code and a reason",
        ),
        _app("close-without-code", [stream(3), sends(close(None, mask=MASK)), *END],
             "close by client", "a Close frame without a code, answered with the same"),
        _any(
            "close-two-codes-by-server",
            scripted(heard, sends(RESULT, by_server), until_close, *FIN),
            raw(sends(HELLO), until_close, sends(close(1000, mask=MASK)), *END),
            "close by server",
            "the server closes with 1011, the app answers with 1000",
        ),
        _any(
            "close-two-codes-by-client",
            scripted(heard, sends(RESULT), until_close, sends(close(1000)), *FIN),
            raw(sends(HELLO), heard, sends(close(4000, b"done", mask=MASK)), *END),
            "close by client",
            "the app closes with 4000, the server answers with 1000",
        ),
    ]  # fmt: skip


def _pings() -> list[Sample]:
    return [
        _any(
            "ping-unanswered-by-server",
            scripted(heard, sends(RESULT), *END),
            library(_waits, ping_interval=0.4, ping_timeout=0.6, close_timeout=0.4),
            "close by client",
            "the app's ping is not answered; its library closes with 1011",
        ),
        _any(
            "ping-unanswered-by-client",
            library_server(_waits, ping_interval=0.4, ping_timeout=0.6, close_timeout=0.4),
            raw(stream(3), *END),
            "close by server",
            "the server's ping is not answered; it closes with 1011",
        ),
    ]


def _broken_by_the_server() -> list[Sample]:
    """What a library finds wrong; it closes, and the server leaves."""

    def broken(name: str, data: bytes, shows: str) -> Sample:
        return _any(
            f"server-{name}",
            scripted(heard, sends(RESULT, data), until_close, *FIN),
            library(_waits),
            "close by client",
            f"{shows}; the app's library closes",
        )

    # Taken for a frame, its first bytes say how long it is: just as long as it is, so that
    # it is all there for whoever reads it so.
    page = (
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n"
        b"<body>\r\nThe upstream server left.\r\n</body>\r\n</html>\r\n"
    )
    return [
        broken(
            "masked-frame", frame(TEXT, b"masked", mask=MASK), "the server sends a masked frame"
        ),
        broken("reserved-bits", frame(TEXT, b"bits", rsv=3), "a frame with reserved bits set"),
        broken("bad-opcode", frame(0x3, b"what"), "a frame with opcode 3"),
        broken("invalid-utf-8", frame(TEXT, b"\xff\xfe\x80"), "a text that is not UTF-8"),
        broken("no-frame", page, "a gateway's error page in place of frames"),
        _any(
            "server-cut-frame",
            scripted(heard, sends(RESULT, RESULT[:10]), Peer.reset),
            library(_waits),
            "reset by server",
            "the server sends RST in the middle of a frame",
        ),
    ]


def _broken_by_the_client() -> list[Sample]:
    """What the simulated API finds wrong."""

    def broken(name: str, data: bytes, shows: str) -> Sample:
        return _app(f"client-{name}", [stream(3), sends(data), *END], "close by server",
                    f"{shows}; the server closes")  # fmt: skip

    piece = frame(PING, b"a piece", fin=False, mask=MASK)
    garbled = frame(TEXT, b"\xff\xfe\x80", mask=MASK)
    return [
        broken("unmasked-frame", frame(TEXT, b'{"type":"KeepAlive"}'), "an unmasked frame"),
        broken("fragmented-ping", piece, "a ping without FIN"),
        broken("invalid-utf-8", garbled, "a text that is not UTF-8"),
    ]


def _messages() -> list[Sample]:
    no_takeover = ClientPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True
    )

    def both(name: str, server: Says, client: Says, shows: str, **options: object) -> Sample:
        offers = library(client, **options)
        return _any(name, library_server(server), offers, "close by client", shows)

    return [
        both(
            "fragments",
            _answers_in_pieces,
            _says_in_pieces,
            "fragmented text and audio with pings and pongs in between, in both directions",
            compression=None,
        ),
        both(
            "compressed",
            _answers,
            _says,
            "permessage-deflate in both directions, with context takeover",
        ),
        both(
            "compressed-no-takeover",
            _answers,
            _says,
            "permessage-deflate in both directions, each message compressed separately",
            compression=None,
            extensions=[no_takeover],
        ),
        both(
            "compressed-fragments",
            _answers_in_pieces,
            _says_in_pieces,
            "compressed fragments with pings and pongs in between, in both directions",
        ),
        _api(
            "compressed-listen",
            "deepgram.listen",
            _to_the_end(),
            "close by server",
            "Deepgram listen with permessage-deflate",
            simulator(deflate=True),
        ),
    ]


# -- putting them together


def _any(name: str, server: Server, client: Client, ends: str, shows: str) -> Sample:
    """With a server of nobody's."""
    return Sample(f"wire/{name}", ANYWHERE, server, client, ends=ends, shows=shows)


def _api(
    name: str, api: str, behaviour: Behaviour, ends: str, shows: str, server: Server | None = None
) -> Sample:
    """A plain client and a simulated API."""
    place = place_of(api)

    async def client(peer: Peer) -> None:
        await talk(peer, place.host, place, behaviour)

    server = server or simulator()
    return Sample(f"wire/{name}", place.host, server, client, ends=ends, shows=shows)


def _app(name: str, steps: list[Script], ends: str, shows: str) -> Sample:
    """A scripted client and the simulated Deepgram listen."""
    headers = [f"{key}: {value}" for key, value in credentials(DEEPGRAM).items()]
    client = raw(*steps, host=DEEPGRAM.host, path=LISTEN, headers=headers)
    return Sample(f"wire/{name}", DEEPGRAM.host, simulator(), client, ends=ends, shows=shows)


def audio(messages: int) -> list[bytes | str]:
    return [voice()[i * CHUNK :][:CHUNK] for i in range(messages)]


def _to_the_end() -> Behaviour:
    return Behaviour(audio(12), stalls=0.2, ends=['{"type": "CloseStream"}'], path=LISTEN)


# -- servers


def simulator(condition: str = "", moment: str = "", *, deflate: bool = False) -> Server:
    """The simulated APIs, behaving, or failing at a moment."""

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        fails = CATALOG.condition(condition) if condition else None
        step = Step(fails, moment=Moment.parse(moment) if moment else None)
        async with Simulator(Plan([step]), limits=LIMITS, deflate=deflate) as api:
            yield api.port

    return server


def scripted(*steps: Script) -> Server:
    """A server that accepts the upgrade, and then does step by step what it is told."""

    def script(peer: Peer) -> None:
        peer.send_head(_accepting(peer.read_head()))
        for step in steps:
            step(peer)

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        with serving(script) as port:
            yield port

    return server


def _accepting(head: bytes) -> bytes:
    lines = head.decode().split("\r\n")
    names = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(names['sec-websocket-key'])}\r\n\r\n"
    ).encode()


def library_server(says: Says, **options: object) -> Server:
    """The `websockets` library's server; `options` are the library's."""

    async def handler(connection: Connection) -> None:
        with contextlib.suppress(WebSocketException):
            await says(connection)

    @contextlib.asynccontextmanager
    async def server() -> AsyncIterator[int]:
        usual: dict[str, object] = {"ping_interval": None}
        async with serve(handler, "127.0.0.1", 0, **{**usual, **options}) as running:
            yield running.sockets[0].getsockname()[1]

    return server


# -- clients


def library(
    says: Says, place: Home | None = None, headers: dict[str, str] | None = None, **options: object
) -> Client:
    """The `websockets` library's client; `options` are the library's."""
    host, path = (place.host, LISTEN) if place else (ANYWHERE, STREAM)

    async def client(peer: Peer) -> None:
        with contextlib.suppress(WebSocketException, OSError, TimeoutError):
            async with session(peer, host, path, headers or {}, **options) as connection:
                await says(connection)

    return client


def raw(
    *steps: Script, host: str = ANYWHERE, path: str = STREAM, headers: list[str] | None = None
) -> Client:
    """A client that does step by step what it is told, once it has been accepted."""

    def script(peer: Peer) -> None:
        peer.send_head(upgrade(path, host, *(headers or [])))
        head = peer.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        for step in steps:
            step(peer)

    async def client(peer: Peer) -> None:
        await asyncio.to_thread(script, peer)

    return client


# -- steps of scripts


def sends(*frames: bytes, pause: float = SOON) -> Script:
    """Send frames, with a pause before each."""

    def step(peer: Peer) -> None:
        for each in frames:
            time.sleep(pause)
            peer.send(each)

    return step


def stream(messages: int) -> Script:
    """Send audio at its pace."""
    frames = [frame(BINARY, bytes(data), mask=MASK) for data in audio(messages)]
    return sends(*frames, pause=PAUSE)


def heard(peer: Peer) -> None:
    """Wait for the first bytes of the other side."""
    peer.until(1)


def until_close(peer: Peer) -> None:
    """Wait for the other side's Close."""
    while all(each.opcode != CLOSE for each in split(bytes(peer.received))[0]):
        peer.until(len(peer.received) + 1)


END: tuple[Script, ...] = (Peer.until_end, Peer.eof)  # after the other side
FIN: tuple[Script, ...] = (Peer.eof, Peer.until_end)  # before it


# -- what libraries are told to say


async def _listens(connection: Connection) -> None:
    await _streams(connection, 5)
    await connection.send('{"type": "CloseStream"}')
    async for _ in connection:
        pass


async def _closes(connection: Connection) -> None:
    await _streams(connection, 7)
    await connection.close(1000, "the user hung up")


async def _waits(connection: Connection) -> None:
    """Say a little, then wait for the other side."""
    await _streams(connection, 2)
    async for _ in connection:
        pass


async def _gives_up(connection: Connection) -> None:
    await _streams(connection, 4)
    await asyncio.sleep(1.0)
    await connection.close(1001, "no answer")


async def _streams(connection: Connection, messages: int) -> None:
    for message in audio(messages):
        await connection.send(message)
        await asyncio.sleep(PAUSE)


async def _says(connection: Connection) -> None:
    """Text and audio; each is answered."""
    texts = [f'{{"type": "Configure", "keyterms": ["number {i}", "number"]}}' for i in range(3)]
    for message in [*texts, *audio(4)]:
        await connection.send(message)
        await connection.recv()
        await asyncio.sleep(PAUSE)


async def _answers(connection: Connection) -> None:
    count = 0
    async for message in connection:
        count += 1
        said = '{"type": "Results", "text": "number %d", "bytes": %d}'
        await connection.send(said % (count, len(message)))


async def _says_in_pieces(connection: Connection) -> None:
    text = ['{"type": "Configure", ', '"keyterms": ["one", ', '"two"]}']
    sound = [bytes(chunk) for chunk in _cut(audio(2)[1], 1200)]
    for pieces in (text, sound):
        await connection.send(_with_pings(connection, pieces))
        await connection.recv()


async def _answers_in_pieces(connection: Connection) -> None:
    async for _ in connection:
        pieces = ['{"type": "Results", ', '"text": "one ', 'two"}']
        await connection.send(_with_pings(connection, pieces))


def _cut(data: bytes | str, size: int) -> list[bytes]:
    assert isinstance(data, bytes)
    return [data[at : at + size] for at in range(0, len(data), size)]


async def _with_pings(
    connection: Connection, pieces: list[str] | list[bytes]
) -> AsyncIterator[str | bytes]:
    for number, piece in enumerate(pieces):
        yield piece
        await connection.ping(b"after piece %d" % number)
        await asyncio.sleep(PAUSE)
