"""WebSocket clients that support no proxy, each direct and recorded: the app sees the same.

Their programs are in tests/sdk/: many clients in one process, as most of the time is its start.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from echo_servers import EchoServers, echo_servers
from test_sdks import HERE, install
from test_sdks import node_packages as node_packages
from tls_authority import make_authority
from wsproxy.intercept import environment
from wsproxy.proxy import embedding
from wsproxy.session import Session

pytestmark = [pytest.mark.sdk, pytest.mark.one_python, pytest.mark.timeout(300)]

HOST = "api.speech.test"  # the programs resolve it to this machine
# Connections to port 443 come to the server; the others to the port that they name.
REDIRECT = """
def server_connect(data):
    port = data.server.address[1]
    data.server.address = ("127.0.0.1", {secure_port} if port == 443 else port)
"""


@dataclass(frozen=True)
class Setup:
    """The servers, and what the clients trust.

    Attributes:
        bundle: the CA of the servers, which an app has in a bundle of its own.
    """

    folder: Path
    servers: EchoServers
    bundle: Path


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    folder = tmp_path_factory.mktemp("clients")
    bundle, context = make_authority(folder, [HOST, "localhost"])
    with echo_servers(context) as servers:
        yield Setup(folder, servers, bundle)


@dataclass(frozen=True)
class Recorded:
    """What was recorded of a command.

    Attributes:
        paths: how many sessions were recorded to each path of the server.
        incomplete: paths of traces without all that the client has seen.
    """

    paths: Counter[str]
    incomplete: list[str]


def run_both(setup: Setup, command: list[str], **extra: str) -> tuple[Any, Any, Recorded]:
    """The results of a command, direct and recorded, and the recorded sessions."""
    base = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    base |= {"SSL_CERT_FILE": str(setup.bundle), "NODE_EXTRA_CA_CERTS": str(setup.bundle), **extra}
    out = setup.folder / f"out-{len(list(setup.folder.iterdir()))}"
    script = setup.folder / "redirect.py"
    script.write_text(REDIRECT.format(secure_port=setup.servers.secure_port))
    options = (f"ssl_verify_upstream_trusted_ca={setup.bundle}", f"scripts={script}")
    settings = embedding.ProxySettings(
        port=0, out=out, confdir=setup.folder / "confdir", options=options
    )
    with embedding.background(settings) as recorder, ThreadPoolExecutor() as pool:
        recorded = environment.for_command(recorder, settings.mode, setup.folder, base)
        results = list(pool.map(lambda env: outcome(command, env), (base, recorded)))
        recorder.drain(2.0)
    sessions = [Session.read(trace) for trace in out.glob("*.wstrace")]
    opened = [each for each in sessions if each.request and each.response]
    names = {each: each.request.path.strip("/") for each in opened if each.request}
    return *results, Recorded(
        Counter(names.values()), [names[each] for each in opened if not each.complete]
    )


def outcome(command: list[str], env: dict[str, str]) -> tuple[int, list[Any], str]:
    """The exit status of a command, its lines of JSON, and what else it printed."""
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def check(setup: Setup, command: list[str], recorded: list[str], **extra: str) -> None:
    """Run a command both ways, and expect one complete session for each of these clients."""
    direct, through, traces = run_both(setup, command, **extra)
    assert not [line for line in direct[1] if "error" in line]
    assert through == direct
    assert traces.incomplete == []
    assert traces.paths == Counter(recorded)


# ---- Python

PYTHON = [
    *("websockets", "websockets-asyncio-no-proxy", "websockets-bundle", "websockets-legacy"),
    *("websockets-sync", "websockets-sync-no-proxy", "websocket-client-bundle"),
    *("aiohttp", "aiohttp-bundle", "picows", "picows-asyncio", "tornado", "autobahn-asyncio"),
]
ON_UVLOOP = ["websockets-legacy-uvloop", "websockets-uvloop", "aiohttp-uvloop"]
OLDER = {
    "websockets==10.4": ["websockets", "websockets-legacy"],
    "websockets==12.0": ["websockets", "websockets-client", "websockets-sync"],
    "websockets==14.2": [
        *("websockets", "websockets-asyncio", "websockets-client", "websockets-sync"),
        *("websockets-legacy", "websockets-bundle"),
    ],
}


@pytest.fixture(scope="session")
def python_clients() -> str:
    """The interpreter of a virtual environment with the clients."""
    name = f"websocket-clients-python{sys.version_info.major}.{sys.version_info.minor}"
    binaries = "Scripts" if sys.platform == "win32" else "bin"
    python = f"{{folder}}/venv/{binaries}/python"
    listing = HERE / "websocket-clients-requirements.txt"
    folder = install(
        name,
        listing,
        [sys.executable, "-m", "venv", "--clear", "{folder}/venv"],
        [python, "-m", "pip", "install", "--quiet", "-r", listing.name],
    )
    return python.format(folder=folder)


@pytest.fixture(scope="session")
def older_websockets() -> Path:
    """A folder with a folder for each older version of websockets."""
    listing = HERE / "websocket-clients-older.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    name = f"websockets-python{sys.version_info.major}.{sys.version_info.minor}"
    versions = listing.read_text().splitlines()
    assert versions == list(OLDER)
    return install(name, listing, *([*pip, f"{{folder}}/{each}", each] for each in versions))


def python_command(setup: Setup, python: str, folder: str, names: list[str]) -> list[str]:
    program = [python, str(HERE / "websocket_clients.py"), HOST, str(setup.servers.secure_port)]
    return [*program, str(setup.bundle), folder, *names]


def test_python_clients_recorded_see_what_they_see_direct(
    setup: Setup, python_clients: str
) -> None:
    names = PYTHON if sys.platform == "win32" else [*PYTHON, *ON_UVLOOP]
    command = python_command(setup, python_clients, "-", [*names, "aiohttp-refused"])
    check(setup, command, names)


def test_python_autobahn_on_twisted_recorded_sees_what_it_sees_direct(
    setup: Setup, python_clients: str
) -> None:
    # autobahn is for one of its frameworks in a process.
    command = python_command(setup, python_clients, "-", ["autobahn-twisted"])
    check(setup, command, ["autobahn-twisted"])


@pytest.mark.parametrize("version", OLDER)
def test_python_older_websockets_recorded_sees_what_it_sees_direct(
    setup: Setup, python_clients: str, older_websockets: Path, version: str
) -> None:
    folder = str(older_websockets / version)
    command = python_command(setup, python_clients, folder, OLDER[version])
    check(setup, command, OLDER[version])


# ---- Node

NODE = [
    *("ws", "ws-agent", "ws-ca", "ws-secure-context", "ws-plain", "ws-eof", "ws-reset"),
    *("ws-large", "ws-proxy-agent", "undici", "undici-plain", "undici-eof", "undici-reset"),
    *("websocket", "websocket-ca", "faye-websocket"),
]
NOT_SESSIONS = ["ws-refused", "fetch", "https", "tls", "worker-env-seen"]


def node_command(setup: Setup, *arguments: str) -> list[str]:
    node = shutil.which("node")
    assert node is not None
    program = [str(HERE / "websocket_clients.cjs"), HOST, str(setup.servers.secure_port)]
    program += [str(setup.servers.plain_port), str(setup.bundle)]
    flags = [each for each in arguments if each.startswith("--")]
    return [node, *flags, *program, *(each for each in arguments if each not in flags)]


def test_node_clients_recorded_see_what_they_see_direct(setup: Setup, node_packages: Path) -> None:
    command = node_command(setup, *NODE, "worker-env", *NOT_SESSIONS)
    check(setup, command, [*NODE, "worker-ws"], NODE_PATH=str(node_packages))


def test_node_native_websocket_recorded_sees_what_it_sees_direct(
    setup: Setup, node_packages: Path
) -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    major = int(version.stdout.removeprefix("v").partition(".")[0])
    if major < 20:
        pytest.skip(f"Node {major} has no WebSocket")
    flag = ["--experimental-websocket"] if major < 22 else []
    command = node_command(setup, *flag, "native")
    check(setup, command, ["native"], NODE_PATH=str(node_packages))
