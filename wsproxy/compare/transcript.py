"""The transcript of a session, and the distance between two transcripts.

A transcript holds final results only: later results replace interim ones. It omits what an
agent says, which is different in every session.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from wsproxy.session.transcript_result import CJK, TranscriptResult, split_words

MAX_WORDS = 200_000  # of a session; the words beyond are only hashed
MAX_COUNTED = 20_000  # differing words whose word errors are counted
_MAX_WORD = 200  # characters of a word; the rest of a longer one is hashed
_MAX_SHOWN = 200_000  # characters of a session's transcript that are shown
_MAX_TRACKS = 16
_CONTEXT_WORDS = 6  # words shown before and after the first difference

_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:['\u2019][^\W_]+)*")


# -- the transcript of a session


@dataclass(slots=True)
class _Track:
    """The words of one channel.

    Attributes:
        words: with case and punctuation.
        starts, frames, times: per result, the index of its first word, its frame, its time.
        display: the text of each result.
        turn: of the last result.
        tail, tail_frame: in a fragmented text, the last word, which may continue.
    """

    words: list[str] = field(default_factory=list)
    starts: array[int] = field(default_factory=lambda: array("Q"))
    frames: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("Q"))
    display: list[str] = field(default_factory=list)
    turn: int | None = None
    tail: str = ""
    tail_frame: int = 0
    fragmented: bool = False

    def with_tail(self) -> _Track:
        """Add the tail as the last word; returns the track itself."""
        if tail := split_words(self.tail):
            self.starts.append(len(self.words))
            self.frames.append(self.tail_frame)
            self.times.append(self.times[-1] if self.times else 0)
            self.words += map(_short, tail)
            self.tail = ""
        return self

    def words_before(self, t_ns: int | None) -> int:
        """How many words arrived before a time; None: all."""
        if t_ns is None:
            return len(self.words)
        return next(
            (
                start
                for start, t_result_ns in zip(self.starts, self.times, strict=True)
                if t_result_ns >= t_ns
            ),
            len(self.words),
        )


class Transcript:
    """The final results of a session, joined.

    Attributes:
        required_until_ns: results after this time may have been on their way when the client
            ended the session; None: all are required.
        truncated: whether there were more words than are held.
        overflow_digest: hash of the words beyond.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._display_room = _MAX_SHOWN
        self._count = 0
        self.required_until_ns: int | None = None
        self.truncated = False
        self.overflow_digest = b""

    @property
    def has_words(self) -> bool:
        return self._count > 0

    def add(self, frame: int, result: TranscriptResult, t_ns: int = 0) -> None:
        """Add the next final result; `frame` is the number of its frame."""
        if len(self._tracks) >= _MAX_TRACKS and result.track not in self._tracks:
            self._add_overflow([result.track, result.text])
            return
        track = self._tracks.setdefault(result.track, _Track())
        if result.turn is not None and result.turn == track.turn and track.starts:
            self._drop_current_turn(track)
        track.turn = None
        text = result.text
        if not text.strip() and not result.fragmented:
            return
        self._add_display(track, text)
        if result.fragmented:
            track.fragmented = True
            text, frame = self._split_complete_words(track, text, frame)
        if self._append(track, split_words(text), frame, t_ns):
            track.turn = result.turn

    def _drop_current_turn(self, track: _Track) -> None:
        """Remove the last result: a formatted turn replaces the same turn."""
        start = track.starts.pop()
        track.frames.pop()
        track.times.pop()
        self._count -= len(track.words) - start
        del track.words[start:]
        if track.display:
            self._display_room += len(track.display.pop())

    def _split_complete_words(self, track: _Track, text: str, frame: int) -> tuple[str, int]:
        first = track.tail_frame if track.tail else frame
        text = track.tail + text
        end = len(text)
        while end and not text[end - 1].isspace() and len(text) - end < _MAX_WORD:
            end -= 1
        track.tail = text[end:]
        track.tail_frame = frame if end else first
        return text[:end], first

    def _append(self, track: _Track, found: list[str], frame: int, t_ns: int) -> bool:
        room = MAX_WORDS - self._count
        if len(found) > room:
            self._add_overflow(found[room:])
        words = [_short(word) for word in found[:room]]
        if words:
            track.starts.append(len(track.words))
            track.frames.append(frame)
            track.times.append(t_ns)
            track.words += words
            self._count += len(words)
        return bool(words)

    def _add_overflow(self, words: Sequence[str]) -> None:
        self.truncated = True
        encoded = " ".join(words).encode("utf-8", "replace")
        self.overflow_digest = hashlib.blake2b(
            self.overflow_digest + encoded, digest_size=16
        ).digest()

    def _add_display(self, track: _Track, text: str) -> None:
        # One entry per result, so that `_drop_current_turn` finds it.
        track.display.append(text[: max(0, self._display_room)])
        self._display_room -= len(track.display[-1])

    def tracks(self) -> dict[str, _Track]:
        """The tracks by the names of their channels."""
        return {name: track.with_tail() for name, track in sorted(self._tracks.items())}

    def words(self) -> list[str]:
        """All words, channel by channel, without case and punctuation."""
        return [word for track in self.tracks().values() for word in plain_words(track.words)]

    def __str__(self) -> str:
        texts = (
            ("" if track.fragmented else " ").join(track.display)
            for _, track in sorted(self._tracks.items())
        )
        return " / ".join(text.strip() for text in texts if text.strip())


def _short(word: str) -> str:
    if len(word) <= _MAX_WORD:
        return word
    rest = hashlib.blake2b(word[_MAX_WORD:].encode("utf-8", "replace"), digest_size=8)
    return word[:_MAX_WORD] + rest.hexdigest()


