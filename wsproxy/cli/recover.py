"""`wsproxy recover`: repair traces after a crash."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose import annotate
from wsproxy.errors import InvalidValue, UsageError, WsproxyError
from wsproxy.recover import Recovered, recover
from wsproxy.report.jsontext import dumps
from wsproxy.report.text import ending, safe
from wsproxy.trace import SUFFIX, find_traces

from .catalog_option import catalog_option
from .progress import Progress

_LOSSES = 5  # shown for a trace


@click.command(name="recover")
@catalog_option
@click.argument("traces", nargs=-1, required=True, metavar="TRACE|FOLDER...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="File or folder to write to.  [default: NAME-recovered.wstrace in the folder of TRACE]",
)
@click.option("--in-place", is_flag=True, help="Replace TRACE after the repaired trace is on disk.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(traces: tuple[str, ...], out: Path | None, in_place: bool, as_json: bool) -> None:
    """Repair traces after a crash, a power failure or a disk error.

    All commands can read damaged traces. A repaired trace also has an end record and findings,
    and it records what is missing. A complete trace is copied only if you give --out. A trace
    that is still being written is left alone. A trace in several parts becomes one file.

    \b
      wsproxy recover recordings/20261121T004012Z-deepgram-listen-1f9a0c42.wstrace
      wsproxy recover recordings --in-place
      wsproxy recover damaged.wstrace --out repaired.wstrace
    \b
    Exit status:
      0  all traces complete        2  a trace cannot be written
      1  some data is lost          3  nothing in a TRACE can be read
    """
    if in_place and out is not None:
        raise UsageError("--out and --in-place exclude each other")
    found = find_traces(list(traces))
    if out is not None and len(found) > 1 and not out.is_dir():
        raise InvalidValue("out", str(out), "expected an existing folder for several traces")
    catalog = load()
    console = Console(highlight=False, soft_wrap=True)
    done: list[dict[str, Any]] = []  # for --json
    status = 0
    with Progress("recovering") as progress:
        for path in progress.each(found):
            try:
                recovered = _recover(path, out, catalog, in_place=in_place)
            except WsproxyError as error:
                status = max(status, error.exit_status)
                print(f"error: {safe(str(error))}", file=sys.stderr)  # noqa: T201
                continue
            status = max(status, 0 if recovered.whole else 1)
            if as_json:
                done.append(_json(recovered))
            else:
                console.print(Text("\n".join(_lines(recovered))))
            del recovered  # it holds a few bytes per frame
    if as_json:
        click.echo(dumps(done, indent=2))
    sys.exit(status)


def _recover(path: Path, out: Path | None, catalog: Catalog, *, in_place: bool) -> Recovered:
    def recognise(host: str, target: str) -> tuple[str | None, str | None]:
        provider, api = catalog.recognise(host, target)
        return provider.id if provider else None, api.name if api else None

    return recover(
        path,
        path if in_place else _place(path, out),
        always=out is not None,
        diagnose=partial(annotate, catalog=catalog),
        recognise=recognise,
    )


def _place(path: Path, out: Path | None) -> Path:
    """Where the repaired trace goes."""
    if out is None:
        place = path.with_name(f"{path.name.removesuffix(SUFFIX)}-recovered{SUFFIX}")
    else:
        place = out / path.name if out.is_dir() else out
    if place.suffix != SUFFIX:
        raise InvalidValue("out", str(place), f"expected a name that ends in {SUFFIX}")
    if place.exists() and path.exists() and place.samefile(path):
        raise UsageError(f"{place} already exists; use --in-place to replace it")
    return place


def _lines(recovered: Recovered) -> list[str]:
    session = recovered.session
    name = safe(str(recovered.source))
    if recovered.whole and recovered.path is None:
        return [f"{name}: complete, nothing to recover"]
    state = "complete" if recovered.whole else "recovered with losses"
    lines = [
        f"{name}: {state}, {session.sent.frames} frames sent, "
        f"{session.received.frames} received, {session.duration_ns / 1e9:.1f} s, {ending(session)}"
    ]
    if recovered.frames_missing:
        lines.append(f"    {recovered.frames_missing} frames are missing")
    lines += [f"    {loss}" for loss in recovered.losses[:_LOSSES]]
    if len(recovered.losses) > _LOSSES:
        lines.append(f"    and {len(recovered.losses) - _LOSSES} more")
    if not recovered.ended:
        lines.append("    no end record: the last frames may be missing")
    if recovered.later and recovered.path == recovered.source:
        names = ", ".join(safe(path.name) for path in recovered.later[:_LOSSES])
        lines.append(f"    everything is in that file; you can delete {names}")
    return [*lines, f"    written to {safe(str(recovered.path))}"]


def _json(recovered: Recovered) -> dict[str, Any]:
    session = recovered.session
    return {
        "trace": str(recovered.source),
        "out": str(recovered.path) if recovered.path is not None else None,
        "session": session.id,
        "whole": recovered.whole,
        "ended": recovered.ended,
        "ending": session.ending,
        "frames_sent": session.sent.frames,
        "frames_received": session.received.frames,
        "frames_missing": recovered.frames_missing,
        "losses": [
            {"offset": loss.offset, "size": loss.size, "reason": loss.reason}
            for loss in recovered.losses
        ],
        "findings": [finding.id for finding in session.findings],
    }
