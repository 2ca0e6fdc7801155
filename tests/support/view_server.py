"""The server of `wsproxy view` in a thread, and sessions that are being recorded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from trace_builder import TraceBuilder
from wsproxy.trace import Record
from wsproxy.view.server import serving

BEGAN_NS = 1_700_000_000_000_000_000


class OpenSession(TraceBuilder):
    """A session that is being recorded: what is added is on the disk at once."""

    def __init__(self, path: Path, *records: Record, provider: str = "deepgram") -> None:
        super().__init__(path, began_ns=BEGAN_NS, provider=provider, api="listen")
        self.grow(*records)

    def grow(self, *records: Record) -> None:
        """Write more records."""
        self.add(*records)
        self.recording.flush()


@contextmanager
def view_server(root: Path) -> Iterator[str]:
    """A server; its URL."""
    urls: Queue[str | BaseException] = Queue()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        stopped = asyncio.Event()
        async with serving(root, port=0, max_audio=1_000_000) as server:
            stop.append((asyncio.get_running_loop(), stopped))
            urls.put(server.url)
            await server.run(stopped)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            urls.put(error)
            raise

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    url = urls.get(timeout=30)
    if isinstance(url, BaseException):
        raise url
    try:
        yield url
    finally:
        loop, stopped = stop[0]
        loop.call_soon_threadsafe(stopped.set)
        thread.join(30)
        assert not thread.is_alive()
