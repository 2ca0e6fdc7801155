"""What `wsproxy run` keeps of the sessions that it records, and prints in the end."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from sessions import APP, SERVER, audio, closed, opened
from trace_builder import TraceBuilder
from wsproxy.cli import app_process
from wsproxy.cli.app_process import Catch
from wsproxy.cli.run import Recorded, _report
from wsproxy.intercept.catch import availability
from wsproxy.intercept.pass_through_report import IN_NO_PROXY, PassThroughReport
from wsproxy.intercept.past_connections import PastConnection
from wsproxy.proxy.caught_connections import CaughtConnections
from wsproxy.proxy.embedding import RunningProxy, _ConnectionCounter
from wsproxy.recorder import SessionWriter


def recording(path: Path, code: int) -> SessionWriter:
    """A session that has ended."""
    builder = TraceBuilder(path, began_ns=0, provider="deepgram", api="listen")
    builder.add(*opened("/v1/listen"), audio(50, APP, bytes(100)), closed(99, SERVER, code, "bye"))
    builder.done()
    return builder.recording


def running(*passed: str) -> RunningProxy:
    """A recorder that has passed one connection through to each of these hosts."""
    report = PassThroughReport()
    for host in passed:
        report.add(host, 443, IN_NO_PROXY, is_speech_api=False, passed=True)
    stop = cast("Any", None)
    return RunningProxy(None, Path("ca.pem"), False, _ConnectionCounter(), stop, report)


def test_run_report_has_what_was_passed_through(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _report(Recorded(), running("a.example", "b.example"), tmp_path, {})
    assert capsys.readouterr().err.splitlines()[-2:] == [
        f"wsproxy: passed through: 1 connection to {host}: NO_PROXY names it"
        for host in ("a.example", "b.example")
    ]


def test_run_recorded_session_keeps_only_its_lines(tmp_path: Path) -> None:
    """A server that is run so may have any number of them."""
    recorded = Recorded()
    made = recording(tmp_path / "a.wstrace", 1011)
    gone = [weakref.ref(each) for each in (made, made.session)]
    recorded.add(made)
    del made
    gc.collect()
    assert [each() for each in gone] == [None, None]
    assert recorded.count == 1


def test_run_report_prints_sessions_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded = Recorded()
    paths = [tmp_path / f"{n}.wstrace" for n in range(3)]
    for path, code in zip(paths, (1000, 1011, 1008), strict=True):
        recorded.add(recording(path, code))
    _report(recorded, running(), tmp_path, {})
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0] == f"wsproxy: 3 sessions recorded in {tmp_path}"
    assert lines[-1] == f"wsproxy: to see why: wsproxy explain {paths[1]}"
    assert [line.strip() for line in lines if line.startswith("      ")] == list(map(str, paths))
    assert len([line for line in lines if line.startswith("  deepgram")]) == 3


def test_run_report_names_connections_that_went_past_also_beside_sessions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each kind on one line, the most frequent first; then how they can be recorded."""
    recorded = Recorded()
    recorded.add(recording(tmp_path / "a.wstrace", 1000))
    past = {
        PastConnection(("192.0.2.1", 443), "node"): 2,
        PastConnection(None, "", "its process cannot be inspected"): 1,
        PastConnection(("2001:db8::1", 443), "a\x1bb", "it uses another network namespace"): 3,
    }
    _report(recorded, running(), tmp_path, past)
    lines = [line for line in capsys.readouterr().err.splitlines() if "past" in line]
    begin = "wsproxy: went past the recorder: "
    assert lines == [
        f"{begin}3 connections to [2001:db8::1]:443 by a\\x1bb: it uses another network namespace",
        f"{begin}2 connections to 192.0.2.1:443 by node",
        f"{begin}1 connection to an unknown address: its process cannot be inspected",
    ]


def test_run_report_without_sessions_names_hosts_that_were_not_decrypted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as an API of one's own."""
    recorder = running()
    recorder._caught = CaughtConnections(cast("Any", None), cast("Any", None))
    recorder._caught.relayed = Counter({"speech.example.com": 2, "git.example.com": 1})
    _report(Recorded(), recorder, tmp_path, {})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("wsproxy: nothing recorded: the command opened 3 connections ")
    assert lines[1:4] == [
        "wsproxy: not decrypted: 2 connections to speech.example.com",
        "wsproxy: not decrypted: 1 connection to git.example.com",
        "wsproxy: these are no known speech APIs; --host 'NAME' records a host",
    ]


def test_run_report_without_sessions_names_hosts_that_could_not_be_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A client that uses the recorder needs no hint of how to make it do that."""
    recorder = running()
    recorder._watch.connections = 2
    recorder.unreached["asr.nowhere.invalid:443: Name or service not known"] = 2
    _report(Recorded(), recorder, tmp_path, {})
    lines = capsys.readouterr().err.splitlines()
    assert lines[1:] == [
        "wsproxy: not connected (2 attempts): asr.nowhere.invalid:443: Name or service not known",
        "wsproxy: of a host that is no known speech API, --host 'NAME' records that, too",
    ]


@pytest.mark.parametrize("connections", [0, 1])
def test_run_report_without_sessions_prints_hints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], connections: int
) -> None:
    """Also if something came through the recorder, such as a call before the WebSocket."""
    proxy = running()
    proxy._watch.connections = connections
    _report(Recorded(), proxy, tmp_path, {})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("wsproxy: nothing recorded: ")
    assert "Setting the app's base URL always works" in lines[1]


@pytest.mark.parametrize("is_caught", [False, True], ids=["plain", "caught"])
@pytest.mark.parametrize(
    ("text", "status", "problem"),
    [
        ("#!/no/such/interpreter\n", 127, "interpreter in its first line does not exist"),
        ("no program\n", 126, "cannot run it: "),
    ],
)
def test_run_program_that_the_system_refuses_exits_as_a_shell_would(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    status: int,
    problem: str,
    is_caught: bool,
) -> None:
    if is_caught and (why := availability.obstacle("sh")) is not None:
        pytest.skip(f"connections cannot be caught: {why}")
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(SystemExit) as ended:
        app_process.run((str(program),), dict(os.environ), [], Catch(is_used=is_caught))
    assert ended.value.code == status
    line = capsys.readouterr().err
    assert line.startswith(f"error: {program}: ")
    assert problem in line


def test_run_is_imported_where_only_other_systems_have_its_modules() -> None:
    """The command's help, and its error, are printed on every system."""
    missing = ("fcntl", "resource", "termios")
    text = f"import sys; sys.modules.update(dict.fromkeys({missing})); import wsproxy.cli.run"
    subprocess.run([sys.executable, "-c", text], check=True, timeout=60)
