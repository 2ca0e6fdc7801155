"""A text without its escapes, with the place of each character in the original.

JSON and JavaScript (``\\u002B``, at any depth of JSON in JSON), HTML and XML (``&#43;``), and
percent-encoding (``%2B``, ``%252B``, once or many times over).
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from dataclasses import dataclass, field

_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<c>[\"'/\\bfnrt]))"
    r"|%(?:25)*+(?P<p>[0-9a-fA-F]{2})"
    r"|&(?P<e>#\d{1,7}+;|#[xX][0-9a-fA-F]{1,6}+;|[a-zA-Z]{2,8}+;)"
)
_SINGLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_MAX_ROUNDS = 3  # escapes of escapes of another kind


@dataclass(slots=True)
class View:
    """A text without escapes, one character for each byte (Latin-1), as the original is.

    Attributes:
        text: without escapes.
        length: of the original.
    """

    text: str
    length: int
    _at: list[int] = field(default_factory=list, repr=False)  # where a piece begins here ...
    _raw: list[int] = field(default_factory=list, repr=False)  # ... and in the original
    _outer: View | None = field(default=None, repr=False)
    _rounds: int = 1

    def raw_start(self, at: int) -> int:
        """Where the character at a place begins in the original."""
        piece = bisect_right(self._at, at) - 1
        raw = self._raw[piece] + at - self._at[piece]
        return self._outer.raw_start(raw) if self._outer is not None else raw

    def raw_end(self, end: int) -> int:
        """Where what ends before a place ends in the original."""
        if end >= len(self.text):
            return self.length
        piece = bisect_right(self._at, end) - 1
        raw = self._raw[piece] + end - self._at[piece]
        return self._outer.raw_end(raw) if self._outer is not None else raw

    def again(self) -> View | None:
        """The text without the escapes that are left, None if there are none."""
        if self._rounds >= _MAX_ROUNDS:
            return None
        inner = unescaped(self.text)
        if inner is None:
            return None
        inner._outer, inner.length, inner._rounds = self, self.length, self._rounds + 1
        return inner


def unescaped(text: str) -> View | None:
    """A text without its escapes, None if it has none."""
    if "\\" not in text and "%" not in text and "&" not in text:
        return None
    out: list[str] = []
    at, raw, size, done = [0], [0], 0, 0
    for match in _ESCAPE.finditer(text):
        said = _said(match)
        if said is None:
            continue
        before = text[done : match.start()]
        out += [before, said]
        size += len(before)
        # What the escape says is a piece of its own: its end is that of the escape.
        at.append(size)
        raw.append(match.start())
        size += len(said)
        done = match.end()
        at.append(size)
        raw.append(done)
    if not out:
        return None
    return View("".join([*out, text[done:]]), len(text), at, raw)


def _said(match: re.Match[str]) -> str | None:
    """What an escape stands for, in Latin-1 characters of its UTF-8; None: it is none."""
    number = match["u"] or match["x"]
    if number is not None:
        char = chr(int(number, 16))
    elif match["p"] is not None:
        return chr(int(match["p"], 16))
    elif match["c"] is not None:
        return _SINGLE.get(match["c"], match["c"])
    else:
        char = html.unescape(match[0])
        if char == match[0]:
            return None
    return char.encode("utf-8", "surrogatepass").decode("latin-1")
