"""Options for how much two sessions may differ and still be the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.compare import NO_VARIATION, Tolerances, learn
from wsproxy.errors import UsageError

from .number import Number

F = TypeVar("F", bound=Callable[..., Any])


def tolerance_options(function: F) -> F:
    """Add the tolerances for what a server sends; without them it must be equal."""
    options = [
        click.option(
            "--max-wer",
            type=Number(min=0),
            metavar="X",
            help="Treat transcripts as equal up to this word error rate, such as 0.02; ignores "
            "case and punctuation.  [default: the text must be equal]",
        ),
        click.option(
            "--audio-tolerance",
            type=Number(min=0, max=1),
            metavar="X",
            help="Treat received audio as equal if its length differs by at most this fraction, "
            "whatever it contains.  [default: every byte must be equal]",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def same_as_option(function: F) -> F:
    """Add `--same-as`: recordings that show which values vary from session to session."""
    return click.option(
        "--same-as",
        type=click.Path(path_type=Path, dir_okay=False),
        multiple=True,
        metavar="TRACE",
        help="Another recording of the same session: values that differ between the two are "
        "not compared (repeatable).",
    )(function)


def rules_of(
    recorded: Path,
    *,
    exact: bool,
    same_as: tuple[Path, ...],
    max_wer: float | None = None,
    audio_tolerance: float | None = None,
) -> Tolerances:
    """The rules for the options.

    Args:
        recorded: the trace that others are compared with.

    Raises:
        UsageError: options that exclude each other, or a recording of another session.
        TraceError: a trace cannot be read.
    """
    tolerant = {"--max-wer": max_wer, "--audio-tolerance": audio_tolerance}
    given = [name for name, value in tolerant.items() if value is not None]
    given += ["--same-as"] if same_as else []
    if exact and given:
        raise UsageError(f"--exact excludes {given[0]}")
    if same_as and recorded.is_dir():
        raise UsageError(f"--same-as requires a single trace; {recorded} is a folder")
    variation = learn(recorded, same_as) if same_as else NO_VARIATION
    return Tolerances(exact, max_wer, audio_tolerance, variation)
