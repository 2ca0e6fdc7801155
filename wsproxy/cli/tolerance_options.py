"""Options that say how nearly two sessions have to be the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.compare import NOTHING, Rules, learn
from wsproxy.errors import UsageError

from .number import Number

F = TypeVar("F", bound=Callable[..., Any])


def tolerance_options(function: F) -> F:
    """Add the tolerances; without them everything that is compared has to be equal."""
    options = [
        click.option(
            "--max-wer",
            type=Number(min=0),
            metavar="X",
            help="Tolerate this many word errors per word of the transcript; case and "
            "punctuation do not count then.  [default: the texts have to be equal]",
        ),
        click.option(
            "--audio-tolerance",
            type=Number(min=0, max=1),
            metavar="X",
            help="Tolerate this part of the received audio more or less, whatever is in it.  "
            "[default: every byte has to be equal]",
        ),
        click.option(
            "--same-as",
            type=click.Path(path_type=Path, dir_okay=False),
            multiple=True,
            metavar="TRACE",
            help="Another recording of the same session: what differs between the two varies, "
            "and is not compared (repeatable).",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def rules_of(
    recorded: Path,
    *,
    exact: bool,
    max_wer: float | None,
    audio_tolerance: float | None,
    same_as: tuple[Path, ...],
) -> Rules:
    """What the options give.

    Args:
        recorded: the trace that others are compared with.

    Raises:
        UsageError: options that exclude each other, or another recording is not of the
            same session.
        TraceError: a trace cannot be read.
    """
    tolerant = {"--max-wer": max_wer, "--audio-tolerance": audio_tolerance}
    given = [name for name, value in tolerant.items() if value is not None]
    given += ["--same-as"] if same_as else []
    if exact and given:
        raise UsageError(f"--exact excludes {given[0]}")
    if same_as and recorded.is_dir():
        raise UsageError(f"--same-as goes with one trace; {recorded} is a folder")
    varying = learn(recorded, same_as) if same_as else NOTHING
    return Rules(exact, max_wer, audio_tolerance, varying)
