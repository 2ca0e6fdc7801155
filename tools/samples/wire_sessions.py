"""Samples of what happens on the wire: endings, broken rules, fragments, compression.

A well-behaved side is a real library or the simulated API; the other one is a script on a socket.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from conditions import ANYWHERE, Behaviour, good
from tools.samples.peers import (
    DEEPGRAM,
    END,
    FIN,
    LISTEN,
    Client,
    ConnectionHandler,
    Server,
    answer_in_fragments,
    answer_messages,
    audio,
    library_client,
    library_server,
    scripted_client,
    scripted_server,
    send,
    send_and_receive,
    send_audio,
    send_in_fragments,
    simulated_server,
    stream_and_close,
    stream_and_give_up,
    stream_and_listen,
    stream_and_wait,
    until_close,
    until_data,
)
from tools.samples.sample import (
    KEYS,
    SPEAK,
    Sample,
    compressible,
    credentials,
    place_of,
    talk,
)
from wire_bytes import MASK, PING, TEXT, close, frame
from wire_servers import Script
from wire_witness import Peer

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
    flux = replace(compressible(good(place_of("deepgram.listen-v2"))), stalls=0.3)
    streams = Behaviour(audio(12), stalls=0.2, ends=['{"type": "Terminate"}'])
    streams.path = f"{place_of('assemblyai.streaming').path}&format_turns=true"
    subprotocol = library_client(
        stream_and_listen, DEEPGRAM, subprotocols=["token", KEYS["deepgram"]]
    )
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
            simulated_server(),
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
            simulated_server("rfc6455.end.server-reset", "9frames"),
        ),
        _app("reset-by-client", [send_audio(9), until_data, Peer.reset], "reset by client",
             "the app sends RST during audio"),
        _api(
            "fin-by-server",
            "deepgram.listen",
            streams,
            "eof by server",
            "the server sends FIN during audio, without a Close frame",
            simulated_server("rfc6455.end.server-eof", "9frames"),
        ),
        _app("fin-by-client", [send_audio(9), until_data, *FIN], "eof by client",
             "the app sends FIN during audio, without a Close frame"),
        _any(
            "silence",
            scripted_server(until_data, send(RESULT), *END),
            library_client(stream_and_give_up, close_timeout=0.4),
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
            simulated_server(),
            library_client(stream_and_close, DEEPGRAM, headers=credentials(DEEPGRAM)),
            ends="close by client",
            shows="the app begins the closing handshake, with a code and a reason",
        ),
        _app("close-without-code", [send_audio(3), send(close(None, mask=MASK)), *END],
             "close by client", "a Close frame without a code, answered with the same"),
        _any(
            "close-two-codes-by-server",
            scripted_server(until_data, send(RESULT, by_server), until_close, *FIN),
            scripted_client(send(HELLO), until_close, send(close(1000, mask=MASK)), *END),
            "close by server",
            "the server closes with 1011, the app answers with 1000",
        ),
        _any(
            "close-two-codes-by-client",
            scripted_server(until_data, send(RESULT), until_close, send(close(1000)), *FIN),
            scripted_client(send(HELLO), until_data, send(close(4000, b"done", mask=MASK)), *END),
            "close by client",
            "the app closes with 4000, the server answers with 1000",
        ),
    ]  # fmt: skip


def _pings() -> list[Sample]:
    return [
        _any(
            "ping-unanswered-by-server",
            scripted_server(until_data, send(RESULT), *END),
            library_client(stream_and_wait, ping_interval=0.4, ping_timeout=0.6, close_timeout=0.4),
            "close by client",
            "the app's ping is not answered; its library closes with 1011",
        ),
        _any(
            "ping-unanswered-by-client",
            library_server(stream_and_wait, ping_interval=0.4, ping_timeout=0.6, close_timeout=0.4),
            scripted_client(send_audio(3), *END),
            "close by server",
            "the server's ping is not answered; it closes with 1011",
        ),
    ]


def _broken_by_the_server() -> list[Sample]:
    """Broken frames that a library detects: it closes, and the server ends the connection."""

    def broken(name: str, data: bytes, shows: str) -> Sample:
        return _any(
            f"server-{name}",
            scripted_server(until_data, send(RESULT, data), until_close, *FIN),
            library_client(stream_and_wait),
            "close by client",
            f"{shows}; the app's library closes",
        )

    # Read as a frame, the page's first bytes declare exactly its own length, so that the frame
    # is complete.
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
            scripted_server(until_data, send(RESULT, RESULT[:10]), Peer.reset),
            library_client(stream_and_wait),
            "reset by server",
            "the server sends RST in the middle of a frame",
        ),
    ]


def _broken_by_the_client() -> list[Sample]:
    """Broken frames that the simulated API detects."""

    def broken(name: str, data: bytes, shows: str) -> Sample:
        steps = [send_audio(3), send(data), *END]
        return _app(f"client-{name}", steps, "close by server", f"{shows}; the server closes")

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

    def both(
        name: str,
        server: ConnectionHandler,
        client: ConnectionHandler,
        shows: str,
        **options: Any,
    ) -> Sample:
        offers = library_client(client, **options)
        return _any(name, library_server(server), offers, "close by client", shows)

    return [
        both(
            "fragments",
            answer_in_fragments,
            send_in_fragments,
            "fragmented text and audio with pings and pongs in between, in both directions",
            compression=None,
        ),
        both(
            "compressed",
            answer_messages,
            send_and_receive,
            "permessage-deflate in both directions, with context takeover",
        ),
        both(
            "compressed-no-takeover",
            answer_messages,
            send_and_receive,
            "permessage-deflate in both directions, each message compressed separately",
            compression=None,
            extensions=[no_takeover],
        ),
        both(
            "compressed-fragments",
            answer_in_fragments,
            send_in_fragments,
            "compressed fragments with pings and pongs in between, in both directions",
        ),
        _api(
            "compressed-listen",
            "deepgram.listen",
            _to_the_end(),
            "close by server",
            "Deepgram listen with permessage-deflate",
            simulated_server(deflate=True),
        ),
    ]


# -- putting them together


def _any(name: str, server: Server, client: Client, ends: str, shows: str) -> Sample:
    """A sample with a server of no provider."""
    return Sample(f"wire/{name}", ANYWHERE, server, client, ends=ends, shows=shows)


def _api(
    name: str, api: str, behaviour: Behaviour, ends: str, shows: str, server: Server | None = None
) -> Sample:
    """A sample with a plain client and a simulated API."""
    place = place_of(api)

    async def client(peer: Peer) -> None:
        await talk(peer, place.host, place, behaviour)

    server = server or simulated_server()
    return Sample(f"wire/{name}", place.host, server, client, ends=ends, shows=shows)


def _app(name: str, steps: list[Script], ends: str, shows: str) -> Sample:
    """A sample with a scripted client and the simulated Deepgram listen."""
    headers = [f"{key}: {value}" for key, value in credentials(DEEPGRAM).items()]
    client = scripted_client(*steps, host=DEEPGRAM.host, path=LISTEN, headers=headers)
    return Sample(f"wire/{name}", DEEPGRAM.host, simulated_server(), client, ends=ends, shows=shows)


def _to_the_end() -> Behaviour:
    return Behaviour(audio(12), stalls=0.2, ends=['{"type": "CloseStream"}'], path=LISTEN)
