"""Rules about texts for an agent: one that leaves the user's turn open, two that both end it.

They need the timeline of the session, and `[api.exchange]` of the catalog.
"""

from __future__ import annotations

from wsproxy.diagnose.evidence import Evidence, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.noted_message import NotedMessage

_MIN_SPEECH = 1.0  # seconds of the user's speech, which may have interrupted the agent


def text_left_open(facts: SessionFacts) -> list[Evidence]:
    """The app's last text for the agent leaves the turn of the user open."""
    found = facts.exchange
    if found is None or found.open_text is None:
        return []
    ends = _completes(facts, found.open_text)
    text = f"the text in frame {found.open_text.frame} is without {ends}, and none followed with it"
    return [Evidence(text, (found.open_text.frame,), found.open_text.t_ns)]


def texts_overlap(facts: SessionFacts) -> list[Evidence]:
    """Two texts asked for an answer at once, and an answer was interrupted without speech."""
    found, timeline = facts.exchange, facts.session.timeline
    if found is None or timeline is None or found.overlap is None:
        return []
    first, second = found.overlap
    stopped = found.agent_turns.interrupted.first
    if stopped is None or stopped.frame < second.frame:
        return []
    if (timeline.sent.speech or 0.0) >= _MIN_SPEECH:
        return []  # it may have been the user who interrupted
    late = seconds(second.t_ns - first.t_ns)
    text = f"frames {first.frame} and {second.frame} both have {_completes(facts, second)}, "
    text += f"{late:.2f} s apart; the answer was interrupted in frame {stopped.frame}"
    frames = (first.frame, second.frame, stopped.frame)
    return [Evidence(text, frames, second.t_ns, late, "s")]


def _completes(facts: SessionFacts, text: NotedMessage) -> str:
    """The field that ends the turn of the user in a message of this kind."""
    patterns = facts.api.exchange.user_text if facts.api else ()
    fields = (path for p in patterns if p.kind == text.name for path, _ in p.fields)
    return next((path.rpartition(".")[2] for path in fields), "the end of the turn")


RULES: tuple[Measure, ...] = (text_left_open, texts_overlap)
