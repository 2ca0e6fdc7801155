"""The requests of browsers. Nothing is changed by GET; text of traces is never markup."""

from __future__ import annotations

import re
import tempfile
from asyncio.subprocess import Process
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketHandler

from wsproxy.errors import TraceError
from wsproxy.report.html.json_block import json_block
from wsproxy.report.html.page import START, render
from wsproxy.report.safe_text import safe, short
from wsproxy.system.regular_file import open_regular
from wsproxy.trace.parts import later_parts, part_of, part_path
from wsproxy.wording import plural

from .access import AccessPolicy
from .commands import output_of, replay_arguments, running, scrub_arguments
from .frame_window import MAX_FRAMES, FrameWindow
from .hub import Hub

_CHUNK = 256 << 10  # bytes
_MAX_TEXT = 500  # characters of a text that is searched
_MAX_URL = 2000  # characters
_MAX_MESSAGE = 2000  # characters of what is wrong with a request
# Of frames, turns and results, from 1: no number is longer than a session can have.
_NUMBERS = re.compile(r"[1-9]\d{0,9}(?:-[1-9]\d{0,9})?(?:,[1-9]\d{0,9}(?:-[1-9]\d{0,9})?){0,99}")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Handler(RequestHandler):
    """What all requests have in common.

    Attributes:
        process: works for the answer; None: there is none.
    """

    process: Process | None = None
    _is_wanted = True

    def initialize(self, hub: Hub, access: AccessPolicy) -> None:
        self.hub, self.access = hub, access

    def set_default_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        """Refuse who may not use the server, and what another site asks for."""
        host = self.request.headers.get("Host", "")
        token = self.path_args[0] if self.path_args else ""
        if reason := self.access.refusal(host, token):
            raise HTTPError(403, reason=None, log_message=reason)
        origin = self.request.headers.get("Origin")
        if self.request.method not in ("GET", "HEAD") and not self.access.is_own_origin(
            origin, host
        ):
            raise HTTPError(403, log_message="This is not served to other pages.")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        text = None
        if isinstance(error, HTTPError) and error.log_message:
            text = error.log_message % error.args  # tornado has doubled its percent signs
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{short(text or self._reason, _MAX_MESSAGE)}\n")

    def on_connection_close(self) -> None:
        """End what is done for an answer that nobody waits for."""
        super().on_connection_close()
        self._is_wanted = False
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()

    def is_wanted(self) -> bool:
        """Whether the browser waits for the answer."""
        return self._is_wanted

    def trace(self, session: str) -> Path:
        """The trace of a session.

        Raises:
            HTTPError: the folder has none of this id.
        """
        path = self.hub.folder.path_of(session)
        if path is None:
            raise HTTPError(404, log_message="There is no such session in the folder.")
        return path

    async def send(self, parts: Iterable[str | bytes]) -> None:
        for part in parts:
            self.write(part)
            await self.flush()

    async def send_page(self, parts: list[str]) -> None:
        """Send the page of a session, each part of which is freed once it is sent."""
        parts.reverse()
        try:
            await self.send(parts.pop() for _ in range(len(parts)))
        finally:
            parts.clear()
            await self.hub.page_was_sent()

    def attach(self, name: str, media_type: str) -> None:
        """Have the browser save the answer as a file."""
        self.set_header("Content-Type", media_type)
        file = quote(name, errors="replace")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{file}")


class NotFound(Handler):
    """Any other path."""

    def prepare(self) -> None:
        raise HTTPError(404)


class StartPage(Handler):
    """The list of sessions."""

    async def get(self, _token: str) -> None:
        root = self.hub.folder.root
        await self.send(render("start.html.j2", [], START, root=safe(str(root))))


class SessionPage(Handler):
    """The page of a session."""

    async def get(self, _token: str, session: str) -> None:
        try:
            parts = await self.hub.page(session, self.trace(session), self.is_wanted)
        except TraceError as error:
            raise HTTPError(422, log_message=str(error)) from None
        await self.send_page(parts)


