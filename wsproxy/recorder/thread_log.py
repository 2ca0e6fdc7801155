"""Logging on the recorder's own threads."""

from __future__ import annotations

import contextlib
import logging
from typing import Any


class ThreadLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that never raises.

    mitmproxy's handler exits where it cannot print: its output goes to a disk that is full,
    or to a pipe that nobody reads any more. On a thread that would end the thread alone, and
    the recording with it, without a word.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name))

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        with contextlib.suppress(Exception, SystemExit):
            super().log(level, msg, *args, **kwargs)
