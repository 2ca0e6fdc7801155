"""Rules about what came of a session: failed objects, answers that did not come, no words.

They need the timeline of the session (`Session.read` with a catalog); without it they return
nothing. Those about something that is missing return nothing where the session failed: then what
is missing is a consequence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from wsproxy.catalog.success import AUDIO, WORDS
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.outcome import (
    PATIENCE,
    failed_objects,
    figures_text,
    missing_answers,
    proof_of,
    waited,
)
from wsproxy.session.request_query import query_pairs
from wsproxy.session.requested_model import requested_language
from wsproxy.session.success_tracker import FailedObject
from wsproxy.session.timeline import Timeline
from wsproxy.wording import plural

from .exchange import (
    answer_not_requested,
    call_unanswered,
    context_reused,
    result_unanswered,
    turn_not_ended,
)
from .likely_causes import sound_is_undeclared
from .transcription import MIN_SPEECH, never_committed, no_words_model

STOPPED = 10.0  # seconds of speech after the last words from which on results have stopped
FINALIZED = 5.0  # seconds after an interim result in which a final one comes
READY = 5.0  # seconds after the upgrade for the message that the API's clients wait for
LATE_FINAL = 8.0  # seconds from words to their final result
AT_ONCE = 3.0  # seconds after the app's message in which a server ends a session at once
UNANSWERED = 10.0  # seconds after the user's speech from which on an agent is silent
_SETUP = 3  # messages of an app that do not do more than set a session up
_SHOWN = 3  # failed objects
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
_CAUSES_OF_SILENCE = (call_unanswered, result_unanswered, turn_not_ended, answer_not_requested)
_ENVELOPES = {
    "event-stream": "an event-stream message (headers, payload and two checksums)",
    "azure": "a message with header lines before the audio",
}


def _timeline(facts: SessionFacts) -> Timeline | None:
    """The timeline of a session that was accepted and ended, without a failure.

    An app that dropped its connection may have given up for want of an answer.
    """
    session = facts.session
    if session.timeline is None or not session.accepted:
        return None
    return session.timeline if not session.failed or _dropped_by_client(facts) else None


def _dropped_by_client(facts: SessionFacts) -> bool:
    session = facts.session
    return session.ending in ("eof", "reset") and session.closed_by == "client"


def object_failed(facts: SessionFacts) -> list[Evidence]:
    """The server reported that an object, such as a response, failed."""
    timeline = facts.session.timeline
    return _objects(failed_objects(timeline)) if timeline is not None else []


def object_failed_earlier(facts: SessionFacts) -> list[Evidence]:
    """An object failed, and a later one of the same kind was good."""
    timeline = facts.session.timeline
    if timeline is None or failed_objects(timeline):
        return []
    return _objects(timeline.success.failed)


def _objects(failed: Sequence[FailedObject]) -> list[Evidence]:
    out = []
    for one in failed[:_SHOWN]:
        frames = (one.frame,)
        if one.sentence and " " not in one.sentence.strip() and one.state != one.kind:
            text = f"{one.kind} has the state {quoted(one.state)}: {quoted(one.sentence, 240)}"
            out.append(Evidence(f"{text} (frame {one.frame})", frames, one.t_ns))
            continue
        if one.sentence:
            text = f"the server's words: {quoted(one.sentence, 240)} (frame {one.frame})"
            out.append(Evidence(text, frames, one.t_ns))
        if one.state != one.kind:
            text = f"{one.kind} has the state {quoted(one.state)} (frame {one.frame})"
            out.append(Evidence(text, frames, one.t_ns))
        elif not one.sentence:
            text = f"the server sent {one.kind} (frame {one.frame})"
            out.append(Evidence(text, frames, one.t_ns))
    return out


def answer_missing(facts: SessionFacts) -> list[Evidence]:
    """The message that ends an answer did not come, although there was time for it."""
    timeline = _timeline(facts)
    if timeline is None or _no_audio_at_all(timeline) or failed_objects(timeline):
        return []
    out = []
    not_owed = {frame for e in facts.measured(context_reused) for frame in e.frames}
    for owed in missing_answers(facts.session, timeline)[:_SHOWN]:
        if owed.frame in not_owed:
            continue
        text = f"{owed.expect} did not come after frame {owed.frame}"
        since = waited(facts.session, timeline, owed.t_ns)
        out.append(Evidence(text, (owed.frame,), owed.t_ns, round(since, 2), "s"))
    if out:
        out += _last_of_server(facts, timeline)
        out.append(Evidence(f"until then: {figures_text(timeline)}"))
    return out


def _last_of_server(facts: SessionFacts, timeline: Timeline) -> list[Evidence]:
    """When the server sent its last message, relative to the end."""
    if timeline.last_server_ns is None or timeline.last_server_frame is None:
        return [Evidence("the server sent no message", (), None, 0.0, "messages")]
    ago = seconds(facts.ended_ns - timeline.last_server_ns)
    frame = timeline.last_server_frame
    text = f"the server's last message came {ago:.1f} s before the end (frame {frame})"
    return [Evidence(text, (frame,), timeline.last_server_ns, ago, "s")]


# -- speech without words


def _wordless(facts: SessionFacts) -> Timeline | None:
    """The timeline of a session of audible speech without the words that should have come."""
    timeline = _timeline(facts)
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
    if left_at_once and (timeline.sent.speech or 0) < STOPPED and not _closed_by_server(facts):
        return []
    text = f"{figures_text(timeline)}: the server sent no result"
    return [
        Evidence(text, (), None, timeline.sent.speech, "s"),
        *_last_of_server(facts, timeline),
    ]


def _speaks(facts: SessionFacts, timeline: Timeline) -> bool:
    """Whether the service may answer with audio in this session."""
    return AUDIO in _proof(timeline) and not facts.transcribes_only


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
    for message in facts.client_json[:_SETUP]:
        names.update(name.lower() for name in message.content)
        names.update(str(value).lower() for value in message.content.values())
    return bool(names & _OF_TRANSCRIPTION)


def _waits_for_answer(facts: SessionFacts) -> bool:
    """Whether the app said something after its audio, and waited for an answer."""
    last, audio = facts.sent.last, facts.audio.last
    if last is None or audio is None or last.frame == audio.frame or not _closed_by_client(facts):
        return False
    said = any(message.frame == last.frame for message in facts.client_json)
    return said and seconds(facts.ended_ns - last.t_ns) >= UNANSWERED


def _closed_by_client(facts: SessionFacts) -> bool:
    return facts.session.closed_by == "client"


def _closed_by_server(facts: SessionFacts) -> bool:
    """Whether nothing more would have come; it may have, where the app or the recording ended."""
    return facts.session.closed_by == "server"


def _proof(timeline: Timeline) -> Sequence[str]:
    return timeline.api.success.proof if timeline.api else ()


def no_final(facts: SessionFacts) -> list[Evidence]:
    """The last words are those of an interim result, although there was time for a final one."""
    timeline = _timeline(facts)
    if timeline is None or WORDS not in _expected_proof(timeline) or _speaks(facts, timeline):
        return []
    if _lacks_setting(facts):
        return []
    last = next((each for each in reversed(list(timeline.transcript)) if each.text), None)
    if last is None or last.final or _closed_by_server(facts):
        return []
    since = waited(facts.session, timeline, last.t_ns)
    text = f"the last words are an interim result (frame {last.frame}); "
    if since >= FINALIZED:
        text += f"no final one came, and nothing else, in the {since:.1f} s until the end"
    elif _left_in_audio(facts):
        text += f"the app closed {since:.2f} s later, and had not ended the audio"
    else:
        return []
    out = [Evidence(text, (last.frame,), last.t_ns, round(since, 1), "s")]
    sent = facts.sent.last
    if sent is not None and facts.client_json and facts.client_json[-1].frame == sent.frame:
        words = quoted(json.dumps(facts.client_json[-1].content), 80)
        out.append(Evidence(f"the app's last message is {words} (frame {sent.frame})"))
    return out


def _left_in_audio(facts: SessionFacts) -> bool:
    """Whether the app closed the session, and its last message was audio."""
    sent, audio = facts.sent.last, facts.audio.last
    if sent is None or audio is None or not facts.audio.last_size:
        return False
    return facts.session.close is not None and _closed_by_client(facts) and sent == audio


def results_stopped(facts: SessionFacts) -> list[Evidence]:
    """Words came, and then no more, while speech went on."""
    timeline = _timeline(facts)
    if timeline is None or WORDS not in _proof(timeline):
        return []
    if AUDIO in _proof(timeline) and timeline.received.messages:
        return []  # an agent: `agent_silent`
    last_ns, speech = timeline.transcript.last_words_ns, timeline.sent.speech
    if last_ns is None or speech is None:
        return []
    since = speech - timeline.speech_at_words
    if since < STOPPED:
        return []
    frame = timeline.transcript.last_frame or 0
    text = (
        f"{since:.1f} s of speech were sent after the last words (frame {frame}, "
        f"{seconds(facts.ended_ns - last_ns):.1f} s before the end)"
    )
    return [Evidence(text, (frame,), last_ns, round(since, 1), "s")]


# -- agents, and text without audio


def agent_silent(facts: SessionFacts) -> list[Evidence]:
    """The user spoke, and the agent did not answer."""
    timeline = _timeline(facts)
    if timeline is None or timeline.api is None or timeline.api.audio.origin != "both":
        return []
    if facts.transcribes_only:
        return []
    speech, speech_ns = timeline.sent.speech, timeline.sent.speech_ns
    if speech_ns is None or speech is None or speech < MIN_SPEECH or failed_objects(timeline):
        return []
    silent = waited(facts.session, timeline, speech_ns)
    ignored = speech - timeline.speech_at_server
    if proof_of(timeline) is not None and silent < UNANSWERED and ignored < STOPPED:
        return []
    if silent < PATIENCE and ignored < STOPPED and facts.session.closed_by is None:
        return []  # the answer may have come after the recording
    if (timeline.received.last_ns or 0) > speech_ns and ignored < STOPPED:
        return []  # the user's last words were answered; then nobody spoke
    if facts.measured(empty_results) or facts.measured(results_stopped):
        return []
    if any(facts.measured(cause) for cause in _CAUSES_OF_SILENCE):
        return []
    text = f"{figures_text(timeline)}: the server had not answered for {silent:.1f} s at the end"
    if ignored >= STOPPED:
        text = f"{figures_text(timeline)}: no message came during the last {ignored:.1f} s of it"
    return [
        Evidence(text, (), speech_ns, round(max(silent, ignored), 2), "s"),
        *_last_of_server(facts, timeline),
    ]


def closed_silently(facts: SessionFacts) -> list[Evidence]:
    """The server ended the session normally without a message, while the app was not at its end.

    A server that says nothing may be right to: after the end of the audio without speech, for
    example. It is not before it was ready, nor in the middle of the audio.
    """
    timeline, session = _timeline(facts), facts.session
    if timeline is None or session.ending != "close" or session.closed_by != "server":
        return []
    last, sent = facts.audio.last, session.traffic.data[True].last_frame
    if timeline.server_messages or not sent:
        return []
    ready = timeline.api.vocabulary.ready if timeline.api else ()
    if not ready and (last is None or last.frame != sent):
        return []
    before = f" before {' or '.join(ready)}" if ready else ""
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    text = f"the server closed{before} after {lasted:.1f} s, without a message; "
    text += f"the app's last message is frame {sent}"
    return [Evidence(text, (sent,), facts.ended_ns, lasted, "s")]


def left_early(facts: SessionFacts) -> list[Evidence]:
    """The app left without waiting for the answer to its end message, or to its last flush.

    `answer_missing` reports an answer for which the server had time.
    """
    timeline, session = _timeline(facts), facts.session
    if timeline is None or session.closed_by != "client" or failed_objects(timeline):
        return []
    if missing_answers(session, timeline):
        return []
    last_words = (*facts.vocabulary.end, *facts.vocabulary.flush)
    owed = [one for one in timeline.success.owed if one.kind in last_words]
    if not owed:
        return []
    last = owed[-1]
    since = seconds(facts.ended_ns - last.t_ns)
    text = f"the app left {since:.2f} s after {last.kind} (frame {last.frame}), "
    text += f"before {last.expect} came"
    return [Evidence(text, (last.frame,), last.t_ns, round(since, 2), "s")]


def nothing_sent(facts: SessionFacts) -> list[Evidence]:
    """The session ended normally, and the app had sent neither audio nor a text to speak."""
    timeline = _timeline(facts)
    if timeline is None or timeline.api is None or not timeline.api.audio.origin:
        return []
    sent = facts.session.traffic.data[True]
    if facts.session.ending in ("unfinished", "stopped"):
        return []  # what the app may have sent later is not in the trace
    if timeline.sent.messages or timeline.texts or sent.count > _SETUP:
        return []
    if timeline.exchange.user_texts.count or facts.measured(ended_at_once):
        return []
    if proof_of(timeline) is not None or facts.session.audio.tracks(from_client=True):
        return []
    what = "text" if timeline.api.audio.origin == "server" else "audio"
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    text = f"the app sent no {what} in the {lasted:.2f} s of the session"
    if sent.last is None:
        text += ", and no other message"
    elif facts.client_json:
        last = facts.client_json[-1]
        kind = str(last.content.get("type", last.kind))
        text += f"; its last message is {quoted(kind, 40)} (frame {last.frame})"
    frames = (sent.last.frame,) if sent.last is not None else ()
    return [Evidence(text, frames, None, lasted, "s"), *_last_of_server(facts, timeline)]


def ended_at_once(facts: SessionFacts) -> list[Evidence]:
    """The server ended the session normally right after the first messages, and gave no reason.

    It gave the app no time to send anything, see `nothing_sent`.
    """
    timeline, session, last = _timeline(facts), facts.session, facts.sent.last
    if timeline is None or session.closed_by != "server" or session.ending != "close":
        return []
    if last is None or not timeline.server_messages or _is_used(facts, timeline):
        return []
    is_answered = (timeline.last_server_ns or 0) > last.t_ns
    if timeline.received.messages or (is_answered and timeline.api is None):
        return []  # nobody knows what an answer of an unknown API says
    since = seconds(facts.ended_ns - last.t_ns)
    if since > AT_ONCE or (session.close is not None and session.close.reason):
        return []
    text = f"the server closed {since:.1f} s after the app's last message (frame {last.frame}), "
    text += "without a reason" if is_answered else "with neither an answer to it nor a reason"
    return [Evidence(text, (last.frame,), last.t_ns, round(since, 2), "s")]


def _is_used(facts: SessionFacts, timeline: Timeline) -> bool:
    """Whether the app did more in the session than to set it up, or anything came of it."""
    sent = timeline.sent.messages or timeline.texts or timeline.exchange.user_texts.count
    other = proof_of(timeline) is not None or facts.session.audio.tracks(from_client=True)
    return bool(sent or other or facts.sent.count > _SETUP)


def no_user_audio(facts: SessionFacts) -> list[Evidence]:
    """The agent spoke, and the app sent neither audio nor texts after it."""
    timeline = _timeline(facts)
    if timeline is None or timeline.api is None or timeline.api.audio.origin != "both":
        return []
    spoke_ns, texts = timeline.received.last_ns, timeline.exchange.user_texts
    if spoke_ns is None or timeline.sent.messages or texts.count > 1:
        return []
    last = facts.sent.last
    silent = waited(facts.session, timeline, spoke_ns)
    if silent < UNANSWERED or (last is not None and last.t_ns > spoke_ns):
        return []
    text = "the app sent no audio in the session; after the agent had spoken, nothing came for "
    text += f"{silent:.1f} s"
    return [Evidence(text, (), spoke_ns, round(silent, 1), "s")]


def final_in_pause(facts: SessionFacts) -> list[Evidence]:
    """A final result came long after its words, and no audio was sent in between."""
    timeline, declared = _timeline(facts), facts.timed_format
    if timeline is None or declared is None or not declared.from_client:
        return []
    results = [result for result in timeline.transcript if not result.by_agent and result.text]
    for before, after in pairwise(results):
        late = seconds(after.t_ns - before.t_ns)
        if before.final or not after.final or late < LATE_FINAL:
            continue
        cursor = facts.audio.cursor
        sent = declared.duration(cursor.size_at(after.t_ns) - cursor.size_at(before.t_ns))
        if sent < late / 2:
            text = f"the final result in frame {after.frame} came {late:.1f} s after its words "
            text += f"(frame {before.frame}); {sent:.1f} s of audio were sent in that time"
            return [Evidence(text, (after.frame,), after.t_ns, round(late, 1), "s")]
    return []


def never_ready(facts: SessionFacts) -> list[Evidence]:
    """The message that the clients of the API wait for did not come."""
    timeline = _timeline(facts)
    if timeline is None or timeline.api is None or not timeline.api.vocabulary.ready:
        return []
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    if (
        timeline.is_ready
        or lasted < READY
        or facts.measured(closed_silently)
        or proof_of(timeline) is not None
    ):
        return []
    expected = " or ".join(timeline.api.vocabulary.ready)
    text = f"{expected} did not come in the {lasted:.1f} s of the session"
    return [Evidence(text, (), None, lasted, "s"), *_last_of_server(facts, timeline)]


def no_audio_for_text(facts: SessionFacts) -> list[Evidence]:
    """Text to speak was sent, and no audio came, although there was time for it."""
    timeline = _timeline(facts)
    if timeline is None or not _no_audio_at_all(timeline):
        return []
    at_ns = facts.opened_ns
    left_at_once = waited(facts.session, timeline, at_ns) < PATIENCE
    if left_at_once and not _closed_by_server(facts) and not timeline.success.answers:
        return []
    frame = timeline.first_text_frame or 0
    text = f"{figures_text(timeline)} (first text: frame {frame})"
    return [
        Evidence(text, (frame,), None, float(timeline.characters), "characters"),
        *_last_of_server(facts, timeline),
    ]


def _no_audio_at_all(timeline: Timeline) -> bool:
    return bool(timeline.texts) and not timeline.received.messages and AUDIO in _proof(timeline)


def not_in_envelope(facts: SessionFacts) -> list[Evidence]:
    """The app sent binary messages without the encoding that the API requires."""
    timeline = facts.session.timeline
    if timeline is None or timeline.unwrapped is None or timeline.api is None:
        return []
    frame, length = timeline.unwrapped
    count = plural(timeline.unwrapped_count, "binary message is", "binary messages are")
    text = (
        f"{count} not {_ENVELOPES[timeline.api.envelope]}; "
        f"the first one has {length} bytes (frame {frame})"
    )
    return [Evidence(text, (frame,), None, float(timeline.unwrapped_count), "messages")]


RULES: tuple[Measure, ...] = (
    object_failed,
    object_failed_earlier,
    closed_silently,
    not_in_envelope,
    answer_missing,
    left_early,
    nothing_sent,
    ended_at_once,
    empty_results,
    no_results,
    no_final,
    results_stopped,
    final_in_pause,
    agent_silent,
    no_user_audio,
    never_ready,
    no_audio_for_text,
)
