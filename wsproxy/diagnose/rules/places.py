"""Rules about the places of words in the audio: times that are not those of it, lost utterances.

They need the timeline of the session, and an API whose times count from the start of the audio.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.audio.report import Region, Regions
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.transcript import Result, Word
from wsproxy.wording import plural

from .good_ending import good_timeline
from .lateness import has_places
from .timing import result_latency
from .words import STOPPED, results_stopped

_INSIDE = 0.05  # seconds from the edges of silence
_WORDS, _RESULTS = 3, 2  # with times in silence; a single one may be a guess of the service
_SHORT = (0.4, 3.0)  # seconds of an utterance such as "yes"; longer sound may be music
_ALONE = 1.0  # seconds without sound around it
_NEAR = 1.0  # seconds from a sound in which the words of it may be
_LOST = 2  # utterances
_LOST_SHARE = 0.4  # of all audible seconds


def times_in_silence(facts: SessionFacts) -> list[Evidence]:
    """Words have times at which the audio is digital silence, so that nobody can have spoken."""
    found = [
        (result, word, silence)
        for result in _placed(facts)
        for word in result.words
        if (silence := _around(facts.signal.silence.kept, word)) is not None
    ]
    results = {result.frame for result, _, _ in found}
    if len(found) < _WORDS or len(results) < _RESULTS:
        return []
    result, word, silence = found[0]
    text = f"{len(found)} words in {len(results)} results have times at which the audio is digital "
    text += f"silence: {quoted(word.text, 40)} at {word.start_s:.2f} s (frame {result.frame}) is "
    text += f"in the silence from {silence.start_s:.2f} to {silence.end_s:.2f} s"
    last, late, before = found[-1]
    if last is not result:
        text += f"; the last one is {quoted(late.text, 40)} at {late.start_s:.2f} s, "
        text += (
            f"{(late.start_s or 0.0) - before.start_s:.2f} s after the sound (frame {last.frame})"
        )
    frames = tuple(dict.fromkeys(each.frame for each, _, _ in found))
    return [Evidence(text, frames[:5], result.t_ns, float(len(found)), "words")]


def _around(silences: Sequence[Region], word: Word) -> Region | None:
    """The silence in which a word lies; None if there is none."""
    start, end = word.start_s, word.end_s
    if start is None or end is None or end <= start:
        return None
    inside = (s for s in silences if s.start_s + _INSIDE <= start and end <= s.end_s - _INSIDE)
    return next(inside, None)


def _placed(facts: SessionFacts) -> Sequence[Result]:
    """The final results of the user's words, each with its place; () where one has none."""
    timeline = good_timeline(facts)
    if timeline is None or not has_places(facts) or not facts.transcribes_only:
        return ()
    finals = [each for each in timeline.transcript if each.final and each.text]
    return finals if all(each.end_s is not None for each in finals) else ()


def utterances_lost(facts: SessionFacts) -> list[Evidence]:
    """Short utterances stand alone in silence, and no result is where most of them are."""
    timeline, speech = facts.session.timeline, facts.signal.speech
    results = _placed(facts)
    if timeline is None or not results or len(speech.kept) < speech.count:
        return []
    if timeline.transcript.results > len(timeline.transcript.kept):
        return []
    if facts.measured(times_in_silence) or facts.measured(results_stopped):
        return []
    lost = [each for each in _alone(speech) if not any(_is_near(r, each) for r in results)]
    seconds = sum(each.seconds for each in lost)
    if len(lost) < _LOST or seconds < _LOST_SHARE * speech.seconds:
        return []
    places = ", ".join(f"{each.start_s:.1f} s" for each in lost[:4])
    text = f"{plural(len(lost), 'short utterance')} of {speech.count} sounds like speech have no "
    text += f"words: {seconds:.1f} of {speech.seconds:.1f} s, at {places}"
    frames = tuple(each.frame for each in lost[:5])
    return [Evidence(text, frames, lost[0].t_ns, round(seconds, 1), "s")]


def words_end_early(facts: SessionFacts) -> list[Evidence]:
    """The words end long before the speech does, and the service had its last word."""
    timeline, audio, speech = facts.session.timeline, facts.audio.last, facts.signal.speech
    results = _placed(facts)
    if timeline is None or not results or audio is None or timeline.success.owed:
        return []  # with an answer missing, it did not have its last word
    if facts.measured(results_stopped) or facts.measured(result_latency):
        return []
    if (timeline.last_server_ns or 0) < audio.t_ns or len(speech.kept) < speech.count:
        return []
    places = [(each.end_s or 0.0, each) for each in timeline.transcript if each.text]
    end_s, last = max(places, key=lambda pair: pair[0])
    later = [each for each in speech.kept if each.end_s > end_s]
    seconds = sum(each.end_s - max(each.start_s, end_s) for each in later)
    if seconds < STOPPED:
        return []
    text = f"the last words end at {end_s:.1f} s of the audio (frame {last.frame}), and "
    text += f"{seconds:.1f} s of speech were sent after that place, until "
    text += f"{speech.kept[-1].end_s:.1f} s"
    return [Evidence(text, (last.frame,), last.t_ns, round(seconds, 1), "s")]


def _alone(speech: Regions) -> list[Region]:
    """Short sounds with silence before and after them."""
    out = []
    for at, each in enumerate(speech.kept):
        before = speech.kept[at - 1].end_s if at else each.start_s - _ALONE
        after = speech.kept[at + 1].start_s if at + 1 < speech.count else each.end_s + _ALONE
        alone = each.start_s - before >= _ALONE and after - each.end_s >= _ALONE
        if alone and _SHORT[0] <= each.seconds <= _SHORT[1]:
            out.append(each)
    return out


def _is_near(result: Result, sound: Region) -> bool:
    """Whether the words of a result may be those of a sound."""
    end = result.end_s or 0.0
    start = result.start_s if result.start_s is not None else end
    return start <= sound.end_s + _NEAR and end >= sound.start_s - _NEAR


RULES: tuple[Measure, ...] = (times_in_silence, utterances_lost, words_end_early)
