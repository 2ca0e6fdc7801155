"""What is lawful, and surprises, in a conversation with a voice agent: notices.

What they find is no fault, as in `notices`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain

from wsproxy.catalog.envelope import Json
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import first_match
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.languages import NAMES, is_rather, language_of, mentions_language
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.agent_turns import AgentTurn

from .dialogue_facts import agent_turns, spoke_between, spoken_turns, user_speech
from .good_ending import good_timeline

_CANCEL = re.compile(r"(?i)(?:^|[._-])cancel$")
_UNDER_WAY = 1.0  # seconds before a message in which audio of an answer came
_BEFORE = 2.0  # seconds in which the user may have begun to speak
_LONG, _LONG_TURNS = 4.0, 2  # seconds of an answer that one may want to interrupt; answers
_UNPLAYED = 1.0  # seconds of an answer
_ANSWERS = 2  # in another language; one may be a name or a quotation


def text_requested(facts: SessionFacts) -> list[Evidence]:
    """The app asked for answers in text alone in a session that is set to audio; none came."""
    found, timeline = facts.exchange, facts.session.timeline
    if found is None or timeline is None or timeline.received.messages:
        return []
    turns = found.agent_turns
    asked = turns.text_request
    texts = (turn.text for turn in turns if turn.is_text_only and not turn.audio_agreed)
    answer = next(texts, None)
    if asked is None or answer is None:
        return []
    text = f"{quoted(asked.name, 40)} in frame {asked.frame} lists no audio, and the session does; "
    text += f"the answer came in text (frame {answer.frame})"
    return [Evidence(text, (asked.frame, answer.frame), asked.t_ns)]


def own_instructions(facts: SessionFacts) -> list[Evidence]:
    """One answer was requested with instructions that lack those of the session."""
    if agent_turns(facts) is None or facts.api is None:
        return []
    known, general = facts.api.exchange, ""
    for message in facts.client_json:
        general = _text_at(message.content, known.instructions) or general
        own = _text_at(message.content, known.own_instructions)
        if not own or not general or general in own:
            continue
        if first_match(known.own_context, message.kind, message.content):
            continue  # such as a summary, which is no part of the conversation
        text = f"{message.kind} (frame {message.frame}) has the instructions {quoted(own, 60)}, "
        text += f"in place of the session's {quoted(general, 60)}"
        return [Evidence(text, (message.frame,), message.t_ns)]
    return []


def _text_at(content: Json, paths: tuple[str, ...]) -> str:
    """The text at one of the paths, without its line breaks; "" where there is none."""
    found = (field_of(content, path) for path in paths)
    return next((" ".join(text.split()) for text in found if isinstance(text, str)), "")


def other_language(facts: SessionFacts) -> list[Evidence]:
    """The agent answered in another language than that of all transcripts of the user.

    Not where the app or the user speaks of languages: interpreters and teachers speak two.
    """
    timeline = facts.session.timeline
    if agent_turns(facts) is None or timeline is None or facts.api is None:
        return []
    results = list(timeline.transcript)
    heard = [each.text for each in facts.final_words]
    spoken = {tag for tag in map(language_of, heard) if tag}
    answers = [(language_of(each.text), each) for each in results if each.by_agent]
    if len(spoken) != 1 or len(results) < timeline.transcript.results:
        return []
    [usual] = spoken
    others = Counter(tag for tag, _ in answers if tag not in ("", usual))
    texts = list(_instructions(facts))
    if not texts or not others or others.most_common(1)[0][1] < _ANSWERS:
        return []
    [(other, count)] = others.most_common(1)
    said = (text for message in facts.client_json for text in _texts(message.content))
    if any(map(mentions_language, chain(said, heard))):
        return []
    if other in map(language_of, texts):
        return []  # the instructions set an example
    if any(is_rather(text, other, usual) for text in heard):
        return []
    first = next(each for tag, each in answers if tag == other)
    text = f"the transcripts of the user are {NAMES[usual]}, and {count} of {len(answers)} answers "
    text += f"are {NAMES[other]}: {quoted(first.text, 60)} (frame {first.frame}); the instructions "
    text += "name no language"
    return [Evidence(text, (first.frame,), first.t_ns, float(count), "answers")]


def _texts(content: Json) -> Iterator[str]:
    """All texts in a message."""
    waiting: list[object] = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value


def _instructions(facts: SessionFacts) -> Iterator[str]:
    """The instructions of the agent in the app's messages."""
    for message in facts.client_json:
        if facts.api and (found := _text_at(message.content, facts.api.exchange.instructions)):
            yield found


