"""Rules about texts to speak, against what was spoken of them.

Where the API is unknown, the address and the fields of the app's messages have to show that it
speaks: the same server may answer a text with a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from itertools import pairwise

from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.outcome import waited
from wsproxy.session.request_query import query_pairs, query_parameters
from wsproxy.wording import plural

from .good_ending import good_timeline, last_of_server

SILENT = 5.0  # seconds without audio after a text, where the API is unknown
_MIN_OPEN = 3  # contexts
_SPOKEN = 0.9  # of the letters of a text, from which on all of it was spoken
_MIN_UNSPOKEN = 5  # letters
_MIN_AUDIO = 5  # messages with audio, one of which would have had the times of its words
_MIN_LATE = 2  # flushes
_KEPT_BACK = 2.0  # seconds in which a text that is not kept back has audio
_AT_ONCE = 1.5  # seconds in which audio follows what it waited for
_MIN_LETTERS = 3  # of a text that can be spoken
_MAX_ID = 100  # characters of an id
_TEXTS = ("text", "transcript", "input")
_IS_SSML = re.compile(r"(?im)^path:\s*ssml")
_TAG = re.compile(r"<[^<>]{1,2000}>")
# Bold words, links, headings, code, at least two items of a list, or a token of signs alone.
_MARKDOWN = re.compile(
    r"\*\*\w[^*\n]{0,80}\*\*|\[[^\]\n]{1,80}\]\(https?://|^#{1,6} \w|```"
    r"|^[*+-] \S[^\n]*\n+[*+-] \S|^\s*\*{2,3}\s*\Z",
    re.MULTILINE,
)
_CANCELS = re.compile(r"(?i)cancel|clear|interrupt|abort|stop|close")
# Of addresses and fields of services that speak, and of those that listen.
_SPEAKS = re.compile(r"(?i)\btts\b|text-to-speech|t2a|speech|speak|synthe|voice|audio_setting")
_LISTENS = re.compile(r"(?i)\bstt\b|\basr\b|speech-to-text|transcri|recogni|listen|chat|agent")


# -- contexts


def contexts_left_open(facts: SessionFacts) -> list[Evidence]:
    """The app opened context after context, and closed none of them."""
    found = facts.exchange
    if found is None or len(found.open_contexts) < _MIN_OPEN or facts.api is None:
        return []
    first = next(iter(found.open_contexts.values()))
    close = facts.api.exchange.context_close[0]
    many = plural(len(found.open_contexts), "context")
    text = f"{many} still open at the end: no {close} was sent for any of them, from that of "
    text += f"frame {first.frame} on"
    value = float(len(found.open_contexts))
    return [Evidence(text, (first.frame,), first.t_ns, value, "contexts")]


# -- what of a text is not spoken as it is meant


def ssml_not_read(facts: SessionFacts) -> list[Evidence]:
    """A text has tags of SSML, and the URL does not ask the API to read them."""
    found = facts.exchange
    if found is None or found.tagged is None or facts.api is None:
        return []
    query = query_parameters(facts.session.request)
    if any(query.get(name) == value for name, value in facts.api.exchange.ssml):
        return []
    settings = " or ".join(f"{name}={value}" for name, value in facts.api.exchange.ssml)
    tag = found.tagged
    text = f"the text in frame {tag.frame} has the tag {quoted(tag.name)}, and the URL has no "
    text += settings
    return [Evidence(text, (tag.frame,), tag.t_ns)]


def words_unspoken(facts: SessionFacts) -> list[Evidence]:
    """The service said that all of a text was spoken, and named only a part of its words."""
    found, timeline = facts.exchange, good_timeline(facts)
    if found is None or timeline is None or not found.spoken or found.unflushed is not None:
        return []
    letters = found.letters or sum(_letters(text) for _, _, text in _ssml(facts))
    missing = letters - found.spoken
    if found.spoken >= _SPOKEN * letters or missing < _MIN_UNSPOKEN:
        return []
    if found.has_contexts or found.tagged or timeline.success.owed or not timeline.success.answers:
        return []  # a context may have been interrupted, and a tag is not spoken
    text = f"{found.spoken} of {letters} letters were spoken, by what the service reports; it had "
    text += "confirmed that the text was complete"
    frame = timeline.first_text_frame or 0
    return [Evidence(text, (frame,), None, float(missing), "letters")]


def _ssml(facts: SessionFacts) -> Iterator[tuple[int, int, str]]:
    """The app's texts in SSML without their tags: frame, time in ns, text."""
    if facts.api is None or facts.api.envelope != "azure":
        return
    for message in facts.session.messages(from_client=True):
        head, _, body = message.text.partition("\r\n\r\n")
        if _IS_SSML.search(head):
            yield message.frame, message.t_ns, unescape(_TAG.sub(" ", body))


