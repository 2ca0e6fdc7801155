"""Every error that wsproxy raises on purpose.

    WsproxyError            one clear line for the user; `exit_status` for the command line
    ├── UsageError          2  what the user asked for cannot be done
    │   ├── CatalogError    2  a catalog file has a mistake
    │   ├── RecorderMissing 2  there is no recorder, mitmproxy is missing
    │   ├── UnknownCondition 2 no such catalog condition
    │   └── BlockingCall    2  a call that waits, from inside of an event loop
    ├── TraceError          3  the trace cannot be read
    │   ├── NotATrace       3  nothing in the file is a trace
    │   └── LimitExceeded   3  the trace holds more than is kept in memory
    ├── NotPublic           1  something of people would be in a public trace
    └── ConnectFailed       2  the other end could not be reached

Everything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable


class WsproxyError(Exception):
    """Base of all errors that are shown to the user as one line.

    Attributes:
        exit_status: what a command exits with when this error ends it.
    """

    exit_status = 1


class UsageError(WsproxyError):
    """What was asked for cannot be done: a bad option, a port in use, an unwritable folder."""

    exit_status = 2


class CatalogError(UsageError):
    """A catalog file has a mistake; the message names the file and the key.

    Attributes:
        where: the key, such as "condition[3].match[1].code"; empty: the file as a whole.
        problem: what is wrong with it.
    """

    def __init__(self, message: str, where: str = "", problem: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.problem = problem or message


class RecorderMissing(UsageError):
    """Recording is asked for where it cannot be done; the message says what is missing."""


class UnknownCondition(UsageError):
    """No condition of the catalog has this id; the message names near ones."""


class BlockingCall(UsageError, RuntimeError):
    """A call that waits, from inside of a running event loop: the message names its twin."""


class TraceError(WsproxyError):
    """A trace cannot be read; the file's fault."""

    exit_status = 3


class NotATrace(TraceError):
    """Nothing in the file could be read as a trace."""


class LimitExceeded(TraceError):
    """The trace holds more than what reads it keeps in memory."""


class NotPublic(WsproxyError):
    """A trace cannot be made public: something of people would be in it.

    Attributes:
        found: where and why, one line each; no values.
    """

    def __init__(self, found: Iterable[object]) -> None:
        self.found = tuple(map(str, found))
        super().__init__("nothing was written: " + "; ".join(self.found))


class ConnectFailed(WsproxyError):
    """The other end could not be reached: DNS, TCP, TLS or the proxy in between."""

    exit_status = 2
