"""What a session's final results say, as words, and how far two of them are apart.

Interim results are left out: they are corrected by later ones. So is what an agent says
itself, which is new at every session.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from wsproxy.catalog import Api
from wsproxy.envelope import Json

from .kinds import is_interim

MAX_WORDS = 200_000  # of a session that are kept; of more only whether they are equal
MAX_COUNTED = 20_000  # words that differ among which word errors are counted
_MAX_WORD = 200  # characters of a word; of a longer one the rest is a digest
_MAX_SHOWN = 200_000  # characters of a session's transcript that are shown
_MAX_TRACKS = 16
_AROUND = 6  # words before and after the first difference that are shown

# Scripts without spaces count a character as a word, as is usual for their error rates.
_CJK = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WRITTEN = re.compile(rf"[{_CJK}]|[^\s{_CJK}]+")  # a word as it is written, punctuation included
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:['\u2019][^\W_]+)*")
# Texts of these are parts of words, with their own spaces.
_IN_PARTS = frozenset({"tokens.*.text", "serverContent.inputTranscription.text"})
_AGENT = re.compile(r"agent|assistant|^response\.|outputTranscription", re.IGNORECASE)
_MADE_UP_ROLES = frozenset({"assistant", "agent"})
_CHANNELS = ("channel_index", "channel", "ChannelId")
_TURNS = ("turn_order", "turn_index")


_Piece = tuple[str, bool | None]  # a text, and whether it is marked as final


@dataclass(frozen=True, slots=True)
class Heard:
    """What a result says.

    Attributes:
        text: of its final part.
        anything: whether it has any text, final or not.
        final: whether it, or a part of it, is final.
        track: texts of different tracks (channels) are not one text.
        turn: the next result of the same turn takes this one's place; None: it adds to it.
        in_parts: `text` may begin or end inside a word.
    """

    text: str
    anything: bool
    final: bool
    track: str = ""
    turn: int | None = None
    in_parts: bool = False


def heard(api: Api, kind: str, content: Json) -> Heard | None:
    """Read a result; None where the message is none.

    Args:
        kind: of the message.
    """
    if said_by_agent(kind, content):
        return None
    for path, names in _places(api.transcripts):
        pieces: list[_Piece] = []
        _find(pieces, content, names, 0, None)
        if pieces:
            return _result(kind, content, path, pieces)
    if kind in api.vocabulary.results:
        return Heard("", anything=False, final=not is_interim(kind) and _mark(content) is not False)
    return None


@lru_cache
def _places(paths: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """The places of an API's transcripts that are not what an agent says, with their names."""
    return [(path, path.split(".")) for path in paths if not _AGENT.search(path)]


def _result(kind: str, content: Json, path: str, pieces: list[_Piece]) -> Heard:
    by_kind = not is_interim(kind)
    finals = [text for text, mark in pieces if (by_kind if mark is None else mark)]
    in_parts = path in _IN_PARTS
    spaced = in_parts or any(text != text.strip() for text in finals)
    turn = next((v for n in _TURNS if type(v := content.get(n)) is int), None)
    return Heard(
        ("" if spaced else " ").join(finals),
        any(text.strip() for text, _ in pieces),
        bool(finals),
        _channel(content),
        turn,
        in_parts,
    )


def said_by_agent(kind: str, content: Json) -> bool:
    """Whether a message is what an agent says, or of its making."""
    inner = content.get("message")
    roles = (content.get("role"), inner.get("role") if isinstance(inner, dict) else None)
    return _AGENT.search(kind) is not None or any(
        isinstance(role, str) and role in _MADE_UP_ROLES for role in roles
    )


def _find(
    found: list[_Piece], value: object, path: Sequence[str], at: int, mark: bool | None
) -> None:
    """Collect the texts at a path, from its name number `at` on; "*" is every item of a list.

    Args:
        mark: what the objects around say of being final.
    """
    if isinstance(value, dict):
        own = _mark(value)
        mark = mark if own is None else own
        if at < len(path):
            _find(found, value.get(path[at]), path, at + 1, mark)
    elif at == len(path):
        if isinstance(value, str):
            found.append((value, mark))
    elif isinstance(value, list):
        name = path[at]
        items: list[object] = []
        if name == "*":
            # Alternatives are other texts for the same words.
            items = value[:1] if path[at + 1 :] == ["Transcript"] else value
        elif name.isdecimal():
            items = value[int(name[:6]) : int(name[:6]) + 1]
        for item in items:
            _find(found, item, path, at + 1, mark)


