"""WebSocket clients of Bun, Deno, Java and Chromium, direct and recorded."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import client_packages
from client_packages import HERE
from recorded_clients import HOST, ClientSetup, check, recording
from recorded_clients import client_setup as client_setup
from wsproxy.intercept import ca_bundle, environment
from wsproxy.intercept.java_trust_store import trust_store
from wsproxy.session import Session

pytestmark = [
    pytest.mark.sdk,
    pytest.mark.one_python,
    pytest.mark.timeout(300),
    pytest.mark.sweep(keep=0),  # the programs of `make clients` are more
]

PAGE = """<script>
const received = [], ws = new WebSocket("wss://%s/chromium");
ws.onopen = () => ws.send("hello");
ws.onmessage = ({ data }) => { received.push(data); if (received.length === 1) ws.send("bye"); };
</script>"""


@pytest.fixture(scope="session")
def runtimes() -> Path:
    """A folder with Bun and Deno, and the program for them."""
    return client_packages.runtimes()


def command(setup: ClientSetup, runtimes: Path, runtime: list[str], *names: str) -> list[str]:
    program = str(runtimes / "websocket_clients.mjs")
    binary = str(runtimes / "node_modules" / ".bin" / runtime[0])
    url = f"wss://localhost:{setup.servers.secure_port}/"
    return [binary, *runtime[1:], program, url, *names]


def test_bun_recorded_sees_what_it_sees_direct(client_setup: ClientSetup, runtimes: Path) -> None:
    sessions = ["native", "native-protocols", "native-headers"]
    # Its own `ws` takes no proxy from outside: it is not recorded, and unharmed.
    running = command(client_setup, runtimes, ["bun", "run"], *sessions, "ws", "fetch", "class")
    check(client_setup, running, sessions)


def test_deno_recorded_sees_what_it_sees_direct(client_setup: ClientSetup, runtimes: Path) -> None:
    deno = ["deno", "run", "--allow-all", "--node-modules-dir=manual", "--quiet"]
    running = command(client_setup, runtimes, deno, "native", "native-protocols", "fetch")
    check(client_setup, running, ["native", "native-protocols"], DENO_CERT=str(client_setup.bundle))


def test_java_recorded_sees_what_it_sees_direct(client_setup: ClientSetup) -> None:
    java, javac = shutil.which("java"), shutil.which("javac")
    if java is None or javac is None:
        pytest.skip("a JDK is not installed")
    source = str(HERE / "WebSocketClient.java")
    subprocess.run([javac, "-d", str(client_setup.folder), source], check=True)
    # It trusts the servers by a store of its own.
    own = client_setup.folder / "own store.jks"
    own.write_bytes(trust_store(ca_bundle.read(client_setup.bundle)))
    url = f"wss://localhost:{client_setup.servers.secure_port}/java"
    check(
        client_setup,
        [java, "-cp", str(client_setup.folder), "WebSocketClient", url],
        ["java"],
        JAVA_TOOL_OPTIONS=f'"-Djavax.net.ssl.trustStore={own}"',
    )


def test_chromium_with_its_flags_is_recorded(client_setup: ClientSetup, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    page = tmp_path / "page.html"
    page.write_text(PAGE % f"{HOST}:{client_setup.servers.secure_port}")
    with recording(client_setup) as (recorder, out):
        env = environment.for_command(recorder, "regular", tmp_path, os.environ)
        flags = env["WSPROXY_CHROMIUM_FLAGS"].split()
        browser = subprocess.Popen(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", *flags, page.as_uri()],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            while not any(each.complete for each in map(Session.read, out.glob("*"))):
                time.sleep(0.1)
        finally:
            browser.terminate()
            browser.wait()
    sessions = [Session.read(trace) for trace in out.glob("*")]
    paths = [each.request.path for each in sessions if each.request and each.complete]
    assert paths == ["/chromium"]
