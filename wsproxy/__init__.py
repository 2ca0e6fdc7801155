"""wsproxy records, explains and replays WebSocket sessions with speech APIs.

The Python API, with or without the pytest plugin (docs/testing.md):

    serve    serve a recorded session, a condition or a plan to the code under test
    open     open a trace to read it
    replay   replay a trace as the client against a server (replay_async: from async code)
    record   record the code under test

Its functions are loaded when they are first used: `import wsproxy` itself loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Message, Recorder, Served, Trace, open, record, replay, replay_async, serve  # noqa: A004

__version__ = "0.1.0"

__all__ = [
    "Message",
    "Recorder",
    "Served",
    "Trace",
    "__version__",
    "open",
    "record",
    "replay",
    "replay_async",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api  # noqa: PLC0415

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