def markdown_in_text(facts: SessionFacts) -> list[Evidence]:
    """A text to speak has the signs of Markdown."""
    if not _speaks_texts(facts):
        return []
    texts = [(m.frame, m.t_ns, text) for m in facts.client_json for text in _texts(m)]
    for frame, t_ns, text in (*texts, *_ssml(facts)):
        if found := _MARKDOWN.search(text):
            shown = quoted(found[0].strip(), 60)
            return [Evidence(f"the text in frame {frame} has {shown}", (frame,), t_ns)]
    return []


def _speaks_texts(facts: SessionFacts) -> bool:
    """Whether the app's texts are spoken, and nothing else is done with them."""
    if facts.api is None:
        return speaks(facts) and bool(facts.tracks(from_client=False))
    return facts.api.audio.origin == "server"


def _texts(message: ServerMessage) -> Iterator[str]:
    found = (message.content.get(name) for name in _TEXTS)
    return (text for text in found if isinstance(text, str))


def word_times_missing(facts: SessionFacts) -> list[Evidence]:
    """The app asked for the times of the words, and audio came without them."""
    timeline = good_timeline(facts)
    if timeline is None or not timeline.received.messages or timeline.sent.messages:
        return []
    times = timeline.word_times
    is_whole = timeline.success.answers or timeline.received.messages >= _MIN_AUDIO
    if not times.asked or times.came or not is_whole:
        return []
    where = f"frame {times.frame}" if times.frame else "the URL"
    text = f"{times.asked} is set in {where}, and none of "
    text += f"{plural(timeline.server_messages, 'message')} of the server has such times"
    return [Evidence(text, (times.frame,) if times.frame else (), times.t_ns)]


# -- texts without audio


def some_texts_without_audio(facts: SessionFacts) -> list[Evidence]:
    """The service answered one of several texts to its end, and sent no audio for it."""
    tracks = facts.tracks(from_client=False)
    if good_timeline(facts) is None or not tracks or facts.tracks(from_client=True):
        return []
    cursor = tracks[0].cursor
    unspoken, spoken = [], 0
    for text in _answered_texts(facts):
        before, after = cursor.size_at(text.asked.t_ns), cursor.size_at(text.last.t_ns)
        if after > before:
            spoken += 1
        else:
            unspoken.append(text)
    if not unspoken or not spoken:
        return []
    first, count = unspoken[0], len(unspoken) + spoken
    text_of = f"{len(unspoken)} of {count} texts had no audio: that of frame {first.asked.frame} "
    text_of += f"({quoted(first.id, 40)}), whose last message is frame {first.last.frame}"
    frames = (first.asked.frame, first.last.frame)
    return [Evidence(text_of, frames, first.asked.t_ns, float(len(unspoken)), "texts")]


@dataclass(frozen=True, slots=True)
class _AnsweredText:
    """A text, and the server's last message with its id."""

    id: str
    asked: ServerMessage
    last: ServerMessage


def _answered_texts(facts: SessionFacts) -> Iterator[_AnsweredText]:
    """Texts with an id of their own that a later message of the server has, too."""
    answers = {}
    for message in facts.server_json:
        answers.update(dict.fromkeys(_short_texts(message.content), message))
    asked: dict[str, ServerMessage] = {}
    twice: set[str] = set()
    for message in facts.client_json:
        for value in {*_short_texts(message.content)} & answers.keys():
            if value in asked or not _has_text(message):
                twice.add(value)  # a setting, such as a voice, or an id with more than a text
            asked.setdefault(value, message)
    cancelled = [m.t_ns for m in facts.client_json if any(map(_CANCELS.search, _words(m)))]
    for value, message in asked.items():
        last = answers[value]
        if value in twice or last.t_ns <= message.t_ns:
            continue
        if not any(message.t_ns < t_ns <= last.t_ns for t_ns in cancelled):
            yield _AnsweredText(value, message, last)


def _words(message: ServerMessage) -> Iterator[str]:
    """The names of the fields that are set in a message, and its short texts."""
    yield from (name for name, value in message.content.items() if value)
    yield from _short_texts(message.content)


def _has_text(message: ServerMessage) -> bool:
    return any(sum(map(str.isalnum, text)) >= _MIN_LETTERS for text in _texts(message))


