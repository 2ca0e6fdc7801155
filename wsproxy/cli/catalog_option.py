"""The option that adds catalog files of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from wsproxy.catalog.loader import using

F = TypeVar("F", bound=Callable[..., Any])


def catalog_option(function: F) -> F:
    """Add `--catalog`: more files, on top of those in the config folder."""
    option = click.option(
        "--catalog",
        multiple=True,
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_use,
        is_eager=True,
        help="Add the conditions in this catalog file, or override known ones (repeatable).",
    )
    return option(function)


def _use(ctx: click.Context, _option: click.Parameter, files: tuple[Path, ...]) -> None:
    """Have everything in this process that loads the catalog hold the files too."""
    ctx.with_resource(using(files))
