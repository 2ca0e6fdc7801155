"""The named strings of JSON, in any layout and at any depth inside other strings.

Nothing is parsed completely: messages may be truncated, malformed, or JSON inside a string of JSON
(inside another ...). The number of backslashes before a quotation mark distinguishes these. JSON
in a string has each of its quotation marks behind 1, JSON in that behind 3, then 7, 15 ...; the
level of a mark is therefore the number of times that 2 divides one more than that. A string ends
at the next mark of its own level or a lower one. There is no limit to the depth. Each character is
examined once for each level, of which a text of n characters has at most log2(n).

In the middle of a transcript no name says what it is, so `ends_in_content` remembers it from the
fragment in which the string begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

# White space, plain or escaped, around the separator of a name and its value.
_SPACE = r"(?:\s|\\++[nrt])*+"
_NAME_ENDS = re.compile(rf'"{_SPACE}(?::|=>?){_SPACE}')
_OPENING_MARK = re.compile(r'\\*+"')
_NUMBER = re.compile(r"\d{4,32}+(?![\w.])")
_STRUCTURE = re.compile(r'["{}\[\]]')
_JSON_BEGINS = re.compile(
    rf'{_SPACE}(?:\{{{_SPACE}\\*+(?:["}}]|\Z)|\[{_SPACE}\\*+(?:["{{\[]|-?\d++{_SPACE},|\Z))'
)
# Of a list, or of {"type": "Buffer", "data": [...]}.
_LIST_NAME = re.compile(
    r'"([^"\\]{1,64}+)\\*+"\s*+:\s*+(?:\{\s*+\\*+"type\\*+"[^{}\[\]]{0,40}+)?\[\s*+$'
)
_MAX_LIST_NAME = 160  # characters before a list
_MIN_KEY = 16  # characters of a name that may be a key itself
_MAX_NAME = 160  # characters at the end of a name that are read


@dataclass(frozen=True, slots=True)
class JsonField:
    """A string with its name.

    Attributes:
        name: of the field; inside an object or list with a credential's name, of the item.
        start, end: of the string, without its quotation marks.
        complete: whether it ends in the text.
        delimiter: what ends it.
        inherited: the name of the enclosing object or list, if that name makes all its strings
            credentials.
        is_number: whether it is a number, which has no quotation marks.
        is_name: whether it is a name itself, in an object that holds credentials.
    """

    name: str
    start: int
    end: int
    complete: bool
    delimiter: str
    inherited: str = ""
    is_number: bool = False
    is_name: bool = False


def find_fields(text: str, inherits: Callable[[str], int]) -> list[JsonField]:
    """All named strings of a text, in order, including those inside others.

    Args:
        inherits: 2 if all strings in an object or list of this name are credentials, 1 if they
            may be, 0 if the name means nothing.
    """
    out: list[JsonField] = []
    match = _NAME_ENDS.search(text)
    while match is not None:
        name, at = _name_ending_at(text, match.start()), match.end()
        opening = _OPENING_MARK.match(text, at)
        if opening is not None:
            level = _level(opening.end() - 1 - at)
            out.append(_string(text, opening.end(), level, name))
            at = opening.end()
        elif (number := _NUMBER.match(text, at)) is not None:
            out.append(
                JsonField(name, at, number.end(), complete=True, delimiter="", is_number=True)
            )
            at = number.end()
        elif text[at : at + 1] in ("{", "[") and inherits(name):
            at = _read_container(text, at, name, inherits, out)
        match = _NAME_ENDS.search(text, at)
    return out


def name_of_list(text: str, start: int) -> str:
    """The name of the list, or of the buffer, whose first item is here; empty without one."""
    match = _LIST_NAME.search(text[max(0, start - _MAX_LIST_NAME) : start])
    return unescape_string(match[1]) if match is not None else ""


def string_end(text: str, start: int, delimiter: str) -> int:
    """The offset of the end of a string that begins at `start`; -1 if the text ends before.

    Args:
        delimiter: backslashes and a quotation mark.
    """
    return _closing_mark(text, start, _level(len(delimiter) - 1))


def begins_as_json(value: str) -> bool:
    """Whether a string's beginning is that of a JSON object or list, not of "[noise] hello".

    Where the beginning is too short to decide, it is taken for JSON.
    """
    return _JSON_BEGINS.match(value) is not None


def unescape_string(value: str) -> str:
    """A JSON string's content, without escapes."""
    if "\\" not in value:
        return value
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


