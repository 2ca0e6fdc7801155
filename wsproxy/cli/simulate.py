"""`wsproxy simulate`: serve simulated speech APIs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from wsproxy.catalog import Catalog, load
from wsproxy.errors import UsageError
from wsproxy.report.text import safe
from wsproxy.simulate import (
    ApiQuotas,
    ConnectionLog,
    Plan,
    PlanStep,
    Simulator,
    Trigger,
    simulated_apis,
)
from wsproxy.system.address import parse_address

from .catalog_option import catalog_option
from .number import Number


@click.command(name="simulate")
@catalog_option
@click.argument("conditions", nargs=-1, metavar="[CONDITION]...")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default="a free port",
    metavar="HOST:PORT",
    help="Where to listen.",
)
@click.option(
    "--after",
    metavar="WHEN",
    help="When in a session it fails: open, audio (the first message), silence, 5s (seconds), "
    "20frames (messages of the client), 3audio (seconds of its audio).  "
    "[default: as the catalog says]",
)
@click.option(
    "--probability",
    type=Number(0, 1),
    default=1.0,
    metavar="P",
    help="How likely it is that a session fails; the others are good.",
)
@click.option("--seed", type=int, help="Make the same choices again.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What the sessions meet, one after another (TOML).",
)
@click.option(
    "--silence",
    type=Number(min=0, min_open=True),
    metavar="SECONDS",
    help="How long a client may be silent. Documented are 10 s for Deepgram listen.",
)
@click.option(
    "--cert",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PEM",
    help="Serve wss:// and https:// with the certificate and key in this file.",
)
@click.option("--deflate", is_flag=True, help="Agree on permessage-deflate if it is offered.")
@click.option("--list", "listing", is_flag=True, help="List what can be simulated, and end.")
def command(
    *,
    conditions: tuple[str, ...],
    listen: str,
    after: str | None,
    probability: float,
    seed: int | None,
    plan_file: Path | None,
    silence: float | None,
    cert: Path | None,
    deflate: bool,
    listing: bool,
) -> None:
    """Serve simulated speech APIs at their real paths: WebSocket and plain HTTP, on one port.

    Without CONDITION they behave. Deepgram listen and speak and AssemblyAI v3 also check
    what the client does, and fail it as documented (no audio, no key, text as audio, chunks
    of the wrong length, ...); the others play their part of a good session and check nothing.
    Any key is good, but for one with "bad" or "invalid" in it. Audio and transcripts are made.

    With CONDITION, an id of the catalog or its last part, each session of its API fails that
    way. Several for one API take turns, and each is met on its own API.

    A plan says what comes one after another; after its last step, that one stays:

    \b
      [[step]]
      condition = "deepgram.listen.NET-0000"
      times = 2
      after = "5s"
      [[step]]            # no condition: a good session
    \b
      wsproxy simulate --listen 127.0.0.1:9000
      wsproxy simulate deepgram.listen.NET-0001 --silence 3
      wsproxy simulate 3007-rate soniox.stt.balance --after 20frames
      wsproxy simulate --plan twice-then-good.toml
    """
    catalog = load()
    if listing:
        for entry in catalog.conditions:
            if entry.simulated:
                click.echo(f"{entry.id:<44} {entry.title}")
        return
    if plan_file is not None and conditions:
        raise UsageError("give either CONDITION or --plan, not both")
    if plan_file is not None:
        plan = Plan.read(plan_file, catalog.condition)
    else:
        moment = Trigger.parse(after) if after is not None else None
        found = [catalog.condition(name) for name in conditions]
        steps = [PlanStep(c, trigger=moment, probability=probability) for c in found]
        plan = Plan(steps, repeat=True)
    plan.chance = random.Random(seed)
    host, port = parse_address(listen)
    limits = ApiQuotas()
    if silence is not None:
        limits = replace(limits, silence=silence, speak_silence=silence)
    simulator = Simulator(
        plan,
        host,
        port,
        tls=_tls(cert),
        limits=limits,
        deflate=deflate,
        on_end=_over,
        catalog=catalog,
    )
    asyncio.run(_serve(simulator, plan, catalog))


async def _serve(simulator: Simulator, plan: Plan, catalog: Catalog) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no handlers here; Ctrl-C ends `asyncio.run` there.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    async with simulator:
        for line in _greeting(simulator, plan, catalog):
            click.echo(line)
        await stop.wait()


def _greeting(simulator: Simulator, plan: Plan, catalog: Catalog) -> list[str]:
    # Scripts read the first line.
    lines = [f"listening on {simulator.url}"]
    if not any(step.condition for step in plan.steps):
        lines.append("  sessions are good, and fail only for what the client does wrong")
    for step in plan.steps:
        lines += _described(step)
    lines.append(f"  base URL for SDKs: {simulator.url}; any key will do; Ctrl-C ends")
    lines += _addresses(simulator, plan.steps, catalog)
    return lines


def _described(step: PlanStep) -> list[str]:
    often = "" if step.times == 1 else f" ({step.times} times)"
    if step.condition is None:
        return [f"  a good session{often}"]
    name = f"{step.condition.id}: {step.condition.title}"
    chance = "" if step.probability == 1 else f", {step.probability:.0%} of the sessions"
    return [f"  {name}{often}{chance}", f"    {_how(step)}"]


def _how(step: PlanStep) -> str:
    assert step.condition is not None and step.condition.simulate is not None
    script = step.condition.simulate
    if script.refuse is not None:
        return f"answered with HTTP {script.refuse.status}"
    moment = step.trigger or Trigger(script.after)
    if script.close is not None:
        code = "without a code" if script.close.code is None else str(script.close.code)
        return f"Close {code} {script.close.reason}".rstrip() + f", {moment}"
    if script.end:
        return f"{'TCP reset' if script.end == 'reset' else 'end of stream'}, {moment}"
    return f"a message, {moment}; the session goes on"


def _addresses(simulator: Simulator, steps: Sequence[PlanStep], catalog: Catalog) -> list[str]:
    """Where the APIs are; of those that fail if there are such."""
    wanted = {step.condition.provider for step in steps if step.condition is not None}
    lines = []
    for provider, api in simulated_apis(catalog):
        if wanted and provider not in wanted:
            continue
        path = "/" + api.url.partition("://")[2].partition("/")[2].partition("?")[0]
        scheme = simulator.url.replace("ws", "http", 1) if api.url[:4] == "http" else simulator.url
        lines.append(f"  {provider} {api.name}: {scheme}{path}")
    return lines


def _over(seen: ConnectionLog) -> None:
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
