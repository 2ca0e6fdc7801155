"""Lets atheris attack targets: `python -m fuzz [TARGET...] --minutes 30 --out FOLDER`.

Each target runs in a process of its own that is started again if an input ends it (memory,
a hang), until its time is up. Inputs that show a mistake are in FOLDER/<target>/found, each
with its traceback beside it; the exit status is 1 if there are any.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz import TARGETS

CORPUS = Path(__file__).parent / "corpus"
_LARGEST = {"exporters": 500, "rulebook": 5000}  # bytes of an input
_LARGE = 20_000  # of the other targets
_MEMORY = 2048  # MiB that a process may hold
_HANG = 60  # seconds
_START = 3  # seconds within which no input can have ended a process


@dataclass(frozen=True, slots=True)
class Attack:
    """One target under attack."""

    target: str
    folder: Path

    def run(self, minutes: float) -> None:
        until = time.monotonic() + minutes * 60
        (self.folder / "corpus").mkdir(parents=True, exist_ok=True)
        (self.folder / "found").mkdir(exist_ok=True)
        while (left := until - time.monotonic()) > 1:
            with open(self.folder / "log.txt", "ab") as log:
                command = self._command(int(left))
                done = subprocess.run(command, stdout=log, stderr=log, check=False)
            if done.returncode and until - left + _START > time.monotonic():
                raise RuntimeError(f"{self.target} does not even start: see {log.name}")

    def _command(self, seconds: int) -> list[str]:
        return [
            *(sys.executable, "-m", "fuzz.attacked", self.target, str(self.folder)),
            str(self.folder / "corpus"),
            *map(str, CORPUS.glob(self.target)),
            f"-max_total_time={seconds}",
            f"-max_len={_LARGEST.get(self.target, _LARGE)}",
            "-len_control=0",
            "-report_slow_units=1000000",  # by the clock; `attacked` goes by the CPU
            f"-rss_limit_mb={_MEMORY}",
            f"-timeout={_HANG}",
            f"-artifact_prefix={self.folder}/found/",
        ]

    @property
    def found(self) -> list[Path]:
        return sorted(p for p in (self.folder / "found").iterdir() if p.suffix != ".txt")

    def summary(self) -> str:
        log = (self.folder / "log.txt").read_bytes().decode(errors="replace")
        runs = sum(int(line.split()[1]) for line in log.splitlines() if line.startswith("Done "))
        return f"{self.target}: {runs} runs, {len(self.found)} found, in {self.folder}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--minutes", type=float, default=30, help="for each target")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--out", type=Path, help="where what is found goes")
    given = parser.parse_args()
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("NOT FUZZED: atheris is not installed (it has no build for every Python)")
        return
    out = given.out or Path(tempfile.mkdtemp(prefix="wsproxy-fuzz-"))
    attacks = [Attack(target, out / target) for target in given.targets or TARGETS]
    with ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda attack: attack.run(given.minutes), attacks))
    for attack in attacks:
        print(attack.summary())
        for path in attack.found:
            print(f"  {path}")
    sys.exit(any(attack.found for attack in attacks))


if __name__ == "__main__":
    main()
