"""How Ctrl-C and SIGTERM end a replay."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from wsproxy.cli.replay_screen import Interrupted, Screen


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_run_signal_in_the_middle_of_a_callback_stops_after_it(
    stop: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    failed: list[dict[str, Any]] = []
    ended = []

    async def replay() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failed.append(context))
        received: asyncio.Future[None] = loop.create_future()
        later: asyncio.Future[None] = loop.create_future()

        def callback() -> None:
            signal.raise_signal(stop)
            received.set_result(None)

        loop.call_soon(callback)
        try:
            await received
            await later
        finally:
            ended.append(stop)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(Interrupted):
            Screen(as_json=False).run(replay, lambda: "1 of 2 sessions")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert failed == []
    assert ended == [stop]
    assert capsys.readouterr().err == "stopped: 1 of 2 sessions\n"
