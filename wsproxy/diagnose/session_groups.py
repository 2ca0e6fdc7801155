"""What only several sessions show together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from wsproxy.session import Session

from .evidence import Evidence, plural, quoted, seconds
from .findings import Finding

STORM = 4  # failed sessions in a row, from which on it is a storm
_SOON = 10 * 10**9  # ns between the end of one and the begin of the next
_TOO_MANY = (429, 503)  # statuses that speak of too many at once
_WORDS = ("concurren", "too many", "too_many", "rate limit", "rate_limit", "quota_exceeded")


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """What of a session matters beside others; a folder may hold many large ones.

    Attributes:
        endpoint: host and path.
        begin, end: Unix time, ns.
        too_many: whether it was refused or closed for too many at once.
        keys: fingerprints of its credentials.
    """

    id: str
    endpoint: tuple[str, str]
    begin: int
    end: int
    failed: bool
    accepted: bool
    too_many: bool
    keys: frozenset[str]

    @classmethod
    def of(cls, session: Session) -> SessionSpan | None:
        """None where its beginning is not known, and of a replay or what was made from it."""
        start, request = session.start, session.request
        if start is None or request is None or start.source != "recorded":
            return None
        return cls(
            session.id,
            (request.host, request.path.partition("?")[0]),
            start.started_at_ns,
            start.started_at_ns + session.duration_ns,
            session.failed,
            session.accepted,
            _is_too_many(session),
            _fingerprints(session),
        )


def across(spans: Iterable[SessionSpan]) -> list[Finding]:
    """What sessions show together: reconnect storms, one key in too many of them at once.

    Args:
        spans: in any order.
    """
    ordered = sorted(spans, key=lambda span: span.begin)
    return [*_storms(ordered), *_at_once(ordered)]


def _storms(spans: Iterable[SessionSpan]) -> list[Finding]:
    """Attempt after attempt at one endpoint, each soon after the failure before."""
    rows: dict[tuple[str, str], list[list[SessionSpan]]] = defaultdict(list)
    for span in spans:
        found = rows[span.endpoint]
        before = found[-1][-1] if found else None
        if before is not None and before.failed and 0 <= span.begin - before.end <= _SOON:
            found[-1].append(span)
        else:
            found.append([span])
    storms = [(e, row) for e, found in rows.items() for row in found if len(row) >= STORM]
    if not storms:
        return []
    return [
        Finding(
            "traffic.sessions.reconnect-storm",
            "warning",
            "The app reconnects again and again without a pause",
            "Each attempt came right after the failure of the one before. Services count "
            "attempts, and refuse an app that makes too many.",
            [_storm(endpoint, row) for endpoint, row in storms],
            ["The app's retry has no growing pause", "It retries what no retry can mend"],
            [
                "Wait between attempts: a second, then twice as long each time, with some chance "
                "in it",
                "Do not retry what has to be fixed first: see the first finding of the sessions",
            ],
            retry="fix-first",
            source={"document": "wsproxy: docs/catalog.md", "section": "What is measured"},
        )
    ]


def _storm(endpoint: tuple[str, str], row: Sequence[SessionSpan]) -> Evidence:
    gaps = [seconds(b.begin - a.end) for a, b in pairwise(row)]
    where = quoted("".join(endpoint), 100)
    text = (
        f"{len(row)} sessions with {where}, one after another; from the failure of one to the "
        f"begin of the next {min(gaps):.2f} s at the least, half of them {median(gaps):.2f} s or "
        "less"
    )
    return Evidence(text, (), None, float(len(row)), "sessions")


def _at_once(spans: Sequence[SessionSpan]) -> list[Finding]:
    """One credential in several open sessions, and one that was refused for it."""
    evidence = [
        found for span in spans if span.too_many and (found := _others(span, spans)) is not None
    ]
    if not evidence:
        return []
    return [
        Finding(
            "traffic.sessions.same-key-at-once",
            "warning",
            "The same key was in several sessions at once when one was refused",
            "Limits on sessions count by key or project. These sessions of one machine used up "
            "what there is, or a part of it.",
            evidence,
            [
                "Sessions that are not ended when they are done",
                "More users at once than the plan allows",
            ],
            [
                "End each session with the API's own message, also when the app fails",
                "Queue what is over the limit, or ask for a higher one",
            ],
            retry="wait",
            source={"document": "wsproxy: docs/catalog.md", "section": "What is measured"},
        )
    ]


def _is_too_many(session: Session) -> bool:
    response, close = session.response, session.close
    if response is not None and response.status in _TOO_MANY:
        return True
    texts = [close.reason] if close is not None and session.failed else []
    if response is not None and not session.accepted and response.body:
        texts.append(response.body.decode("utf-8", "replace"))
    return any(word in text.lower() for text in texts for word in _WORDS)


def _others(refused: SessionSpan, spans: Iterable[SessionSpan]) -> Evidence | None:
    """How many sessions with the key of this one were open when it was refused."""
    open_ones = [
        span
        for span in spans
        if span is not refused
        and span.accepted
        and span.begin <= refused.end
        and span.end >= refused.begin
        and refused.keys & span.keys
    ]
    if not open_ones:
        return None
    text = (
        f"{plural(len(open_ones), 'session')} with the same key "
        f"{'was' if len(open_ones) == 1 else 'were'} open when session "
        f"{quoted(refused.id)} was refused"
    )
    return Evidence(text, (), None, float(len(open_ones)), "sessions")


def _fingerprints(session: Session) -> frozenset[str]:
    taken = session.request.redacted if session.request else []
    return frozenset(f for t in taken if isinstance(f := t.get("fingerprint"), str) and f)