def _name_ending_at(text: str, end: int) -> str:
    begins = text.rfind('"', max(0, end - _MAX_NAME), end)
    return unescape_string(
        text[begins + 1 if begins >= 0 else max(0, end - _MAX_NAME) : end].rstrip("\\")
    )


def _level(backslashes: int) -> int:
    count = backslashes + 1
    return (count & -count).bit_length() - 1


def _string(text: str, start: int, level: int, name: str, inherited: str = "") -> JsonField:
    end = _closing_mark(text, start, level)
    delimiter = "\\" * ((1 << level) - 1) + '"'
    return JsonField(name, start, len(text) if end < 0 else end, end >= 0, delimiter, inherited)


def _closing_mark(text: str, start: int, level: int) -> int:
    mark = text.find('"', start)
    while mark >= 0:
        before = mark
        while before > start and text[before - 1] == "\\":
            before -= 1
        here = _level(mark - before)
        if here <= level:
            return mark - (1 << here) + 1
        mark = text.find('"', mark + 1)
    return -1


def _read_container(
    text: str, at: int, name: str, inherits: Callable[[str], int], out: list[JsonField]
) -> int:
    """Read all strings of an object or a list that begins at `at`; returns where it ends."""
    names: list[str] = []  # for each open container, the strongest name up to it
    item, item_ends = "", -1
    match = _STRUCTURE.search(text, at)
    while match is not None:
        at = match.end()
        if match[0] in "{[":
            outer = names[-1] if names else name
            named_so = match.start() == item_ends and inherits(item) > inherits(outer)
            names.append(item if named_so else outer)
        elif match[0] in "}]":
            names.pop()
            if not names:
                return at
        else:
            before = match.start()
            while before > 0 and text[before - 1] == "\\":
                before -= 1
            inherited = names[-1]
            level = _level(match.start() - before)
            string = _string(text, at, level, item or inherited, inherited)
            if not string.complete:
                out.append(string)
                return len(text)
            at = string.end + len(string.delimiter)
            if (named := _NAME_ENDS.match(text, at - 1)) is not None:
                item = unescape_string(text[string.start : string.end])
                if len(item) >= _MIN_KEY and inherits(inherited) > 1:
                    out.append(replace(string, is_name=True))
                at = item_ends = named.end()
            else:
                out.append(string)
                item = ""
        match = _STRUCTURE.search(text, at)
    return len(text)


_OPENER = re.compile(r'"([^"\\]{1,64}+)"\s{0,16}+:\s{0,16}+\Z')
_MAX_OPENER = 100  # characters
_MAX_MARKS = 10_000  # quotation marks of a text that are checked


def ends_in_content(data: bytes, is_content: Callable[[str], bool]) -> bool:
    """Whether a text ends inside a string of content that is not JSON.

    Args:
        is_content: whether a field of this name holds content.
    """
    mark = data.rfind(b'"')
    for _ in range(_MAX_MARKS):
        if mark <= 0 or not _is_escaped_mark(data, mark):
            break
        mark = data.rfind(b'"', 0, mark)
    if mark <= 0:
        return False
    match = _OPENER.search(data[max(0, mark - _MAX_OPENER) : mark].decode("latin-1"))
    starts_json = begins_as_json(data[mark + 1 : mark + 65].decode("latin-1"))
    return match is not None and not starts_json and is_content(match[1])


def content_end(previous: bytes, data: bytes) -> int:
    """The offset of the end of such a string in the next fragment; its length if it continues.

    Args:
        previous: the end of the fragment before it.
    """
    tail = previous[len(previous.rstrip(b"\\")) :]
    found = string_end((tail + data).decode("latin-1"), 0, '"')
    return len(data) if found < 0 else max(0, found - len(tail))


def _is_escaped_mark(data: bytes, mark: int) -> bool:
    before = mark
    while before and data[before - 1] == 92:  # a backslash
        before -= 1
    return (mark - before) % 2 == 1