class Report(Handler):
    """The file of `wsproxy report`."""

    async def get(self, _token: str, session: str) -> None:
        path = self.trace(session)
        try:
            parts = await self.hub.report(path, self.is_wanted)
        except TraceError as error:
            raise HTTPError(422, log_message=str(error)) from None
        self.attach(f"{path.stem}.html", "text/html; charset=utf-8")
        await self.send_page(parts)


class TraceFile(Handler):
    """The trace; of one in parts a ZIP file of them."""

    async def get(self, _token: str, session: str) -> None:
        first, number = part_of(self.trace(session))
        parts = [part_path(first, n) for n in (number, *later_parts(first, number))]
        try:
            if len(parts) == 1:
                await self.send_file(parts[0], parts[0].name)
                return
            with tempfile.TemporaryDirectory(prefix="wsproxy-") as folder:
                packed = Path(folder) / "trace.zip"
                await self.hub.pack(parts, packed)
                await self.send_file(packed, f"{first.stem}.zip")
        except OSError as error:
            raise HTTPError(404, log_message=f"{error.strerror}") from None

    async def send_file(self, path: Path, name: str) -> None:
        with open_regular(path) as file:
            self.attach(name, "application/octet-stream")
            while data := file.read(_CHUNK):
                await self.send([data])


class ScrubbedTrace(TraceFile):
    """The trace without personal data."""

    async def get(self, _token: str, session: str) -> None:
        raise HTTPError(405)

    async def post(self, _token: str, session: str) -> None:
        path = self.trace(session)
        with tempfile.TemporaryDirectory(prefix="wsproxy-") as folder:
            name = f"{path.stem}-scrubbed.wstrace"
            place = Path(folder) / name
            async with running(scrub_arguments(path, place)) as process:
                self.process = process
                text = b"".join([data async for data in output_of(process)])
                status = await process.wait()
            if status or not place.is_file():
                lines = text.decode("utf-8", "replace").strip().splitlines()
                raise HTTPError(422, log_message=" ".join(lines))
            await self.send_file(place, name)


class Replay(Handler):
    """Replays a session; the answer is what the command prints, while it runs."""

    async def post(self, _token: str, session: str) -> None:
        path = self.trace(session)
        side = self.get_body_argument("side", "") or ""
        target = self.get_body_argument("target", "") or ""
        if side not in ("client", "server"):
            raise HTTPError(400, log_message="The side is client or server.")
        if side == "client" and not _is_url(target):
            raise HTTPError(400, log_message="The server's URL has to begin with ws:// or wss://.")
        root = self.hub.folder.root
        out = root if root.is_dir() else None
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        async with running(replay_arguments(side, path, target, out)) as process:
            self.process = process
            try:
                async for data in output_of(process):
                    await self.send([data])
                await self.send([f"exit status {await process.wait()}\n"])
            except StreamClosedError:  # the page was closed
                return


def _is_url(target: str) -> bool:
    return (
        target.startswith(("ws://", "wss://")) and len(target) <= _MAX_URL and target.isprintable()
    )


class _Part(Handler):
    """Parts of a page that grows, which it asks for when they are scrolled to."""

    def numbers(self) -> list[range]:
        """Numbers in the query, as in `numbers=1-64,80`.

        Raises:
            HTTPError: it has other ones.
        """
        given = self.get_query_argument("numbers", "") or ""
        if not _NUMBERS.fullmatch(given):
            raise HTTPError(400, log_message="numbers have to be such as 1-64,80.")
        found = []
        for each in given.split(","):
            first, _, last = each.partition("-")
            found.append(range(int(first), int(last or first) + 1))
        return found

    def stretch(self) -> tuple[int, int]:
        """The first and the last number of the first stretch in the query.

        Raises:
            HTTPError: as of `numbers`.
        """
        first = self.numbers()[0]
        return first.start, first.stop - 1

    def seconds(self) -> float | None:
        """The time in the query; None without one.

        Raises:
            HTTPError: it is none.
        """
        given = self.get_query_argument("at", "") or ""
        if given and not _SECONDS.fullmatch(given):
            raise HTTPError(400, log_message="at has to be a time in seconds.")
        return float(given) if given else None

    def answer(self, found: object) -> None:
        if found is None:
            raise HTTPError(404, log_message="The session is not followed: load its page again.")
        self.set_header("Content-Type", "application/json")
        self.write(json_block(found))


