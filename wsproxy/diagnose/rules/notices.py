"""Rules about what is lawful, or was asked for, and surprises people all the same.

What they find is no fault: the outcome of the session does not depend on it. They return nothing
where the session shows that the app expects it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import chain, pairwise

from wsproxy.audio.encodings import AudioFormat, encoding_named
from wsproxy.audio.report import SECOND_HEADER
from wsproxy.catalog.envelope import Json
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import first_match
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.languages import NAMES, is_rather, language_of, mentions_language
from wsproxy.diagnose.session_facts import Measure, ServerMessage, SessionFacts
from wsproxy.session.agent_turns import AgentTurn
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import DEFAULT, format_timeline
from wsproxy.session.request_query import query_parameters
from wsproxy.session.requested_model import requested_languages
from wsproxy.session.transcript import Result
from wsproxy.wording import plural

from .dialogue_facts import agent_turns, spoke_between, spoken_turns, user_speech
from .good_ending import good_timeline
from .lateness import has_places
from .received import agreed_format, received_other_samples, received_track

_MAX_LISTED = 20  # headers of containers that an analysis lists after the first one
_AT_ZERO = 1.0  # seconds from the beginning of the audio that count as its beginning
_WELL_AFTER = 2.0  # seconds of audio before that, so that the times do go back
_CANCEL = re.compile(r"(?i)(?:^|[._-])cancel$")
_UNDER_WAY = 1.0  # seconds before a message in which audio of an answer came
_BEFORE = 2.0  # seconds in which the user may have begun to speak
_LONG, _LONG_TURNS = 4.0, 2  # seconds of an answer that one may want to interrupt; answers
_UNPLAYED = 1.0  # seconds of an answer
_ANSWERS = 2  # in another language; one may be a name or a quotation
_SHORT_PAUSE = 50  # ms; between words of a sentence there are such pauses
_MIN_CUT = 2  # results that end in the middle of sound
_AROUND = 0.3  # seconds of sound before and after such an end
_SEVERAL = 2  # languages
_MISSED = 1.5  # seconds of sound without words before a forced end; a breath is shorter


def header_in_received(facts: SessionFacts) -> list[Evidence]:
    """Raw samples were asked for, and what came has the headers of a container."""
    track = received_track(facts)
    if track is None or track.header is None or facts.measured(received_other_samples):
        return []
    asked = _asked_format(facts, track)
    if asked is None or encoding_named(asked.encoding) is None:
        return []
    faults = track.signal(asked).faults
    later = {fault.where.frame for fault in faults if fault.kind == SECOND_HEADER}
    first, count = track.first_places[0], 1 + len(later)
    if count == track.messages > 1:
        what = f"each of the {count} audio messages begins"
    elif not later:
        what = "the first audio message begins"
    else:
        at_least = "at least " if count > _MAX_LISTED else ""
        what = f"{at_least}{count} of {plural(track.messages, 'audio message')} begin"
    text = f"{what} with a {track.header.name} header (from frame {first.frame} on); asked for: "
    text += quoted(asked.encoding)
    return [Evidence(text, (first.frame,), first.t_ns, float(count), "headers")]


def _asked_format(facts: SessionFacts, track: AudioTrack) -> AudioFormat | None:
    """The format of the server's audio that the session itself names; None where it names none."""
    agreed = agreed_format(facts, track)
    if agreed is not None and agreed.source != DEFAULT:
        return agreed.format
    if facts.tracks(from_client=True):
        return None
    # An app without audio of its own names the format that it wants to get.
    declared = format_timeline(facts.session, facts.api, None, from_client=True).declarations
    return next((each.format for each in declared if "encoding" in each.explicit), None)


def rate_not_named(facts: SessionFacts) -> list[Evidence]:
    """The media type next to the app's audio is that of raw samples, and no rate is named."""
    declared, tracks = facts.client_format, facts.tracks(from_client=True)
    if declared is None or not tracks or not tracks[0].media or "rate" in declared.explicit:
        return []
    place, media = tracks[0].media[-1]
    if encoding_named(declared.encoding) is None or tracks[0].header is not None:
        return []
    text = f"{quoted(media, 80)} names no rate (from frame {place.frame} on), and nothing else does"
    text += f"; the default is {declared.rate} Hz" if declared.rate else ""
    return [Evidence(text, (place.frame,), place.t_ns)]


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


def times_from_zero(facts: SessionFacts) -> list[Evidence]:
    """The times of the results begin at zero again, and the app did nothing for it."""
    timeline = facts.session.timeline
    if timeline is None or not facts.audio.from_client:
        return []
    for run in timeline.transcript.kept.runs():
        finals = [each for each in run if each.final and each.text and not each.by_agent]
        for place, (before, after) in enumerate(pairwise(finals)):
            if not _goes_back(before, after) or _is_between(facts, before, after):
                continue
            following = finals[place + 2 : place + 3]
            if following and (following[0].start_s or 0) < (after.end_s or 0):
                continue  # results that are sent again, in an order of their own
            sent = facts.timeline.seconds(facts.audio, after.t_ns)
            if sent < (before.end_s or 0) + _AT_ZERO:
                continue
            text = f"the result in frame {after.frame} begins at {after.start_s:.1f} s, the one "
            text += f"before it (frame {before.frame}) ends at {before.end_s:.1f} s; {sent:.1f} s "
            text += "of audio had been sent"
            return [Evidence(text, (after.frame, before.frame), after.t_ns, after.start_s, "s")]
    return []


