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

from wsproxy.errors import InvalidValue, LimitExceeded, UsageError
from wsproxy.report import json_schema
from wsproxy.report.json_output import dumps
from wsproxy.report.safe_text import LONG, pieces, safe, short
from wsproxy.report.text import content, loss_lines, made_from, size, when
from wsproxy.system.address import authority
from wsproxy.trace import (
    Bytes,
    End,
    Eof,
    Failure,
    FindingRecord,
    FrameRecord,
    Gap,
    Record,
    Request,
    Response,
    Start,
    TraceReader,
)
from wsproxy.wire import Opcode
from wsproxy.wording import plural

from . import show_session
from .trace_place import TracePlace
from .width import columns, cut, wrapped

_CONTROL = (Opcode.PING, Opcode.PONG)
_PAYLOAD = 4 << 20  # bytes of a payload that --json shows without --full
_CONTENT = 110  # characters of a frame's content, if the width of the output is unknown
_SHORTEST = 8  # columns of a frame's content on a narrow terminal
_INDENT = 22  # of lines that belong to the one before


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which records are shown."""

    begin: TracePlace
    end: TracePlace
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
    return dumps(json_schema.record(record))


@click.command(name="show")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, per record.")
@click.option(
    "--from", "begin", metavar="TIME|#N", help="Start at this time (12.5s) or frame (#40)."
)
@click.option("--through", "end", metavar="TIME|#N", help="Stop after this time or frame.")
@click.option("--grep", metavar="REGEX", help="Show only records that match.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Print at most N lines.")
@click.option(
    "--timeline",
    is_flag=True,
    help="Show outcome, latency, audio, transcript and control events instead of frames.",
)
@click.option(
    "--transcript",
    is_flag=True,
    help="Show the final results of the transcript, with times and speakers, instead of frames.",
)
@click.option("--interims", is_flag=True, help="With --transcript: also show interim results.")
@click.option("--latency", is_flag=True, help="Show the latencies instead of frames.")
@click.option(
    "--waveform",
    is_flag=True,
    help="Show the audio of both directions as characters on one time axis instead of frames.",
)
@click.option(
    "--control", is_flag=True, help="Also show pings and pongs (default: only count them)."
)
@click.option(
    "--full",
    is_flag=True,
    help="Do not shorten text; with --json do not shorten payloads over 4 MiB.",
)
def command(
    trace: Path,
    as_json: bool,
    begin: str | None,
    end: str | None,
    grep: str | None,
    limit: int | None,
    timeline: bool,
    transcript: bool,
    interims: bool,
    latency: bool,
    waveform: bool,
    control: bool,
    full: bool,
) -> None:
    """Show the frames of TRACE: number, time, direction, opcode, size and content.

    → is from the app, ← from the server. Each frame is one line, shortened to the width of
    the terminal (in a pipe: to 110 characters of content). An incomplete trace is shown up
    to where it ends.

    \b
      wsproxy show trace.wstrace --from 10s --grep transcript
      wsproxy show trace.wstrace --json | jq 'select(.kind == "frame") | .text'
      wsproxy show trace.wstrace --timeline --json | jq .outcome
      wsproxy show trace.wstrace --transcript
      wsproxy show trace.wstrace --waveform
    """
    view = show_session.chosen_view(
        {
            "timeline": timeline,
            "transcript": transcript,
            "latency": latency,
            "waveform": waveform,
        },
        {
            "from": begin,
            "through": end,
            "grep": grep,
            "limit": limit,
            "control": control,
            "full": full,
        },
    )
    if interims and view != "transcript":
        raise UsageError("--interims needs --transcript")
    if view is not None:
        more = {"interims": interims} if view == "transcript" else {}
        show_session.VIEWS[view](trace, as_json=as_json, **more)
        return
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise InvalidValue("grep", grep or "", f"not a regular expression: {error}") from None
    choice = _Choice(
        TracePlace.parse(begin, "from") if begin else TracePlace(),
        TracePlace.parse(end, "through") if end else TracePlace(),
        pattern,
        control or as_json,
    )
    with TraceReader(trace) as reader:
        if as_json:
            lines = _json_lines(reader, choice, full)
        else:
            lines = _lines(reader, choice, _Layout(full, None if full else columns()))
        try:
            for count, line in enumerate(lines, 1):
                # Not through rich, which has no styles to add and takes longer.
                _echo(line)
                if limit is not None and count >= limit:
                    return
        except LimitExceeded as error:
            print(f"warning: {safe(str(error))}", file=sys.stderr)  # noqa: T201
            return
        for line in loss_lines(reader.losses):
            print(f"warning: {safe(line)}", file=sys.stderr)  # noqa: T201
        if not reader.ended:
            text = (
                "the trace has no end record: the session is still open, or the trace is truncated"
            )
            print(f"warning: {text}", file=sys.stderr)  # noqa: T201


def _echo(line: str | Iterator[str]) -> None:
    """Print a line, or one that is given in parts."""
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
        yield dumps(json_schema.record(record, number, None if full else _PAYLOAD))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How lines for people are laid out.

    Attributes:
        full: no text is shortened.
        width: columns of the output; None: unknown, or it does not matter.
    """

    full: bool
    width: int | None

    @property
    def limit(self) -> int | None:
        """Characters of a frame's content; None: all of it."""
        if self.full:
            return None
        return _CONTENT if self.width is None else max(self.width, _SHORTEST)

    def line(self, text: str, indent: int = _INDENT) -> str:
        """A line that is wrapped to the width."""
        return wrapped(text, self.width, indent)

    def frame(self, begin: str, content: str, marks: str) -> str:
        """The line of a frame, its content shortened so that it fits; marks may need another."""
        if self.width is None:
            return f"{begin}{content}{marks}".rstrip()
        room = max(self.width - len(begin), _SHORTEST)
        if len(marks) + _SHORTEST > room:
            more = "\n" + self.line(" " * _INDENT + marks.strip()) if marks else ""
            return f"{begin}{cut(content, room)}".rstrip() + more
        return f"{begin}{cut(content, room - len(marks))}{marks}".rstrip()


