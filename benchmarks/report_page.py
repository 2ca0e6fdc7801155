"""How fast the page of a long session is, in Chromium.

`python -m benchmarks.report_page` writes the report of 10 minutes in 30,000 frames with audio,
opens it from the file, and prints its size, how long it took to open, and the frames of the screen
a second while it is zoomed, moved and scrolled.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from wsproxy.catalog import load
from wsproxy.report.html.page import session_page, view_of
from wsproxy.report.html.reading import read_content

from .live_view import Recording, chromium

SECONDS = 600.0
MAX_AUDIO = 20_000_000  # bytes, as `wsproxy report` has it
FRAMES = 60  # of the screen, for each action
ACTIONS = {
    "zoom": "axis.dispatchEvent(new WheelEvent('wheel', { ctrlKey: true, cancelable: true,"
    " deltaY: n % 20 < 10 ? -100 : 100 }))",
    "move": "axis.dispatchEvent(new WheelEvent('wheel', { shiftKey: true, cancelable: true,"
    " deltaY: 100 }))",
    "scroll": "table.scrollTop += 700",
}


def report(folder: Path) -> Path:
    recording = Recording(folder, 0, SECONDS)
    recording.write()
    recording.close()
    content = read_content(folder / recording.name, load(), max_audio=MAX_AUDIO)
    page = folder / "report.html"
    page.write_text("".join(session_page(view_of(content))), "utf-8")
    return page


def rate(page: Page, action: str) -> float:
    """Frames of the screen a second while something is done with each."""
    script = f"""async () => {{
      const axis = document.querySelector("canvas.axis");
      const table = document.querySelector(".window");
      const began = performance.now();
      for (let n = 0; n < {FRAMES}; n += 1) {{
        {action};
        await new Promise(requestAnimationFrame);
      }}
      return {FRAMES} / ((performance.now() - began) / 1000);
    }}"""
    return float(page.evaluate(script))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = report(Path(folder))
        print(f"report: {path.stat().st_size / 1e6:.1f} MB")
        browser = chromium(driver)
        page = browser.new_context(offline=True, viewport={"width": 1280, "height": 800}).new_page()
        began = time.monotonic()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-scripted]")
        print(f"opened in {time.monotonic() - began:.2f} s")
        for name, action in ACTIONS.items():
            print(f"{name}: {rate(page, action):.0f} frames/s")
        browser.close()


if __name__ == "__main__":
    main()