def _goes_back(before: Result, after: Result) -> bool:
    """Whether a result begins near zero, and the one before it did not.

    Where each result begins at zero, its times are those of an utterance. One that ends where the
    one before it does has its words again.
    """
    if before.start_s is None or before.end_s is None or after.start_s is None:
        return False
    same = before.turn is not None and before.turn == after.turn
    if same or before.channel != after.channel or before.start_s <= _AT_ZERO:
        return False
    restates = after.end_s is not None and after.end_s >= before.end_s
    return after.start_s <= _AT_ZERO and before.end_s >= _WELL_AFTER and not restates


def _is_between(facts: SessionFacts, before: Result, after: Result) -> bool:
    """Whether the app sent something else than audio between two results, such as a new start."""
    places = {place.frame for place in (*facts.audio.first_places, facts.audio.last) if place}
    kinds = {message.kind for message in facts.client_json if message.frame in places}
    return any(
        before.frame < message.frame < after.frame and message.kind not in kinds
        for message in facts.client_json
    )


def forced_end(facts: SessionFacts) -> list[Evidence]:
    """The app ended an utterance, and sound just before that is in no result."""
    timeline = facts.session.timeline
    if timeline is None or not facts.audio.from_client or facts.api is None:
        return []
    forced, runs = facts.api.exchange.force_end, timeline.transcript.kept.runs()
    # Of a long session only the latest results are known without gaps.
    ends = sorted(each.end_s for each in runs[-1] if each.text and each.end_s)
    if not forced or not ends:
        return []
    first = runs[-1][0].frame if len(runs) > 1 else 0
    for message in facts.client_json:
        if message.frame < first or not first_match(forced, message.kind, message.content):
            continue
        sent = facts.timeline.seconds(facts.audio, message.t_ns)
        words_end = ends[bisect_right(ends, sent + _MISSED) - 1] if ends[0] <= sent else 0.0
        if found := _sound_without_words(facts, message, sent, words_end):
            return [found]
    return []


def _sound_without_words(
    facts: SessionFacts, message: ServerMessage, sent: float, words_end: float
) -> Evidence | None:
    """The sound between the last words and a message that ends the utterance."""
    parts = [
        (max(each.start_s, words_end), min(each.end_s, sent))
        for each in facts.signal.speech.kept
        if each.end_s > words_end and each.start_s < sent
    ]
    missed = sum(end - start for start, end in parts)
    if missed < _MISSED:
        return None
    text = f"{quoted(message.kind)} (frame {message.frame}) came when {sent:.1f} s of audio had "
    text += f"been sent; the words go up to {words_end:.1f} s, the sound up to {parts[-1][1]:.1f} s"
    return Evidence(text, (message.frame,), message.t_ns, round(missed, 1), "s")


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
    heard = [each.text for each in results if each.text and each.final and not each.by_agent]
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


def cut_by_short_pause(facts: SessionFacts) -> list[Evidence]:
    """Results end the speech where the sound goes on, and the app set the shortest pauses."""
    paths = facts.api.result_paths if facts.api else None
    timeline = facts.session.timeline
    if timeline is None or paths is None or not paths.pause or not has_places(facts):
        return []
    value = query_parameters(facts.session.request).get(paths.pause, "")
    if not value.isdecimal() or not 0 < int(value[:9]) <= _SHORT_PAUSE:
        return []
    ends = {m.frame for m in facts.server_json if first_match(paths.ends, m.kind, m.content)}
    finals = [each for each in timeline.transcript if each.frame in ends and each.text]
    cut = [each for each in finals if _is_in_sound(facts, each.end_s or 0.0)]
    if len(cut) < _MIN_CUT:
        return []
    first = cut[0]
    text = f"{paths.pause}={value} in the URL; {len(cut)} of {len(finals)} results that end the "
    text += f"speech end in the middle of sound, such as {quoted(first.text, 60)} at "
    text += f"{first.end_s:.1f} s (frame {first.frame})"
    frames = tuple(each.frame for each in cut[:5])
    return [Evidence(text, frames, first.t_ns, float(len(cut)), "results")]


def _is_in_sound(facts: SessionFacts, at_s: float) -> bool:
    """Whether there is sound without a pause around a place in the audio."""
    regions = facts.signal.speech.kept
    return any(r.start_s + _AROUND <= at_s <= r.end_s - _AROUND for r in regions)


def languages_mixed(facts: SessionFacts) -> list[Evidence]:
    """The app names no language, and the transcripts are in more than one."""
    timeline = facts.session.timeline
    if timeline is None or not facts.transcribes_only or requested_languages(facts.session):
        return []
    finals = [each for each in timeline.transcript if each.final and not each.by_agent]
    found: dict[str, list[Result]] = {}
    for each in finals:
        if tag := language_of(each.text):
            found.setdefault(tag, []).append(each)
    if len(found) < _SEVERAL:
        return []
    counted = sorted(found.items(), key=lambda pair: -len(pair[1]))
    names = ", ".join(f"{len(results)} in {NAMES[tag]}" for tag, results in counted)
    rare = counted[-1][1][0]
    text = f"no language is set; of {len(finals)} final results, {names}: "
    text += f"{quoted(rare.text, 80)} (frame {rare.frame})"
    return [Evidence(text, (rare.frame,), rare.t_ns, float(len(found)), "languages")]


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
    header_in_received,
    rate_not_named,
    text_requested,
    times_from_zero,
    forced_end,
    own_instructions,
    other_language,
    cut_by_short_pause,
    languages_mixed,
    app_cancelled,
    default_instructions,
    closed_before_played,
    half_duplex,
)
