"""Explanations on a terminal: one screen for a session, one table for many.

Only `Text` is printed, never a plain string: rich reads brackets in a string as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, JustifyMethod, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from wsproxy.diagnose import Finding
from wsproxy.wording import plural

from .explanation import Explanation, Row
from .groups import Group as Alike
from .groups import Overview
from .safe_text import safe
from .shown_lines import all_lines, first_lines

STYLES = {"error": "bold red", "warning": "yellow", "notice": "cyan", "info": "cyan"}
_FURTHER = 5  # other findings, unless everything is shown
_GROUPS = 8  # of sessions

_JUSTIFIED: tuple[JustifyMethod, ...] = ("left", "right", "left", "left", "right")

_Line = tuple[str, str, Text]  # label, mark, text


def session(explained: Explanation, *, everything: bool, how_to_show: str = "") -> RenderableType:
    """What happened, the last frames, what it means, how to fix it, what to send to support.

    Args:
        everything: leave nothing out.
        how_to_show: the option that shows what is left out, such as "--all".
    """
    parts: list[RenderableType] = [Text(explained.verdict, style="bold"), Text(explained.head)]
    parts += [Text(explained.made_from)] if explained.made_from else []
    if explained.last_frames and explained.state not in ("good", "unproven"):
        parts += [Text(), _last_frames(explained.last_frames)]
    further = () if everything else explained.further
    if explained.main is not None:
        lines = [
            *_advice(explained.main, explained.retry, everything=everything),
            *_further(further),
            *_basis(explained.main, everything=everything),
            *(_support(explained) if explained.main.severity == "error" else ()),
            *(() if everything else _hidden(explained, explained.main, how_to_show)),
        ]
        parts += [Text(), *_block(explained.main, lines)]
    elif further:
        parts.append(grid(_further(further)))
    for finding in explained.others if everything else ():
        lines = [*_advice(finding, "", everything=True), *_basis(finding, everything=True)]
        parts += [Text(), *_block(finding, lines)]
    return Group(*parts)


def _block(finding: Finding, lines: Iterable[_Line]) -> list[RenderableType]:
    return [_title(finding), Text(finding.meaning), grid(lines)]


def _last_frames(rows: Sequence[Row]) -> Table:
    cells = [(r.frames, r.at, r.side, r.what, r.amount, r.content) for r in rows]
    table = Table.grid(padding=(0, 1), expand=True)
    for column, justify in zip(zip(*cells, strict=True), _JUSTIFIED, strict=False):
        # On a narrow screen the content is cut, not the numbers.
        table.add_column(justify=justify, no_wrap=True, width=max(map(len, column)))
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _title(finding: Finding) -> Text:
    return Text.assemble(
        (f"{finding.severity}: ", STYLES[finding.severity]),
        (finding.title, "bold"),
        (f"  {finding.id}", "dim"),
    )


def grid(lines: Iterable[_Line]) -> Table:
    """Lines, each with a label and a mark before it, as (label, mark, text)."""
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = ""
    for label, mark, text in lines:
        table.add_row(Text(label if label != before else ""), Text(mark), text)
        before = label
    return table


def _advice(finding: Finding, retry: str, *, everything: bool) -> Iterator[_Line]:
    lines = all_lines(finding) if everything else first_lines(finding)
    for text in lines.seen:
        yield "cause", "-", Text.assemble(("seen here: ", "bold green"), text)
    for text in lines.evidence:
        yield "evidence", "-", Text(text)
    for text in lines.causes:
        yield "causes", "-", Text(text)
    for number, text in enumerate(lines.remedies, 1):
        yield "fixes", f"{number}.", Text(text)
    if retry:
        yield "retry", "", Text(retry)
    if finding.related and everything:
        yield "similar", "", Text(f"conditions that do not match: {', '.join(finding.related)}")


def _further(findings: Sequence[Finding]) -> Iterator[_Line]:
    """A line for each other finding, with its first evidence."""
    for finding in findings[:_FURTHER]:
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{finding.severity}: ", STYLES[finding.severity])
        text.append(": ".join([finding.title, *(e.text for e in finding.evidence[:1])]))
        yield "also", "-", text


def _basis(finding: Finding, *, everything: bool) -> Iterator[_Line]:
    """How reliable the finding is, and its source."""
    source = finding.source
    document = ", ".join(filter(None, [source.get("document"), source.get("section")]))
    if finding.confidence != "high":
        yield "confidence", "", Text(f"{finding.confidence}; source: {document}")
    if not everything:
        return
    if finding.disagreement:
        yield "caveat", "", Text(f"The documentation contradicts itself: {finding.disagreement}")
    if document and finding.confidence == "high":
        yield "source", "", Text(document, "dim")
    if source.get("url"):
        yield "source", "", Text(source["url"], "dim")


def _support(explained: Explanation) -> Iterator[_Line]:
    """What to send, and to whom."""
    ids = [f"{name} {value}" for name, value in explained.request_ids]
    whom = explained.support or "your support contact"
    yield "support", "", Text(f"for {whom}: {', '.join([*ids, f'ended {explained.ended_at}'])}")
    content = f"has {explained.content}, " if explained.content else ""
    yield "support", "", Text(f"{explained.path} ({content}no credentials)")


def _hidden(explained: Explanation, main: Finding, how_to_show: str) -> Iterator[_Line]:
    parts = [
        plural(count, name, "fixes" if name == "fix" else None)
        for name, count in first_lines(main).hidden.items()
        if count > 0
    ]
    others = sum(each.severity != "info" for each in explained.others)
    if others:
        parts.append(f"details of {plural(others, 'other finding')}")
    if parts:
        how = f" ({how_to_show})" if how_to_show else ""
        yield "hidden", "", Text(", ".join(parts) + how, style="dim")


# -- several sessions


def overview(shown: Overview, *, everything: bool, how_to_show: str = "") -> RenderableType:
    """What the sessions have in common, the groups in a table, then the first of each group.

    Args:
        everything: leave nothing out.
        how_to_show: as for `session`.
    """
    parts: list[RenderableType] = [Text(line, style="bold") for line in shown.counts]
    for finding in shown.across:
        parts += [Text(), *_block(finding, _advice(finding, "", everything=everything))]
    groups = shown.groups if everything else shown.groups[:_GROUPS]
    if groups:
        parts += [Text(), _groups(groups, shown.total)]
    if len(shown.groups) > len(groups):
        more = plural(len(shown.groups) - len(groups), "more group")
        parts.append(Text(f"{more} ({how_to_show})", style="dim"))
    detailed = [(group.path, group.example) for group in groups if group.example is not None]
    for path, example in detailed:
        parts += [Text(), Rule(Text(safe(str(path))), align="left")]
        parts.append(session(example, everything=everything, how_to_show=how_to_show))
    if groups and not detailed:
        parts += [Text(), Text("explain one of the traces for its evidence and fixes", style="dim")]
    return Group(*parts)


def _groups(groups: Sequence[Alike], total: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("sessions", justify="right")
    table.add_column("problem, when (UTC), share, first trace", overflow="fold")
    for group in groups:
        said = f"\n“{group.sentence}”" if group.sentence and not group.quotes_traffic else ""
        shares = f"\n{group.shares}" if group.shares else ""
        table.add_row(
            Text(f"{group.count}\n{100 * group.count / total:.0f} %"),
            Text.assemble(
                (f"{group.severity}: ", STYLES[group.severity]),
                (group.title, "bold"),
                f"  {group.id}{said}\n{group.period}{shares}\n",
                (safe(str(group.path)), "dim"),
            ),
        )
    return table
