"""WebSocket clients that support no proxy, each direct and recorded: the app sees the same.

Their programs are in tests/sdk/: many clients in one process, as most of the time is its start.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import client_packages
from client_packages import HERE
from recorded_clients import HOST, ClientSetup, check
from recorded_clients import client_setup as client_setup
from test_sdks import node_packages as node_packages

pytestmark = [pytest.mark.sdk, pytest.mark.one_python, pytest.mark.timeout(300)]


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
    return client_packages.python_clients()


@pytest.fixture(scope="session")
def older_websockets() -> Path:
    """A folder with a folder for each older version of websockets."""
    assert (HERE / "websocket-clients-older.txt").read_text().splitlines() == list(OLDER)
    return client_packages.older_websockets()


def python_command(
    client_setup: ClientSetup, python: str, folder: str, names: list[str]
) -> list[str]:
    program = [
        python,
        str(HERE / "websocket_clients.py"),
        HOST,
        str(client_setup.servers.secure_port),
    ]
    return [*program, str(client_setup.bundle), folder, *names]


def test_python_clients_recorded_see_what_they_see_direct(
    client_setup: ClientSetup, python_clients: str
) -> None:
    names = PYTHON if sys.platform == "win32" else [*PYTHON, *ON_UVLOOP]
    command = python_command(client_setup, python_clients, "-", [*names, "aiohttp-refused"])
    check(client_setup, command, names)


@pytest.mark.sweep(keep=0)
def test_python_autobahn_on_twisted_recorded_sees_what_it_sees_direct(
    client_setup: ClientSetup, python_clients: str
) -> None:
    # autobahn is for one of its frameworks in a process.
    command = python_command(client_setup, python_clients, "-", ["autobahn-twisted"])
    check(client_setup, command, ["autobahn-twisted"])


@pytest.mark.sweep
@pytest.mark.parametrize("version", OLDER)
def test_python_older_websockets_recorded_sees_what_it_sees_direct(
    client_setup: ClientSetup, python_clients: str, older_websockets: Path, version: str
) -> None:
    folder = str(older_websockets / version)
    command = python_command(client_setup, python_clients, folder, OLDER[version])
    check(client_setup, command, OLDER[version])


# ---- Node

NODE = [
    *("ws", "ws-agent", "ws-ca", "ws-secure-context", "ws-plain", "ws-eof", "ws-reset"),
    *("ws-own-socket", "ws-large", "ws-proxy-agent", "undici", "undici-plain", "undici-eof"),
    *("undici-reset", "websocket", "websocket-ca", "faye-websocket"),
]
NOT_SESSIONS = ["ws-refused", "fetch", "https", "tls", "tls-own-socket", "worker-env-seen"]


def node_command(client_setup: ClientSetup, *arguments: str) -> list[str]:
    node = shutil.which("node")
    assert node is not None
    program = [str(HERE / "websocket_clients.cjs"), HOST, str(client_setup.servers.secure_port)]
    program += [str(client_setup.servers.plain_port), str(client_setup.bundle)]
    flags = [each for each in arguments if each.startswith("--")]
    return [node, *flags, *program, *(each for each in arguments if each not in flags)]


def test_node_clients_recorded_see_what_they_see_direct(
    client_setup: ClientSetup, node_packages: Path
) -> None:
    workers = {"worker-env": "worker-ws", "worker-options": "worker-ws-plain"}
    command = node_command(client_setup, *NODE, *workers, *NOT_SESSIONS)
    check(client_setup, command, [*NODE, *workers.values()], NODE_PATH=str(node_packages))


def test_node_native_websocket_recorded_sees_what_it_sees_direct(
    client_setup: ClientSetup, node_packages: Path
) -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    major = int(version.stdout.removeprefix("v").partition(".")[0])
    if major < 20:
        pytest.skip(f"Node {major} has no WebSocket")
    flag = ["--experimental-websocket"] if major < 22 else []
    command = node_command(client_setup, *flag, "native")
    check(client_setup, command, ["native"], NODE_PATH=str(node_packages))
