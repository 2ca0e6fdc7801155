"""The explanation of a session, before it is rendered for a screen or as Markdown.

An `Explanation` holds only texts, which are `safe` and of bounded length, and no reference to
the session: the explanations of many traces fit into memory.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from wsproxy import __version__
from wsproxy.catalog import Catalog
from wsproxy.catalog.server_sentence import contains
from wsproxy.diagnose import Finding, SessionFacts, summary
from wsproxy.diagnose.outcome import outcome
from wsproxy.diagnose.summary import intermediary
from wsproxy.session import FrameInfo, Session
from wsproxy.session.outcome import SUCCEEDED
from wsproxy.system.address import authority
from wsproxy.wire import Opcode
from wsproxy.wording import plural

from .other_findings import other_findings
from .request_ids import request_ids
from .safe_text import safe, short
from .text import api, compact, lasting, made_from, size, when

_ROWS = 6  # of the last frames
_SCANNED = 1000  # frames before the end that are searched for them
_LINE = 300  # characters of a text that comes from a trace
_EVIDENCE = 800  # characters of a line of evidence, which has the server's own sentence
_PROSE = 2000  # characters of a text of the catalog

RETRY = {
    "yes": "A new session usually works.",
    "wait": "Wait, then retry.",
    "fix-first": "Retrying fails until the cause is fixed.",
    "maybe": "Retrying may work.",
    "no-error": "Nothing is wrong.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Frames near the end: one frame, or several consecutive ones of the same kind.

    Attributes:
        frames: their numbers.
        at: time of the last one, relative to the end of the session.
        side: who sent them.
        what: opcode, and how many.
        amount: payload.
        content: of the frame, or the interval between frames.
    """

    frames: str
    at: str
    side: str
    what: str
    amount: str
    content: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One session explained.

    Attributes:
        path: the trace.
        state: "failed", "good" (success was proven), "unproven", or "open" (the end is not in
            the trace).
        summary: how the session ended, in one sentence.
        head: API, start time, amounts of data.
        request: method, address and path, and the answer's status.
        last_frames: oldest first.
        findings: most important first.
        retry: whether and when to retry, for the first finding.
        support: whom to send it to; empty if the provider has not seen the session.
        request_ids: the provider's ids of the session, (where, value).
        ended_at: when it ended, UTC.
        versions: of the programs, (name, version).
        made_from: the session it was derived from, and how; empty for a recording.
        reason: of the outcome, with figures; empty if it is unknown.
        content: what of the session's content the trace has, such as "audio and text".
    """

    path: str
    state: str
    summary: str
    head: str
    request: str
    last_frames: Sequence[Row]
    findings: Sequence[Finding]
    retry: str
    support: str
    request_ids: Sequence[tuple[str, str]]
    ended_at: str
    versions: Sequence[tuple[str, str]]
    made_from: str = ""
    reason: str = ""
    content: str = ""

    @property
    def main(self) -> Finding | None:
        """The most important finding; None if there is nothing to say beside how it ended."""
        first = self.findings[0] if self.findings else None
        if first is not None and first.severity == "info" and self.state != "failed":
            return None
        return first

    @property
    def verdict(self) -> str:
        """What happened and whether it is a failure, in one sentence."""
        if self.state == "failed":
            return self.summary
        warnings, notices = self._counted("warning"), self._counted("notice")
        if self.state == "open":
            found = ", ".join(filter(None, [warnings or "No problems", notices]))
            return f"{self.summary} {found} so far."
        if self.state == "unproven":
            is_title = self.main is not None and self.reason == self.main.title
            reason = f" ({self.reason})" if self.reason and not is_title else ""
            start = f"success is unproven{reason}"
        else:
            start = "no failure" if warnings else "no problems found"
        found = ", ".join(filter(None, [start, warnings, notices]))
        return f"{self.summary.removesuffix('.')}; {found}."

    def _counted(self, severity: str) -> str:
        """How many findings of this severity are shown; "" for none."""
        shown = [*([self.main] if self.main is not None else []), *self.further]
        count = sum(finding.severity == severity for finding in shown)
        return plural(count, severity) if count else ""

    @property
    def others(self) -> Sequence[Finding]:
        """The findings beside the first one."""
        return self.findings[self.main is not None :]

    @property
    def further(self) -> Sequence[Finding]:
        """The other findings that say something else than the first one."""
        reason = self.reason if self.state == "unproven" else ""
        return other_findings(self.findings, self.main, reason)


def explain(
    path: Path, session: Session, findings: Sequence[Finding], catalog: Catalog
) -> Explanation:
    """Explain a session.

    Args:
        findings: `diagnose` of it.
    """
    cleaned = [clean(finding) for finding in findings]
    found, facts = outcome(session, findings), SessionFacts(session, catalog)
    return Explanation(
        safe(str(path)),
        state(session, findings),
        short(summary(session, catalog, with_reason=not _is_title(session, cleaned)), _LINE),
        _head(session, facts),
        _request(session),
        list(_last_frames(session, facts.ended_ns)),
        cleaned,
        _retry(cleaned[0], session) if cleaned else "",
        _support(session, cleaned, catalog),
        [(name, short(value, 100)) for name, value in request_ids(session, catalog)],
        _ended_at(session),
        _versions(session),
        made_from(session.start, _LINE) if session.start else "",
        short(found.reason, _LINE) if found is not None else "",
        _content(session),
    )


def _is_title(session: Session, findings: Sequence[Finding]) -> bool:
    """Whether the close reason is in the title of the first finding."""
    close = session.close
    return close is not None and any(contains(f.title, close.reason) for f in findings[:1])


def _content(session: Session) -> str:
    """What of the session's content the trace has."""
    heard = any(session.audio.tracks(from_client=side) for side in (True, False))
    said = any(session.messages(from_client=side) for side in (True, False))
    return " and ".join(["audio"] * heard + ["text"] * said)


