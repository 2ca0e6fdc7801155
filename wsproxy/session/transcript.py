"""The transcript of a session: results in their order, counted, the first and the last kept.

Interim results are replaced by later ones, and a result of a turn by the next one of that turn;
only the words that stay are counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from wsproxy.catalog import Api
from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.success import ResultPaths

from .kept_ends import KeptEnds
from .message import SessionMessage
from .message_kinds import is_error, kind_of_json, with_code
from .transcript_result import TranscriptResult, agent_text, count_words, transcript_result

KEPT_RESULTS = 500  # from the beginning, and as many from the end
KEPT_TEXT = 2000  # characters kept of a result
KEPT_WORDS = 200  # words with times kept of a result
KEPT_DUPLICATES = 10
_MAX_CHANNELS = 64
_RECENT_FINALS = 8  # that a result is compared with
_MAX_SECONDS = 1e9  # of a time in a message
# Where APIs that are not in the catalog have their text, the most specific first.
_USUAL_PATHS = (
    "channel.alternatives.0.transcript",
    "results.*.alternatives.0.transcript",
    "result.transcript",
    "payload.output.sentence.text",
    "result.text",
    "data.transcript",
    "data.text",
    "data.content",
    "segments.*.text",
    "lines.*.text",
    "transcript",
    "text",
    "partial",
    "buffer_transcription",
)
UNKNOWN_API = Api("", "", transcripts=_USUAL_PATHS)


@dataclass(frozen=True, slots=True)
class Word:
    """A word and its place in the audio, seconds; None where it is not given."""

    text: str
    start_s: float | None
    end_s: float | None


# Start and end in the audio, seconds, and the words; and what makes a final result unique.
_Place = tuple[float | None, float | None, tuple[Word, ...]]
_Identity = tuple[str, str, str]


class Result(NamedTuple):
    """A transcript result.

    Attributes:
        frame, t_ns: of its message.
        text: its beginning, interim parts included.
        final: whether it is final, at least in part.
        start_s, end_s: its place in the audio, seconds; None where it is not given.
        words: with their places, where they are given.
        channel, turn: as the message names them; None: it has no turn.
        by_agent: whether it is what an agent says.
    """

    frame: int
    t_ns: int
    text: str
    final: bool
    start_s: float | None
    end_s: float | None
    words: tuple[Word, ...]
    channel: str
    turn: int | None
    by_agent: bool


@dataclass(slots=True)
class _Channel:
    """The end of a channel's text: what the next result may replace or continue."""

    turn: int | None = None
    turn_words: int = 0
    interim_words: int = 0
    glued: bool = False  # whether the last text may continue without a space


