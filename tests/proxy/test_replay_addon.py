"""Recorded sessions in the place of the API, for an app that goes through the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Server
from mitmproxy.exceptions import OptionsError
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import taddons, tflow, tutils
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wire_servers import listens, unused_port
from wire_witness import PATIENCE, wait_until
from wsproxy.compare import Tolerances, compare
from wsproxy.proxy.redirect_addon import RedirectAddon
from wsproxy.proxy.replay_addon import ReplayAddon
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, TraceReader

CHECKOUT = Path(__file__).parents[2]
SAMPLES = CHECKOUT / "recordings" / "samples"
STALL = SAMPLES / "deepgram" / "deepgram.listen.NET-0001.wstrace"
REFUSED = SAMPLES / "deepgram" / "deepgram.upgrade.INVALID_AUTH.wstrace"
LISTEN = "wss://api.deepgram.com/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"

# On a machine that is busy the silence is not proven to be the app's.
VERDICT = re.compile("wsproxy: (reproduced|unproven) ")


@contextlib.contextmanager
def mitmdump(
    folder: Path, *options: str, recorder: bool = False
) -> Iterator[tuple[subprocess.Popen[str], int, Path]]:
    """mitmdump with the addon; yields its process, its port and its log."""
    port, log = unused_port(), folder / "mitmdump.log"
    record = ["-s", str(CHECKOUT / "addons" / "record.py"), "--set", f"wsproxy_out={folder}/proxy"]
    arguments = record if recorder else []
    arguments += ["-s", str(CHECKOUT / "addons" / "replay.py")]
    arguments += ["--listen-host", "127.0.0.1", "--listen-port", str(port)]
    arguments += ["--set", f"confdir={folder}/conf", "--set", f"wsproxy_replay_out={folder}/out"]
    for option in options:
        arguments += ["--set", option]
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "mitmdump"), *arguments],
            cwd=folder,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},  # the log is read while it runs
        )
        try:
            wait_until(lambda: process.poll() is not None or listens(port))
            yield process, port, log
        finally:
            process.kill()
            process.wait()


def app(port: int, folder: Path, url: str = LISTEN) -> object:
    """What an app meets through the proxy: the Close, or the status of a refusal."""
    return asyncio.run(_app(port, folder, url))


async def _app(port: int, folder: Path, url: str) -> object:
    trusting = ssl.create_default_context(cafile=folder / "conf" / "mitmproxy-ca-cert.pem")
    try:
        async with connect(
            url,
            proxy=f"http://127.0.0.1:{port}",
            ssl=trusting if url.startswith("wss") else None,
            additional_headers={"Authorization": "Token s3cret"},
        ) as ws:
            for audio in recorded_audio():
                await ws.send(audio)
            while True:
                await ws.recv()
    except ConnectionClosed as closed:
        return closed.rcvd and (closed.rcvd.code, closed.rcvd.reason)
    except InvalidStatus as refused:
        return refused.response.status_code


def recorded_audio() -> list[bytes]:
    with TraceReader(STALL) as reader:
        frames = [record for record in reader if isinstance(record, FrameRecord)]
    return [frame.payload for frame in frames if frame.from_client and frame.opcode == 2]


def test_replay_addon_serves_the_recording_at_the_real_host(tmp_path: Path) -> None:
    with mitmdump(tmp_path, f"wsproxy_replay={STALL}") as (process, port, log):
        assert app(port, tmp_path) == (1011, "NET-0001")
        assert app(port, tmp_path) == (1011, "NET-0001")  # and again
        wait_until(lambda: len(VERDICT.findall(log.read_text())) == 2)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)
    traces = list((tmp_path / "out").glob("*.wstrace"))
    assert len(traces) == 2
    session = Session.read(traces[0])
    assert session.request is not None
    assert session.request.host == "api.deepgram.com"
    assert "s3cret" not in (session.request_header("Authorization") or "s3cret")


def test_replay_addon_with_record_addon_records_the_replay(tmp_path: Path) -> None:
    """With the recorder before it: the recording of the replay is the recording."""
    with mitmdump(tmp_path, f"wsproxy_replay={STALL}", recorder=True) as (_, port, log):
        assert app(port, tmp_path) == (1011, "NET-0001")
        wait_until(lambda: VERDICT.search(log.read_text()))
        wait_until(lambda: [s for s in map(Session.read, proxied(tmp_path)) if s.end])
    (trace,) = proxied(tmp_path)
    session = Session.read(trace)
    assert session.start is not None
    assert session.start.capture == "wire"
    assert compare(STALL, trace, rules=Tolerances()).differences == []


def proxied(folder: Path) -> list[Path]:
    return list((folder / "proxy").glob("*.wstrace"))


def started_at(path: Path) -> int:
    start = Session.read(path).start
    assert start is not None
    return start.started_at_ns


def test_replay_addon_folder_is_served_in_order(tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    for trace in sorted([REFUSED, STALL], key=started_at):
        (traces / trace.name).write_bytes(trace.read_bytes())
    with mitmdump(tmp_path, f"wsproxy_replay={traces}") as (_, port, _log):
        first, second = app(port, tmp_path), app(port, tmp_path)
    assert {first, second} == {401, (1011, "NET-0001")}


def test_replay_addon_others_refuse_refuses_other_hosts(tmp_path: Path) -> None:
    options = (f"wsproxy_replay={REFUSED}", "wsproxy_replay_others=refuse")
    with mitmdump(tmp_path, *options) as (_, port, _log):
        assert app(port, tmp_path, "wss://example.invalid/socket") == 502
        assert app(port, tmp_path, "wss://api.eu.deepgram.com/v1/listen?model=nova-3") == 401


@pytest.mark.one_python
@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("wsproxy_replay=missing.wstrace", "cannot read missing.wstrace"),
        ("wsproxy_replay_pace=slow", "wsproxy_replay: no trace given"),
    ],
)
def test_replay_addon_invalid_option_ends_with_one_line(
    option: str, says: str, tmp_path: Path
) -> None:
    with mitmdump(tmp_path, option) as (process, _, log):
        assert process.wait(PATIENCE) == 1
    assert says in log.read_text()


@pytest.mark.parametrize(
    ("host", "others", "refused"),
    [
        ("api.deepgram.com", "pass", True),
        ("example.com", "pass", False),
        ("example.com", "refuse", True),
        ("127.0.0.1", "refuse", False),
    ],
)
def test_redirect_addon_connection_without_a_request_is_refused(
    host: str, others: str, refused: bool
) -> None:
    """Such as a tunnel with something else than HTTP in it."""

    async def answer(host: str, target: str) -> tuple[str, int] | None:
        return ("127.0.0.1", 1) if host == "api.deepgram.com" else None

    lead = RedirectAddon(answer, others=others)
    server = Server(address=(host, 443))

    async def connect() -> None:
        await lead.server_connect(ServerConnectionHookData(server, tflow.tclient_conn()))

    asyncio.run(connect())
    assert (server.error is not None) is refused


def test_replay_addon_option_changed_while_running_is_refused(tmp_path: Path) -> None:
    async def change() -> None:
        addon = ReplayAddon()
        with taddons.context(Proxyserver(), addon) as context:
            context.configure(addon, wsproxy_replay=str(STALL), wsproxy_replay_out=str(tmp_path))
            await addon.running()
            try:
                for option in ("wsproxy_replay", "wsproxy_replay_pace"):
                    with pytest.raises(OptionsError, match="while the proxy runs"):
                        context.configure(addon, **{option: str(REFUSED)})
                request = tflow.tflow(req=tutils.treq(host="api.deepgram.com", path=b"/v1/listen"))
                await addon.requestheaders(request)
                assert request.request.host == "127.0.0.1"
            finally:
                await addon.done()

    asyncio.run(change())


# ---- `wsproxy replay server` with a command


APP = f"""
import sys, websockets.sync.client
try:
    with websockets.sync.client.connect({LISTEN!r}) as ws:
        print(ws.recv())
