"""Rules about messages that belong together: texts to speak, function calls, turns of an agent.

They need the timeline of the session, and `[api.exchange]` of the catalog.
"""

from __future__ import annotations

from wsproxy.catalog.exchange import Patterns
from wsproxy.diagnose.evidence import Evidence, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.agent_turns import AgentTurns
from wsproxy.session.noted_message import NotedMessage
from wsproxy.session.outcome import PATIENCE, missing_answers, waited
from wsproxy.session.request_query import query_parameters
from wsproxy.session.turn_tracker import TurnPlace, TurnTracker
from wsproxy.wording import plural

from .good_ending import MIN_SPEECH, UNANSWERED
from .transcription import never_committed

OVERDUE = 5.0  # seconds after a function call, or a turn, for what the app has to do next
LATE_FLUSH = 3.0  # seconds from a text to the first message that asks for its audio
_MIN_INTERRUPTED = 3  # turns
_MIN_SILENT_TURNS = 2
_MOST = 0.75  # of the turns that were interrupted


# -- texts to speak


def text_after_end(facts: SessionFacts) -> list[Evidence]:
    """The app sent text after the message with which it ends its text."""
    found = facts.exchange
    if found is None or found.text_end is None or (first := found.after_end.first) is None:
        return []
    late, end = found.after_end, found.text_end
    text = (
        f"{plural(late.count, 'text')} with {plural(late.characters, 'character')} sent after "
        f"the message that ends the text (frame {end.frame}): from frame {first.frame} on"
    )
    return [_evidence(text, first, float(late.characters), "characters")]


def text_not_flushed(facts: SessionFacts) -> list[Evidence]:
    """The app left without asking for the audio of its last text."""
    session, found = facts.session, facts.exchange
    if found is None or found.unflushed is None or session.timeline is None:
        return []
    if session.closed_by != "client" or found.letters == found.spoken or _needs_no_flush(facts):
        return []
    if found.text_end is not None or facts.measured(context_reused):
        return []  # `text_after_end` reports it
    first = found.unflushed
    last_ns = max(first.t_ns, session.timeline.last_server_ns or 0)
    if seconds(facts.ended_ns - last_ns) < PATIENCE:
        return []
    text = f"the text from frame {first.frame} on was neither flushed nor ended"
    if found.spoken:
        text += f"; {found.spoken} of {found.letters} characters were spoken"
    if (session.timeline.received.last_ns or 0) < first.t_ns:
        text += "; no audio came after it"
    return [_evidence(text, first)]


def _needs_no_flush(facts: SessionFacts) -> bool:
    """Whether the URL asks the API to speak each text at once."""
    if facts.api is None or not facts.api.exchange.text_flush:
        return True
    query = query_parameters(facts.session.request)
    return any(query.get(name) == value for name, value in facts.api.exchange.no_flush)


def flushed_late(facts: SessionFacts) -> list[Evidence]:
    """The first message that asks for the audio of a text came long after the text."""
    found = facts.exchange
    if found is None or found.first_text is None or found.first_flush is None:
        return []
    late = seconds(found.first_flush.t_ns - found.first_text.t_ns)
    if late < LATE_FLUSH or _needs_no_flush(facts):
        return []
    text = f"the first flush, or end, came {late:.1f} s after the text (frame "
    text += f"{found.first_flush.frame})"
    return [_evidence(text, found.first_flush, late, "s")]


def texts_joined(facts: SessionFacts) -> list[Evidence]:
    """The API joins the end of one text and the beginning of the next one without a space."""
    found = facts.exchange
    if found is None or facts.api is None or not facts.api.exchange.joins_texts:
        return []
    if found.joined is None:
        return []
    before, after, begins = found.joined
    words = f"{before.name.split()[-1]}{begins.split()[0]}"
    text = f"{quoted(words, 60)} is what the service reads at the joint of frames {before.frame} "
    text += f"and {after.frame} ({plural(found.joins, 'joint')} without a space)"
    frames = (before.frame, after.frame)
    return [Evidence(text, frames, after.t_ns, float(found.joins), "joints")]


