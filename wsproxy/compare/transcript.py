"""What a session's final results say, as words, and how far two of them are apart.

Interim results are left out: they are corrected by later ones. So is what an agent says
itself, which is new at every session.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from wsproxy.catalog import Api
from wsproxy.envelope import Json

from .kinds import is_interim

MAX_WORDS = 20_000  # of a session that are compared
_MAX_WORD = 200  # characters of a word
_MAX_SHOWN = 200_000  # characters of a session's transcript that are shown
_MAX_TRACKS = 16
_AROUND = 6  # words before and after the first difference that are shown

# Scripts without spaces count a character as a word, as is usual for their error rates.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    r"|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
    r"(?:['\u2019][^\W_]+)*"
)
# Texts of these are parts of words, with their own spaces.
_IN_PARTS = frozenset({"tokens.*.text", "serverContent.inputTranscription.text"})
_AGENT = re.compile(r"agent|assistant|^response\.|outputTranscription", re.IGNORECASE)
_MADE_UP_ROLES = frozenset({"assistant", "agent"})
_CHANNELS = ("channel_index", "channel", "ChannelId")
_TURNS = ("turn_order", "turn_index")


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
    if _said_by_agent(kind, content):
        return None
    for path in api.transcripts:
        if _AGENT.search(path):
            continue
        pieces = list(_pieces(content, path.split("."), None))
        if pieces:
            return _result(kind, content, path, pieces)
    if kind in api.vocabulary.results:
        return Heard("", anything=False, final=not is_interim(kind) and _mark(content) is not False)
    return None


def _result(kind: str, content: Json, path: str, pieces: list[tuple[str, bool | None]]) -> Heard:
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


def _said_by_agent(kind: str, content: Json) -> bool:
    inner = content.get("message")
    roles = (content.get("role"), inner.get("role") if isinstance(inner, dict) else None)
    return _AGENT.search(kind) is not None or any(
        isinstance(role, str) and role in _MADE_UP_ROLES for role in roles
    )


def _pieces(value: object, path: list[str], mark: bool | None) -> Iterator[tuple[str, bool | None]]:
    """(text, whether it is marked as final) at a path; "*" is every item of a list."""
    if isinstance(value, dict):
        own = _mark(value)
        mark = mark if own is None else own
    if not path:
        if isinstance(value, str):
            yield value, mark
        return
    name, *rest = path
    if isinstance(value, dict):
        yield from _pieces(value.get(name), rest, mark)
    elif isinstance(value, list) and name == "*":
        # Alternatives are other texts for the same words.
        for item in value[:1] if rest == ["Transcript"] else value:
            yield from _pieces(item, rest, mark)
    elif isinstance(value, list) and name.isdecimal():
        for item in value[int(name[:6]) : int(name[:6]) + 1]:
            yield from _pieces(item, rest, mark)


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
        starts, frames: index of each result's first word, and its frame.
        tail: of texts that come in parts, the last word, of which more may come.
    """

    words: list[str] = field(default_factory=list)
    starts: array[int] = field(default_factory=lambda: array("Q"))
    frames: array[int] = field(default_factory=lambda: array("Q"))
    shown: list[str] = field(default_factory=list)
    turn: int | None = None
    tail: str = ""
    tail_frame: int = 0
    in_parts: bool = False


class Transcript:
    """The final results of a session, joined.

    Attributes:
        cut: whether there were more words than are compared.
    """

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._room = _MAX_SHOWN
        self._count = 0
        self.cut = False

    def add(self, frame: int, result: Heard) -> None:
        """Take the next final result; `frame` is its number."""
        if len(self._tracks) >= _MAX_TRACKS and result.track not in self._tracks:
            self.cut = True
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
        if self._append(track, _WORD.findall(text), frame):
            track.turn = result.turn

    def _take_back(self, track: _Track) -> None:
        """A formatted turn takes the place of the same one before."""
        start = track.starts.pop()
        track.frames.pop()
        self._count -= len(track.words) - start
        del track.words[start:]
        if track.shown:
            self._room += len(track.shown.pop())

    def _whole_words(self, track: _Track, text: str, frame: int) -> tuple[str, int]:
        first = track.tail_frame if track.tail else frame
        text = track.tail + text
        end = len(text)
        while end and text[end - 1].isalnum() and len(text) - end < _MAX_WORD:
            end -= 1
        track.tail = text[end:]
        track.tail_frame = frame if end else first
        return text[:end], first

    def _append(self, track: _Track, found: list[str], frame: int) -> bool:
        room = MAX_WORDS - self._count
        self.cut = self.cut or len(found) > room
        words = [word[:_MAX_WORD] for word in found[:room]]
        if words:
            track.starts.append(len(track.words))
            track.frames.append(frame)
            track.words += words
            self._count += len(words)
        return bool(words)

    def _show(self, track: _Track, text: str) -> None:
        # One for each result, so that one that is taken back is found.
        track.shown.append(text[: max(0, self._room)])
        self._room -= len(track.shown[-1])

    def joined(self) -> tuple[list[str], list[tuple[int, int]]]:
        """(words, (index of the first word, frame) of each result)."""
        words: list[str] = []
        results: list[tuple[int, int]] = []
        for _, track in sorted(self._tracks.items()):
            own = list(track.words)
            pairs = list(zip(track.starts, track.frames, strict=True))
            if tail := _WORD.findall(track.tail):
                pairs.append((len(own), track.tail_frame))
                own += tail
            results += [(start + len(words), frame) for start, frame in pairs]
            words += own
        return words, results

    def __str__(self) -> str:
        texts = (
            ("" if track.in_parts else " ").join(track.shown)
            for _, track in sorted(self._tracks.items())
        )
        return " / ".join(text.strip() for text in texts if text.strip())


# -- two of them


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two transcripts are apart.

    Attributes:
        rate: word errors for each word of the recorded one.
        recorded, replayed: the words around the first difference.
        recorded_frame, replayed_frame: of the first result that differs.
    """

    rate: float
    recorded: str = ""
    replayed: str = ""
    recorded_frame: int | None = None
    replayed_frame: int | None = None


def distance(recorded: Transcript, replayed: Transcript) -> Distance | None:
    """Compare two transcripts without regard to case, punctuation and space.

    Returns:
        None where neither has a word.
    """
    left, left_results = recorded.joined()
    right, right_results = replayed.joined()
    if not left and not right:
        return None
    a, b = _plain(left), _plain(right)
    errors = word_errors(a, b)
    if not errors:
        return Distance(0.0)
    at = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    return Distance(
        errors / len(a) if a else 1.0,
        _around(left, at),
        _around(right, at),
        _frame(left_results, at, len(left)),
        _frame(right_results, at, len(right)),
    )


def _plain(words: list[str]) -> list[str]:
    return [word.replace("\u2019", "'").casefold() for word in words]


def _around(words: Sequence[str], at: int) -> str:
    first, last = max(0, at - _AROUND), at + _AROUND
    text = " ".join(words[first:last])
    return f"{'… ' if first else ''}{text}{' …' if last < len(words) else ''}"


def _frame(results: Sequence[tuple[int, int]], at: int, count: int) -> int | None:
    """The frame of the result that has a word; None where there is no such word."""
    if at >= count:
        return None
    index = bisect_right(results, at, key=lambda result: result[0]) - 1
    return results[index][1]


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
