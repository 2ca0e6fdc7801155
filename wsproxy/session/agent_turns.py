"""The turns of a voice agent: the audio of each, how it ended, and what asked for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.exchange import Exchange
from wsproxy.catalog.success import first_match

from .kept_ends import KeptEnds
from .message import SessionMessage
from .noted_message import Counted, NotedMessage

KEPT_TURNS = 100  # from the beginning, and as many from the end
_KEPT_ENDS = 50
_GAP_NS = 2_000_000_000  # without audio, after which a turn begins where no message says so

_LATE_NS = 1_000_000_000  # after the end of a turn, for its last words
_MAX_KINDS = 8  # of modalities that are counted
_MAX_NAME = 60  # characters kept of a voice
_AUDIO = "AUDIO"

Content = Mapping[str, Any]


@dataclass(slots=True)
class AgentTurn:
    """A turn of an agent.

    Attributes:
        frame, t_ns: of its first message, which may be the one that ends it.
        messages: of audio, with `seconds` of it; the latter are None where the format is unknown.
        first_audio_ns, last_audio_ns: times of the first and of the last of them; 0 without audio.
        played_s: seconds from the first audio until a player has played all of it, gaps included.
        longest_gap: seconds for which a player had nothing to play before more audio came, and
            when that came, ns.
        text: the message with an answer in text; None if there is none.
        audio_agreed: whether answers in audio were agreed on when the text came.
        calls: whether it calls a function.
        end: the message that ended it; None if none has, so far.
        interrupted: whether the user interrupted it.
        complete: whether it ended as a complete one.
        truncated: the app's message with how much of it the user heard; None if there is none.
        voice: whose it is; empty if unknown.
        heard_tokens: of the audio in its context; None if unknown.
        begun: whether a message says that it begins.
        added: whether the app added to the conversation, or answered a function, before it.
        request: the app's message, since the turn before, that asked for an answer; None if it
            began by itself.
    """

    frame: int
    t_ns: int
    messages: int = 0
    seconds: float | None = 0.0
    first_audio_ns: int = 0
    last_audio_ns: int = 0
    longest_gap: tuple[float, int] = (0.0, 0)
    played_s: float = 0.0
    text: NotedMessage | None = None
    audio_agreed: bool = False
    calls: bool = False
    end: NotedMessage | None = None
    interrupted: bool = False
    complete: bool = False
    truncated: NotedMessage | None = None
    voice: str = ""
    heard_tokens: int | None = None
    begun: bool = False
    added: bool = False
    request: NotedMessage | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has neither audio nor text, nor calls a function."""
        return not (self.messages or self.text or self.calls)

    @property
    def is_text_only(self) -> bool:
        """Whether it is an answer in text, without audio."""
        return self.text is not None and not self.messages

    def add_seconds(self, seconds: float | None, t_ns: int) -> None:
        """Add audio that came at a time; None: it is not known how much it is."""
        if seconds is None or self.seconds is None:
            self.seconds = None
            return
        gap = (t_ns - self.first_audio_ns) / 1e9 - self.played_s
        if gap > 0:
            self.longest_gap = max(self.longest_gap, (gap, t_ns))
            self.played_s += gap
        self.seconds += seconds
        self.played_s += seconds


