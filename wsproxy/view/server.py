"""The web server: it listens on the loopback address, and only there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from wsproxy.errors import UsageError

from . import handlers
from .access import AccessPolicy
from .hub import Hub

HOST = "127.0.0.1"
_MAX_REQUEST = 64 << 10  # bytes of a body: the name of a side, and a URL
_MAX_MESSAGE = 64  # bytes of a WebSocket message: a version
_SESSION = r"/([^/]+)/session/([0-9a-f]{20})"


class ViewServer:
    """A running server.

    Attributes:
        url: of the start page, with the token.
    """

    def __init__(self, url: str, following: asyncio.Task[None]) -> None:
        self.url = url
        self._following = following

    async def run(self, stopped: asyncio.Event) -> None:
        """Serve until an event is set."""
        waiting = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({waiting, self._following}, return_when=asyncio.FIRST_COMPLETED)
            if self._following.done():
                self._following.result()  # raises what ended it
        finally:
            waiting.cancel()


@contextlib.asynccontextmanager
async def serving(root: Path, *, port: int, max_audio: int) -> AsyncIterator[ViewServer]:
    """Serve a folder or a trace, for the body of a `with`.

    Args:
        port: to listen on; 0: any free one.
        max_audio: bytes of the audio of a page.

    Raises:
        UsageError: the port is in use; the folder does not exist.
    """
    hub = Hub(root, max_audio=max_audio)
    try:
        sockets = bind_sockets(port, HOST)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot listen on {HOST}:{port}: {reason}") from None
    access = AccessPolicy(sockets[0].getsockname()[1])
    # Of refused requests nothing is logged: a URL has the token.
    logging.getLogger("tornado").setLevel(logging.CRITICAL)
    server = HTTPServer(_application(hub, access), max_body_size=_MAX_REQUEST)
    server.add_sockets(sockets)
    following = asyncio.create_task(hub.run())
    try:
        yield ViewServer(f"http://{HOST}:{access.port}/{access.token}/", following)
        await hub.poll()  # what was written last
    finally:
        following.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await following
        server.stop()
        await server.close_all_connections()
        hub.close()


def _application(hub: Hub, access: AccessPolicy) -> Application:
    given = {"hub": hub, "access": access}
    routes = [
        (r"/([^/]+)/", handlers.StartPage),
        (r"/([^/]+)/updates", handlers.FolderUpdates),
        (r"/([^/]+)/search", handlers.Search),
        (_SESSION, handlers.SessionPage),
        (f"{_SESSION}/updates", handlers.SessionUpdates),
        (f"{_SESSION}/frames", handlers.Frames),
        (f"{_SESSION}/turns", handlers.Turns),
        (f"{_SESSION}/results", handlers.Results),
        (f"{_SESSION}/report", handlers.Report),
        (f"{_SESSION}/trace", handlers.TraceFile),
        (f"{_SESSION}/scrubbed", handlers.ScrubbedTrace),
        (f"{_SESSION}/replay", handlers.Replay),
    ]
    return Application(
        [(pattern, handler, given) for pattern, handler in routes],
        default_handler_class=handlers.NotFound,
        default_handler_args=given,
        log_function=lambda _: None,
        websocket_max_message_size=_MAX_MESSAGE,
    )