def _lines(reader: TraceReader, choice: _Choice, layout: _Layout) -> Iterator[str | Iterator[str]]:
    folded = 0
    for record, number in _numbered(reader, choice):
        if choice.folds(record):
            folded += 1
            continue
        if folded:
            yield _folded(folded)
            folded = 0
        yield from _record_lines(record, number, layout)
    if folded:
        yield _folded(folded)


def _folded(count: int) -> str:
    return f"{'':>18}   … {plural(count, 'ping and pong frame')} (--control)"


def _record_lines(record: Record, number: int, layout: _Layout) -> Iterator[str | Iterator[str]]:
    at, limit = f"{record.t_ns / 1e9:>9.3f}", layout.limit
    match record:
        case FrameRecord():
            begin, marks = f"{number:>7}  {at}  {_what(record)}", _marks(record, limit)
            if layout.full and record.opcode == Opcode.TEXT and len(record.payload) > LONG:
                yield chain([begin], pieces(record.payload), [marks])
            else:
                yield layout.frame(begin, content(record, limit), marks)
        case Start():
            synthetic = ", reconstructed from connection events" if record.synthetic else ""
            yield layout.line(
                f"session {safe(record.session)}, {when(record.started_at_ns)} UTC, capture level "
                f"{safe(record.capture)}, attempt {record.attempt}{synthetic}",
                indent=4,
            )
            if made := made_from(record, 10_000 if layout.full else 500):
                yield layout.line(made, indent=4)
        case Request():
            where = authority(record.host, record.port)
            url = safe(f"{record.scheme}://{where}{record.path}")
            yield layout.line(f"{'':>7}  {at}  → {safe(record.method)} {url}")
            yield from _headers(record.headers, layout)
        case Response():
            yield layout.line(
                f"{'':>7}  {at}  ← HTTP {record.status} {safe(record.reason)}".rstrip()
            )
            yield from _headers(record.headers, layout)
            if record.body:
                body = safe(record.body.decode("utf-8", "replace"))
                yield layout.line(f"{'':>{_INDENT}}{body}".rstrip())
        case _:
            yield layout.line(f"{'':>7}  {at}  {_other(record)}".rstrip())


def _headers(headers: list[list[str]], layout: _Layout) -> Iterator[str]:
    for name, value in headers:
        text = f"{'':>{_INDENT}}{safe(name)}: {safe(value)}".rstrip()
        yield layout.line(text, indent=_INDENT + 2)


def _redacted(entry: dict[str, Any]) -> str:
    more = entry.get("more")
    return f"{more:,} more" if type(more) is int else str(entry.get("name") or "a key")


def _what(frame: FrameRecord) -> str:
    arrow = "→" if frame.from_client else "←"
    length = len(frame.payload) + frame.cut
    return f"{arrow} {Opcode(frame.opcode)!s:<12} {length:>8} B  "


def _marks(frame: FrameRecord, limit: int | None) -> str:
    marks = "" if frame.fin else " (more fragments follow)"
    if frame.broken_rule:
        rule = frame.broken_rule
        marks += f" (protocol error: {safe(rule) if limit is None else short(rule, 200)})"
    if frame.redacted:
        names = dict.fromkeys(map(_redacted, frame.redacted))
        marks += f" (redacted: {safe(', '.join(names))})"
    if frame.cut:
        marks += f" ({size(frame.cut)} more not kept)"
    return marks


def _other(record: Record) -> str:
    match record:
        case Bytes():
            arrow = "→" if record.from_client else "←"
            why = safe(record.broken_rule) or "incomplete frame"
            start = record.data[:16].hex(" ")
            return f"{arrow} {len(record.data)} bytes outside of frames: {why}: {start}"
        case Eof():
            arrow = "→" if record.from_client else "←"
            how = {"eof": "end of stream", "close-notify": "TLS close_notify", "reset": "reset"}
            return f"{arrow} {how.get(record.how, safe(record.how))}"
        case Failure():
            return f"failure ({safe(record.where)}): {safe(record.message)}"
        case Gap():
            return f"gap until {record.until_ns / 1e9:.3f}: {safe(record.reason)}"
        case FindingRecord():
            return f"{safe(record.severity)}: {safe(record.id)}: {safe(record.title)}"
        case End():
            return f"end: {safe(record.ending)}"
        case _:
            return record.kind
