"""Errors in JSON: whether a message is one, and the sentence, names and parameter in it.

APIs name the fields in many ways, nest them in an object or not, and some give no `type`. The
names here are those that public APIs use; an unknown provider is read with the same ones. A
message is an error by its structure, never by a word in its text: a transcript may contain the
word "error".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .envelope import is_nested_deeply

_DEPTH = 5
_MAX_NAMES = 8
_MAX_KIND = 60  # characters of a kind
_MAX_PARTS = 40  # objects that are searched in one message

# All names are compared in lower case, without "_" and "-".
# Fields with the sentence, the most explicit first.
_TEXT = (
    "message", "errmsg", "errormessage", "errormsg", "errordescription", "statustext",
    "statusmessage", "description", "detail", "details", "reason", "msg", "error", "err", "errors",
    "exception", "fault", "faultstring", "cause", "title", "text", "body",
    "params",
)  # fmt: skip
# Those that no transcript has.
_SAYING = ("message", "msg", "detail", "reason", "description", "statustext", "statusmessage")
# Fields with the name or the number of the error.
_NAMES = (
    "code", "errcode", "errorcode", "errno", "errortype", "type", "status", "category", "name",
    "slug", "kind", "reason", "error", "__type", ":exceptiontype", ":errorcode", "errorname",
)  # fmt: skip
_PARAMETERS = ("param", "parameter", "field", "argument", "property", "loc")
# Fields that make a message an error where they are not empty.
_ERRORS = (
    "error", "errors", "err", "errmsg", "errcode", "errormessage", "errormsg", "errorcode",
    "errno", "errortype", "exception", "fault", ":exceptiontype", ":errorcode",
)  # fmt: skip
_KINDS = (
    "type", "event", "kind", "messagetype", "msgtype", "status", "state", "level", "action",
    "name", ":messagetype", ":eventtype", "path",
)  # fmt: skip
# Objects around an error, and in it.
_AROUND = ("data", "payload", "header", "response", "result", "body", "event")
_INSIDE = (
    "error", "errors", "err", "exception", "fault", "detail", "details", "status", "statusdetails",
    *_AROUND,
)  # fmt: skip

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ERROR_KIND = re.compile(
    r"(?:^|[_.:/ -])(?:[a-z]*error|exception|failure|failed|fault|fatal)"
    r"(?:[_.:/ -](?:message|event|response|occurred))?$"
)
_END_KIND = re.compile(
    r"^(?:(?:session|connection|stream|conversation)[_. -])?"
    r"(?:clos(?:e|ed|ing)|terminated|aborted|disconnect(?:ed)?|goodbye|bye|kicked|ended)$"
)
# Texts that only say that there was an error.
EMPTY_WORDS = frozenset(
    ["error", "an error occurred", "failed", "failure", "unknown error", "unknown", "none", "null"]
)
_NO_ERROR = frozenset(
    ["", "0", "none", "null", "ok", "success", "succeeded", "no error", "no_error", "false", "200"]
)
_GOOD_NUMBERS = range(-1, 400)  # of a `code` that is a number: below it is a count or a status


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """The fields of an error.

    Attributes:
        text: the sentence, "" if there is none.
        names: names and numbers of the error, such as "insufficient_quota".
        parameter: the field or parameter at fault, "" if it is not named.
    """

    text: str
    names: tuple[str, ...] = ()
    parameter: str = ""


def is_error(content: object) -> bool:
    """Whether a message in JSON reports an error."""
    if isinstance(content, list):  # ["error", {...}], as Socket.IO sends
        return len(content) > 1 and isinstance(content[0], str) and _is_error_kind(content[0])
    if not isinstance(content, dict):
        return False
    if _is_error_object(content):
        return True
    around = (value for name, value in _named(content) if name in _AROUND)
    return any(isinstance(value, dict) and _is_error_object(value) for value in around)


def error_fields(content: object) -> ErrorFields:
    """The sentence, names and parameter of an error, wherever they stand in it."""
    texts: list[str] = []  # one of each object
    names: list[str] = []
    parameter = ""
    for part in _parts(content):
        by_name = dict(_named(part))
        values = [value for name in _TEXT if isinstance(value := by_name.get(name), str)]
        texts += [text] if (text := _best(values)) else []
        for name in _NAMES:
            value = by_name.get(name)
            if isinstance(value, (str, int)) and not isinstance(value, bool):
                names.append(str(value)[:_MAX_KIND])
        parameter = parameter or _parameter(by_name)
    names = [name for name in dict.fromkeys(names) if name.lower() not in _NO_ERROR]
    return ErrorFields(_joined(texts), tuple(names[:_MAX_NAMES]), parameter)


def end_fields(content: object) -> ErrorFields | None:
    """The reason in a message that announces the end; None in any other one."""
    if not isinstance(content, dict):
        return None
    by_name = dict(_named(content))
    kinds = (by_name.get(name) for name in _KINDS)
    if not any(isinstance(kind, str) and _END_KIND.match(_snake(kind)) for kind in kinds):
        return None
    fields = error_fields({k: v for k, v in content.items() if _plain(k) in ("reason", *_TEXT)})
    return fields if fields.text else None


def _is_error_object(content: Mapping[str, object]) -> bool:
    by_name = dict(_named(content))
    if any(_is_set(by_name.get(name)) for name in _ERRORS):
        return True
    kinds = (by_name.get(name) for name in _KINDS)
    if any(isinstance(kind, str) and _is_error_kind(kind) for kind in kinds):
        return True
    message = by_name.get("message")
    if isinstance(message, str) and message.lower() == "error":
        return True
    if _is_failed_status(by_name.get("status")):
        return True
    has_text = any(isinstance(by_name.get(name), str) for name in _SAYING)
    if has_text and (by_name.get("success") is False or by_name.get("ok") is False):
        return True
    return has_text and _is_failure_number(by_name) and not _says_success(by_name)


def _is_failed_status(status: object) -> bool:
    """Whether an object is a status of gRPC with a failure: a code that is not 0, and words."""
    if not isinstance(status, dict):
        return False
    code, words = status.get("code"), status.get("message")
    return type(code) is int and code > 0 and isinstance(words, str) and bool(words)


def _is_failure_number(by_name: Mapping[str, object]) -> bool:
    """Whether a number is a status of a failure."""
    numbers = (by_name.get(name) for name in ("code", "status", "statuscode"))
    return any(type(n) is int and n not in _GOOD_NUMBERS and not 1000 <= n < 1002 for n in numbers)


def _says_success(by_name: Mapping[str, object]) -> bool:
    texts = (by_name.get(name) for name in ("message", "msg", "statustext", "statusmessage"))
    words = [text.lower() for text in texts if isinstance(text, str)]
    return any(word in _NO_ERROR or "success" in word for word in words)


def _is_set(value: object) -> bool:
    """Whether the value of an error field says that there is an error."""
    match value:
        case bool():
            return value
        case str():
            return value.strip().lower() not in _NO_ERROR
        case int():
            return value not in (0, 200)
        case dict() | list():
            return bool(value)
    return False


def _is_error_kind(kind: str) -> bool:
    return len(kind) <= _MAX_KIND and bool(_ERROR_KIND.search(_snake(kind)))


def _snake(kind: str) -> str:
    return _CAMEL.sub("_", kind).lower()


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "") if name != "__type" else name


def _named(content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    return ((_plain(str(name)), value) for name, value in content.items())


def _parts(content: object) -> Iterator[Mapping[str, object]]:
    """The object, and the objects in it that may describe the error, the inner ones later."""
    waiting: list[tuple[object, int]] = [(content, 0)]
    seen = 0
    while waiting and seen < _MAX_PARTS:
        value, depth = waiting.pop(0)
        seen += 1
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = _parsed(value)
        if isinstance(value, list) and depth < _DEPTH:
            waiting += [(item, depth + 1) for item in value[:4]]
        if not isinstance(value, dict):
            continue
        yield value
        if depth < _DEPTH:
            inner = ((name, item) for name, item in _named(value) if _may_hold_error(name, item))
            waiting += [(item, depth + 1) for _, item in inner]


def _may_hold_error(name: str, value: object) -> bool:
    if isinstance(value, str):
        return name in _TEXT and value.lstrip().startswith("{")
    return name in _INSIDE or name == "message" or name.startswith("error")


def _parsed(text: str) -> object:
    if is_nested_deeply(text):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parameter(by_name: Mapping[str, object]) -> str:
    for name in _PARAMETERS:
        value = by_name.get(name)
        if isinstance(value, list) and value:
            value = value[-1]
        if isinstance(value, str) and value:
            return value[:_MAX_KIND]
    return ""


def _best(texts: list[str]) -> str:
    """The first text that is a sentence; else the first one."""
    shown = [
        text
        for text in texts
        if text.strip(" .!").lower() not in ("", *EMPTY_WORDS) and not text.lstrip().startswith("{")
    ]
    of_words = (text for text in shown if " " in text.strip())
    return next(filter(_is_sentence, shown), None) or next(of_words, shown[0] if shown else "")


def _is_sentence(text: str) -> bool:
    return len(text.split()) > 2 or not text.isascii()


def _joined(texts: list[str]) -> str:
    """The sentence of the error, and that of its details if they add one."""
    sentences = list(filter(_is_sentence, texts))
    first = _best(texts)
    more = next((text for text in sentences[1:] if text.lower() not in first.lower()), "")
    return f"{first.rstrip(' .:')}: {more}" if more and sentences[0] is first else first
