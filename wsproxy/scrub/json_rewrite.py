"""JSON texts rewritten in place: each value by itself, everything between them as it was.

A text that is cut, or that never was JSON, is read as far as it goes: what an app sent wrongly
has to stay wrong in the same way. Lengths in bytes stay, escapes stay escapes.
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
# Lists of numbers, and lists of lists of them; what JavaScript makes of its typed arrays.
_LIST = re.compile(r"\[[\s\d,.eE+\[\]-]*+")
_INDEXED = re.compile(rf'\{{\s*+(?:"\d++"\s*+:\s*+{_FIGURE}\s*+,?\s*+)*+')
_INDEX = re.compile(r'"(\d++)"')
_FIGURES = re.compile(rf'(?<![\d".]){_FIGURE}(?!["\d])')
_DEEPEST = 64  # fields of which a value's path has the names
_DEEP = "\0deep"  # in the place of the others
MANY = 16  # numbers in a list that are audio, or data, rather than settings
_SHORT = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\b": "\b", "\\f": "\f"}

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A value, or a name, of a JSON text.

    Attributes:
        kind: "text", "number", "name" (of a field), "numbers" (a list of many, as it is
            written) or "bare" (no JSON).
        path: names of the fields it is in, "*" for each list; of a name, without itself.
        content: what it says, escapes resolved.
    """

    kind: str
    path: Path
    content: str

    @property
    def name(self) -> str:
        """The nearest field's name, "" if it is in none."""
        return next((name for name in reversed(self.path) if name != "*"), "")


Visit: TypeAlias = Callable[[Value], str]


def rewrite(text: str, visit: Visit, inside: Path = ()) -> str:
    """The text with each value as `visit` gives it: as many characters, as long in UTF-8.

    Args:
        inside: names of the fields that the text itself is in.
    """
    return "".join(_rewritten(text, visit, inside))


def many_numbers(text: str) -> list[re.Match[str]]:
    """The numbers of a list of them, without the places that JavaScript writes before them."""
    return list(_FIGURES.finditer(text))


def _rewritten(text: str, visit: Visit, inside: Path) -> Iterator[str]:
    stack: list[str] = []  # what is open
    path: list[str] = list(inside)
    at = few = 0  # `few`: up to where it is known that there are no lists of many numbers
    while token := _TOKEN.match(text, at):
        mark = token["mark"]
        if mark in ("[", "{") and at >= few:
            block = _block(text, at)
            few = at + len(block)
            if len(block) > 2 * MANY and len(many_numbers(block)) >= MANY:
                yield visit(Value("numbers", _names([*path[: _DEEPEST + 1], "*"]), block))
                for each in re.findall(r"[][{,]", block):
                    _step(each, stack, path)
                at = few
                continue
        at = token.end()
        if mark:
            _step(mark, stack, path)
        if token["text"] is not None:
            yield '"' + _text(token["text"], stack, path, visit) + token["closed"]
        elif token["number"] is not None:
            yield visit(Value("number", _names(path), token[0]))
        elif token["bare"] is not None and token["bare"] not in _LITERALS:
            yield visit(Value("bare", _names(path), token[0]))
        else:
            yield token[0]


def _names(path: Sequence[str]) -> Path:
    """A path of which more than is ever asked for is left out, so that nothing costs its depth."""
    return tuple(path) if len(path) <= _DEEPEST else (*path[:_DEEPEST], _DEEP)


def _block(text: str, at: int) -> str:
    """What of a list, or an object with numbers for names, is nothing but numbers."""
    found = (_LIST if text[at] == "[" else _INDEXED).match(text, at)
    if found is None or (text[at] == "{" and not _counts(found[0])):
        return ""
    return found[0]


def _counts(block: str) -> bool:
    """Whether the names are 0, 1, 2 ..., and no telephone numbers."""
    return all(name == str(n) for n, name in enumerate(_INDEX.findall(block)))


_AWAITED = "\0"  # in the place of a name that is still to come


def _step(mark: str, stack: list[str], path: list[str]) -> None:
    match mark:
        case "{":
            stack.append(mark)
            path.append(_AWAITED)
        case "[":
            stack.append(mark)
            path.append("*")
        case "}" | "]" if stack:
            stack.pop()
            path.pop()
        case "," if stack and stack[-1] == "{":
            path[-1] = _AWAITED


def _text(raw: str, stack: list[str], path: list[str], visit: Visit) -> str:
    units = _UNIT.findall(raw) if "\\" in raw else raw
    content = raw if units is raw else "".join(map(_resolved, units))
    if stack and stack[-1] == "{" and path[-1] == _AWAITED:
        path[-1] = content
        made = visit(Value("name", _names(path[:-1] if len(path) <= _DEEPEST else path), content))
    else:
        made = visit(Value("text", _names(path), content))
    if units is raw:
        return made
    if made == content:
        return raw
    return "".join(_escaped(char, unit) for char, unit in zip(made, units, strict=True))


def _resolved(unit: str) -> str:
    if unit.startswith("\\u") and len(unit) > 2:
        code = int(unit[2:6], 16)
        if len(unit) > 6:
            code = 0x10000 + ((code & 0x3FF) << 10) + (int(unit[8:12], 16) & 0x3FF)
        return chr(code)
    return _SHORT.get(unit, unit[-1])


def _escaped(char: str, like: str) -> str:
    """A character in the form in which the other one stands."""
    if not like.startswith("\\"):
        return char
    if not like.startswith("\\u") or len(like) == 2:
        return like  # a quotation mark, a line's end: no part of any word
    digits = "04X" if any(c.isupper() for c in like[2:6]) else "04x"
    if len(like) == 6:
        return f"\\u{ord(char):{digits}}"
    code = ord(char) - 0x10000
    return f"\\u{0xD800 + (code >> 10):{digits}}\\u{0xDC00 + (code & 0x3FF):{digits}}"
