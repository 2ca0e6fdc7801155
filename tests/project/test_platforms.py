"""What works on every platform and without mitmproxy; `legs.py` runs it as on each of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

import wsproxy
from wsproxy.cli.main import main
from wsproxy.errors import RecorderMissing
from wsproxy.proxy import requirements
from wsproxy.trace.atomic_file import Replacement, sweep

LEG = os.environ.get("WSPROXY_TEST_PLATFORM")
SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
ENDED = SAMPLES / "deepgram" / "deepgram.listen.NET-0000.wstrace"
OTHER = SAMPLES / "deepgram" / "deepgram.listen.DATA-0000.wstrace"
LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
KEY = {"Authorization": "Token 0123456789"}


def can_record() -> bool:
    try:
        requirements.check()
    except RecorderMissing:
        return False
    return True


no_recorder = pytest.mark.skipif(can_record(), reason="sessions can be recorded here")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Enough traces for `list` to write its index."""
    for number in range(16):
        shutil.copy(ENDED, tmp_path / f"{number}.wstrace")
    return tmp_path


def app(url: str, proxy: str | None = None) -> None:
    """An app that sends what is recorded, and is closed for it."""
    (audio,) = (each.data for each in wsproxy.open(ENDED).messages())
    with (
        pytest.raises(ConnectionClosedError),
        connect(url, additional_headers=KEY, proxy=proxy) as session,
    ):
        session.send(audio)
        session.recv()


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The command, in this process: its exit status and what it prints."""
    status = 0
    try:
        before, sys.argv = sys.argv, ["wsproxy", *map(str, arguments)]
        main()
    except SystemExit as error:
        status = int(error.code or 0)
    finally:
        sys.argv = before
    return status, *capsys.readouterr()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["list", "."], "deepgram listen"),
        (["show", "0.wstrace"], "101"),
        (["explain", "0.wstrace"], "NET-0000"),
        (["explain", "0.wstrace", "--json"], "NET-0000"),
        (["diff", "0.wstrace", "1.wstrace"], "same"),
        (["catalog", "show", "deepgram.listen.NET-0000"], "NET-0000"),
        (["scrub", "0.wstrace", "--out", "public.wstrace"], "public.wstrace"),
        (["mutate", "0.wstrace", "--close", "1011", "--out", "made.wstrace"], "made.wstrace"),
        (["bundle", "0.wstrace", "--out", "bundle.zip"], "bundle.zip"),
        (["report", "0.wstrace"], "report.html"),
        (["report", "0.wstrace", "1.wstrace", "--out", "pair.html"], "pair.html"),
        (["recover", "0.wstrace"], "wstrace"),
        (["simulate", "--list"], "NET-0000"),
        (["addon", "path"], "record.py"),
        (["record", "--help"], "--listen"),
        (["run", "--help"], "--mode"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_command_on_every_platform_works(
    command: list[str],
    says: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    status, out, err = run(capsys, *command)
    assert (status, err) == (0, "")
    assert says in out


def test_list_twice_reads_the_index(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in folder.iterdir():  # nothing that has just changed is put into an index
        os.utime(path, (1_600_000_000, 1_600_000_000))
    first = run(capsys, "list", folder)
    assert (folder / ".wsproxy-index").exists()
    monkeypatch.setattr(wsproxy.session.Session, "summary", None)  # would be called to read one
    assert run(capsys, "list", folder) == first


def test_replay_both_ends_reproduces(tmp_path: Path) -> None:
    with wsproxy.serve(ENDED, out=tmp_path / "server") as served:
        as_client = wsproxy.replay(ENDED, served.url, pace="fast", out=tmp_path / "client")
        assert as_client.verdict == served.verdict().verdict == "reproduced"
    assert as_client.trace is not None
    assert wsproxy.open(as_client.trace).findings[0].id == "deepgram.listen.NET-0000"


def test_simulate_condition_fails_with_it() -> None:
    with wsproxy.serve(condition="deepgram.listen.NET-0000") as served:
        app(served.url + LISTEN)
        served.wait()
    assert "NET-0000" in served.sessions[0].ending


def test_replay_of_a_reset_resets(tmp_path: Path) -> None:
    """The kernel is asked what it has not sent, and systems differ in how."""
    for trace in (SAMPLES / "wire").glob("reset-by-*.wstrace"):
        with wsproxy.serve(trace, out=tmp_path) as served:
            as_client = wsproxy.replay(trace, served.url, pace="fast", out=tmp_path)
            assert as_client.verdict == "reproduced"
            assert as_client.replayed["ending"] == as_client.recorded["ending"]


def test_replacement_of_a_file_keeps_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with Replacement(path) as new:
        new.file.write(b"new")
        new.commit()
    with pytest.raises(ZeroDivisionError), Replacement(path) as new:
        raise ZeroDivisionError
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_after_a_crash_removes_leftovers(tmp_path: Path) -> None:
    (tmp_path / ".x.0123.wstrace.rewrite").touch()
    assert sweep(tmp_path) == 1
    assert not list(tmp_path.iterdir())


# -- where nothing can be recorded


@no_recorder
@pytest.mark.parametrize("command", [["record"], ["run", "--", sys.executable]])
def test_record_unavailable_is_one_line_error(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *command)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert ("no module fcntl" if LEG == "windows" else "extra `record`") in err


@no_recorder
def test_record_without_a_recorder_elsewhere_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecorderMissing, match="WSPROXY_RECORDER"), wsproxy.record(tmp_path):
        pass


@no_recorder
@pytest.mark.sweep
@pytest.mark.parametrize("found", ["WSPROXY_RECORDER", "PATH"])
def test_recorder_installed_elsewhere_records_and_redirects(
    found: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As with pipx. This environment's own stands for it, with nothing hidden from it."""
    program = tmp_path / "wsproxy"
    program.write_text(
        f'#!/bin/sh\nunset WSPROXY_TEST_PLATFORM\nexec "{sys.executable}" -m wsproxy "$@"\n'
    )
    program.chmod(0o755)
    name, value = (found, str(program)) if found != "PATH" else ("PATH", str(tmp_path))
    monkeypatch.setenv(name, value + (f"{os.pathsep}/bin" if found == "PATH" else ""))
    confdir = tmp_path / "ca"
    with wsproxy.serve(ENDED, confdir=confdir) as served:
        if found == "PATH":
            app(f"ws://api.deepgram.com{LISTEN}", proxy=served.proxy)
            assert served.verdict().verdict == "reproduced"
            return
        with wsproxy.record(tmp_path / "out", to=served.url, confdir=confdir) as recorder:
            app(recorder.url + LISTEN)
            (trace,) = recorder.wait()
    assert wsproxy.open(trace).findings[0].id == "deepgram.listen.NET-0000"


