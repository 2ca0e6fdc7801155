"""Rules about words that came and are odd: again, unsure, in another script, of mixed channels.

They need the timeline of the session.
"""

from __future__ import annotations

import re

from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.scripts import LATIN, main_script, scripts_of_all
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.requested_model import requested_languages
from wsproxy.session.transcript import Result
from wsproxy.wording import plural

_UNSURE = 0.5  # mean confidence below which words are guesses; of clear speech it is above 0.9
_RATED = 8  # words with a confidence; few may be a cough
_SHOWN = 60  # characters of a text
_LANGUAGE_NAMES = ("language", "language_code", "language-code")
_APART = 0.3  # correlation of two channels, below which they have different audio
_AUDIBLE = -50.0  # dBFS of the quieter channel; the noise of a line is below
_FINALS = 2  # with words, of several channels, or doubled
_SENTENCE = 4  # words that are seldom said twice by chance


def duplicate_results(facts: SessionFacts) -> list[Evidence]:
    """A final result came again, with the same words for the same item or place in the audio."""
    timeline = facts.session.timeline
    if timeline is None or not timeline.transcript.duplicates:
        return []
    found = timeline.transcript
    first, later = found.duplicates[0]
    frames = tuple(dict.fromkeys(frame for pair in found.duplicates for frame in pair))
    text = f"the final result in frame {first} came again in frame {later}, with the same words "
    paths = facts.api.result_paths if facts.api else None
    text += f"and the same {paths.id if paths and paths.id else 'place in the audio'}"
    if found.duplicate_count > 1:
        text += f"; {found.duplicate_count} results came again"
    return [Evidence(text, frames[:5], None, float(found.duplicate_count), "results")]


def words_doubled(facts: SessionFacts) -> list[Evidence]:
    """Most final results hold the same words twice, one after the other, and no others."""
    timeline = facts.session.timeline
    results = timeline.transcript if timeline is not None else ()
    finals = [each for each in results if each.final and each.text and not each.by_agent]
    doubled = [each for each in finals if _is_doubled(each.text)]
    if len(doubled) < _FINALS or 2 * len(doubled) < len(finals):
        return []
    first = doubled[0]
    text = f"{len(doubled)} of {len(finals)} final results hold the same words twice: "
    text += f"{quoted(first.text, 120)} (frame {first.frame})"
    frames = tuple(each.frame for each in doubled[:5])
    return [Evidence(text, frames, first.t_ns, float(len(doubled)), "results")]


def _is_doubled(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    half = len(words) // 2
    return half >= _SENTENCE and words[:half] * 2 == words


def words_unsure(facts: SessionFacts) -> list[Evidence]:
    """The service itself is unsure of most words."""
    timeline = facts.session.timeline
    if timeline is None or timeline.transcript.rated_words < _RATED:
        return []
    count = timeline.transcript.rated_words
    mean = timeline.transcript.confidence / count
    if mean >= _UNSURE:
        return []
    text = f"{plural(count, 'final word')} have a mean confidence of {mean:.2f}"
    languages = requested_languages(facts.session)
    if languages:
        text += f"; the language is set to {quoted(', '.join(languages), _SHOWN)}"
    elif facts.measured(language_unset):
        text += "; no language is set"
    frames = [each.frame for each in timeline.transcript if each.final and each.text]
    return [Evidence(text, tuple(frames[:3]), None, round(mean, 2))]


def language_unset(facts: SessionFacts) -> list[Evidence]:
    """The API has a setting for the language, and the app does not use it."""
    documented = dict(facts.api.documented) if facts.api else {}
    known = [name for name in _LANGUAGE_NAMES if name in documented.get("query", ())]
    if not known or requested_languages(facts.session):
        return []
    return [Evidence(f"the URL has no {known[0]}")]


def other_script(facts: SessionFacts) -> list[Evidence]:
    """Words came in a script in which none of the languages is written that the app names."""
    timeline = facts.session.timeline
    languages = requested_languages(facts.session)
    allowed = scripts_of_all(languages)
    if timeline is None or allowed is None:
        return []
    found: list[tuple[Result, str]] = []
    for each in timeline.transcript:
        if each.final and not each.by_agent and (script := main_script(each.text)):
            # Names and loanwords are in Latin letters in many languages.
            found += [(each, script)] if script not in (LATIN, *allowed) else []
    if not found:
        return []
    first, script = found[0]
    named = ", ".join(dict.fromkeys(languages))
    text = f"the language is set to {quoted(named, _SHOWN)}, and {plural(len(found), 'result')} "
    text += f"{'is' if len(found) == 1 else 'are'} in {script} letters: "
    text += f"{quoted(first.text, _SHOWN)} (frame {first.frame})"
    frames = tuple(each.frame for each, _ in found[:5])
    return [Evidence(text, frames, first.t_ns, float(len(found)), "results")]


def channels_mixed(facts: SessionFacts) -> list[Evidence]:
    """Two channels with different audio were sent, and all results are of one."""
    timeline, audio = facts.session.timeline, facts.signal
    if timeline is None or not facts.audio.from_client or audio.channels < 2:
        return []
    alike, level = audio.channel_correlation, audio.quieter_channel_dbfs
    if alike is None or abs(alike) >= _APART or level is None or level < _AUDIBLE:
        return []
    results = [each for each in timeline.transcript if not each.by_agent]
    finals = [each for each in results if each.final and each.text]
    if len(finals) < _FINALS or len({each.channel for each in results}) > 1:
        return []
    text = f"{audio.channels} channels with different audio were sent (correlation {alike:.2f}), "
    text += f"and {len(finals)} results name no channel, or only one"
    return [Evidence(text, tuple(each.frame for each in finals[:3]), None, round(alike, 2))]


RULES: tuple[Measure, ...] = (
    duplicate_results,
    words_doubled,
    words_unsure,
    language_unset,
    other_script,
    channels_mixed,
)
