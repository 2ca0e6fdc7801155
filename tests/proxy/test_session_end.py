"""How long the end of a session takes to arrive: through every mode as soon as directly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from mitmproxy import ctx

from extra_modes import listen
from tls_certificates import Certificate
from wire_bytes import BINARY, close, frame
from wire_servers import Scenario, Upstream
from wire_witness import Peer, direct, through_connect, through_socks5
from wsproxy.proxy.embedding import ProxySettings, background

MORE = 0.05  # seconds that the recorder may add
TRIES = 20  # of which one has to keep to it: the machine may be busy

RESULT = frame(BINARY, bytes(200)) + close(1000)
Connect = Callable[[], Peer]
Way = tuple[str, bool, bool]


@dataclass
class Clock:
    """When one side began to end a session, and when each had seen the other's end; seconds."""

    begun: float = 0.0
    other: float = 0.0
    own: float = 0.0

    @property
    def delays(self) -> tuple[float, float]:
        return self.other - self.begun, self.own - self.begun


def _name(way: Way) -> str:
    mode, client, server = way
    return f"{mode}-{'wss' if client else 'ws'}-to-{'wss' if server else 'ws'}"


def fin(peer: Peer, clock: Clock) -> None:
    """End both TLS and TCP at once."""
    peer.close_notify()
    peer.eof()


def bare_fin(peer: Peer, clock: Clock) -> None:
    peer.eof()


def close_notify(peer: Peer, clock: Clock) -> None:
    """End TLS, and TCP once the other side has answered, as asyncio's servers do."""
    peer.close_notify()
    peer.until_close_notify()
    clock.own = time.monotonic()
    peer.eof()


def reset(peer: Peer, clock: Clock) -> None:
    peer.reset()
    clock.own = clock.begun


# What an end without TLS does, and one with TLS.
ENDS = {False: (fin, reset), True: (fin, bare_fin, close_notify, reset)}
# Modes, and whether the client and the server have TLS.
WAYS = [
    ("regular", False, False),
    ("regular", True, True),
    ("socks5", False, False),
    ("socks5", True, True),
    ("reverse", False, False),
    ("reverse", False, True),
    ("reverse", True, False),
    ("reverse", True, True),
]
CASES = [
    pytest.param(way, by, end, id=f"{_name(way)}-{by}-{end.__name__}")
    for way in WAYS
    for by, tls in (("client", way[1]), ("server", way[2]))
    for end in ENDS[tls]
]


def session_end(by: str, end: Callable[[Peer, Clock], None], clock: Clock) -> Scenario:
    """A session that one side ends; the other side answers the end as libraries do."""

    def ends(peer: Peer) -> None:
        peer.send(RESULT)
        peer.until(1)
        clock.begun = time.monotonic()
        end(peer, clock)
        if end is not reset:
            peer.until_end()
        clock.own = clock.own or time.monotonic()

    def answers(peer: Peer) -> None:
        peer.send(RESULT)
        peer.until(len(RESULT))
        peer.until_close_notify()
        clock.other = time.monotonic()
        if peer.saw != ["reset"]:
            peer.close_notify()
            peer.eof()
            peer.until_end()

    server, client = (ends, answers) if by == "server" else (answers, ends)
    return Scenario("end", server, client, "eof", by)


@dataclass
class Rig:
    """A recorder in all modes, and servers behind it."""

    upstream: dict[bool, Upstream]
    connect: dict[Way, Connect] = field(default_factory=dict)

    def delays(
        self, connect: Connect, server_tls: bool, by: str, end: Callable[[Peer, Clock], None]
    ) -> tuple[float, float]:
        clock = Clock()
        self.upstream[server_tls].play(session_end(by, end, clock), connect)
        return clock.delays


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("ends")
    certificate = Certificate.make(folder / "server.pem")
    settings = ProxySettings(
        port=0, out=folder / "traces", confdir=folder / "ca", options=("ssl_insecure=true",)
    )
    with ExitStack() as stack:
        upstream = {
            tls: stack.enter_context(Upstream(certificate if tls else None))
            for tls in (False, True)
        }
        running = stack.enter_context(background(settings))
        record: Any = ctx.master.addons.get("record")
        assert running.address is not None
        _, regular = running.address
        plain, tls, socks = listen(
            record._recorder._loop,
            f"reverse:http://127.0.0.1:{upstream[False].port}",
            f"reverse:https://127.0.0.1:{upstream[True].port}",
            "socks5",
        )
        rig = Rig(upstream)
        connect = rig.connect
        for own_tls in (False, True):
            port = upstream[own_tls].port
            connect["direct", own_tls, own_tls] = partial(direct, port, tls=own_tls)
            connect["regular", own_tls, own_tls] = partial(
                through_connect, regular, port, tls=own_tls
            )
            connect["socks5", own_tls, own_tls] = partial(
                through_socks5, socks[1], port, tls=own_tls
            )
            for server_tls, (_, proxy) in ((False, plain), (True, tls)):
                connect["reverse", own_tls, server_tls] = partial(direct, proxy, tls=own_tls)
        yield rig


@pytest.mark.parametrize(("way", "by", "end"), CASES)
def test_relay_end_of_session_arrives_as_soon_as_directly(
    rig: Rig, way: Way, by: str, end: Callable[[Peer, Clock], None]
) -> None:
    _, client_tls, server_tls = way
    tls = client_tls if by == "client" else server_tls
    alone = rig.delays(rig.connect["direct", tls, tls], tls, by, end)
    for _ in range(TRIES):
        seen = rig.delays(rig.connect[way], server_tls, by, end)
        added = [through - without for through, without in zip(seen, alone, strict=True)]
        if max(added) <= MORE:
            return
    pytest.fail(f"{added} s later than directly, at the other side and at the one that ends it")
