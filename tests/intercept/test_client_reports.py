"""The preloads report which clients a command has loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from commands import wsproxy
from wsproxy.intercept import loaded_clients, preloads
from wsproxy.intercept.loaded_clients import LoadedClient

PRELOADS = Path(preloads.__file__).parent / "preload"


def run_with_preload(reports: Path, *command: str, **extra: str) -> None:
    env = {
        **os.environ,
        "WSPROXY_PROXY": "http://127.0.0.1:9",
        loaded_clients.VARIABLE: str(reports),
        **extra,
    }
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "clients"
    loaded_clients.prepare(folder)
    return folder


def test_python_preload_reports_loaded_clients_with_their_versions(
    reports: Path, tmp_path: Path
) -> None:
    """Of a package with metadata, and of one without."""
    (tmp_path / "picows.py").write_text("import socket\n")
    (tmp_path / "websockets").mkdir()
    (tmp_path / "websockets" / "__init__.py").touch()
    (tmp_path / "websockets-14.2.dist-info").mkdir()
    (tmp_path / "websockets-14.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: websockets\nVersion: 14.2\n"
    )
    path = os.pathsep.join([str(PRELOADS / "python"), str(tmp_path)])
    code = "import sys; import picows; import websockets"
    run_with_preload(
        reports, sys.executable, "-S", "-c", f"import sitecustomize; {code}", PYTHONPATH=path
    )
    assert loaded_clients.read(reports) == [
        LoadedClient("python", "websockets", "14.2"),
        LoadedClient("python", "picows", ""),
    ]


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node")
def test_node_preload_reports_clients_that_were_loaded_before_a_connection(
    reports: Path, tmp_path: Path
) -> None:
    for name, version in (
        ("ws", "8.23.0"),
        ("@deepgram/sdk", "5.13.0"),
        ("other", "1.0.0"),
        ("undici", "7.0.0"),
    ):
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))
        (folder / "index.js").touch()
    app = tmp_path / "app.js"
    app.write_text(
        "require('ws'); require('@deepgram/sdk'); require('other');\n"
        "const connect = () => require('net').connect(9, '127.0.0.1').on('error', () => {});\n"
        "connect(); require('undici'); for (let n = 0; n < 31; n++) connect();\n"
    )
    preload = f'--require "{PRELOADS / "node" / "proxy.cjs"}"'
    run_with_preload(reports, "node", str(app), NODE_OPTIONS=preload)
    assert loaded_clients.read(reports) == [
        LoadedClient("node", "ws", "8.23.0"),
        LoadedClient("node", "undici", "7.0.0"),
        LoadedClient("node", "@deepgram/sdk", "5.13.0"),
    ]


def test_run_without_a_session_names_the_clients_of_the_command(tmp_path: Path) -> None:
    options = ["--catch", "off", "--out", tmp_path / "out", "--confdir", tmp_path]
    done = wsproxy("run", *options, "--", sys.executable, "-c", "import websockets, socket")
    version = metadata.version("websockets")
    assert done.stderr.splitlines() == [
        "wsproxy: nothing recorded: the command opened no connection through the recorder",
        "  How the clients of this command can be recorded:",
        f"    websockets {version}: leave out proxy=None; websockets.legacy reads no proxy: use "
        "websockets.connect",
        "    `wsproxy doctor -- CMD` checks this set-up",
    ]


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node")
@pytest.mark.parametrize("module", ["net", "tls"])
def test_node_preload_reports_an_ecmascript_module_that_connects(
    reports: Path, tmp_path: Path, module: str
) -> None:
    """A connection to port 443 of a name goes through the recorder, others do not."""
    folder = tmp_path / "node_modules" / "ws"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text('{"version": "8.23.0", "exports": "./index.mjs"}')
    connect = "connect(443, 'api.example.com').on('error', () => {})"
    (folder / "index.mjs").write_text(
        f"import {{ connect }} from 'node:{module}'; export const open = () => {connect};\n"
    )
    app = tmp_path / "app.mjs"
    app.write_text("import { open } from 'ws'; open();\n")
    preload = f'--require "{PRELOADS / "node" / "proxy.cjs"}"'
    run_with_preload(reports, "node", str(app), NODE_OPTIONS=preload)
    assert loaded_clients.read(reports) == [LoadedClient("node", "ws", "8.23.0")]
