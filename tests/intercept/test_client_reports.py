"""The preloads report which clients a command has loaded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
    for name, version in (("ws", "8.23.0"), ("@deepgram/sdk", "5.13.0"), ("other", "1.0.0")):
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name, "version": version}))
        (folder / "index.js").touch()
    app = tmp_path / "app.js"
    app.write_text(
        "require('ws'); require('@deepgram/sdk'); require('other');\n"
        "require('net').connect(9, '127.0.0.1').on('error', () => {});\n"
    )
    preload = f'--require "{PRELOADS / "node" / "proxy.cjs"}"'
    run_with_preload(reports, "node", str(app), NODE_OPTIONS=preload)
    assert loaded_clients.read(reports) == [
        LoadedClient("node", "ws", "8.23.0"),
        LoadedClient("node", "@deepgram/sdk", "5.13.0"),
    ]
