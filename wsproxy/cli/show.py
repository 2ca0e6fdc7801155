"""`wsproxy show`: the frames of a trace."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import click

from wsproxy.address import authority
from wsproxy.errors import LimitExceeded, UsageError
from wsproxy.report import jsonform
from wsproxy.report.jsontext import dumps
from wsproxy.report.text import LONG, content, made_from, pieces, safe, short, size, when
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    Finding,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
)
from wsproxy.wire import Opcode

_CONTROL = (Opcode.PING, Opcode.PONG)
_PAYLOAD = 4 << 20  # bytes of a payload that --json shows without --full


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a trace: a frame's number or a time since the start, ns."""

    number: int | None = None
    t_ns: int | None = None

    @classmethod
    def parse(cls, text: str, option: str) -> _Place:
        match = re.fullmatch(r"#(\d+)|(\d+(?:\.\d+)?)\s*(ms|s|m)?", text.strip())
        if match is None:
            raise UsageError(
                f"{option} {text!r}: give a time such as 12.5s, or a frame such as #40"
            )
        if match[1]:
            return cls(number=int(match[1]))
        unit = {"ms": 1e6, "s": 1e9, "m": 60e9, None: 1e9}[match[3]]
        return cls(t_ns=int(float(match[2]) * unit))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which records are shown."""

    begin: _Place
    end: _Place
    grep: re.Pattern[str] | None
    control: bool

    def has(self, record: Record, number: int) -> bool:
        if self.begin.t_ns is not None and record.t_ns < self.begin.t_ns:
            return False
        if self.end.t_ns is not None and record.t_ns > self.end.t_ns:
            return False
        if self.begin.number is not None and number < self.begin.number:
            return False
        if self.end.number is not None and number > self.end.number:
            return False
        return self.grep is None or self.grep.search(_searched(record)) is not None

    def folds(self, record: Record) -> bool:
        """Whether a frame is only counted."""
        is_control = isinstance(record, FrameRecord) and record.opcode in _CONTROL
        return is_control and not self.control and self.grep is None


def _searched(record: Record) -> str:
    if isinstance(record, FrameRecord):
        close = record.close
        return str(close) if close else record.payload.decode("utf-8", "replace")
    return dumps(jsonform.record(record))


@click.command(name="show")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, a record each.")
@click.option("--from", "begin", metavar="TIME|#N", help="From this time (12.5s) or frame (#40).")
@click.option("--through", "end", metavar="TIME|#N", help="Up to this time or frame, inclusive.")
@click.option("--grep", metavar="REGEX", help="Only what matches this regular expression.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N lines.")
@click.option("--control", is_flag=True, help="Show pings and pongs too; they are counted else.")
@click.option(
    "--full", is_flag=True, help="Do not shorten text; with --json payloads over 4 MiB are whole."
)
def command(
    trace: Path,
    as_json: bool,
    begin: str | None,
    end: str | None,
    grep: str | None,
    limit: int | None,
    control: bool,
    full: bool,
) -> None:
    """Show the frames of TRACE: number, time, direction, opcode, size and content.

    → is from the app, ← from the server. A trace that is still being written, or was cut,
    is shown as far as it goes.

    \b
      wsproxy show trace.wstrace --from 10s --grep transcript
      wsproxy show trace.wstrace --json | jq 'select(.kind == "frame") | .text'
    """
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise UsageError(f"--grep {grep!r} is not a regular expression: {error}") from None
    choice = _Choice(
        _Place.parse(begin, "--from") if begin else _Place(),
        _Place.parse(end, "--through") if end else _Place(),
        pattern,
        control or as_json,
    )
    with TraceReader(trace) as reader:
        lines = (_json_lines if as_json else _lines)(reader, choice, full)
        try:
            for count, line in enumerate(lines, 1):
                # Without styles or wrapping there is nothing for rich to do.
                _echo(line)
                if limit is not None and count >= limit:
                    return
        except LimitExceeded as error:
            print(f"warning: {safe(str(error))}", file=sys.stderr)  # noqa: T201
            return
        for loss in reader.losses:
            print(f"warning: {safe(str(loss))}", file=sys.stderr)  # noqa: T201
        if not reader.ended:
            text = "the trace has no end record: it is still being written, or was cut"
            print(f"warning: {text}", file=sys.stderr)  # noqa: T201


def _echo(line: str | Iterator[str]) -> None:
    """Print a line, or one that comes in parts."""
    if isinstance(line, str):
        click.echo(line)
        return
    for part in line:
        click.echo(part, nl=False)
    click.echo()


def _numbered(reader: TraceReader, choice: _Choice) -> Iterator[tuple[Record, int]]:
    """The chosen records, each with the number of the last frame so far."""
    number = 0
    for record in reader:
        number += isinstance(record, FrameRecord)
        if choice.has(record, number):
            yield record, number


def _json_lines(reader: TraceReader, choice: _Choice, full: bool) -> Iterator[str | Iterator[str]]:
    for record, number in _numbered(reader, choice):
        yield dumps(jsonform.record(record, number, None if full else _PAYLOAD))


def _lines(reader: TraceReader, choice: _Choice, full: bool) -> Iterator[str | Iterator[str]]:
    folded = 0
    for record, number in _numbered(reader, choice):
        if choice.folds(record):
            folded += 1
            continue
        if folded:
            yield _folded(folded)
            folded = 0
        yield from _record_lines(record, number, None if full else 110)
    if folded:
        yield _folded(folded)


def _folded(count: int) -> str:
    return f"{'':>18}   … {count} ping and pong frame{'' if count == 1 else 's'} (--control shows)"


def _record_lines(record: Record, number: int, limit: int | None) -> Iterator[str | Iterator[str]]:
    at = f"{record.t_ns / 1e9:>9.3f}"
    match record:
        case FrameRecord():
            begin, marks = f"{number:>7}  {at}  {_what(record)}", _marks(record, limit)
            if limit is None and record.opcode == Opcode.TEXT and len(record.payload) > LONG:
                yield chain([begin], pieces(record.payload), [marks])
            else:
                yield f"{begin}{content(record, limit)}{marks}"
        case Start():
            made_up = ", put together from connection events" if record.made_up else ""
            yield (
                f"session {safe(record.session)}, {when(record.started_at_ns)} UTC, capture level "
                f"{safe(record.capture)}, attempt {record.attempt}{made_up}"
            )
            if made := made_from(record, 10_000 if limit is None else 500):
                yield made
        case Request():
            where = authority(record.host, record.port)
            url = safe(f"{record.scheme}://{where}{record.path}")
            yield f"{'':>7}  {at}  → {safe(record.method)} {url}"
            yield from _headers(record.headers)
        case Response():
            yield f"{'':>7}  {at}  ← HTTP {record.status} {safe(record.reason)}"
            yield from _headers(record.headers)
            if record.body:
                yield f"{'':>20}  {safe(record.body.decode('utf-8', 'replace'))}"
        case _:
            yield f"{'':>7}  {at}  {_other(record)}"


def _headers(headers: list[list[str]]) -> Iterator[str]:
    for name, value in headers:
        yield f"{'':>20}  {safe(name)}: {safe(value)}"


def _taken(entry: dict[str, Any]) -> str:
    more = entry.get("more")
    return f"{more:,} more" if type(more) is int else str(entry.get("name") or "a key")


def _what(frame: FrameRecord) -> str:
    arrow = "→" if frame.from_client else "←"
    length = len(frame.payload) + frame.cut
    return f"{arrow} {Opcode(frame.opcode)!s:<12} {length:>8} B  "


def _marks(frame: FrameRecord, limit: int | None) -> str:
    marks = "" if frame.fin else " (more follows)"
    if frame.broken_rule:
        rule = frame.broken_rule
        marks += f" (breaks a rule: {safe(rule) if limit is None else short(rule, 200)})"
    if frame.redacted:
        taken = dict.fromkeys(map(_taken, frame.redacted))
        marks += f" (taken out: {safe(', '.join(taken))})"
    if frame.cut:
        marks += f" ({size(frame.cut)} more not kept)"
    return marks


def _other(record: Record) -> str:
    match record:
        case Bytes():
            arrow = "→" if record.from_client else "←"
            why = safe(record.broken_rule) or "the beginning of a frame"
            start = record.data[:16].hex(" ")
            return f"{arrow} {len(record.data)} bytes that are no frame: {why}: {start}"
        case Eof():
            arrow = "→" if record.from_client else "←"
            how = {"eof": "end of stream", "close-notify": "end of TLS", "reset": "reset"}
            return f"{arrow} {how.get(record.how, safe(record.how))}"
        case Failure():
            return f"failure ({safe(record.where)}): {safe(record.message)}"
        case Gap():
            return f"missing until {record.until_ns / 1e9:.3f}: {safe(record.reason)}"
        case Finding():
            return f"{safe(record.severity)}: {safe(record.id)}: {safe(record.title)}"
        case End():
            return f"end: {safe(record.ending)}"
        case _:
            return record.kind
