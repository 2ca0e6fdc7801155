"""What the Python programs of test_sdk_conditions.py share.

Usage of each: python PROGRAM LISTING AUDIO MODE

LISTING: a JSON file, a list of {"id": condition, "url": "wss://host:port"}. AUDIO: see common.py.
One session is held with each URL, some of them side by side. One JSON line is printed for each:

    {"id": ..., "sdk": ..., "said": [{"where": ..., "type": ..., "text": ..., "more": {...}}]}

`said` is what the app was told, in its order: `where` is the event, "raised by NAME", or "log";
`more` holds what else can be read from the object that it was given, by its Python path.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AT_ONCE = 12
PATIENCE = 3.5  # seconds after the last message, for an end to come
PAUSE = 0.3  # seconds between two text messages

_LISTING: list[dict[str, str]] = json.loads(Path(sys.argv[1]).read_text())
CASES = [(case["id"], case["url"]) for case in _LISTING]
_DEPTH = 4
_SHOWN = ("websockets", "deepgram", "assemblyai")  # packages whose objects are looked into
_printing = threading.Lock()


class Said:
    """What an app was told in one session."""

    def __init__(self, sdk: str, case: str) -> None:
        self._line: dict[str, Any] = {"id": case, "sdk": sdk, "said": []}

    def error(self, where: str, error: BaseException) -> None:
        more: dict[str, str] = {}
        _look(error, "error", more, _DEPTH)
        self._add(where, type(error).__name__, str(error), more)

    def log(self, text: str) -> None:
        self._add("log", "", text, {})

    def _add(self, where: str, kind: str, text: str, more: dict[str, str]) -> None:
        self._line["said"].append({"where": where, "type": kind, "text": text, "more": more})

    def print(self) -> None:
        with _printing:
            print(json.dumps(self._line), flush=True)


def _look(thing: object, path: str, found: dict[str, str], depth: int) -> None:
    """Collect what can be read from an object: its public attributes, and what caused it."""
    if isinstance(thing, bytes):
        found[path] = thing.decode(errors="replace")
    elif isinstance(thing, str | int):
        found[path] = str(thing)
    elif isinstance(thing, Mapping):
        found[path] = "\n".join(f"{name}: {value}" for name, value in thing.items())
    elif depth > 0 and type(thing).__module__.startswith(_SHOWN):
        names = [name for name in getattr(thing, "__dict__", {}) if not name.startswith("_")]
        names += getattr(thing, "__dataclass_fields__", {})
        names += ["__context__"] if isinstance(thing, BaseException) else []
        for name in dict.fromkeys(names):
            _look(getattr(thing, name, None), f"{path}.{name}", found, depth - 1)


class LastLog(logging.Handler):
    """The last error that a package logged on each thread."""

    def __init__(self, package: str) -> None:
        super().__init__(logging.ERROR)
        self._here = threading.local()
        logger = logging.getLogger(package)
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self._here.text = record.getMessage()

    def take(self) -> str:
        text: str = getattr(self._here, "text", "")
        self._here.text = ""
        return text
