"""Log messages on stderr, as many as `-v` asks for."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator

import click

from wsproxy.report.safe_text import safe

from .hints import with_hints

# Log messages of other libraries are not shown: some of them contain headers and payloads.
_WITHOUT_VERBOSE = ("wsproxy",)
_WITH_VERBOSE = ("wsproxy", "mitmproxy")
# Bytes of a connection, in Python's notation, in mitmproxy's messages.
_BYTES = re.compile(r"\bb(?:'(?:[^'\\]|\\.)*+'|\"(?:[^\"\\]|\\.)*+\")", re.DOTALL)
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


@contextlib.contextmanager
def logging_on_stderr(verbosity: int) -> Iterator[None]:
    """Show log messages on stderr, for the body of a `with`.

    Args:
        verbosity: 0: warnings and errors of wsproxy; 1: info as well, and mitmproxy's, with
            the names of their loggers; 2 or more: debug as well.
    """
    level = _LEVELS[min(verbosity, len(_LEVELS) - 1)]
    handler = _OnStderr(level, named=verbosity > 0)
    loggers = [logging.getLogger(n) for n in (_WITH_VERBOSE if verbosity else _WITHOUT_VERBOSE)]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        if verbosity:
            logger.setLevel(level)
    try:
        yield
    finally:
        for logger, its_level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(its_level)


@contextlib.contextmanager
def info_on_stderr() -> Iterator[None]:
    """Show what a recorder reports meanwhile, such as removed traces, without `-v` too."""
    found = [h for h in logging.getLogger("wsproxy").handlers if isinstance(h, _OnStderr)]
    before = [handler.level for handler in found]
    for handler in found:
        handler.setLevel(min(handler.level, logging.INFO))
    try:
        yield
    finally:
        for handler, level in zip(found, before, strict=True):
            handler.setLevel(level)


class _OnStderr(logging.Handler):
    def __init__(self, level: int, *, named: bool) -> None:
        super().__init__(level)
        self._named = named

    def emit(self, record: logging.LogRecord) -> None:
        where = f"{record.levelname.lower()} {record.name}: " if self._named else ""
        try:
            text = with_hints(self._text(record), getattr(record, "settings", ()))
            for line in text.splitlines():
                click.echo(where + safe(line), err=True)
        except OSError:  # a log on the disk that is full, or a terminal that has gone
            self.handleError(record)

    def _text(self, record: logging.LogRecord) -> str:
        """The message; of another library's, without bytes, which may hold a credential."""
        text = self.format(record)
        return text if record.name.startswith("wsproxy") else _BYTES.sub("b'...'", text)
