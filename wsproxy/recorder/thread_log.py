"""Logging on the recorder's own threads."""

from __future__ import annotations

import contextlib
import logging
from typing import Any


class ThreadLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that never raises.

    A log handler may exit where it cannot print, as mitmproxy's does: on a full disk, or on a
    pipe that nobody reads. On a thread this would end the thread, and the recording with it,
    without a message.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name))

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        with contextlib.suppress(Exception, SystemExit):
            super().log(level, msg, *args, **kwargs)
