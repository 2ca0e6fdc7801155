"""Results of a load so far, as tables and on one line.

All functions take the JSON object of a load (docs/load.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from .differences import LATENCY, within
from .safe_text import safe, short

_STYLES = {"reproduced": "bold green", "unproven": "bold yellow"}
_ROWS = 8  # of the tables of differences and of errors
_WIDEST = 100  # characters of a value


def line(load: Mapping[str, Any]) -> str:
    """The results so far, on one line."""
    counts = [f"{count} {name}" for name, count in load["verdicts"].items() if count]
    if load["failed"]:
        counts.append(f"{load['failed']} failed")
    parts = [_going(load), *([", ".join(counts)] if counts else [])]
    parts.append(timing_error(load["lateness_ms"]))
    return "; ".join(parts)


def screen(load: Mapping[str, Any]) -> Group:
    """All results so far."""
    parts: list[Table | Text] = [Text(_going(load)), _counts(load), _times(load)]
    if given := within(load["tolerance"]):
        parts.insert(2, Text(f"reproduced{given}"))
    if load["why"]:
        parts.append(_why(load["why"]))
    if load["errors"]:
        parts.append(_errors(load["errors"]))
    parts += [Text(f"note: {safe(note)}") for note in load["notes"]]
    return Group(*parts)


def timing_error(lateness_ms: Mapping[str, float]) -> str:
    """How late steps were played, with standard statistics."""
    values = [f"{name} {lateness_ms[name]:.1f} ms" for name in ("p50", "p99", "max")]
    return f"timing error: {', '.join(values)}"


def _going(load: Mapping[str, Any]) -> str:
    parts = [
        f"{load['started']} of {load['sessions']} sessions started in {load['seconds']:.1f} s",
        f"{load['open']} open",
    ]
    if load["unjudged"]:
        parts.append(f"{load['unjudged']} awaiting a verdict")
    return ", ".join(parts)


def _counts(load: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    counts = {**load["verdicts"], "failed": load["failed"]}
    for name in counts:
        table.add_column(name, justify="right")
    styles = (_STYLES.get(name, "bold red") if count else "" for name, count in counts.items())
    table.add_row(*(Text(str(n), style) for n, style in zip(counts.values(), styles, strict=True)))
    return table


def _times(load: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("ms")
    for name in ("p50", "p90", "p99", "max", "recorded"):
        table.add_column(name, justify="right")
    table.add_row("timing error", *_row(load["lateness_ms"]))
    for name, values in load["latency_ms"].items():
        table.add_row(LATENCY.get(name, name), *_row(values))
    return table


def _row(values: Mapping[str, float]) -> list[str]:
    shown = [f"{values[name]:.1f}" for name in ("p50", "p90", "p99", "max")]
    return [*shown, f"{values['recorded']:.1f}" if "recorded" in values else ""]


def _why(found: list[Mapping[str, Any]]) -> Table:
    table = Table("first difference", box=None, padding=(0, 2, 0, 0))
    table.add_column("sessions", justify="right")
    for name in ("recorded", "replayed (example)"):
        table.add_column(name)
    for why in found[:_ROWS]:
        cells = (_value(why[name]) for name in ("recorded", "replayed"))
        table.add_row(Text(short(why["field"], 80)), str(why["sessions"]), *cells)
    return table


def _value(value: Any) -> Text:
    text = value if isinstance(value, str) else "-" if value is None else json.dumps(value)
    return Text(short(text, _WIDEST))


def _errors(found: list[Mapping[str, Any]]) -> Table:
    table = Table("failed", box=None, padding=(0, 2, 0, 0))
    table.add_column("sessions", justify="right")
    for error in found[:_ROWS]:
        table.add_row(Text(short(error["error"], 200)), str(error["sessions"]))
    return table
