"""wsproxy loads none of the app's modules, and the app's exit status is never lost."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.real_processes

CHECKOUT = Path(__file__).resolve().parents[2]
TRAP = "raise ImportError('a module of the app was loaded by wsproxy: ' + __name__)\n"
# Of the standard library, of what wsproxy depends on, and what Python loads by itself.
TRAPS = ("brotli", "click", "msgpack", "secrets", "statistics", "usercustomize")
# What wsproxy cannot do without. Its first interpreter loads this, whatever it does.
INSTRUMENTED = "import sys; sys.modules['rich'] = sys.modules['h11'] = None\n"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder of modules that wsproxy must not load."""
    folder = tmp_path / "app"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(TRAP)
    return folder


def wsproxy(
    *arguments: str, cwd: Path | None = None, python: tuple[str, ...] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *python, "-m", "wsproxy", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_run_pythonpath_of_app_is_not_used_by_wsproxy(app: Path, tmp_path: Path) -> None:
    (app / "sitecustomize.py").write_text(INSTRUMENTED)
    (app / "mine.py").write_text("VALUE = 41\n")
    path = os.pathsep.join([str(app), "/nowhere"])
    code = "import os, mine; print(os.environ['PYTHONPATH'], sorted(os.environ), mine.VALUE)"
    options = ("--out", str(tmp_path / "out"), "--confdir", str(tmp_path / "conf"))
    done = wsproxy("run", *options, "--", sys.executable, "-c", code, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(" ")[0].endswith(os.pathsep + path)
    assert "41" in done.stdout
    assert "WSPROXY_APP_PYTHONPATH" not in done.stdout


@pytest.mark.one_python
def test_reading_command_with_the_apps_pythonpath_works(app: Path) -> None:
    done = wsproxy("catalog", "list", PYTHONPATH=str(app))
    assert (done.returncode, done.stderr) == (0, "")


def test_module_run_in_the_apps_folder_works(app: Path) -> None:
    done = wsproxy("catalog", "list", cwd=app)
    assert (done.returncode, done.stderr) == (0, "")


def test_pythonpath_that_wsproxy_needs_is_kept() -> None:
    """Without `site` nothing else leads to it."""
    needed = os.pathsep.join([str(CHECKOUT), sysconfig.get_paths()["purelib"]])
    done = wsproxy("--version", python=("-S",), PYTHONPATH=needed, cwd=Path("/"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wsproxy")


def test_run_crash_at_interpreter_exit_keeps_status_of_app(tmp_path: Path) -> None:
    """As a native thread's that outlives it."""
    code = (
        "import atexit, os; atexit.register(os.abort); from wsproxy.cli.entry import main; main()"
    )
    command = [sys.executable, "-c", code, "run", "--mode", "reverse:wss://127.0.0.1:1"]
    command += ["--out", str(tmp_path / "out"), "--confdir", str(tmp_path / "conf"), "--"]
    command += [sys.executable, "-c", "print('said'); raise SystemExit(7)"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 7
    assert done.stdout == "said\n"
    assert "nothing recorded" in done.stderr
