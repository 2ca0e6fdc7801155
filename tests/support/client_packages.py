"""Environments with the real WebSocket clients; each is installed on first use.

Each function skips the test if a registry is out of reach. The folders are outside of the tree:
in WSPROXY_TEST_CACHE, or in the platform's own cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

try:
    import fcntl
except ImportError:  # on Windows, where one run installs at a time
    fcntl = None  # type: ignore[assignment]

HERE = Path(__file__).parents[1] / "sdk"
_QUIET = ["--no-audit", "--no-fund", "--loglevel=error"]
_BINARIES = "Scripts" if sys.platform == "win32" else "bin"


def cache_folder() -> Path:
    if chosen := os.environ.get("WSPROXY_TEST_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wsproxy-tests"


def install(name: str, listing: Path, *commands: list[str]) -> Path:
    """A folder in which the commands were run once for this listing; skips if they fail."""
    key = hashlib.sha256(listing.read_bytes()).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{key}"
    ready = folder / ".ready"
    with one_at_a_time(folder):
        if ready.exists():
            return folder
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(listing, folder)
        for command in commands:
            done = subprocess.run(
                [part.format(folder=folder) for part in command],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
                pytest.skip(f"{' '.join(command)} failed: {lines[-1]}")
        ready.touch()
    return folder


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Keeps two test runs from installing into one folder; a run that is killed holds no lock."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def installer(python: str) -> list[str]:
    """The command that installs for an interpreter."""
    uv = find_uv()
    return [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]


def find_uv() -> str | None:
    """uv, which needs a quarter of pip's time, if there is one."""
    places = [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    return shutil.which("uv", path=os.pathsep.join(places))


def python_environment(name: str, listing: Path) -> str:
    """The interpreter of a virtual environment with the packages of a listing."""
    python = f"{{folder}}/venv/{_BINARIES}/python"
    without_pip = ["--without-pip"] if find_uv() else []
    folder = install(
        f"{name}{sys.version_info.major}.{sys.version_info.minor}",
        listing,
        [sys.executable, "-m", "venv", "--clear", *without_pip, "{folder}/venv"],
        [*installer(python), "--quiet", "-r", listing.name],
    )
    return python.format(folder=folder)


def npm_folder(name: str, listing: Path) -> Path:
    """The node_modules folder with the packages of a package.json."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    return install(name, listing, [npm, "install", *_QUIET]) / "node_modules"


@cache
def python_clients() -> str:
    """The interpreter with WebSocket clients."""
    return python_environment(
        "websocket-clients-python", HERE / "websocket-clients-requirements.txt"
    )


@cache
def other_python_clients() -> str:
    """The interpreter with the clients that are used less."""
    return python_environment(
        "websocket-clients-others-python", HERE / "websocket-clients-others.txt"
    )


@cache
def older_websockets() -> Path:
    """A folder with a folder for each older version of websockets."""
    listing = HERE / "websocket-clients-older.txt"
    pip = [*installer(sys.executable), "--quiet", "--no-deps", "--target"]
    name = f"websockets-python{sys.version_info.major}.{sys.version_info.minor}"
    versions = listing.read_text().splitlines()
    return install(name, listing, *([*pip, f"{{folder}}/{each}", each] for each in versions))


@cache
def speech_sdks() -> str:
    """The interpreter with the SDKs whose failing sessions are tested."""
    return python_environment("python", HERE / "requirements.txt")


@cache
def python_sdks() -> str:
    """The interpreter with the SDKs of dialogues.py."""
    return python_environment("dialogues", HERE / "dialogues-requirements.txt")


@cache
def node_sdks() -> Path:
    """The packages of dialogues.cjs, and a Node that is new enough for all of them."""
    return npm_folder("node-dialogues", HERE / "dialogues" / "package.json")


@cache
def node_clients() -> Path:
    """The packages of websocket_clients.cjs."""
    return npm_folder("node", HERE / "package.json")


@cache
def node_version(major: int) -> str:
    """A Node of this major version."""
    folder = npm_folder("node-versions", HERE / "node-versions" / "package.json")
    return str(folder / f"node{major}" / "bin" / "node")


@cache
def runtimes() -> Path:
    """A folder with Bun and Deno, and the program for them."""
    folder = npm_folder("runtimes", HERE / "runtimes" / "package.json").parent
    shutil.copy(HERE / "runtimes" / "websocket_clients.mjs", folder)
    return folder


@cache
def go_clients() -> str:
    """The program of Go with Debian's packages of its libraries."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not installed")
    offline = ["GO111MODULE=off", "GOPATH=/usr/share/gocode", "GOCACHE={folder}/cache"]
    build = [go, "build", "-o", "{folder}/websocket_clients", "main.go"]
    return str(
        install("go", HERE / "go" / "main.go", ["env", *offline, *build]) / "websocket_clients"
    )


@cache
def java_client() -> str:
    """The folder with the class of Java."""
    javac = shutil.which("javac")
    if javac is None:
        pytest.skip("a JDK is not installed")
    source = HERE / "WebSocketClient.java"
    return str(install("java", source, [javac, "-d", "{folder}", source.name]))


def installed(program: str) -> str:
    """The path of a program of the system."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def working(program: str, *check: str) -> str:
    """The path of a program of the system, with what the arguments of a trial need."""
    path = installed(program)
    if subprocess.run([path, *check], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{program} {' '.join(check)} fails")
    return path
