"""Rules about how a text to speak is cut into pieces, and what the service does with each."""

from __future__ import annotations

import re
from itertools import pairwise

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import first_match
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.message_fields import fields_of
from wsproxy.session.request_query import query_parameters

from .good_ending import good_timeline
from .spoken_texts import cancel_times, has_text, texts_of

_MIN_HELD = 1.0  # seconds that a listener notices
_EARLY, _LATE = 0.95, 1.2  # of the time for which a text is kept, plus what it takes to speak
_TO_SPEAK = 0.5
_PIECES = 5  # of one sentence
_WORDS = 2  # of a piece, at most
_NEXT = 1.0  # seconds until the next piece of the same sentence
_ENDS = ".!?…。！？"  # of a sentence
_SPELLED = re.compile(r"\b(?:[A-Za-z0-9]-){2,40}[A-Za-z0-9]\b")
_SPELLED_A_SECOND = 6.5  # letters that are spelled fast
_LETTERS_A_SECOND = 30.0  # of words that are spoken fast
_LONG = 200  # letters, of which a missing part is no matter of a short word
_IMPOSSIBLE = 40.0  # letters a second, twice of what the fastest speakers manage
_SPEED = re.compile(r"(?i)speed|pace|speaking_?rate")
_CLOSERS = "\"')]”’"


def held_for_more(facts: SessionFacts) -> list[Evidence]:
    """A text was spoken when the time was over for which the service waits for more text."""
    exchange = facts.api.exchange if facts.api is not None else None
    tracks = facts.tracks(from_client=False)
    if exchange is None or not exchange.held or not tracks or good_timeline(facts) is None:
        return []
    cursor, found = tracks[0].cursor, []
    for text, following in pairwise([*facts.client_json, None]):
        if text is None or not has_text(text):
            continue
        held = _held_seconds(facts, text)
        audio_ns = cursor.time_at(cursor.size_at(text.t_ns) + 1)
        if held < _MIN_HELD or audio_ns is None:
            continue
        waited = seconds(audio_ns - text.t_ns)
        if following is not None and following.t_ns < audio_ns:
            continue
        if _EARLY * held <= waited <= _LATE * held + _TO_SPEAK:
            found.append((text, waited, held))
    if not found:
        return []
    text, waited, held = found[0]
    name = exchange.held_for[0] if exchange.held_for else ""
    given = any(field_of(text.content, path) is not None for path in exchange.held_for)
    shown = f"the audio of the text in frame {text.frame} began after {waited:.2f} s: more text "
    shown += f"was to follow, and none came. {name} is {held * 1000:.0f}"
    shown += "" if given else ", its default: the app does not set it"
    return [Evidence(shown, (text.frame,), text.t_ns, round(waited, 2), "s")]


def _held_seconds(facts: SessionFacts, text: ServerMessage) -> float:
    """For how long the API keeps a text at most, 0.0 where it speaks it at once."""
    assert facts.api is not None
    exchange = facts.api.exchange
    if not first_match(exchange.held, text.kind, text.content):
        return 0.0
    if first_match(exchange.text_flush, text.kind, text.content):
        return 0.0
    values = (field_of(text.content, path) for path in exchange.held_for)
    given = next((value for value in values if isinstance(value, int | float)), exchange.held_ms)
    return given / 1000


def words_apart(facts: SessionFacts) -> list[Evidence]:
    """The pieces of a sentence are of a few words each, and each was ended by itself."""
    exchange = facts.api.exchange if facts.api is not None else None
    if exchange is None or not exchange.text_flush or good_timeline(facts) is None:
        return []
    run: list[tuple[ServerMessage, str]] = []
    for message, following in pairwise([*facts.client_json, None]):
        if message is None or not has_text(message):
            continue
        text = " ".join(texts_of(message)).strip()
        ended = any(
            first_match(exchange.text_flush, each.kind, each.content)
            for each in (message, following)
            if each is not None and (each is message or not has_text(each))
        )
        if run and seconds(message.t_ns - run[-1][0].t_ns) > _NEXT:
            run = []
        run = [*run, (message, text)] if ended and len(text.split()) <= _WORDS else []
        if not text.rstrip(_CLOSERS).endswith(tuple(_ENDS)):
            continue
        if len(run) >= _PIECES:
            return [_apart(run)]
        run = []
    return []


