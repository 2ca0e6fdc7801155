"""Mask values that differ between sessions without a difference in meaning.

Ids, times and measurements are recognized by the name of their field *and* their form, and by
form alone inside texts. A mask replaces a volatile value; nothing is removed, so that a field
that is missing on one side remains a difference. The masked places are collected, so that a
verdict can list what it did not compare.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

_ID, _TIME, _NUMBER, _CREDENTIAL, _VARIES = "<id>", "<time>", "<n>", "<credential>", "<varies>"
MASKS = frozenset({_ID, _TIME, _NUMBER, _CREDENTIAL, _VARIES})

_IDS_AND_TIMES = [
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), _ID),
    (re.compile(r"\b[0-9a-f]{16,}\b", re.IGNORECASE), _ID),
    (re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b"), _ID),  # a ULID
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), _TIME),
]
_NUMBERS = [
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
_LONG_WORD = re.compile(r"(?<![\w-])[\w-]{16}")
_DATE = re.compile(r"-\d\d-\d\d[T ]")
_MIN_LENGTH = 16  # characters of an id, a time or a token
_ID_NAME = re.compile(r"(?:^|_)(?:id|ids|uuid|guid|sha256|nonce|seq|seq_no|sequence)$")
_REQUEST_NAME = re.compile(
    r"(?:^|_)(?:(?:request|session|trace|event|message|connection|correlation|response)_?ids?"
    r"|uuid|guid|nonce)$"
)
_TIME_NAME = re.compile(r"(?:^|_)(?:time|timestamp|created|expires|expires_at|date|at)$")
_MEASUREMENT_NAME = re.compile(
    r"(?:^|_)(?:duration|latency|elapsed|ttfb|rtt|uptime|took)"
    r"(?:_(?:ns|us|ms|s|secs?|seconds|millis|milliseconds))?$"
)
# What a recognizer measures in addition to the words.
_RESULT_MEASUREMENT_NAME = re.compile(
    r"(?:^|_)(?:confidence|probability|logprob|stability|start|end|offset|(?:start|end)_?time"
    r"|(?:start|end|offset|duration|audio|proc)_ms)$"
)
# Ids that select something: they differ only if the app requests something else.
_CONFIGURATION_ID_NAME = re.compile(
    r"(?:^|_)(?:model|voice|agent|language|config|prompt|assistant|speaker)_id$"
)
_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MAX_CACHED_NAMES = 4096  # of fields
_MAX_DEPTH = 50  # of JSON that is normalized; deeper values are compared unchanged
_MAX_ID_LENGTH = 200  # characters
_MIN_BLOB = 4096  # characters without a space that are data, not a text or an id
MAX_NOT_COMPARED = 100  # places that are listed

ABSENT = object()  # the side has no such value


def mask_volatile(text: str, *, numbers: bool = True) -> str:
    """The text with masks in place of its volatile parts.

    Args:
        numbers: whether numbers with a unit are volatile too.
    """
    possible = len(text) >= _MIN_LENGTH and bool(_LONG_WORD.search(text) or _DATE.search(text))
    for pattern, mask in _IDS_AND_TIMES if possible else []:
        text = pattern.sub(mask, text)
    for pattern, mask in _NUMBERS if numbers else []:
        text = pattern.sub(mask, text)
    if not possible:
        return text
    return _TOKEN.sub(lambda found: _ID if _is_random(found[0]) else found[0], text)


def _is_random(token: str) -> bool:
    """Whether a long token looks random: digits and letters of both cases."""
    return (
        sum(map(str.isdigit, token)) >= 2
        and any(map(str.isupper, token))
        and any(map(str.islower, token))
    )


def is_volatile(name: str) -> bool:
    """Whether the name of a field or parameter says that it holds an id or a time."""
    snake = _snake(name)
    return _is_id(snake) or _TIME_NAME.search(snake) is not None


def _snake(name: str) -> str:
    return _CAMEL_CASE_BOUNDARY.sub("_", name[:_MAX_ID_LENGTH]).replace("-", "_").lower()


def _is_id(snake: str) -> bool:
    return _ID_NAME.search(snake) is not None and _CONFIGURATION_ID_NAME.search(snake) is None


@lru_cache(_MAX_CACHED_NAMES)
def _meaning(name: str) -> str:
    """What a field of this name holds: "id", "time", "measurement", "result measurement" or "".

    Args:
        name: at most _MAX_ID_LENGTH characters, so that the cache is bounded.
    """
    snake = _snake(name)
    if _is_id(snake):
        return "id"
    if _TIME_NAME.search(snake):
        return "time"
    if _MEASUREMENT_NAME.search(snake):
        return "measurement"
    return "result measurement" if _RESULT_MEASUREMENT_NAME.search(snake) else ""


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Makes the JSON values of two sessions comparable.

    Attributes:
        numbers: whether numbers in texts are volatile, see `mask_volatile`.
        results: whether a recognizer's measurements (confidence, word times) are volatile.
        credentials: names (lower case) of fields that hold credentials.
        varies: whether the value at a path was learned to vary from session to session; None if
            nothing was learned.
        not_compared: the first MAX_NOT_COMPARED masked paths, each with the reason.
    """

    numbers: bool = False
    results: bool = False
    credentials: Collection[str] = ()
    varies: Callable[[str], bool] | None = None
    not_compared: dict[str, str] = field(default_factory=dict)

    def value(self, value: Any, path: str = "", name: str = "", depth: int = 0) -> Any:
        """A JSON value with masks in place of its volatile values.

        Args:
            path: names joined by dots, "*" for an item of a list.
            name: of the field that holds it, "" without one.
        """
        if self.varies is not None and self.varies(path):
            return self._mask(path, _VARIES, "varies")
        if isinstance(value, dict):
            if depth > _MAX_DEPTH:
                return _deep_digest(value)
            return {
                mask_volatile(key, numbers=False): self.value(
                    item, child_path(path, key), key, depth + 1
                )
                for key, item in value.items()
            }
        if isinstance(value, list):
            if depth > _MAX_DEPTH:
                return _deep_digest(value)
            items = child_path(path, "*")
            return [self.value(item, items, name, depth + 1) for item in value]
        if mask := self._mask_for(name, value):
            return self._mask(path, mask, "by heuristic")
        if isinstance(value, str) and not _is_blob(value):
            text = mask_volatile(value, numbers=self.numbers)
            if text != value:
                self._mask(path, "", "in part, by heuristic")
            return text
        return value

    def _mask(self, path: str, mask: str, reason: str) -> str:
        if len(self.not_compared) < MAX_NOT_COMPARED:
            self.not_compared.setdefault(path, reason)
        return mask

    def _mask_for(self, name: str, value: Any) -> str:
        """The mask of a volatile text or number; "" for any other value."""
        if not name or value is None or isinstance(value, bool):
            return ""
        if name.lower() in self.credentials:
            return _CREDENTIAL
        match _meaning(name[:_MAX_ID_LENGTH]):
            case "id":
                return _ID if _looks_like_id(name, value) else ""
            case "time":
                return _TIME if not isinstance(value, str) or _has_digit(value) else ""
            case "measurement":
                return "" if isinstance(value, str) else _NUMBER
            case "result measurement" if self.results:
                return "" if isinstance(value, str) else _NUMBER
        return ""