def _support(session: Session, findings: Sequence[Finding], catalog: Catalog) -> str:
    """Whom to send the session to; "" if the provider has not answered."""
    by_gateway = any(finding.error_class == "gateway" for finding in findings[:1])
    if session.response is None or by_gateway or intermediary(session, catalog):
        return ""
    facts = SessionFacts(session, catalog)
    # Not of a simulated API, a gateway, or a server of one's own.
    if facts.provider is None or not facts.provider.is_at(session.recorded_host or ""):
        return ""
    ending = "'" if facts.server_name.endswith("s") else "'s"
    return f"{facts.server_name}{ending} support"


def state(session: Session, findings: Sequence[Finding]) -> str:
    """One of the states of an `Explanation`."""
    if session.failed or any(finding.severity == "error" for finding in findings):
        return "failed"
    if session.ending in ("unfinished", "stopped"):
        return "open"
    found = outcome(session, findings)
    return "good" if found is not None and found.kind == SUCCEEDED else "unproven"


def clean(finding: Finding) -> Finding:
    """The finding with texts that are safe to print, each on one line."""

    def lines(texts: Sequence[str]) -> list[str]:
        return [short(text, _PROSE) for text in texts]

    return replace(
        finding,
        id=short(finding.id, 100),
        title=short(finding.title, _LINE),
        meaning=short(finding.meaning, _PROSE),
        evidence=[replace(e, text=short(e.text, _EVIDENCE)) for e in finding.evidence],
        sentence=short(finding.sentence, _PROSE),
        causes=lines(finding.causes),
        remedies=lines(finding.remedies),
        seen=lines(finding.seen),
        quoting=lines(finding.quoting),
        retry_note=short(finding.retry_note, _PROSE),
        source={name: short(value, _LINE) for name, value in finding.source.items()},
        disagreement=short(finding.disagreement, _PROSE),
        related=lines(finding.related),
        fitting=lines(finding.fitting),
    )


def _head(session: Session, facts: SessionFacts) -> str:
    start, request = session.start, session.request
    name, host = api(session), short(request.host, 100) if request else ""
    where = f"{name} at {host}" if host and host != name else name
    began = f"{when(start.started_at_ns)} UTC" if start else "?"
    attempt = f", attempt {start.attempt}" if start and start.attempt > 1 else ""
    if not session.accepted:
        return f"{where}, {began}{attempt}"
    sent, received = session.sent, session.received
    return (
        f"{where}, {began}{attempt}; {facts.client_name} sent "
        f"{plural(sent.frames, 'frame')} ({size(sent.size)}), "
        f"{facts.speaker} {received.frames} ({size(received.size)})"
    )


def _request(session: Session) -> str:
    request, response = session.request, session.response
    if request is None:
        return "?"
    answer = f"HTTP {response.status}" if response else "no answer"
    address = f"{request.scheme}://{authority(request.host, request.port)}{request.path}"
    return f"{short(f'{request.method} {address}', _LINE)} → {answer}"


def _ended_at(session: Session) -> str:
    if session.start is None:
        return "?"
    return f"{when(session.start.started_at_ns + session.duration_ns)} UTC"


