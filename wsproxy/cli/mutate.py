"""`wsproxy mutate`: create an edited copy of a trace."""

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
from wsproxy.report.safe_text import safe

from .catalog_ids import ConditionId
from .catalog_option import catalog_option
from .progress import ProgressLine

# option: (parser of its value, metavar, help)
_CHANGES: dict[str, tuple[Callable[[str], Change], str, str]] = {
    "cut": (Cut.parse, "FROM..TO", "Remove everything that was sent between two times."),
    "stall": (
        Stall.parse,
        "AT+FOR[:client]",
        "Delay everything after AT by FOR; with :client only what the client sends.",
    ),
    "keepalive": (
        KeepAlive.parse,
        "drop|add:EVERY",
        "Drop all KeepAlive messages, or add one after every EVERY of client silence.",
    ),
    "chunk": (Chunk.parse, "SIZE", "Re-chunk the client's audio: 640 (bytes) or 20ms."),
    "drop": (Drop.parse, "FRAME", "Remove a frame or a range of frames: 5..9."),
    "corrupt": (
        Corrupt.parse,
        "FRAME[:OFFSET]",
        "Flip all bits of one byte of the payload.  [default OFFSET: the middle]",
    ),
    "replace": (Replace.parse, "FRAME=TEXT", "Replace the payload of a frame."),
    "close": (
        SetClose.parse,
        "CODE[:REASON]",
        "Make the server close with this code; none: remove the Close frame.",
    ),
    "end": (SetEnd.parse, "eof|reset|silence", "Set how the connection ends."),
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
        "Answer the request with this status; no frame is sent.",
    ),
    "condition": (
        FailWithCondition.parse,
        "ID",
        "Make the session fail with this catalog condition; later frames are removed.",
    ),
}


class _InOrder(click.Command):
    """Records the order of the options, which click does not report."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[__name__] = [parameter.name for parameter in order]
        return super().parse_args(ctx, args)


def _change_options(function: Callable[..., None]) -> Callable[..., None]:
    for name, (_, metavar, text) in reversed(_CHANGES.items()):
        kind = ConditionId(simulated=True) if name == "condition" else None
        option = click.option(f"--{name}", type=kind, multiple=True, metavar=metavar, help=text)
        function = option(function)
    return function


@click.command(name="mutate", cls=_InOrder)
@catalog_option
@click.argument("trace", type=click.Path(path_type=Path))
@_change_options
@click.option(
    "--after",
    metavar="WHEN",
    help="When to apply --condition: open, audio (first client message), silence, 3s (seconds "
    "after the upgrade), 20frames (client messages), 3audio (seconds of client audio).  "
    "[default: as in the catalog]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="File or folder to write to.  [default: the folder of TRACE]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    """Create an edited copy of TRACE. Changes are applied in the order given.

    TRACE itself is not changed. The copy records where it comes from and what was changed; it
    can be explained, and replayed from both sides. Frame numbers are always those that
    `wsproxy show` prints for TRACE; times are those after the preceding changes. Credentials
    in values are redacted.

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
        raise UsageError("--after requires exactly one --condition")
    changes = list(_changes(ctx.meta[__name__], given, after or ""))
    if not changes:
        raise UsageError("no change given; see `wsproxy mutate --help`")
    with ProgressLine(f"changing {trace.name}"):
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
    console.print(Text(f"wrote {safe(str(made.path))}"))
    console.print(
        Text(f"derived from session {safe(start.origin or '?')}: {safe(', '.join(made.changes))}")
    )
    console.print(Text(safe(summary(session, load()))))
    for finding in session.findings[:1]:
        console.print(Text(safe(f"{finding.severity}: {finding.id}: {finding.title}")))


def _warn(made: MutatedTrace, changes: list[Change]) -> None:
    """Warn if the session was to have a condition but is explained differently."""
    wanted = [change.id.lower() for change in changes if isinstance(change, FailWithCondition)]
    found = next((finding.id for finding in made.session.findings), "")
    if wanted and not f".{found.lower()}".endswith(f".{wanted[-1]}"):
        text = f"note: because of its other content, it is explained as {found or 'a good session'}"
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
