"""What may come out of a command, whatever went in."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from markdown_it import MarkdownIt

from wsproxy.catalog import load
from wsproxy.cli.main import main

MAX_CPU = 2.0  # seconds that one input may cost
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")


class Wrong(AssertionError):
    """An output that must not be."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one input; in memory where there is such a file system."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="wsproxy-fuzz-", dir=where) as folder:
        yield Path(folder)


def run(args: Sequence[str]) -> Output:
    """Run a command in this process.

    Raises:
        Wrong: what it printed must not be.
        Exception: any that is no error of ours.
    """
    out, err = io.StringIO(), io.StringIO()
    given, sys.argv = sys.argv, ["wsproxy", *args]
    status: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as exit_:
        status = exit_.code
    finally:
        sys.argv = given
    done = Output(status if isinstance(status, int) else 0, out.getvalue(), err.getvalue())
    check_text(done.err)
    if "--json" in args:
        check_json(done.out, lines=args[0] in ("show", "follow"))
    else:
        check_text(done.out)
    if "--markdown" in args:
        check_markdown(done.out)
    return done


def check_text(text: str) -> None:
    """Nothing in it that a terminal obeys.

    Raises:
        Wrong: there is.
    """
    bad = {c for c in text if not c.isprintable() and c != "\n"}
    if bad:
        raise Wrong(f"not printable: {sorted(bad)!r} in {_around(text, min(bad))}")


def _around(text: str, char: str) -> str:
    at = text.index(char)
    return repr(text[max(0, at - 60) : at + 60])


def check_json(text: str, *, lines: bool) -> None:
    """Strict JSON, printable, in UTF-8.

    Raises:
        Wrong: it is not.
    """
    check_text(text)
    text.encode()
    for part in text.splitlines() if lines else [text] if text else []:
        try:
            json.loads(part, parse_constant=_no_constant)
        except ValueError as error:
            raise Wrong(f"no JSON: {error}: {part[:200]!r}") from error


def _no_constant(name: str) -> NoReturn:
    raise Wrong(f"{name} in JSON")


def check_markdown(text: str) -> None:
    """No HTML, image, or link in it but those of the catalog's sources.

    Raises:
        Wrong: there is.
    """
    for token in _tokens(_MARKDOWN.parse(text)):
        if token.type in ("html_block", "html_inline", "image"):
            raise Wrong(f"{token.type}: {token.content!r}")
        if token.type == "link_open" and token.attrs["href"] not in _sources():
            raise Wrong(f"a link to {token.attrs['href']!r}")


def markdown_text(text: str) -> str:
    """What of Markdown is neither code nor a link's address, which is what GitHub looks through."""
    return "\n".join(t.content for t in _tokens(_MARKDOWN.parse(text)) if t.type == "text")


@functools.cache
def _sources() -> frozenset[str]:
    """The documents that the catalog names, as they are in a link."""
    return frozenset(map(_MARKDOWN.normalizeLink, (c.source.url for c in load().conditions)))


def _tokens(tokens: Sequence[Any]) -> Iterator[Any]:
    for token in tokens:
        yield token
        yield from _tokens(token.children or ())
