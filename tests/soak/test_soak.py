"""A short form of the soak of 30 minutes (benchmarks/SOAK.md), and a burst of 1,000 connects."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not (CHECKOUT / "benchmarks").is_dir(), reason="needs the whole checkout"),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=900,
    )


def test_soak_many_sessions_lose_and_leave_nothing(tmp_path: Path) -> None:
    report = tmp_path / "soak.md"
    options = ["--sessions", "60", "--minutes", "3", "--shortest", "5", "--longest", "30"]
    done = run("benchmarks.soak", *options, "--report", str(report))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| frames missing from the traces | 0, out of order 0 |" in report.read_text()


def test_soak_thousand_connects_at_once_are_recorded() -> None:
    done = run("benchmarks.connects", "--connects", "1000")
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines()]
    figures = {row[1]: row for row in rows if len(row) > 9}
    assert figures["wsproxy"][2] == figures["mitmdump"][2] == "1000"
    assert figures["wsproxy"][7] == "1000"
    for change in figures["wsproxy"][9].split(", "):
        before, _, after = change.partition(" → ")
        assert int(after) <= int(before.rpartition(" ")[2])