def _mark(part: dict[str, Any]) -> bool | None:
    """Whether an object says that it is final; None where it says nothing of it."""
    for name in ("is_final", "isFinal", "end_of_turn"):
        if isinstance(value := part.get(name), bool):
            return value
    for name in ("IsPartial", "interim"):
        if isinstance(value := part.get(name), bool):
            return not value
    event = part.get("event")
    if "turn_index" in part and isinstance(event, str):
        return event == "EndOfTurn"
    return None


def _channel(content: Json) -> str:
    for name in _CHANNELS:
        value = content.get(name)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str | int):
            return str(value)[:80]
    return ""


# -- a session's


@dataclass(slots=True)
class _Track:
    """The words of one channel.

    Attributes:
        words: as they are written.
        starts, frames, times: index of each result's first word, its frame, and when it came.
        tail: of texts that come in parts, the last word, of which more may come.
    """

    words: list[str] = field(default_factory=list)
    starts: array[int] = field(default_factory=lambda: array("Q"))
    frames: array[int] = field(default_factory=lambda: array("Q"))
    times: array[int] = field(default_factory=lambda: array("Q"))
    shown: list[str] = field(default_factory=list)
    turn: int | None = None
    tail: str = ""
    tail_frame: int = 0
    in_parts: bool = False

    def ended(self) -> _Track:
        """The same with the last word of a text that came in parts."""
        if tail := _written(self.tail):
            self.starts.append(len(self.words))
            self.frames.append(self.tail_frame)
            self.times.append(self.times[-1] if self.times else 0)
            self.words += map(_short, tail)
            self.tail = ""
        return self

    def until(self, t_ns: int | None) -> int:
        """How many words came before a time; None: all."""
        if t_ns is None:
            return len(self.words)
        return next(
            (start for start, came in zip(self.starts, self.times, strict=True) if came >= t_ns),
            len(self.words),
        )


