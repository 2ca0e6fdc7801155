"""Rules about the flow of a conversation: who begins, who answers what, how a turn ends.

They need the timeline of the session, and `[api.exchange]` of the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from wsproxy.audio.report import Region
from wsproxy.catalog.success import first_match
from wsproxy.diagnose.evidence import Evidence, frame_list, quoted, seconds
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.agent_turns import AgentTurn
from wsproxy.session.transcript import Result
from wsproxy.wording import plural

from .dialogue_facts import (
    MIN_UTTERANCE,
    agent_turns,
    agent_words,
    spoke_between,
    spoken_turns,
    user_speech,
)
from .exchange import OVERDUE, always_interrupted, result_unanswered, turns_without_audio
from .signal import too_quiet

_NOBODY = 8.0  # seconds of a session in which nobody spoke
_AT_ONCE = 1.0  # seconds from the end of an answer to a request that does not wait for the user
_PAUSES = (0.3, 1.6)  # seconds, least and most, of a pause in which an agent should not begin
_MIN_EARLY, _EARLY = 2, 0.2  # answers that began in a pause, and their share of all
_UNHEARD = 1.0  # seconds of an answer that were not played yet
_GAP, _LONG_GAP = 0.7, 2.0  # seconds of a gap in an answer, and of one that is enough by itself
_MIN_GAPS = 2  # answers with a gap
_STUTTER = 0.2  # seconds of gaps in a second of an answer's audio
_MIN_ANSWERS = 2  # to noise
_PLAYED = 3.0  # seconds after the end of an answer, by when its playback has ended as well
_LATE_ANSWER = 15.0  # seconds of an app's function; a search or a booking may take ten
_MIN_OWN = 4  # words of a transcript that is compared
_SAME = 0.75  # of them that the agent had said
_MIN_ECHOES = 2  # transcripts with words of the agent
_MOST_OWN = 0.6  # of all transcripts of the user
_BEHIND = 0.5  # seconds by which the playback of an app may be late
_RECENT = 2  # results with words of the agent, besides the latest one
_COMPARED = 60  # words of a result
_MIN_TOKENS = 500  # of audio, about 20 s
_SHRANK = 0.5  # of the tokens before
# A full stop after a few letters may be that of an abbreviation.
_SENTENCE_END = re.compile(r"\b\w{4,40}\.(?=\s)|[!?…。！？।؟]")
_MIN_REST = 3  # words of a sentence that is not complete
_TAIL = 60  # characters shown of it


def nobody_began(facts: SessionFacts) -> list[Evidence]:
    """The user said nothing, no text asked the agent for an answer, and it did not begin."""
    turns, timeline = agent_turns(facts), facts.session.timeline
    if turns is None or timeline is None or turns.last_ns or timeline.exchange.user_texts.count:
        return []
    speech, sent = timeline.sent.speech, timeline.sent.seconds
    if not sent or speech is None or speech >= MIN_UTTERANCE or facts.measured(too_quiet):
        return []
    lasted = seconds(facts.ended_ns - facts.opened_ns)
    if lasted < _NOBODY or (facts.vocabulary.ready and not timeline.is_ready):
        return []
    text = f"in {lasted:.1f} s, the agent said nothing, the app sent no text that asks for an "
    text += f"answer, and its {sent:.1f} s of audio have no speech"
    return [Evidence(text, (), None, lasted, "s")]


def silent_since_interruption(facts: SessionFacts) -> list[Evidence]:
    """The agent has not spoken since the user interrupted it."""
    turns = list(agent_turns(facts) or ())
    if not turns or not turns[-1].interrupted or turns[-1].end is None:
        return []
    end = turns[-1].end
    text = f"its last turn was interrupted in frame {end.frame}, "
    text += f"{seconds(facts.ended_ns - end.t_ns):.1f} s before the end"
    return [Evidence(text, (end.frame,), end.t_ns)]


def answered_twice(facts: SessionFacts) -> list[Evidence]:
    """The app requested an answer right after one that had begun by itself, with no new input."""
    speech = user_speech(facts)
    for one, two in pairwise(spoken_turns(facts)):
        if one.end is None or one.interrupted or one.request is not None or two.request is None:
            continue
        late = seconds(two.request.t_ns - one.end.t_ns)
        if two.added or not 0 <= late <= _AT_ONCE:
            continue
        if spoke_between(speech, one.first_audio_ns, two.request.t_ns):
            continue
        text = f"{two.request.name} (frame {two.request.frame}) came {late:.2f} s after an answer "
        text += f"that the service had begun by itself (frame {one.frame}); between them there was "
        text += "no input"
        return [Evidence(text, (one.frame, two.request.frame), two.request.t_ns, late, "s")]
    return []


def answered_in_pause(facts: SessionFacts) -> list[Evidence]:
    """The agent began to answer in short pauses of the user, who spoke on and interrupted it."""
    if facts.measured(always_interrupted):
        return []  # as by an echo, which sounds like a user who speaks on
    speech = user_speech(facts)
    found = [
        (turn, pause)
        for turn in spoken_turns(facts)
        if turn.interrupted and (pause := _pause_around(speech, turn.first_audio_ns))
    ]
    if len(found) < max(_MIN_EARLY, _EARLY * len(spoken_turns(facts))):
        return []
    longest = max(pause for _, pause in found)
    numbers = tuple(turn.frame for turn, _ in found)
    text = f"{len(found)} times the agent began to answer in a pause of the user of at most "
    text += f"{longest:.1f} s, and was interrupted as the user spoke on: {frame_list(numbers)}"
    return [Evidence(text, numbers[:5], found[0][0].t_ns, longest, "s")]


def _pause_around(speech: Sequence[Region], t_ns: int) -> float:
    """Seconds of the user's short pause around a time; 0 if there is none."""
    for before, after in pairwise(speech):
        if before.t_ns < t_ns < after.t_ns:
            pause = seconds(after.t_ns - before.end_t_ns)
            return pause if _PAUSES[0] <= pause <= _PAUSES[1] else 0.0
    return 0.0