def plain_words(words: Sequence[str]) -> list[str]:
    """The words without case and punctuation, as word errors are counted."""
    return [
        found.replace("\u2019", "'").casefold() for word in words for found in _WORD.findall(word)
    ]


# -- two transcripts


@dataclass(frozen=True, slots=True)
class TranscriptDistance:
    """The distance between two transcripts.

    Attributes:
        equal: whether the texts are equal, except for white space and division into results.
        rate: word errors per recorded word.
        bounded: whether there were too many words to count all errors: the words that were not
            counted are taken as errors.
        recorded, replayed: the words around the first difference.
        recorded_frame, replayed_frame: of the first result that differs.
    """

    equal: bool
    rate: float = 0.0
    bounded: bool = False
    recorded: str = ""
    replayed: str = ""
    recorded_frame: int | None = None
    replayed_frame: int | None = None


def compare_transcripts(recorded: Transcript, replayed: Transcript) -> TranscriptDistance | None:
    """Compare two transcripts.

    Results that may have been on their way when the client ended the session are compared as
    far as both transcripts have them.

    Returns:
        None if neither transcript has a word.
    """
    left, right = recorded.tracks(), replayed.tracks()
    names = sorted({*left, *right})
    pairs = [
        _required_words(
            left.get(n), right.get(n), recorded.required_until_ns, replayed.required_until_ns
        )
        for n in names
    ]
    if not any(a or b for a, b in pairs) and not (recorded.truncated or replayed.truncated):
        return None
    different = next((k for k, (a, b) in enumerate(pairs) if a != b), None)
    if different is None:
        equal = recorded.overflow_digest == replayed.overflow_digest
        return TranscriptDistance(equal, 0.0 if equal else 1.0, bounded=not equal)
    a, b = ([word for pair in pairs for word in plain_words(pair[side])] for side in (0, 1))
    errors, bounded = _errors(a, b)
    if recorded.overflow_digest != replayed.overflow_digest:
        errors, bounded = max(errors, len(a)), True
    return TranscriptDistance(
        False,
        errors / len(a) if a else float(bool(errors)),
        bounded,
        *_first_difference(names[different], pairs[different], left, right),
    )


def _required_words(
    left: _Track | None, right: _Track | None, left_ns: int | None, right_ns: int | None
) -> tuple[list[str], list[str]]:
    """The words of a channel to compare: the required ones, and those that both have."""
    a, b = left or _Track(), right or _Track()
    count = max(min(len(a.words), len(b.words)), a.words_before(left_ns), b.words_before(right_ns))
    return a.words[:count], b.words[:count]


def _first_difference(
    name: str,
    pair: tuple[list[str], list[str]],
    left: dict[str, _Track],
    right: dict[str, _Track],
) -> tuple[str, str, int | None, int | None]:
    """The words around the first difference of a channel, and the frames of their results."""
    a, b = pair
    at = common_prefix_length(a, b)
    return (
        _excerpt(a, at),
        _excerpt(b, at),
        _frame_of_word(left.get(name), at, len(a)),
        _frame_of_word(right.get(name), at, len(b)),
    )


def common_prefix_length(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words are equal at the beginning of two lists."""
    unlike = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(unlike, min(len(a), len(b)))


def _errors(a: list[str], b: list[str]) -> tuple[int, bool]:
    """Word errors, and whether they are an upper bound.

    The cost grows with the product of both lengths. Common prefix and suffix are skipped, and of
    the rest the first MAX_COUNTED words are counted.
    """
    first = common_prefix_length(a, b)
    a, b = a[first:], b[first:]
    last = common_prefix_length(a[::-1], b[::-1])
    a, b = a[: len(a) - last], b[: len(b) - last]
    rest = max(len(a[MAX_COUNTED:]), len(b[MAX_COUNTED:]))
    return word_errors(a[:MAX_COUNTED], b[:MAX_COUNTED]) + rest, rest > 0


def _excerpt(words: Sequence[str], at: int) -> str:
    first, last = max(0, at - _CONTEXT_WORDS), at + _CONTEXT_WORDS
    text = " ".join(words[first:last])
    return f"{'… ' if first else ''}{text}{' …' if last < len(words) else ''}"


def _frame_of_word(track: _Track | None, at: int, count: int) -> int | None:
    """The frame of the result that holds a word; None if there is no such word."""
    if track is None or at >= count:
        return None
    return track.frames[bisect_right(track.starts, at) - 1]


def word_errors(a: Sequence[str], b: Sequence[str]) -> int:
    """The Levenshtein distance of two lists of words: substitutions, deletions, insertions.

    Two integers hold a column of the matrix as bits: the steps up and the steps down (Myers,
    "A fast bit-vector algorithm for approximate string matching", JACM 1999; for the distance of
    complete strings as in Hyyrö, 2003).
    """
    if not a or not b:
        return max(len(a), len(b))
    where: dict[str, int] = {}
    for index, word in enumerate(a):
        where[word] = where.get(word, 0) | 1 << index
    every, last = (1 << len(a)) - 1, 1 << (len(a) - 1)
    up, down, errors = every, 0, len(a)
    for word in b:
        same = where.get(word, 0)
        diagonal = (((same & up) + up) ^ up) | same | down
        right_up = down | ~(diagonal | up) & every
        right_down = up & diagonal
        errors += bool(right_up & last) - bool(right_down & last)
        right_up = (right_up << 1) | 1
        up = ((right_down << 1) | ~(diagonal | right_up)) & every
        down = right_up & diagonal & every
    return errors
