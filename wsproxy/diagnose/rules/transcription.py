"""Rules about what a service needs before it transcribes: a model, a commit, an end of the audio.

They need the timeline of the session. Further ones are about words that came more than once.
"""

from __future__ import annotations

import re

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.envelope import holders
from wsproxy.catalog.exchange import Patterns, UserTurns
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.request_query import query_parameters
from wsproxy.session.timeline import Timeline

from .good_ending import LATE_FINAL, MIN_SPEECH

_REPEATED = 2  # final results; one may be chance
_TIMES = 3  # the same words in one result; twice is common
_FASTEST = 20.0  # characters in a second of speech; people who repeat words are slower
_WORDS = 60  # of a result that are compared


def never_committed(facts: SessionFacts) -> list[Evidence]:
    """The service transcribes what the app commits, and the app committed nothing."""
    timeline, late = _with_speech(facts), _first_final_late(facts)
    if timeline is None or facts.api is None or not facts.transcribes_only:
        return []
    if late < LATE_FINAL and _without_final_words(facts) is None:
        return []
    if (setting := _commit_setting(facts, timeline, facts.api.exchange.turns)) is None:
        return []
    names = " or ".join(str(pattern) for pattern in facts.api.exchange.turns.end)
    text = f"{timeline.sent.speech:.1f} s of speech were sent, and no {names}; {setting}"
    if late >= LATE_FINAL:
        text += f"; the final words came {late:.1f} s after the interim ones"
    first = facts.audio.first
    frames = (first.frame,) if first is not None else ()
    return [Evidence(text, frames, None, timeline.sent.speech, "s")]


def _commit_setting(facts: SessionFacts, timeline: Timeline, turns: UserTurns) -> str | None:
    """The setting with which the app commits its audio, if it never did; for people."""
    tracked = timeline.exchange.user_turns
    if tracked.ended is not None:
        return None
    setting = _setting_of_url(facts, turns.manual)
    if setting is None and tracked.manual is not None:  # it still is: no later message changed it
        setting = _setting_of_message(facts, turns.manual)
    return setting


def _with_speech(facts: SessionFacts) -> Timeline | None:
    """The timeline of a session in which speech was sent."""
    timeline = facts.session.timeline
    if timeline is None or not facts.session.accepted:
        return None
    return timeline if (timeline.sent.speech or 0) >= MIN_SPEECH else None


def _without_final_words(facts: SessionFacts) -> Timeline | None:
    """The timeline of a session in which speech was sent, and no final words came."""
    timeline = _with_speech(facts)
    if timeline is None or any(each.final and each.text for each in timeline.transcript):
        return None
    return timeline


def _first_final_late(facts: SessionFacts) -> float:
    """Seconds from the first interim words to the first final ones; 0 if one of them is missing."""
    found = facts.session.timeline.transcript if facts.session.timeline else None
    if found is None or found.first_interim_ns is None or found.first_final_ns is None:
        return 0.0
    return seconds(found.first_final_ns - found.first_interim_ns)


def _setting(facts: SessionFacts, patterns: Patterns) -> str | None:
    """Which of the settings the app has chosen, for people."""
    return _setting_of_url(facts, patterns) or _setting_of_message(facts, patterns)


def _setting_of_url(facts: SessionFacts, patterns: Patterns) -> str | None:
    query = {"query": query_parameters(facts.session.request)}
    for pattern in patterns:
        is_of_url = any(path.startswith("query.") for path, _ in pattern.fields)
        if is_of_url and pattern.matches("", query):
            name, _, value = str(pattern).removeprefix("query.").partition("=")
            return f"the URL has {f'no {name}' if value == 'none' else f'{name}={value}'}"
    return None


def _setting_of_message(facts: SessionFacts, patterns: Patterns) -> str | None:
    for pattern in patterns:
        for message in facts.client_json:
            if pattern.matches(message.kind, message.content):
                fields = ", ".join(f"{path} is {value}" for path, value in pattern.fields)
                return f"{fields} (frame {message.frame})"
    return None


def no_words_model(facts: SessionFacts) -> list[Evidence]:
    """The session is for transcription only, and has no model that transcribes."""
    paths = facts.api.success.words_model if facts.api else ()
    if not facts.transcribes_only or _without_final_words(facts) is None:
        return []
    # Of the messages that have the field, which may be null there.
    named = ((m, path) for m in facts.server_json for path in paths)
    described = [(m, path) for m, path in named if any(holders(m.content, path))]
    if not described or field_of(described[-1][0].content, described[-1][1]) is not None:
        return []
    message, path = described[-1]
    text = f"{path} is null in {message.kind} (frame {message.frame}), the server's last "
    text += "description of the session"
    frames = [message.frame]
    ignored = [m for m in facts.client_json if m.frame > message.frame and "session" in m.content]
    if ignored:
        text += f"; it confirmed no change after {ignored[-1].kind} (frame {ignored[-1].frame})"
        frames.append(ignored[-1].frame)
    return [Evidence(text, tuple(frames), message.t_ns)]


def words_twice(facts: SessionFacts) -> list[Evidence]:
    """The final words come twice, in messages of two kinds, and the app did not ask for that."""
    timeline = facts.session.timeline
    if timeline is None or timeline.transcript.repeated < _REPEATED:
        return []
    if _setting(facts, facts.vocabulary.repeats_asked) is not None:
        return []
    found = timeline.transcript
    kinds = " and ".join(quoted(kind) for kind in found.repeated_kinds)
    count = found.finals - found.repeated
    text = f"{found.repeated} of {count} final transcripts came twice, in {kinds}"
    finals = [each.frame for each in found if each.final][:4]
    return [Evidence(text, tuple(finals), None, float(found.repeated), "results")]


def words_repeated(facts: SessionFacts) -> list[Evidence]:
    """A final result is the same words over and over, more than the speech can have held."""
    timeline = facts.session.timeline
    speech = timeline.sent.speech if timeline is not None else None
    if timeline is None or not speech:
        return []
    finals = [each for each in timeline.transcript if each.final and each.text]
    characters = sum(len(each.text) for each in finals)
    found = [(each, times) for each in finals if (times := _times(each.text)) >= _TIMES]
    if not found or characters / speech < _FASTEST:
        return []
    first, times = found[0]
    text = f"{quoted(first.text, 80)} (frame {first.frame}) has the same words {times} times; "
    text += f"{characters} characters came for {speech:.1f} s of speech"
    frames = tuple(each.frame for each, _ in found[:4])
    return [Evidence(text, frames, None, float(times), "times")]


def _times(text: str) -> int:
    """How often the same words follow each other in a text that has no others."""
    words = re.findall(r"\w+", text.lower())
    for size in range(1, len(words) // _TIMES + 1 if len(words) <= _WORDS else 0):
        if words == words[:size] * (len(words) // size):
            return len(words) // size
    return 1


RULES: tuple[Measure, ...] = (never_committed, no_words_model, words_twice, words_repeated)