def _letters(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _short_texts(content: Mapping[str, object]) -> Iterator[str]:
    """The texts in a message and in its objects that may be an id."""
    for name, value in content.items():
        if isinstance(value, str):
            if value and len(value) <= _MAX_ID and name not in _TEXTS:
                yield value
        elif isinstance(value, Mapping):
            yield from _short_texts(value)


def unknown_speech_missing(facts: SessionFacts) -> list[Evidence]:
    """A text was sent to a service that speaks, unknown to the catalog, and no audio came."""
    timeline = good_timeline(facts)
    if timeline is None or facts.api is not None or not speaks(facts):
        return []
    if any(facts.session.audio.tracks(from_client=side) for side in (True, False)):
        return []
    texts = [message for message in facts.client_json if _has_text(message)]
    if not texts or waited(facts.session, timeline, texts[0].t_ns) < SILENT:
        return []
    first = texts[0]
    since = seconds(facts.ended_ns - first.t_ns)
    text = f"{plural(len(texts), 'text')} sent, from frame {first.frame} on; no audio came in the "
    text += f"{since:.1f} s until the end"
    evidence = Evidence(text, (first.frame,), first.t_ns, round(since, 1), "s")
    return [evidence, *last_of_server(facts, timeline)]


def spoken_with_next_text(facts: SessionFacts) -> list[Evidence]:
    """The audio of a text came when the next text, or the end, was sent, and not before."""
    tracks = facts.tracks(from_client=False)
    if facts.api is not None or not tracks or not speaks(facts) or good_timeline(facts) is None:
        return []
    cursor, texts = tracks[0].cursor, [m for m in facts.client_json if _has_text(m)]
    if not texts or not _ends_quietly(facts, tracks[0], texts[-1]):
        return []
    for text, following in pairwise(texts):
        waited_s = seconds(following.t_ns - text.t_ns)
        before, then = cursor.size_at(text.t_ns), cursor.size_at(following.t_ns)
        after = cursor.size_at(following.t_ns + int(_AT_ONCE * 1e9))
        if waited_s < _KEPT_BACK or then > before or after == then:
            continue
        shown = f"no audio came in the {waited_s:.1f} s after the text of frame {text.frame}; it "
        shown += f"came when the next text was sent (frame {following.frame})"
        frames = (text.frame, following.frame)
        return [Evidence(shown, frames, text.t_ns, round(waited_s, 1), "s")]
    return []


def _ends_quietly(facts: SessionFacts, track: AudioTrack, text: ServerMessage) -> bool:
    """Whether no audio comes of the last text itself: a service that is slow sends it later."""
    later = (m.t_ns for m in facts.client_json if m.t_ns > text.t_ns)
    until_ns, from_ns = next(later, facts.ended_ns), text.t_ns + int(_AT_ONCE * 1e9)
    if seconds(until_ns - from_ns) < _KEPT_BACK:
        return False
    return track.cursor.size_at(until_ns) == track.cursor.size_at(from_ns)


def flush_waits(facts: SessionFacts) -> list[Evidence]:
    """The app sends its flushes long after their texts, and no audio comes in between."""
    found, timeline = facts.exchange, good_timeline(facts)
    if found is None or timeline is None or found.late_flushes.first is None:
        return []
    tracks, text, first = facts.tracks(from_client=False), found.late_text, found.late_flushes.first
    if found.late_flushes.count < _MIN_LATE or text is None or not tracks:
        return []
    cursor = tracks[0].cursor
    if cursor.size_at(first.t_ns) > cursor.size_at(text.t_ns):
        return []  # the service needed no flush
    late = seconds(first.t_ns - text.t_ns)
    shown = f"{plural(found.late_flushes.count, 'flush', 'flushes')} long after the text: that in "
    shown += f"frame {first.frame} came {late:.1f} s after frame {text.frame}"
    frames = (text.frame, first.frame)
    return [Evidence(shown, frames, first.t_ns, round(late, 1), "s")]


def speaks(facts: SessionFacts) -> bool:
    """Whether an unknown service speaks, by its address and the fields of the app's messages."""
    request = facts.session.request
    if request is None:
        return False
    names = [name for name, _ in query_pairs(request)]
    for message in facts.client_json[:_MIN_OPEN]:
        names += [str(name) for name in message.content]
    address = f"{request.host}{request.path.partition('?')[0]}"
    if _LISTENS.search(address):
        return False
    return any(map(_SPEAKS.search, (address, *names)))


RULES: tuple[Measure, ...] = (
    contexts_left_open,
    ssml_not_read,
    words_unspoken,
    word_times_missing,
    some_texts_without_audio,
    unknown_speech_missing,
    markdown_in_text,
    spoken_with_next_text,
    flush_waits,
)
