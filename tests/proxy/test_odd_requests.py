"""Upgrade requests that mitmproxy's parser refuses: passed on as they are, and recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from h11._receivebuffer import ReceiveBuffer
from mitmproxy import ctx

from extra_modes import listen
from tls_certificates import Certificate
from wire_bytes import BINARY, MASK, accepted, frame
from wire_servers import serving
from wire_witness import Peer, direct, through_connect, wait_until
from wsproxy.proxy import http1_patches
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.recorder import SessionWriter
from wsproxy.session import Session
from wsproxy.wire.http_head import RequestHead

LINE = b"GET /chat HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
REST = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
)
REQUESTS = {
    "blank in the target": b"GET /chat?name=a b HTTP/1.1\r\n" + HOST + REST,
    "header without a colon": LINE + HOST + b"X-Trace on\r\n" + REST,
    "blank in a header name": LINE + HOST + b"X Trace: on\r\n" + REST,
    "blank before a colon": LINE + HOST + REST.replace(b"Upgrade:", b"Upgrade :"),
    "header without a name": LINE + HOST + b": nothing\r\n" + REST,
    "not ASCII in a header name": LINE + HOST + "X-Stra\xdfe: 1\r\n".encode("latin-1") + REST,
    "folded header": LINE + HOST + b"X-Trace: a\r\n  b\r\n" + REST,
    "folded first header": LINE + b" X-Trace: a\r\n" + HOST + REST,
    "NUL in a header": LINE + HOST + b"X-Trace: a\0b\r\n" + REST,
    "no blanks after colons": LINE + (HOST + REST).replace(b": ", b":"),
    "length that is no number": LINE + HOST + b"Content-Length: none\r\n" + REST,
    "two lengths": LINE + HOST + b"Content-Length: 0\r\nContent-Length: 0\r\n" + REST,
    "negative length": LINE + HOST + b"Content-Length: -1\r\n" + REST,
    "unknown transfer coding": LINE + HOST + b"Transfer-Encoding: rot13\r\n" + REST,
    "unknown version": b"GET /chat HTTP/1.10\r\n" + HOST + REST,
    "no version": b"GET /chat\r\n" + HOST + REST,
    "two blanks": b"GET  /chat  HTTP/1.1\r\n" + HOST + REST,
    "target without a slash": b"GET chat HTTP/1.1\r\n" + HOST + REST,
    "empty line before it": b"\r\n" + LINE + HOST + REST,
    "line feeds only": (LINE + HOST + REST).replace(b"\r\n", b"\n"),
}


@dataclass
class Rig:
    """A server that accepts every request, a recorder before it, and its traces."""

    ports: dict[bool, int] = field(default_factory=dict)
    heads: list[bytes] = field(default_factory=list)
    regular: int = 0
    reverse: int = 0
    traces: dict[str | None, Path] = field(default_factory=dict)

    def serve(self, peer: Peer) -> None:
        data = b""
        while not data.endswith((b"\r\n\r\n", b"\n\n")):
            more = peer._recv()
            if not more:
                return
            data += more
        self.heads.append(data)
        peer.send_head(accepted())
        peer.until(len(HELLO))
        peer.send(ECHO)
        peer.until_end()

    def ended(self, recording: SessionWriter) -> None:
        assert recording.session.start is not None
        self.traces[recording.session.start.client] = recording.path

    def session(self, peer: Peer) -> Session:
        client = f"127.0.0.1:{peer.sock.getsockname()[1]}"
        peer.close()
        wait_until(lambda: client in self.traces)
        return Session.read(self.traces.pop(client))  # a later peer may get the same port


HELLO, ECHO = frame(BINARY, b"hello", mask=MASK), frame(BINARY, b"hello")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("odd")
    certificate = Certificate.make(folder / "server.pem")
    rig = Rig()
    settings = ProxySettings(
        port=0, out=folder / "traces", confdir=folder / "ca", options=("ssl_insecure=true",)
    )
    with ExitStack() as stack:
        for tls in (False, True):
            rig.ports[tls] = stack.enter_context(serving(rig.serve, certificate if tls else None))
        running = stack.enter_context(background(settings, on_end=rig.ended))
        record: Any = ctx.master.addons.get("record")
        assert running.address is not None
        rig.regular = running.address[1]
        [(_, rig.reverse)] = listen(
            record._recorder._loop, f"reverse:http://127.0.0.1:{rig.ports[False]}"
        )
        yield rig


def ask(rig: Rig, peer: Peer, head: bytes) -> bytes:
    """Ask for a session, and hold it; returns the head that the server saw."""
    rig.heads.clear()
    peer.send_head(head)
    answer = peer.read_head()
    assert answer == accepted(), answer
    peer.send(HELLO)
    peer.until(len(ECHO))
    [seen] = rig.heads
    return seen


def check_recorded(session: Session) -> None:
    assert session.complete
    assert session.request is not None
    assert session.response is not None
    assert session.response.status == 101
    assert (session.sent.frames, session.received.frames) == (1, 1)


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
@pytest.mark.parametrize("name", REQUESTS)
def test_record_odd_upgrade_through_connect_is_passed_on_verbatim(
    rig: Rig, name: str, tls: bool
) -> None:
    head = REQUESTS[name] + (b"\n" if name == "line feeds only" else b"\r\n")
    peer = through_connect(rig.regular, rig.ports[tls], tls=tls)
    assert ask(rig, peer, head) == head
    check_recorded(rig.session(peer))


@pytest.mark.parametrize("name", REQUESTS)
def test_record_odd_upgrade_in_reverse_mode_differs_in_the_host_only(rig: Rig, name: str) -> None:
    end = b"\n" if name == "line feeds only" else b"\r\n"
    peer = direct(rig.reverse, tls=False)
    seen = ask(rig, peer, REQUESTS[name] + end)
    host = b"Host: 127.0.0.1:%d\r\n" % rig.ports[False]
    lines = REQUESTS[name].split(end)
    was = next(line for line in lines if line.startswith(b"Host:")) + end
    assert seen == REQUESTS[name].replace(was, host) + end
    check_recorded(rig.session(peer))


@pytest.mark.parametrize("name", [name for name in REQUESTS if b" /chat" in REQUESTS[name]])
def test_record_odd_upgrade_in_absolute_form_is_sent_in_origin_form(rig: Rig, name: str) -> None:
    end = b"\n" if name == "line feeds only" else b"\r\n"
    origin = b"http://127.0.0.1:%d" % rig.ports[False]
    head = REQUESTS[name].replace(b" /chat", b" " + origin + b"/chat") + end
    peer = direct(rig.regular, tls=False)
    seen = ask(rig, peer, head)
    [_, rest], [_, was] = (x.lstrip(b"\r\n").split(b"\n", 1) for x in (seen, REQUESTS[name] + end))
    assert rest == was
    assert seen.lstrip().split(b"\n")[0].split()[1] == b"/chat" + (
        b"?name=a" if name == "blank in the target" else b""
    )
    check_recorded(rig.session(peer))


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization Bearer %s\r\n",
        b"Authorization : Bearer %s\r\n",
        b"X-Api-Key:\r\n %s\r\n",
        b"X-Api-Key\t%s\r\n",
        b"Authorization: Bearer\0%s\r\n",
    ],
)
def test_record_odd_upgrade_with_a_credential_is_redacted(rig: Rig, line: bytes) -> None:
    secret = b"Kq7mZ2xW9vB4nL6t"
    peer = through_connect(rig.regular, rig.ports[False], tls=False)
    head = LINE + HOST + line % secret + REST + b"\r\n"
    assert ask(rig, peer, head) == head
    session = rig.session(peer)
    check_recorded(session)
    assert session.request is not None
    assert secret.decode() not in repr(session.request)


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_record_upgrade_that_arrives_byte_by_byte_is_recorded(rig: Rig, tls: bool) -> None:
    peer = through_connect(rig.regular, rig.ports[tls], tls=tls)
    head = LINE + HOST + REST + b"\r\n"
    for byte in head[:6]:
        peer.send_head(bytes([byte]))
        time.sleep(0.01)  # else they come together
    assert ask(rig, peer, head[6:]) == head
    check_recorded(rig.session(peer))


@pytest.mark.parametrize("scheme", [b"ws", b"WS"])
def test_record_upgrade_with_a_websocket_url_as_target_is_passed_on(
    rig: Rig, scheme: bytes
) -> None:
    peer = direct(rig.regular, tls=False)
    target = scheme + b"://127.0.0.1:%d/chat" % rig.ports[False]
    assert ask(rig, peer, b"GET " + target + b" HTTP/1.1\r\n" + HOST + REST + b"\r\n").startswith(
        LINE
    )
    check_recorded(rig.session(peer))


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://a b/chat HTTP/1.1\r\n",
        b"GET http://:99999/chat HTTP/1.1\r\n",
        b"GET ftp://127.0.0.1/chat HTTP/1.1\r\n",
        b"GET /chat HTTP/1.1\r\nHost: a b\r\n",
    ],
)
def test_record_upgrade_that_names_no_server_blames_no_server(rig: Rig, line: bytes) -> None:
    peer = direct(rig.regular, tls=False)
    peer.send_head(line + REST + b"\r\n")
    assert peer.read_head().startswith(b"HTTP/1.1 400 ")
    session = rig.session(peer)
    assert session.ending == "failed"
    assert session.closed_by == "client"
    assert session.failure is not None
    assert session.failure.where == "request"
    assert "asked no server" in session.failure.message
    assert session.end is not None
    assert session.end.findings == ["rfc6455.failed.request"]


def test_request_head_parse_of_any_head_serializes_to_the_same_bytes() -> None:
    for head in REQUESTS.values():
        raw = head + b"\r\n"
        assert RequestHead.parse(raw).serialize() == raw


class CountingBuffer(ReceiveBuffer):
    """Counts how often all of it is copied."""

    copies = 0

    def __bytes__(self) -> bytes:
        self.copies += 1
        return super().__bytes__()


def test_upgrade_request_byte_by_byte_is_copied_once() -> None:
    buffer: Any = CountingBuffer()
    head, found = b"\r\n" + LINE + HOST + REST + b"\r\n", []
    for byte in head:
        buffer += bytes([byte])
        found.append(http1_patches._upgrade(buffer))
        if found[-1] is None and len(found) > 2:
            buffer.maybe_extract_lines()  # as mitmproxy does then
    assert found[:-1] == [None] * (len(head) - 1)
    assert found[-1] is not None
    assert not buffer
    assert buffer.copies == 1
