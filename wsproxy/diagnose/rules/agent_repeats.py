"""Rules about what a voice agent does again: calls, sentences; and about what came too late.

They need the timeline of the session, and `[api.exchange]` of the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.agent_turns import AgentTurn
from wsproxy.session.latency import Turn
from wsproxy.session.message_fields import fields_of
from wsproxy.session.noted_message import NotedMessage
from wsproxy.session.transcript import Result
from wsproxy.wording import plural

from .conversation import answered_twice
from .dialogue_facts import agent_turns, spoke_between, spoken_turns, user_speech
from .good_ending import good_timeline

_SAME_CALLS = 4  # in a row, with the same arguments; three may be tries
_CALLS = 6  # in a row, with any arguments
# Of the kind of a message that calls a function.
_FUNCTION = re.compile(r"(?i)tool|function")
_CALL = re.compile(r"(?i)call|invocation")
_MIN_SAID = 5  # words of a sentence; shorter ones are said again by chance
_MANY_SAID = 15  # characters
_SOON = 5.0  # seconds between two answers; after a longer silence an agent may ask again
_SENTENCE = re.compile(r"[^.!?…。！？।؟\n]+")
_LATE = 10.0  # seconds from the user's last speech to the answer
_PROMPT = 3.0  # seconds of the others
_MIN_PROMPT = 2
_STREAMED = 0.5  # of that time, for which audio was sent: nothing else shows the end of a turn


def calls_repeated(facts: SessionFacts) -> list[Evidence]:
    """The agent called a function again and again; each was answered, and it said nothing."""
    if facts.api is None:
        return _unknown_calls(facts)
    turns, found = agent_turns(facts), facts.exchange
    run = found.longest_run if found is not None else None
    if turns is None or run is None or not _is_many(run.count, run.same):
        return []
    if spoke_between(user_speech(facts), run.first.t_ns, run.last.t_ns):
        return []
    how = " with the same arguments" if run.same >= _SAME_CALLS else ""
    count = run.same if how else run.count
    text = f"{quoted(run.last.name, 40)} was called {count} times in a row{how}, up to frame "
    text += f"{run.last.frame}; each call was answered, and neither side said anything in between"
    text += _forced(facts)
    frames = (run.first.frame, run.last.frame)
    return [Evidence(text, frames, run.first.t_ns, float(count), "calls")]


def _is_many(count: int, same: int) -> bool:
    return same >= _SAME_CALLS or count >= _CALLS


def _forced(facts: SessionFacts) -> str:
    """The setting that makes the agent call a function in each answer; "" without one."""
    for message in facts.client_json:
        for name, value in fields_of(message.content):
            if name == "tool_choice" and value in ("required", "any"):
                return f"; tool_choice is {quoted(str(value))} (frame {message.frame})"
    return ""


def _unknown_calls(facts: SessionFacts) -> list[Evidence]:
    """The same of an API that is not in the catalog, whose calls are known by their kind."""
    if good_timeline(facts) is None:
        return []
    for _, group in groupby(facts.server_json, key=_call):
        calls = list(group)
        first, last = calls[0], calls[-1]
        if len(calls) < _SAME_CALLS or not _call(first):
            continue
        answers = sum(first.t_ns < m.t_ns < last.t_ns for m in facts.client_json)
        if answers < len(calls) - 1:
            continue
        text = f"{quoted(first.kind, 40)} came {len(calls)} times in a row with the same content "
        text += f"(frames {first.frame} to {last.frame}); the app answered each time"
        return [Evidence(text, (first.frame, last.frame), first.t_ns, float(len(calls)), "calls")]
    return []


def _call(message: ServerMessage) -> str:
    """What a call has besides ids; "" for another message."""
    if not (_FUNCTION.search(message.kind) and _CALL.search(message.kind)):
        return ""
    return str(sorted((name, str(v)) for name, v in _without_ids(message.content)))


def _without_ids(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, v) for name, v in fields_of(content) if not name.lower().endswith("id"))


def said_again(facts: SessionFacts) -> list[Evidence]:
    """The agent said a sentence again at once, and nobody had said anything in between."""
    timeline, speech, turns = facts.session.timeline, user_speech(facts), spoken_turns(facts)
    if not turns or timeline is None or facts.measured(answered_twice):
        return []
    said: dict[str, Result] = {}
    before: Result | None = None
    for result in timeline.transcript:
        if not result.by_agent:
            said, before = {}, None
            continue
        if before is not None and _are_apart(turns, before, result):
            said = {}
        before = result
        for sentence in map(_plain, _SENTENCE.findall(result.text)):
            first = said.setdefault(sentence, result)
            if len(sentence) < _MANY_SAID or len(sentence.split()) < _MIN_SAID or first is result:
                continue
            if spoke_between(speech, first.t_ns, result.t_ns):
                continue
            text = f"the agent said {quoted(sentence, 60)} (frame {first.frame}) and said it again "
            text += f"{seconds(result.t_ns - first.t_ns):.1f} s later (frame {result.frame})"
            ends = [turn.end.t_ns for turn in agent_turns(facts) or () if turn.calls and turn.end]
            if any(first.t_ns <= t_ns <= result.t_ns for t_ns in ends):
                text += "; it had called a function in between"
            if request := _request_of(turns, first, result):
                text += f"; the app had requested that answer (frame {request.frame})"
            return [Evidence(text, (first.frame, result.frame), result.t_ns)]
    return []


def _request_of(turns: list[AgentTurn], one: Result, other: Result) -> NotedMessage | None:
    """The app's request of the turn of a result, if another one belongs to an earlier turn."""
    between = [turn for turn in turns if one.t_ns < turn.t_ns <= other.t_ns]
    return between[-1].request if between else None


