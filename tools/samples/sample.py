"""A sample: a server, a client, and a recorder between them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import math
import shutil
import tempfile
import threading
from array import array
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import zstandard
from mitmproxy import ctx
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

# First: keeps the developer's settings and catalog out of the samples.
import own_settings
from conditions import RATE, Behaviour, Home, _say, usual_headers
from wire_witness import PATIENCE, Peer, through_connect
from wsproxy.audio.pcm import bytes_from_samples
from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.proxy.embedding import ProxySettings, background
from wsproxy.redact import PLACEHOLDER
from wsproxy.session import Session

FOLDER = Path(__file__).parents[2] / "recordings" / "samples"
MAX_SIZE = 64 << 10  # bytes of a trace
MAX_TIME = 3.0  # seconds of a session
PORT = 80  # that every client requests

# Speech does not compress well: use one byte a sample.
SPEAK = "/v1/speak?model=aura-2-thalia-en&encoding=mulaw&sample_rate=8000"

# Invalid keys in the format of each provider. No trace may contain them.
KEYS = {"deepgram": "0123456789" * 4, "assemblyai": "01234567" * 4}

CATALOG = load()


@dataclass(frozen=True)
class Sample:
    """A session that is recorded as a sample.

    Attributes:
        name: its file below `FOLDER`, without the suffix.
        host: the host that the client requests.
        server: a context manager that runs the server on a local port.
        client: performs the session over a connection to it.
        finding: id of the condition that the first finding must have; empty: any.
        ends: how the session must end, such as "reset by client"; empty: in any way.
        shows: a description for readers.
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
        """Record the sample again.

        Returns:
            The faults of the recording, which replaces the old one if there are none.
        """
        with tempfile.TemporaryDirectory() as folder:
            trace = self.record(Path(folder))
            if trace is None:
                return ["nothing was recorded"]
            faults = self.faults(trace)
            if not faults:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # Without the recorder's file mode: samples are public.
                shutil.copyfile(trace, self.path)
        return faults

    def faults(self, trace: Path) -> list[str]:
        """The faults of a recording."""
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
        """Perform and record the session in an empty folder.

        Each session has its own recorder, so that none is a second attempt.

        Returns:
            The trace, or None.
        """
        ended = threading.Event()
        # Lazy: connect after the request is read, and record the requested port.
        lazy = ("connection_strategy=lazy",)
        settings = ProxySettings(port=0, out=folder, confdir=_confdir(), options=lazy)
        with background(settings, on_end=lambda _: ended.set()) as running:
            assert running.address is not None
            asyncio.run(self._play(running.address[1], ended))
        return next(folder.glob("*.wstrace"), None)

    async def _play(self, proxy: int, ended: threading.Event) -> None:
        async with self.server() as port:
            ctx.master.addons.add(_RedirectToPort(port))
            peer = await asyncio.to_thread(through_connect, proxy, PORT, tls=False, host=self.host)
            try:
                await self.client(peer)
            finally:
                peer.close()
            await asyncio.to_thread(ended.wait, PATIENCE)


class _RedirectToPort:
    """Redirects all connections of the recorder to a local port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def server_connect(self, data: ServerConnectionHookData) -> None:
        data.server.address = ("127.0.0.1", self._port)


@functools.cache
def _confdir() -> Path:
    """The folder of this process's CA."""
    return Path(tempfile.mkdtemp(dir=own_settings.FOLDER))


def unpacked(trace: Path) -> bytes:
    """The decompressed content of a trace."""
    with trace.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read()


# -- clients


async def talk(peer: Peer, host: str, place: Home | None, behaviour: Behaviour) -> None:
    """Perform a behavior with the `websockets` library."""
    headers = credentials(place) if behaviour.headers is None else behaviour.headers
    path = behaviour.path or (place.path if place else "/")
    if behaviour.body is not None:
        await asyncio.to_thread(_post, peer, host, path, behaviour, headers)
        return
    with contextlib.suppress(WebSocketException, OSError, TimeoutError):
        async with session(peer, host, path, headers) as connection:
            await _say(connection, behaviour)


def session(peer: Peer, host: str, path: str, headers: dict[str, str], **options: Any) -> connect:
    """The `websockets` library's client over a connection; `options` are the library's."""
    peer.sock.setblocking(False)
    usual: dict[str, Any] = {"ping_interval": None, "close_timeout": 1, "max_size": None}
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
    """The usual header, with a recognizable key."""
    key = KEYS.get(place.provider.id if place else "", PLACEHOLDER)
    return {name: value.replace("key", key) for name, value in usual_headers(place).items()}


# -- messages


def place_of(name: str) -> Home:
    """The place of an API, by "provider.api"."""
    provider = CATALOG.provider(name.partition(".")[0])
    assert provider is not None
    api = provider.api(name.partition(".")[2])
    assert api is not None
    return Home(provider, api)


@functools.cache
def voice() -> bytes:
    """60 s of a speech-like sound, 16 bits at 16 kHz, that compresses well."""
    tone = [
        int(4000 * sum(math.sin(2 * math.pi * n * i / 100) / n for n in (1, 3, 4)))
        for i in range(100)
    ]
    word = [0] * 1600 + tone * 48 + [0] * 3200
    return bytes_from_samples(array("h", word * 100))


@functools.cache
def _speech() -> bytes:
    return speech(5.0, RATE)


def compressible(behaviour: Behaviour) -> Behaviour:
    """The same behavior, with `voice` in place of synthetic speech."""
    messages: list[bytes | str] = []
    at = 0
    for message in behaviour.messages:
        if isinstance(message, bytes) and message == _speech()[at : at + len(message)]:
            messages.append(voice()[at : at + len(message)])
            at += len(message)
        else:
            messages.append(message)
    return replace(behaviour, messages=messages)