class SessionTranscript:
    """The transcript, as far as messages have been added.

    Args:
        api: whose messages these are; None if unknown.
        keep: how many results are kept from the beginning, and how many from the end.

    Attributes:
        final_words, agent_words: words of final results, and of an agent.
        finals, interims, empty: number of results; of them without text.
        kept: the results, an agent's included.
        repeated: final results whose text came in a message of another kind just before; their
            words are not counted again.
        repeated_kinds: of the last such two messages.
        duplicates: final results that came before, with the same text for the same item or the same
            place in the audio, as (frame of the first one, frame); the first KEPT_DUPLICATES.
        duplicate_count: how many there are; their words are not counted again.
        rated_words, confidence: words of final results with a confidence, and its sum.
        first_interim_ns, first_final_ns, last_words_ns: times of results with words, the last one
            with new ones; None if there was none.
        last_frame: of the last result with new words.
    """

    def __init__(self, api: Api | None, keep: int = KEPT_RESULTS) -> None:
        self.final_words = 0
        self.agent_words = 0
        self.finals = 0
        self.interims = 0
        self.empty = 0
        self.first_interim_ns: int | None = None
        self.first_final_ns: int | None = None
        self.last_words_ns: int | None = None
        self.last_frame: int | None = None
        self._api = api or UNKNOWN_API
        self._paths = self._api.result_paths
        self._kind_path = self._api.vocabulary.kind
        self._summary = self._api.vocabulary.summary
        self._known = api is not None
        self.kept: KeptEnds[Result] = KeptEnds(keep)
        self._channels: dict[str, _Channel] = {}
        self.repeated = 0
        self.repeated_kinds = ("", "")
        self.duplicates: list[tuple[int, int]] = []
        self.duplicate_count = 0
        self.rated_words = 0
        self.confidence = 0.0
        self._latest: tuple[str, int | None, str] | None = None  # channel, turn and text
        self._last_final: tuple[str, str, str] | None = None  # its kind, channel and text
        self._recent: deque[tuple[_Identity, int]] = deque(maxlen=_RECENT_FINALS)

    @property
    def words(self) -> int:
        """Words of the user's speech: final ones, and interim ones that no result replaced."""
        return self.final_words + sum(c.interim_words for c in self._channels.values())

    @property
    def results(self) -> int:
        """How many results there are, an agent's included."""
        return self.kept.count

    def __iter__(self) -> Iterator[Result]:
        """The results that are kept."""
        return iter(self.kept)

    def add(self, message: SessionMessage) -> Result | None:
        """Add a message of the server; returns the result in it, None if it has none."""
        content = message.content
        if content is None:
            return None
        path = self._kind_path
        # Nearly always the message has the kind that it states at this path.
        known = message.kind if path else ""
        kind = with_code(known, content) if known else kind_of_json(content, path)
        if is_error(kind) or (not self._known and not self._may_be_result(message)):
            return None
        if kind in self._summary and self.words:
            return None
        found = transcript_result(self._api, kind, content)
        if found is not None:
            return self._add_result(message, kind, found)
        said = agent_text(self._api, kind, content)
        if not said.strip():
            return None
        self.agent_words += count_words(said)
        spoken = TranscriptResult(said, True, True, all_text=said)
        place = _times(self._paths, message)
        return self._keep(message, spoken, place, by_agent=True)

    def _may_be_result(self, message: SessionMessage) -> bool:
        """Whether a message of an unknown API may hold a transcript: not if it reports an error."""
        content = message.content or {}
        return not any(is_error(name) for name, value in content.items() if value)

    def _add_result(self, message: SessionMessage, kind: str, found: TranscriptResult) -> Result:
        final = found.final
        place = _times(self._paths, message)
        self.finals += final
        self.interims += not final
        if not found.has_text:
            self.empty += 1
        else:
            if not self._is_repeated(kind, found) and not self._is_duplicate(message, found, place):
                self._count(found)
                self._rate(message, found)
            if final and self.first_final_ns is None:
                self.first_final_ns = message.t_ns
            if not final and self.first_interim_ns is None:
                self.first_interim_ns = message.t_ns
            # A result of a turn that has not changed has no new words.
            latest = found.track, found.turn, found.all_text.strip()
            if found.turn is None or latest != self._latest:
                self.last_words_ns, self.last_frame = message.t_ns, message.frame
            self._latest = latest
        return self._keep(message, found, place, by_agent=False)

    def _is_repeated(self, kind: str, found: TranscriptResult) -> bool:
        """Whether a message of another kind had this final text just before."""
        if not found.final or found.turn is not None:
            return False
        before, self._last_final = self._last_final, (kind, found.track, found.text)
        if before is None or before[1:] != (found.track, found.text) or before[0] == kind:
            return False
        self._last_final = None
        self.repeated += 1
        self.repeated_kinds = (before[0], kind)
        return True

    def _is_duplicate(
        self, message: SessionMessage, found: TranscriptResult, place: _Place
    ) -> bool:
        """Whether this final result came before."""
        if not found.final or found.turn is not None:
            return False
        start, end, _ = place
        path = self._paths.id
        named = field_of(message.content or {}, path) if path else None
        if isinstance(named, str) and named:
            identity = found.track, named, found.text
        elif start is not None and end is not None and end > start and not found.fragmented:
            identity = found.track, f"{start} {end}", found.text
        else:
            return False
        before = next((frame for known, frame in self._recent if known == identity), None)
        if before is None:
            self._recent.append((identity, message.frame))
            return False
        self.duplicate_count += 1
        if len(self.duplicates) < KEPT_DUPLICATES:
            self.duplicates.append((before, message.frame))
        return True

    def _rate(self, message: SessionMessage, found: TranscriptResult) -> None:
        """Count the words of a final result by their confidence."""
        if not found.final:
            return
        content, paths = message.content or {}, self._paths
        listed = field_of(content, paths.words) if paths.words else None
        items = listed[:KEPT_WORDS] if isinstance(listed, list) else []
        rated = [field_of(each, paths.word_confidence) for each in items if isinstance(each, dict)]
        values = [value for value in rated if isinstance(value, int | float)]
        whole = field_of(content, paths.confidence) if paths.confidence else None
        if not values and isinstance(whole, int | float):
            values = [whole] * min(count_words(found.text), KEPT_WORDS)
        self.rated_words += len(values)
        self.confidence += sum(values)

    def _count(self, found: TranscriptResult) -> None:
        name = found.track if len(self._channels) < _MAX_CHANNELS else ""
        channel = self._channels.setdefault(name, _Channel())
        words = count_words(found.text)
        channel.interim_words = max(0, count_words(found.all_text) - words)
        if not found.final:
            return
        if found.turn is not None and found.turn == channel.turn:
            self.final_words -= channel.turn_words
        if found.fragmented and channel.glued and words and not found.text[:1].isspace():
            words -= 1
        channel.glued = found.fragmented and not found.text[-1:].isspace()
        channel.turn, channel.turn_words = found.turn, words
        self.final_words += words

    def _keep(
        self, message: SessionMessage, found: TranscriptResult, place: _Place, *, by_agent: bool
    ) -> Result:
        start, end, words = place
        result = Result(
            message.frame,
            message.t_ns,
            found.all_text.strip()[:KEPT_TEXT],
            found.final,
            None if by_agent else start,
            None if by_agent else end,
            words,
            found.track,
            found.turn,
            by_agent,
        )
        self.kept.append(result)
        return result