def _plain(sentence: str) -> str:
    return " ".join(sentence.split())


def _are_apart(turns: list[AgentTurn], one: Result, other: Result) -> bool:
    """Whether two results belong to different turns, with a silence between them.

    An agent asks again if nobody answers it.
    """
    between = [turn for turn in turns if one.t_ns < turn.t_ns <= other.t_ns]
    ends = [turn.end.t_ns for turn in turns if turn.end and turn.end.t_ns <= other.t_ns]
    ended = [t_ns for t_ns in ends if t_ns >= one.t_ns]
    if not between or not ended:
        return False
    return seconds(between[-1].t_ns - ended[0]) >= _SOON


def audio_after_end(facts: SessionFacts) -> list[Evidence]:
    """Audio of an answer came after the message that ends it."""
    turns = agent_turns(facts)
    if turns is None or turns.late_audio is None:
        return []
    turn, audio = turns.late_audio
    if turn.end is None:
        return []
    text = f"frame {turn.end.frame} ends an answer, and {plural(turns.late_count, 'message')} with "
    text += f"audio came after such an end, the first one {seconds(audio.t_ns - turn.end.t_ns):.2f}"
    text += f" s after it (frame {audio.frame})"
    frames = (turn.end.frame, audio.frame)
    return [Evidence(text, frames, audio.t_ns, float(turns.late_count), "messages")]


def answered_late(facts: SessionFacts) -> list[Evidence]:
    """An answer began long after the user's speech, although others began soon after it."""
    timeline, found, turns = facts.session.timeline, facts.exchange, agent_turns(facts)
    if timeline is None or found is None or turns is None or found.user_turns.manual is not None:
        return []
    waits = timeline.latency.turns
    late = [each for each in waits if each.seconds >= _LATE and _is_waiting(facts, each)]
    if not late or sum(each.seconds <= _PROMPT for each in waits) < _MIN_PROMPT:
        return []
    longest = max(late, key=lambda each: each.seconds)
    begun_ns = longest.t_ns + int(longest.seconds * 1e9)
    text = f"{len(late)} of {len(waits)} answers began {_LATE:.0f} s or more after the user's last "
    text += f"speech; the longest wait was {longest.seconds:.1f} s"
    frames = tuple(turn.frame for turn in turns if abs(turn.first_audio_ns - begun_ns) < 1e9)
    return [Evidence(text, frames[:1], begun_ns, round(longest.seconds, 1), "s")]


def _is_waiting(facts: SessionFacts, wait: Turn) -> bool:
    """Whether nothing but the agent's answer was to come: no call, request or text of the app."""
    start_ns, end_ns = wait.t_ns, wait.t_ns + int(wait.seconds * 1e9)
    places = {place.frame for place in (*facts.audio.first_places, facts.audio.last) if place}
    kinds = {message.kind for message in facts.client_json if message.frame in places}
    if any(start_ns < m.t_ns < end_ns and m.kind not in kinds for m in facts.client_json):
        return False
    if any(start_ns < turn.t_ns < end_ns - 1e9 for turn in agent_turns(facts) or ()):
        return False
    cursor, declared = facts.audio.cursor, facts.timed_format
    if declared is None or not declared.from_client:
        return False
    sent = declared.duration(cursor.size_at(end_ns) - cursor.size_at(start_ns))
    return sent >= _STREAMED * wait.seconds


RULES: tuple[Measure, ...] = (calls_repeated, said_again, audio_after_end, answered_late)
