"""What the preload does in an app's Python: the standard library's connections, and its start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connect_proxy import ConnectProxy, connect_proxy
from tls_certificates import Certificate
from wsproxy.intercept import preloads

APP = Path(__file__).parents[1] / "sdk" / "python_connections.py"
VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
HERE = ".".join(map(str, sys.version_info[:2]))

THROUGH = {
    "blocking https": ["hello\n", "echo one\n"],
    "blocking http": ["hello\n", "echo two\n"],
    "streams https": ["hello\n", "echo three\n"],
    "bytes": ["hello\n"],
    "library": ["hello\n", "echo four\n"],
    "refused": "ConnectionRefusedError",
    "refused streams": "ConnectionRefusedError",
    "unknown": "gaierror",
    "unresolved": True,
}
DIRECT = {
    "database": ["database\n"],
    "database streams": ["database\n"],
    "no proxy": "gaierror",
    "library to its proxy": ["database\n"],
    "called by library": ["database\n"],
}
TARGETS = [
    *("api.speech.test:443", "api.speech.test:80", "api.speech.test:443"),
    *("bytes.speech.test:443", "refused.test:443", "refused.test:443", "unknown.test:443"),
    "unresolved.test:443",
    "odd.test:8765",
]


def interpreter(version: str) -> str:
    """A Python of this version; skips if there is none."""
    if version == HERE:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path / "bin" / "python") for path in pyenv.glob(f"{version}.*")]
    on_path = shutil.which(f"python{version}")
    for python in [*found, *([on_path] if on_path else [])]:
        works = subprocess.run([python, "-c", ""], capture_output=True, check=False)
        if works.returncode == 0:
            return python
    pytest.skip(f"Python {version} is not installed")


@pytest.fixture
def proxy() -> Iterator[ConnectProxy]:
    with connect_proxy() as running:
        yield running


def environment(proxy: str, folder: Path, **base: str) -> dict[str, str]:
    """The environment of an app, as far as the preload needs it."""
    ca = Certificate.make(folder / "ca.pem").path
    env = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": str(ca), **base}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # Python 2.7 writes beside the source
    preloads.set_variables(env, proxy, ca, folder)
    return env


def run(command: list[str], env: dict[str, str]) -> str:
    """What a command prints on stdout; it prints nothing else."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# ---- connections


@pytest.mark.one_python  # it runs them all
@pytest.mark.parametrize("version", VERSIONS)
def test_preload_routes_web_connections_and_leaves_others_alone(
    version: str, proxy: ConnectProxy, tmp_path: Path
) -> None:
    env = environment(proxy.url, tmp_path, NO_PROXY="excluded.test")
    lines = run([interpreter(version), str(APP)], env).splitlines()
    seen = dict(map(json.loads, lines))
    assert seen.pop("patched") is True
    assert seen == THROUGH | DIRECT
    assert proxy.targets == TARGETS


def test_preload_recorder_that_has_ended_is_not_used(tmp_path: Path) -> None:
    with connect_proxy() as ended:
        pass
    env = environment(ended.url, tmp_path)
    code = (
        "import asyncio, socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "real = socket.getaddrinfo\n"
        "def resolve(host, port, *rest, **more):\n"
        "    if host == 'api.speech.test':\n"
        "        host, port = server.getsockname()\n"
        "    return real(host, port, *rest, **more)\n"
        "socket.getaddrinfo = resolve\n"
        "socket.create_connection(('api.speech.test', 443)).close()\n"
        "asyncio.run(asyncio.open_connection('api.speech.test', 443))\n"
        "print('direct')\n"
    )
    assert run([sys.executable, "-c", code], env) == "direct\n"


AZURE = """
class SpeechConfig:
    proxy = None
    def __init__(self, subscription=None, region=None, endpoint=None, host=None):
        pass
    def set_proxy(self, hostname, port, username=None, password=None):
        self.proxy = [hostname, port]
"""