def context_missing(facts: SessionFacts) -> list[Evidence]:
    """A message of the app names no context, and others do."""
    found = facts.exchange
    if found is None or not found.has_contexts or found.contextless.first is None:
        return []
    first, name = found.contextless.first, facts.api.exchange.context[0] if facts.api else ""
    many = plural(found.contextless.count, "message")
    text = f"{many} without {name}, from frame {first.frame} on; other messages have one"
    return [_evidence(text, first, float(found.contextless.count), "messages")]


def context_reused(facts: SessionFacts) -> list[Evidence]:
    """A text was sent to a context that the app had ended, and no audio came after it."""
    session, found = facts.session, facts.exchange
    if found is None or found.reused is None or session.timeline is None:
        return []
    end, text = found.reused
    if (session.timeline.received.last_ns or 0) > text.t_ns:
        return []
    if waited(session, session.timeline, text.t_ns) < PATIENCE:
        return []
    shown = f"the text in frame {text.frame} is for a context that frame {end.frame} had ended; no "
    frames = (end.frame, text.frame)
    return [Evidence(f"{shown}audio came after it", frames, text.t_ns)]


# -- function calls


def call_pending(facts: SessionFacts) -> list[Evidence]:
    """A function call of the agent had no answer yet when the session ended."""
    found = facts.exchange
    if found is None or not (calls := found.open_calls):
        return []
    first, name = calls[0], f" of {quoted(calls[0].name, 40)}" if calls[0].name else ""
    since = seconds(facts.ended_ns - first.t_ns)
    text = f"the function call{name} (frame {first.frame}) had no answer for {since:.1f} s"
    return [_evidence(text, first, since, "s")]


def call_unanswered(facts: SessionFacts) -> list[Evidence]:
    """The app did not answer a function call, although it had time to."""
    found = call_pending(facts)
    if not found or facts.session.failed or (found[0].value or 0.0) < OVERDUE:
        return []
    return found


def result_unanswered(facts: SessionFacts) -> list[Evidence]:
    """The agent did not speak after the app's answer to a function call."""
    session, found = facts.session, facts.exchange
    if found is None or found.last_answer is None or session.timeline is None:
        return []
    last, timeline = found.last_answer, session.timeline
    if session.failed or found.open_calls or (timeline.received.last_ns or 0) > last.t_ns:
        return []
    if any(each.by_agent and each.t_ns > last.t_ns for each in timeline.transcript):
        return []  # it answered, if only in text
    turns = list(found.agent_turns)
    if any(turn.text and turn.text.frame > last.frame for turn in turns):
        return []
    ends = [turn.end for turn in turns if turn.end and turn.end.frame > last.frame]
    silent = seconds(facts.ended_ns - (ends[-1] if ends else last).t_ns)
    if silent < (OVERDUE if ends else UNANSWERED):
        return []
    text = f"no audio came in {seconds(facts.ended_ns - last.t_ns):.1f} s after the result of a "
    text += f"function (frame {last.frame})"
    text += f"; the agent's turn ended, and is empty (frame {ends[-1].frame})" if ends else ""
    asked = facts.measured(result_not_requested)
    text += f"; {asked[0].text}" if asked else ""
    return [_evidence(text, last, round(silent, 1), "s")]


def result_not_requested(facts: SessionFacts) -> list[Evidence]:
    """After its last answer to a function call, the app did not request the agent's answer."""
    found = facts.exchange
    if found is None or found.last_answer is None or found.is_requested or facts.api is None:
        return []
    text = f"no {facts.api.exchange.function.request[0]} was sent after it"
    return [_evidence(text, found.last_answer, 0.0, "messages")]


def call_unnamed(facts: SessionFacts) -> list[Evidence]:
    """The answer of a function does not name the function, which the API requires."""
    found = facts.exchange
    if found is None or found.unnamed.first is None:
        return []
    first = found.unnamed.first
    text = f"{plural(found.unnamed.count, 'answer')} without the name of the function: "
    text += f"frame {first.frame}"
    return [_evidence(text, first, float(found.unnamed.count), "answers")]


