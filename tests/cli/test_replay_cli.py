"""The command: what it prints, and with what it exits."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import wsproxy
from trace_builder import TraceBuilder, upgrade_request
from wsproxy.wire import Close, Frame, Opcode

MS = 1_000_000
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A client that stalls and is closed with NET-0001."""
    return recorded(tmp_path / "call.wstrace", Close(1011, "NET-0001\x1b[31m"))


def recorded(path: Path, close: Close) -> Path:
    """A session that the server ends like this."""
    request = upgrade_request("/v1/listen")
    builder = TraceBuilder(path, request, provider="deepgram", api="listen").accept()
    builder.client(b"a" * 640).server(Frame(Opcode.CLOSE, close.serialize()), at=90)
    builder.client(Frame(Opcode.CLOSE, close.serialize()[:2]))
    return builder.eof(False).eof(True).done()


# Without a clock: on a machine that is busy a verdict could be unproven otherwise.
FAST = ("--pace", "fast")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "wsproxy", "replay", *map(str, arguments)]


def run(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    variables: dict[str, Any] = {"DEEPGRAM_API_KEY": "", **environment}
    return wsproxy("replay", *arguments, cwd=cwd, **variables)


@pytest.fixture
def server(trace: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`replay server --json`, and its URL."""
    process = subprocess.Popen(
        command("server", trace, "--json", "--out", tmp_path / "out", "--timeout", "5", *FAST),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline().strip()
    assert line.startswith("listening on ws://127.0.0.1:")
    yield process, line.removeprefix("listening on ")
    process.kill()
    process.wait()


@pytest.mark.real_processes
def test_replay_commands_both_ends_are_reproduced(
    server: tuple[subprocess.Popen[str], str], trace: Path, tmp_path: Path
) -> None:
    process, url = server
    client = run("client", trace, "--to", url, "--out", tmp_path / "out", *FAST)
    assert client.returncode == 0, client.stderr
    assert "REPRODUCED: the server closed with 1011 NET-0001" in client.stdout
    assert ", as recorded\n" in client.stdout
    assert "\x1b[31m" not in client.stdout
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    verdict = json.loads(out)
    assert verdict["verdict"] == "reproduced"
    assert Path(verdict["trace"]).exists()


def test_replay_client_no_record_writes_nothing(
    server: tuple[subprocess.Popen[str], str], trace: Path, tmp_path: Path
) -> None:
    _, url = server
    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    done = run(
        *("client", trace, "--to", url, "--no-record", "--json", *FAST),
        cwd=work,
        TMPDIR=str(temporary),
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert (verdict["verdict"], verdict["trace"]) == ("reproduced", None)
    assert list(work.iterdir()) == list(temporary.iterdir()) == []


@pytest.mark.parametrize("option", [[], ["--no-record"]])
def test_replay_client_unwritable_folder_continues(
    option: list[str], trace: Path, tmp_path: Path
) -> None:
    """A file in the place of the folder: a mode would not keep root out."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "recordings").write_text("")
    served = subprocess.Popen(
        command("server", trace, "--json", "--timeout", "5", *FAST, *option),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=work,
    )
    assert served.stderr is not None
    line = served.stderr.readline()
    if not option:
        assert line.startswith("warning: cannot write into recordings: ")
        assert "no trace is kept" in line
        line = served.stderr.readline()
    url = line.removeprefix("listening on ").strip()
    done = run("client", trace, "--to", url, *option, *FAST, cwd=work)
    assert done.returncode == 0, done.stderr
    assert "trace of the replay" not in done.stdout
    assert done.stderr.count("no trace is kept") == (not option)
    out, _ = served.communicate(timeout=30)
    assert json.loads(out)["trace"] is None
    assert [path.name for path in work.iterdir()] == ["recordings"]


def test_replay_server_interrupted_prints_verdicts(
    server: tuple[subprocess.Popen[str], str],
) -> None:
    process, _ = server
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines() == ["stopped: 0 of 1 sessions"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_replay_client_interrupted_ends_trace(
    stop: signal.Signals, trace: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        out = tmp_path / "out"
        process = subprocess.Popen(
            command("client", trace, "--to", f"ws://127.0.0.1:{port}", "--out", out),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1 << 16).startswith(b"GET /v1/listen ")
            process.send_signal(stop)
            _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert len(err.splitlines()) == 1
    assert err.startswith("stopped: ")
    assert len(list(out.glob("*.wstrace"))) == 1


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_replay_client_different_prints_differences(trace: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        process = subprocess.Popen(
            command("client", trace, "--to", f"ws://127.0.0.1:{port}", "--out", tmp_path / "out"),
            stdout=subprocess.PIPE,
            text=True,
        )
        connection, _ = listening.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 402 Payment Required\r\nContent-Length: 2\r\n\r\nno")
            out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "DIFFERENT: recorded: the server closed with" in out
    line = next(line for line in out.splitlines() if line.split()[:1] == ["status"])
    assert line.split() == ["status", "101", "402"]


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        (["client", "{trace}", "--to", "ws://127.0.0.1:{port}"], 2, "cannot reach 127.0.0.1"),
        (["client", "{trace}", "--to", "nonsense"], 2, "not a ws:// or wss:// URL"),
        (["client", "{trace}", "--to", "wss://api.example.com"], 2, "DEEPGRAM_API_KEY"),
        (["client", "{trace}", "--to", "ws://127.0.0.1:1", "--header", "x"], 2, "NAME: VALUE"),
        (["client", "{trace}", "--to", "ws://me:word@127.0.0.1:1"], 2, "give them with --header"),
        (["client", "{trace}", "--to", "ws://127.0.0.1:1", "--timeout", "nan"], 2, "not a number"),
        (["client", "{trace}", "--to", "wss://127.0.0.1:1", "--ca", "/nowhere"], 2, "certificates"),
        (["client", "/nowhere", "--to", "ws://127.0.0.1:1"], 3, "/nowhere"),
        (["client", __file__, "--to", "ws://127.0.0.1:1"], 3, "not a trace"),
        (["server", __file__], 3, "not a trace"),
        (["server", "{trace}", "--listen", "192.0.2.1:1"], 2, "cannot listen"),
        (["server", "{trace}", "--listen", "x"], 2, "address"),
        # The replay itself sends what these compare.
        (["server", "{trace}", "--max-wer", "0.1"], 2, "unknown option"),
        (["server", "{trace}", "--audio-tolerance", "0.1"], 2, "unknown option"),
        (["server", "{trace}", "--out", __file__], 2, "cannot write"),
        (["server", "{trace}", "--out", __file__], 2, "use --no-record to keep no trace"),
        (["server", "{trace}", "--out", "x", "--no-record"], 2, "--no-record excludes --out"),
        (
            ["client", "{trace}", "--to", "ws://127.0.0.1:1", "--exact", "--max-wer", "0.1"],
            2,
            "--exact excludes --max-wer",
        ),
    ],
)
def test_replay_bad_input_is_one_line_error(
    arguments: list[str], status: int, text: str, trace: Path
) -> None:
    port = free_port()
    done = run(*(argument.format(trace=trace, port=port) for argument in arguments))
    assert done.returncode == status, done.stderr
    *_, last = done.stderr.splitlines()
    assert text in done.stderr
    assert last.startswith(("error: ", "Error: "))
    assert "Traceback" not in done.stderr


def test_replay_help_has_examples() -> None:
    for side in ("client", "server"):
        done = run(side, "--help")
        assert done.returncode == 0
        assert f"wsproxy replay {side} call.wstrace" in done.stdout


# ---- several times


def test_replay_client_repeat_counts_verdicts(trace: Path, tmp_path: Path) -> None:
    with serving_for_ever(trace, tmp_path) as url:
        done = run("client", trace, "--to", url, "--out", tmp_path / "o", "--repeat", 3, *FAST)
    assert done.stdout.splitlines()[-1] == "3 sessions: 3 reproduced"
    assert done.returncode == 0


def test_replay_client_repeat_lost_server_is_error(trace: Path, tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]

    def answer_once() -> None:
        connection, _ = listening.accept()
        listening.close()  # before the first session can end
        with connection:
            connection.recv(1 << 16)
            connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    serving = threading.Thread(target=answer_once)
    serving.start()
    to = ("--to", f"ws://127.0.0.1:{port}", "--out", tmp_path / "o")
    done = run("client", trace, *to, "--repeat", 3, "--json", *FAST)
    serving.join()
    assert len(done.stdout.splitlines()) == 1
    assert "stopped at session 2 of 3: cannot reach" in done.stderr
    assert done.returncode == 2


def test_replay_client_until_reproduced_stops(trace: Path, tmp_path: Path) -> None:
    with serving_for_ever(trace, tmp_path) as url:
        done = run(
            "client",
            trace,
            "--to",
            url,
            "--out",
            tmp_path / "o",
            "--until-verdict",
            "reproduced",
            *FAST,
            "--json",
        )
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()] == ["reproduced"]
    assert done.returncode == 0


def test_replay_client_until_never_reproduced_fails(trace: Path, tmp_path: Path) -> None:
    options = ["--until-verdict", "not-reproduced", "--repeat", 2, *FAST]
    with serving_for_ever(trace, tmp_path) as url:
        done = run("client", trace, "--to", url, "--out", tmp_path / "o", *options)
    assert done.stdout.splitlines()[-1] == "2 sessions: 2 reproduced"
    assert done.returncode == 1


def test_replay_client_bisect_failure_is_bad(trace: Path, tmp_path: Path) -> None:
    with serving_for_ever(trace, tmp_path) as url:
        done = run("client", trace, "--to", url, "--out", tmp_path / "o", "--bisect", *FAST)
    assert done.stdout.splitlines()[1].startswith("REPRODUCED: ")
    assert done.returncode == 1


def test_replay_client_bisect_success_is_good(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "bad.wstrace", Close(1002, "protocol error"))
    good = recorded(tmp_path / "good.wstrace", Close(1000))
    with serving_for_ever(good, tmp_path) as url:
        done = run("client", trace, "--to", url, "--out", tmp_path / "o", "--bisect", *FAST)
    assert "\nNOT REPRODUCED: " in done.stdout, done.stdout
    assert done.returncode == 0


def test_replay_client_bisect_without_server_skips(trace: Path, tmp_path: Path) -> None:
    to = f"ws://127.0.0.1:{free_port()}"
    done = run("client", trace, "--to", to, "--out", tmp_path / "o", "--bisect", *FAST)
    assert "cannot reach 127.0.0.1" in done.stderr
    assert done.returncode == 125


@pytest.mark.parametrize("secret", ["--header=Token 5e1f", "--query=5e1f", "--field=5e1f"])
def test_replay_client_credential_is_not_printed(secret: str, trace: Path, tmp_path: Path) -> None:
    done = run("client", trace, "--to", "ws://127.0.0.1:1/?key=5e1f", "--out", tmp_path, secret)
    assert done.returncode == 2
    assert "5e1f" not in done.stdout + done.stderr


@contextlib.contextmanager
def serving_for_ever(trace: Path, folder: Path, sessions: int = 0) -> Iterator[str]:
    options = ["--json", "--out", folder / "served", "--max-sessions", sessions, *FAST]
    process = subprocess.Popen(
        command("server", trace, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield process.stderr.readline().strip().removeprefix("listening on ")
    finally:
        process.kill()
        process.communicate()


def test_replay_server_folder_is_served_once_each(trace: Path, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.wstrace").write_bytes(trace.read_bytes())
    process = subprocess.Popen(
        command("server", folder, "--out", tmp_path / "served", *FAST),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip().removeprefix("listening on ")
    done = run("client", trace, "--to", url, "--out", tmp_path / "o", "--repeat", 2, *FAST)
    assert done.returncode == 0
    out, _ = process.communicate(timeout=30)
    assert out.splitlines()[-1] == "2 sessions: 2 reproduced"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--pace", "x0"], "pace 'x0'"),
        (["--pace", "quick"], "give recorded, fast, causal, or a speed such as x2"),
        (["--match", "colour"], "cannot match on 'colour'"),
    ],
)
def test_replay_server_bad_option_is_one_line_error(
    options: list[str], says: str, trace: Path, tmp_path: Path
) -> None:
    done = run("server", trace, "--out", tmp_path / "o", *options)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 2
