"""`wsproxy replay`: make a recorded session happen again, from either side."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.text import Text

from wsproxy.catalog import load
from wsproxy.diagnose import annotate
from wsproxy.errors import UsageError
from wsproxy.redact import Redactor, fingerprint_key
from wsproxy.replay import (
    ClientOptions,
    Pace,
    ReplayServer,
    ServerOptions,
    Verdict,
    replay_client,
)
from wsproxy.replay.recorded import Records
from wsproxy.report.differences import differences, what
from wsproxy.report.text import safe

from .address import parse_address
from .catalog_option import catalog_option

F = TypeVar("F", bound=Callable[..., Any])

_INTERRUPTED = 130  # what a shell makes of Ctrl-C; `git bisect run` stops on it


@click.group(name="replay")
def command() -> None:
    """Make a recorded session happen again, and say whether it did.

    \b
    As the client, against the API, or against a simulated one:
      wsproxy replay client call.wstrace --to wss://api.deepgram.com
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000
    \b
    As the server, for an app that is pointed at the printed URL:
      wsproxy replay server call.wstrace

    \b
    Exit status:
      0  reproduced          2  not done: bad option, server not reached, credential missing
      1  different, or not   3  the trace cannot be read
    """


def _shared(function: F) -> F:
    """Add what both sides take."""
    options = [
        click.option(
            "--pace",
            default="recorded",
            show_default=True,
            metavar="PACE",
            help="recorded: each step at its recorded time. x2, x0.5: twice as fast, half as "
            "fast. causal: the recorded time after what preceded it from the other side. fast: "
            "as soon as that is there.",
        ),
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            default=Path("recordings"),
            show_default=True,
            help="Folder for the trace of the replay.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The verdict as JSON on stdout."),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True, max=86400),
            default=10.0,
            show_default=True,
            metavar="SECONDS",
            help="How much longer than in the recording the other side may take.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@command.command()
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--to",
    required=True,
    metavar="URL",
    help="ws:// or wss:// URL of the server. A path or query in it takes the recorded one's place.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="Send this header, in the place of the recorded one (repeatable).",
)
@click.option(
    "--query",
    multiple=True,
    metavar="NAME=VALUE",
    help="Send this query parameter, in the place of the recorded one (repeatable).",
)
@click.option("--subprotocol", metavar="LIST", help="Offer this in Sec-WebSocket-Protocol.")
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Trust the certificates in this file (PEM).",
)
@_shared
def client(
    *,
    trace: Path,
    to: str,
    headers: tuple[str, ...],
    query: tuple[str, ...],
    subprotocol: str | None,
    insecure: bool,
    ca: Path | None,
    pace: str,
    out: Path,
    as_json: bool,
    timeout: float,
) -> None:
    """Replay TRACE as the client, against the server at a URL.

    The handshake, every frame with its fragments, and the way the connection ended are
    sent as the recorded client sent them; then the server is given its time to end the
    session as it did.

    Credentials were taken out of the trace when it was recorded. Your own are taken from
    --header, --query or --subprotocol, or from the environment variable of the provider
    (such as DEEPGRAM_API_KEY), and go to the server that you name and nowhere else. For a
    server on this machine a missing one is made up.

    \b
      wsproxy replay client call.wstrace --to wss://api.deepgram.com
      wsproxy replay client call.wstrace --to ws://127.0.0.1:9000 --pace fast
      wsproxy replay client call.wstrace --to wss://staging.example.com/v1/listen \\
          --header 'Authorization: Token ...' --query model=nova-3 --json
    """
    options = ClientOptions(
        to,
        Pace.parse(pace),
        [_split(text, ":", "--header", "'NAME: VALUE'") for text in headers],
        [_split(text, "=", "--query", "NAME=VALUE") for text in query],
        subprotocol,
        insecure=insecure,
        ca=ca,
        timeout=timeout,
    )
    screen = _Screen(as_json)
    screen.say(f"replaying {trace} as the client against {to} (pace: {pace})")
    verdict = screen.run(lambda: replay_client(trace, options, _records(out)))
    screen.verdict(verdict)
    sys.exit(0 if verdict.reproduced else 1)


@command.command()
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--sessions",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="How many sessions to serve; 0: until Ctrl-C.",
)
@_shared
def server(
    *,
    trace: Path,
    listen: str,
    sessions: int,
    pace: str,
    out: Path,
    as_json: bool,
    timeout: float,
) -> None:
    """Replay TRACE as the server, for an app that connects to the printed URL.

    The upgrade is answered or refused as recorded. Frames are sent once the app has sent
    as much as had come before them in the recording, however it cuts its audio, and after
    the recorded delay. The session ends as it did: with a Close frame, an EOF, a reset,
    or silence.

    The first line on stdout is `listening on ws://HOST:PORT` (with --json, on stderr).

    \b
      wsproxy replay server call.wstrace --listen 127.0.0.1:9000
      DEEPGRAM_BASE_URL=ws://127.0.0.1:9000 python app.py      (in another terminal)
    """
    host, port = parse_address(listen)
    options = ServerOptions(host, port, Pace.parse(pace), sessions, timeout)
    screen = _Screen(as_json)
    verdicts: list[Verdict] = []

    async def serve() -> None:
        async with ReplayServer(trace, options, _records(out)) as running:
            screen.announce(f"listening on {running.url}")
            screen.say(f"replaying {trace} as the server (pace: {pace}); waiting for the app")
            while not sessions or len(verdicts) < sessions:
                verdicts.append(await running.verdict())
                screen.verdict(verdicts[-1])

    screen.run(serve, until_stopped=not sessions, known=lambda: _known(verdicts, sessions))
    sys.exit(0 if verdicts and all(verdict.reproduced for verdict in verdicts) else 1)


def _known(verdicts: list[Verdict], sessions: int) -> str:
    reproduced = sum(verdict.reproduced for verdict in verdicts)
    of = f" of {sessions}" if sessions else ""
    return f"{len(verdicts)}{of} sessions served, {reproduced} reproduced"


def _split(text: str, mark: str, option: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found or not name.strip() or any(char in text for char in "\r\n\0"):
        raise UsageError(f"{option} {text!r}: give {form}")
    return name.strip(), value.strip()


def _records(out: Path) -> Records:
    catalog = load()
    redact = Redactor(catalog.credentials, fingerprint_key(), catalog.key_shapes)
    return Records(out, redact, partial(annotate, catalog=catalog))


T = TypeVar("T")


class _Screen:
    """What people see; with --json, only verdicts, and those as JSON."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._out = Console(highlight=False, soft_wrap=True)

    def announce(self, line: str) -> None:
        """A line that scripts wait for."""
        print(line, file=sys.stderr if self._json else sys.stdout, flush=True)

    def say(self, line: str) -> None:
        if not self._json:
            self._out.print(Text(safe(line)))

    def run(
        self,
        what: Callable[[], Awaitable[T]],
        *,
        until_stopped: bool = False,
        known: Callable[[], str] | None = None,
    ) -> T:
        """Run a coroutine; Ctrl-C ends it with one line.

        Args:
            until_stopped: Ctrl-C is how it is meant to end.
            known: what is known so far.
        """

        async def body() -> T:
            # SIGTERM ends it as Ctrl-C does: the trace gets its end record.
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
            return await what()

        # A shell starts background jobs with SIGINT ignored, and asyncio leaves that so.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return asyncio.run(body())
        except KeyboardInterrupt:
            so_far = known() if known else "no verdict; what was sent and received is in the trace"
            print(f"stopped: {so_far}", file=sys.stderr)  # noqa: T201
            if until_stopped:
                return None  # type: ignore[return-value]  # nobody waits for it
            sys.exit(_INTERRUPTED)

    def verdict(self, verdict: Verdict) -> None:
        if self._json:
            print(json.dumps(verdict.as_json()), flush=True)  # noqa: T201
            return
        style = "bold green" if verdict.reproduced else "bold red"
        recorded = f"  recorded: {what(verdict.recorded)}"
        self._out.print(Text.assemble((verdict.verdict, style), recorded))
        if verdict.differences:
            self._out.print(differences(verdict.differences))
        for note in verdict.notes:
            self._out.print(Text(f"note: {note}"))
        late = verdict.lateness_ms
        pace = f"half {late.p50:g} ms, 1 in 100 {late.p99:g} ms, most {late.max:g} ms"
        self._out.print(Text(f"steps late by: {pace}"))
        self._out.print(Text(f"recorded as {verdict.trace}"))
