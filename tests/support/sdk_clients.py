"""The client programs of tests/sdk/, and the types of the fixtures that run them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

from wsproxy.session import Session
from wsproxy.simulate.server import RunningSimulator


@dataclass(frozen=True)
class Client:
    """One client program.

    Attributes:
        api: which API it uses.
        wss_only: its SDK takes no ws:// address.
    """

    program: str
    mode: str
    api: str
    wss_only: bool = False

    def __str__(self) -> str:
        return f"{self.program}-{self.mode}" if self.mode else self.program

    @property
    def node(self) -> bool:
        return self.program.endswith(".cjs")

    @property
    def kind(self) -> str:
        """How its SDK runs: on threads, on asyncio or in Node."""
        return "node" if self.node else self.mode


# What a client program prints: what it saw.
Seen: TypeAlias = dict[str, Any]
# The file of a certificate authority, and the context of a server that it trusts.
Authority: TypeAlias = tuple[Path, ssl.SSLContext]


class Run(Protocol):
    """Runs a client program; returns what it saw."""

    def __call__(
        self,
        client: Client,
        base_url: str,
        *args: str,
        prefix: Sequence[str] = (),
        statuses: Sequence[int] = (0,),
        **environment: Any,
    ) -> Seen: ...


class Serve(Protocol):
    """Serves the simulated API for a client."""

    def __call__(
        self, client: Client, condition: str | None = None, tls: bool = False
    ) -> contextlib.AbstractContextManager[RunningSimulator]: ...


class RecordHere(Protocol):
    """Runs a client program, recorded by this process."""

    def __call__(self, client: Client, base_url: str, *args: str) -> tuple[Seen, Path]: ...


class Record(Protocol):
    """Runs a client program under `wsproxy run`."""

    def __call__(
        self, client: Client, base_url: str, *args: str, mode: str = "regular"
    ) -> tuple[Seen, Session]: ...


CLIENTS = [
    Client("deepgram_listen.py", "sync", "listen"),
    Client("deepgram_listen.py", "async", "listen"),
    Client("deepgram_speak.py", "sync", "speak"),
    Client("deepgram_speak.py", "async", "speak"),
    Client("assemblyai_streaming.py", "sync", "streaming"),
    Client("assemblyai_streaming.py", "async", "streaming"),
    Client("deepgram_listen.cjs", "", "listen"),
    Client("deepgram_speak.cjs", "", "speak"),
    Client("assemblyai_streaming.cjs", "", "streaming", wss_only=True),
    Client("ws_listen.cjs", "", "listen"),
]
# How a recorder carries a session does not depend on the SDK: on a second Python there is one of
# each kind, with threads, with asyncio and with Node, and one that names its own certificates.
ON_EACH_PYTHON = {
    "deepgram_listen.py-sync",
    "deepgram_listen.py-async",
    "assemblyai_streaming.py-async",
    "deepgram_listen.cjs",
}
EACH = [
    pytest.param(
        client,
        id=str(client),
        marks=[pytest.mark.one_python] * (str(client) not in ON_EACH_PYTHON),
    )
    for client in CLIENTS
]