def _versions(session: Session) -> list[tuple[str, str]]:
    start = session.start
    versions = [
        ("wsproxy", __version__),
        ("Python", platform.python_version()),
        ("recorded by wsproxy", start.wsproxy if start else None),
        ("mitmproxy", start.mitmproxy if start else None),
    ]
    return [(name, short(version, 40)) for name, version in versions if version]


# -- the last frames


def _last_frames(session: Session, end_ns: int) -> Iterator[Row]:
    """The last frames up to the end, and the one after it; at least one of each side."""
    last = session.close.frame + 1 if session.close else session.frame_count
    runs = _runs(session, min(last, session.frame_count))
    if not runs:
        return
    for side in (True, False):
        if all(run[0].from_client is not side for run in runs):
            before = session.traffic.last(from_client=side)
            earlier = [before] if before and before.number < runs[0][0].number else []
            runs = [earlier] * len(earlier) + runs[-_ROWS + 1 :]
    texts = {m.frame: m.text for side in (True, False) for m in session.messages(from_client=side)}
    texts |= {c.frame: f"{c.code or 'no code'} {c.reason}" for c in session.closes}
    for run in runs:
        yield _row(run, end_ns, texts.get(run[0].number, ""))


def _runs(session: Session, last: int) -> list[list[FrameInfo]]:
    """The last frames, oldest first; consecutive frames of the same kind are one run."""
    runs: list[list[FrameInfo]] = []
    for number in range(last, max(0, last - _SCANNED), -1):
        if not session.traffic.is_kept(number):
            break
        frame = session.frame(number)
        if runs and _alike(frame, runs[0][0]):
            runs[0].insert(0, frame)
        elif len(runs) < _ROWS:
            runs.insert(0, [frame])
        else:
            break
    return runs


def _alike(one: FrameInfo, other: FrameInfo) -> bool:
    same = (one.from_client, one.opcode) == (other.from_client, other.opcode)
    return same and one.opcode not in (Opcode.TEXT, Opcode.CLOSE)


def _row(run: Sequence[FrameInfo], end_ns: int, text: str) -> Row:
    first, last = run[0], run[-1]
    content = short(compact(text), 200)
    if len(run) > 1:
        pause = (last.t_ns - first.t_ns) / (len(run) - 1) / 1e9
        content = f"from {(first.t_ns - end_ns) / 1e9:+.3f} s, one every {pause:.3f} s"
    return Row(
        f"#{first.number}" if len(run) == 1 else f"#{first.number}-{last.number}",
        f"{(last.t_ns - end_ns) / 1e9:+.3f} s",
        "app →" if first.from_client else "← server",
        str(first.opcode) if len(run) == 1 else f"{len(run)} × {first.opcode}",
        size(sum(frame.length for frame in run)),
        content,
    )


# -- when to retry


# Beginnings of notes that are advice by themselves.
_NOTES = ("A new session", "A new connection", "Reconnecting")


def _advice(finding: Finding) -> str:
    """Whether to retry; where a cause is seen, it decides whether a retry helps."""
    if finding.retry == "no-error":
        return ""
    if finding.seen and finding.retry == "maybe":
        return "Retrying helps only if the cause seen here does not recur."
    if finding.retry_note.startswith(_NOTES):
        return finding.retry_note
    if finding.seen and finding.retry == "yes":
        return "A new session works until the cause seen here recurs."
    return f"{RETRY[finding.retry]} {finding.retry_note}".strip()


def _retry(finding: Finding, session: Session) -> str:
    advice = _advice(finding)
    wait = retry_after(session)
    if wait is None or session.response is None:
        return advice
    until = ""
    if session.start is not None:
        at = session.start.started_at_ns + session.response.t_ns + int(wait * 1e9)
        until = f", until {when(at)} UTC"
    return f"{advice} The server asks to wait {lasting(wait)}{until} (Retry-After)."


def retry_after(session: Session) -> float | None:
    """Seconds that a refusal asks to wait (RFC 9110, section 10.2.3).

    None if it does not, or if the value is neither seconds nor a date.
    """
    if session.accepted:
        return None
    value = (session.response_header("retry-after") or "").strip()
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return float(value)
    until = _date(value)
    # By the server's own clock, if it reports it: both dates are of the same clock then.
    now = _date(session.response_header("date") or "") or _answered_at(session)
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _answered_at(session: Session) -> datetime | None:
    if session.start is None or session.response is None:
        return None
    try:
        return datetime.fromtimestamp(
            (session.start.started_at_ns + session.response.t_ns) / 1e9, UTC
        )
    except (ValueError, OverflowError, OSError):
        return None
