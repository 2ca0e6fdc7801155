"""JSON texts rewritten in place: each value by itself, everything between them as it was.

A text that is cut, or that never was JSON, is read as far as it goes: what an app sent wrongly
has to stay wrong in the same way. Lengths in bytes stay, escapes stay escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
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
_SHORT = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\b": "\b", "\\f": "\f"}

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A value, or a name, of a JSON text.

    Attributes:
        kind: "text", "number", "name" (of a field) or "bare" (no JSON).
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


def rewrite(text: str, visit: Visit) -> str:
    """The text with each value as `visit` gives it: as many characters, as long in UTF-8."""
    return "".join(_rewritten(text, visit))


def _rewritten(text: str, visit: Visit) -> Iterator[str]:
    stack: list[str] = []  # what is open
    path: list[str] = []
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if mark:
            _step(mark, stack, path)
        if token["text"] is not None:
            yield '"' + _text(token["text"], stack, path, visit) + token["closed"]
        elif token["number"] is not None:
            yield visit(Value("number", tuple(path), token[0]))
        elif token["bare"] is not None and token["bare"] not in _LITERALS:
            yield visit(Value("bare", tuple(path), token[0]))
        else:
            yield token[0]


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
        made = visit(Value("name", tuple(path[:-1]), content))
    else:
        made = visit(Value("text", tuple(path), content))
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
