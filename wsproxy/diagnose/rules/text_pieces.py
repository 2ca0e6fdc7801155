"""Rules about how a text to speak is cut into pieces, and what the service does with each.

What they find is lawful: see `notices`.
"""

from __future__ import annotations

from itertools import pairwise

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import first_match
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts

from .good_ending import good_timeline
from .spoken_texts import has_text, texts_of

_MIN_HELD = 1.0  # seconds that a listener notices
_EARLY, _LATE = 0.95, 1.2  # of the time for which a text is kept, plus what it takes to speak
_TO_SPEAK = 0.5
_PIECES = 5  # of one sentence
_WORDS = 2  # of a piece, at most
_NEXT = 1.0  # seconds until the next piece of the same sentence
_ENDS = ".!?…。！？"  # of a sentence
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


RULES: tuple[Measure, ...] = (
    held_for_more,
    words_apart,
)
