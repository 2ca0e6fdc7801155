"""`wsproxy record`: record the sessions of apps that use this proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from wsproxy.recorder import SessionWriter, file_descriptors
from wsproxy.system.address import authority, reachable
from wsproxy.wording import plural

from . import passed_through
from .catalog_option import catalog_option
from .logs import info_on_stderr
from .recording_options import ended_lines, recording_options, session_line, settings_of, warnings
from .viewing import viewing

if TYPE_CHECKING:
    from wsproxy.proxy import embedding


@click.command(name="record")
@catalog_option
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to listen on; port 0: any free port.",
)
@recording_options
@click.option(
    "--auth",
    envvar="WSPROXY_AUTH",
    metavar="USER:PASSWORD",
    help="Require this user name and password; other clients get 407. Prefer the variable "
    "WSPROXY_AUTH: arguments are visible in `ps`.",
)
def command(listen: str, view: bool, **options: Any) -> None:
    """Record the sessions of apps that use this proxy, until Ctrl-C.

    \b
    With wsproxy as the app's proxy:
      wsproxy record
      export HTTPS_PROXY=http://127.0.0.1:8080
      export SSL_CERT_FILE=~/.mitmproxy/mitmproxy-ca-cert.pem
      python app.py
    \b
    With wsproxy as the app's base URL, for SDKs that ignore proxy settings:
      wsproxy record --mode reverse:wss://api.deepgram.com
      (in the app: base URL http://127.0.0.1:8080)

    `wsproxy run -- CMD` does all of this for one command.
    """
    settings = settings_of(listen, **options)
    file_descriptors.raise_limit()
    with info_on_stderr(), contextlib.ExitStack() as stack:

        def show() -> None:
            if view:
                stack.enter_context(viewing(settings.out))

        asyncio.run(_record(settings, show))


async def _record(settings: embedding.ProxySettings, show: Callable[[], None]) -> None:
    from wsproxy.proxy import embedding  # noqa: PLC0415  # it imports mitmproxy

    console = Console(highlight=False, soft_wrap=True)
    board = _Board(console)
    async with embedding.recorder(settings, on_begin=board.begin, on_end=board.end) as (
        running,
        task,
    ):
        embedding.stop_on_signals(running)
        for line in _greeting(settings, running):
            console.print(Text(line))
        for line in warnings(settings, running):
            click.echo(f"warning: {line}", err=True)
        show()
        if console.is_terminal:
            with Live(board, console=console, refresh_per_second=2, transient=True):
                await asyncio.wait({task})
        else:
            await asyncio.wait({task})
    with contextlib.suppress(OSError, SystemExit):  # the terminal may have gone
        lines = [board.total(), *passed_through.lines(running)]
        console.print(Text("\n".join(lines)))
    if not running.stopped_in_order:
        sys.exit(1)


def _greeting(settings: embedding.ProxySettings, running: embedding.RunningProxy) -> list[str]:
    if running.address is None:
        return [f"recording in mode {settings.mode} into {settings.out}"]
    # Scripts read the first line.
    lines = [f"listening on http://{authority(*running.address)}"]
    where = authority(*reachable(running.address))
    url = f"http://{where}"
    if settings.kind == "reverse":
        lines += [f"  base URL for the app: {url} or ws://{where}; no proxy setting needed"]
    elif settings.kind == "socks5":
        lines += [f"  set in the app: ALL_PROXY=socks5h://{where}"]
    else:
        lines += [f"  set in the app: HTTPS_PROXY={url} HTTP_PROXY={url}"]
    if reachable(running.address) != running.address:
        port = running.address[1]
        lines.append(f"  on other machines: use {socket.gethostname()}:{port}, or the IP address")
    lines += [
        f"  trust the CA:   SSL_CERT_FILE={running.ca} (Python; curl: CURL_CA_BUNDLE)",
        f"                  NODE_EXTRA_CA_CERTS={running.ca} (Node)",
        f"  traces are written to {settings.out}; stop with Ctrl-C",
    ]
    return lines


class _Board:
    """One line for each open session, and the lines printed when a session ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: list[SessionWriter] = []
        self._ended = 0
        self._lock = Lock()  # between the recorder's thread and that of the screen

    def begin(self, recording: SessionWriter) -> None:
        with self._lock:
            self._open.append(recording)

    def end(self, recording: SessionWriter) -> None:
        with self._lock:
            self._open.remove(recording)
            self._ended += 1
        # Recording continues if the reader has gone, or its disk is full.
        with contextlib.suppress(OSError, SystemExit):  # rich exits if the pipe is closed
            self._console.print(Text("\n".join(ended_lines(recording))))

    def total(self) -> str:
        return f"{plural(self._ended, 'session')} recorded"

    def __rich__(self) -> Group:
        with self._lock:
            return Group(*(Text(f"● {session_line(recording)}") for recording in self._open))
