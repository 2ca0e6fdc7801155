"""Searches the texts of sessions: text messages, and reasons of closes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from wsproxy.errors import TraceError
from wsproxy.report.safe_text import short
from wsproxy.trace import FrameRecord, TraceReader, bounded
from wsproxy.trace.read_limits import Allowance
from wsproxy.wire import Opcode

MAX_FOUND = 100  # sessions
MAX_SECONDS = 20.0
_PER_SESSION = 5  # places that are listed of a session
_AROUND = 60  # characters before and after what was found
_SEARCHED = 1 << 20  # bytes of a message
_TEXTS = (Opcode.TEXT, Opcode.CONTINUATION, Opcode.CLOSE)

Found = dict[str, Any]


def search(
    sessions: Iterable[tuple[str, Path]], wanted: str, is_stopped: Callable[[], bool]
) -> dict[str, Any]:
    """Find a text in sessions, in any case.

    Args:
        sessions: id and trace of each, in the order in which they are searched.
        is_stopped: whether the answer is no longer wanted.

    Returns:
        `found`: [{id, frames: [{frame, t (seconds), text}]}]; `searched`: how many sessions were;
        `complete`: whether all were.
    """
    found: list[Found] = []
    searched, complete = 0, True
    end = time.monotonic() + MAX_SECONDS
    allowance = Allowance()  # one for all: a folder may hold thousands of traces
    for session, path in sessions:
        if is_stopped() or time.monotonic() > end or len(found) >= MAX_FOUND:
            complete = False
            break
        searched += 1
        frames = _places(path, wanted, allowance)
        if frames:
            found.append({"id": session, "frames": frames})
    return {"found": found, "searched": searched, "complete": complete}


def _places(path: Path, wanted: str, allowance: Allowance) -> list[Found]:
    # JSON may have other characters than ASCII escaped.
    forms = {wanted.casefold(), json.dumps(wanted)[1:-1].casefold()}
    places: list[Found] = []
    number = 0
    try:
        with TraceReader(path, allowance) as reader:
            for record in bounded(reader):
                if not isinstance(record, FrameRecord):
                    continue
                number += 1
                if record.opcode not in _TEXTS:
                    continue
                text = record.payload[:_SEARCHED].decode("utf-8", "replace")
                folded = text.casefold()
                at = next((at for form in forms if (at := folded.find(form)) >= 0), -1)
                if at >= 0:
                    piece = text[max(0, at - _AROUND) : at + len(wanted) + _AROUND]
                    shown = short(piece, 4 * _AROUND)
                    t = round(record.t_ns / 1e9, 4)
                    places.append({"frame": number, "t": t, "text": shown})
                    if len(places) >= _PER_SESSION:
                        break
    except TraceError:  # what was found before is listed; the start page says what is wrong
        pass
    return places
