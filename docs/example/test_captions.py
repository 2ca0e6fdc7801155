"""Tests of captions.py with wsproxy's pytest plugin: none of them needs a key or the network."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from captions import captions
from websockets.exceptions import ConnectionClosedError

import wsproxy

HERE = Path(__file__).parent
SAID = ["carries", "carries"]


@pytest.fixture(autouse=True)
def any_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a key that only this test knows")


def recorded_audio() -> list[bytes]:
    trace = wsproxy.open(HERE / "two-captions.wstrace")
    return [m.data for m in trace.messages(from_client=True) if not m.is_text]


def run(url: str) -> list[str]:
    async def everything() -> list[str]:
        audio: asyncio.Queue[bytes] = asyncio.Queue()
        for chunk in [*recorded_audio(), b""]:
            audio.put_nowait(chunk)
        return [caption async for caption in captions(audio, url)]

    return asyncio.run(everything())


@pytest.mark.wsproxy("two-captions.wstrace")
def test_captions_of_a_recorded_session(wsproxy_server: wsproxy.Served) -> None:
    assert run(wsproxy_server.url) == SAID


@pytest.mark.wsproxy("two-captions.wstrace")
def test_the_program_at_the_real_host_name(wsproxy_server: wsproxy.Served) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "captions.py"],
        input=b"".join(recorded_audio()),
        stdout=subprocess.PIPE,
        env=wsproxy_server.env,
        check=True,
    )
    assert done.stdout.decode().splitlines() == SAID


FAILS_ONCE = """
[[step]]
condition = "deepgram.listen.NET-0000"

[[step]]  # no condition: good sessions
"""


@pytest.mark.wsproxy(plan=FAILS_ONCE)
def test_a_second_stream_goes_on_after_1011(wsproxy_server: wsproxy.Served) -> None:
    run(wsproxy_server.url)
    assert len(wsproxy_server.sessions) == 2


@pytest.mark.wsproxy(condition="deepgram.listen.NET-0000")
def test_three_attempts_are_made(wsproxy_server: wsproxy.Served) -> None:
    with pytest.raises(ConnectionClosedError, match="NET-0000"):
        run(wsproxy_server.url)
    assert len(wsproxy_server.sessions) == 3
