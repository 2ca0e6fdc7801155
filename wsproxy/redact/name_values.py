"""Names and their values where there is no JSON: parameters, forms, lines of headers, prose.

Each value ends where the next pair may begin, so that no character is looked at more than a few
times; only that of a credential goes on to its real end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_NAME = re.compile(
    r"(?<![A-Za-z0-9_.~%-])([A-Za-z0-9_.~%-]++)(?:\[[^\]\s\"']{0,32}+\])?+"
    r"'?+[ \t]*+(?:=>|[:=])[ \t]*+"
)
# Words that stay before a credential, so that a wrong one can be seen.
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
# Two parts at most: in "a:a:a:" each of them begins a pair of its own.
_PART = r"[^\s\"'<>\\,;&)}\]=:]*+"
_WORD = re.compile(rf"{_PART}(?:[=:]++{_PART})?+")
_WORD_REST = re.compile(r"[^\s\"'<>\\,;&)}\]]*+")
# Two strings of a list, or a name and a value in fields of these names.
_LISTED = re.compile(r'"\s*+,\s*+(?:\\*+"(?:value|val|v)\\*+"\s*+:\s*+)?+\\*+"')
_ITEM = re.compile(r'[^"\\]*+')
_AUTHORITY = re.compile(r"(?<=[A-Za-z0-9])://([^\s/?#\"'<>\\]*+)")
_MAX_NAME = 160

# Says why a value under a name is a credential, None if it is none. `sure`: the name is that
# of a parameter or of a field, not a word of prose.
Judge = Callable[[str, str, bool], "str | None"]


@dataclass(frozen=True, slots=True)
class NameValue:
    """A credential under a name; `why` as in `Found`."""

    name: str
    start: int
    end: int
    why: str


def read(text: str, judge: Judge) -> list[NameValue]:
    """All credentials that stand after a name and a colon or an equals sign."""
    found = []
    match = _NAME.search(text)
    while match is not None:
        at = match.end()
        start, end, rest = _value(text, match)
        sure = _before(text, match.start()) != "" and "=" in match[0]
        why = judge(match[1], text[start:end], sure) if end > start else None
        if why is not None:
            end = max(end, rest(start))
            found.append(NameValue(match[1], start, end, why))
            at = end
        match = _NAME.search(text, at)
    return found + (_listed(text, judge) if '"' in text else [])


def _value(text: str, match: re.Match[str]) -> tuple[int, int, Callable[[int], int]]:
    """Where the value of a pair begins and ends at first, and where it ends at the last."""
    at = match.end()
    before = _before(text, match.start())
    if before and "=" in match[0] and text[at : at + 1] not in ("'", '"'):
        rest = _REST[before]
        end = _end(_PARAMETER, text, at)
        return at, min(end, _end(rest, text, at)), lambda start: _end(rest, text, start)
    scheme = SCHEME.match(text, at)
    at = scheme.end() if scheme else at
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        start, end = quoted.span(2)
        scheme = SCHEME.match(text, start, end)
        return scheme.end() if scheme else start, end, lambda _: end
    return at, _end(_WORD, text, at), lambda start: _end(_WORD_REST, text, start)


def _before(text: str, at: int) -> str:
    """What stands before the name of a parameter; "; " in a header, empty before other words."""
    before = text[at - 1] if at else ""
    if before == " " and at > 1 and text[at - 2] == ";":
        return "; "
    return before if before and before in "?&;#" else ""


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match is not None else at


def _listed(text: str, judge: Judge) -> list[NameValue]:
    """["authorization", "K"], and {"name": "authorization", "value": "K"}."""
    found = []
    for match in _LISTED.finditer(text):
        begins = text.rfind('"', max(0, match.start() - _MAX_NAME), match.start())
        if begins < 0:
            continue
        name = text[begins + 1 : match.start()].rstrip("\\")
        scheme = SCHEME.match(text, match.end())
        start = scheme.end() if scheme else match.end()
        end = _end(_ITEM, text, start)
        why = judge(name, text[start:end], False)
        if why is not None:
            found.append(NameValue(name, start, end, why))
    return found


def users(text: str) -> list[tuple[int, int]]:
    """User and password in URLs (RFC 3986, section 3.2.1); the user alone may be the secret."""
    found = []
    if "://" in text:
        for match in _AUTHORITY.finditer(text):
            user, at, _ = match[1].rpartition("@")
            if at and user and user != "REDACTED":
                found.append((match.start(1), match.start(1) + len(user)))
    return found


def user_begun(text: str) -> int:
    """Where a password in a URL begins that goes on after the text, -1 if none does."""
    begins = text.rfind("://")
    match = _AUTHORITY.match(text, begins) if begins >= 0 else None
    if match is None or match.end() < len(text) or "@" in match[1]:
        return -1
    user, colon, password = match[1].partition(":")
    # Digits alone are a port.
    return match.start(1) + len(user) + 1 if colon and password.strip("0123456789") else -1