class Transcript:
    """The final results of a session, joined.

    Attributes:
        firm_ns: what came from then on may have been on its way when the app left; None:
            everything has to be there.
        cut: whether there were more words than are kept.
        beyond: a digest of those.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._room = _MAX_SHOWN
        self._count = 0
        self.firm_ns: int | None = None
        self.cut = False
        self.beyond = b""

    def add(self, frame: int, result: Heard, t_ns: int = 0) -> None:
        """Take the next final result; `frame` is its number."""
        if len(self._tracks) >= _MAX_TRACKS and result.track not in self._tracks:
            self._beyond([result.track, result.text])
            return
        track = self._tracks.setdefault(result.track, _Track())
        if result.turn is not None and result.turn == track.turn and track.starts:
            self._take_back(track)
        track.turn = None
        text = result.text
        if not text.strip() and not result.in_parts:
            return
        self._show(track, text)
        if result.in_parts:
            track.in_parts = True
            text, frame = self._whole_words(track, text, frame)
        if self._append(track, _written(text), frame, t_ns):
            track.turn = result.turn

    def _take_back(self, track: _Track) -> None:
        """A formatted turn takes the place of the same one before."""
        start = track.starts.pop()
        track.frames.pop()
        track.times.pop()
        self._count -= len(track.words) - start
        del track.words[start:]
        if track.shown:
            self._room += len(track.shown.pop())

    def _whole_words(self, track: _Track, text: str, frame: int) -> tuple[str, int]:
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
            self._beyond(found[room:])
        words = [_short(word) for word in found[:room]]
        if words:
            track.starts.append(len(track.words))
            track.frames.append(frame)
            track.times.append(t_ns)
            track.words += words
            self._count += len(words)
        return bool(words)

    def _beyond(self, words: Sequence[str]) -> None:
        self.cut = True
        told = " ".join(words).encode("utf-8", "replace")
        self.beyond = hashlib.blake2b(self.beyond + told, digest_size=16).digest()

    def _show(self, track: _Track, text: str) -> None:
        # One for each result, so that one that is taken back is found.
        track.shown.append(text[: max(0, self._room)])
        self._room -= len(track.shown[-1])

    def tracks(self) -> dict[str, _Track]:
        """The channels by their names."""
        return {name: track.ended() for name, track in sorted(self._tracks.items())}

    def words(self) -> list[str]:
        """All words, channel by channel, without case and punctuation."""
        return [word for track in self.tracks().values() for word in plain(track.words)]

    def __str__(self) -> str:
        texts = (
            ("" if track.in_parts else " ").join(track.shown)
            for _, track in sorted(self._tracks.items())
        )
        return " / ".join(text.strip() for text in texts if text.strip())


def _written(text: str) -> list[str]:
    """The words of a text as they are written."""
    return text.split() if text.isascii() else _WRITTEN.findall(text)


def _short(word: str) -> str:
    if len(word) <= _MAX_WORD:
        return word
    rest = hashlib.blake2b(word[_MAX_WORD:].encode("utf-8", "replace"), digest_size=8)
    return word[:_MAX_WORD] + rest.hexdigest()


def plain(words: Sequence[str]) -> list[str]:
    """The words of a text without case and punctuation, as word errors count them."""
    return [
        found.replace("\u2019", "'").casefold() for word in words for found in _WORD.findall(word)
    ]


# -- two of them


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two transcripts are apart.

    Attributes:
        equal: whether the texts are, but for white space and how they are cut into results.
        rate: word errors for each word of the recorded one.
        bounded: whether there were too many words to count errors among all of them: those
            that were not counted are taken to be wrong.
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


def distance(recorded: Transcript, replayed: Transcript) -> Distance | None:
    """Compare two transcripts; of results on their way when the app left, as far as both go.

    Returns:
        None where neither has a word.
    """
    left, right = recorded.tracks(), replayed.tracks()
    names = sorted({*left, *right})
    pairs = [_due(left.get(n), right.get(n), recorded.firm_ns, replayed.firm_ns) for n in names]
    if not any(a or b for a, b in pairs) and not (recorded.cut or replayed.cut):
        return None
    different = next((k for k, (a, b) in enumerate(pairs) if a != b), None)
    if different is None:
        equal = recorded.beyond == replayed.beyond
        return Distance(equal, 0.0 if equal else 1.0, bounded=not equal)
    a, b = ([word for pair in pairs for word in plain(pair[side])] for side in (0, 1))
    errors, bounded = _errors(a, b)
    if recorded.beyond != replayed.beyond:
        errors, bounded = max(errors, len(a)), True
    return Distance(
        False,
        errors / len(a) if a else float(bool(errors)),
        bounded,
        *_first(names[different], pairs[different], left, right),
    )


def _due(
    left: _Track | None, right: _Track | None, left_ns: int | None, right_ns: int | None
) -> tuple[list[str], list[str]]:
    """The words of a channel that are compared: all that had to come, and what both have."""
    a, b = left or _Track(), right or _Track()
    count = max(min(len(a.words), len(b.words)), a.until(left_ns), b.until(right_ns))
    return a.words[:count], b.words[:count]


def _first(
    name: str,
    pair: tuple[list[str], list[str]],
    left: dict[str, _Track],
    right: dict[str, _Track],
) -> tuple[str, str, int | None, int | None]:
    """The words around the first difference of a channel, and the frames of the results there."""
    a, b = pair
    at = common(a, b)
    return (
        _around(a, at),
        _around(b, at),
        _frame(left.get(name), at, len(a)),
        _frame(right.get(name), at, len(b)),
    )


def common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words two lists begin with alike."""
    unlike = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(unlike, min(len(a), len(b)))


def _errors(a: list[str], b: list[str]) -> tuple[int, bool]:
    """Word errors, and whether they are a bound from above rather than counted.

    Counting takes time with the product of both lengths: what both begin and end with is left
    out, and of the rest MAX_COUNTED words are counted.
    """
    first = common(a, b)
    a, b = a[first:], b[first:]
    last = common(a[::-1], b[::-1])
    a, b = a[: len(a) - last], b[: len(b) - last]
    rest = max(len(a[MAX_COUNTED:]), len(b[MAX_COUNTED:]))
    return word_errors(a[:MAX_COUNTED], b[:MAX_COUNTED]) + rest, rest > 0


def _around(words: Sequence[str], at: int) -> str:
    first, last = max(0, at - _AROUND), at + _AROUND
    text = " ".join(words[first:last])
    return f"{'… ' if first else ''}{text}{' …' if last < len(words) else ''}"


def _frame(track: _Track | None, at: int, count: int) -> int | None:
    """The frame of the result that has a word; None where there is no such word."""
    if track is None or at >= count:
        return None
    return track.frames[bisect_right(track.starts, at) - 1]


def word_errors(a: Sequence[str], b: Sequence[str]) -> int:
    """The Levenshtein distance of two lists of words: replaced, left out and added ones.

    A column of the matrix is kept as bits of two integers, those that go up and those that
    go down (Myers, "A fast bit-vector algorithm for approximate string matching", JACM 1999;
    for the distance of whole strings as in Hyyrö, 2003).
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
