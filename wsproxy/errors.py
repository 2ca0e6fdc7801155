"""Every error that wsproxy raises on purpose.

    WsproxyError            one clear line for the user; `exit_status` for the command line
    ├── UsageError          2  the user's request cannot be carried out
    │   ├── CatalogError    2  a catalog file has a mistake
    │   ├── RecorderMissing 2  the recorder is not installed: mitmproxy is missing
    │   ├── UnknownCondition 2 the catalog has no such condition
    │   └── BlockingCall    2  a blocking call inside a running event loop
    ├── TraceError          3  the trace cannot be read
    │   ├── NotATrace       3  nothing in the file is a trace
    │   └── LimitExceeded   3  the trace holds more than is kept in memory
    ├── NotPublic           1  a public trace would contain personal data
    └── ConnectFailed       2  the peer could not be reached

Any other exception that escapes is a bug in wsproxy and keeps its traceback.
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
    """A request that cannot be carried out: a bad option, a port in use, an unwritable folder."""

    exit_status = 2


class CatalogError(UsageError):
    """A catalog file has a mistake; the message names the file and the key.

    Attributes:
        where: the key, such as "condition[3].match[1].code"; empty for the file itself.
        problem: what is wrong at that key.
    """

    def __init__(self, message: str, where: str = "", problem: str = "") -> None:
        super().__init__(message)
        self.where = where
        self.problem = problem or message


class RecorderMissing(UsageError):
    """Recording is not possible in this environment; the message names what is missing."""


class UnknownCondition(UsageError):
    """No condition of the catalog has this id; the message names similar ones."""


class BlockingCall(UsageError, RuntimeError):
    """A blocking call inside a running event loop; the message names the async function."""


class TraceError(WsproxyError):
    """A trace cannot be read because of what is in the file."""

    exit_status = 3


class NotATrace(TraceError):
    """Nothing in the file could be read as a trace."""


class LimitExceeded(TraceError):
    """The trace holds more than its reader keeps in memory."""


class NotPublic(WsproxyError):
    """A trace cannot be made public: it would contain personal data.

    Attributes:
        found: where and why, one line each, without the values.
    """

    def __init__(self, found: Iterable[object]) -> None:
        self.found = tuple(map(str, found))
        super().__init__("nothing was written: " + "; ".join(self.found))


class ConnectFailed(WsproxyError):
    """The peer could not be reached: DNS, TCP, TLS or the proxy in between failed."""

    exit_status = 2
