"""docs/clients.md has the clients of the matrix, with the versions that it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from client_table import rows
from tools import clients

pytestmark = pytest.mark.one_python

DOCUMENT = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")
ROWS = [line.strip("| ").split(" | ") for line in DOCUMENT.splitlines() if line.startswith("| ")]


def test_clients_document_has_each_client_with_its_version() -> None:
    versions = {(row[0], row[1]) for row in ROWS}
    names = {row[0] for row in ROWS}
    for group, client in rows():
        assert client.name in names
        if version := clients.pinned(group, client):
            assert (client.name, version) in versions


def test_clients_document_has_no_client_that_is_not_in_the_matrix() -> None:
    names = {client.name for _, client in rows()}
    heads = {"client", "recorded by", "proxy variables", "preload", "catch", "flags", "-"}
    assert {row[0] for row in ROWS} <= names | heads


def test_clients_document_has_60_clients_and_none_that_was_not_run() -> None:
    assert len([row for row in ROWS if len(row) >= 5]) >= 60
    assert re.findall(r"not run|not named", DOCUMENT) == []