# -- turns of an agent


def user_text_unanswered(facts: SessionFacts) -> list[Evidence]:
    """The app sent the agent a text, and no answer came."""
    session, found = facts.session, facts.exchange
    if found is None or found.user_texts.last is None or session.timeline is None:
        return []
    last, timeline = found.user_texts.last, session.timeline
    if session.failed or missing_answers(session, timeline):
        return []
    if any(frame > last.frame for frame in timeline.error_frames):
        return []
    since, before = last, ""
    if found.agent_turns.last_frame > last.frame:
        end = _end_of_other_answer(found.agent_turns, last)
        if end is None:
            return []
        since, before = end, f" after the end of another answer (frame {end.frame}), and"
    silent = seconds(facts.ended_ns - since.t_ns)
    if silent < UNANSWERED:
        return []
    text = f"no answer came in {silent:.1f} s{before} after the app had asked for one "
    text += f"(frame {last.frame})"
    return [_evidence(text, last, round(silent, 1), "s")]


def _end_of_other_answer(turns: AgentTurns, asked: NotedMessage) -> NotedMessage | None:
    """The end of the answer that was under way as the app asked, if none came after it."""
    latest = list(turns)[-1:]
    if not latest or not latest[0].messages or latest[0].interrupted:
        return None
    turn = latest[0]
    under_way = turn.first_audio_ns < asked.t_ns and turn.frame < asked.frame
    return turn.end if under_way and turn.end is not None and turn.end.frame > asked.frame else None


def turn_not_ended(facts: SessionFacts) -> list[Evidence]:
    """The app ends the turns of the user itself, and did not end the last one."""
    turns, spoke_ns = _user_turns(facts)
    if turns is None or turns.manual is None or _is_since(turns.ended, spoke_ns):
        return []
    if facts.measured(never_committed):
        return []
    ends = _or(facts.api.exchange.turns.end if facts.api else ())
    since = "after the last speech" if turns.ended else "in the session"
    text = f"{turns.manual.what} (frame {turns.manual.frame}): the app ends each turn; it sent no "
    return [Evidence(f"{text}{ends} {since}", (turns.manual.frame,), turns.manual.t_ns)]


def answer_not_requested(facts: SessionFacts) -> list[Evidence]:
    """The agent answers only when the app requests it, and the app did not after the last turn."""
    turns, spoke_ns = _user_turns(facts)
    settings = turns.manual or turns.silent if turns is not None else None
    if turns is None or settings is None or facts.transcribes_only:
        return []
    if facts.measured(turn_not_ended):
        return []
    requests = facts.api.exchange.turns.request if facts.api else ()
    turn_ns = turns.ended.t_ns if turns.manual and turns.ended else spoke_ns
    if not requests or _is_since(turns.requested, turn_ns):
        return []
    text = f"{settings.what} (frame {settings.frame}): the agent does not answer by itself; the "
    text += f"app sent no {_or(requests)} after the last turn"
    return [Evidence(text, (settings.frame,), settings.t_ns)]


def _user_turns(facts: SessionFacts) -> tuple[TurnTracker | None, int]:
    """How turns end, and when the user last spoke; None where an answer is not overdue."""
    found, timeline = facts.exchange, facts.session.timeline
    if found is None or timeline is None or facts.session.failed:
        return None, 0
    speech, spoke_ns = timeline.sent.speech, timeline.sent.speech_ns
    if spoke_ns is None or speech is None or speech < MIN_SPEECH:
        return None, 0
    answered = (timeline.received.last_ns or 0) > spoke_ns
    if answered or waited(facts.session, timeline, spoke_ns) < OVERDUE:
        return None, 0
    return found.user_turns, spoke_ns


def _is_since(place: TurnPlace | None, t_ns: int) -> bool:
    return place is not None and place.t_ns >= t_ns


