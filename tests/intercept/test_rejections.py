"""The clients that have rejected the recorder's CA, in a file."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from wsproxy.intercept import rejections
from wsproxy.intercept.rejections import FILE, Rejections, TlsClient

GIT = TlsClient("git.example.com", "0123456789abcdef")
WGET = TlsClient("git.example.com", "fedcba9876543210")


def test_rejections_are_read_by_another_run(tmp_path: Path) -> None:
    first = Rejections(tmp_path, "ca")
    assert GIT not in first
    first.add(GIT)
    assert GIT in first
    assert GIT in Rejections(tmp_path, "ca")
    assert WGET not in Rejections(tmp_path, "ca")
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def test_rejections_of_two_runs_at_once_are_merged(tmp_path: Path) -> None:
    first, second = Rejections(tmp_path, "ca"), Rejections(tmp_path, "ca")
    first.add(GIT)
    second.add(WGET)
    assert {GIT, WGET} == {each for each in (GIT, WGET) if each in Rejections(tmp_path, "ca")}


def test_rejections_of_another_ca_are_void(tmp_path: Path) -> None:
    Rejections(tmp_path, "ca").add(GIT)
    assert GIT not in Rejections(tmp_path, "another")


def test_rejections_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Rejections(tmp_path, "ca").add(GIT)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + rejections.EXPIRY + 2)
    assert GIT not in Rejections(tmp_path, "ca")


def test_rejections_oldest_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejections, "MAX_CLIENTS", 2)
    kept = Rejections(tmp_path, "ca")
    clients = [TlsClient(f"{n}.example.com", "0") for n in range(3)]
    for each in clients:
        kept.add(each)
    assert [each in kept for each in clients] == [False, True, True]
    assert len(json.loads((tmp_path / FILE).read_text())["clients"]) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"version": 2}',
        b'{"version": 1, "ca": "ca", "clients": [{}]}',
        b'{"version": 1, "ca": "ca", "clients": [{"host": "a", "fingerprint": "b", "time": []}]}',
        b'{"version": 1, "ca": "ca", "clients": 5}',
    ],
)
def test_rejections_damaged_file_is_written_anew(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    Rejections(tmp_path, "ca").add(GIT)
    assert GIT in Rejections(tmp_path, "ca")


def test_rejections_unwritable_folder_is_logged_and_remembered_for_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Rejections(tmp_path / "missing", "ca")
    with caplog.at_level(logging.WARNING):
        kept.add(GIT)
    assert GIT in kept
    assert "cannot be written" in caplog.text
