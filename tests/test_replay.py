"""Both ends of a replay over real sockets: what they agree on, and what they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from made_sessions import (
    MS,
    RESULTS,
    Maker,
    audio,
    both_ends,
    both_eof,
    build,
    close,
    close_1011,
    close_utf8,
    good,
    records,
    refused,
    text,
    told,
)
from wsproxy.recording import Clock, Recording, new_start
from wsproxy.replay import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.session import Session
from wsproxy.trace import Failure, Request, Response
from wsproxy.wire import Frame, Opcode


def close_bare(m: Maker) -> Path:
    return both_eof(m.client(audio()).server(close(None)).client(close(None)))


def close_by_client(m: Maker) -> Path:
    return both_eof(m.client(audio(), close(3000, "bye")).server(close(3000)))


def server_reset(m: Maker) -> Path:
    return m.client(audio()).server(text(RESULTS)).eof(False, "reset").done()


def server_eof(m: Maker) -> Path:
    return both_eof(m.client(audio()).server(text(RESULTS)))


def client_reset(m: Maker) -> Path:
    return m.client(audio()).server(text(RESULTS)).client(audio()).eof(True, "reset").done()


def client_vanishes(m: Maker) -> Path:
    m.client(audio()).server(text(RESULTS)).raw(True, b"\x82\xfe\x02\x80abcdhalf")
    return m.eof(True).eof(False).done()


def fragments(m: Maker) -> Path:
    m.client(
        Frame(Opcode.BINARY, b"a" * 100, fin=False),
        Frame(Opcode.PING, b"between"),
        Frame(Opcode.CONTINUATION, b"b" * 200, fin=False),
    )
    m.server(Frame(Opcode.PONG, b"between"), Frame(Opcode.PING, b"you?"))
    m.client(Frame(Opcode.PONG, b"you?"), Frame(Opcode.CONTINUATION, b"c" * 5))
    m.server(
        Frame(Opcode.TEXT, b'{"type":', fin=False),
        Frame(Opcode.PING, b"two"),
        Frame(Opcode.CONTINUATION, b'"Results"}'),
    )
    m.client(Frame(Opcode.PONG, b"two"), close(1000))
    return both_eof(m.server(close(1000)))


def invalid_opcode(m: Maker) -> Path:
    m.client(audio()).raw(True, b"\x8b\x80abcd").server(close(1002, "invalid opcode"))
    return both_eof(m.client(close(1002)))


def bad_bits(m: Maker) -> Path:
    m.client(audio(), Frame(Opcode.BINARY, b"x", rsv=2)).server(close(1002))
    return m.eof(False, "reset").done()


def after_the_close(m: Maker) -> Path:
    m.client(audio()).server(close(1011, "first"), text(RESULTS), close(1000, "second"))
    return both_eof(m.client(close(1011)))


def masked_by_server(m: Maker) -> Path:
    m.client(audio()).server(Frame(Opcode.TEXT, RESULTS.encode(), mask=b"abcd"))
    return both_eof(m.client(close(1002)).server(close(1002)))


def left_open(m: Maker) -> Path:
    return m.client(audio()).server(text(RESULTS)).wait(50).done("stopped")


ACCEPTED: list[Callable[[Maker], Path]] = [
    good,
    close_1011,
    close_bare,
    close_utf8,
    close_by_client,
    server_reset,
    server_eof,
    client_reset,
    client_vanishes,
    fragments,
    invalid_opcode,
    bad_bits,
    after_the_close,
    masked_by_server,
    left_open,
]


@pytest.mark.parametrize("pace", ["recorded", "fast"])
@pytest.mark.parametrize("kind", [*ACCEPTED, refused])
def test_both_ends_agree(kind: Callable[[Maker], Path], pace: str, tmp_path: Path) -> None:
    trace = build(kind, tmp_path)
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace=pace))
    assert client.verdict == "reproduced", client.as_json()
    assert server.verdict == "reproduced", server.as_json()
    assert told(client.trace, True) == told(trace, True)
    assert told(client.trace, False) == told(trace, False)


def test_a_recording_of_messages_replays(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "t.wstrace", capture="messages")
    for from_client, frame in (
        (True, audio()),
        (False, text(RESULTS)),
        (False, close(1011, "NET-0001")),
        (True, close(1011)),
    ):
        maker.recording.message(maker.tick(), from_client, frame.opcode, frame.payload)
    trace = maker.done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert Session.read(client.trace).broken == []  # masked, as a client must


def test_a_plain_http_exchange_replays(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "t.wstrace", new_start(Clock(0, 0)))
    headers = [["Host", "api.deepgram.com"], ["Accept", "*/*"]]
    recording.add(Request(0, "GET", "https", "api.deepgram.com", 443, "/v1/x", headers=headers))
    recording.response(Response(MS, 403, "Forbidden", headers=[["dg-error", "no"]], body=b"{}"))
    recording.end(2 * MS)
    client, server = asyncio.run(both_ends(recording.path, recording.path, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert client.replayed["ending"] == "http"


def test_a_large_message_replays(tmp_path: Path) -> None:
    size = 16 << 20
    maker = Maker(tmp_path / "t.wstrace").client(audio(size)).server(close(1009))
    trace = both_eof(maker.client(close(1009)))
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace="fast"))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert server.replayed["audio_sent"] == size


def test_a_server_that_did_not_answer_replays(tmp_path: Path) -> None:
    maker = Maker(tmp_path / "t.wstrace", status=0)
    maker.recording.add(Failure(maker.tick(), "handshake", False, "no answer"))
    trace = maker.eof(False, "reset").done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")


def unanswered(path: Path, *failure: object) -> Path:
    maker = Maker(path, status=0)
    maker.recording.add(Failure(maker.tick(100), *failure))  # type: ignore[arg-type]
    return maker.done()


@pytest.mark.parametrize(
    "failure",
    [("handshake", True, "Client disconnected."), ("http", False, "server closed connection")],
)
def test_silence_before_an_answer_lasts_as_long_as_it_did(
    failure: tuple[object, ...], tmp_path: Path
) -> None:
    trace = unanswered(tmp_path / "t.wstrace", *failure)
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    for verdict in (client, server):
        session = Session.read(verdict.trace)
        assert session.failure is not None
        assert session.failure.from_client is failure[1]
        assert session.failure.t_ns >= 100 * MS


def test_an_answer_after_all_is_no_silence(tmp_path: Path) -> None:
    trace = unanswered(tmp_path / "t.wstrace", "handshake", True, "Client disconnected.")
    server = build(good, tmp_path)
    client, _ = asyncio.run(both_ends(trace, server, tmp_path))
    assert (client.verdict, client.recorded["status"]) == ("not-reproduced", None)
    assert client.replayed["status"] == 101


def test_an_app_that_waits_longer_than_the_recorded_one(tmp_path: Path) -> None:
    gave_up = unanswered(tmp_path / "t.wstrace", "handshake", True, "Client disconnected.")
    waits = unanswered(tmp_path / "u.wstrace", "http", False, "server closed connection")

    async def play() -> Verdict:
        out = records(tmp_path / "out")
        async with ReplayServer(gave_up, ServerOptions(timeout=0.1), out) as server:
            await replay_client(waits, ClientOptions(server.url), out)
            return await server.verdict()

    verdict = asyncio.run(play())
    assert (verdict.verdict, verdict.replayed["ending"]) == ("not-reproduced", "open")


@pytest.mark.parametrize(
    ("left", "right", "verdict", "field"),
    [
        (close_1011, close_utf8, "different", "close_code"),
        (close_1011, server_reset, "different", "ending"),
        (close_1011, good, "not-reproduced", "close_code"),
        (close_1011, refused, "different", "status"),
        (server_reset, server_eof, "different", "ending"),
        (good, close_1011, "different", "close_code"),
        (refused, left_open, "not-reproduced", "status"),
    ],
)
def test_unlike_ends_do_not_agree(
    left: Callable[[Maker], Path],
    right: Callable[[Maker], Path],
    verdict: str,
    field: str,
    tmp_path: Path,
) -> None:
    client, _ = asyncio.run(both_ends(build(left, tmp_path), build(right, tmp_path), tmp_path))
    assert client.verdict == verdict
    assert field in [difference.field for difference in client.differences]
