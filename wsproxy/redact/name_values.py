"""Names and their values outside JSON: parameters, forms, header lines, prose, HTML and XML.

Each value ends where the next pair may begin, so that no character is examined more than a few
times. Only the value of a credential extends to its real end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_NAME = re.compile(
    r"(?<![A-Za-z0-9_.~%-])([A-Za-z0-9_.~%-]++)(?:\[[^\]\s\"']{0,32}+\])?+"
    r"(?:[\"']\]|['\])])?+[ \t]*+(?:=>|[:=]|\((?=\\*+[\"']))[ \t]*+"
    r"(?:[|>][+-]?+[ \t]*+\r?\n[ \t]++)?+"  # a block of YAML
    r"(?:(?:Some|Just|Ok|Optional|String|str|Secret(?:Str|String)?)\((?=\\*+[\"']))?+"
)
# Words before a credential that are kept, so that a wrong one is visible.
SCHEME = re.compile(
    r"(?:(?i:basic|bearer|digest|token|apikey|api-key|key)(?:[ \t]++|[;:])){1,3}+(?=\S)"
)
_QUOTED = re.compile(r"\\*+([\"'])([^\"'\\<>]*+)")
_PARAMETER = re.compile(r"[^&#\"'\s<>\\=]*+=*+")
_PARAMETER_REST = re.compile(r"[^&#\"'\s<>\\]*+")
_REST = {
    "?": _PARAMETER_REST,
    "&": _PARAMETER_REST,
    "#": _PARAMETER_REST,
    ";": re.compile(r"[^&#\"'\s<>\\;/,]*+"),  # RFC 3986, section 3.3
    "; ": re.compile(r"[^\"'\s<>\\;,]*+"),  # of a header
}
# At most two parts: in "a:a:a:" each part begins a pair of its own.
_PART = r"[^\s\"'<>\\,;&)}\]=:]*+"
_WORD = re.compile(rf"{_PART}(?:[=:]++{_PART})?+")
_WORD_REST = re.compile(r"[^\s\"'<>\\,;&)}\]]*+")
# Two strings of a list, or the fields "name" and "value" of an object.
_LISTED = re.compile(
    r'"\s*+,\s*+(?:\\*+"(?:value|val|v)\\*+"\s*+:\s*+)?+\\*+"'
    r"|'\s*+,\s*+b?'"  # in a program, and in Python's notation
)
_ITEM = re.compile(r"[^\"'\\]*+")
_AUTHORITY = re.compile(r"(?<=[A-Za-z0-9])://([^\s/?#\"'<>\\]*+)")
_MAX_NAME = 160

# Returns why the value of a name is a credential, None if it is not one. Its third argument says
# whether the name is that of a parameter or field rather than a word of prose.
Classifier = Callable[[str, str, bool], "str | None"]


@dataclass(frozen=True, slots=True)
class NameValue:
    """A credential with a name; `why` as in `FoundCredential`."""

    name: str
    start: int
    end: int
    why: str


def find_pairs(text: str, classify: Classifier) -> list[NameValue]:
    """All credentials that follow a name and a colon or equals sign."""
    found = []
    match = _NAME.search(text)
    while match is not None:
        at = match.end()
        start, end, rest = _value_span(text, match)
        explicit = _separator_before(text, match.start()) != "" and "=" in match[0]
        why = classify(match[1], text[start:end], explicit) if end > start else None
        if why is not None:
            end = max(end, rest(start))
            found.append(NameValue(match[1], start, end, why))
            at = end
        match = _NAME.search(text, at)
    return found + (_in_lists(text, classify))


def _value_span(text: str, match: re.Match[str]) -> tuple[int, int, Callable[[int], int]]:
    """The start of a value, its first possible end, and a function for its last possible end."""
    at = match.end()
    before = _separator_before(text, match.start())
    if before and "=" in match[0] and text[at : at + 1] not in ("'", '"'):
        rest = _REST[before]
        end = _match_end(_PARAMETER, text, at)
        return at, min(end, _match_end(rest, text, at)), lambda start: _match_end(rest, text, start)
    scheme = SCHEME.match(text, at)
    at = scheme.end() if scheme else at
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        start, end = quoted.span(2)
        scheme = SCHEME.match(text, start, end)
        return scheme.end() if scheme else start, end, lambda _: end
    return at, _match_end(_WORD, text, at), lambda start: _match_end(_WORD_REST, text, start)


def _separator_before(text: str, at: int) -> str:
    """The separator before a parameter's name, "; " in a header; empty before other words."""
    before = text[at - 1] if at else ""
    if before == " " and at > 1 and text[at - 2] == ";":
        return "; "
    return before if before and before in "?&;#" else ""


