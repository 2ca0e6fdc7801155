"""Interim answers before the 101: the app gets them, and then the session."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from test_relay import Rig, recorder
from tls_certificates import Certificate
from wire_bytes import BINARY, MASK, accepted, frame, upgrade
from wire_servers import serving
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy.session import Session

HELLO, ECHO = frame(BINARY, b"hello", mask=MASK), frame(BINARY, b"hello")
INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\nX-Step: 1\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
}
INTERIM["three"] = b"".join(INTERIM.values())
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("interim")
    with recorder("regular", {}, folder / "ca", folder / "traces") as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate.make(tmp_path_factory.mktemp("server") / "server.pem")


def heads(peer: Peer, count: int) -> bytes:
    """Read a number of heads."""
    data = b""
    while data.count(b"\r\n\r\n") < count:
        more = peer._recv()
        assert more, data
        data += more
    return data


def session(rig: Rig, path: str) -> Session:
    return Session.read(rig.trace(path))


@pytest.mark.parametrize("pieces", [1, 2, 5], ids=["whole", "halves", "pieces"])
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("status", INTERIM)
def test_record_interim_answer_before_the_101_is_passed_on(
    rig: Rig, certificate: Certificate, status: str, tls: bool, pieces: int
) -> None:
    answer = INTERIM[status] + accepted()

    def serve(peer: Peer) -> None:
        peer.read_head()
        step = len(answer) // pieces + 1
        for at in range(0, len(answer), step):
            peer.send_head(answer[at : at + step])
        peer.until(len(HELLO))
        peer.send(ECHO)
        peer.until_end()

    path = f"/{status}/{tls}/{pieces}"
    with serving(serve, certificate if tls else None) as port:
        assert rig.running.address is not None
        client = through_connect(rig.running.address[1], port, tls=tls)
        client.send_head(upgrade(path, "localhost"))
        assert heads(client, answer.count(b"\r\n\r\n")) == answer
        client.send(HELLO)
        client.until(len(ECHO))
        client.close()
    seen = session(rig, path)
    assert seen.response is not None
    assert seen.response.status == 101
    assert (seen.sent.frames, seen.received.frames) == (1, 1)


def test_record_interim_answer_arrives_before_the_final_one_is_sent(rig: Rig) -> None:
    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(INTERIM["103"])
        assert arrived.wait(PATIENCE)
        peer.send_head(accepted())
        peer.until_end()

    arrived = threading.Event()

    with serving(serve) as port:
        assert rig.running.address is not None
        client = through_connect(rig.running.address[1], port, tls=False)
        client.send_head(upgrade("/slow", "localhost"))
        assert heads(client, 1) == INTERIM["103"]
        arrived.set()
        assert heads(client, 1) == accepted()
        client.close()
    seen = session(rig, "/slow")
    assert seen.response is not None
    assert seen.response.status == 101


def test_record_interim_answer_before_a_refusal_is_passed_on(rig: Rig) -> None:
    def serve(peer: Peer) -> None:
        peer.read_head()
        peer.send_head(INTERIM["103"] + REFUSED)
        peer.until_end()

    with serving(serve) as port:
        assert rig.running.address is not None
        client = through_connect(rig.running.address[1], port, tls=False)
        client.send_head(upgrade("/refused", "localhost"))
        assert heads(client, 2).startswith(INTERIM["103"] + b"HTTP/1.1 401 ")
        client.close()
    seen = session(rig, "/refused")
    assert seen.response is not None
    assert seen.response.status == 401
