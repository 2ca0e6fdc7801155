"""What of `[api.exchange]` a session shows: texts, function calls, turns of an agent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.envelope import holders
from wsproxy.catalog.exchange import NO_EXCHANGE
from wsproxy.catalog.success import MessagePattern, first_match

from .agent_turns import AgentTurns
from .message import SessionMessage
from .noted_message import Counted, NotedMessage
from .turn_tracker import TurnTracker

LATE_FLUSH_NS = 1_500_000_000  # from a text to its flush, which follows at once where it can
MAX_OPEN = 1000  # function calls, and contexts with text, at a time
_AT_ONCE_NS = 1_000_000_000  # between two texts, the second of which does not wait for an answer
_TEXT_FIELDS = ("text", "transcript")  # of a text to speak, where the catalog names none
_MAX_ID = 100  # characters of an id
_MAX_ARGUMENTS = 1000  # characters of a call that are compared
_SHOWN = 40  # characters of a name, and of the end or the beginning of a text
_ENDS = ".!?:;…"  # of a sentence
_SSML = re.compile(r"<(?:break|speak|prosody|phoneme|say-as|emphasis|sub|lang)\b[^<>]{0,200}>")

Content = Mapping[str, Any]


@dataclass(slots=True)
class CallRun:
    """Calls of one function in a row: each after the answer to the one before, with no audio
    of the agent in between.

    Attributes:
        count: how many there are.
        same: how many in a row have the arguments of the last one.
        arguments: of the last one, with all that is no id.
    """

    first: NotedMessage
    last: NotedMessage
    count: int
    same: int
    arguments: str


class ExchangeTracker:
    """Collects which messages belong together, message by message.

    Args:
        api: whose messages these are; None if unknown.

    Attributes:
        open_calls: function calls without an answer, oldest first.
        last_answer: the last answer to a call; `is_requested` whether the app has requested, since
            then, that the agent speaks.
        slowest_answer: the call whose answer took longest, and the answer.
        longest_run: the most calls of one function in a row; None if there was none.
        unnamed: answers that lack the name of their function.
        text_end: the app's message after which the API takes no more text; None before it.
        after_end: texts after that message.
        first_text, first_flush: the first text, and the first message that asks for its audio.
        late_flushes: flushes long after the last text before them, the first with that text's place
            as `late_text`.
        letters, spoken: characters that are no spaces: of the texts, and of what was spoken.
        joined: the two texts that were first joined without a space; `joins` counts them.
        tagged: the first text with a tag of SSML, where a setting decides whether they are read.
        contextless: messages without a context; `has_contexts`: whether others have one.
        open_contexts: contexts with text that the app has not closed, where the API needs that.
        closes_contexts: whether it has closed any.
        reused: the message that ended a context, and the latest text for such a context.
        user_texts: texts for the agent.
        open_text: the last text that left the turn of the user open; None since one ended it.
        overlap: the first two texts of which the second came at once, before any answer.
        user_turns: who ends the turns of the user.
        agent_turns: the turns of the agent one by one, with their audio.
    """

    def __init__(self, api: Api | None) -> None:
        self._api = api.exchange if api else NO_EXCHANGE
        named = api.vocabulary.text if api else ""
        self._texts = (named,) if named else _TEXT_FIELDS
        self._has_texts = bool(
            self._api.text_end or self._api.text_flush or self._api.joins_texts or self._api.ssml
        )
        self._kinds = {
            side: {pattern.kind for pattern in self._patterns(from_client=side)}
            for side in (True, False)
        }
        self._calls: dict[str, NotedMessage] = {}
        self._unflushed: dict[str, NotedMessage] = {}
        self._ending: dict[str, tuple[NotedMessage, str]] = {}
        self.last_answer: NotedMessage | None = None
        self.is_requested = False
        self.slowest_answer: tuple[NotedMessage, NotedMessage] | None = None
        self._run: CallRun | None = None
        self.longest_run: CallRun | None = None
        self.unnamed = Counted()
        self.text_end: NotedMessage | None = None
        self.after_end = Counted()
        self.first_text: NotedMessage | None = None
        self.first_flush: NotedMessage | None = None
        self.late_flushes = Counted()
        self.late_text: NotedMessage | None = None
        self._last_text: NotedMessage | None = None
        self.letters = self.spoken = self.joins = 0
        self.joined: tuple[NotedMessage, NotedMessage, str] | None = None
        self.tagged: NotedMessage | None = None
        self.open_contexts: dict[str, NotedMessage] = {}
        self.closes_contexts = False
        self.contextless = Counted()
        self.has_contexts = False
        self._ended: dict[str, NotedMessage] = {}
        self.reused: tuple[NotedMessage, NotedMessage] | None = None
        self.user_texts = Counted()
        self.open_text: NotedMessage | None = None
        self.overlap: tuple[NotedMessage, NotedMessage] | None = None
        self.user_turns = TurnTracker(self._api.turns)
        self.agent_turns = AgentTurns(self._api)

    @property
    def open_calls(self) -> list[NotedMessage]:
        return list(self._calls.values())

    @property
    def unflushed(self) -> NotedMessage | None:
        """The first text, of any context, whose audio was never asked for."""
        return next(iter(self._unflushed.values()), None)

    def add(self, message: SessionMessage) -> None:
        """Add a message of either side."""
        content, side = message.content, message.from_client
        if self._api is NO_EXCHANGE or content is None:
            return
        self.user_turns.add(message, content)
        self.agent_turns.add(message, content)
        kinds = self._kinds[side]
        if side and (self._has_texts or self._api.context):
            self._add_text(message, content)
        elif not side:
            self._note_spoken(content)
            self._note_cancelled(content)
        if "" not in kinds and message.kind not in kinds:
            return  # nearly always
        (self._add_sent if side else self._add_received)(message, content)

    def _patterns(self, *, from_client: bool) -> Iterator[MessagePattern]:
        api = self._api
        if from_client:
            texts = (*api.user_text, *api.open_text)
            return iter((*texts, *api.function.answer, *api.function.request))
        return iter(api.function.message)

    # -- texts to speak

    def _add_text(self, message: SessionMessage, content: Content) -> None:
        api, context = self._api, self._context(message, content)
        found = (field_of(content, path) for path in self._texts)
        text = next((v for v in found if isinstance(v, str) and v.strip()), "")
        here = NotedMessage(message.frame, message.t_ns, text[-_SHOWN:])
        if text:
            self._note_joint(context, here, text)
            self.letters += _letters(text)
            self.first_text, self._last_text = self.first_text or here, here
            if len(self._unflushed) < MAX_OPEN:
                self._unflushed.setdefault(context, here)
            if self.text_end is not None:
                self.after_end.add(message, len(text))
            if context in self._ended:
                self.reused = self._ended[context], here
            if api.context_close and len(self.open_contexts) < MAX_OPEN:
                self.open_contexts.setdefault(context, here)
            if api.ssml and self.tagged is None and (tag := _SSML.search(text)):
                self.tagged = NotedMessage(message.frame, message.t_ns, tag[0][:_SHOWN])
        if first_match(api.context_close, message.kind, content):
            self.closes_contexts = True
            for known in [context] if context else list(self.open_contexts):
                self.open_contexts.pop(known, None)
        if context and first_match(api.context_end, message.kind, content):
            self._end_context(context, here)
        ends = first_match(api.text_end, message.kind, content)
        if ends or first_match(api.text_flush, message.kind, content):
            self.first_flush = self.first_flush or here
            self._note_flush(message)
            for known in [context] if context else list(self._unflushed):
                self._unflushed.pop(known, None)
            for known in [context] if context else list(self._ending):
                self._ending.pop(known, None)
        if ends:
            self.text_end = self.text_end or here

    def _note_flush(self, message: SessionMessage) -> None:
        """Note a flush that comes long after the last text."""
        text, self._last_text = self._last_text, None
        if text is not None and message.t_ns - text.t_ns >= LATE_FLUSH_NS:
            self.late_text = self.late_text or text
            self.late_flushes.add(message)

    def _end_context(self, context: str, here: NotedMessage) -> None:
        self._ended.setdefault(context, here)
        if len(self._ended) > MAX_OPEN:
            del self._ended[next(iter(self._ended))]

    def _context(self, message: SessionMessage, content: Content) -> str:
        """The context of a message; "" for none."""
        api = self._api
        if not api.context:
            return ""
        found = next((str(v) for path in api.context if (v := field_of(content, path))), "")
        if found:
            self.has_contexts = True
        elif not first_match(api.contextless, message.kind, content):
            self.contextless.add(message)
        return found[:_MAX_ID]

    def _note_joint(self, context: str, here: NotedMessage, text: str) -> None:
        """Note a text that the API joins to the end of a sentence without a space."""
        before = self._ending.get(context)
        if before is not None and before[1] in _ENDS and text[0].isupper():
            self.joins += 1
            self.joined = self.joined or (before[0], here, text[:_SHOWN])
        if len(self._ending) < MAX_OPEN:
            self._ending[context] = here, text[-1]

    def _note_spoken(self, content: Content) -> None:
        if self._api.spoken:
            self.spoken += sum(
                _letters(at[name]) for at, name in holders(content, self._api.spoken)
            )

    # -- the app

    def _add_sent(self, message: SessionMessage, content: Content) -> None:
        api = self._api
        if first_match(api.user_text, message.kind, content):
            self._add_user_text(message)
        elif first_match(api.open_text, message.kind, content):
            self.open_text = NotedMessage(message.frame, message.t_ns, message.kind)
        if first_match(api.function.request, message.kind, content):
            self.is_requested = True
        if not first_match(api.function.answer, message.kind, content):
            return
        here = self.last_answer = NotedMessage(message.frame, message.t_ns)
        self.is_requested = not api.function.request
        for answer in _items(content, api.function.answers):
            self._note_duration(self._calls.pop(_id(answer, api.function.answer_id), None), here)
            path = api.function.answer_name
            if path and not field_of(answer, path):
                self.unnamed.add(message)

    def _note_duration(self, call: NotedMessage | None, answer: NotedMessage) -> None:
        """Note a call with its answer, if that took longer than any other one."""
        if call is None:
            return
        slowest = self.slowest_answer
        if slowest is None or answer.t_ns - call.t_ns > slowest[1].t_ns - slowest[0].t_ns:
            self.slowest_answer = call, answer

    def _add_user_text(self, message: SessionMessage) -> None:
        before, self.open_text = self.user_texts.last, None
        self.user_texts.add(message)
        if before is None or message.t_ns - before.t_ns > _AT_ONCE_NS:
            return
        last = self.agent_turns.ends.last
        if last is None or last.frame < before.frame:
            here = NotedMessage(message.frame, message.t_ns, message.kind)
            self.overlap = self.overlap or (before, here)

    # -- the server

    def _add_received(self, message: SessionMessage, content: Content) -> None:
        api, kind = self._api, message.kind
        if first_match(api.function.message, kind, content):
            for call in _items(content, api.function.calls):
                name = str(field_of(call, api.function.name) or "")[:_SHOWN]
                place = NotedMessage(message.frame, message.t_ns, name)
                if len(self._calls) < MAX_OPEN:
                    self._calls.setdefault(_id(call, api.function.id), place)
                self._count_in_a_row(place, call)

    def _count_in_a_row(self, place: NotedMessage, call: Content) -> None:
        before, answer = self._run, self.last_answer
        values = sorted((key, str(value)) for key, value in call.items() if not key.endswith("id"))
        arguments = str(values)[:_MAX_ARGUMENTS]
        if before is None or self._is_other(before, place):
            self._run = CallRun(place, place, 1, 1, arguments)
        elif answer is None or answer.t_ns < before.last.t_ns:
            return  # several at a time
        else:
            before.same = before.same + 1 if arguments == before.arguments else 1
            before.last, before.arguments = place, arguments
            before.count += 1
        longest = self.longest_run
        if longest is None or (self._run and self._run.count > longest.count):
            self.longest_run = self._run

    def _is_other(self, run: CallRun, call: NotedMessage) -> bool:
        """Whether a call begins another run."""
        return call.name != run.last.name or self.agent_turns.last_audio_ns > run.last.t_ns

    def _note_cancelled(self, content: Content) -> None:
        path = self._api.function.cancelled
        ids = field_of(content, path) if path and self._calls else None
        for each in ids[:MAX_OPEN] if isinstance(ids, list) else ():
            self._calls.pop(str(each)[:_MAX_ID], None)


def _items(content: Content, path: str) -> list[Content]:
    """The objects at a path: those of a list, or the one object."""
    value = field_of(content, path) if path else content
    items = value if isinstance(value, list) else [value]
    return [item for item in items[:MAX_OPEN] if isinstance(item, dict)]


def _id(item: Content, path: str) -> str:
    return str(field_of(item, path))[:_MAX_ID]


def _letters(text: object) -> int:
    """The characters of a text, or of a list of them, that are no spaces."""
    parts = text if isinstance(text, str | list) else ()
    return sum(isinstance(part, str) and bool(part.strip()) for part in parts)
