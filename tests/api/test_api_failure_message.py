"""The failure message of a test whose app did not behave as recorded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

import wsproxy
from app_under_test import ENDED, KEY, LISTEN, SAMPLES, app
from wsproxy.api import describe_failure

pytestmark = pytest.mark.usefixtures("no_threads_left")


def test_describe_failure_difference_names_nearest_frame(tmp_path: Path) -> None:
    shutil.copy(ENDED, tmp_path)
    shutil.copy(SAMPLES / "wire" / "accepted-speak.wstrace", tmp_path)
    out = tmp_path / "out"
    with wsproxy.serve(tmp_path, out=out) as served:
        app(served.url, b"\x07" * 3200)
        description = describe_failure(tmp_path, served, 10)
    assert description is not None
    lines = description.splitlines()
    assert lines[0].endswith(f"what is recorded in {ENDED.name}: different")
    assert lines[1] == "  first difference: audio_sent"
    assert lines[2].split() == ["recorded", "3200", "bytes", "(frame", "1)"]
    assert "others from byte 0" in lines[3]
    assert lines[4].startswith("  nearest recorded frame: #1 at 0.005 s  app → binary 3200 B  00 ")
    assert str(served.traces[0]) in description


def test_describe_failure_handshake_difference_has_no_frame() -> None:
    with wsproxy.serve(ENDED) as served:
        app(served.url, path=LISTEN.replace("nova-3", "base"))
        description = describe_failure(ENDED, served, 10)
    assert description is not None
    assert "first difference: query.model" in description
    assert "nearest recorded frame: none, the difference is in the handshake" in description


def test_describe_failure_difference_after_last_frame_names_it() -> None:
    audio = next(wsproxy.open(ENDED).messages()).data
    with wsproxy.serve(ENDED, timeout=0.2) as served:
        with connect(served.url + LISTEN, additional_headers=KEY, proxy=None) as session:
            session.send(audio[:1600])
            session.send('{"type": "Finalize"}')
            with pytest.raises(ConnectionClosedError):
                session.recv()
        description = describe_failure(ENDED, served, 10)
    assert description is not None
    assert "messages_sent" in description
    assert "app →" in description.partition("nearest recorded frame")[2].splitlines()[0]


def test_describe_failure_open_session_is_reported() -> None:
    with (
        wsproxy.serve(ENDED, timeout=30) as served,
        connect(served.url + LISTEN, additional_headers=KEY, proxy=None) as session,
    ):
        session.send(bytes(320))
        assert (
            describe_failure(ENDED, served, 0.01)
            == "wsproxy: a session was still open 0.01 s after the test"
        )


def test_describe_failure_reproduced_session_is_none() -> None:
    with wsproxy.serve(ENDED) as served:
        assert (
            describe_failure(ENDED, served, 10)
            == "wsproxy: no session reached what the test serves"
        )
        app(served.url, next(wsproxy.open(ENDED).messages()).data)
        assert describe_failure(ENDED, served, 10) is None
