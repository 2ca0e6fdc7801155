"""A proxy in a child process, controlled by another process of wsproxy.

`wsproxy.api` and `replay server` start it (`wsproxy.api.child_process`), so that mitmproxy
need not be installed in their environment. `child_protocol` describes the messages.
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
from wsproxy.recorder import SessionWriter

from . import child_protocol, embedding
from .record_addon import RecordAddon
from .redirect_addon import LocalRecordAddon, RedirectAddon

DRAIN_TIMEOUT = 2.0  # seconds that open sessions get to end
_Address = tuple[str, int] | None
_MAX_LINE = 1 << 20  # bytes of a line, which contains a host and a target


def main() -> int:
    """Run the requested proxy until stdin is closed; returns the exit status."""
    # Ctrl-C in a terminal is handled by the parent process, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Other output of this process must not mix with the protocol.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    parent = _Parent(out)
    log = logging.getLogger("wsproxy")
    log.setLevel(logging.INFO)
    log.addHandler(_ParentLogHandler(parent))
    try:
        asyncio.run(_serve(parent))
    except WsproxyError as error:
        named = [[each.name, each.value] for each in error.settings]
        parent.send_event(failed=str(error), settings=named)
        return error.exit_status
    return 0


async def _serve(parent: _Parent) -> None:
    lines = asyncio.StreamReader(limit=_MAX_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    request = json.loads(await lines.readline() or "null")
    if not isinstance(request, dict) or request.get("protocol") != child_protocol.VERSION:
        raise UsageError("the proxy process and its parent run different versions of wsproxy")
    settings, addon = _requested(request, parent)
    async with embedding.proxy(settings, addon) as (running, task):
        loop.add_signal_handler(signal.SIGTERM, running.stop)
        parent.send_event(listening=running.address, ca=str(running.ca))
        stopped = asyncio.create_task(parent.receive_answers(lines))
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(running.drain, DRAIN_TIMEOUT)
        stopped.cancel()


def _requested(
    request: dict[str, Any], parent: _Parent
) -> tuple[embedding.ProxySettings, RecordAddon | RedirectAddon]:
    """The settings and the addon that a request asks for."""
    confdir = Path(request["confdir"]) if request["confdir"] is not None else None
    listen = {"host": request["host"], "port": request["port"], "mode": request["mode"]}
    record = request.get("record")
    if record is None:
        others = request["lead"]["others"]
        addon = RedirectAddon(parent.find_server, others=others, on_refused=parent.report_refused)
        return embedding.ProxySettings(**listen, confdir=confdir), addon

    def on_end(recording: SessionWriter) -> None:
        parent.send_event(ended=str(recording.path))

    settings = embedding.ProxySettings(
        **listen, confdir=confdir, out=Path(record["out"]), hosts=tuple(record["hosts"])
    )
    return settings, (RecordAddon if record["network"] else LocalRecordAddon)(on_end=on_end)


class _Parent:
    """The process that started this one.

    Args:
        out: the pipe that it reads.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[_Address]] = {}

    def send_event(self, **event: object) -> None:
        """Send an event; called on any thread."""
        line = json.dumps(event).encode() + b"\n"
        with self._lock, suppress(OSError):  # the parent has died: stdin ends as well
            while line:
                line = line[self._out.write(line) :]

    async def find_server(self, host: str, target: str) -> _Address:
        """The address of the server for a host and a target (path and query), or None."""
        return await self._request(host=host, target=target)

    async def report_refused(self, host: str) -> None:
        """Report a host that is not served; returns when the parent has confirmed it."""
        await self._request(refused=host)

    async def _request(self, **event: object) -> _Address:
        number = next(self._numbers)
        answer: asyncio.Future[_Address] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        self.send_event(ask=number, **event)
        try:
            return await answer
        finally:
            del self._pending[number]

    async def receive_answers(self, lines: asyncio.StreamReader) -> None:
        """Receive answers until the parent closes the pipe."""
        while line := await lines.readline():
            message = json.loads(line)
            answer = self._pending.get(message["answer"])
            if answer is not None and not answer.done():
                address = message["address"]
                answer.set_result((address[0], address[1]) if address is not None else None)


class _ParentLogHandler(logging.Handler):
    """Sends log records to the parent, which logs them."""

    def __init__(self, parent: _Parent) -> None:
        super().__init__(logging.INFO)
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        self._parent.send_event(log=record.levelno, message=record.getMessage())
