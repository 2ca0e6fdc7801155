"""Rules about what the app asked for, by a setting that the API documents, and did not get.

They need the timeline of the session, and return nothing where the session failed.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.promise_tracker import AskedPromise

from .good_ending import good_timeline
from .words import results_stopped

_DUE = 2  # final results with words that lack it; one may be too short


def promise_unkept(facts: SessionFacts) -> list[Evidence]:
    """A setting asks for something that belongs to the words, and no result has it."""
    asked = (each for each in _asked(facts) if not each.came)
    found = [each for each in asked if each.due >= _DUE and each.words >= each.promise.words]
    return [
        Evidence(f"{_wish(each)}; none came with {each.due} final results", (), None, each.due)
        for each in found
    ]


def utterance_not_ended(facts: SessionFacts) -> list[Evidence]:
    """Words came, and then audio without words, and not the event that reports the end of speech.

    Where speech went on without words, it is the words that are missing.
    """
    if facts.measured(results_stopped):
        return []
    out = []
    for each in _asked(facts):
        if (pause := each.missed) is None:
            continue
        text = f"{_wish(each)}; it did not come in {pause.seconds:.1f} s of audio without words "
        text += f"after frame {pause.frame}"
        out.append(Evidence(text, (pause.frame,), pause.t_ns, round(pause.seconds, 1), "s"))
    return out


def _asked(facts: SessionFacts) -> Iterator[AskedPromise]:
    timeline = good_timeline(facts)
    if timeline is not None:
        yield from timeline.promises.settle(timeline.sent.seconds)


def _wish(asked: AskedPromise) -> str:
    """What was asked for, for people."""
    what = asked.promise.what
    return f"{quoted(asked.setting)} asks for {what}" if asked.setting else f"the API sends {what}"


RULES: tuple[Measure, ...] = (promise_unkept, utterance_not_ended)
