"""Rules about texts to speak, against what was spoken of them.

Where the API is unknown, the address and the fields of the app's messages have to show that it
speaks: the same server may answer a text with a text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from typing import Any

from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.message_fields import fields_of
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
_WITH_TEXT = 0.5  # seconds after a text in which what ends it does not give it up
_MAX_ID = 100  # characters of an id
_TEXTS = ("text", "transcript", "input")
_IS_SSML = re.compile(r"(?im)^path:\s*ssml")
_TAG = re.compile(r"<[^<>]{1,2000}>")
# Bold words, links, headings, code, two items of a list, or a token of signs alone.
_MARKDOWN = re.compile(
    r"\*\*\w[^*\n]{0,80}\*\*|\[[^\]\n]{1,80}\]\(https?://|^#{1,6} \w|```"
    r"|^[*+-] \S[^\n]{0,500}\n{1,2}[*+-] \S|\A[ \n]{0,4}\*{2,3}[ \n]{0,4}\Z",
    re.MULTILINE,
)
_CANCELS = re.compile(r"(?i)cancel|clear|interrupt|abort")
_ENDS = re.compile(r"(?i)stop|close")
# Of addresses and fields of services that speak, and of those that listen.
_SPEAKS = re.compile(r"(?i)\btts\b|text-to-speech|t2a|speech|speak|synthe|voice|audio_setting")
_LISTENS = re.compile(r"(?i)\bstt\b|\basr\b|speech-to-text|transcri|recogni|listen|chat|agent")


# -- contexts


def contexts_left_open(facts: SessionFacts) -> list[Evidence]:
    """The app opened context after context, and closed none of them."""
    found = facts.exchange
    if found is None or len(found.open_contexts) < _MIN_OPEN or facts.api is None:
        return []
    if found.closes_contexts:
        return []  # the last ones end with the connection
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
    if not speaks_texts(facts):
        return []
    texts = [(m.frame, m.t_ns, text) for m in facts.client_json for text in texts_of(m)]
    for frame, t_ns, text in (*texts, *_ssml(facts)):
        if found := _MARKDOWN.search(text):
            shown = quoted(found[0].strip(), 60)
            return [Evidence(f"the text in frame {frame} has {shown}", (frame,), t_ns)]
    return []


def speaks_texts(facts: SessionFacts) -> bool:
    """Whether the app's texts are spoken, and nothing else is done with them."""
    if facts.api is None:
        return speaks(facts) and bool(facts.tracks(from_client=False))
    return facts.api.audio.origin == "server"


def texts_of(message: ServerMessage) -> Iterator[str]:
    """The texts of a message of the app, in the fields of texts to speak."""
    found = (message.content.get(name) for name in _TEXTS)
    return (text for text in found if isinstance(text, str))


def word_times_missing(facts: SessionFacts) -> list[Evidence]:
    """The app asked for the times of the words, and audio came without them."""
    timeline = good_timeline(facts)
    if timeline is None or not timeline.received.messages or timeline.sent.messages:
        return []
    times = timeline.word_times
    is_whole = timeline.success.answers or timeline.received.messages >= _MIN_AUDIO
    if not times.asked or times.came or not is_whole or timeline.success.owed:
        return []
    where = f"frame {times.frame}" if times.frame else "the URL"
    text = f"{times.asked} is set in {where}, and none of "
    text += f"{plural(timeline.server_messages, 'message')} of the server has such times"
    return [Evidence(text, (times.frame,) if times.frame else (), times.t_ns)]


# -- texts without audio


def some_texts_without_audio(facts: SessionFacts) -> list[Evidence]:
    """One of several texts, each with an id of its own, had no audio, and others had."""
    tracks = facts.tracks(from_client=False)
    if good_timeline(facts) is None or not tracks or facts.tracks(from_client=True):
        return []
    cursor = tracks[0].cursor
    cancels, ends = cancel_times(facts), _times_of(facts, _ENDS)
    unspoken, spoken = [], 0
    for text in _texts_with_ids(facts):
        since_ns, until_ns = text.ended.t_ns, text.until_ns
        if cursor.size_at(until_ns) > cursor.size_at(text.asked.t_ns):
            spoken += 1
        elif not (
            _is_between(cancels, since_ns, until_ns)
            # What comes with the text only says that it is complete.
            or _is_between(ends, since_ns + int(_WITH_TEXT * 1e9), until_ns)
        ):
            unspoken.append(text)
    if not unspoken or not spoken:
        return []
    first, asked = unspoken[0], unspoken[0].asked
    shown = f"{len(unspoken)} of {len(unspoken) + spoken} texts had no audio: that of frame "
    shown += f"{asked.frame} ({quoted(first.id, 40)}), "
    last = first.last
    shown += f"whose last message is frame {last.frame}" if last else "of which nothing came"
    frames = (asked.frame, last.frame) if last else (asked.frame,)
    return [Evidence(shown, frames, asked.t_ns, float(len(unspoken)), "texts")]