def answer_cut_short(facts: SessionFacts) -> list[Evidence]:
    """The words of a complete turn of the agent end in the middle of a sentence."""
    turns = list(agent_turns(facts) or ())
    complete = [
        (words, turn.end, " ".join(each.text for each in words))
        for turn, words in zip(turns, agent_words(facts, turns), strict=False)
        if turn.complete and turn.end is not None and words
    ]
    cut = [(words, end, said) for words, end, said in complete if _is_cut(said)]
    if not cut or 1 < len(complete) < 2 * len(cut):
        return []  # where most texts end without a mark, it says nothing
    words, end, said = cut[0]
    text = f"{quoted(said[-_TAIL:])} are the last words of an answer (frame {words[-1].frame}) "
    text += f"that ends in the middle of a sentence; its turn is complete (frame {end.frame})"
    return [Evidence(text, (words[-1].frame, end.frame), end.t_ns)]


def _is_cut(said: str) -> bool:
    """Whether words follow the last sentence, and no mark ends them."""
    ends = [found.end() for found in _SENTENCE_END.finditer(said)]
    rest = said[ends[-1] :].split() if ends else []
    return len(rest) >= _MIN_REST and (rest[-1][-1].isalpha() or rest[-1][-1] == ",")


def empty_turn(facts: SessionFacts) -> list[Evidence]:
    """The agent had spoken before; then a turn of it ended with nothing in it."""
    turns, speech = list(agent_turns(facts) or ()), user_speech(facts)
    if facts.measured(turns_without_audio) or facts.measured(result_unanswered):
        return []
    spoke_ns = 0
    for turn, following in pairwise((*turns, None)):
        if turn is None or turn.end is None or not turn.is_empty or turn.interrupted:
            spoke_ns = turn.last_audio_ns if turn is not None and turn.messages else spoke_ns
            continue
        until = following.t_ns if following is not None else facts.ended_ns
        waited = seconds(until - turn.end.t_ns)
        asked = turn.request is not None or spoke_between(speech, spoke_ns, turn.end.t_ns)
        if not spoke_ns or not asked or waited < OVERDUE:
            continue
        text = (
            f"a turn of the agent ended in frame {turn.end.frame}, and is empty: no audio came in "
        )
        text += f"the {waited:.1f} s after it"
        return [Evidence(text, (turn.end.frame,), turn.end.t_ns, waited, "s")]
    return []


def playback_ran_out(facts: SessionFacts) -> list[Evidence]:
    """The audio of answers came too late to be played without a gap."""
    spoken = [turn for turn in spoken_turns(facts) if not turn.calls]
    late = [turn for turn in spoken if turn.longest_gap[0] >= _GAP]
    longest = max((turn.longest_gap for turn in late), default=(0.0, 0))
    if len(late) < _MIN_GAPS and longest[0] < _LONG_GAP:
        return _stutters(spoken)
    numbers = tuple(turn.frame for turn in late)
    text = f"{plural(len(late), 'answer')} had a gap: a player had played all that had come, and "
    text += f"waited up to {longest[0]:.1f} s for more ({frame_list(numbers)})"
    return [Evidence(text, numbers[:5], longest[1], round(longest[0], 1), "s")]