except Exception as error:
    print(error)
    sys.exit(7)
"""


def replay(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wsproxy", "replay", "server", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_replay_server_command_meets_the_replay_and_keeps_its_output(tmp_path: Path) -> None:
    where = ["--out", tmp_path / "out", "--confdir", tmp_path / "conf"]
    done = replay(REFUSED, *where, "--", sys.executable, "-c", APP)
    assert done.stdout == "server rejected WebSocket connection: HTTP 401\n"
    assert "REPRODUCED: the server answered with status 401" in done.stderr
    assert "the command exited with status 7" in done.stderr
    assert done.returncode == 0  # it was reproduced, whatever the app made of it


@pytest.mark.one_python
def test_replay_server_command_without_a_session_is_reported(tmp_path: Path) -> None:
    where = ["--out", tmp_path / "out", "--confdir", tmp_path / "conf"]
    done = replay(REFUSED, *where, "--", sys.executable, "-c", "print('hello')")
    assert done.stdout == "hello\n"
    assert "opened no session" in done.stderr
    assert done.returncode == 1


@pytest.mark.one_python
def test_replay_server_unwritable_output_is_reported(tmp_path: Path) -> None:
    out = tmp_path / "out"
    gone = f"import os; os.rmdir({str(out)!r})\n{APP}"
    where = ["--out", out, "--confdir", tmp_path / "conf"]
    done = replay(REFUSED, *where, "--", sys.executable, "-c", gone)
    assert f"error: cannot write into {out}: No such file" in done.stderr
    assert "opened no session" not in done.stderr
    assert done.returncode == 2


@pytest.mark.one_python
def test_replay_server_missing_command_is_reported(tmp_path: Path) -> None:
    where = ["--out", tmp_path / "out", "--confdir", tmp_path / "conf"]
    done = replay(REFUSED, *where, "--", "no-such-command")
    assert "error: cannot run no-such-command: No such file" in done.stderr.splitlines()[-1]
    assert done.returncode == 2


def test_replay_addon_without_output_folder_keeps_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def serve() -> None:
        addon = ReplayAddon()
        with taddons.context(Proxyserver(), addon) as context:
            context.configure(addon, wsproxy_replay=str(STALL), wsproxy_replay_out="")
            await addon.running()
            assert len(list(tmp_path.glob("wsproxy-replay-*"))) == 1
            await addon.done()

    asyncio.run(serve())
    assert list(tmp_path.iterdir()) == []
