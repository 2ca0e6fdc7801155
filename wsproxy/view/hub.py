"""What the pages show: the folder and the open sessions, read on one thread beside the server's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from wsproxy.catalog import Catalog, load
from wsproxy.errors import TraceError, UsageError
from wsproxy.report.html.json_block import json_block
from wsproxy.report.html.page import LIVE, render, session_page, view_of
from wsproxy.report.html.reading import read_content
from wsproxy.system.free_memory import return_free_memory

from .folder import SessionFolder
from .frame_window import FrameWindow
from .live_content import LiveContent, Snapshot
from .live_page import live_page
from .recording import is_recorded
from .search import search
from .zip_files import zip_files

T = TypeVar("T")

INTERVAL = 0.25  # seconds between two looks at the files: pages and server do less, and are in time
FORGET_AFTER = 60.0  # seconds that a session is followed without a page
TRIM_EVERY = 20.0  # seconds: what sessions needed for a short time is given back
RELOAD = '[{"reload":true}]'


class Subscriber(Protocol):
    """A page that is open."""

    def push(self) -> None:
        """Send what the page does not have, if it has asked for it."""


class Hub:
    """Follows the folder for the start page, and each session of which a page is open.

    Its methods are called on the event loop's thread.

    Args:
        root: a folder, or a trace.
        max_audio: bytes of the audio of a page.

    Raises:
        UsageError: there is no such folder or trace.

    Attributes:
        folder: the sessions.
    """

    def __init__(self, root: Path, *, max_audio: int) -> None:
        if not root.exists():
            raise UsageError(f"{root} does not exist; record sessions with `wsproxy run -- CMD`")
        self._catalog: Catalog = load()
        self.folder = SessionFolder(root, self._catalog)
        self._max_audio = max_audio
        self._live: dict[str, LiveContent] = {}
        self._used: dict[str, float] = {}
        self._subscribers: set[Subscriber] = set()
        self._follower = ThreadPoolExecutor(1, thread_name_prefix="wsproxy-view-follow")
        self._others = ThreadPoolExecutor(2, thread_name_prefix="wsproxy-view")
        self._searches = 0
        self._trim_at = 0.0

    async def run(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await self.poll()
            await asyncio.sleep(INTERVAL)

    async def poll(self) -> None:
        """Look at the files once, and notify the pages."""
        await self._on(self._follower, self._read)
        for subscriber in list(self._subscribers):
            subscriber.push()

    def close(self) -> None:
        """End the threads."""
        self._searches += 1
        for pool in (self._follower, self._others):
            pool.shutdown(wait=True, cancel_futures=True)
        for content in self._live.values():
            content.close()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Notify a page from now on."""
        self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Notify a page no longer."""
        self._subscribers.discard(subscriber)

    # -- on the thread that follows

    def _read(self) -> None:
        self.folder.poll()
        for session, content in list(self._live.items()):
            if time.monotonic() - self._used[session] > FORGET_AFTER:
                del self._live[session]
                content.close()
                continue
            try:
                content.poll()
            except TraceError:
                content.close()
                del self._live[session]  # its pages load again, and show the error
        if self._live and time.monotonic() >= self._trim_at:
            return_free_memory()
            self._trim_at = time.monotonic() + TRIM_EVERY

    def _snapshot(self, session: str, read: LiveContent) -> Snapshot:
        content = self._live.setdefault(session, read)
        if content is not read:
            read.close()
        self._used[session] = time.monotonic()
        return content.snapshot()

    # -- what pages ask for

    async def page(self, session: str, path: Path, is_wanted: Callable[[], bool]) -> list[str]:
        """The page of a session, in parts.

        Args:
            is_wanted: whether someone waits for it; if not, it is not built.

        Raises:
            TraceError: it cannot be read.
        """
        if not await self._on(self._others, lambda: is_recorded(path)):
            return await self._built(lambda: self._finished_page(session, path), is_wanted)
        # Pages of other sessions grow while the beginning of a long one is read.
        read = self._live.get(session)
        if read is None:
            read = await self._on(self._others, lambda: self._begun(path))
        snapshot = await self._on(self._follower, partial(self._snapshot, session, read))
        return await self._built(lambda: self._growing_page(session, path, snapshot), is_wanted)

    async def _built(
        self, build: Callable[[], list[str]], is_wanted: Callable[[], bool]
    ) -> list[str]:
        return await self._on(self._others, lambda: build() if is_wanted() else [])

    def _begun(self, path: Path) -> LiveContent:
        """A session that is being recorded, read so far."""
        content = LiveContent(path, self._catalog)
        content.poll(now=True)
        return content

    def _growing_page(self, session: str, path: Path, snapshot: Snapshot) -> list[str]:
        return list(live_page(session, path, self._catalog, snapshot, max_audio=self._max_audio))

    def _finished_page(self, session: str, path: Path) -> list[str]:
        content = read_content(path, self._catalog, max_audio=self._max_audio, name=Path(path.name))
        live = {"id": session, "version": 0, "ended": True}
        return list(render("viewed.html.j2", [view_of(content)], LIVE, data_live=live))

    async def report(self, path: Path, is_wanted: Callable[[], bool]) -> list[str]:
        """The file of `wsproxy report`, in parts.

        Args:
            is_wanted: as for `page`.

        Raises:
            TraceError: the trace cannot be read.
        """

        def read() -> list[str]:
            content = read_content(path, self._catalog, max_audio=self._max_audio)
            return list(session_page(view_of(content)))

        return await self._built(read, is_wanted)

    async def pack(self, parts: Sequence[Path], out: Path) -> None:
        """Pack the parts of a trace into a new ZIP file.

        Raises:
            OSError: a part cannot be read, or is no regular file.
        """
        await self._on(self._others, lambda: zip_files(parts, out))

    async def page_was_sent(self) -> None:
        """Give the memory of a page back, which may be many times that of all else."""
        await self._on(self._others, return_free_memory)

    def updates(self, session: str, version: int) -> str:
        """What a page of a session does not have, as JSON; "" if it has everything.

        Args:
            version: of the last update that it has.
        """
        content = self._use(session)
        if content is None:
            return RELOAD
        found = content.after(version)
        if found is None:
            return RELOAD
        return f"[{','.join(found)}]" if found else ""

    async def frames(self, session: str, read: Callable[[FrameWindow], T]) -> T | None:
        """Read frames of a session of which a page is open; None if it is not followed.

        Raises:
            TraceError: they cannot be read.
        """
        content = self._use(session)
        if content is None:
            return None
        return await self._on(self._others, lambda: read(content.frames))

    async def transcript(self, session: str, read: Callable[[LiveContent], T]) -> T | None:
        """Likewise for its transcript."""
        content = self._use(session)
        if content is None:
            return None
        return await self._on(self._follower, lambda: read(content))

    def _use(self, session: str) -> LiveContent | None:
        content = self._live.get(session)
        if content is not None:
            self._used[session] = time.monotonic()
        return content

    def changes(self, version: int) -> str:
        """What the start page does not have, as JSON; "" if it has everything."""
        found = self.folder.changes(version)
        return json_block(found) if found is not None else ""

    async def search(self, text: str) -> dict[str, Any]:
        """Search the texts of all sessions; an earlier search is ended."""
        self._searches += 1
        number = self._searches

        def find() -> dict[str, Any]:
            return search(self.folder.ids(), text, lambda: number != self._searches)

        return await self._on(self._others, find)

    async def _on(self, pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
