"""Conditions of the catalog, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from wsproxy.catalog import TRAFFIC, Condition, Match

from .explanation import RETRY
from .safe_text import safe
from .screen import STYLES, grid

_LINE = tuple[str, str, Text]


def as_json(condition: Condition) -> dict[str, Any]:
    """A condition as JSON."""
    source = condition.source
    return {
        "id": condition.id,
        "provider": condition.provider,
        "apis": list(condition.apis),
        "severity": condition.severity,
        "title": condition.title,
        "meaning": condition.meaning,
        "causes": [str(cause) for cause in condition.causes],
        "remedies": [str(remedy) for remedy in condition.remedies],
        "retry": condition.retry,
        "retry_note": condition.retry_note,
        "source": {"document": source.document, "section": source.section, "url": source.url},
        "confidence": condition.confidence,
        "disagreement": condition.disagreement,
        "matches": [described(match) for match in condition.matches],
        "simulated": condition.simulated,
    }


def listed(conditions: Sequence[Condition]) -> Iterator[Text]:
    """One line for each."""
    width = max((len(condition.id) for condition in conditions), default=0)
    for condition in conditions:
        yield Text.assemble(
            f"{safe(condition.id):<{width}}  ",
            (f"{condition.severity:<7}  ", STYLES[condition.severity]),
            safe(condition.title),
        )


def shown(condition: Condition) -> RenderableType:
    """All details of one condition."""
    head = Text.assemble(
        (f"{condition.severity}: ", STYLES[condition.severity]),
        (safe(condition.title), "bold"),
        (f"  {safe(condition.id)}", "dim"),
    )
    return Group(head, Text(safe(condition.meaning)), grid(_lines(condition)))


def _lines(condition: Condition) -> Iterator[_LINE]:
    where = ", ".join(condition.apis) or "all APIs"
    if condition.provider != TRAFFIC:
        yield "applies to", "", Text(safe(f"{condition.provider}: {where}"))
    for match in condition.matches:
        yield "matches", "-", Text(safe(described(match)))
    for cause in condition.causes:
        yield "causes", "-", Text(safe(str(cause)))
    for number, remedy in enumerate(condition.remedies, 1):
        yield "fixes", f"{number}.", Text(safe(str(remedy)))
    yield "retry", "", Text(safe(f"{RETRY[condition.retry]} {condition.retry_note}".strip()))
    if condition.confidence != "high":
        yield "confidence", "", Text(condition.confidence)
    if condition.disagreement:
        text = f"The documentation contradicts itself: {condition.disagreement}"
        yield "caveat", "", Text(safe(text))
    yield "source", "", Text(safe(str(condition.source)))
    if condition.source.url:
        yield "source", "", Text(safe(condition.source.url))
    if condition.simulated:
        yield "simulate", "", Text(f"wsproxy simulate {safe(condition.id)}")


_SUBJECTS = {
    "message": "a server message",
    "close": "a Close frame",
    "refused": "a refused upgrade",
    "http": "a failed HTTP request",
    "ending": "an end without a Close frame",
    "measured": "measured in the traffic",
}


def described(match: Match) -> str:
    """What a condition matches, in words."""
    subject = _SUBJECTS[match.kind]
    if match.kind == "refused" and match.http:
        subject += ", or a failed HTTP request"
    by = match.closed_by or match.by
    parts = [f"{subject} by the {by}" if by else subject]
    for name, value in (("code", match.code), ("status", match.status)):
        if value is not None:
            parts.append(f"{name} {value}")
    if match.error_code is not None:
        parts.append(f"error_code {match.error_code}")
    named = [
        ("reason", match.reason),
        ("its text", match.error),
        ("body", match.body_text),
        ("request", match.request),
        ("host", match.host),
        ("where", match.failed_where),
        *((f"header {name}", pattern) for name, pattern in match.headers),
        *match.body,
        *match.fields,
        *((f"the client's {name}", pattern) for name, pattern in match.sent),
    ]
    parts += [f"{name} matches {pattern.pattern}" for name, pattern in named if pattern is not None]
    parts += [f"without header {name}" for name in match.without]
    parts += [word for word in (match.ending, match.rule) if word]
    return ", ".join(parts)


def search(conditions: Sequence[Condition], words: Sequence[str]) -> list[Condition]:
    """The conditions that contain all words, best match first.

    A word in the id or a code ranks before one in the title, and that before one in the rest.
    """
    wanted = [word.lower() for word in words]
    found = []
    for condition in conditions:
        fields = _searched(condition)
        ranks = [next((n for n, text in enumerate(fields) if w in text), None) for w in wanted]
        if ranks and None not in ranks:
            found.append((sum(rank for rank in ranks if rank is not None), condition))
    return [condition for _, condition in sorted(found, key=lambda pair: pair[0])]


def _searched(condition: Condition) -> tuple[str, str, str]:
    codes = " ".join(
        str(numbers) for m in condition.matches for numbers in (m.code, m.status) if numbers
    )
    examples = [
        " ".join(
            filter(
                None,
                (
                    example.message,
                    example.close.reason if example.close else "",
                    example.refused.body if example.refused else "",
                ),
            )
        )
        for example in condition.examples
        if example.matches
    ]
    rest = [
        condition.meaning,
        *map(str, condition.causes),
        *map(str, condition.remedies),
        *map(described, condition.matches),
        *examples,
    ]
    first, title = f"{condition.id} {codes}", condition.title
    return first.lower(), title.lower(), " ".join(rest).lower()