def _apart(run: list[tuple[ServerMessage, str]]) -> Evidence:
    first = run[0][0]
    words = ", ".join(quoted(text, 20) for _, text in run[:3])
    shown = f"{len(run)} texts make one sentence, each of them ended by itself (from frame "
    shown += f"{first.frame} on): {words}, …"
    frames = tuple(message.frame for message, _ in run[:5])
    return Evidence(shown, frames, first.t_ns, float(len(run)), "texts")


def spelling_cut_short(facts: SessionFacts) -> list[Evidence]:
    """The service said that a text with spelled letters was complete, and the speech is too short.

    How fast a voice speaks is its own matter; letters that are spelled take their time.
    """
    found, timeline = facts.exchange, good_timeline(facts)
    if found is None or timeline is None or not timeline.received.seconds:
        return []
    texts = [(m, text) for m in facts.client_json for text in texts_of(m)]
    letters = sum(not each.isspace() for _, text in texts for each in text)
    spelled = [(m, word[0]) for m, text in texts for word in _SPELLED.finditer(text)]
    if not spelled or letters != found.letters or _is_changed(facts):
        return []  # of a long session not all texts are known
    if timeline.success.owed or not timeline.success.answers or found.unflushed is not None:
        return []
    single = sum(map(str.isalnum, "".join(word for _, word in spelled)))
    shortest = single / _SPELLED_A_SECOND + (letters - 2 * single) / _LETTERS_A_SECOND
    spoken = timeline.received.seconds
    if spoken >= shortest:
        return []
    message, word = spelled[0]
    text = f"{spoken:.1f} s of speech came for {letters} letters, of which {single} are spelled "
    text += f"({quoted(word, 40)}, frame {message.frame}): that takes {shortest:.1f} s at least"
    return [Evidence(text, (message.frame,), message.t_ns, round(spoken, 1), "s")]


def speech_too_short(facts: SessionFacts) -> list[Evidence]:
    """The service said that all texts were complete, and nobody speaks that fast."""
    found, timeline = facts.exchange, good_timeline(facts)
    if found is None or timeline is None or not timeline.received.seconds:
        return []
    texts = [(m, text) for m in facts.client_json for text in texts_of(m)]
    letters = sum(map(str.isalnum, "".join(text for _, text in texts)))
    if letters < _LONG or any("<" in text for _, text in texts) or _is_changed(facts):
        return []
    if timeline.success.owed or not timeline.success.answers or found.unflushed is not None:
        return []
    spoken = timeline.received.seconds
    if letters < spoken * _IMPOSSIBLE or facts.measured(spelling_cut_short):
        return []
    message = texts[0][0]
    text = f"{spoken:.1f} s of speech came for {letters} letters and digits (from frame "
    text += f"{message.frame} on): {letters / spoken:.0f} a second; people speak up to 20"
    return [Evidence(text, (message.frame,), message.t_ns, round(spoken, 1), "s")]


def _is_changed(facts: SessionFacts) -> bool:
    """Whether the app interrupted the speech, or asked for another speed."""
    timeline = facts.session.timeline
    interrupted = timeline is not None and timeline.events.counts.get((True, "interruption"))
    names = {name for message in facts.client_json for name, _ in fields_of(message.content)}
    names |= set(query_parameters(facts.session.request))
    return bool(interrupted or cancel_times(facts)) or any(map(_SPEED.search, names))


RULES: tuple[Measure, ...] = (
    spelling_cut_short,
    speech_too_short,
    held_for_more,
    words_apart,
)
