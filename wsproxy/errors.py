"""Every error that wsproxy raises on purpose.

    WsproxyError            one clear line for the user; `exit_status` for the command line
    ├── UsageError          2  the user's request cannot be carried out
    │   ├── InvalidValue    2  a setting has a value that is not of its form
    │   ├── CatalogError    2  a catalog file has a mistake
    │   ├── RecorderMissing 2  the recorder is not installed: mitmproxy is missing
    │   ├── NotebookMissing 2  a library for notebooks is not installed
    │   ├── UnknownCondition 2 the catalog has no such condition
    │   └── BlockingCall    2  a blocking call inside a running event loop
    ├── TraceError          3  the trace cannot be read
    │   ├── NotATrace       3  nothing in the file is a trace
    │   ├── StalePlace      3  a block is not where it was: the trace was written again
    │   └── LimitExceeded   3  the trace holds more than is kept in memory
    ├── NoAudio             1  there is no audio, or none that can be decoded or played
    ├── NotPublic           1  a public trace would contain personal data
    └── ConnectFailed       2  the peer could not be reached

Any other exception that escapes is a bug in wsproxy and keeps its traceback.

Messages name no option of the command line, because the Python API shows them too. A setting
that would avoid the error is data (`Setting`); `wsproxy.cli.hints` names the option for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that would avoid an error.

    Attributes:
        name: of the setting, as in the Python API: "force", "headers".
        value: what to set it to, without secrets: "Authorization: Token ..."; empty: any.
    """

    name: str
    value: str = ""


class WsproxyError(Exception):
    """Base of all errors that are shown to the user as one line.

    Args:
        message: what is wrong, and what to do unless `settings` say it.
        settings: the settings that would avoid the error.

    Attributes:
        exit_status: what a command exits with when this error ends it.
        settings: as given.
    """

    exit_status = 1

    def __init__(self, message: str = "", *settings: Setting) -> None:
        super().__init__(message)
        self.settings = settings


class UsageError(WsproxyError):
    """A request that cannot be carried out: a bad option, a port in use, an unwritable folder."""

    exit_status = 2


class InvalidValue(UsageError):
    """A setting has a value that is not of its form.

    Args:
        name: of the setting, as in the Python API: "after", "max_size".
        value: as given; None: it may be a credential, and is not repeated.
        problem: what is wrong, such as "expected a time such as 5s".
        choices: words that are valid; the message names the one nearest to `value`.
    """

    def __init__(
        self, name: str, value: str | None, problem: str, choices: Iterable[str] = ()
    ) -> None:
        self.name = name
        self.value = value
        self.problem = problem + did_you_mean(value or "", choices)
        super().__init__(self.text(name))

    def text(self, name: str) -> str:
        """The message with another name for the setting, such as that of an option."""
        shown = "" if self.value is None else f" {self.value!r}"
        return f"invalid {name} value{shown}: {self.problem}"

    def __reduce__(self) -> tuple[type[InvalidValue], tuple[str, str | None, str]]:
        return type(self), (self.name, self.value, self.problem)


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


class NotebookMissing(UsageError, ImportError):
    """A library for notebooks is not installed; the message names the extra that brings it."""


class UnknownCondition(UsageError):
    """No condition of the catalog has this id; the message names similar ones."""


class BlockingCall(UsageError, RuntimeError):
    """A blocking call inside a running event loop; the message names the async function."""


class TraceError(WsproxyError):
    """A trace cannot be read because of what is in the file."""

    exit_status = 3


class NotATrace(TraceError):
    """Nothing in the file could be read as a trace."""


class StalePlace(TraceError):
    """A block is no longer where it was when the trace was read: it was written again."""


class LimitExceeded(TraceError):
    """The trace holds more than its reader keeps in memory."""


class NoAudio(WsproxyError):
    """A session has no audio, or none that can be decoded or played; the message says why."""


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


def did_you_mean(given: str, choices: Iterable[str]) -> str:
    """The end of a message that names the choice nearest to what was given; "" if none is near."""
    import difflib  # noqa: PLC0415  # 10 ms, for a message that is seldom needed

    near = difflib.get_close_matches(given.strip().lower(), list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def one_of(choices: Sequence[str]) -> str:
    """Words as a sentence lists them: "a, b or c"."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), *choices[-1:])))
