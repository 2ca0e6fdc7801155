"""Both ends of a replay over real sockets: what they agree on, and what they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from replay_sessions import (
    ACCEPTED,
    DIFFERENT_TRACES,
    RESULTS,
    accepted,
    both_ends,
    both_eof,
    build,
    close_1011,
    content_sent,
    good,
    recorded,
    records,
    refused,
)
from trace_builder import MS, TraceBuilder, audio, close, text
from wsproxy.replayer import ClientOptions, ReplayServer, ServerOptions, Verdict, replay_client
from wsproxy.session import Session
from wsproxy.trace import Failure, Request


@pytest.mark.parametrize("pace", ["recorded", "fast"])
@pytest.mark.parametrize("kind", [*ACCEPTED, refused])
def test_replay_of_both_ends_agrees(
    kind: Callable[[TraceBuilder], Path], pace: str, tmp_path: Path
) -> None:
    trace = build(kind, tmp_path)
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace=pace))
    assert client.verdict == "reproduced", client.as_json()
    assert server.verdict == "reproduced", server.as_json()
    assert client.trace is not None
    assert content_sent(client.trace, True) == content_sent(trace, True)
    assert content_sent(client.trace, False) == content_sent(trace, False)


def test_replay_messages_capture_is_reproduced(tmp_path: Path) -> None:
    builder = accepted(tmp_path / "t.wstrace", capture="messages")
    for from_client, frame in (
        (True, audio()),
        (False, text(RESULTS)),
        (False, close(1011, "NET-0001")),
        (True, close(1011)),
    ):
        builder.ms += 1
        t_ns = round(builder.ms * MS)
        builder.recording.message(t_ns, from_client, frame.opcode, frame.payload)
    trace = builder.done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert client.trace is not None
    assert Session.read(client.trace).broken == []  # masked, as a client must


def test_replay_plain_http_is_reproduced(tmp_path: Path) -> None:
    headers = [["Host", "api.deepgram.com"], ["Accept", "*/*"]]
    request = Request(0, "GET", "https", "api.deepgram.com", 443, "/v1/x", headers=headers)
    builder = TraceBuilder(tmp_path / "t.wstrace", request)
    trace = builder.refuse(403, b"{}", ["dg-error", "no"], reason="Forbidden").done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert client.replayed["ending"] == "http"


def test_replay_large_message_is_reproduced(tmp_path: Path) -> None:
    size = 16 << 20
    builder = accepted(tmp_path / "t.wstrace").client(audio(size)).server(close(1009))
    trace = both_eof(builder.client(close(1009)))
    client, server = asyncio.run(both_ends(trace, trace, tmp_path, pace="fast"))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    assert server.replayed["audio_sent"] == size


def test_replay_without_response_is_reproduced(tmp_path: Path) -> None:
    builder = recorded(tmp_path / "t.wstrace")
    builder.add(Failure(MS, "handshake", False, "no answer"))
    trace = builder.eof(False, "reset").done()
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")


def unanswered(path: Path, kind: str, from_client: bool, message: str) -> Path:
    return recorded(path).add(Failure(100 * MS, kind, from_client, message)).done()


@pytest.mark.parametrize(
    "failure",
    [("handshake", True, "Client disconnected."), ("http", False, "server closed connection")],
)
def test_replay_slow_response_keeps_delay(failure: tuple[str, bool, str], tmp_path: Path) -> None:
    trace = unanswered(tmp_path / "t.wstrace", *failure)
    client, server = asyncio.run(both_ends(trace, trace, tmp_path))
    assert (client.verdict, server.verdict) == ("reproduced", "reproduced")
    for verdict in (client, server):
        assert verdict.trace is not None
        session = Session.read(verdict.trace)
        assert session.failure is not None
        assert session.failure.from_client is failure[1]
        assert session.failure.t_ns >= 100 * MS


def test_replay_response_after_all_is_different(tmp_path: Path) -> None:
    trace = unanswered(tmp_path / "t.wstrace", "handshake", True, "Client disconnected.")
    server = build(good, tmp_path)
    client, _ = asyncio.run(both_ends(trace, server, tmp_path))
    assert (client.verdict, client.recorded["status"]) == ("not-reproduced", None)
    assert client.replayed["status"] == 101


def test_replay_client_waiting_longer_is_judged(tmp_path: Path) -> None:
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
    [*DIFFERENT_TRACES, (good, close_1011, "different", "close_code")],
)
def test_replay_different_traces_is_different(
    left: Callable[[TraceBuilder], Path],
    right: Callable[[TraceBuilder], Path],
    verdict: str,
    field: str,
    tmp_path: Path,
) -> None:
    client, _ = asyncio.run(both_ends(build(left, tmp_path), build(right, tmp_path), tmp_path))
    assert client.verdict == verdict
    assert field in [difference.field for difference in client.differences]
