"""What the file of a trace is called."""

from __future__ import annotations

import re
import time
from pathlib import Path

from wsproxy.trace import DERIVED, REPLAYS, SUFFIX, Start

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # of providers and APIs in the catalog
_OURS = re.compile(
    r"[0-9]{8}T[0-9]{6}Z-[a-z0-9_-]{1,90}-([0-9a-f]{8})(?:\.part[0-9]{1,6})?" + re.escape(SUFFIX)
)


def trace_path(folder: Path, start: Start) -> Path:
    """Where a session's trace goes; nothing in the name comes from the traffic.

    Nor from another trace that this one replays, which may say anything to be its provider.
    The name of a replay, and of what is made from another trace, says so at its end.
    """
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start.started_at_ns / 1e9))
    names = [name for name in (start.provider, start.api) if name and _NAME.fullmatch(name)]
    label = (REPLAYS | DERIVED).get(start.mode or "")
    parts = [when, *(names or ["websocket"]), start.session[:8], *([label] if label else [])]
    return folder / f"{'-'.join(parts)}{SUFFIX}"


def session_in(name: str) -> str | None:
    """The beginning of the session's id in a name that a recorder gave, or of a part of it."""
    match = _OURS.fullmatch(name)
    return match[1] if match else None
