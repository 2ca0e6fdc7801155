"""`wsproxy doctor`: check whether an app can be recorded here."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from wsproxy.doctor import all_checks
from wsproxy.doctor.result import CheckResult
from wsproxy.doctor.setup import Setup
from wsproxy.errors import UsageError
from wsproxy.report.safe_text import safe
from wsproxy.system.address import parse_address
from wsproxy.system.python_path import app_environment
from wsproxy.wording import plural

from . import app_process
from .hints import with_hints

_CONFDIR = "~/.mitmproxy"
_LISTEN = {"run": "127.0.0.1:0", "record": "127.0.0.1:8080"}
_COLORS = {"ok": "green", "note": "cyan", "warning": "yellow", "problem": "red"}
_STATE_WIDTH, _CHECK_WIDTH = 9, 14  # columns


@click.command(name="doctor")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["run", "record"]),
    default="run",
    show_default=True,
    help="The command that is to work: `wsproxy run`, which sets variables for the app, or "
    "`wsproxy record`, where you set them.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Address that the recorder is to listen on.  [default: that of the command]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("recordings"),
    show_default=True,
    help="Folder that traces are to be written to.",
)
@click.option(
    "--confdir",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of the proxy's CA.  [default: {_CONFDIR}]",
)
@click.option(
    "--catch",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Whether `wsproxy run` is to catch connections.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("cmd", nargs=-1, metavar="[-- CMD...]")
def command(
    purpose: str,
    listen: str | None,
    out: Path,
    confdir: Path | None,
    catch: str,
    as_json: bool,
    cmd: tuple[str, ...],
) -> None:
    """Check whether an app can be recorded here, and say what to do if not.

    For each check: the state (ok, note, warning, problem), what is so, why it matters, and what
    to do. Nothing is changed. The exit status is 1 if there is a problem.

    With CMD, the command is run as `wsproxy run` would run it, but with simulated speech APIs:
    no session reaches a provider. Its other connections are made as usual. Its output goes to
    stderr, nothing is recorded.

    \b
      wsproxy doctor
      wsproxy doctor --for record --listen 127.0.0.1:8080
      wsproxy doctor -- python app.py
    """
    if cmd and purpose == "record":
        raise UsageError("CMD is run as by `wsproxy run`; leave out --for record")
    if cmd:
        app_process.check(cmd[0])
    setup = Setup(
        env=app_environment(),
        is_run=purpose == "run",
        listen=parse_address(listen or _LISTEN[purpose]),
        out=out,
        confdir=(confdir or Path(_CONFDIR)).expanduser(),
        catch=catch,
        cmd=cmd,
    )
    results = list(all_checks.run_all(setup))
    if cmd:
        from .trial_run import trial_run  # noqa: PLC0415  # it imports mitmproxy

        results += trial_run(setup)
    results = [replace(each, remedy=with_hints(each.remedy, each.settings)) for each in results]
    counts = Counter(str(each.state) for each in results)
    if as_json:
        _print_json(results, counts)
    else:
        _print(results, counts)
    sys.exit(1 if counts["problem"] else 0)


def _print_json(results: Sequence[CheckResult], counts: Counter[str]) -> None:
    content = {
        "problems": counts["problem"],
        "warnings": counts["warning"],
        "results": [each.as_json() for each in results],
    }
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _print(results: Sequence[CheckResult], counts: Counter[str]) -> None:
    indent = " " * (_STATE_WIDTH + _CHECK_WIDTH)
    for each in results:
        state = click.style(each.state.ljust(_STATE_WIDTH), fg=_COLORS[each.state])
        click.echo(f"{state}{each.check.ljust(_CHECK_WIDTH)}{safe(each.what)}")
        if each.why:
            click.echo(f"{indent}why: {safe(each.why)}")
        if each.remedy:
            lines = map(safe, each.remedy.splitlines())
            click.echo(f"{indent}do:  " + f"\n{indent}     ".join(lines))
    found = [plural(counts[state], state) for state in ("problem", "warning") if counts[state]]
    click.echo(", ".join(found) or "no problems found")
