"""Rewrites JSON texts in place: each value on its own, everything between them unchanged.

A text that is truncated or not JSON is read as far as possible: a mistake of an app must remain the
same mistake. Lengths in bytes are unchanged, and escapes remain escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

_TOKEN = re.compile(
    r'"(?P<text>(?:[^"\\]|\\.)*+)(?P<closed>"?)'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![^\s,:\[\]{}\"])"
    r'|(?P<mark>[{}\[\],:])|\s+|(?P<bare>[^\s{}\[\],:"]+)',
    re.DOTALL,
)
_UNIT = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL
)
_LITERALS = frozenset({"true", "false", "null"})
_FIGURE = r"-?\d++(?:\.\d++)?(?:[eE][+-]?\d++)?"
# Lists of numbers, also nested, and JavaScript's typed arrays as JSON.
_LIST = re.compile(r"\[[\s\d,.eE+\[\]-]*+")
_INDEXED = re.compile(rf'\{{\s*+(?:"\d++"\s*+:\s*+{_FIGURE}\s*+,?\s*+)*+')
_INDEX = re.compile(r'"(\d++)"')
_FIGURES = re.compile(rf'(?<![\d".]){_FIGURE}(?!["\d])')
_MAX_DEPTH = 64  # names in the path of a value
_OMITTED = "\0deep"  # in place of the other names
MANY = 16  # numbers in a list that is audio or data rather than settings
_SHORT = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\b": "\b", "\\f": "\f"}

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JsonValue:
    """A value or a name in a JSON text.

    Attributes:
        kind: "text", "number", "name" (of a field), "numbers" (a long list, as written) or
            "bare" (not JSON).
        path: names of the enclosing fields, "*" for each list; of a name, without itself.
        content: its text without escapes.
    """

    kind: str
    path: Path
    content: str

    @property
    def name(self) -> str:
        """The name of the innermost field; "" for none."""
        return next((name for name in reversed(self.path) if name != "*"), "")


Visit: TypeAlias = Callable[[JsonValue], str]


def rewrite(text: str, visit: Visit, inside: Path = ()) -> str:
    """Replace each value by the result of `visit`, which has the same length in UTF-8.

    Args:
        inside: names of the fields that enclose the text.
    """
    return "".join(_rewritten(text, visit, inside))


def many_numbers(text: str) -> list[re.Match[str]]:
    """The numbers of a list, without the indexes of a JavaScript typed array."""
    return list(_FIGURES.finditer(text))


def _rewritten(text: str, visit: Visit, inside: Path) -> Iterator[str]:
    stack: list[str] = []  # open objects and lists
    path: list[str] = list(inside)
    at = numbers_end = 0  # `numbers_end`: up to here, no long list of numbers begins
    while token := _TOKEN.match(text, at):
        mark = token["mark"]
        if mark in ("[", "{") and at >= numbers_end:
            block = _block(text, at)
            numbers_end = at + len(block)
            if len(block) > 2 * MANY and len(many_numbers(block)) >= MANY:
                yield visit(JsonValue("numbers", _names([*path[: _MAX_DEPTH + 1], "*"]), block))
                for each in re.findall(r"[][{,]", block):
                    _step(each, stack, path)
                at = numbers_end
                continue
        at = token.end()
        if mark:
            _step(mark, stack, path)
        if token["text"] is not None:
            yield '"' + _text(token["text"], stack, path, visit) + token["closed"]
        elif token["number"] is not None:
            yield visit(JsonValue("number", _names(path), token[0]))
        elif token["bare"] is not None and token["bare"] not in _LITERALS:
            yield visit(JsonValue("bare", _names(path), token[0]))
        else:
            yield token[0]


def _names(path: Sequence[str]) -> Path:
    """A path, shortened to the names that are used, so that deep nesting costs nothing."""
    return tuple(path) if len(path) <= _MAX_DEPTH else (*path[:_MAX_DEPTH], _OMITTED)


def _block(text: str, at: int) -> str:
    """The beginning of a list, or of an object with indexes, that contains only numbers."""
    found = (_LIST if text[at] == "[" else _INDEXED).match(text, at)
    if found is None or (text[at] == "{" and not _counts(found[0])):
        return ""
    return found[0]


def _counts(block: str) -> bool:
    """Whether the names are 0, 1, 2 ... rather than telephone numbers."""
    return all(name == str(n) for n, name in enumerate(_INDEX.findall(block)))


_NEXT_NAME = "\0"  # in place of a name that follows


def _step(mark: str, stack: list[str], path: list[str]) -> None:
    match mark:
        case "{":
            stack.append(mark)
            path.append(_NEXT_NAME)
        case "[":
            stack.append(mark)
            path.append("*")
        case "}" | "]" if stack:
            stack.pop()
            path.pop()
        case "," if stack and stack[-1] == "{":
            path[-1] = _NEXT_NAME


def _text(raw: str, stack: list[str], path: list[str], visit: Visit) -> str:
    units = _UNIT.findall(raw) if "\\" in raw else raw
    content = raw if units is raw else "".join(map(_unescaped, units))
    if stack and stack[-1] == "{" and path[-1] == _NEXT_NAME:
        path[-1] = content
        new_content = visit(
            JsonValue("name", _names(path[:-1] if len(path) <= _MAX_DEPTH else path), content)
        )
    else:
        new_content = visit(JsonValue("text", _names(path), content))
    if units is raw:
        return new_content
    if new_content == content:
        return raw
    return "".join(_escaped(char, unit) for char, unit in zip(new_content, units, strict=True))


def _unescaped(unit: str) -> str:
    if unit.startswith("\\u") and len(unit) > 2:
        code = int(unit[2:6], 16)
        if len(unit) > 6:
            code = 0x10000 + ((code & 0x3FF) << 10) + (int(unit[8:12], 16) & 0x3FF)
        return chr(code)
    return _SHORT.get(unit, unit[-1])


def _escaped(char: str, like: str) -> str:
    """A character, escaped like another one."""
    if not like.startswith("\\"):
        return char
    if not like.startswith("\\u") or len(like) == 2:
        return like  # a quotation mark or line break is not part of a word
    digits = "04X" if any(c.isupper() for c in like[2:6]) else "04x"
    if len(like) == 6:
        return f"\\u{ord(char):{digits}}"
    code = ord(char) - 0x10000
    return f"\\u{0xD800 + (code >> 10):{digits}}\\u{0xDC00 + (code & 0x3FF):{digits}}"