def app_cancelled(facts: SessionFacts) -> list[Evidence]:
    """The app cancelled an answer: nobody had spoken, or it is set not to stop for speech."""
    tracks = facts.tracks(from_client=False)
    if good_timeline(facts) is None or not tracks or not facts.audio.from_client:
        return []
    turns, cursor, speech = agent_turns(facts), tracks[0].cursor, user_speech(facts)
    for message in filter(partial(_cancels, facts), facts.client_json):
        since_ns = message.t_ns - int(_UNDER_WAY * 1e9)
        came = cursor.size_at(message.t_ns) > cursor.size_at(since_ns)
        under_way = [turn for turn in turns or () if _is_under_way(turn, message.t_ns)]
        if not under_way and (turns is not None or not came):
            continue
        text = f"{quoted(message.kind, 40)} (frame {message.frame}) was sent while an answer was "
        text += "under way"
        if not spoke_between(speech, message.t_ns - int(_BEFORE * 1e9), message.t_ns):
            text += "; the user had not spoken"
        elif setting := _uninterrupted(facts):
            text += f"; by its settings (frame {setting.frame}) the service itself does not stop "
            text += "as the user speaks"
        else:
            continue
        return [Evidence(text, (message.frame,), message.t_ns)]
    return []


def _is_under_way(turn: AgentTurn, t_ns: int) -> bool:
    """Whether audio of a turn had come at a time, and the turn had not ended."""
    if not turn.messages or turn.first_audio_ns > t_ns:
        return False
    return turn.end is None or turn.end.t_ns > t_ns


def _cancels(facts: SessionFacts, message: ServerMessage) -> bool:
    """Whether a message cancels an answer, by the catalog or by its kind."""
    if facts.api is None:
        return _CANCEL.search(message.kind) is not None
    patterns = facts.api.exchange.cancel
    return first_match(patterns, message.kind, message.content) is not None


def _uninterrupted(facts: SessionFacts) -> ServerMessage | None:
    """The settings with which the server does not stop as the user speaks."""
    patterns = facts.api.exchange.turns.uninterrupted if facts.api else ()
    said = (m for m in facts.client_json if first_match(patterns, m.kind, m.content))
    return next(said, None)


def default_instructions(facts: SessionFacts) -> list[Evidence]:
    """The agent spoke, and the instructions of the session are those of the service."""
    turns, known = spoken_turns(facts), facts.api.exchange if facts.api else None
    if not turns or known is None or not known.default_instructions or list(_instructions(facts)):
        return []
    for message in facts.server_json:
        text = _text_at(message.content, known.instructions)
        if text.startswith(known.default_instructions):
            shown = f"the app sent no instructions; those in {message.kind} (frame "
            shown += f"{message.frame}) are {quoted(text, 60)}"
            return [Evidence(shown, (message.frame,), message.t_ns)]
    return []


def closed_before_played(facts: SessionFacts) -> list[Evidence]:
    """The server closed when at least a second of the last answer was still to be played."""
    close, turns = facts.session.close, spoken_turns(facts)
    if close is None or close.from_client or not turns or turns[-1].interrupted:
        return []
    last = turns[-1]
    left = last.played_s - seconds(facts.ended_ns - last.first_audio_ns)
    if last.seconds is None or left < _UNPLAYED:
        return []
    if spoke_between(user_speech(facts), last.first_audio_ns, facts.ended_ns):
        return []
    ends = facts.vocabulary.end
    if any(m.kind in ends and m.t_ns > last.first_audio_ns for m in facts.client_json):
        return []  # the app asked for the end
    since = seconds(facts.ended_ns - last.last_audio_ns)
    text = f"the server closed (frame {close.frame}) {since:.1f} s after the last audio of an "
    text += f"answer (frame {last.frame}); {left:.1f} s of it were still to be played"
    return [Evidence(text, (last.frame, close.frame), facts.ended_ns, round(left, 1), "s")]


def half_duplex(facts: SessionFacts) -> list[Evidence]:
    """The app sent audio between answers of the agent, and none while any of them was played."""
    turns, found = spoken_turns(facts), facts.exchange
    if found is None or found.user_turns.manual is not None or not facts.audio.from_client:
        return []
    cursor = facts.audio.cursor
    long = [turn for turn in turns if (turn.seconds or 0.0) >= _LONG and not turn.interrupted]
    spans = [(t.first_audio_ns, t.first_audio_ns + int(1e9 * (t.seconds or 0.0))) for t in long]
    if len(spans) < _LONG_TURNS or facts.ended_ns < spans[-1][1]:
        return []
    if any(cursor.size_at(end_ns) > cursor.size_at(start_ns) for start_ns, end_ns in spans):
        return []
    if cursor.size_at(spans[-1][0]) == cursor.size_at(spans[0][1]):
        return []
    total = sum(turn.seconds or 0.0 for turn in long)
    text = f"during {len(long)} answers of together {total:.1f} s (from frame {long[0].frame} on), "
    text += "the app sent no audio; between them it did"
    return [Evidence(text, tuple(t.frame for t in long[:5]), long[0].t_ns, round(total, 1), "s")]


RULES: tuple[Measure, ...] = (
    text_requested,
    own_instructions,
    other_language,
    app_cancelled,
    default_instructions,
    closed_before_played,
    half_duplex,
)
