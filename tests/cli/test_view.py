"""`wsproxy view`, and `--view` of the recorders: what they print."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from commands import wsproxy
from wsproxy.view import requirements

URL = re.compile(r"http://127\.0\.0\.1:\d+/[\w-]{40,}/")


def test_view_of_a_folder_that_does_not_exist_is_one_line(tmp_path: Path) -> None:
    done = wsproxy("view", tmp_path / "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path / 'nowhere'} does not exist")
    assert done.stderr.count("\n") == 1


def test_view_on_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = wsproxy("view", tmp_path, "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_view_without_tornado_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        requirements, "find_spec", lambda name: None if name == "tornado" else find_spec(name)
    )
    done = wsproxy("view", tmp_path)
    assert done.returncode == 2
    assert "its extra `view`" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.real_processes
def test_view_prints_its_url_first_and_serves_a_trace_until_it_is_stopped(
    good_trace: Path,
) -> None:
    command = [sys.executable, "-m", "wsproxy", "view", str(good_trace)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on ")
        found = URL.search(line)
        assert found is not None
        with urllib.request.urlopen(found[0]) as answer:
            assert answer.status == 200
        process.terminate()
        assert process.wait(20) == 0


def test_run_with_view_prints_the_url_on_stderr_and_keeps_the_exit_status(
    tmp_path: Path, confdir: Path
) -> None:
    script = "import sys, time; time.sleep(3); print('done'); sys.exit(3)"
    done = subprocess.run(
        [sys.executable, "-m", "wsproxy", "run", "--view", "--confdir", str(confdir), "--out",
         str(tmp_path / "out"), "--", sys.executable, "-c", script],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "done\n")
    assert re.search(rf"^view the sessions at {URL.pattern}$", done.stderr, re.MULTILINE)