def _is_blob(text: str) -> bool:
    """Whether a text is data, such as an image in base64: what looks like an id in it is none."""
    return len(text) > _MIN_BLOB and not any(map(str.isspace, text[:_MIN_BLOB]))


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _looks_like_id(name: str, value: object) -> bool:
    """Whether a value looks like an id; a field named "id" needs one with a digit."""
    if isinstance(value, int):
        return True
    if not isinstance(value, str) or len(value) > _MAX_ID_LENGTH or any(map(str.isspace, value)):
        return False
    return _has_digit(value) or (bool(value) and _REQUEST_NAME.search(_snake(name)) is not None)


def _deep_digest(value: Any) -> str:
    """A hash of a value that is nested too deeply to be normalized."""
    try:
        text = json.dumps(value, sort_keys=True)
    except RecursionError:
        text = "deeper than can be compared"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def child_path(path: str, name: str) -> str:
    """The path of a name below a path."""
    return f"{path}.{name}" if path else name


def mask_volatile_value(value: Any, *, numbers: bool = True) -> Any:
    """A JSON value with masks, see `Normalizer`."""
    return Normalizer(numbers).value(value)


def first_difference(left: Any, right: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """The first place at which two JSON values differ: (path, left, right); None if equal.

    A field or item that is missing on a side is ABSENT there.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in sorted({*left, *right}):
            if key not in left or key not in right:
                return child_path(path, key), left.get(key, ABSENT), right.get(key, ABSENT)
            if found := first_difference(left[key], right[key], child_path(path, key)):
                return found
        return None
    if isinstance(left, list) and isinstance(right, list):
        for index, (a, b) in enumerate(zip(left, right, strict=False)):
            if found := first_difference(a, b, child_path(path, str(index))):
                return found
        if len(left) == len(right):
            return None
        index = min(len(left), len(right))
        x, y = (each[index] if index < len(each) else ABSENT for each in (left, right))
        return child_path(path, str(index)), x, y
    # NaN is not equal to itself, and True equals 1.
    same = repr(left) == repr(right)
    return None if same else (path, left, right)
