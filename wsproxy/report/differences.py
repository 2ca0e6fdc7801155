"""What two sessions have in common and where they differ, as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from wsproxy.compare import Difference

from .safe_text import safe, short

_WIDEST = 160  # characters of a value in a table
_MAX_LEFT_OUT = 8  # shown places that were not compared
_BY_HEURISTIC = ": by heuristic"
_EVEN_MS = 1.0  # a smaller delta is shown as none

# By `sent` of a comparison.
_SENT = {
    "equal": "app sent the same messages and audio",
    "re-chunked": "app sent the same audio in other messages",
}

LATENCY = {
    "upgrade": "upgrade answered",
    "first_message": "first message",
    "first_transcript": "first result",
    "final_transcript": "last final result after the audio",
    "close": "Close after the preceding event",
}


def what(outcome: Mapping[str, Any]) -> str:
    """How a session ended, as a clause.

    Args:
        outcome: `recorded` or `replayed` of a comparison.
    """
    who = f"the {outcome['closed_by']}" if outcome["closed_by"] else "a peer"
    match outcome["ending"]:
        case "close":
            code = outcome["close_code"]
            how = "without a code" if code is None else f"with {code}"
            text = f"{who} closed {how} {outcome['close_reason'] or ''}".rstrip()
        case "refused" | "http":
            text = f"the server answered with status {outcome['status']}"
        case "open":
            text = "the session was left open"
        case "eof":
            text = f"{who} ended the connection without a Close frame"
        case "reset":
            text = f"{who} reset the connection"
        case "failed":
            text = "the session failed before it began"
        case other:
            text = f"the session is {other}"
    condition = f" ({outcome['condition']})" if outcome["condition"] else ""
    return safe(f"{text}{condition}")


def differences(
    found: Iterable[Difference], recorded: str = "recorded", replayed: str = "replayed"
) -> Table:
    """A table of what differs, with frame numbers.

    Args:
        recorded, replayed: headings for the two sessions.
    """
    table = Table("field", recorded, replayed, box=None, padding=(0, 2, 0, 2))
    for difference in found:
        table.add_row(
            Text(short(_name(difference), 80)),
            _cell(difference.recorded, difference.recorded_frame),
            _cell(difference.replayed, difference.replayed_frame),
        )
    return table


def _name(difference: Difference) -> str:
    return f"{difference.field}: {difference.path}" if difference.path else difference.field


def _cell(value: Any, frame: int | None) -> Text:
    return Text(value_text(value, _WIDEST) + (f"  [frame {frame}]" if frame else ""))


def value_text(value: Any, limit: int) -> str:
    """A value of a difference as text of at most `limit` characters."""
    text = value if isinstance(value, str) else "-" if value is None else json.dumps(value)
    return short(text, limit)


def within(tolerance: Mapping[str, float]) -> str:
    """The tolerances that a verdict is based on, to follow it; "" if there are none."""
    names = {"wer": "WER", "audio": "audio"}
    given = [f"{names.get(name, name)} {value:g}" for name, value in tolerance.items()]
    return f" (within {', '.join(given)})" if given else ""


def qualified(
    not_compared: Iterable[str], notes: Iterable[str], how_to_list: str = ""
) -> list[str]:
    """What was not compared, on one line, and the notes, one line each.

    Args:
        how_to_list: the option that lists what this line leaves out, such as "--json".
    """
    shown: list[str] = []
    by_heuristic: dict[str, None] = {}  # in order
    for each in not_compared:
        if each.endswith(_BY_HEURISTIC):
            by_heuristic[re.split(r"[.:*\s]+", each.removesuffix(_BY_HEURISTIC))[-1]] = None
        else:
            shown.append(each)
    if by_heuristic:
        names = list(by_heuristic)
        more = "" if len(names) <= _MAX_LEFT_OUT else f" and {len(names) - _MAX_LEFT_OUT} more"
        shown.insert(1, f"ids, times and numbers ({', '.join(names[:_MAX_LEFT_OUT])}{more})")
    if (more_places := len(shown) - _MAX_LEFT_OUT) > 0:
        how = f" ({how_to_list} lists them)" if how_to_list else ""
        shown[_MAX_LEFT_OUT:] = [f"{more_places} more{how}"]
    lines = [f"not compared: {'; '.join(shown)}"] if shown else []
    return [safe(line) for line in (*lines, *(f"note: {note}" for note in notes))]


def words(sent: str, wer: float | None) -> str:
    """How the app's messages and the transcripts compare, on one line; "" if neither does."""
    parts = [_SENT.get(sent, f"app sent {sent}")] if sent else []
    if wer is not None:
        parts.append(f"transcripts differ, WER {100 * wer:.3g} %" if wer else "transcripts match")
    return "; ".join(parts)


def latency(
    found: Mapping[str, Mapping[str, float]], recorded: str = "recorded", replayed: str = "replayed"
) -> Table:
    """A table of latencies, ms."""
    table = Table(box=None, padding=(0, 2, 0, 2))
    table.add_column("latency (ms)")
    for name in (recorded, replayed, "delta"):
        table.add_column(name, justify="right")
    for name, values in found.items():
        delta = values["delta"]
        table.add_row(
            LATENCY.get(name, name),
            f"{values['recorded']:.1f}",
            f"{values['replayed']:.1f}",
            f"{delta:+.1f}" if abs(delta) >= _EVEN_MS else "-",
        )
    return table
