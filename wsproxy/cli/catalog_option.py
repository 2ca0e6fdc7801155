"""The option with which commands take catalog files of the user's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.catalog.loader import VARIABLE

F = TypeVar("F", bound=Callable[..., Any])


def catalog_option(function: F) -> F:
    """Add `--catalog`: more files, on top of those in the config folder."""
    option = click.option(
        "--catalog",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_remember,
        is_eager=True,
        help="A catalog file of your own, which adds to what is known or overrides it "
        "(repeatable).",
    )
    return option(function)


def _remember(_context: click.Context, _option: click.Parameter, files: tuple[Path, ...]) -> None:
    """Where everything that loads the catalog looks, in this process and its children."""
    known = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    if files:
        os.environ[VARIABLE] = os.pathsep.join([*known, *(str(path.absolute()) for path in files)])
