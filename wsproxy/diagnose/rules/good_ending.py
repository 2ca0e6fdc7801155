"""What the rules about a missing answer share: sessions that ended without a failure."""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.diagnose.evidence import Evidence, seconds
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.session.timeline import Timeline

UNANSWERED = 10.0  # seconds without an answer from which on it is missing
LATE_FINAL = 8.0  # seconds from words to their final result
MIN_SPEECH = 1.0  # seconds of speech for which words, or an answer, are expected


def good_timeline(facts: SessionFacts) -> Timeline | None:
    """The timeline of a session that was accepted and ended, without a failure.

    An app that dropped its connection may have given up for want of an answer.
    """
    session = facts.session
    if session.timeline is None or not session.accepted:
        return None
    return session.timeline if not session.failed or _dropped_by_client(facts) else None


def _dropped_by_client(facts: SessionFacts) -> bool:
    session = facts.session
    return session.ending in ("eof", "reset") and session.closed_by == "client"


def last_of_server(facts: SessionFacts, timeline: Timeline) -> list[Evidence]:
    """When the server sent its last message, relative to the end."""
    if timeline.last_server_ns is None or timeline.last_server_frame is None:
        return [Evidence("the server sent no message", (), None, 0.0, "messages")]
    ago = seconds(facts.ended_ns - timeline.last_server_ns)
    frame = timeline.last_server_frame
    text = f"the server's last message came {ago:.1f} s before the end (frame {frame})"
    return [Evidence(text, (frame,), timeline.last_server_ns, ago, "s")]


def closed_by_client(facts: SessionFacts) -> bool:
    """Whether the app closed or left the session."""
    return facts.session.closed_by == "client"


def closed_by_server(facts: SessionFacts) -> bool:
    """Whether nothing more would have come; it may have, where the app or the recording ended."""
    return facts.session.closed_by == "server"


def documented_proof(timeline: Timeline) -> Sequence[str]:
    """What proves success of the API: words, audio or messages; () where it is unknown."""
    return timeline.api.success.proof if timeline.api else ()
