"""Which connections of an app's Node the preload routes, and which it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connect_proxy import connect_proxy
from tls_certificates import Certificate
from wsproxy.intercept import preloads

APP = Path(__file__).parents[1] / "sdk" / "node_connections.cjs"


@pytest.fixture
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


@pytest.fixture
def database() -> Iterator[int]:
    """The port of a server that speaks first."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"database\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_preload_routes_web_connections_and_leaves_others_alone(
    node: str, database: int, tmp_path: Path
) -> None:
    ca = Certificate.make(tmp_path / "ca.pem").path
    env = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(ca), "NO_PROXY": "excluded.test"}
    with connect_proxy() as proxy:
        preloads.set_variables(env, proxy.url, ca, tmp_path)
        done = subprocess.run(
            [node, str(APP), str(database)], env=env, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "https": "hello\necho one\n",
        "http": "hello\n",
        "socket": "hello\n",
        "refused": ["ECONNREFUSED", "connect"],
        "unknown": ["ENOTFOUND", "getaddrinfo"],
        "unresolved": ["EAI_AGAIN", "getaddrinfo"],
        "database": "database\n",
        "no proxy": ["direct", None],
        "http2": ["direct", None],
    }
    assert proxy.targets == [
        *("api.speech.test:443", "api.speech.test:80", "socket.speech.test:443"),
        *("refused.test:443", "unknown.test:443", "unresolved.test:443"),
    ]
