"""A real browser for tests of pages: Debian's Chromium, driven by Playwright.

Tests that use it are skipped where it is not installed; `.ci/run` installs it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# A page may wait for a command of wsproxy, which takes that long to start on a busy machine.
expect.set_options(timeout=60_000)

# Collects audio elements that play, and measures what they put out.
HEARD = """
  window.heard = { loudest: 0, elements: new Set() };
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function () {
    if (!window.heard.elements.has(this)) {
      window.heard.elements.add(this);
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      context.createMediaElementSource(this).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      setInterval(() => {
        analyser.getFloatTimeDomainData(samples);
        window.heard.loudest = Math.max(window.heard.loudest, ...samples.map(Math.abs));
      }, 20);
    }
    return play.call(this);
  };
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that reaches no network, and can play without a user's gesture."""
    driver: Playwright
    with sync_playwright() as driver:
        arguments = ["--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class OpenPage:
    """A page that was opened from a file, without a network.

    Attributes:
        page: of Playwright.
        problems: errors of its scripts and of its policy, and requests that it made.
    """

    def __init__(self, browser: Browser, path: Path, place: str = "", **context: Any) -> None:
        self._context = browser.new_context(offline=True, **context)
        self._context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page: Page = self._context.new_page()
        self.problems: list[str] = []
        self.page.add_init_script(HEARD)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.on("request", self._on_request)
        self.page.goto(f"{path.as_uri()}{place}")
        if context.get("java_script_enabled", True):
            self.page.wait_for_selector("html[data-scripted]")

    def _on_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith(("file:", "blob:", "data:")):
            self.problems.append(f"requested {request.url}")

    def close(self) -> None:
        self._context.close()


def until(page: Page, expression: str, seconds: float = 20.0) -> None:
    """Wait until an expression is true in a page, whose policy forbids Playwright's own wait."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"still false: {expression}"
        page.wait_for_timeout(20)
