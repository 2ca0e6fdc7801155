"""`wsproxy mutate`: a new trace of another one, with changes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from wsproxy.catalog import load
from wsproxy.diagnose import summary
from wsproxy.errors import UsageError
from wsproxy.mutate import (
    Change,
    Chunk,
    Corrupt,
    Cut,
    Drop,
    FailWithCondition,
    KeepAlive,
    MutatedTrace,
    Replace,
    SetClose,
    SetEnd,
    SetHeader,
    SetQuery,
    SetStatus,
    Stall,
    mutate,
)
from wsproxy.report.json_output import dumps
from wsproxy.report.text import safe

from .catalog_option import catalog_option

# option: (what reads its value, how the value is called, help)
_CHANGES: dict[str, tuple[Callable[[str], Change], str, str]] = {
    "cut": (Cut.parse, "FROM..TO", "Remove what both sides sent between two times."),
    "stall": (
        Stall.parse,
        "AT+FOR[:client]",
        "Everything after AT comes FOR later; with :client, what the client sends.",
    ),
    "keepalive": (
        KeepAlive.parse,
        "drop|add:EVERY",
        "Drop all KeepAlive messages, or add one whenever the client is silent for so long.",
    ),
    "chunk": (Chunk.parse, "SIZE", "Cut the client's audio anew: 640 (bytes) or 20ms."),
    "drop": (Drop.parse, "FRAME", "Remove a frame, or a range: 5..9."),
    "corrupt": (
        Corrupt.parse,
        "FRAME[:OFFSET]",
        "Flip all bits of one byte of the payload; without OFFSET, the one in the middle.",
    ),
    "replace": (Replace.parse, "FRAME=TEXT", "Give a frame this payload."),
    "close": (
        SetClose.parse,
        "CODE[:REASON]",
        "The server closes with this; none: there is no Close frame.",
    ),
    "end": (SetEnd.parse, "eof|reset|silence", "How the connection ends."),
    "query": (
        SetQuery.parse,
        "NAME[=VALUE]",
        "Set a query parameter of the request; NAME alone removes it.",
    ),
    "header": (
        SetHeader.parse,
        "'NAME: VALUE'",
        "Set a header of the request; 'NAME:' removes it.",
    ),
    "status": (
        SetStatus.parse,
        "CODE[:BODY]",
        "The request is answered with this status, and no frame is sent.",
    ),
    "condition": (
        FailWithCondition.parse,
        "ID",
        "Fail the session with a condition of the catalog: what came after goes.",
    ),
}


class _InOrder(click.Command):
    """Remembers in which order options were given, which click does not tell."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[__name__] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


def _change_options(function: Callable[..., None]) -> Callable[..., None]:
    for name, (_, metavar, text) in reversed(_CHANGES.items()):
        function = click.option(f"--{name}", multiple=True, metavar=metavar, help=text)(function)
    return function


@click.command(name="mutate", cls=_InOrder)
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path))
@_change_options
@click.option(
    "--after",
    metavar="WHEN",
    help="When --condition comes: open, audio (the client's first message), silence, 3s "
    "(seconds after the upgrade), 20frames (messages of the client), 3audio (seconds of its "
    "audio).  [default: as the catalog says]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="Where the new trace goes.  [default: beside TRACE]",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    trace: Path,
    after: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    **given: tuple[str, ...],
) -> None:
    """Make a new trace of TRACE, with changes, in the order in which they are given.

    TRACE stays as it is. The new trace says what it was made from and how, is explained as
    what it is now, and can be replayed from both sides. Frames are numbered as `wsproxy show`
    numbers those of TRACE, whatever was changed before; times are those of the session as the
    changes before have left it. Credentials that you give are taken out again.

    \b
      wsproxy mutate call.wstrace --condition deepgram.listen.NET-0001
      wsproxy mutate call.wstrace --condition 3007-rate --after 20frames
      wsproxy mutate call.wstrace --cut 10s.. --stall 5s+15s:client --keepalive drop
      wsproxy mutate call.wstrace --chunk 20ms --out small-chunks.wstrace
      wsproxy mutate call.wstrace --close none --end reset
      wsproxy mutate call.wstrace --status '429:{"err_code": "TOO_MANY_REQUESTS"}'
      wsproxy mutate call.wstrace --drop 5..9 --corrupt 40 --replace '12={"type": "Stop"}'
      wsproxy mutate call.wstrace --query model=nova-2 --query language --header 'X-Try: 2'
    """
    if after is not None and len(given["condition"]) != 1:
        raise UsageError("--after says when --condition comes: give one of each")
    changes = list(_changes(ctx.meta[__name__], given, after or ""))
    if not changes:
        raise UsageError("nothing to change; see `wsproxy mutate --help`")
    made = mutate(trace, out, changes, force=force)
    if as_json:
        click.echo(dumps(_json(made), indent=2))
        return
    _print(made)
    _warn(made, changes)


def _changes(order: list[str], given: dict[str, tuple[str, ...]], after: str) -> Iterator[Change]:
    """The changes in the order of the command line."""
    values = {name: iter(texts) for name, texts in given.items()}
    for name in order:
        if name == "condition":
            yield FailWithCondition.parse(next(values[name]), after)
        elif name in values:
            yield _CHANGES[name][0](next(values[name]))


def _print(made: MutatedTrace) -> None:
    console = Console(highlight=False, soft_wrap=True)
    session = made.session
    start = session.start
    assert start is not None
    console.print(Text(f"made {safe(str(made.path))}"))
    console.print(
        Text(f"from session {safe(start.origin or '?')}: {safe(', '.join(made.changes))}")
    )
    console.print(Text(safe(summary(session, load()))))
    for finding in session.findings[:1]:
        console.print(Text(safe(f"{finding.severity}: {finding.id}: {finding.title}")))


def _warn(made: MutatedTrace, changes: list[Change]) -> None:
    """Where a session was to have a condition and is explained as something else."""
    wanted = [change.id.lower() for change in changes if isinstance(change, FailWithCondition)]
    found = next((finding.id for finding in made.session.findings), "")
    if wanted and not f".{found.lower()}".endswith(f".{wanted[-1]}"):
        text = f"note: what else is in the session makes it read as {found or 'a good one'} first"
        print(safe(text), file=sys.stderr)  # noqa: T201


def _json(made: MutatedTrace) -> dict[str, Any]:
    session = made.session
    return {
        "trace": str(made.path),
        "session": session.id,
        "origin": session.start.origin if session.start else None,
        "changes": list(made.changes),
        "ending": session.ending,
        "findings": [finding.id for finding in session.findings],
    }