class Frames(_Part):
    """Frames: `numbers=1-64,80`, or those around a time: `at=12.5`."""

    async def get(self, _token: str, session: str) -> None:
        try:
            self.answer(await self.hub.frames(session, self._reading()))
        except TraceError as error:
            raise HTTPError(422, log_message=str(error)) from None

    def _reading(self) -> Callable[[FrameWindow], dict[str, Any]]:
        seconds = self.seconds()
        if seconds is not None:
            return lambda window: window.at_time(seconds)
        wanted: set[int] = set()
        for each in self.numbers():
            wanted.update(each[:MAX_FRAMES])
        return lambda window: window.columns(sorted(wanted)[:MAX_FRAMES])


class Turns(_Part):
    """Turns of the transcript: `numbers=1-40`, or `at=12.5`: the number of the one at a time."""

    async def get(self, _token: str, session: str) -> None:
        seconds = self.seconds()
        if seconds is not None:
            self.answer(await self.hub.transcript(session, lambda live: live.turn_at(seconds)))
            return
        first, last = self.stretch()
        self.answer(await self.hub.transcript(session, lambda live: live.turns(first, last)))


class Results(_Part):
    """Results of the transcript: `numbers=1-40`."""

    async def get(self, _token: str, session: str) -> None:
        first, last = self.stretch()
        self.answer(await self.hub.transcript(session, lambda live: live.results(first, last)))


class Search(Handler):
    """Searches the texts of all sessions."""

    async def get(self, _token: str) -> None:
        text = (self.get_query_argument("q", "") or "")[:_MAX_TEXT].strip()
        if not text:
            raise HTTPError(400, log_message="There is nothing to search.")
        found = await self.hub.search(text)
        searched = plural(found["searched"], "session")
        found["summary"] = f"found in {len(found['found'])} of {searched}"
        self.write(found)


class _Updates(Handler, WebSocketHandler):
    """Sends a page what it does not have, whenever it has asked for it.

    The page sends the version that it has, and asks again once it has shown an answer: a page
    that is slow gets fewer and larger answers.
    """

    has: int | None = None  # the version of the page that has asked

    def check_origin(self, origin: str) -> bool:
        return self.access.is_own_origin(origin, self.request.headers.get("Host", ""))

    def prepare(self) -> None:
        Handler.prepare(self)
        # tornado asks `check_origin` only where there is such a header.
        if self.request.headers.get("Origin") is None:
            raise HTTPError(403, log_message="This is not served to other pages.")

    def open(self, *args: str, **kwargs: str) -> None:
        self.hub.subscribe(self)

    def on_message(self, message: str | bytes) -> None:
        if not isinstance(message, str) or not message.isascii() or not message.isdigit():
            self.close(1003)
            return
        self.has = int(message)
        self.push()

    def push(self) -> None:
        """Send what the page does not have, if it has asked for it."""
        if self.has is None:
            return
        text = self.updates(self.has)
        if text:
            self.has = None
            self.write_message(text)

    def updates(self, version: int) -> str:
        raise NotImplementedError

    def on_close(self) -> None:
        self.hub.unsubscribe(self)


class FolderUpdates(_Updates):
    """Changes of the start page."""

    def updates(self, version: int) -> str:
        return self.hub.changes(version)


class SessionUpdates(_Updates):
    """Updates of the page of a session."""

    def updates(self, version: int) -> str:
        return self.hub.updates(self.path_args[1], version)
