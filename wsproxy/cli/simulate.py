"""`wsproxy simulate`: serve a simulated speech API."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from dataclasses import replace
from pathlib import Path

import click

from wsproxy.catalog import Condition, load
from wsproxy.errors import UsageError
from wsproxy.report.text import safe
from wsproxy.simulate import APIS, Limits, Seen, Simulator

from .address import parse_address

# After which moment a failure on command comes.
_MOMENTS = {
    "open": "at once after the upgrade",
    "audio": "after the client's first message",
    "silence": "when the client is silent for {silence:g} s, or ends the session",
}


@click.command(name="simulate")
@click.argument("condition", required=False)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default="a free port",
    metavar="HOST:PORT",
    help="Where to listen.",
)
@click.option(
    "--silence",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long a client may be silent. Documented are 10 s for Deepgram listen.",
)
@click.option(
    "--cert",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PEM",
    help="Serve wss:// with the certificate and key in this file.",
)
@click.option("--deflate", is_flag=True, help="Agree on permessage-deflate if it is offered.")
@click.option("--list", "listing", is_flag=True, help="List what can be simulated, and end.")
def command(
    *,
    condition: str | None,
    listen: str,
    silence: float | None,
    cert: Path | None,
    deflate: bool,
    listing: bool,
) -> None:
    """Serve a simulated speech API: Deepgram listen and speak, AssemblyAI v3.

    Without CONDITION it behaves as documented: sessions are good, and fail for what the
    client does wrong (no audio, no key, text as audio, chunks of the wrong length, ...).
    With CONDITION, an id of the catalog or its last part, every session fails that way.
    Any key is good, but for one with "bad" or "invalid" in it. Audio and transcripts are made.

    \b
      wsproxy simulate --listen 127.0.0.1:9000
      wsproxy simulate deepgram.listen.NET-0001 --silence 3
      wsproxy simulate 3007-rate
    """
    if listing:
        for entry in load().conditions:
            if entry.simulate is not None:
                click.echo(f"{entry.id:<44} {entry.title}")
        return
    chosen = load().condition(condition) if condition is not None else None
    host, port = parse_address(listen)
    limits = Limits()
    if silence is not None:
        limits = replace(limits, silence=silence, speak_silence=silence)
    simulator = Simulator(
        chosen,
        host,
        port,
        tls=_tls(cert),
        limits=limits,
        deflate=deflate,
        on_end=_over,
    )
    asyncio.run(_serve(simulator, chosen, limits))


async def _serve(simulator: Simulator, condition: Condition | None, limits: Limits) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no handlers here; Ctrl-C ends `asyncio.run` there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with simulator:
        for line in _greeting(simulator, condition, limits):
            click.echo(line)
        await stop.wait()


def _greeting(simulator: Simulator, condition: Condition | None, limits: Limits) -> list[str]:
    # Scripts read the first line.
    lines = [f"listening on {simulator.url}"]
    if condition is None:
        lines.append("  sessions are good, and fail only for what the client does wrong")
    else:
        lines.append(f"  every session fails with {condition.id}: {condition.title}")
        lines.append(f"  how: {_how(condition, limits)}")
    for path, (name, _) in APIS.items():
        if condition is None or not condition.apis or name.split()[1] in condition.apis:
            lines.append(f"  {name}: {simulator.url}{path}")
    lines.append(f"  base URL for SDKs: {simulator.url}; any key will do; Ctrl-C ends")
    return lines


def _how(condition: Condition, limits: Limits) -> str:
    script = condition.simulate
    assert script is not None
    if script.refuse is not None:
        return f"the upgrade is refused with HTTP {script.refuse.status}"
    moment = _MOMENTS[script.after].format(silence=limits.silence)
    if script.close is not None:
        code = "without a code" if script.close.code is None else str(script.close.code)
        return f"Close {code} {script.close.reason}".rstrip() + f", {moment}"
    return f"{'TCP reset' if script.end == 'reset' else 'end of stream'}, {moment}"


def _over(seen: Seen) -> None:
    click.echo(
        f"{seen.api or safe(seen.path)} {seen.request_id}: {safe(seen.ending)}; "
        f"{seen.binaries} binary and {seen.texts} text messages came "
        f"({seen.received} bytes), {seen.sent} were sent, {seen.audio_seconds:.1f} s of audio"
    )


def _tls(cert: Path | None) -> ssl.SSLContext | None:
    if cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"cannot use {cert}: {error.strerror or error}") from None
    return context
