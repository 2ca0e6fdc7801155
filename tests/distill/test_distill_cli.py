"""The command: what it prints, and with what it exits."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from commands import wsproxy
from distill_harness import a_minute, recorded, sent
from wsproxy.cli.distill import command
from wsproxy.session import Session
from wsproxy.simulate import ApiQuotas, serve_in_thread

DOCUMENT = Path(__file__).parents[2] / "docs" / "distill.md"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A session that a message "bad" ends, and one with an escape sequence in its reason."""
    builder = recorded(tmp_path / "call.wstrace")
    for n in range(6):
        builder.client("bad" if n == 3 else "good", at=n)
    return builder.closed(1008, "no\x1b[31m", at=10)


def arguments(*given: object) -> list[str]:
    return [sys.executable, "-m", "wsproxy", "distill", *map(str, given)]


def run(*given: object, timeout: float = 0.5) -> subprocess.CompletedProcess[str]:
    return wsproxy("distill", *given, "--timeout", timeout, DEEPGRAM_API_KEY="")


@contextmanager
def serving(handler: Callable[[ServerConnection], None]) -> Iterator[str]:
    def until_it_ends(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            handler(connection)

    with serve(until_it_ends, "127.0.0.1", 0, ping_interval=None, close_timeout=0.2) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"


def fails_at_bad(connection: ServerConnection) -> None:
    for message in connection:
        if message == "bad":
            connection.close(1008, "no\x1b[31m")


def behaves(connection: ServerConnection) -> None:
    for _ in connection:
        pass


def test_distill_command_writes_short_trace(tmp_path: Path) -> None:
    trace = a_minute(tmp_path / "call.wstrace", 2995)
    with serve_in_thread(limits=ApiQuotas(chunk=(0.01, 1), ahead=1000)) as served:
        done = run(trace, "--to", served.url)
        new = tmp_path / "call-distilled.wstrace"
        assert (done.returncode, done.stderr) == (0, "")
        again = wsproxy("replay", "client", new, "--to", served.url, "--out", tmp_path / "again")
    assert again.returncode == 0, again.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == f"distilling {trace} against {served.url}: 3,000 messages"
    assert lines[1].startswith("attempt 1 of 100: the recording, 3,000 messages (pace: fast): rep")
    assert lines[-4].startswith("DISTILLED: 2 of 3,001 frames, ")
    assert lines[-3].startswith("AssemblyAI closed the session ")
    assert lines[-2:] == [
        f"written to {new} (pace: fast)",
        "verified: replayed again, it fails in the same way",
    ]
    assert sent(new) == [b"{oops"]


def test_distill_command_json_has_report(trace: Path, tmp_path: Path) -> None:
    out = tmp_path / "small.wstrace"
    with serving(fails_at_bad) as url:
        done = run(trace, "--to", url, "--json", "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["trace"], report["origin"]) == (str(out), Session.read(trace).id)
    assert report["messages"] == {"recorded": 6, "distilled": 1}
    document = DOCUMENT.read_text(encoding="utf-8")
    for name in report:
        assert f"`{name}`" in document


def test_distill_command_hostile_trace_is_escaped(trace: Path) -> None:
    with serving(fails_at_bad) as url:
        done = run(trace, "--to", url)
    assert done.returncode == 0
    assert "\x1b[31m" not in done.stdout + done.stderr


def test_distill_command_unreproduced_exits_1(trace: Path) -> None:
    with serving(behaves) as url:
        done = run(trace, "--to", url)
        json_run = run(trace, "--to", url, "--json")
    assert (done.returncode, json_run.returncode) == (1, 1)
    assert "NOT REPRODUCED in " in done.stdout
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == ["close_code"])
    assert line.split() == ["close_code", "1008", "[frame", "7]", "-"]
    assert json.loads(json_run.stdout)["reproduced"] is False
    assert sorted(trace.parent.iterdir()) == [trace]


def test_distill_command_limits_keep_best(trace: Path) -> None:
    with serving(fails_at_bad) as url:
        done = run(trace, "--to", url, "--attempts", 1)
        again = run(trace, "--to", url, "--attempts", 1)
        forced = run(trace, "--to", url, "--attempts", 1, "--force")
    assert (done.returncode, again.returncode, forced.returncode) == (0, 2, 0)
    note = "note: the limit on attempts was reached (--attempts); a shorter trace may exist"
    assert note in done.stdout
    assert "already exists" in again.stderr
    assert len(sent(trace.with_name("call-distilled.wstrace"))) == 6


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_distill_command_interrupted_writes_best(stop: signal.Signals, trace: Path) -> None:
    second = threading.Event()
    over = threading.Event()
    sessions = iter(range(1000))

    def fails_once(connection: ServerConnection) -> None:
        if next(sessions) == 0:
            fails_at_bad(connection)
        else:
            second.set()
            over.wait(60)

    with serving(fails_once) as url:
        process = subprocess.Popen(
            arguments(trace, "--to", url, "--timeout", 600),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.wait(60)
        process.send_signal(stop)
        out, err = process.communicate(timeout=60)
        over.set()
    assert process.returncode == 130
    assert err.splitlines() == ["stopped: the shortest trace so far is written"]
    assert "note: it was interrupted; a shorter trace may exist" in out
    assert len(sent(trace.with_name("call-distilled.wstrace"))) == 6


def test_distill_command_interrupted_early_writes_nothing(trace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            arguments(trace, "--to", url, "--json", "--timeout", 600),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            connection.recv(1)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines() == ["stopped: nothing reproduced so far"]
    assert sorted(trace.parent.iterdir()) == [trace]


def test_distill_command_dead_server_is_one_line_error(trace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    second = threading.Event()
    sessions = iter(range(1000))

    def fails(connection: ServerConnection) -> None:
        if next(sessions) == 1:
            second.set()
        with suppress(ConnectionClosed):
            fails_at_bad(connection)

    with serve(fails, "127.0.0.1", port, ping_interval=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        process = subprocess.Popen(
            arguments(trace, "--to", f"ws://127.0.0.1:{port}", "--timeout", 2),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.wait(60)
        server.shutdown()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err.splitlines() == [
        f"error: cannot reach 127.0.0.1:{port}: Connect call failed ('127.0.0.1', {port})"
    ]
    assert "written to" in out
    assert b"bad" in sent(trace.with_name("call-distilled.wstrace"))


@pytest.mark.parametrize(
    ("given", "status", "expected"),
    [
        (["{trace}", "--to", "ws://127.0.0.1:1"], 2, "cannot reach 127.0.0.1:1"),
        (["{trace}", "--to", "nonsense"], 2, "not a ws:// or wss:// URL"),
        (["{trace}", "--to", "wss://api.example.com"], 2, "give --header"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--header", "x"], 2, "NAME: VALUE"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--attempts", "0"], 2, "--attempts"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--time", "nan"], 2, "--time"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--tries", "x"], 2, "--tries"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--out", "x.txt"], 2, "ends in .wstrace"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--out", "/no/x.wstrace"], 2, "cannot write"),
        (["{trace}", "--to", "ws://127.0.0.1:1", "--out", "{trace}", "--force"], 2, "never over"),
        (["{trace}"], 2, "--to"),
        (["/nowhere.wstrace", "--to", "ws://127.0.0.1:1"], 3, "/nowhere"),
        ([__file__, "--to", "ws://127.0.0.1:1"], 3, "not a trace"),
    ],
)
def test_distill_command_bad_input_is_one_line_error(
    given: list[str], status: int, expected: str, trace: Path
) -> None:
    done = run(*(argument.format(trace=trace) for argument in given))
    assert done.returncode == status, done.stderr
    assert expected in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
    assert sorted(trace.parent.iterdir()) == [trace]


def test_distill_command_options_are_documented() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    assert "wsproxy distill call.wstrace --to" in text
    document = DOCUMENT.read_text(encoding="utf-8")
    for name in ("--to", "--attempts", "--time", "--tries", "--timeout", "--out", "--force"):
        assert name in text
        assert f"`{name}" in document


def test_distill_command_key_in_url_is_not_printed(trace: Path) -> None:
    done = run(trace, "--to", "ws://127.0.0.1:1/v1/listen?key=5e1f")
    assert "against ws://127.0.0.1:1/v1/listen:" in done.stdout + done.stderr
    assert "5e1f" not in done.stdout + done.stderr
