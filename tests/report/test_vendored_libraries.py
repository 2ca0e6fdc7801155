"""The libraries in the page of a session are unchanged files of npm packages, with licences."""

from __future__ import annotations

import hashlib
from pathlib import Path

import wsproxy.report.html
from wsproxy.report.html import page

STATIC = Path(wsproxy.report.html.__file__).parent / "static"
VENDOR = STATIC / "vendor"


def sums() -> dict[str, str]:
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}


def test_vendored_files_have_the_recorded_hashes() -> None:
    files = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.glob("*/*")
    }
    assert files == sums()


def test_vendored_folders_have_a_licence_and_a_line_in_the_readme() -> None:
    readme = (VENDOR / "README.md").read_text(encoding="utf-8")
    for folder in (path for path in VENDOR.iterdir() if path.is_dir()):
        assert "Copyright" in (folder / "LICENSE").read_text(encoding="utf-8")
        assert f"`{folder.name}/`" in readme


def test_page_uses_only_listed_libraries() -> None:
    used = [name for name in (*page.LIBRARIES, *page.FILE.styles) if name.startswith("vendor/")]
    assert {name.removeprefix("vendor/") for name in used} <= sums().keys()
