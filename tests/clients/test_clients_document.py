"""docs/clients.md has the clients of the matrix, with the versions that it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from client_table import rows
from tools import clients

pytestmark = pytest.mark.one_python

DOCUMENT = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")
ROWS = [line.strip("|").split(" | ") for line in DOCUMENT.splitlines() if "| client |" not in line]
FOUND = [(row[0].strip(), row[1].strip()) for row in ROWS if len(row) == 5]


def test_clients_document_has_each_client_with_its_version() -> None:
    expected = [
        (clients.title(group, client), clients.pinned(group, client)) for group, client in rows()
    ]
    assert [title for title, _ in FOUND] == [title for title, _ in expected]
    pinned = [(title, version) for title, version in expected if version]
    assert [each for each in FOUND if each[0] in dict(pinned)] == pinned


def test_clients_document_has_no_client_that_was_not_run() -> None:
    assert len(FOUND) >= 60
    assert re.findall(r"not run|not named", DOCUMENT) == []