def _times(paths: ResultPaths, message: SessionMessage) -> _Place:
    """The place of a result in the audio, and its words."""
    content, unit = message.content, paths.unit
    assert content is not None
    words: tuple[Word, ...] = ()
    # One by one: a generator costs more than all three of them.
    if paths.words and (listed := field_of(content, paths.words)):
        words = _words(paths, listed)
    start = _seconds(field_of(content, paths.start), unit) if paths.start else None
    end = _seconds(field_of(content, paths.end), unit) if paths.end else None
    if start is None and words:
        start = next((word.start_s for word in words if word.start_s is not None), None)
    if end is None and start is not None and paths.duration:
        duration = _seconds(field_of(content, paths.duration), unit)
        end = None if duration is None else start + duration
    if end is None and words:
        end = next((word.end_s for word in reversed(words) if word.end_s is not None), None)
    return start, end, words


def _words(paths: ResultPaths, listed: object) -> tuple[Word, ...]:
    """The words of a result, from the list of them in its message."""
    words = []
    for item in listed[:KEPT_WORDS] if isinstance(listed, list) else ():
        text = field_of(item, paths.word) if isinstance(item, dict) else None
        if isinstance(text, str):
            begin, finish = item.get(paths.word_start), item.get(paths.word_end)
            words.append(
                Word(text[:200], _seconds(begin, paths.unit), _seconds(finish, paths.unit))
            )
    return tuple(words)


def _seconds(value: object, unit: float) -> float | None:
    """A time in a message; None where it is none."""
    if type(value) is not float and type(value) is not int:  # JSON has no other numbers
        return None
    if abs(value) >= _MAX_SECONDS / unit:
        return None
    seconds = value * unit
    # Nearly always a whole number of microseconds: the same as `round`, in a fraction of its time.
    micros = seconds * 1e6
    return micros / 1e6 if micros.is_integer() else round(seconds, 6)