def _stutters(turns: list[AgentTurn]) -> list[Evidence]:
    """The answer with the most gaps, each of which is short."""
    # A longer gap may be the pause before the next answer, where no message begins one.
    short = (turn for turn in turns if turn.longest_gap[0] < _GAP)
    known = [(turn.played_s - turn.seconds, turn) for turn in short if turn.seconds]
    gaps, turn = max(known, key=lambda each: each[0], default=(0.0, None))
    if turn is None or gaps < max(_LONG_GAP, _STUTTER * (turn.seconds or 0.0)):
        return []
    text = f"an answer of {turn.seconds:.1f} s (frame {turn.frame}) had gaps: a player had played "
    text += f"all that had come, and waited {gaps:.1f} s for more altogether"
    return [Evidence(text, (turn.frame,), turn.longest_gap[1], round(gaps, 1), "s")]


def noise_is_speech(facts: SessionFacts) -> list[Evidence]:
    """The service finds speech in audio that has none, and the agent answers it."""
    timeline, turns = facts.session.timeline, spoken_turns(facts)
    if timeline is None or len(turns) < _MIN_ANSWERS or timeline.transcript.words:
        return []
    found = timeline.events.counts.get((False, "speech-started"), 0)
    speech, sent = timeline.sent.speech, timeline.sent.seconds
    if found < _MIN_ANSWERS or not sent or speech is None or speech >= MIN_UTTERANCE:
        return []
    text = (
        f"the service reported {plural(found, 'time')} that speech began, and the agent answered "
    )
    text += (
        f"{plural(len(turns), 'time')}; {sent:.1f} s of audio have no audible speech, and no words"
    )
    return [Evidence(text, (turns[0].frame,), turns[0].t_ns, float(found), "times")]


def not_truncated(facts: SessionFacts) -> list[Evidence]:
    """The user spoke into an answer that was not played yet, and the app did not say so."""
    if facts.api is None or not facts.api.exchange.truncate:
        return []
    speech = user_speech(facts)
    for turn, following in pairwise(spoken_turns(facts)):
        unheard, region = _unheard(turn, speech)
        if region is None or turn.truncated or region.t_ns > following.first_audio_ns:
            continue
        if seconds(following.first_audio_ns - turn.first_audio_ns) >= (turn.seconds or 0.0):
            continue  # all of it may have been played before the next answer
        text = f"{turn.seconds:.1f} s of an answer had come (from frame {turn.frame} on) when the "
        text += (
            f"user spoke (frame {region.frame}): at least {unheard:.1f} s of it were not heard, "
        )
        text += f"and no {facts.api.exchange.truncate[0]} was sent"
        return [Evidence(text, (turn.frame, region.frame), region.t_ns, round(unheard, 1), "s")]
    return []


def _unheard(turn: AgentTurn, speech: Sequence[Region]) -> tuple[float, Region | None]:
    """Seconds of an answer that cannot have been played when the user spoke into it, and where."""
    for region in speech:
        played = seconds(region.t_ns - turn.first_audio_ns)
        unheard = (turn.seconds or 0.0) - played
        if played > 0 and unheard >= _UNHEARD and region.seconds >= MIN_UTTERANCE:
            return unheard, region
    return 0.0, None


def truncated_late(facts: SessionFacts) -> list[Evidence]:
    """The app truncated an answer of which all had been played."""
    played_ns = 0  # when the answer, and those before it, have been played
    for turn in spoken_turns(facts):
        if not turn.seconds:
            continue
        played_ns = max(turn.first_audio_ns, played_ns) + int(turn.seconds * 1e9)
        cut = turn.truncated
        if cut is not None and seconds(cut.t_ns - played_ns) >= _PLAYED:
            since = seconds(cut.t_ns - turn.first_audio_ns)
            text = f"{cut.name} (frame {cut.frame}) came {since:.1f} s after the first audio of an "
            text += f"answer of {turn.seconds:.1f} s (frame {turn.frame}), which had been played "
            text += "by then"
            return [Evidence(text, (turn.frame, cut.frame), cut.t_ns, since, "s")]
        ends = (cut, turn.end if turn.interrupted else None)
        played_ns = min([played_ns, *(each.t_ns for each in ends if each is not None)])
    return []


