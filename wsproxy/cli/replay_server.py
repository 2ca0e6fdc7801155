"""`wsproxy replay server`: replay traces as the server, for an app."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from wsproxy.api.proxy import Proxy, redirecting_proxy
from wsproxy.errors import UsageError
from wsproxy.replayer import GATE_UNITS, Pace, ReplayServer, ServerOptions, Verdict
from wsproxy.system.address import parse_address

from .catalog_option import catalog_option
from .replay_options import records_of, replay_options, until_option
from .replay_screen import INTERRUPTED, Interrupted, Screen, counted, leave
from .tolerance_options import rules_of

T = TypeVar("T")

_LINGER = 2.0  # seconds that the last session may take after the command has ended


@click.command(name="server")
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Address to listen on; port 0: any free port.",
)
@click.option(
    "--as-proxy",
    is_flag=True,
    help="Listen as a proxy: apps that use it reach the recording at the API's own host name. No "
    "connection to the API is made.",
)
@click.option(
    "--others",
    type=click.Choice(["pass", "refuse"]),
    default="pass",
    show_default=True,
    help="With --as-proxy: pass or refuse requests for other hosts.",
)
@click.option(
    "--confdir",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --as-proxy: folder of the proxy's CA.  [default: ~/.mitmproxy]",
)
@click.option(
    "--match",
    multiple=True,
    metavar="WHAT",
    help="Serve a trace only to requests with the same host, path, query, query.NAME, "
    "subprotocol or attempt (repeatable).  [default: path; for a single trace nothing]",
)
@click.option(
    "--gate",
    type=click.Choice(GATE_UNITS),
    default="bytes",
    show_default=True,
    help="Measure of the app's audio that recorded steps wait for: bytes, number of messages, or "
    "seconds (for an app that sends another encoding or sample rate).",
)
@click.option(
    "--max-sessions",
    type=click.IntRange(min=0),
    metavar="N",
    help="Exit after N sessions; 0: serve until Ctrl-C.  [default: one per trace; with CMD: until "
    "it ends]",
)
@until_option
@replay_options
@click.option("--json", "as_json", is_flag=True, help="Print verdicts as JSON, one a line.")
@click.argument("cmd", nargs=-1, metavar="[-- CMD...]")
def command(
    *,
    trace: Path,
    listen: str,
    as_proxy: bool,
    others: str,
    confdir: Path | None,
    match: tuple[str, ...],
    gate: str,
    max_sessions: int | None,
    until: str | None,
    pace: str,
    timeout: float,
    exact: bool,
    same_as: tuple[Path, ...],
    keep_ids: bool,
    out: Path | None,
    no_record: bool,
    as_json: bool,
    cmd: tuple[str, ...],
) -> None:
    """Replay TRACE as the server, for an app that connects to the printed URL.

    The upgrade is accepted or refused as recorded. Each frame is sent after the app has sent
    as much audio as preceded the frame in the recording, in whatever chunks, and after the
    recorded delay. The session ends as recorded: with a Close frame, an EOF, a reset, or
    silence. What the app sends is compared with the recording.

    If TRACE is a folder, each request is answered from the next trace that matches it.

    The first line on stdout is `listening on URL` (with --json, on stderr). With CMD, all
    output goes to stderr.

    \b
    For an app with a configurable base URL:
      wsproxy replay server call.wstrace --listen 127.0.0.1:9000
      DEEPGRAM_BASE_URL=ws://127.0.0.1:9000 python app.py      (in another terminal)
    \b
    For any app, unchanged, at the API's own host name:
      wsproxy replay server call.wstrace -- python app.py
      wsproxy replay server call.wstrace --as-proxy --listen 127.0.0.1:8080
    """
    host, port = parse_address(listen)
    through = as_proxy or bool(cmd)
    options = ServerOptions(
        host="127.0.0.1" if through else host,
        port=0 if through else port,
        pace=Pace.parse(pace),
        timeout=timeout,
        match=match,
        gate=gate,
        keep_ids=keep_ids or exact,
        rules=rules_of(trace, exact=exact, same_as=same_as),
        proxied=through,
    )
    screen = Screen(as_json=as_json, aside=bool(cmd))
    with records_of(out, no_record=no_record, warn=screen.warn) as records:
        server = ReplayServer(trace, options, records, on_refused=screen.warn)
        proxied = _Proxy(host, port, others, confdir) if through else None
        _serve(server, trace, screen, sessions=max_sessions, until=until, proxied=proxied, cmd=cmd)


class _Proxy:
    """Where the proxy listens, and what it does with other hosts."""

    def __init__(self, host: str, port: int, others: str, confdir: Path | None) -> None:
        self.host, self.port, self.others, self.confdir = host, port, others, confdir


def _serve(
    server: ReplayServer,
    trace: Path,
    screen: Screen,
    *,
    sessions: int | None,
    until: str | None,
    proxied: _Proxy | None,
    cmd: tuple[str, ...],
) -> NoReturn:
    """Serve sessions, and exit with the status for their verdicts."""
    for line in server.library.skipped:
        screen.warn(f"warning: skipped {line}")
    many = sessions
    if many is None:
        many = 0 if cmd or until else len(server.library.traces)
    server.set_limit(many)
    run = _Run(server, screen, many, until)
    try:
        if proxied is not None:
            screen.run(lambda: run.through_proxy(trace, proxied, cmd), run.known)
        else:
            screen.run(lambda: run.listening(trace), run.known)
    except Interrupted:
        if many or cmd:
            sys.exit(INTERRUPTED)
    screen.counts(run.verdicts)
    if cmd and run.status:
        screen.say(f"the command exited with status {run.status}")
    if cmd and not run.verdicts:
        screen.warn("warning: the command opened no session that the trace answers")
    leave(run.verdicts, until)


class _Run:
    """Serves sessions and collects their verdicts.

    Args:
        many: number of sessions to serve; 0: until stopped.
        until: the verdict to stop at.
    """

    def __init__(self, server: ReplayServer, screen: Screen, many: int, until: str | None) -> None:
        self._server = server
        self._screen = screen
        self._many = many
        self._until = until
        self.verdicts: list[Verdict] = []
        self.status = 0  # of the command

    def known(self) -> str:
        """The results so far, on one line."""
        return counted(self.verdicts, self._many)

    async def listening(self, trace: Path) -> None:
        """Serve apps that connect to the server directly."""
        async with self._server as running:
            self._screen.announce(f"listening on {running.url}")
            self._serving(trace)
            await self._serve()

    async def through_proxy(self, trace: Path, where: _Proxy, cmd: tuple[str, ...]) -> None:
        """Serve apps that use a proxy, or run a command through it."""
        async with self._server as server, _aside(self._redirecting_proxy(server, where)) as proxy:
            if not cmd:
                self._screen.announce(f"listening on {proxy.url}")
                self._screen.say(
                    f"  set in the app: HTTPS_PROXY={proxy.url} HTTP_PROXY={proxy.url}"
                )
                self._screen.say(f"  trust the CA:   SSL_CERT_FILE={proxy.ca}")
                self._serving(trace)
                await self._serve()
                return
            self._serving(trace)
            async with _command(cmd, proxy.env) as process:
                serving = asyncio.create_task(self._serve())
                self.status = await process.wait()
                # Its last session ends shortly after it.
                await server.wait_idle(_LINGER)
                serving.cancel()
                await asyncio.wait([serving])
                if not serving.cancelled():
                    serving.result()  # raises its error, such as a full disk
                while server.pending_verdicts:
                    await self._next()

    @staticmethod
    def _redirecting_proxy(server: ReplayServer, where: _Proxy) -> AbstractContextManager[Proxy]:
        def refused(host: str) -> None:
            """The app gets a 502, which may be intended: --others refuse."""

        listen = (where.host, where.port)
        return redirecting_proxy(
            server.address_for, refused, where.confdir, listen=listen, unmatched=where.others
        )

    def _serving(self, trace: Path) -> None:
        pace = self._server.options.pace
        self._screen.say(f"replaying {trace} as the server (pace: {pace}); waiting for the app")

    async def _serve(self) -> None:
        while not self._many or len(self.verdicts) < self._many:
            await self._next()
            if self.verdicts[-1].verdict == self._until:
                return

    async def _next(self) -> None:
        self.verdicts.append(await self._server.verdict())
        self._screen.verdict(self.verdicts[-1])


@asynccontextmanager
async def _aside(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a blocking `with` on a thread, while the event loop serves."""
    entered = await asyncio.to_thread(manager.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@asynccontextmanager
async def _command(
    cmd: tuple[str, ...], env: dict[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a command; terminate it if it still runs when the body of the `with` is left."""
    try:
        process = await asyncio.create_subprocess_exec(*cmd, env=env, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UsageError(f"cannot run {cmd[0]}: {error.strerror}") from None
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _LINGER)
        if process.returncode is None:
            process.kill()
            await process.wait()
