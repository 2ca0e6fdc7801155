"""Rules about words that came and are odd: again, unsure, in another script, of mixed channels.

They need the timeline of the session.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from wsproxy.catalog.envelope import field as field_of
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.scripts import LATIN, main_script, scripts_of_all
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.format_timeline import HEADER
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
_TEXT_NAMES = ("text", "content", "translation")
_SAME_WORDS = 6  # that are all words
_LETTERS = 12  # of a text, the same
_SAME_PLACE = 0.1  # seconds between results that begin at the same place
_SILENT = 0.5  # seconds of digital silence
_QUIET = -75.0  # dBFS of sound that is nearly none
_MIN_NOISE = 5.0  # seconds in which people who speak make a pause
_EDGE = 0.05  # seconds by which its bounds are uncertain
_BEFORE = 32  # final results with which one is compared


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


def results_twice(facts: SessionFacts) -> list[Evidence]:
    """An unknown server sends each message with words twice, with no audio sent in between.

    One that sends its state again and again does not do so exactly twice.
    """
    worded = facts.final_words
    if facts.api is not None or not facts.audio.from_client:
        return []
    contents = {message.frame: message.content for message in facts.server_json}
    pairs = list(zip(worded[::2], worded[1::2], strict=False))
    if not pairs or len(worded) % 2 or any(len(each.text.split()) < _SENTENCE for each in worded):
        return []
    sent = facts.audio.cursor.size_at
    for one, other in pairs:
        if one.text != other.text or contents.get(one.frame) != contents.get(other.frame):
            return []
        if sent(one.t_ns) != sent(other.t_ns):
            return []
    if len({each.text for each in worded}) < len(pairs):
        return []
    first, again = pairs[0]
    text = f"{quoted(first.text, _SHOWN)} (frame {first.frame}) came again in frame {again.frame}, "
    text += f"{seconds(again.t_ns - first.t_ns):.2f} s later, and no audio was sent in between"
    if len(pairs) > 1:
        text += f"; each of {len(pairs)} messages with words came twice"
    return [Evidence(text, (first.frame, again.frame), again.t_ns, float(len(pairs)), "results")]


def words_doubled(facts: SessionFacts) -> list[Evidence]:
    """Most final results hold the same words twice, one after the other, and no others."""
    finals = facts.final_words
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


def words_restated(facts: SessionFacts) -> list[Evidence]:
    """A final result has the words of the final ones before it again.

    Where neither an id nor a place in the audio shows that it is the same speech, one may be a
    repetition.
    """
    found = list(_restating(facts))
    ids = _ids(facts) if found else {}
    same = any(
        _same_place(first, last)
        or (ids.get(last.frame) and ids.get(first.frame) == ids[last.frame])
        for first, last in found
    )
    if not same and len(found) < _FINALS:
        return []
    first, last = found[0]
    text = f"{quoted(last.text, 80)} (frame {last.frame}) has the words of the final results from "
    text += f"frame {first.frame} on again"
    if len(found) > 1:
        text += f"; {len(found)} final results repeat others"
    return [Evidence(text, (last.frame, first.frame), last.t_ns, float(len(found)), "results")]


def _restating(facts: SessionFacts) -> Iterator[tuple[Result, Result]]:
    """Final results that repeat what came before: the first one that is repeated, and they."""
    timeline = facts.session.timeline
    if timeline is None or not timeline.transcript.finals:
        return
    for run in timeline.transcript.kept.runs():
        channels: dict[str, deque[tuple[str, Result]]] = {}
        for each in run:
            letters = "".join(filter(str.isalnum, each.text.lower()))
            # A later result of a turn replaces the one before.
            if not each.final or each.by_agent or each.turn is not None or not letters:
                continue
            before = channels.setdefault(each.channel, deque(maxlen=_BEFORE))
            if (first := _repeated(letters, before, grows=facts.api is None)) is not None:
                yield first, each
            before.append((letters, each))


def _repeated(letters: str, before: Sequence[tuple[str, Result]], *, grows: bool) -> Result | None:
    """The first of the results whose texts a text repeats, one after the other.

    Args:
        grows: whether a text that begins with the one before it may be the same, longer one.
    """
    if not before or len(letters) < _LETTERS:
        return None
    last, result = before[-1]
    if len(last) >= _LETTERS and len(letters) > len(last) and letters.startswith(last):
        return None if grows else result
    rest, count = letters, 0
    for text, result in reversed(before):
        if not rest.endswith(text):
            return None
        rest, count = rest[: -len(text)], count + 1
        if not rest:
            return result if count > 1 else None
    return None


def _ids(facts: SessionFacts) -> dict[int, object]:
    """What the results are of, such as the item of a conversation, by their frames."""
    path = facts.api.result_paths.id if facts.api else ""
    return {m.frame: field_of(m.content, path) for m in facts.server_json} if path else {}


def _same_place(first: Result, last: Result) -> bool:
    if first.start_s is None or last.start_s is None:
        return False
    return abs(last.start_s - first.start_s) < _SAME_PLACE


def words_of_silence(facts: SessionFacts) -> list[Evidence]:
    """Final words came when nothing but digital silence had been sent; a likely cause only.

    An app under test may send zeros to a simulated API, which answers with words.
    """
    silence, words = facts.signal.silence.kept[:1], facts.final_words
    if not words or not facts.audio.from_client or not silence or silence[0].start_s > _EDGE:
        return []
    first = words[0]
    sent = facts.timeline.seconds(facts.audio, first.t_ns)
    if sent < _SILENT or silence[0].end_s < sent - _EDGE:
        return []
    text = f"{quoted(first.text, _SHOWN)} (frame {first.frame}) came when {sent:.1f} s of audio "
    text += "had been sent, all of it digital silence"
    return [Evidence(text, (first.frame,), first.t_ns, round(sent, 1), "s")]


def words_of_noise(facts: SessionFacts) -> list[Evidence]:
    """Final words came, and nothing in all of the audio rises above its background."""
    worded = [each for each in facts.final_words if len(each.text.split()) > 1]
    audio = facts.signal
    if not worded or not facts.audio.from_client or audio.speech.count:
        return []
    level, length = audio.rms_dbfs, audio.duration_s
    if level is None or level < _QUIET or length < _MIN_NOISE or audio.faults:
        return []
    first = worded[0]
    text = f"{quoted(first.text, _SHOWN)} (frame {first.frame}): words of {length:.1f} s of "
    text += f"audio in which nothing rises above the background, a steady {level:.0f} dBFS"
    frames = tuple(each.frame for each in worded[:5])
    return [Evidence(text, frames, first.t_ns, float(len(worded)), "results")]


def translations_empty(facts: SessionFacts) -> list[Evidence]:
    """Results with words have translations, all of which are empty texts."""
    timeline = facts.session.timeline
    if timeline is None:
        return []
    worded = {each.frame for each in timeline.transcript if each.final and each.text}
    found = [
        (message, texts)
        for message in facts.server_json
        if message.frame in worded and (texts := list(_translated(message.content)))
    ]
    empty = [message for message, texts in found if not any(each.strip() for each in texts)]
    if len(empty) < _FINALS or 2 * len(empty) < len(found):
        return []
    text = f"the translations of {len(empty)} of {len(found)} results with words are empty (from "
    text += f"frame {empty[0].frame} on)"
    frames = tuple(message.frame for message in empty[:5])
    return [Evidence(text, frames, empty[0].t_ns, float(len(empty)), "results")]


def _translated(content: object, *, inside: bool = False) -> Iterator[str]:
    """The texts of the translations in a message."""
    if isinstance(content, dict):
        for name, value in content.items():
            named = name.lower().startswith("translat")
            if isinstance(value, str):
                if inside and name.lower() in _TEXT_NAMES:
                    yield value
            else:
                yield from _translated(value, inside=inside or named)
    elif isinstance(content, list):
        for each in content:
            yield from _translated(each, inside=inside)


def one_word_only(facts: SessionFacts) -> list[Evidence]:
    """All final words are the same one, and the server was not told what the audio is.

    Some models say "the the the" of audio at another sample rate. People count or call like that,
    too, so that it means nothing where the format is declared.
    """
    timeline = facts.session.timeline
    if timeline is None or facts.api is not None or not facts.audio.from_client:
        return []
    finals = [each for each in timeline.transcript if each.final and each.text]
    words = [word for each in finals for word in re.findall(r"\w+", each.text.lower())]
    if len(words) < _SAME_WORDS or len(set(words)) > 1:
        return []
    declared = facts.timeline.declarations
    if any(each.source != HEADER for each in declared):
        return []
    text = f"all {len(words)} final words are {quoted(words[0], 40)}; no parameter and no message "
    text += "declares the format of the audio"
    if declared:
        text += f", which by its header is {declared[0].format}"
    frames = tuple(each.frame for each in finals[:5])
    return [Evidence(text, frames, None, float(len(words)), "words")]


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
    languages = requested_languages(facts.session)
    allowed = scripts_of_all(languages)
    if allowed is None:
        return []
    found: list[tuple[Result, str]] = []
    for each in facts.final_words:
        if script := main_script(each.text):
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
    results_twice,
    words_doubled,
    words_restated,
    words_of_silence,
    words_of_noise,
    translations_empty,
    one_word_only,
    words_unsure,
    language_unset,
    other_script,
    channels_mixed,
)
