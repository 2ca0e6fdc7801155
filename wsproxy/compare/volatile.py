"""What is another value at every session without being another thing.

Ids, times and measured figures, known by the name of their field *and* their shape, and by
their shape alone inside of texts. A volatile value is replaced by a mark, never left out: a
field that is missing on one side is a difference. What was replaced is collected, so that a
verdict can list what it does not rest on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_ID, _TIME, _FIGURE, _CREDENTIAL, _VARIES = "<id>", "<time>", "<n>", "<credential>", "<varies>"
MARKS = frozenset({_ID, _TIME, _FIGURE, _CREDENTIAL, _VARIES})

_IDS_AND_TIMES = [
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), _ID),
    (re.compile(r"\b[0-9a-f]{16,}\b", re.IGNORECASE), _ID),
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b"), _ID),  # a ULID
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), _TIME),
]
_FIGURES = [
    (
        re.compile(
            r"\b\d+(?:\.\d+)?(\s*)(ms|milliseconds?|s|secs?|seconds?|min|minutes?|bytes|samples)\b",
            re.IGNORECASE,
        ),
        r"<n>\1\2",
    ),
]
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,}")  # see _is_random
# Every id and token has the one, every time the other, and nearly no text has either: looking
# for them spares five searches.
_LONG = re.compile(r"(?<![\w-])[\w-]{16}")
_DATE = re.compile(r"-\d\d-\d\d[T ]")
_SHORTEST = 16  # characters of an id, a time or a token
_ID_NAME = re.compile(r"(?:^|_)(?:id|ids|uuid|guid|sha256|nonce|seq|seq_no|sequence)$")
_REQUEST_NAME = re.compile(
    r"(?:^|_)(?:(?:request|session|trace|event|message|connection|correlation|response)_?ids?"
    r"|uuid|guid|nonce)$"
)
_TIME_NAME = re.compile(r"(?:^|_)(?:time|timestamp|created|expires|expires_at|date|at)$")
_FIGURE_NAME = re.compile(
    r"(?:^|_)(?:duration|latency|elapsed|ttfb|rtt|uptime|took)"
    r"(?:_(?:ns|us|ms|s|secs?|seconds|millis|milliseconds))?$"
)
# What a recognizer measures beside the words.
_RESULT_NAME = re.compile(
    r"(?:^|_)(?:confidence|probability|logprob|stability|start|end|offset|(?:start|end)_?time"
    r"|(?:start|end|offset|duration|audio|proc)_ms)$"
)
# Ids that choose something, and are the same as long as the app means the same.
_CHOSEN = re.compile(r"(?:^|_)(?:model|voice|agent|language|config|prompt|assistant|speaker)_id$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NAMES = 4096  # of fields, whose meaning is kept
_DEPTH = 50  # of JSON that is normalized; what lies deeper is compared as it is
_LONGEST_ID = 200  # characters
MAX_LEFT_OUT = 100  # places that are listed

ABSENT = object()  # there is no such value


def stable(text: str, *, figures: bool = True) -> str:
    """The text with marks in the place of its volatile parts.

    Args:
        figures: whether figures with a unit are volatile too.
    """
    possible = len(text) >= _SHORTEST and bool(_LONG.search(text) or _DATE.search(text))
    for pattern, mark in _IDS_AND_TIMES if possible else []:
        text = pattern.sub(mark, text)
    for pattern, mark in _FIGURES if figures else []:
        text = pattern.sub(mark, text)
    if not possible:
        return text
    return _TOKEN.sub(lambda found: _ID if _is_random(found[0]) else found[0], text)


def _is_random(token: str) -> bool:
    """Whether a long token looks drawn by lot: digits among letters of both cases."""
    return (
        sum(map(str.isdigit, token)) >= 2
        and any(map(str.isupper, token))
        and any(map(str.islower, token))
    )


def is_volatile(name: str) -> bool:
    """Whether a field or parameter of this name holds an id or a time, by the name alone."""
    snake = _snake(name)
    return _is_id(snake) or _TIME_NAME.search(snake) is not None


def _snake(name: str) -> str:
    return _HUMP.sub("_", name[:_LONGEST_ID]).replace("-", "_").lower()


def _is_id(snake: str) -> bool:
    return _ID_NAME.search(snake) is not None and _CHOSEN.search(snake) is None


@lru_cache(_NAMES)
def _meaning(name: str) -> str:
    """What a field of this name holds: "id", "time", "figure", "measured" by a recognizer, or "".

    Args:
        name: at most _LONGEST_ID characters, so that what is kept is bounded.
    """
    snake = _snake(name)
    if _is_id(snake):
        return "id"
    if _TIME_NAME.search(snake):
        return "time"
    if _FIGURE_NAME.search(snake):
        return "figure"
    return "measured" if _RESULT_NAME.search(snake) else ""


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Makes JSON values of two sessions comparable.

    Attributes:
        figures: whether figures in texts are volatile, see `stable`.
        results: whether what a recognizer measures (confidence, times of words) is.
        credentials: names of fields (lower case) that hold credentials.
        varies: whether the value at a path varies from session to session, as was learned;
            None where nothing was.
        left_out: the paths of what was replaced, and why; the first MAX_LEFT_OUT.
    """

    figures: bool = False
    results: bool = False
    credentials: Collection[str] = ()
    varies: Callable[[str], bool] | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    def value(self, value: Any, path: str = "", name: str = "", depth: int = 0) -> Any:
        """A JSON value with marks in the place of what is volatile in it.

        Args:
            path: where it stands: names with dots between them, "*" for an item of a list.
            name: of the field that it stands in, "" for none.
        """
        if self.varies is not None and self.varies(path):
            return self._replaced(path, _VARIES, "varies")
        if isinstance(value, dict):
            if depth > _DEPTH:
                return _deep(value)
            return {
                stable(key, figures=False): self.value(item, below(path, key), key, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list):
            if depth > _DEPTH:
                return _deep(value)
            items = below(path, "*")
            return [self.value(item, items, name, depth + 1) for item in value]
        if mark := self._mark(name, value):
            return self._replaced(path, mark, "by rule")
        if isinstance(value, str):
            text = stable(value, figures=self.figures)
            if text != value:
                self._replaced(path, "", "in part, by rule")
            return text
        return value

    def _replaced(self, path: str, mark: str, why: str) -> str:
        if len(self.left_out) < MAX_LEFT_OUT:
            self.left_out.setdefault(path, why)
        return mark

    def _mark(self, name: str, value: Any) -> str:
        """What stands for a volatile text or number; "" for one that is none."""
        if not name or value is None or isinstance(value, bool):
            return ""
        if name.lower() in self.credentials:
            return _CREDENTIAL
        match _meaning(name[:_LONGEST_ID]):
            case "id":
                return _ID if _looks_like_id(name, value) else ""
            case "time":
                return _TIME if not isinstance(value, str) or _has_digit(value) else ""
            case "figure":
                return "" if isinstance(value, str) else _FIGURE
            case "measured" if self.results:
                return "" if isinstance(value, str) else _FIGURE
        return ""


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _looks_like_id(name: str, value: object) -> bool:
    """Whether a value is an id where its name says so: of a plain "id", one with a digit."""
    if isinstance(value, int):
        return True
    if not isinstance(value, str) or len(value) > _LONGEST_ID or any(map(str.isspace, value)):
        return False
    return _has_digit(value) or (bool(value) and _REQUEST_NAME.search(_snake(name)) is not None)


def _deep(value: Any) -> str:
    """What lies too deep to be normalized, as a digest."""
    try:
        text = json.dumps(value, sort_keys=True)
    except RecursionError:
        text = "deeper than can be compared"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def below(path: str, name: str) -> str:
    """The path of what stands under a name."""
    return f"{path}.{name}" if path else name


def stable_value(value: Any, *, figures: bool = True) -> Any:
    """A JSON value for comparing, see `Normalizer`."""
    return Normalizer(figures).value(value)


def first_difference(left: Any, right: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The first place in which two JSON values differ: (path, left, right); None where equal.

    A field or item that one side lacks is ABSENT there.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted({*left, *right}):
            if key not in left or key not in right:
                return below(path, key), left.get(key, ABSENT), right.get(key, ABSENT)
            if found := first_difference(left[key], right[key], below(path, key)):
                return found
        return None
    if isinstance(left, list) and isinstance(right, list):
        for index, (a, b) in enumerate(zip(left, right, strict=False)):
            if found := first_difference(a, b, below(path, str(index))):
                return found
        if len(left) == len(right):
            return None
        index = min(len(left), len(right))
        x, y = (each[index] if index < len(each) else ABSENT for each in (left, right))
        return below(path, str(index)), x, y
    # NaN is not equal to itself, and True is equal to 1.
    same = repr(left) == repr(right)
    return None if same else (path, left, right)
