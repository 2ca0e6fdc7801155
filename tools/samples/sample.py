"""What a sample is: a server, a client, and a recorder between them; nothing by hand."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import math
import shutil
import sys
import tempfile
import threading
from array import array
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard
from mitmproxy import ctx
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

# First: the settings and the catalog of whoever makes the samples stay out of them.
import conftest
from conditions import RATE, Behaviour, Home, _say, usual_headers
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.redact import PLACEHOLDER
from wsproxy.session import Session

FOLDER = Path(__file__).parents[2] / "recordings" / "samples"
MAX_SIZE = 64 << 10  # bytes of a trace
MAX_TIME = 3.0  # seconds of a session
PORT = 80  # that every client asks for

# Spoken audio does not pack: one byte a sample is enough.
SPEAK = "/v1/speak?model=aura-2-thalia-en&encoding=mulaw&sample_rate=8000"

# What a key of each looks like, and nobody's. No trace may hold one.
KEYS = {"deepgram": "0123456789" * 4, "assemblyai": "01234567" * 4}

CATALOG = load()


@dataclass(frozen=True)
class Sample:
    """A session that is worth limits.

    Attributes:
        name: of its file below `FOLDER`, without the suffix.
        host: that the client asks for.
        server: runs the server, on a port of this machine, while it is entered.
        client: holds the session over a connection to it.
        finding: id of the condition that must be found first; empty: it does not matter.
        ends: how the session must end, as "reset by client"; empty: it does not matter.
        shows: what is to be seen in it, for people.
    """

    name: str
    host: str
    server: Callable[[], AbstractAsyncContextManager[int]]
    client: Callable[[Peer], Awaitable[object]]
    finding: str = ""
    ends: str = ""
    shows: str = ""

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.wstrace"

    def make(self) -> list[str]:
        """Record it anew.

        Returns:
            What is wrong with the recording; it takes the old one's place if nothing is.
        """
        with tempfile.TemporaryDirectory() as folder:
            trace = self.record(Path(folder))
            if trace is None:
                return ["nothing was recorded"]
            faults = self.faults(trace)
            if not faults:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # Not the recorder's mode: these are for everybody.
                shutil.copyfile(trace, self.path)
        return faults

    def faults(self, trace: Path) -> list[str]:
        """What is wrong with a recording of it."""
        session = Session.read(trace)
        found = [finding.id for finding in diagnose(session, CATALOG)]
        faults = [f"lost: {loss}" for loss in session.losses]
        if session.end is None or not session.end.complete:
            faults.append("it is not complete")
        if self.finding and found[:1] != [self.finding]:
            faults.append(f"found {found}")
        ends = f"{session.ending} by {session.closed_by}"
        if self.ends and self.ends != ends:
            faults.append(f"ended as {ends}")
        if any(key.encode() in unpacked(trace) for key in KEYS.values()):
            faults.append("it holds a key")
        if trace.stat().st_size > MAX_SIZE:
            faults.append(f"it has {trace.stat().st_size} bytes")
        if session.duration_ns > MAX_TIME * 1e9:
            faults.append(f"it lasts {session.duration_ns / 1e9:.1f} s")
        return faults

    def record(self, folder: Path) -> Path | None:
        """Hold the session, recorded into an empty folder.

        The recorder is one of its own, so that no session is a second attempt.

        Returns:
            The trace; None if there is none.
        """
        ended = threading.Event()
        # Connected only once the request is read, whose port is then the one that was asked for.
        lazy = ("connection_strategy=lazy",)
        settings = ProxySettings(port=0, out=folder, confdir=_confdir(), options=lazy)
        with background(settings, on_end=lambda _: ended.set()) as running:
            assert running.address is not None
            asyncio.run(self._play(running.address[1], ended))
        return next(folder.glob("*.wstrace"), None)

    async def _play(self, proxy: int, ended: threading.Event) -> None:
        async with self.server() as port:
            ctx.master.addons.add(_Led(port))
            peer = await asyncio.to_thread(through_connect, proxy, PORT, tls=False, host=self.host)
            try:
                await self.client(peer)
            finally:
                peer.close()
            await asyncio.to_thread(ended.wait, PATIENCE)


class _Led:
    """Leads the recorder to a port of this machine, whatever host is asked for."""

    def __init__(self, port: int) -> None:
        self._port = port

    def server_connect(self, data: ServerConnectionHookData) -> None:
        data.server.address = ("127.0.0.1", self._port)


@functools.cache
def _confdir() -> Path:
    """Folder of this process's CA."""
    return Path(tempfile.mkdtemp(dir=conftest._config.name))


def unpacked(trace: Path) -> bytes:
    """All that a trace holds, in one piece."""
    with trace.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


# -- clients


async def talk(peer: Peer, host: str, place: Home | None, behaviour: Behaviour) -> None:
    """Behave as told, with the `websockets` library."""
    headers = credentials(place) if behaviour.headers is None else behaviour.headers
    path = behaviour.path or (place.path if place else "/")
    if behaviour.body is not None:
        await asyncio.to_thread(_post, peer, host, path, behaviour, headers)
        return
    with contextlib.suppress(WebSocketException, OSError, TimeoutError):
        async with session(peer, host, path, headers) as connection:
            await _say(connection, behaviour)


def session(
    peer: Peer, host: str, path: str, headers: dict[str, str], **options: object
) -> connect:
    """The `websockets` library's client over a connection; `options` are the library's."""
    peer.sock.setblocking(False)
    usual: dict[str, object] = {"ping_interval": None, "close_timeout": 1, "max_size": None}
    return connect(
        f"ws://{host}{path}",
        sock=peer.sock,
        proxy=None,
        additional_headers=headers,
        **{**usual, **options},
    )


def _post(peer: Peer, host: str, path: str, behaviour: Behaviour, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection(host)
    connection.sock = peer.sock
    headers = {**headers, "Content-Type": behaviour.content_type}
    connection.request("POST", path, behaviour.body, headers)
    connection.getresponse().read()


def credentials(place: Home | None) -> dict[str, str]:
    """The usual header, with a key that can be told from everything else."""
    key = KEYS.get(place.provider.id if place else "", PLACEHOLDER)
    return {name: value.replace("key", key) for name, value in usual_headers(place).items()}


# -- what they say


def place_of(name: str) -> Home:
    """Where a session of an API is held, by "provider.api"."""
    provider = CATALOG.provider(name.partition(".")[0])
    assert provider is not None
    api = provider.api(name.partition(".")[2])
    assert api is not None
    return Home(provider, api)


@functools.cache
def voice() -> bytes:
    """Something like speech in words, 16 bits at 16 kHz, that packs well: 60 s of it."""
    tone = [
        int(4000 * sum(math.sin(2 * math.pi * n * i / 100) / n for n in (1, 3, 4)))
        for i in range(100)
    ]
    word = [0] * 1600 + tone * 48 + [0] * 3200
    samples = array("h", word * 100)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


@functools.cache
def _speech() -> bytes:
    return speech(5.0, RATE)


def packed_well(behaviour: Behaviour) -> Behaviour:
    """The same, with `voice` where it says made speech: message by message as long."""
    said: list[bytes | str] = []
    at = 0
    for message in behaviour.said:
        if isinstance(message, bytes) and message == _speech()[at : at + len(message)]:
            said.append(voice()[at : at + len(message)])
            at += len(message)
        else:
            said.append(message)
    return replace(behaviour, said=said)
