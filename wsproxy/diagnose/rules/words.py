"""Rules about the words that came of speech: none, empty ones, none that are final, no more.

They need the timeline of the session, and return nothing where the session failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise

from wsproxy.catalog.success import AUDIO, WORDS
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import SETUP_MESSAGES, Measure, SessionFacts
from wsproxy.session.outcome import PATIENCE, figures_text, proof_of, waited
from wsproxy.session.request_query import query_pairs
from wsproxy.session.requested_model import requested_language
from wsproxy.session.timeline import Timeline
from wsproxy.session.transcript import Result, SessionTranscript
from wsproxy.wording import plural

from .dialogue_facts import sounds_between
from .exchange import turn_not_ended
from .good_ending import (
    LATE_FINAL,
    MIN_SPEECH,
    UNANSWERED,
    closed_by_client,
    closed_by_server,
    documented_proof,
    good_timeline,
    last_of_server,
)
from .lateness import late_results
from .likely_causes import sound_is_undeclared
from .transcription import never_committed, no_words_model

STOPPED = 10.0  # seconds of speech after the last words from which on results have stopped
_STALLED = 5.0  # the same, where results come that have no other words
FINALIZED = 5.0  # seconds after an interim result in which a final one comes
_SPOKEN_TO = 3  # results, from which on an unknown server is one that transcribes
_SAID = 0.4  # seconds of sound that may be a word
_NEAR = 0.2  # seconds by which the places of results of the same speech differ
_CUT = 2.0  # seconds before the end in which audio still came
_NEVER_FINAL = 15.0  # seconds of interim results; some services finish one only after long speech
# Names and values in a request for a transcript, which other servers have no use for.
_OF_TRANSCRIPTION = frozenset(
    {
        "diarize",
        "hotwords",
        "interim_results",
        "lang",
        "language",
        "language_code",
        "model",
        "model_id",
        "task",
        "transcribe",
        "transcription",
        "use_vad",
    }
)


def _wordless(facts: SessionFacts) -> Timeline | None:
    """The timeline of a session of audible speech without the words that should have come."""
    timeline = good_timeline(facts)
    if timeline is None or WORDS not in _expected_proof(timeline):
        return None
    speech = timeline.sent.speech
    if speech is None and timeline.api is None and sound_is_undeclared(facts):
        speech = seconds(facts.audio.span_ns)
    if proof_of(timeline) is not None or speech is None or speech < MIN_SPEECH:
        return None
    return timeline


def _expected_proof(timeline: Timeline) -> Sequence[str]:
    """What proves success; of an unknown API, whose results are empty texts, words do."""
    return timeline.api.success.proof if timeline.api else (WORDS,)


def empty_results(facts: SessionFacts) -> list[Evidence]:
    """Results came for audible speech, and all of them are empty."""
    timeline = _wordless(facts)
    if timeline is None or not timeline.transcript.results:
        return []
    found = timeline.transcript
    text = f"{figures_text(timeline)}: {plural(found.results, 'result is', 'results are')} empty"
    if language := requested_language(facts.session):
        text += f"; the language is set to {quoted(language)}"
    frames = tuple(result.frame for result in found)[:3]
    return [Evidence(text, frames, None, timeline.sent.speech, "s")]


def no_results(facts: SessionFacts) -> list[Evidence]:
    """Audible speech was sent, and no result came, although there was time for one."""
    timeline = _wordless(facts)
    if timeline is None or timeline.transcript.results or _lacks_setting(facts):
        return []
    if facts.measured(turn_not_ended):
        return []
    if _speaks(facts, timeline) or (timeline.api is None and not _asks_for_words(facts)):
        return []
    speech_ns = timeline.sent.speech_ns or 0
    left_at_once = waited(facts.session, timeline, speech_ns) < PATIENCE
    if left_at_once and (timeline.sent.speech or 0) < STOPPED and not closed_by_server(facts):
        return []
    text = f"{figures_text(timeline)}: the server sent no result"
    return [
        Evidence(text, (), None, timeline.sent.speech, "s"),
        *last_of_server(facts, timeline),
    ]


def _speaks(facts: SessionFacts, timeline: Timeline) -> bool:
    """Whether the service may answer with audio in this session."""
    return AUDIO in documented_proof(timeline) and not facts.transcribes_only


def _lacks_setting(facts: SessionFacts) -> bool:
    """Whether what the service needs before it transcribes is missing."""
    return bool(facts.measured(never_committed) or facts.measured(no_words_model))


def _asks_for_words(facts: SessionFacts) -> bool:
    """Whether the app asks a server that is not in the catalog for a transcript.

    A server that only takes audio, such as one that records it, has no reason to answer, and its
    clients do not wait after they have said that the audio has ended.
    """
    if _waits_for_answer(facts):
        return True
    names = {name.lower() for name, _ in query_pairs(facts.session.request)}
    for message in facts.client_json[:SETUP_MESSAGES]:
        names.update(name.lower() for name in message.content)
        names.update(str(value).lower() for value in message.content.values())
    return bool(names & _OF_TRANSCRIPTION)


def _waits_for_answer(facts: SessionFacts) -> bool:
    """Whether the app said something after its audio, and waited for an answer."""
    last, audio = facts.sent.last, facts.audio.last
    if last is None or audio is None or last.frame == audio.frame or not closed_by_client(facts):
        return False
    said = any(message.frame == last.frame for message in facts.client_json)
    return said and seconds(facts.ended_ns - last.t_ns) >= UNANSWERED


def no_final(facts: SessionFacts) -> list[Evidence]:
    """The last words are those of an interim result, although there was time for a final one."""
    timeline = good_timeline(facts)
    if timeline is None or WORDS not in _expected_proof(timeline) or _speaks(facts, timeline):
        return []
    if _lacks_setting(facts) or facts.measured(results_stopped) or facts.measured(words_dropped):
        return []
    last = _last_words(timeline)
    if last is None or last.final or closed_by_server(facts):
        return []
    since = waited(facts.session, timeline, last.t_ns)
    text = f"{_never_final(timeline)}the last words are an interim result (frame {last.frame}); "
    if since >= FINALIZED:
        text += f"no final one came, and nothing else, in the {since:.1f} s until the end"
    elif _left_in_audio(facts):
        text += f"the app closed {since:.2f} s later, and had not ended the audio"
    elif facts.sent.last is not None and _left_at_once(facts, timeline):
        left = seconds(facts.ended_ns - facts.sent.last.t_ns)
        text += f"the app closed {left:.2f} s after its last message (frame "
        text += f"{facts.sent.last.frame}), and waited for no final one"
    else:
        return []
    flushed = [m for m in facts.client_json if m.kind in facts.vocabulary.flush]
    if flushed and flushed[-1].frame > last.frame:
        text += f"; {flushed[-1].kind} was sent after them (frame {flushed[-1].frame})"
    out = [Evidence(text, (last.frame,), last.t_ns, round(since, 1), "s")]
    sent = facts.sent.last
    if (
        sent is not None
        and not facts.ends_with_audio
        and facts.client_json
        and facts.client_json[-1].frame == sent.frame
    ):
        words = quoted(json.dumps(facts.client_json[-1].content), 80)
        out.append(Evidence(f"the app's last message is {words} (frame {sent.frame})"))
    return out


def _last_words(timeline: Timeline) -> Result | None:
    """The last result with words; None if there is none."""
    return next((each for each in reversed(list(timeline.transcript)) if each.text), None)


def _never_final(timeline: Timeline) -> str:
    """How many interim results came without a final one, if they came for long; for people."""
    found = timeline.transcript
    if found.finals or found.first_interim_ns is None or found.last_words_ns is None:
        return ""
    lasted = seconds(found.last_words_ns - found.first_interim_ns)
    if lasted < _NEVER_FINAL:
        return ""
    return f"{found.interims} interim results came in {lasted:.1f} s, and no final one; "


def closed_in_speech(facts: SessionFacts) -> list[Evidence]:
    """The server closed while the app still sent audio, and the last words are interim ones."""
    timeline, audio = good_timeline(facts), facts.audio.last
    if timeline is None or WORDS not in _expected_proof(timeline) or _speaks(facts, timeline):
        return []
    if not closed_by_server(facts) or audio is None or not facts.ends_with_audio:
        return []
    last = _last_words(timeline)
    since = seconds(facts.ended_ns - audio.t_ns)
    if last is None or last.final or since > _CUT or not facts.audio.last_size:
        return []
    text = f"the last words are an interim result (frame {last.frame}); the server closed "
    text += f"{since:.1f} s after the last audio (frame {audio.frame}), which the app had not ended"
    return [Evidence(text, (last.frame, audio.frame), last.t_ns, round(since, 1), "s")]


def words_dropped(facts: SessionFacts) -> list[Evidence]:
    """An interim result has words, and the final one of its place, or all of them, are empty."""
    timeline = good_timeline(facts)
    if timeline is None or WORDS not in documented_proof(timeline) or _speaks(facts, timeline):
        return []
    if (timeline.sent.speech or 0.0) < MIN_SPEECH:
        return []
    results = [each for each in timeline.transcript if not each.by_agent]
    pair = _dropped_in_place(facts, results)
    if pair is None and not any(each.text and each.final for each in results):
        pair = _all_dropped(results)
    if pair is None:
        return []
    worded, empty = pair
    text = f"the interim result in frame {worded.frame} has {quoted(worded.text, 60)}, and the "
    text += f"final one in frame {empty.frame} is empty"
    frames = (worded.frame, empty.frame)
    return [Evidence(text, frames, empty.t_ns, timeline.sent.speech, "s")]


def _all_dropped(results: Sequence[Result]) -> tuple[Result, Result] | None:
    """The last interim result with words, and an empty final one after it."""
    worded = next((each for each in reversed(results) if each.text and not each.final), None)
    if worded is None:
        return None
    empty = next((each for each in results if each.final and each.frame > worded.frame), None)
    return (worded, empty) if empty is not None else None


def _dropped_in_place(
    facts: SessionFacts, results: Sequence[Result]
) -> tuple[Result, Result] | None:
    """An interim result with words, and the empty final one of its place, in which there is sound.

    A final result with words there, which may come in parts, has them.
    """
    finals = [each for each in results if each.final and each.start_s is not None]
    for worded in (each for each in results if each.text and not each.final):
        start, end = worded.start_s, worded.end_s
        if start is None or end is None or worded.turn is not None:
            continue
        same = [f for f in finals if f.frame > worded.frame and f.channel == worded.channel]
        empty = next(iter(same), None)
        if empty is None or empty.text or not _covers(empty, start, end):
            continue
        if any(f.text and (f.end_s or 0.0) > start and (f.start_s or 0.0) < end for f in finals):
            continue
        sounds = sounds_between(facts.signal.speech.kept, start, end)
        if sum(ends - begins for begins, ends in sounds) >= _SAID:
            return worded, empty
    return None


def _covers(result: Result, start: float, end: float) -> bool:
    """Whether a result is of a place in the audio, and not much more."""
    if result.start_s is None or result.end_s is None:
        return False
    return result.start_s <= start + _NEAR and result.end_s >= end - _NEAR


def _left_in_audio(facts: SessionFacts) -> bool:
    """Whether the app closed the session, and its last message was audio."""
    if not facts.ends_with_audio or not facts.audio.last_size:
        return False
    return facts.session.close is not None and closed_by_client(facts)


def _left_at_once(facts: SessionFacts, timeline: Timeline) -> bool:
    """Whether the app closed the session after a message that was not answered.

    An end message for which the API has an answer is that of `outcome.left_early`.
    """
    sent = facts.sent.last
    if sent is None or facts.session.close is None or not closed_by_client(facts):
        return False
    return not timeline.success.owed and (timeline.last_server_ns or 0) < sent.t_ns


def results_stopped(facts: SessionFacts) -> list[Evidence]:
    """Words came, and then no more, while speech went on."""
    timeline = good_timeline(facts)
    if timeline is None or WORDS not in _expected_proof(timeline):
        return []
    if timeline.api is None and timeline.transcript.results < _SPOKEN_TO:
        return []
    may_speak = timeline.api is None or AUDIO in documented_proof(timeline)
    if may_speak and timeline.received.messages:
        return []  # an agent: `agent_silent`
    last_ns = timeline.transcript.last_words_ns
    if last_ns is None:
        return []
    since, repeated = _speech_since(facts, timeline, last_ns), _repeats_last_words(timeline)
    if since < (_STALLED if repeated else STOPPED):
        return []
    frame = timeline.transcript.last_frame or 0
    text = (
        f"{since:.1f} s of speech were sent after the last words (frame {frame}, "
        f"{seconds(facts.ended_ns - last_ns):.1f} s before the end)"
    )
    if repeated:
        text += f"; the results after that, up to frame {repeated}, have the same words"
    return [Evidence(text, (frame,), last_ns, round(since, 1), "s")]


def _speech_since(facts: SessionFacts, timeline: Timeline, last_ns: int) -> float:
    """Seconds of speech that were sent after the last words."""
    if timeline.sent.speech is not None:
        return timeline.sent.speech - timeline.speech_at_words
    # Without a declared format, its samples show what the audio is.
    return sum(each.seconds for each in facts.signal.speech.kept if each.t_ns > last_ns)


def _repeats_last_words(timeline: Timeline) -> int:
    """The frame of the last result, if it has the words of an earlier one of its turn; or 0."""
    last = _last_words(timeline)
    is_later = last is not None and last.frame > (timeline.transcript.last_frame or 0)
    return last.frame if last is not None and is_later else 0


def final_in_pause(facts: SessionFacts) -> list[Evidence]:
    """A final result came long after its words, and no audio was sent in between."""
    if good_timeline(facts) is None or facts.measured(never_committed):
        return []
    return _after_interim(facts) or _after_place(facts)


def _after_interim(facts: SessionFacts) -> list[Evidence]:
    """A final result that came long after an interim one."""
    timeline, declared = facts.session.timeline, facts.timed_format
    if timeline is None or declared is None or not declared.from_client:
        return []
    cursor = facts.audio.cursor
    for before, after in _neighbors(timeline.transcript):
        late = seconds(after.t_ns - before.t_ns)
        if before.final or not after.final or late < LATE_FINAL:
            continue
        sent = declared.duration(cursor.size_at(after.t_ns) - cursor.size_at(before.t_ns))
        if sent < late / 2:
            when = f"{late:.1f} s after its words (frame {before.frame})"
            return [_late(after, when, late, sent)]
    return []


def _after_place(facts: SessionFacts) -> list[Evidence]:
    """A final result that came long after the audio in which it has its place."""
    for each in late_results(facts):
        if each.result.final and each.seconds >= LATE_FINAL and each.sent < each.seconds / 2:
            when = f"{each.seconds:.1f} s after its words had been spoken"
            return [_late(each.result, when, each.seconds, each.sent)]
    return []


def _late(result: Result, when: str, late: float, sent: float) -> Evidence:
    text = f"the final result in frame {result.frame} came {when}; "
    text += f"{sent:.1f} s of audio were sent in that time"
    return Evidence(text, (result.frame,), result.t_ns, round(late, 1), "s")


def _neighbors(transcript: SessionTranscript) -> Iterator[tuple[Result, Result]]:
    """Results of the user's words, each with the next one of its channel."""
    for run in transcript.kept.runs():
        channels: dict[str, list[Result]] = {}
        for each in run:
            if each.text and not each.by_agent:
                channels.setdefault(each.channel, []).append(each)
        for results in channels.values():
            yield from pairwise(results)


RULES: tuple[Measure, ...] = (
    empty_results,
    no_results,
    closed_in_speech,
    no_final,
    words_dropped,
    results_stopped,
    final_in_pause,
)
