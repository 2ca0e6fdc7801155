"""Make a virtual environment with the project in it, and say what is being done.

Usage: set_up.py FOLDER EXTRAS, where EXTRAS is such as `.[test,docs]`. FOLDER may be there already:
then what is missing is added to it. Runs in the Python that the environment is made of.
uv installs, in a quarter of the time; pip does where uv cannot be had or fails. Neither compiles:
of what is installed a third is ever imported, and compiled then.
"""

import re
import shutil
import subprocess
import sys
import threading
import time
import venv
from pathlib import Path

# An older Python has to come as far as to say that it is too old.
OLDEST = (3, 11)
SILENCE = 5.0  # seconds without a line, at most
# What uv and pip say of a step, and the part of it that is shown.
STEPS = re.compile(r" *((?:Collecting|Building) [^\s<>=!~;(]+)")
UV = ["pip", "install", "--python"]
ADD_PIP = ["-m", "ensurepip", "--default-pip"]
PIP = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile"]


class Steps:
    """One line for each step, with the seconds that have passed; a long step is repeated."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.monotonic()
        self._step = ""
        self._shown = 0.0
        self._ended = threading.Event()
        threading.Thread(target=self._repeat, daemon=True).start()

    def begin(self, step: str, *, quickly: bool = False) -> None:
        """Begin a step; of steps that are over quickly only some are shown."""
        self._step = step
        if not quickly or time.monotonic() - self._shown > SILENCE / 2:
            self._show(step)

    def end(self, step: str) -> None:
        self._ended.set()
        self._show(step)

    def _show(self, text: str) -> None:
        self._shown = time.monotonic()
        passed = self._shown - self._started
        print(f"{self._name}: {passed:3.0f} s  {text}", flush=True)

    def _repeat(self) -> None:
        while not self._ended.wait(SILENCE / 5):
            if time.monotonic() - self._shown > SILENCE:
                self._show(f"still {self._step[0].lower()}{self._step[1:]}")


def install(python: str, what: str, steps: Steps) -> int:
    """Install into an environment, pip as well; returns the exit status of what did it."""
    uv = shutil.which("uv")
    if uv is not None and run_uv(uv, python, what, steps):
        return 0
    steps.begin("Installing pip")
    added = subprocess.run([python, *ADD_PIP], stdout=subprocess.DEVNULL, check=False)
    if added.returncode != 0:
        return added.returncode
    if uv is None:
        steps.begin("Installing uv")
        status, _ = run([python, *PIP, "uv"], steps)
        if status == 0 and run_uv(str(Path(python).with_name("uv")), python, what, steps):
            return 0
    status, said = run([python, *PIP, "--editable", what], steps)
    if status != 0:
        print(said, end="", file=sys.stderr)
    return status


def run_uv(uv: str, python: str, what: str, steps: Steps) -> bool:
    """Whether uv installed it."""
    steps.begin("Looking for what is to be installed")
    return run([uv, *UV, python, "pip", "--editable", what], steps)[0] == 0


def run(command: list[str], steps: Steps) -> tuple[int, str]:
    """Run an installer; returns its exit status and what it said."""
    said = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as installer:
        assert installer.stdout is not None
        for line in installer.stdout:
            said.append(line)
            step = STEPS.match(line)
            if step:
                steps.begin(step.group(1), quickly=True)
            elif line.startswith(("Installing collected packages", "Prepared")):
                steps.begin("Installing packages")
    return installer.returncode, "".join(said)


def main(folder: str, what: str) -> int:
    if sys.version_info < OLDEST:
        sys.exit("wsproxy needs Python 3.11 or later: make PYTHON=/path/to/python3")
    steps = Steps(folder)
    python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        steps.begin(f"Making a virtual environment of Python {sys.version.split()[0]}")
        venv.create(folder)  # without pip, which takes seconds: see `install`
    status = install(str(python), what, steps)
    steps.end("ready" if status == 0 else "not installed")
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
