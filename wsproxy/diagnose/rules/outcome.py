"""Rules about what came of a session: failed objects, answers that did not come.

They need the timeline of the session (`Session.read` with a catalog); without it they return
nothing. Those about something that is missing return nothing where the session failed: then what
is missing is a consequence.
"""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.catalog.success import AUDIO
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import SETUP_MESSAGES, Measure, SessionFacts
from wsproxy.session.outcome import (
    PATIENCE,
    failed_objects,
    figures_text,
    missing_answers,
    proof_of,
    waited,
)
from wsproxy.session.success_tracker import FailedObject
from wsproxy.session.timeline import Timeline
from wsproxy.wording import plural

from .dialogue_facts import agent_turns, user_speech, utterances
from .exchange import (
    answer_not_requested,
    call_unanswered,
    context_reused,
    result_unanswered,
    turn_not_ended,
    turns_without_audio,
)
from .good_ending import (
    MIN_SPEECH,
    UNANSWERED,
    closed_by_server,
    documented_proof,
    good_timeline,
    last_of_server,
)
from .words import STOPPED, empty_results, results_stopped

READY = 5.0  # seconds after the upgrade for the message that the API's clients wait for
AT_ONCE = 3.0  # seconds after the app's message in which a server ends a session at once
_SHOWN = 3  # failed objects
_MIN_IGNORED = 2  # utterances of the user
_CAUSES_OF_SILENCE = (
    call_unanswered,
    result_unanswered,
    turn_not_ended,
    answer_not_requested,
    turns_without_audio,
)
_ENVELOPES = {
    "event-stream": "an event-stream message (headers, payload and two checksums)",
    "azure": "a message with header lines before the audio",
}


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
    timeline = good_timeline(facts)
    if timeline is None or _no_audio_at_all(timeline) or failed_objects(timeline):
        return []
    out: list[Evidence] = []
    not_owed = {frame for e in facts.measured(context_reused) for frame in e.frames}
    for owed in missing_answers(facts.session, timeline)[:_SHOWN]:
        if owed.frame in not_owed:
            continue
        text = f"{owed.expect} did not come after frame {owed.frame}"
        text += "" if out else _closed_meanwhile(facts, owed.t_ns)
        since = waited(facts.session, timeline, owed.t_ns)
        out.append(Evidence(text, (owed.frame,), owed.t_ns, round(since, 2), "s"))
    if out:
        out += last_of_server(facts, timeline)
        out.append(Evidence(f"until then: {figures_text(timeline)}"))
    return out


def _closed_meanwhile(facts: SessionFacts, t_ns: int) -> str:
    """That the server closed after a message that it had not answered; "" if it did not."""
    close = facts.session.close
    if close is None or close.from_client:
        return ""
    text = f"; the server closed {seconds(facts.ended_ns - t_ns):.1f} s later with {close.code}"
    return text if close.reason else f"{text}, without a reason"


# -- agents, and text without audio


def agent_silent(facts: SessionFacts) -> list[Evidence]:
    """The user spoke, and the agent did not answer."""
    timeline, turns = good_timeline(facts), agent_turns(facts)
    if timeline is None or turns is None or failed_objects(timeline):
        return []
    speech, speech_ns = timeline.sent.speech, timeline.sent.speech_ns
    if speech_ns is None or speech is None or speech < MIN_SPEECH:
        return []
    silent = seconds(facts.ended_ns - max(speech_ns, turns.last_ns))
    ignored = _ignored(facts, timeline, turns.last_ns)
    has_proof = proof_of(timeline) is not None
    if has_proof and silent < UNANSWERED and not ignored:
        return []
    if silent < PATIENCE and not ignored and facts.session.closed_by is None:
        return []  # the answer may have come after the recording
    if has_proof and turns.last_ns > speech_ns and not ignored:
        return []  # the user's last words were answered; then nobody spoke
    if facts.measured(empty_results) or facts.measured(results_stopped):
        return []
    if any(facts.measured(cause) for cause in _CAUSES_OF_SILENCE):
        return []
    what = ignored or f"the agent had not answered for {silent:.1f} s at the end"
    text = f"{figures_text(timeline)}: {what}"
    return [
        Evidence(text, (), speech_ns, round(silent, 2), "s"),
        *last_of_server(facts, timeline),
    ]


