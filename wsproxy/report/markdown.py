"""Explanations as GitHub-flavored Markdown, to paste into a bug report.

Text from a trace appears only in code spans and fences: nothing in them is markup, a link, a
mention or a reference to an issue. Texts of the catalog are prose, with Markdown's special
characters escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from wsproxy.diagnose import Finding

from .explanation import Explanation, Row
from .groups import Group, Overview
from .safe_text import safe

# GitHub searches for these in the rendered text, where a backslash is no longer there.
_REFERENCE = re.compile("([@#]+)")
_MARKUP = re.compile(r"(?i)([\\`*_\[\]<>&~|$!]|:(?=//)|(?<=www)\.|^[-+=])")
_NUMBER = re.compile(r"^(\d+)([.)])")
_URL = re.compile(r"https?://[\w.~/?#&=%+-]+", re.ASCII)


def code(text: str) -> str:
    """A code span with this text in it, whatever it is."""
    fence = "`" * (_longest_run(text) + 1)
    # The blanks are not shown; they separate backticks at its ends from those of the span.
    inner = f" {text} " if "`" in text else text or "?"
    return f"{fence}{inner}{fence}"


def fenced(lines: Iterable[str]) -> list[str]:
    """A fenced block with these lines in it."""
    content = list(lines)
    fence = "`" * max(3, _longest_run("\n".join(content)) + 1)
    return [f"{fence}text", *content, fence]


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def prose(text: str) -> str:
    """Text on one line in which Markdown, HTML and GitHub find no markup."""
    text = _NUMBER.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", text))
    return _REFERENCE.sub(r"`\1`", text)


def session(explained: Explanation, *, everything: bool) -> str:
    """One session: the content of `screen.session`, and versions.

    Args:
        everything: include the details of the other findings.
    """
    return "\n".join(_session(explained, 3, everything=everything)) + "\n"


def _session(explained: Explanation, level: int, *, everything: bool) -> Iterator[str]:
    yield from [code(explained.verdict), ""]
    yield f"- session: {code(explained.head)}"
    yield f"- request: {code(explained.request)}"
    yield f"- trace: {code(Path(explained.path).name)}"
    if explained.made_from:
        yield f"- {code(explained.made_from)}"
    main = explained.main
    if main is not None:
        yield from ["", *_finding(main, level, explained.retry)]
    if explained.last_frames and (main is not None or explained.state == "open"):
        yield from ["", _heading(level, "Last frames"), ""]
        yield from [
            "Times are relative to the end of the session.",
            "",
            *fenced(_last_frames(explained.last_frames)),
        ]
    if explained.further:
        yield from ["", _heading(level, "Also found"), "", *map(_line, explained.further)]
    if everything:
        for finding in explained.others:
            yield from ["", *_finding(finding, level, "")]
    if main is not None:
        yield from ["", _heading(level, "For support"), "", *_support(explained)]
    yield from ["", _heading(level, "Versions"), ""]
    yield from (f"- {name}: {code(version)}" for name, version in explained.versions)


def _heading(level: int, text: str) -> str:
    return f"{'#' * level} {text}"


def _finding(finding: Finding, level: int, retry: str) -> Iterator[str]:
    title = _title(finding.title, of_traffic=finding.quotes_traffic)
    yield _heading(level, f"{finding.severity}: {title} ({code(finding.id)})")
    yield from ["", prose(finding.meaning)]
    yield from _listed("Evidence", [code(evidence.text) for evidence in finding.evidence])
    seen = [f"**seen here:** {_cause(cause, finding)}" for cause in finding.seen]
    others = [prose(cause) for cause in finding.causes if cause not in finding.seen]
    yield from _listed("Likely causes", seen + others)
    yield from _listed("Fixes", [prose(remedy) for remedy in finding.remedies])
    if retry:
        yield from ["", f"**Retry:** {prose(retry)}"]
    if finding.related:
        names = ", ".join(map(code, finding.related))
        yield from ["", f"**Similar conditions that do not match:** {names}"]
    if finding.confidence != "high":
        yield from ["", f"**Confidence:** {finding.confidence}"]
    if finding.disagreement:
        text = prose(finding.disagreement)
        yield from ["", f"**Caveat:** the documentation contradicts itself: {text}"]
    if finding.source:
        yield from ["", f"**Source:** {_source(finding.source)}"]


def _cause(cause: str, finding: Finding) -> str:
    return code(cause) if cause in finding.quoting else prose(cause)


def _title(title: str, *, of_traffic: bool) -> str:
    return code(title) if of_traffic else prose(title)


def _source(source: dict[str, str]) -> str:
    section, url = source.get("section"), source.get("url", "")
    text = prose(f"{source['document']}, {section}" if section else source["document"])
    return f"[{text}](<{url}>)" if _URL.fullmatch(url) else text


def _listed(title: str, items: Sequence[str]) -> Iterator[str]:
    if items:
        yield from ["", f"**{title}**", "", *(f"- {item}" for item in items)]


def _line(finding: Finding) -> str:
    """Another finding with its first evidence."""
    shown = f": {code(finding.evidence[0].text)}" if finding.evidence else ""
    title = _title(finding.title, of_traffic=finding.quotes_traffic)
    return f"- {finding.severity}: {title} ({code(finding.id)}){shown}"


def _last_frames(rows: Sequence[Row]) -> Iterator[str]:
    cells = [(row.frames, row.at, row.side, row.what, row.amount) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row, line in zip(rows, cells, strict=True):
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield f"{'  '.join(padded)}  {row.content}".rstrip()


def _support(explained: Explanation) -> Iterator[str]:
    for name, value in explained.request_ids:
        yield f"- request id: {code(f'{name} {value}')}"
    if not explained.request_ids:
        yield "- request id: none found in the traffic"
    yield f"- end time: {code(explained.ended_at)}"
    content = f", but does contain {explained.content}" if explained.content else ""
    yield f"- the trace; it contains no credentials{content}"


def overview(shown: Overview, *, everything: bool) -> str:
    """Many sessions: the content of `screen.overview`."""
    lines = [*shown.counts]
    for finding in shown.across:
        lines += ["", *_finding(finding, 3, "")]
    if shown.groups:
        lines += ["", *_table(shown.groups)]
    for group in shown.groups:
        if group.example is not None:
            lines += ["", f"## {_title(group.title, of_traffic=group.quotes_traffic)}", ""]
            lines += _session(group.example, 3, everything=everything)
    return "\n".join(lines) + "\n"


def _table(groups: Sequence[Group]) -> Iterator[str]:
    yield "| finding | | sessions | first (UTC) | last (UTC) | example |"
    yield "|---|---|--:|---|---|---|"
    for group in groups:
        shown = _cell(group.title) if group.quotes_traffic else prose(group.title)
        title = f"{group.severity}: {shown}"
        path = _cell(safe(group.path.name))
        cells = [_cell(group.id), title, str(group.count), group.first, group.last, path]
        yield f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """A code span in a table, in which a pipe would end the cell."""
    return code(text.replace("|", "¦"))