def call_answered_late(facts: SessionFacts) -> list[Evidence]:
    """The app took long to answer a function call, and the agent said nothing meanwhile."""
    turns, found = agent_turns(facts), facts.exchange
    if turns is None or found is None or found.slowest_answer is None:
        return []
    call, answer = found.slowest_answer
    took = seconds(answer.t_ns - call.t_ns)
    if took < _LATE_ANSWER or any(call.t_ns < t.first_audio_ns < answer.t_ns for t in turns):
        return []
    name = f" of {quoted(call.name, 40)}" if call.name else ""
    text = f"the function call{name} (frame {call.frame}) was answered after {took:.1f} s (frame "
    text += f"{answer.frame}), in which the agent said nothing"
    return [Evidence(text, (call.frame, answer.frame), call.t_ns, took, "s")]


def hears_its_own_words(facts: SessionFacts) -> list[Evidence]:
    """What is transcribed as the user's words are the words that the agent had said before."""
    timeline = facts.session.timeline
    if agent_turns(facts) is None or timeline is None:
        return []
    said: list[list[str]] = []
    heard, own = 0, list[Result]()
    answers, since_ns = _heard_answers(facts), 0
    for result in timeline.transcript:
        words = re.findall(r"\w+", result.text.lower())[:_COMPARED]
        if result.by_agent:
            said = [*said[-_RECENT:], words]
        elif result.final and len(words) >= _MIN_OWN:
            heard += 1
            is_over = any(since_ns < t_ns < result.t_ns for t_ns in answers)
            own += [result] if is_over and any(_repeats(words, each) for each in said) else []
        if result.final and not result.by_agent:
            since_ns = result.t_ns
    if len(own) < _MIN_ECHOES or len(own) < heard * _MOST_OWN:
        return []
    text = (
        f"{len(own)} of {heard} transcripts of the user are what the agent had said just before, "
    )
    text += f"such as {quoted(own[0].text, 60)} (frame {own[0].frame})"
    numbers = tuple(each.frame for each in own[:5])
    return [Evidence(text, numbers, own[0].t_ns, float(len(own)), "transcripts")]


def _heard_answers(facts: SessionFacts) -> list[int]:
    """When answers began during which the app sent audible audio, as it does with an echo; ns.

    Who says after an agent what it has said, as in a lesson, waits for its end.
    """
    speech, cursor, out = user_speech(facts), facts.audio.cursor, []
    for turn in spoken_turns(facts):
        start_ns = turn.first_audio_ns
        end_ns = start_ns + int(1e9 * ((turn.seconds or 0.0) + _BEHIND))
        is_sent = cursor.size_at(end_ns) > cursor.size_at(start_ns)
        if is_sent and spoke_between(speech, start_ns, end_ns):
            out.append(start_ns)
    return out


def _repeats(words: Sequence[str], said: Sequence[str]) -> bool:
    """Whether nearly all words follow each other in what was said."""
    if len(set(words) & set(said)) < _SAME * len(set(words)):
        return False  # nearly always, and soon
    matcher = SequenceMatcher(None, words, said, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return same >= _SAME * len(words)


def context_shrank(facts: SessionFacts) -> list[Evidence]:
    """The context of an answer has far less of the conversation than that of the answer before."""
    forgets = facts.api.exchange.forgets if facts.api else ()
    if any(first_match(forgets, m.kind, m.content) for m in facts.client_json):
        return []  # the app asked for it
    known = [turn for turn in agent_turns(facts) or () if turn.heard_tokens is not None]
    for one, two in pairwise(known):
        before, after = one.heard_tokens or 0, two.heard_tokens or 0
        if before < _MIN_TOKENS or after > before * _SHRANK:
            continue
        text = f"the context of the answer in frame {two.frame} has {plural(after, 'token')} of "
        text += f"audio; that of the answer before it had {before} (frame {one.frame})"
        return [Evidence(text, (one.frame, two.frame), two.t_ns, float(after), "tokens")]
    return []


RULES: tuple[Measure, ...] = (
    nobody_began,
    silent_since_interruption,
    answered_twice,
    answered_in_pause,
    answer_cut_short,
    empty_turn,
    playback_ran_out,
    noise_is_speech,
    not_truncated,
    truncated_late,
    call_answered_late,
    hears_its_own_words,
    context_shrank,
)
