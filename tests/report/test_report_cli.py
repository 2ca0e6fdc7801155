"""`wsproxy report` on the command line."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from commands import wsproxy
from html_page import Page


def test_report_writes_a_page_that_only_the_user_can_read(good_trace: Path) -> None:
    out = good_trace.with_name("report.html")
    done = wsproxy("report", good_trace, cwd=good_trace.parent)
    assert done.returncode == 0
    assert done.stdout.startswith("wrote report.html (")
    assert Page(out.read_text()).root.one("h1").text.endswith("no problems found.")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_report_existing_file_is_kept_without_force(good_trace: Path) -> None:
    out = good_trace.with_name("mine.html")
    out.write_text("mine")
    done = wsproxy("report", good_trace, "--out", out)
    assert done.returncode == 2
    assert "already exists" in done.stderr
    assert out.read_text() == "mine"
    assert wsproxy("report", good_trace, "--out", out, "--force").returncode == 0
    assert out.read_text().startswith("<!DOCTYPE html>")


def test_report_never_replaces_the_trace(good_trace: Path) -> None:
    before = good_trace.read_bytes()
    done = wsproxy("report", good_trace, "--out", good_trace, "--force")
    assert done.returncode == 2
    assert good_trace.read_bytes() == before


def test_report_of_no_trace_fails_in_one_line_and_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "broken.wstrace"
    path.write_bytes(b"no trace")
    done = wsproxy("report", path, "--out", tmp_path / "out.html")
    assert done.returncode == 3
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", ["much", "-1", "10XB", "5GB"])
def test_report_invalid_size_is_reported(good_trace: Path, size: str) -> None:
    done = wsproxy("report", good_trace, "--max-audio", size)
    assert done.returncode == 2
    assert "max-audio" in done.stderr
