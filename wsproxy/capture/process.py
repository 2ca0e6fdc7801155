"""A proxy in a process of its own, which another process of wsproxy starts and talks to.

`wsproxy.api` and `replay server --as-proxy` start one (`wsproxy.api.process`), so that mitmproxy
need not be installed where they run. `protocol` has what is said.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from wsproxy.errors import UsageError, WsproxyError
from wsproxy.recording import Recording

from . import embed, protocol
from .addon import Record
from .lead import Lead, RecordHere

LINGER = 2.0  # seconds that sessions which are still open get to end
_Address = tuple[str, int] | None
_LINE = 1 << 20  # bytes of a line at most: a host and a target are in it


def main() -> int:
    """Do what stdin asks for until it is closed; returns the exit status."""
    # Ctrl-C in a terminal is for the process that started this one, which then ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever else is printed in this process must not get between the lines.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    parent = _Parent(out)
    log = logging.getLogger("wsproxy")
    log.setLevel(logging.INFO)
    log.addHandler(_ToParent(parent))
    try:
        asyncio.run(_serve(parent))
    except WsproxyError as error:
        named = [[each.name, each.value] for each in error.settings]
        parent.tell(failed=str(error), settings=named)
        return error.exit_status
    return 0


async def _serve(parent: _Parent) -> None:
    lines = asyncio.StreamReader(limit=_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    asked = json.loads(await lines.readline() or "null")
    if not isinstance(asked, dict) or asked.get("protocol") != protocol.VERSION:
        raise UsageError("the recorder is another version of wsproxy than what started it")
    settings, addon = _asked_for(asked, parent)
    async with embed.proxy(settings, addon) as (running, task):
        loop.add_signal_handler(signal.SIGTERM, running.stop)
        parent.tell(listening=running.address, ca=str(running.ca))
        stopped = asyncio.create_task(parent.listen(lines))
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(running.drain, LINGER)
        stopped.cancel()


def _asked_for(asked: dict[str, Any], parent: _Parent) -> tuple[embed.Settings, Record | Lead]:
    confdir = Path(asked["confdir"]) if asked["confdir"] is not None else None
    where = {"host": asked["host"], "port": asked["port"], "mode": asked["mode"]}
    record = asked.get("record")
    if record is None:
        others = asked["lead"]["others"]
        addon = Lead(parent.ask, others=others, on_refused=parent.report_refused)
        return embed.Settings(**where, confdir=confdir), addon

    def ended(recording: Recording) -> None:
        parent.tell(ended=str(recording.path))

    settings = embed.Settings(
        **where, confdir=confdir, out=Path(record["out"]), hosts=tuple(record["hosts"])
    )
    return settings, (Record if record["network"] else RecordHere)(on_end=ended)


class _Parent:
    """The process that started this one.

    Args:
        out: where it reads.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[_Address]] = {}

    def tell(self, **event: object) -> None:
        """Write an event; from any thread."""
        line = json.dumps(event).encode() + b"\n"
        with self._lock, suppress(OSError):  # it has died: stdin is at its end, too
            while line:
                line = line[self._out.write(line) :]

    async def ask(self, host: str, target: str) -> _Address:
        """Which server answers for a host and a target (path and query), if any."""
        return await self._answer_to(host=host, target=target)

    async def report_refused(self, host: str) -> None:
        """Report a host that nothing answers for; return when the parent knows."""
        await self._answer_to(refused=host)

    async def _answer_to(self, **event: object) -> _Address:
        number = next(self._numbers)
        answer: asyncio.Future[_Address] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self.tell(ask=number, **event)
        try:
            return await answer
        finally:
            del self._asked[number]

    async def listen(self, lines: asyncio.StreamReader) -> None:
        """Take its answers until it has no more."""
        while line := await lines.readline():
            said = json.loads(line)
            answer = self._asked.get(said["answer"])
            if answer is not None and not answer.done():
                address = said["address"]
                answer.set_result((address[0], address[1]) if address is not None else None)


class _ToParent(logging.Handler):
    """Has the parent log what is logged here."""

    def __init__(self, parent: _Parent) -> None:
        super().__init__(logging.INFO)
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        self._parent.tell(log=record.levelno, message=record.getMessage())