def test_recorder_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSPROXY_RECORDER", "/is/not/there")
    with (
        pytest.raises(wsproxy.errors.UsageError, match="/is/not/there, which is not a program"),
        wsproxy.record(tmp_path),
    ):
        pass


def test_recorder_other_version_is_one_line_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "wsproxy"
    program.write_text("#!/bin/sh\necho \"Error: No such command 'proxy-process'.\" >&2; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("WSPROXY_RECORDER", str(program))
    with (
        pytest.raises(wsproxy.errors.UsageError, match="cannot be used: No such command"),
        wsproxy.record(tmp_path),
    ):
        pass


@pytest.mark.parametrize("says", ["proxy-process", "[]", "1"])
def test_recorder_other_program_is_one_line_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str
) -> None:
    program = tmp_path / "other"
    program.write_text(f"#!/bin/sh\nwhile echo '{says}'; do :; done\n")
    program.chmod(0o755)
    monkeypatch.setenv("WSPROXY_RECORDER", str(program))
    with (
        pytest.raises(wsproxy.errors.UsageError, match="cannot be used: it is not wsproxy"),
        wsproxy.record(tmp_path),
    ):
        pass


def test_wsproxy_version_starts_quickly() -> None:
    """No command loads what another one needs."""
    code = "import sys, wsproxy.cli.main; print(*sys.modules)"
    env = {name: value for name, value in os.environ.items() if name != "WSPROXY_TEST_PLATFORM"}
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert not {"asyncio", "rich", "mitmproxy", "msgpack", "websockets"} & set(out.stdout.split())
