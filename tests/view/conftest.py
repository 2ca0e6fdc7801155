"""A folder that is being recorded, its server, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from browser import chromium
from view_server import view_server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "recordings"
    place.mkdir()
    return place


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    with view_server(folder) as found:
        yield found


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(**getattr(request, "param", {}))
    opened_page = context.new_page()
    problems: list[str] = []
    opened_page.on("pageerror", lambda error: problems.append(str(error)))
    opened_page.on(
        "console", lambda m: problems.append(m.text) if m.type in {"error", "warning"} else None
    )
    yield opened_page
    context.close()
    # Of the answer to a request that was refused.
    assert [each for each in problems if "status of 4" not in each] == []
