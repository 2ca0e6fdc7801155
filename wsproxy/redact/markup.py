"""Names and values in HTML and XML: hidden fields of forms, attributes, elements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TAG = re.compile(r"<([A-Za-z][\w:.-]*+)([^<>]*+)>(?:<!\[CDATA\[)?+([^<>]*+)")
_ATTRIBUTE = re.compile(
    r"(?<![\w:.-])([A-Za-z_:][\w:.-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))"
)
_NAMING = frozenset({"name", "id", "property", "itemprop", "http-equiv", "key"})
_BLANK = re.compile(r"\s")
_MAX_NAME = 64  # characters
_MAX_NAMES = 4  # of one tag
_VALUES = frozenset({"value", "content"})


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value in markup: an attribute, or the text of an element.

    Attributes:
        name: what it is called.
        hidden: it is the value of a form's hidden field.
    """

    name: str
    value: str
    start: int
    end: int
    hidden: bool = False


def read(text: str) -> Iterator[Tagged]:
    """All named values of a text."""
    before = ""  # the text of the last element: <td>X-Api-Key</td><td>...
    for tag in _TAG.finditer(text):
        attributes = []
        for match in _ATTRIBUTE.finditer(text, *tag.span(2)):
            group = match.lastindex or 0
            attributes.append((match[1].lower(), match[group], *match.span(group)))
        names = list(dict.fromkeys(value for key, value, *_ in attributes if key in _NAMING))
        # Of too many names, one that has all of their words.
        names = names if len(names) <= _MAX_NAMES else ["-".join(names)]
        hidden = any((key, value.lower()) == ("type", "hidden") for key, value, *_ in attributes)
        for key, value, start, end in attributes:
            if key in _VALUES:
                for name in names or [""]:
                    yield Tagged(name, value, start, end, hidden)
            elif key not in _NAMING:
                yield Tagged(key, value, start, end)
        inner = tag[3].strip()
        if inner:
            start = tag.start(3) + tag[3].index(inner)
            beside = (before,) if before and not _BLANK.search(inner) else ()
            for name in (tag[1], *names, *beside):
                yield Tagged(name, inner, start, start + len(inner))
            before = inner if len(inner) <= _MAX_NAME else ""
