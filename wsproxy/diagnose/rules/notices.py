"""Rules about what is lawful, or was asked for, and surprises people all the same.

What they find is no fault: the outcome of the session does not depend on it. They return nothing
where the session shows that the app expects it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from wsproxy.audio.encodings import AudioFormat, encoding_named
from wsproxy.audio.report import SECOND_HEADER
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import first_match
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.languages import NAMES, language_of
from wsproxy.diagnose.session_facts import (
    SETUP_MESSAGES,
    Measure,
    ServerMessage,
    SessionFacts,
)
from wsproxy.session.audio_track import AudioTrack
from wsproxy.session.format_timeline import DEFAULT, format_timeline
from wsproxy.session.request_query import query_parameters
from wsproxy.session.requested_model import requested_languages
from wsproxy.session.transcript import Result
from wsproxy.wording import plural

from .dialogue_facts import sounds_between
from .lateness import has_places
from .likely_causes import INTERIM_SETTINGS
from .quiet_source import LIVE
from .received import agreed_format, received_other_samples, received_track

_MAX_LISTED = 20  # headers of containers that an analysis lists after the first one
_AT_ZERO = 1.0  # seconds from the beginning of the audio that count as its beginning
_WELL_AFTER = 2.0  # seconds of audio before that, so that the times do go back
_SHORT_PAUSE = 50  # ms; between words of a sentence there are such pauses
_MIN_CUT = 2  # results that end in the middle of sound
_SAME_PLACE = 0.1  # seconds between a result and the one that goes on with it
_AROUND = 0.3  # seconds of sound before and after such an end
_SEVERAL = 2  # languages
_SOUNDS = 0.6  # of the time after the last word, for there to be sound in it
_UTTERED = 0.7  # seconds of sound without a word, such as a drawn-out vowel
_LONG_SPEECH = 8.0  # seconds for which people expect words while they speak
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
    parts = sounds_between(facts.signal.speech.kept, words_end, sent)
    missed = sum(end - start for start, end in parts)
    if missed < _MISSED:
        return None
    text = f"{quoted(message.kind)} (frame {message.frame}) came when {sent:.1f} s of audio had "
    text += f"been sent; the words go up to {words_end:.1f} s, the sound up to {parts[-1][1]:.1f} s"
    return Evidence(text, (message.frame,), message.t_ns, round(missed, 1), "s")


def cut_by_short_pause(facts: SessionFacts) -> list[Evidence]:
    """Results end the speech where the sound goes on, after the shortest pauses that can be set."""
    paths = facts.api.result_paths if facts.api else None
    timeline = facts.session.timeline
    if timeline is None or paths is None or not paths.pause or not has_places(facts):
        return []
    value = query_parameters(facts.session.request).get(paths.pause)
    is_default = value is None
    number = paths.pause_ms if value is None else int(value[:9]) if value.isdecimal() else 0
    if not 0 < number <= _SHORT_PAUSE:
        return []
    ends = {m.frame for m in facts.server_json if first_match(paths.ends, m.kind, m.content)}
    finals = [each for each in timeline.transcript if each.final and each.text]
    cut = [each for each in finals if each.frame in ends and _is_in_sound(facts, each.end_s or 0.0)]
    if is_default:
        # Nearly all sessions have the default: only a sentence that goes on shows that it matters.
        cut = [each for each in cut if _goes_on(each, finals)]
    if len(cut) < (1 if is_default else _MIN_CUT):
        return []
    first = cut[0]
    set_to = f"={number} in the URL" if not is_default else ""
    text = paths.pause + (set_to or f" is not set, and its default is {number} ms")
    text += f"; {len(cut)} of {len(finals)} results that end the "
    text += f"speech end in the middle of sound, such as {quoted(first.text, 60)} at "
    text += f"{first.end_s:.1f} s (frame {first.frame})"
    frames = tuple(each.frame for each in cut[:5])
    return [Evidence(text, frames, first.t_ns, float(len(cut)), "results")]


def _goes_on(cut: Result, finals: Sequence[Result]) -> bool:
    """Whether the next final result begins where one ends, and in the middle of its sentence."""
    later = next((each for each in finals if each.frame > cut.frame), None)
    if later is None or later.start_s is None or cut.end_s is None:
        return False
    is_sentence = cut.text[:1].isupper() and cut.text[-1:].isalnum() and later.text[:1].islower()
    return is_sentence and abs(later.start_s - cut.end_s) < _SAME_PLACE


def _is_in_sound(facts: SessionFacts, at_s: float) -> bool:
    """Whether there is sound without a pause around a place in the audio."""
    regions = facts.signal.speech.kept
    return any(r.start_s + _AROUND <= at_s <= r.end_s - _AROUND for r in regions)


def ended_in_sound(facts: SessionFacts) -> list[Evidence]:
    """The end of an utterance was reported while there was sound, though no word."""
    paths = facts.api.result_paths if facts.api else None
    if paths is None or not paths.word_gap or not has_places(facts):
        return []
    pause = query_parameters(facts.session.request).get(paths.word_gap[0], "")
    ends = [m for m in facts.server_json if m.kind == paths.word_gap[1]]
    found = [(m, sound) for m in ends if (sound := _sound_before(facts, m, paths.word_gap[2]))]
    if len(found) < _MIN_CUT or not pause:
        return []
    first, sound = found[0]
    text = f"{paths.word_gap[0]}={quoted(pause, 20)} in the URL; {len(found)} of {len(ends)} times "
    text += f"{first.kind} came after {sound:.1f} s of sound without words (frame {first.frame})"
    frames = tuple(m.frame for m, _ in found[:5])
    return [Evidence(text, frames, first.t_ns, float(len(found)), "events")]


def _sound_before(facts: SessionFacts, end: ServerMessage, path: str) -> float:
    """Seconds of sound after the last word before the message that reports an end; 0.0: little."""
    words_end = field_of(end.content, path)
    if not isinstance(words_end, int | float) or words_end < 0:
        return 0.0
    sent = facts.timeline.seconds(facts.audio, end.t_ns)
    parts = sounds_between(facts.signal.speech.kept, words_end, sent)
    total = sum(end - start for start, end in parts)
    return total if total >= _SOUNDS * (sent - words_end) and total >= _UTTERED else 0.0


def interims_not_asked(facts: SessionFacts) -> list[Evidence]:
    """No words came while the user spoke for long, and interim results were not asked for."""
    timeline, setting = facts.session.timeline, _interim_setting(facts)
    if timeline is None or not setting or facts.timed_format is None or not facts.transcribes_only:
        return []
    first_ns = timeline.transcript.first_final_ns
    if first_ns is None or timeline.transcript.interims or facts.audio.first is None:
        return []
    waited_s = seconds(first_ns - facts.audio.first.t_ns)
    spoken = [each.seconds for each in facts.signal.speech.kept if each.t_ns < first_ns]
    length = facts.timeline.seconds(facts.audio, first_ns)
    if sum(spoken) < _LONG_SPEECH or not LIVE[0] <= length / max(waited_s, 0.1) <= LIVE[1]:
        return []
    text = f"the first words came {waited_s:.1f} s after the first audio, as a final result; "
    text += f"{setting} is not set"
    return [Evidence(text, (), first_ns, round(waited_s, 1), "s")]


def _interim_setting(facts: SessionFacts) -> str:
    """The name of the API's setting for interim results, which the app does not use."""
    if facts.api is None:
        return ""
    setup = facts.api.dialogue.setup if facts.api.dialogue else ()
    known = " ".join((facts.api.url, *setup))
    documented = {name for _, names in facts.api.documented for name in names}
    name = next((n for n in INTERIM_SETTINGS if n in documented or n in known), "")
    if not name or name in query_parameters(facts.session.request):
        return ""
    said = (str(message.content) for message in facts.client_json[:SETUP_MESSAGES])
    return "" if any(name in content for content in said) else name


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


RULES: tuple[Measure, ...] = (
    header_in_received,
    rate_not_named,
    times_from_zero,
    forced_end,
    cut_by_short_pause,
    ended_in_sound,
    interims_not_asked,
    languages_mixed,
)
