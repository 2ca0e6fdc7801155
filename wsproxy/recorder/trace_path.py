"""Names of trace files."""

from __future__ import annotations

import re
import time
from pathlib import Path

from wsproxy.trace import DERIVED, REPLAYS, SUFFIX, Start

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")  # of providers and APIs in the catalog
_RECORDED = re.compile(
    r"[0-9]{8}T[0-9]{6}Z-[a-z0-9_-]{1,90}-([0-9a-f]{8})(?:\.part[0-9]{1,6})?" + re.escape(SUFFIX)
)


def trace_path(folder: Path, start: Start) -> Path:
    """The path of a session's trace.

    Nothing in the name comes from the traffic, and the provider of a replayed trace, which may
    be any text, is used only if it is a valid name. The names of replays and of derived traces
    end with a label.
    """
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start.started_at_ns / 1e9))
    names = [name for name in (start.provider, start.api) if name and _NAME.fullmatch(name)]
    label = (REPLAYS | DERIVED).get(start.mode or "")
    parts = [when, *(names or ["websocket"]), start.session[:8], *([label] if label else [])]
    return folder / f"{'-'.join(parts)}{SUFFIX}"


def session_in(name: str) -> str | None:
    """The beginning of the session id in a file name of a recorder, or of a part; else None."""
    match = _RECORDED.fullmatch(name)
    return match[1] if match else None
