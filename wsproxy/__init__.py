"""wsproxy records, explains and replays WebSocket sessions with speech APIs.

In scripts and tests, also without the pytest plugin (docs/testing.md):

    serve    a recorded session, a condition or a plan, served to the code under test
    open     a trace, to be read
    replay   a trace, replayed as the client against a server (replay_async: for async code)
    record   what the code under test does, recorded

They are loaded when they are first used: importing wsproxy itself costs nothing.
"""

from __future__ import annotations

import sys
from types import ModuleType
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

    # The function's name is the name of a package as well, and that is bound here by now.
    return globals()[name] if name in globals() else getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """The class of this package: of its packages, `wsproxy.replay` can be called as well."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "replay" and isinstance(value, ModuleType):
            value.__class__ = _Replay
        super().__setattr__(name, value)


class _Replay(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from . import api  # noqa: PLC0415

        return api.replay(*args, **options)


sys.modules[__name__].__class__ = _Package
