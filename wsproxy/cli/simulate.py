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
from wsproxy.report.safe_text import safe
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

from .catalog_ids import ConditionId
from .catalog_option import catalog_option
from .number import Number


@click.command(name="simulate")
@catalog_option
@click.argument("conditions", nargs=-1, type=ConditionId(simulated=True), metavar="[CONDITION]...")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default="a free port",
    metavar="HOST:PORT",
    help="Address to listen on.",
)
@click.option(
    "--after",
    metavar="WHEN",
    help="When to fail: open, audio (first client message), silence, 5s (seconds after the "
    "upgrade), 20frames (client messages), 3audio (seconds of client audio).  "
    "[default: as in the catalog]",
)
@click.option(
    "--probability",
    type=Number(0, 1),
    default=1.0,
    metavar="P",
    help="Probability that a session fails; the others succeed.",
)
@click.option("--seed", type=int, help="Random seed, for repeatable runs.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="TOML file with what happens in the first, second, ... session.",
)
@click.option(
    "--silence",
    type=Number(min=0, min_open=True),
    metavar="SECONDS",
    help="How long a client may be silent.  [default: as documented; Deepgram listen: 10 s]",
)
@click.option(
    "--cert",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PEM",
    help="Serve wss:// and https:// with the certificate and key in this file.",
)
@click.option("--deflate", is_flag=True, help="Negotiate permessage-deflate if it is offered.")
@click.option("--list", "listing", is_flag=True, help="List conditions and exit.")
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

    Without CONDITION, sessions succeed. Deepgram listen and speak and AssemblyAI v3 also
    validate what the client sends, and fail as documented (no audio, no key, text as audio,
    chunks of the wrong length, ...); other APIs play a successful session and validate
    nothing. Any key is accepted unless it contains "bad" or "invalid". Audio and transcripts
    are synthetic.

    With CONDITION, a catalog id or its last part, each session of its API fails with that
    condition. Several conditions of one API take turns.

    A plan lists what happens session by session; its last step is repeated:

    \b
      [[step]]
      condition = "deepgram.listen.NET-0000"
      times = 2
      after = "5s"
      [[step]]            # no condition: a successful session
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
        raise UsageError("--plan excludes CONDITION")
    if plan_file is not None:
        plan = Plan.read(plan_file, catalog.condition)
    else:
        trigger = Trigger.parse(after) if after is not None else None
        found = [catalog.condition(name) for name in conditions]
        steps = [PlanStep(c, trigger=trigger, probability=probability) for c in found]
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
        on_end=_report_end,
        catalog=catalog,
    )
    asyncio.run(_serve(simulator, plan, catalog))


async def _serve(simulator: Simulator, plan: Plan, catalog: Catalog) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers here; Ctrl-C ends `asyncio.run` there.
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
        lines.append("  sessions succeed unless the client makes a mistake")
    for step in plan.steps:
        lines += _described(step)
    lines.append(f"  base URL for SDKs: {simulator.url}; any key works; stop with Ctrl-C")
    lines += _addresses(simulator, plan.steps, catalog)
    return lines


def _described(step: PlanStep) -> list[str]:
    often = "" if step.times == 1 else f" ({step.times} times)"
    if step.condition is None:
        return [f"  a successful session{often}"]
    name = f"{step.condition.id}: {step.condition.title}"
    chance = "" if step.probability == 1 else f", {step.probability:.0%} of sessions"
    return [f"  {name}{often}{chance}", f"    {_how(step)}"]


def _how(step: PlanStep) -> str:
    assert step.condition is not None and step.condition.simulate is not None
    script = step.condition.simulate
    if script.refuse is not None:
        return f"refuses with HTTP {script.refuse.status}"
    trigger = step.trigger or Trigger(script.after)
    if script.close is not None:
        code = "without a code" if script.close.code is None else f"with {script.close.code}"
        return f"closes {code} {script.close.reason}".rstrip() + f", {trigger}"
    if script.end:
        return f"{'resets' if script.end == 'reset' else 'ends'} the connection, {trigger}"
    return f"sends a message, {trigger}; the session continues"


def _addresses(simulator: Simulator, steps: Sequence[PlanStep], catalog: Catalog) -> list[str]:
    """The addresses of the APIs; only of those that fail if any do."""
    wanted = {step.condition.provider for step in steps if step.condition is not None}
    lines = []
    for provider, api in simulated_apis(catalog):
        if wanted and provider not in wanted:
            continue
        path = "/" + api.url.partition("://")[2].partition("/")[2].partition("?")[0]
        scheme = simulator.url.replace("ws", "http", 1) if api.url[:4] == "http" else simulator.url
        lines.append(f"  {provider} {api.name}: {scheme}{path}")
    return lines


def _report_end(seen: ConnectionLog) -> None:
    click.echo(
        f"{seen.api or safe(seen.path)} {seen.request_id}: {safe(seen.ending)}; "
        f"received {seen.binaries} binary and {seen.texts} text messages "
        f"({seen.received} bytes, {seen.audio_seconds:.1f} s of audio), sent {seen.sent}"
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
