"""An app that drops its connection right after its own Close."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from test_relay import Rig, recorder
from tls_certificates import Certificate
from wire_bytes import BINARY, CLOSE, MASK, close, frame
from wire_servers import Scenario, Upstream
from wire_witness import Peer
from wsproxy.catalog import load
from wsproxy.diagnose import summary
from wsproxy.proxy import relay
from wsproxy.proxy.relay import Leg, Relay
from wsproxy.recorder import Clock, SessionWriter, new_start
from wsproxy.session import Session
from wsproxy.trace import Eof, FrameRecord, Request, Response, TraceReader

RESULT = frame(BINARY, bytes(300))
BYE, ANSWER = close(1000, b"done", mask=MASK), close(1000, b"done")


def close_socket(peer: Peer) -> None:
    """As a process does that has read everything."""
    peer.sock.close()


def reset(peer: Peer) -> None:
    peer.reset()


def close_unread(peer: Peer) -> None:
    """As a process does that has not read everything: the kernel resets the connection."""
    select.select([peer.sock], [], [])
    peer.sock.close()


def server(app_left: threading.Event) -> Callable[[Peer], None]:
    """Answers the Close, after the recorder has seen how the app left."""

    def script(peer: Peer) -> None:
        peer.until(len(BYE))
        peer.send(RESULT)  # not before: the app could have read it along with the 101
        assert app_left.wait(20)
        peer.send(RESULT)
        time.sleep(0.02)  # in which a reset that is passed on at once would be here
        peer.send(ANSWER)
        peer.until_end()

    return script


def client(drop: Callable[[Peer], None]) -> Callable[[Peer], None]:
    def script(peer: Peer) -> None:
        peer.send(BYE)
        if drop is not close_unread:
            peer.until(len(RESULT))
        drop(peer)

    return script


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("dropped")
    certificate = Certificate.make(folder / "server.pem")
    with Upstream() as plain, Upstream(certificate) as encrypted:
        upstreams = {False: plain, True: encrypted}
        with recorder("regular", upstreams, folder / "ca", folder / "traces") as running:
            yield running


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("drop", [close_socket, close_unread, reset])
def test_record_answer_to_close_of_disconnected_app_is_in_trace(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, drop: Callable[[Peer], None], tls: bool
) -> None:
    monkeypatch.setattr(relay, "LAST_ANSWER_TIME", 0.5)  # as far as the machine is busy
    app_left, passed_on = threading.Event(), Relay.eof

    def seen(self: Relay, leg: Leg, how: str) -> None:
        if leg.from_client:
            app_left.set()
        passed_on(self, leg, how)

    monkeypatch.setattr(Relay, "eof", seen)
    scenario = Scenario("dropped", server(app_left), client(drop), "close", "client", exact=False)
    _, path = rig.play(scenario, client_tls=tls, server_tls=tls)
    session = Session.read(path)
    assert (session.ending, session.closed_by, session.complete) == ("close", "client", True)
    with TraceReader(path) as reader:
        records = list(reader)
    closes = [x.from_client for x in records if isinstance(x, FrameRecord) and x.opcode == CLOSE]
    assert closes == [True, False]
    ends = [x.how for x in records if isinstance(x, Eof) and x.from_client]
    assert ends[-1] == "reset"
    assert summary(session, load()).endswith("with 1000 done and reset the connection.")


def test_summary_of_unanswered_close_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.wstrace"
    recording = SessionWriter(path, new_start(Clock.start()))
    recording.add(Request(1, "GET", "ws", "localhost", 80, "/"))
    recording.response(Response(2, 101))
    recording.data(3, True, BYE)
    recording.eof(Eof(4, True, "reset"))
    recording.end(5)
    assert summary(Session.read(path), load()).endswith(
        "with 1000 done and reset the connection before it was answered."
    )
