"""`wsproxy recover`: repair traces after a crash."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click
from rich.console import Console
from rich.text import Text

from wsproxy.catalog import Catalog, load
from wsproxy.diagnose.annotation import annotate
from wsproxy.errors import InvalidValue, UsageError, WsproxyError
from wsproxy.recorder import OfflineTraceWriter
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe
from wsproxy.report.text import MAX_LOSS_LINES, ending, loss_lines
from wsproxy.session import Session
from wsproxy.trace import SUFFIX, Start, find_traces
from wsproxy.trace.recovery import RecoveryResult, recover

from .catalog_option import catalog_option
from .progress import ProgressLine


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
    with ProgressLine("recovering") as progress:
        for path in progress.each(found):
            try:
                recovered, session = _recover(path, out, catalog, in_place=in_place)
            except WsproxyError as error:
                status = max(status, error.exit_status)
                print(f"error: {safe(str(error))}", file=sys.stderr)  # noqa: T201
                continue
            status = max(status, 0 if recovered.complete else 1)
            if as_json:
                done.append(_json(recovered, session or Session.read(path)))
            else:
                console.print(Text("\n".join(_lines(recovered, session))))
            del session  # it holds a few bytes per frame
    if as_json:
        click.echo(dumps(done, indent=2))
    sys.exit(status)


def _recover(
    path: Path, out: Path | None, catalog: Catalog, *, in_place: bool
) -> tuple[RecoveryResult, Session | None]:
    """Recover a trace; returns the session in the clean trace too, None if none was written."""
    written: list[OfflineTraceWriter] = []

    def open_sink(file: BinaryIO, start: Start) -> OfflineTraceWriter:
        written.append(OfflineTraceWriter(file, start, partial(annotate, catalog=catalog)))
        return written[0]

    def recognize(host: str, target: str) -> tuple[str | None, str | None]:
        provider, api = catalog.recognize(host, target)
        return provider.id if provider else None, api.name if api else None

    recovered = recover(
        path,
        path if in_place else _place(path, out),
        always=out is not None,
        open_sink=open_sink,
        recognize=recognize,
    )
    return recovered, written[0].session if written else None


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


def _lines(recovered: RecoveryResult, session: Session | None) -> list[str]:
    name = safe(str(recovered.source))
    if session is None:
        return [f"{name}: complete, nothing to recover"]
    state = "complete" if recovered.complete else "recovered with losses"
    lines = [
        f"{name}: {state}, {session.sent.frames} frames sent, "
        f"{session.received.frames} received, {session.duration_ns / 1e9:.1f} s, {ending(session)}"
    ]
    if recovered.frames_missing:
        lines.append(f"    {recovered.frames_missing} frames are missing")
    lines += [f"    {line}" for line in loss_lines(recovered.losses)]
    if not recovered.ended:
        lines.append("    no end record: the last frames may be missing")
    if recovered.later and recovered.path == recovered.source:
        names = ", ".join(safe(path.name) for path in recovered.later[:MAX_LOSS_LINES])
        lines.append(f"    everything is in that file; you can delete {names}")
    return [*lines, f"    written to {safe(str(recovered.path))}"]


def _json(recovered: RecoveryResult, session: Session) -> dict[str, Any]:
    return {
        "trace": str(recovered.source),
        "out": str(recovered.path) if recovered.path is not None else None,
        "session": session.id,
        "whole": recovered.complete,
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