def _match_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match is not None else at


def _in_lists(text: str, classify: Classifier) -> list[NameValue]:
    """["authorization", "K"], and {"name": "authorization", "value": "K"}."""
    found = []
    for match in _LISTED.finditer(text):
        begins = text.rfind(match[0][0], max(0, match.start() - _MAX_NAME), match.start())
        if begins < 0:
            continue
        name = text[begins + 1 : match.start()].rstrip("\\")
        scheme = SCHEME.match(text, match.end())
        start = scheme.end() if scheme else match.end()
        end = _match_end(_ITEM, text, start)
        why = classify(name, text[start:end], False)
        if why is not None:
            found.append(NameValue(name, start, end, why))
    return found


def find_userinfo(text: str) -> list[tuple[int, int]]:
    """Spans of user and password in URLs (RFC 3986, section 3.2.1); a user may be a secret."""
    found = []
    if "://" in text:
        for match in _AUTHORITY.finditer(text):
            user, at, _ = match[1].rpartition("@")
            if at and user and user != "REDACTED":
                found.append((match.start(1), match.start(1) + len(user)))
    return found


def unfinished_userinfo_start(text: str) -> int:
    """The offset of a password in a URL that continues after the text; -1 for none."""
    begins = text.rfind("://")
    match = _AUTHORITY.match(text, begins) if begins >= 0 else None
    if match is None or match.end() < len(text) or "@" in match[1]:
        return -1
    user, colon, password = match[1].partition(":")
    # Digits alone are a port.
    return match.start(1) + len(user) + 1 if colon and password.strip("0123456789") else -1


_TAG = re.compile(r"<([A-Za-z][\w:.-]*+)([^<>]*+)>(?:<!\[CDATA\[)?+([^<>]*+)")
_ATTRIBUTE = re.compile(
    r"(?<![\w:.-])([A-Za-z_:][\w:.-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))"
)
_NAME_ATTRIBUTES = frozenset({"name", "id", "property", "itemprop", "http-equiv", "key"})
_BLANK = re.compile(r"\s")
_MAX_ELEMENT_NAME = 64  # characters
_MAX_NAMES = 4  # of one tag
_VALUE_ATTRIBUTES = frozenset({"value", "content"})


@dataclass(frozen=True, slots=True)
class MarkupValue:
    """A value in markup: an attribute, or the text of an element.

    Attributes:
        name: of the attribute or element.
        hidden: whether it is the value of a hidden form field.
    """

    name: str
    value: str
    start: int
    end: int
    hidden: bool = False


def find_markup_values(text: str) -> Iterator[MarkupValue]:
    """All named values of a text."""
    previous = ""  # the text of the last element: <td>X-Api-Key</td><td>...
    for tag in _TAG.finditer(text):
        attributes = []
        for match in _ATTRIBUTE.finditer(text, *tag.span(2)):
            group = match.lastindex or 0
            attributes.append((match[1].lower(), match[group], *match.span(group)))
        names = list(
            dict.fromkeys(value for key, value, *_ in attributes if key in _NAME_ATTRIBUTES)
        )
        # Too many names are joined to one.
        names = names if len(names) <= _MAX_NAMES else ["-".join(names)]
        hidden = any((key, value.lower()) == ("type", "hidden") for key, value, *_ in attributes)
        for key, value, start, end in attributes:
            if key in _VALUE_ATTRIBUTES:
                for name in names or [""]:
                    yield MarkupValue(name, value, start, end, hidden)
            elif key not in _NAME_ATTRIBUTES:
                yield MarkupValue(key, value, start, end)
        inner = tag[3].strip()
        if inner:
            start = tag.start(3) + tag[3].index(inner)
            neighbors = (previous,) if previous and not _BLANK.search(inner) else ()
            for name in (tag[1], *names, *neighbors):
                yield MarkupValue(name, inner, start, start + len(inner))
            previous = inner if len(inner) <= _MAX_ELEMENT_NAME else ""
