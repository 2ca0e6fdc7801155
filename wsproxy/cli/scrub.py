"""`wsproxy scrub`: anonymize traces for sharing."""

from __future__ import annotations

import re
import secrets
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from wsproxy.catalog import load
from wsproxy.diagnose import summary
from wsproxy.errors import InvalidValue, NotPublic, TraceError, UsageError
from wsproxy.replayer import Pace
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import safe
from wsproxy.scrub import Proof, Scrubbed, prove, scrub
from wsproxy.trace import SUFFIX, find_recordings

from .catalog_option import catalog_option
from .number import Number
from .progress import ProgressLine

_MAX_CHANGES = 8  # options in the command that a refusal suggests
# What leaves a place of a trace out, as options of `wsproxy mutate`.
_CHANGES = (
    (re.compile(r"frame (\d+)\b"), "--drop {}"),
    (re.compile(r"request header '([\w-]+)'"), "--header '{}:'"),
    (re.compile(r"request parameter '([\w.-]+)'"), "--query {}"),
)


@click.command(name="scrub")
@catalog_option
@click.argument(
    "traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE|FOLDER..."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE|FOLDER",
    help="File to write; for several traces a folder.  [default: the folder of each TRACE]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.option("--hosts", is_flag=True, help="Replace host names as well.")
@click.option(
    "--prove",
    "to_prove",
    is_flag=True,
    help="Verify that the failure is preserved: replay the result from both sides, and against "
    "the simulated condition.",
)
@click.option(
    "--pace",
    default="recorded",
    show_default=True,
    metavar="PACE",
    help="With --prove: when each step is played, as for `wsproxy replay`.",
)
@click.option(
    "--timeout",
    type=Number(min=0, min_open=True, max=86400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="With --prove: how much longer than in the recording the peer may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
def command(
    *,
    traces: tuple[Path, ...],
    out: Path | None,
    force: bool,
    hosts: bool,
    to_prove: bool,
    pace: str,
    timeout: float,
    as_json: bool,
) -> None:
    """Anonymize traces for sharing; the failure is preserved.

    Transcripts and texts to be spoken become synthetic words of the same length, audio becomes
    noise of the same size, loudness and encoding, ids become others of the same format. Times,
    sizes, frames, close codes and error texts are kept. Everything that is not known to be
    harmless is replaced.

    The result is checked before it is written. If it contains personal data of the original,
    or anything that looks like a credential, nothing is written. Review it with `wsproxy show`
    before you publish it.

    \b
      wsproxy scrub call.wstrace
      wsproxy scrub call.wstrace --prove
      wsproxy scrub recordings --out public --hosts
    \b
    Exit status:
      0  written, and verified with --prove      2  invalid option, or cannot be written
      1  personal data found, or not verified    3  a trace cannot be read
    """
    speed = Pace.parse(pace)
    paths, _ = find_recordings(traces)
    _check_out(out, paths)
    run = _Run(hosts=hosts, force=force)
    with ProgressLine("scrubbing") as progress:
        for path in progress.each(paths):
            run.scrub(path, out)
    proofs: Sequence[Proof | None] = [None] * len(run.made)
    if to_prove:
        made = [(each.path, each.finding_before) for _, each in run.made]
        with ProgressLine("verifying by replays"):
            proofs = prove(made, pace=speed, timeout=timeout)
    if as_json:
        click.echo(dumps(list(run.as_json(proofs)), indent=2))
    else:
        _print(run, proofs)
    if run.unreadable:
        sys.exit(TraceError.exit_status)
    if run.refused or any(proof is not None and not proof.survived for proof in proofs):
        sys.exit(1)


class _Run:
    """Scrubs traces, with the same synthetic names in all of them."""

    def __init__(self, *, hosts: bool, force: bool) -> None:
        self._hosts = hosts
        self._force = force
        self._key = secrets.token_bytes(16)
        self.made: list[tuple[Path, Scrubbed]] = []
        self.refused: list[tuple[Path, NotPublic]] = []
        self.unreadable = 0

    def scrub(self, path: Path, out: Path | None) -> None:
        try:
            made = scrub(path, out, hosts=self._hosts, force=self._force, key=self._key)
            self.made.append((path, made))
        except NotPublic as error:
            self.refused.append((path, error))
            for line in error.found:
                _warn(f"error: {path}: {line}")
            _warn(f"error: {path}: {_what_to_do(path, error)}")
        except TraceError as error:
            self.unreadable += 1
            _warn(f"error: {error}")

    def as_json(self, proofs: Sequence[Proof | None]) -> Iterator[dict[str, Any]]:
        for (path, made), proof in zip(self.made, proofs, strict=True):
            start = made.session.start
            yield {
                "trace": str(path),
                "made": str(made.path),
                "session": made.session.id,
                "origin": start.origin if start else None,
                "changes": start.changes if start else None,
                "explained_before": made.finding_before or None,
                "explained_now": made.finding_after or None,
                "notes": list(made.notes),
                **({"proof": proof.as_json()} if proof else {}),
            }
        for path, error in self.refused:
            yield {"trace": str(path), "made": None, "left": list(error.found)}


def _what_to_do(path: Path, error: NotPublic) -> str:
    """How to see what was found, and how to leave it out."""
    changes = dict.fromkeys(
        option.format(found[1])
        for line in error.found
        for pattern, option in _CHANGES
        if (found := pattern.match(line)) is not None
    )
    name = shlex.quote(str(path))
    see = f"nothing was written; see these places with `wsproxy show --full {name}`"
    if not changes:
        return (
            f"{see}; replace the response with `wsproxy mutate --status CODE`, "
            "or remove frames with `wsproxy mutate --drop FRAME` first"
        )
    options = " ".join([*list(changes)[:_MAX_CHANGES], *["..."][: len(changes) > _MAX_CHANGES]])
    return (
        f"{see}; leave them out with `wsproxy mutate {name} {options} --out reduced{SUFFIX}`, "
        f"then scrub reduced{SUFFIX}"
    )


def _check_out(out: Path | None, paths: Sequence[Path]) -> None:
    if not paths:
        raise UsageError("no traces found")
    if out is None or out.is_dir():
        return
    if out.suffix == SUFFIX and len(paths) == 1:
        return
    if out.suffix == SUFFIX:
        raise InvalidValue("out", str(out), "expected a folder for several traces")
    try:
        out.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"cannot create {out}: {error.strerror or error}") from None


def _print(run: _Run, proofs: Sequence[Proof | None]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    catalog = load()
    for (path, made), proof in zip(run.made, proofs, strict=True):
        console.print(Text(safe(f"wrote {made.path}, from {path}")))
        console.print(Text(safe(f"  {summary(made.session, catalog)}")))
        for line in made.notes:
            console.print(Text(safe(f"  note: {line}")))
        if made.finding_before != made.finding_after:
            was, now = (
                made.finding_before or "a good session",
                made.finding_after or "a good session",
            )
            _warn(f"warning: {made.path} is explained as {now}, but {path} as {was}")
        if proof is not None:
            console.print(Text(safe(f"  {_proof(proof)}")))


def _proof(proof: Proof) -> str:
    if proof.problem:
        return f"not verified: {proof.problem}"
    parts = [f"replay client {proof.as_client}", f"replay server {proof.as_server}"]
    parts += [f"simulated condition {proof.simulated}"] if proof.simulated else []
    word = "verified" if proof.survived else "not verified"
    return f"{word}: {', '.join(parts)}; explained as {proof.finding_after or 'a good session'}"


def _warn(line: str) -> None:
    print(safe(line), file=sys.stderr)  # noqa: T201
