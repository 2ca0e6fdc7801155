"""Makes docs/images/report-*.png: the page that `make demo` ends with, in a real browser.

Needs Chromium and the demo's page:

    make demo && python tools/screenshots.py
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "recordings" / "demo" / "report.html"
FOLDER = ROOT / "docs" / "images"
MAX_BYTES = 200_000  # of a picture

SHOTS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 800}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 780}},
    "print": {"media": "print", "viewport": {"width": 800, "height": 1100}},
}


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed")
    if not PAGE.exists():
        sys.exit(f"{PAGE.relative_to(ROOT)} does not exist: run `make demo` first")
    FOLDER.mkdir(exist_ok=True)
    arguments = ["--disable-gpu"] + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=arguments)
        for name, options in SHOTS.items():
            shoot(browser, FOLDER / f"report-{name}.png", **options)
        browser.close()


def shoot(browser: Browser, path: Path, media: str | None = None, **context: Any) -> None:
    """Save a picture of the top of the page."""
    opened = browser.new_context(offline=True, **context)
    page = opened.new_page()
    if media is not None:
        page.emulate_media(media="print")
    page.goto(PAGE.as_uri())
    page.wait_for_selector("html[data-scripted]")
    page.wait_for_timeout(500)  # the waveforms are drawn
    page.screenshot(path=path)
    size = path.stat().st_size
    assert size <= MAX_BYTES, f"{path.name} has {size} bytes"
    opened.close()


if __name__ == "__main__":
    main()