def test_preload_gives_azures_configuration_the_proxy(tmp_path: Path) -> None:
    package = tmp_path / "azure" / "cognitiveservices" / "speech"
    package.mkdir(parents=True)
    (package / "speech.py").write_text(AZURE)
    code = (
        "from azure.cognitiveservices.speech.speech import SpeechConfig as Config\n"
        "print(Config('key', region='westeurope').proxy,\n"
        "      Config('key', endpoint='wss://speech.own.test/x').proxy,\n"
        "      Config('key', host='wss://speech.excluded.test').proxy)\n"
    )
    env = environment(
        "http://127.0.0.1:9", tmp_path, PYTHONPATH=str(tmp_path), NO_PROXY="excluded.test"
    )
    there = "['127.0.0.1', 9]"
    assert run([sys.executable, "-c", code], env) == f"{there} {there} None\n"


# ---- trust

TRUST = """
import ssl, sys
def count(context):
    return context.cert_store_stats()["x509"]
own = ssl.create_default_context(cafile=sys.argv[1])
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_verify_locations(sys.argv[1])
data = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
data.load_verify_locations(cadata=open(sys.argv[1]).read())
defaults = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
defaults.load_default_certs()
print(count(own), count(server), count(data), count(defaults))
"""


def test_preload_trusts_the_recorder_beside_the_apps_bundle(tmp_path: Path) -> None:
    own = Certificate.make(tmp_path / "own.pem").path
    pem = own.read_text()
    own.write_text(pem[pem.index("-----BEGIN CERTIFICATE") :])
    env = environment("http://127.0.0.1:9", tmp_path)
    del env["SSL_CERT_FILE"]  # as an app does that sets it itself
    command = [sys.executable, "-c", TRUST, str(own)]
    before = run(command, {**env, "WSPROXY_CA": ""}).split()
    after = run(command, env).split()
    more = [int(new) - int(old) for new, old in zip(after, before, strict=True)]
    assert more == [1, 0, 1, 1]  # a server's own clients are none of the recorder's business


# ---- start of the interpreter


@pytest.mark.one_python
@pytest.mark.parametrize("version", ["2.7", "3.6", *VERSIONS])
def test_preload_app_without_connections_loads_nothing_of_it(version: str, tmp_path: Path) -> None:
    code = "import sys; print([name for name in sys.modules if 'wsproxy' in name])"
    env = environment("http://127.0.0.1:9", tmp_path)
    assert run([interpreter(version), "-c", code], env) == "[]\n"


def test_preload_own_sitecustomize_is_the_apps(tmp_path: Path) -> None:
    own = tmp_path / "sitecustomize.py"
    own.write_text("loaded = True")
    env = environment("http://127.0.0.1:9", tmp_path, PYTHONPATH=str(tmp_path))
    code = "import sitecustomize, sys; print(sitecustomize.__file__)"
    assert run([sys.executable, "-c", code], env) == f"{own}\n"


def test_preload_loaders_of_patched_modules_are_the_usual_ones(tmp_path: Path) -> None:
    code = (
        "import importlib.util, inspect\n"
        "before = vars(importlib.util.find_spec('tornado.tcpclient').loader)\n"
        "import socket, ssl\n"
        "print(type(socket.__loader__).__name__, sorted(vars(socket.__loader__)))\n"
        "assert inspect.getsource(socket.socket)\n"
    )
    package = tmp_path / "tornado"
    package.mkdir()
    for name in ("__init__", "tcpclient"):
        (package / f"{name}.py").touch()
    env = environment("http://127.0.0.1:9", tmp_path, PYTHONPATH=str(tmp_path))
    printed = run([sys.executable, "-c", code], env)
    assert printed == "SourceFileLoader ['name', 'path']\n"


@pytest.mark.skipif(os.name != "posix", reason="exec replaces the process on POSIX only")
def test_preload_stays_in_front_of_a_launchers_own_sitecustomize(tmp_path: Path) -> None:
    launched = tmp_path / "launched"
    launched.mkdir()
    own = "import asyncio, socket; print('the launcher has', end=' ')"
    (launched / "sitecustomize.py").write_text(own)
    launcher = (
        "import os, sys\n"
        f"os.environ['PYTHONPATH'] = {str(launched)!r} + os.pathsep + os.environ['PYTHONPATH']\n"
        "code = 'import asyncio, socket; print(bool(socket.create_connection.__wrapped__), '\n"
        "code += 'bool(asyncio.BaseEventLoop.create_connection.__wrapped__))'\n"
        "os.execl(sys.executable, sys.executable, '-c', code)\n"
    )
    env = environment("http://127.0.0.1:9", tmp_path)
    assert run([sys.executable, "-c", launcher], env) == "the launcher has True True\n"