class AgentTurns:
    """Collects the turns of an agent, message by message.

    Args:
        api: names the messages that begin and end them. Where it names none, a turn begins with
            audio after a pause, or after a request of the app.

    Attributes:
        kept: the turns; the last one may go on.
        last_ns, last_frame: of the last message that was an answer: audio, words, text, a
            function call, or the end of a turn that has any of these; 0 if there was none. The
            end of any turn counts where the agent has not spoken yet.
        last_audio_ns: of its last message with audio; 0 if there was none.
        ends, interrupted: the messages that end turns, and those of a turn that the user
            interrupted; an API may send both of one turn.
        end_times: of the latest ends that are not of an interrupted turn, ns.
        late_audio: the first turn of which audio came after its end, and that audio; `late_count`
            counts such messages.
        text_request: the app's first request for an answer in text alone, in a session that is
            set to audio; None without one.
    """

    def __init__(self, api: Exchange) -> None:
        self._api = api
        self._has_ends = any(pattern not in api.turn_begin for pattern in api.turn)
        self.kept: KeptEnds[AgentTurn] = KeptEnds(KEPT_TURNS)
        self.last_ns = self.last_frame = self.last_audio_ns = 0
        self.ends = Counted()
        self.interrupted = Counted()
        self.end_times: deque[int] = deque(maxlen=_KEPT_ENDS)
        self._last: AgentTurn | None = None
        self.late_audio: tuple[AgentTurn, NotedMessage] | None = None
        self.late_count = 0
        self._has_audio = False
        self._request: NotedMessage | None = None
        self.text_request: NotedMessage | None = None
        self._modalities: tuple[str, ...] = ()
        self._modality_names = {path.partition(".")[0] for path in api.modalities}
        paths = (*api.voice, *((api.heard_tokens,) if api.heard_tokens else ()))
        self._figure_names = {path.partition(".")[0] for path in paths}
        self._added = False
        self._additions = (*api.addition, *api.function.answer)
        sent = (*api.user_text, *self._additions, *api.truncate)
        answers = (*api.turn_begin, *api.text_answer, *api.function.message)
        received = (*api.turn, *api.interrupted, *answers)
        self._kinds = {True: {p.kind for p in sent}, False: {p.kind for p in received}}

    def __iter__(self) -> Iterator[AgentTurn]:
        """The turns that are kept."""
        return iter(self.kept)

    def add_audio(self, frames: tuple[int, int], times: tuple[int, int], count: int) -> AgentTurn:
        """Add messages with audio between which the app sent nothing.

        Args:
            frames, times: of the first and of the last one.
            count: how many there are.

        Returns:
            Their turn.
        """
        turn = self._last
        if turn is not None and self._is_late(turn, times[0]):
            self.late_audio = self.late_audio or (turn, NotedMessage(frames[0], times[0]))
            self.late_count += count
        elif turn is None or self._is_over(turn, times[0]):
            turn = self._open(frames[0], times[0])
        turn.messages += count
        self._has_audio = True
        turn.first_audio_ns = turn.first_audio_ns or times[0]
        turn.last_audio_ns = self.last_audio_ns = self.last_ns = times[1]
        self.last_frame = frames[1]
        return turn

    def add_words(self, message: SessionMessage) -> None:
        """Add words of the agent, which may come before its audio, or after the end of its turn."""
        turn = self._last
        ended_ns = turn.end.t_ns if turn is not None and turn.end is not None else message.t_ns
        if not self._api.turn_begin and (turn is None or message.t_ns - ended_ns > _LATE_NS):
            self._open(message.frame, message.t_ns)
        self._answer(message)

    def add(self, message: SessionMessage, content: Content) -> None:
        """Add another message of either side."""
        if any(name in content for name in self._modality_names):
            self._note_modalities(message, content)
        kinds = self._kinds[message.from_client]
        if "" not in kinds and message.kind not in kinds:  # nearly always
            if not message.from_client:
                self._note_figures(content)
            return
        if message.from_client:
            self._add_sent(message, content)
        else:
            self._add_received(message, content)
            self._note_figures(content)

    def _add_sent(self, message: SessionMessage, content: Content) -> None:
        here = NotedMessage(message.frame, message.t_ns, message.kind)
        if first_match(self._api.user_text, message.kind, content):
            self._request = here
        self._added |= first_match(self._additions, message.kind, content) is not None
        if self._last is not None and first_match(self._api.truncate, message.kind, content):
            self._last.truncated = here

    def _add_received(self, message: SessionMessage, content: Content) -> None:
        interrupted = first_match(self._api.interrupted, message.kind, content) is not None
        ended = first_match(self._api.turn, message.kind, content) is not None
        self._count_end(message, ended=ended, interrupted=interrupted)
        if first_match(self._api.turn_begin, message.kind, content):
            self._open(message.frame, message.t_ns).begun = True
            self._answer(message)
            return
        if first_match(self._api.text_answer, message.kind, content):
            turn = self._current(message)
            turn.text = NotedMessage(message.frame, message.t_ns)
            turn.audio_agreed = "audio" in self._modalities
            self._answer(message)
        if first_match(self._api.function.message, message.kind, content):
            self._current(message).calls = True
            self._answer(message)
        if ended or interrupted:
            self._add_end(message, content, interrupted=interrupted)

    def _count_end(self, message: SessionMessage, *, ended: bool, interrupted: bool) -> None:
        if interrupted:
            self.interrupted.add(message)
        if ended:
            self.ends.add(message)
            if not interrupted:
                self.end_times.append(message.t_ns)

    def _note_figures(self, content: Content) -> None:
        """Note what a message of the server says of the latest turn."""
        turn = self._last
        if turn is None or not any(name in content for name in self._figure_names):
            return
        voice = next((v for path in self._api.voice if (v := field_of(content, path))), None)
        if isinstance(voice, str):
            turn.voice = voice[:_MAX_NAME]
        tokens = field_of(content, self._api.heard_tokens) if self._api.heard_tokens else None
        for item in tokens[:_MAX_KINDS] if isinstance(tokens, list) else ():
            if isinstance(item, dict) and item.get("modality") == _AUDIO:
                tokens = item.get("tokenCount")
        if type(tokens) is int:
            turn.heard_tokens = tokens

    def _note_modalities(self, message: SessionMessage, content: Content) -> None:
        for path in self._api.modalities:
            value = field_of(content, path)
            if not isinstance(value, list):
                continue
            before, self._modalities = self._modalities, tuple(str(v).lower() for v in value[:4])
            is_less = "audio" in before and "audio" not in self._modalities
            is_request = first_match(self._api.turns.request, message.kind, content) is not None
            if is_less and is_request and self.text_request is None:
                self.text_request = NotedMessage(message.frame, message.t_ns, message.kind)

    def _answer(self, message: SessionMessage) -> None:
        self.last_ns, self.last_frame = message.t_ns, message.frame

    def _is_over(self, turn: AgentTurn, t_ns: int) -> bool:
        """Whether audio at a time belongs to another turn."""
        if self._has_ends:
            return turn.end is not None
        if self._api.turn_begin:
            return False
        if self._request is not None and self._request.t_ns > turn.t_ns:
            return True
        return turn.end is not None or t_ns - (turn.last_audio_ns or turn.t_ns) > _GAP_NS

    def _is_late(self, turn: AgentTurn, t_ns: int) -> bool:
        """Whether audio at a time belongs to a turn that a message has ended as a complete one."""
        if not self._api.turn_begin or not turn.begun or not turn.complete or turn.end is None:
            return False
        return bool(turn.messages) and t_ns - turn.end.t_ns <= _LATE_NS

    def _current(self, message: SessionMessage) -> AgentTurn:
        turn = self._last
        if turn is None or turn.end is not None:
            turn = self._open(message.frame, message.t_ns)
        return turn

    def _open(self, frame: int, t_ns: int) -> AgentTurn:
        turn = self._last = AgentTurn(frame, t_ns, request=self._request, added=self._added)
        self._request, self._added = None, False
        self.kept.append(turn)
        return turn

    def _add_end(self, message: SessionMessage, content: Content, *, interrupted: bool) -> None:
        """Add a message that ends a turn; one that was interrupted may have two of them."""
        turn = self._last
        if turn is not None and turn.end is not None and (interrupted or turn.interrupted):
            turn.interrupted = True
            return
        turn = self._current(message)
        turn.end = NotedMessage(message.frame, message.t_ns)
        turn.interrupted = interrupted
        if not interrupted:
            complete = self._api.turn_complete
            turn.complete = not complete or first_match(complete, message.kind, content) is not None
            if not (turn.is_empty and self._has_audio):  # else nobody hears anything of it
                self._answer(message)
