"""Findings that only several sessions show together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wsproxy.session import Session
from wsproxy.statistics import median
from wsproxy.wording import plural

from .evidence import Evidence, quoted, seconds
from .finding import Finding

KEPT_SPANS = 1000  # last sessions that are compared with each other
MIN_STORM = 4  # consecutive failed sessions
_MAX_PAUSE_NS = 10 * 10**9  # ns between the end of a session and the start of the next one
_TOO_MANY = (429, 503)  # statuses that may mean too many concurrent sessions
_TOO_MANY_WORDS = (
    "concurren",
    "too many",
    "too_many",
    "rate limit",
    "rate_limit",
    "quota_exceeded",
)


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """The facts of a session that are compared with other sessions; a folder may have many.

    Attributes:
        endpoint: host and path.
        begin, end: Unix time in ns.
        too_many: whether it was refused or closed because of too many sessions.
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
        """Summarize a recorded session; None where its start is unknown, or for a replay."""
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
            _key_fingerprints(session),
        )


def findings_across(spans: Iterable[SessionSpan]) -> list[Finding]:
    """Find reconnect storms, and keys that were used in too many sessions at once.

    Args:
        spans: in any order.
    """
    ordered = sorted(spans, key=lambda span: span.begin)
    return [*_storms(ordered), *_same_key_at_once(ordered)]


def _storms(spans: Iterable[SessionSpan]) -> list[Finding]:
    """Consecutive sessions with one endpoint, each soon after the failure of the last."""
    rows: dict[tuple[str, str], list[list[SessionSpan]]] = defaultdict(list)
    for span in spans:
        found = rows[span.endpoint]
        before = found[-1][-1] if found else None
        if before is not None and before.failed and 0 <= span.begin - before.end <= _MAX_PAUSE_NS:
            found[-1].append(span)
        else:
            found.append([span])
    storms = [(e, row) for e, found in rows.items() for row in found if len(row) >= MIN_STORM]
    if not storms:
        return []
    return [
        Finding(
            "traffic.sessions.reconnect-storm",
            "warning",
            "The app reconnects again and again, each time soon after a failure",
            f"Each attempt followed within {_MAX_PAUSE_NS // 10**9} s of a failure. Services count "
            "attempts, and refuse clients that make too many.",
            [_storm_evidence(endpoint, row) for endpoint, row in storms],
            ["The app retries without backoff", "It retries an error that a retry cannot fix"],
            [
                "Wait between attempts: exponential backoff with jitter, from 1 s on",
                "Do not retry errors that need a fix: see the first finding of each session",
            ],
            retry="fix-first",
            source={"document": "wsproxy: docs/catalog.md", "section": "What is measured"},
        )
    ]


def _storm_evidence(endpoint: tuple[str, str], row: Sequence[SessionSpan]) -> Evidence:
    gaps = [seconds(b.begin - a.end) for a, b in pairwise(row)]
    where = quoted("".join(endpoint), 100)
    text = (
        f"{len(row)} sessions with {where} in a row; pause after each failure: "
        f"min {min(gaps):.2f} s, p50 {median(gaps):.2f} s"
    )
    return Evidence(text, (), None, float(len(row)), "sessions")


def _same_key_at_once(spans: Sequence[SessionSpan]) -> list[Finding]:
    """Sessions that were refused while others with the same key were open."""
    evidence = [
        found
        for span in spans
        if span.too_many and (found := _open_sessions(span, spans)) is not None
    ]
    if not evidence:
        return []
    return [
        Finding(
            "traffic.sessions.same-key-at-once",
            "warning",
            "A session was refused while others with the same key were open",
            "Limits on sessions count by key or project. The sessions on this machine used "
            "all or part of that limit.",
            evidence,
            [
                "Sessions are not closed when they are done",
                "More concurrent users than the plan allows",
            ],
            [
                "End each session with the API's own message, even when the app fails",
                "Queue sessions over the limit, or ask for a higher limit",
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
    return any(word in text.lower() for text in texts for word in _TOO_MANY_WORDS)


def _open_sessions(refused: SessionSpan, spans: Iterable[SessionSpan]) -> Evidence | None:
    """Evidence of the sessions with the same key that were open when this one was refused."""
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


def _key_fingerprints(session: Session) -> frozenset[str]:
    redactions = session.request.redacted if session.request else []
    return frozenset(f for r in redactions if isinstance(f := r.get("fingerprint"), str) and f)
