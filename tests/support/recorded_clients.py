"""Programs with WebSocket clients, run direct and recorded, and what differs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from echo_servers import EchoServers, echo_servers
from tls_authority import make_authority
from wsproxy.intercept import environment
from wsproxy.proxy import embedding
from wsproxy.session import Session

# The exit status of a command, its lines of JSON, and what else it printed.
Outcome = tuple[int, list[Any], str]
HOST = "api.speech.test"  # the programs resolve it to this machine
# Connections to port 443 come to the server; the others to the port that they name.
REDIRECT = """
def server_connect(data):
    port = data.server.address[1]
    data.server.address = ("127.0.0.1", {secure_port} if port == 443 else port)
"""


@dataclass(frozen=True)
class ClientSetup:
    """The servers, and what the clients trust.

    Attributes:
        bundle: the CA of the servers, which an app has in a bundle of its own.
    """

    folder: Path
    servers: EchoServers
    bundle: Path


@pytest.fixture(scope="module")
def client_setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientSetup]:
    folder = tmp_path_factory.mktemp("clients")
    bundle, context = make_authority(folder, [HOST, "localhost"])
    with echo_servers(context) as servers:
        yield ClientSetup(folder, servers, bundle)


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a command.

    Attributes:
        paths: how many sessions were recorded to each path of the server.
        incomplete: paths of traces without all that the client has seen.
    """

    paths: Counter[str]
    incomplete: list[str]


@contextlib.contextmanager
def recording(setup: ClientSetup) -> Iterator[tuple[embedding.RunningProxy, Path]]:
    """A recorder that reaches the servers by their made-up name, and its folder."""
    out = setup.folder / f"out-{len(list(setup.folder.iterdir()))}"
    script = setup.folder / "redirect.py"
    script.write_text(REDIRECT.format(secure_port=setup.servers.secure_port))
    options = (f"ssl_verify_upstream_trusted_ca={setup.bundle}", f"scripts={script}")
    settings = embedding.ProxySettings(
        port=0, out=out, confdir=setup.folder / "confdir", options=options
    )
    with embedding.background(settings) as recorder:
        yield recorder, out


def run_both(
    setup: ClientSetup, command: list[str], **extra: str
) -> tuple[Outcome, Outcome, Recorded]:
    """The results of a command, direct and recorded, and the recorded sessions."""
    base = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    base |= {"SSL_CERT_FILE": str(setup.bundle), "NODE_EXTRA_CA_CERTS": str(setup.bundle), **extra}
    with recording(setup) as (recorder, out), ThreadPoolExecutor() as pool:
        recorded = environment.for_command(recorder, "regular", setup.folder, base)
        direct, through = pool.map(lambda env: outcome(command, env), (base, recorded))
        recorder.drain(2.0)
    sessions = [Session.read(trace) for trace in out.glob("*.wstrace")]
    opened = [each for each in sessions if each.request and each.response]
    names = {each: each.request.path.strip("/") for each in opened if each.request}
    incomplete = [names[each] for each in opened if not each.complete]
    return direct, through, Recorded(Counter(names.values()), incomplete)


def outcome(command: list[str], env: dict[str, str]) -> Outcome:
    """The exit status of a command, its lines of JSON, and what else it printed."""
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    # A JVM says so.
    lines = done.stderr.splitlines()
    errors = "\n".join(line for line in lines if not line.startswith("Picked up JAVA_TOOL_OPT"))
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], errors


def check(setup: ClientSetup, command: list[str], recorded: list[str], **extra: str) -> None:
    """Run a command both ways, and expect one complete session for each of these clients."""
    direct, through, traces = run_both(setup, command, **extra)
    assert not [line for line in direct[1] if "error" in line]
    assert through == direct
    assert traces.incomplete == []
    assert traces.paths == Counter(recorded)
