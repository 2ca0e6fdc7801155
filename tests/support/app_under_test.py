"""An app that sends audio to a speech API, and traces of what happens to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

SAMPLES = Path(__file__).parents[2] / "recordings" / "samples"
ENDED = SAMPLES / "deepgram" / "deepgram.listen.NET-0000.wstrace"  # by the server, at once
GOOD = SAMPLES / "wire" / "accepted-listen.wstrace"
LISTEN = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"
KEY = {"Authorization": "Token 0123456789"}


def app(url: str, audio: bytes = bytes(3200), path: str = LISTEN) -> str:
    """Send audio; returns the reason with which the server closes the session."""
    with connect(url + path, additional_headers=KEY, proxy=None) as session:
        session.send(audio)
        with pytest.raises(ConnectionClosedError) as raised:
            session.recv()
    assert raised.value.rcvd is not None
    return raised.value.rcvd.reason