def _ignored(facts: SessionFacts, timeline: Timeline, answered_ns: int) -> str:
    """What the user said without an answer, if an agent that works would have answered by then."""
    # Where the agent never spoke, the words of the user may be all that the app wants.
    answered = timeline.speech_at_answer if answered_ns else timeline.speech_at_words
    since = (timeline.sent.speech or 0.0) - answered
    if since >= STOPPED:
        return f"no answer came during the last {since:.1f} s of it"
    if not answered_ns:
        return ""
    said = utterances(user_speech(facts), answered_ns)
    waited_s = seconds(facts.ended_ns - said[0].end_t_ns) if said else 0.0
    if len(said) < _MIN_IGNORED or waited_s < UNANSWERED:
        return ""
    return f"the user spoke {len(said)} times in the last {waited_s:.1f} s, without an answer"


def closed_silently(facts: SessionFacts) -> list[Evidence]:
    """The server ended the session normally without a message, while the app was not at its end.

    A server that says nothing may be right to: after the end of the audio without speech, for
    example. It is not before it was ready, nor in the middle of the audio.
    """
    timeline, session = good_timeline(facts), facts.session
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
    found = Evidence(text, (sent,), facts.ended_ns, lasted, "s")
    close = session.close
    if close is None or not close.reason:
        return [found]
    # The server's own words, which the code of a normal end may belie.
    said = f"close reason: {quoted(close.reason)} (frame {close.frame})"
    return [Evidence(said, (close.frame,), close.t_ns, lasted, "s"), found]


def left_early(facts: SessionFacts) -> list[Evidence]:
    """The app left without waiting for the answer to its end message, or to its last flush.

    `answer_missing` reports an answer for which the server had time.
    """
    timeline, session = good_timeline(facts), facts.session
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
    timeline = good_timeline(facts)
    if timeline is None or timeline.api is None or not timeline.api.audio.origin:
        return []
    sent = facts.session.traffic.data[True]
    if facts.session.ending in ("unfinished", "stopped"):
        return []  # what the app may have sent later is not in the trace
    if timeline.sent.messages or timeline.texts or sent.count > SETUP_MESSAGES:
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
    return [Evidence(text, frames, None, lasted, "s"), *last_of_server(facts, timeline)]


def ended_at_once(facts: SessionFacts) -> list[Evidence]:
    """The server ended the session normally right after the first messages, and gave no reason.

    It gave the app no time to send anything, see `nothing_sent`.
    """
    timeline, session, last = good_timeline(facts), facts.session, facts.sent.last
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
    return bool(sent or other or facts.sent.count > SETUP_MESSAGES)


def no_user_audio(facts: SessionFacts) -> list[Evidence]:
    """The agent spoke, and the app sent neither audio nor texts after it."""
    timeline = good_timeline(facts)
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


def never_ready(facts: SessionFacts) -> list[Evidence]:
    """The message that the clients of the API wait for did not come."""
    timeline = good_timeline(facts)
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
    return [Evidence(text, (), None, lasted, "s"), *last_of_server(facts, timeline)]


def no_audio_for_text(facts: SessionFacts) -> list[Evidence]:
    """Text to speak was sent, and no audio came, although there was time for it."""
    timeline = good_timeline(facts)
    if timeline is None or not _no_audio_at_all(timeline):
        return []
    at_ns = facts.opened_ns
    left_at_once = waited(facts.session, timeline, at_ns) < PATIENCE
    if left_at_once and not closed_by_server(facts) and not timeline.success.answers:
        return []
    frame = timeline.first_text_frame or 0
    text = f"{figures_text(timeline)} (first text: frame {frame})"
    return [
        Evidence(text, (frame,), None, float(timeline.characters), "characters"),
        *last_of_server(facts, timeline),
    ]


def _no_audio_at_all(timeline: Timeline) -> bool:
    asked = AUDIO in documented_proof(timeline)
    return bool(timeline.texts) and not timeline.received.messages and asked


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
    agent_silent,
    no_user_audio,
    never_ready,
    no_audio_for_text,
)