@dataclass(frozen=True, slots=True)
class _TextWithId:
    """A text to speak, in one message or several.

    Attributes:
        asked, ended: its first and its last message.
        last: the server's last message with its id; None if there is none.
        until_ns: when its audio should have come.
    """

    id: str
    asked: ServerMessage
    ended: ServerMessage
    last: ServerMessage | None
    until_ns: int


def _texts_with_ids(facts: SessionFacts) -> Iterator[_TextWithId]:
    """Texts that differ in a field whose values the server's messages have, too."""
    answers: dict[str, ServerMessage] = {}
    for message in facts.server_json:
        answers.update((value, message) for _, value in _short_texts(message.content))
    by_field: dict[str, dict[str, list[ServerMessage]]] = {}
    for message in filter(has_text, facts.client_json):
        for name, value in _short_texts(message.content):
            by_field.setdefault(name, {}).setdefault(value, []).append(message)
    known = [groups for groups in by_field.values() if len(groups.keys() & answers.keys()) > 1]
    groups = max(known, key=len, default={})
    begins = sorted(messages[0].t_ns for messages in groups.values())
    for value, messages in groups.items():
        asked, last = messages[0], answers.get(value)
        if last is not None and last.t_ns > asked.t_ns:
            yield _TextWithId(value, asked, messages[-1], last, last.t_ns)
            continue
        at = bisect_right(begins, asked.t_ns)
        until_ns = begins[at] if at < len(begins) else facts.ended_ns
        if seconds(until_ns - asked.t_ns) >= SILENT:
            yield _TextWithId(value, asked, messages[-1], None, until_ns)


def cancel_times(facts: SessionFacts) -> list[int]:
    """When the app cancelled or cleared something, in order, ns."""
    return _times_of(facts, _CANCELS)


def _times_of(facts: SessionFacts, said: re.Pattern[str]) -> list[int]:
    """When the app sent messages with a word, other than in a long text."""
    return [m.t_ns for m in facts.client_json if any(map(said.search, _words(m)))]


def _is_between(times: Sequence[int], since_ns: int, until_ns: int) -> bool:
    """Whether one of the times, which are in order, is after the first and not after the last."""
    at = bisect_right(times, since_ns)
    return at < len(times) and times[at] <= until_ns


def _words(message: ServerMessage) -> Iterator[str]:
    """The names of the fields that are set in a message, and its short texts."""
    yield from (name for name, value in message.content.items() if value)
    yield from (value for _, value in _short_texts(message.content))


def has_text(message: ServerMessage) -> bool:
    """Whether a message of the app has a text that can be spoken."""
    return any(sum(map(str.isalnum, text)) >= _MIN_LETTERS for text in texts_of(message))


def _letters(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _short_texts(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts in a message that may be an id, with the names of their fields."""
    for name, value in fields_of(content):
        if isinstance(value, str) and 0 < len(value) <= _MAX_ID and name not in _TEXTS:
            yield name, value


def unknown_speech_missing(facts: SessionFacts) -> list[Evidence]:
    """A text was sent to a service that speaks, unknown to the catalog, and no audio came."""
    timeline = good_timeline(facts)
    if timeline is None or facts.api is not None or not speaks(facts):
        return []
    if any(facts.session.audio.tracks(from_client=side) for side in (True, False)):
        return []
    texts = [message for message in facts.client_json if has_text(message)]
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
    if not tracks or not _takes_pieces(facts) or good_timeline(facts) is None:
        return []
    cursor, texts = tracks[0].cursor, [m for m in facts.client_json if has_text(m)]
    if not texts or not (
        _ends_quietly(facts, tracks[0], texts[-1]) or _is_quick(facts, tracks[0], texts[-1])
    ):
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


def _takes_pieces(facts: SessionFacts) -> bool:
    """Whether the service speaks texts, and it is not known how they are flushed."""
    if facts.api is None:
        return speaks(facts)
    return facts.api.audio.origin == "server" and not facts.api.exchange.text_flush


def _is_quick(facts: SessionFacts, track: AudioTrack, text: ServerMessage) -> bool:
    """Whether the audio of the last text, which something else ended, came at once."""
    later = next((m.t_ns for m in facts.client_json if m.t_ns > text.t_ns), None)
    if later is None or seconds(later - text.t_ns) > _AT_ONCE:
        return False
    return track.cursor.size_at(later + int(_AT_ONCE * 1e9)) > track.cursor.size_at(later)


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
