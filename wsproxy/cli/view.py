"""`wsproxy view`: sessions in the browser, as they are recorded."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path

import click

from wsproxy.report.html.reading import MAX_AUDIO
from wsproxy.view import requirements

from .catalog_option import catalog_option
from .report import audio_size


@click.command(name="view")
@catalog_option
@click.argument(
    "place", default=Path("recordings"), type=click.Path(path_type=Path), metavar="[FOLDER|TRACE]"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default="a free port",
    metavar="PORT",
    help="Port to listen on, on 127.0.0.1.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--max-audio",
    default=MAX_AUDIO,
    show_default=True,
    metavar="SIZE",
    help="Limit the audio in the page of a session; of more audio, the end is included.",
)
def command(*, place: Path, port: int, open_browser: bool, max_audio: str) -> None:
    """Show the sessions in FOLDER in the browser, as they are recorded, until Ctrl-C.

    The start page lists the sessions of the folder (searched recursively), and those that are
    being recorded. The page of a session is that of `wsproxy report`; while the session is
    recorded, its frames, transcript, waveform and findings grow. Without an argument, the
    sessions in ./recordings are shown.

    The server listens on 127.0.0.1 only. Its URL has a token: whoever has it can read the
    sessions, and replay them. `wsproxy record --view` and `wsproxy run --view` start it too.

    \b
      wsproxy view
      wsproxy view recordings --open
      wsproxy view call.wstrace --port 8800
    """
    room = audio_size(max_audio)
    requirements.check()

    def started(url: str, _: asyncio.Event) -> None:
        # Scripts read the first line.
        click.echo(f"listening on {url}")
        sys.stdout.flush()
        if open_browser:
            webbrowser.open(url)

    asyncio.run(serve(place, port, room, started))


async def serve(
    place: Path, port: int, max_audio: int, started: Callable[[str, asyncio.Event], None]
) -> None:
    """Serve a folder or a trace until a signal, or until an event is set.

    Args:
        started: called with the URL and the event.

    Raises:
        UsageError: the place does not exist, or the port is in use.
    """
    from wsproxy.view.server import serving  # noqa: PLC0415  # it imports tornado

    async with serving(place, port=port, max_audio=max_audio) as server:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Windows has no signal handlers here; Ctrl-C ends `asyncio.run` there.
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stopped.set)
        started(server.url, stopped)
        await server.run(stopped)
