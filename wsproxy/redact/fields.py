"""The named strings of JSON, however it is laid out and however deep it stands in strings.

Nothing is parsed as a whole: messages may be cut, malformed, or JSON inside a string of JSON
(inside another ...). What tells these apart is the number of backslashes before a quotation
mark. JSON in a string has each of its quotation marks behind 1, JSON in that behind 3, then 7,
15 ...; so the level of a mark is the number of times that 2 divides one more than that. A
string ends at the next mark of its own level or a lower one. There is no limit to the depth,
and each character is looked at once for each level, of which a text of n characters has at
most log2(n).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

# White space, escaped as well, on both sides of what separates a name from its value.
_SPACE = r"(?:\s|\\++[nrt])*+"
_NAME_ENDS = re.compile(rf'"{_SPACE}(?::|=>?){_SPACE}')
_OPENS = re.compile(r'\\*+"')
_BARE = re.compile(r"\d{4,32}+(?![\w.])")
_STRUCTURE = re.compile(r'["{}\[\]]')
_MAX_NAME = 160  # characters of a name that are looked at: its end


@dataclass(frozen=True, slots=True)
class Field:
    """A string with its name.

    Attributes:
        name: of the field; in an object or a list that stands for a credential, of the item.
        start, end: of the string, without its quotation marks.
        whole: whether it ends in the text.
        delimiter: what ends it.
        inherited: the name of the object or the list that the string is in, if that name
            says that all in it are credentials.
        bare: it is a number, without quotation marks.
    """

    name: str
    start: int
    end: int
    whole: bool
    delimiter: str
    inherited: str = ""
    bare: bool = False


def read(text: str, inherits: Callable[[str], bool]) -> list[Field]:
    """All named strings of a text, in their order; those inside others as well.

    Args:
        inherits: whether all strings in an object or a list of this name are credentials.
    """
    out: list[Field] = []
    match = _NAME_ENDS.search(text)
    while match is not None:
        name, at = _name_before(text, match.start()), match.end()
        opening = _OPENS.match(text, at)
        if opening is not None:
            level = _level(opening.end() - 1 - at)
            out.append(_string(text, opening.end(), level, name))
            at = opening.end()
        elif (bare := _BARE.match(text, at)) is not None:
            out.append(Field(name, at, bare.end(), whole=True, delimiter="", bare=True))
            at = bare.end()
        elif text[at : at + 1] in ("{", "[") and inherits(name):
            at = _inherited(text, at, name, out)
        match = _NAME_ENDS.search(text, at)
    return out


def value_end(text: str, start: int, delimiter: str) -> int:
    """Where a string ends that begins at `start`, -1 if the text ends before.

    Args:
        delimiter: backslashes and a quotation mark.
    """
    return _close(text, start, _level(len(delimiter) - 1))


def plain(value: str) -> str:
    """A JSON string's content, without escapes."""
    if "\\" not in value:
        return value
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


def _name_before(text: str, end: int) -> str:
    begins = text.rfind('"', max(0, end - _MAX_NAME), end)
    return plain(text[begins + 1 if begins >= 0 else max(0, end - _MAX_NAME) : end].rstrip("\\"))


def _level(backslashes: int) -> int:
    number = backslashes + 1
    return (number & -number).bit_length() - 1


def _string(text: str, start: int, level: int, name: str, inherited: str = "") -> Field:
    end = _close(text, start, level)
    delimiter = "\\" * ((1 << level) - 1) + '"'
    return Field(name, start, len(text) if end < 0 else end, end >= 0, delimiter, inherited)


def _close(text: str, start: int, level: int) -> int:
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


def _inherited(text: str, at: int, name: str, out: list[Field]) -> int:
    """Read all strings of an object or a list; returns where it ends."""
    depth, item = 0, ""
    match = _STRUCTURE.search(text, at)
    while match is not None:
        at = match.end()
        if match[0] in "{[":
            depth += 1
        elif match[0] in "}]":
            depth -= 1
            if depth == 0:
                return at
        else:
            before = match.start()
            while before > 0 and text[before - 1] == "\\":
                before -= 1
            string = _string(text, at, _level(match.start() - before), item or name, name)
            if not string.whole:
                out.append(string)
                return len(text)
            at = string.end + len(string.delimiter)
            if (named := _NAME_ENDS.match(text, at - 1)) is not None:
                item, at = plain(text[string.start : string.end]), named.end()
            else:
                out.append(string)
                item = ""
        match = _STRUCTURE.search(text, at)
    return len(text)
