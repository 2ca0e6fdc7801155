"""Rules about what a voice agent was asked for, against what came: words, voice, settings.

They need the timeline of the session, and `[api.exchange]` of the catalog.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from wsproxy.catalog.envelope import Json
from wsproxy.catalog.envelope import field as field_of
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.scripts import main_script
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.transcript import Result
from wsproxy.session.transcript_result import count_words

from .dialogue_facts import agent_turns, agent_words, spoken_turns, user_speech, utterances
from .good_ending import MIN_SPEECH
from .odd_words import other_script
from .received import received_other_samples

_GREETING = 5.0  # seconds for the first words of an agent
_ALIKE = 0.5  # ratio of texts that may be the same, as it was translated or filled in
_COMPARED = 200  # characters of texts that are compared
_MIN_TURNS = 2
_LONG_ANSWER = 8.0  # seconds of an answer whose words are counted
_SLOWEST = 0.7  # words a second of somebody who speaks
_SETTINGS = "session"  # the object with the settings, in messages of both sides
_MAX_SETTING = 100  # characters of a setting that is compared
_MAX_DEPTH = 6  # of objects in the settings
_CLOSE = 0.01  # of numbers that are the same, but for their rounding


def greeting_not_spoken(facts: SessionFacts) -> list[Evidence]:
    """The app says what the agent shall say first, and the agent does not say it."""
    turns, found = agent_turns(facts), _greeting(facts)
    timeline = facts.session.timeline
    if turns is None or found is None or timeline is None:
        return []
    message, path, greeting = found
    name = path.rpartition(".")[2]
    text = f"{name} is {quoted(greeting, 60)} (frame {message.frame})"
    frames = (message.frame,)
    spoke = [turn.t_ns for turn in turns]
    said = utterances(user_speech(facts), message.t_ns)
    until = min((*spoke[:1], *(each.t_ns for each in said[:1]), facts.ended_ns))
    waited = seconds(until - message.t_ns)
    if waited >= _GREETING and until not in spoke:
        text += f", and the agent said nothing for {waited:.1f} s, until the user spoke"
        return [Evidence(text, frames, message.t_ns, round(waited, 1), "s")]
    first = next((each for each in timeline.transcript if each.by_agent), None)
    if first is None or _is_like(greeting, first.text) or any(r.t_ns < first.t_ns for r in said):
        return []
    text += f", and the agent's first words are {quoted(first.text, 60)} (frame {first.frame})"
    return [Evidence(text, (*frames, first.frame), first.t_ns)]


def _greeting(facts: SessionFacts) -> tuple[ServerMessage, str, str] | None:
    """The message with what the agent shall say first, the path of it, and the text."""
    for message in facts.client_json:
        for path in facts.api.exchange.greeting if facts.api else ():
            value = field_of(message.content, path)
            if isinstance(value, str) and value.strip():
                return message, path, value
    return None


def _is_like(asked: str, said: str) -> bool:
    """Whether a text may be what was asked for, with its variables filled in."""
    one, other = asked[:_COMPARED].lower(), said[:_COMPARED].lower()
    if "{" in asked or main_script(one) != main_script(other):
        return True  # it may have been filled in, or translated
    shortest = min(len(one), len(other))
    return SequenceMatcher(None, one[:shortest], other[:shortest]).ratio() >= _ALIKE


def voice_changed(facts: SessionFacts) -> list[Evidence]:
    """The first answer was requested before the settings, and has another voice than the rest."""
    turns = [turn for turn in agent_turns(facts) or () if turn.voice]
    if len(turns) < _MIN_TURNS or turns[0].request is None:
        return []
    first, other = turns[0], next((t for t in turns if t.voice != turns[0].voice), None)
    request = turns[0].request
    setting = next((m for m in facts.client_json if _SETTINGS in m.content), None)
    if other is None or setting is None or setting.frame < request.frame:
        return []
    text = f"{request.name} (frame {request.frame}) was sent before the first {setting.kind} "
    text += f"(frame {setting.frame}): that answer has the voice {quoted(first.voice)}, a later "
    text += f"one {quoted(other.voice)} (frame {other.frame})"
    return [Evidence(text, (request.frame, setting.frame, other.frame), request.t_ns)]


def setting_not_applied(facts: SessionFacts) -> list[Evidence]:
    """The server describes the session with another value than the app had set."""
    if agent_turns(facts) is None:
        return []
    for message, answer in _answered_settings(facts):
        found = next(_differences(message.content[_SETTINGS], answer.content[_SETTINGS]), None)
        if found is not None:
            path, wanted, used = found
            text = f"{path} is {quoted(wanted)} in {message.kind} (frame {message.frame}), and "
            text += f"{quoted(used)} in {answer.kind} (frame {answer.frame})"
            return [Evidence(text, (message.frame, answer.frame), answer.t_ns)]
    return []


def _answered_settings(facts: SessionFacts) -> Iterator[tuple[ServerMessage, ServerMessage]]:
    """Messages of the app with settings, each with the server's description that answers it.

    The server's first message is no answer: it may have crossed the app's.
    """
    asked = [m for m in facts.client_json if isinstance(m.content.get(_SETTINGS), dict)]
    described = [m for m in facts.server_json[1:] if isinstance(m.content.get(_SETTINGS), dict)]
    frames = [message.frame for message in described]
    start = bisect_left(frames, asked[0].frame) if asked else 0
    unanswered = 0
    for message, following in pairwise((*asked, None)):
        if message is None:
            continue
        unanswered += 1
        end = bisect_left(frames, following.frame) if following else len(frames)
        if end - start >= unanswered:
            yield message, described[end - 1]
        unanswered = max(0, unanswered - (end - start))
        start = end


def _differences(
    asked: Json, used: Json, before: str = _SETTINGS, depth: int = 0
) -> Iterator[tuple[str, str, str]]:
    """The settings that differ: path, what was asked for, and what is used."""
    for name, wanted in asked.items():
        if name not in used or name in _OTHERWISE or (not depth and name in _IDENTITY):
            continue
        path, value = f"{before}.{name}", used[name]
        if isinstance(wanted, dict) and isinstance(value, dict):
            if depth < _MAX_DEPTH:
                yield from _differences(wanted, value, path, depth + 1)
        elif not _is_same(wanted, value):
            yield path, _shown(wanted), _shown(value)


_OTHERWISE = ("model", "instructions", "tools", "expires_at", "client_secret")
"""Settings that another rule compares, or that the server may write in its own way."""
_IDENTITY = ("id", "type", "object")
"""What names the session itself."""


def _is_same(wanted: object, used: object) -> bool:
    """Whether a value may be the one that was asked for, in another form."""
    if isinstance(wanted, bool) or isinstance(used, bool):
        return wanted is used or not isinstance(wanted, type(used))
    if isinstance(wanted, int | float) and isinstance(used, int | float):
        return abs(wanted - used) <= _CLOSE * max(1.0, abs(wanted))
    if isinstance(wanted, str) and isinstance(used, str):
        if max(len(wanted), len(used)) > _MAX_SETTING:
            return True
        return wanted.lower() == used.lower()
    return not (wanted and used is None)


def _shown(value: object) -> str:
    return "null" if value is None else str(value)[:_MAX_SETTING]


def other_scripts(facts: SessionFacts) -> list[Evidence]:
    """The words of the user are in several scripts, and those of the agent in one of them."""
    timeline = facts.session.timeline
    if agent_turns(facts) is None or timeline is None or facts.measured(other_script):
        return []
    results = [(main_script(each.text), each) for each in timeline.transcript if each.text]
    own = {script for script, each in results if each.by_agent and script}
    heard = [(script, each) for script, each in results if script and not each.by_agent]
    if len(own) != 1 or len({script for script, _ in heard}) < _MIN_TURNS:
        return []
    [usual] = own
    other = [(script, each) for script, each in heard if script != usual]
    if len(other) == len(heard):
        return []  # a conversation in two languages, such as with an interpreter
    script, result = other[0]
    text = f"{len(other)} of {len(heard)} transcripts of the user are in another script than the "
    text += f"agent's words, which are {usual}: {quoted(result.text, 40)} is {script} "
    text += f"(frame {result.frame}){_unset_language(facts)}"
    numbers = tuple(each.frame for _, each in other[:5])
    return [Evidence(text, numbers, result.t_ns, float(len(other)), "transcripts")]


def _unset_language(facts: SessionFacts) -> str:
    """That no language is set for the words of the user, where it could be; "" otherwise."""
    api, found = facts.api, facts.exchange
    paths = api.exchange.turns.language if api is not None else ()
    if found is None or found.user_turns.wants_words is None or not paths:
        return ""
    if any(field_of(m.content, path) for m in facts.client_json for path in paths):
        return ""
    return f"; no language is set beside {found.user_turns.wants_words.what}"


def no_words_at_all(facts: SessionFacts) -> list[Evidence]:
    """Both sides spoke, and the words of neither came, which this API sends unasked."""
    timeline, turns = facts.session.timeline, spoken_turns(facts)
    if timeline is None or facts.api is None or not facts.api.exchange.transcribed:
        return []
    if timeline.transcript.results or len(timeline.latency.turns) < _MIN_TURNS or not turns:
        return []
    spoken = timeline.sent.speech or 0.0
    if spoken < MIN_SPEECH * _MIN_TURNS:
        return []
    text = f"no message with words came, of either side: the user spoke for {spoken:.0f} s, and "
    text += f"the agent answered with {timeline.received.messages} messages of audio"
    return [Evidence(text, (turns[0].frame,), turns[0].t_ns, spoken, "s")]


def audio_without_words(facts: SessionFacts) -> list[Evidence]:
    """An answer of the agent has much more audio than its words take."""
    if facts.measured(received_other_samples):
        return []  # its duration is unknown
    turns = list(agent_turns(facts) or ())
    for turn, words in zip(turns, agent_words(facts, turns), strict=False):
        length = turn.seconds or 0.0
        count = sum(_spoken_words(each.text) for each in words)
        if not count or length < _LONG_ANSWER or count / length >= _SLOWEST or not _spaced(words):
            continue
        text = f"{length:.1f} s of audio from frame {turn.frame} on have {count} words, of which "
        text += f"the last are {quoted(words[-1].text[-40:])} (frame {words[-1].frame})"
        return [Evidence(text, (turn.frame,), turn.t_ns, round(count / length, 2), "words/s")]
    return []


def _spoken_words(text: str) -> int:
    """Words as they are spoken: most numbers have one for each digit, or more."""
    return count_words(text) + sum(map(str.isdigit, text))


def _spaced(words: Sequence[Result]) -> bool:
    """Whether the words are in a script that is written with spaces, so that they are counted."""
    return main_script(words[0].text) in ("Latin", "Cyrillic", "Greek")


def message_ignored(facts: SessionFacts) -> list[Evidence]:
    """The app sent a message that the API takes and ignores."""
    if agent_turns(facts) is None or facts.api is None:
        return []
    for pattern in facts.api.exchange.ignored:
        for message in facts.client_json:
            if pattern.matches(message.kind, message.content):
                named = (
                    (path, "" if value == "*" else f"={value}") for path, value in pattern.fields
                )
                fields = " and ".join(f"{path}{value}" for path, value in named)
                text = f"{message.kind} with {fields} was sent in frame {message.frame}"
                return [Evidence(text, (message.frame,), message.t_ns)]
    return []


RULES: tuple[Measure, ...] = (
    greeting_not_spoken,
    voice_changed,
    setting_not_applied,
    other_scripts,
    no_words_at_all,
    audio_without_words,
    message_ignored,
)