def _or(patterns: Patterns) -> str:
    """The messages, one of which is expected, by their kinds or the names of their fields."""
    names = (p.fields[0][0].rpartition(".")[2] if p.fields else p.kind for p in patterns)
    return " or ".join(dict.fromkeys(names))


def words_never_came(facts: SessionFacts) -> list[Evidence]:
    """The app asked for the words of the user, whom the agent answered, and got none."""
    found, timeline = facts.exchange, facts.session.timeline
    if found is None or timeline is None or facts.session.failed or not timeline.received.messages:
        return []
    asked, spoken = found.user_turns.wants_words, timeline.sent.speech or 0.0
    answered = found.agent_turns.ends.count - found.user_texts.count
    if asked is None or found.user_turns.has_words or answered < _MIN_SILENT_TURNS:
        return []
    if spoken < MIN_SPEECH * answered:
        return []  # the agent may have spoken by itself
    text = f"{asked.what} (frame {asked.frame}): no words of the user came, who spoke for about "
    text += f"{spoken:.0f} s, and whom the agent answered"
    return [Evidence(text, (asked.frame,), asked.t_ns)]


def always_interrupted(facts: SessionFacts) -> list[Evidence]:
    """The agent was interrupted in nearly each of its turns."""
    found = facts.exchange.agent_turns if facts.exchange is not None else None
    if found is None or found.interrupted.first is None:
        return []
    count, turns = found.interrupted.count, max(found.ends.count, found.interrupted.count)
    if count < _MIN_INTERRUPTED or count < _MOST * turns:
        return []
    text = f"{count} of {plural(turns, 'turn')} of the agent were interrupted (from frame "
    text += f"{found.interrupted.first.frame} on)"
    return [_evidence(text, found.interrupted.first, float(count), "turns")]


def turns_without_audio(facts: SessionFacts) -> list[Evidence]:
    """After the agent had spoken, its last turns ended without any audio."""
    found, timeline = facts.exchange, facts.session.timeline
    if found is None or timeline is None or facts.session.failed:
        return []
    spoke_ns, answer, calls = timeline.received.last_ns, found.last_answer, found.open_calls
    if spoke_ns is None or facts.measured(answered_in_text) or timeline.sent.speech_ns is None:
        return []
    # The first one after the audio is the end of the turn that it belongs to.
    silent = [t_ns for t_ns in found.agent_turns.end_times if t_ns > spoke_ns][1:]
    in_call = calls or (answer is not None and answer.t_ns > spoke_ns)
    if len(silent) < _MIN_SILENT_TURNS or timeline.sent.speech_ns < spoke_ns or in_call:
        return []
    text = f"the agent's last {len(silent)} turns ended without audio; its last audio came "
    text += f"{seconds(facts.ended_ns - spoke_ns):.1f} s before the end"
    return [Evidence(text, (), silent[0], float(len(silent)), "turns")]


def answered_in_text(facts: SessionFacts) -> list[Evidence]:
    """The agent answered in text alone, although audio was agreed on."""
    found = facts.exchange
    turns = found.agent_turns if found is not None else ()
    texts = [turn.text for turn in turns if turn.text and turn.is_text_only and turn.audio_agreed]
    if not texts:
        return []
    text = f"{plural(len(texts), 'answer')} in text, without audio (from frame {texts[0].frame} on)"
    return [_evidence(text, texts[0], float(len(texts)), "answers")]


def _evidence(
    text: str, place: NotedMessage, value: float | None = None, unit: str | None = None
) -> Evidence:
    return Evidence(text, (place.frame,), place.t_ns, value, unit)


RULES: tuple[Measure, ...] = (
    text_after_end,
    text_not_flushed,
    flushed_late,
    texts_joined,
    context_missing,
    context_reused,
    call_pending,
    call_unanswered,
    result_unanswered,
    result_not_requested,
    call_unnamed,
    user_text_unanswered,
    turn_not_ended,
    answer_not_requested,
    words_never_came,
    always_interrupted,
    turns_without_audio,
    answered_in_text,
)
