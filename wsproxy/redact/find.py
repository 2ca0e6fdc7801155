"""Where credentials stand in a text: JSON fields, parameters of URLs, and keys by their shape.

A message is looked at as bytes with one character each (Latin-1), so that places in the text
are places in the message. What is no JSON is text all the same: an error's body, the reason
of a Close frame.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_plus

from wsproxy.catalog import Credentials

from . import rules
from .fingerprint import PLACEHOLDER

# A field with a string, in JSON or in JSON that is itself a string (then with backslashes
# before its quotes), or the beginning of an object or a list. It begins with a literal, which
# is found at the speed of memchr, and is possessive: base64 costs a look at 64 bytes.
_NAME = r'"([^"]{1,64}+)"\s{0,8}+:\s{0,8}+'
FIELDS = re.compile((_NAME + r'(?:\\{0,7}+"|[{\[])').encode())
_FIELDS = re.compile(_NAME + r'(\\{0,7}+"|[{\[])')
_VALUE = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*+)"\s*+(?![\s:])', re.DOTALL)
_SCHEME = re.compile(r"(?i:basic|bearer|digest|token) +")
_USER = re.compile(rules.USER)
# A password whose end is not there yet; digits alone are a port.
_USER_BEGUN = re.compile(r"://[^\s/?#\"'<>@\\:]{0,512}:([^\s/?#\"'<>@\\]*[^\s/?#\"'<>@\\\d])\Z")
_PARAMETER = re.compile(rules.PARAMETER)
# What a key by its shape begins with, at the end of a fragment.
_BEGUN = re.compile(
    r"(?<![A-Za-z0-9_+/.-])(?:eyJ|AKIA|ASIA|AIza|ya29\.|(?:sk|ek|rk|whsec)[-_](?=[A-Za-z0-9]{4})|gh[pousr]_"
    r"|xox[abeoprs]-|auth_tokens/|temp:)[A-Za-z0-9._~+/=-]*\Z"
)
TOKEN_END = re.compile(r"[^A-Za-z0-9._~+/=-]")
_HEX_BEGUN = re.compile(r"[0-9a-fA-F]{8,}")
# Audio in base64: longer than any key, and slow to look through for all of their shapes.
_BLOB = re.compile(r"[A-Za-z0-9+/]{2048,}+")


@dataclass(frozen=True, slots=True)
class Found:
    """A credential in a text.

    Attributes:
        start, end: its place.
        name: of the field or the parameter, empty if it stands alone.
        why: the rule that found it, empty if the catalog names the place.
        delimiter: what would end it, where the text ends before; empty: it is whole. A
            space: the end of a word.
    """

    start: int
    end: int
    name: str
    why: str = ""
    delimiter: str = ""


class Finder:
    """Finds credentials in texts.

    Args:
        credentials: the places, of all providers together.
        fields: names of JSON fields that hold credentials.
    """

    def __init__(self, credentials: Credentials, fields: Iterable[str]) -> None:
        self._fields = frozenset(rules.squashed(name) for name in fields)
        self._query = frozenset(rules.squashed(name) for name in credentials.query)

    def knows(self, name: str) -> bool:
        """Whether the catalog names a JSON field."""
        return rules.squashed(name) in self._fields

    def speaks(self, name: str) -> bool:
        """Whether a field's name is worth a look at its value."""
        return self.knows(name) or rules.strength(name) > 0

    def __call__(self, text: str, *, cut: bool = False) -> list[Found]:
        """All credentials in a text, in their order, none inside another.

        Args:
            cut: the text goes on where it ends.
        """
        text = _BLOB.sub(_blank, text)
        spans: list[tuple[int, int, str]] = []  # values and their names
        found = list(self._in_fields(text, spans, cut=cut))
        loose = self._parameters(text, cut=cut) if "=" in text else []
        loose += [Found(*span, "", "shape") for span in rules.keys_in(text)]
        if "://" in text:
            loose += [Found(*m.span(1), "", "shape") for m in _USER.finditer(text) if _open(m[1])]
        if cut and (begun := _BEGUN.search(text)):
            loose.append(Found(begun.start(), len(text), "", "shape", " "))
        if cut and (begun := _USER_BEGUN.search(text)):
            loose.append(Found(begun.start(1), len(text), "", "shape", " "))
        found += (_named(each, spans) for each in loose)
        return _apart(found)

    def _in_fields(
        self, text: str, spans: list[tuple[int, int, str]], *, cut: bool
    ) -> Iterator[Found]:
        for match in _FIELDS.finditer(text):
            name, delimiter, start = _unescaped(match[1]), match[2], match.end()
            if delimiter in "{[":
                if self.knows(name) or rules.strength(name) == 2:
                    yield from _in_container(text, start, name, delimiter)
                continue
            end = value_end(text, start, delimiter)
            whole = end >= 0
            end = end if whole else len(text)
            spans.append((start, end, name))
            scheme = _SCHEME.match(text, start, end)
            after = scheme.end() if scheme else start
            value = text[after:end]
            why = self._why(name, value, open_ended=cut and not whole)
            if why is not None:
                yield Found(after, end, name, why, "" if whole or not cut else delimiter)

    def _why(self, name: str, value: str, *, open_ended: bool) -> str | None:
        """The rule, empty for the catalog, None for no credential."""
        if value == PLACEHOLDER or (not value and not open_ended):
            return None
        if self.knows(name):
            return ""
        if open_ended:
            # It cannot be judged yet: what may be one is taken for one.
            if rules.strength(name) and " " not in value:
                return "name"
            hexadecimal = _HEX_BEGUN.fullmatch(value) and not rules.is_id(name)
            return "shape" if hexadecimal else None
        return rules.why(name, value) or None

    def rule(self, name: str, value: str) -> str | None:
        """Why a named value is a credential, empty for the catalog, None for none."""
        return self._why(name, value, open_ended=False)

    def _parameters(self, text: str, *, cut: bool) -> list[Found]:
        out = []
        for match in _PARAMETER.finditer(text):
            name, value = unquote_plus(match[1]), unquote_plus(match[2])
            if value == PLACEHOLDER:
                continue
            known = rules.squashed(name) in self._query
            open_ended = cut and match.end() == len(text) and rules.strength(name) > 0
            why = "" if known else rules.why(name, value) or ("name" if open_ended else None)
            if why is not None:
                ended = not (cut and match.end() == len(text))
                out.append(Found(*match.span(2), name, why, "" if ended else " "))
        return out


def _blank(blob: re.Match[str]) -> str:
    return "\0" * len(blob[0])


def value_end(text: str, start: int, delimiter: str) -> int:
    """Where a value ends that begins at `start`, -1 if the text ends before."""
    if delimiter == '"':
        match = _VALUE.match(text, start)
        assert match is not None  # it matches the empty text
        return match.end() if text[match.end() : match.end() + 1] == '"' else -1
    if delimiter == " ":
        end = TOKEN_END.search(text, start)
        return end.start() if end else -1
    return text.find(delimiter, start)


def plain(value: str) -> str:
    """A JSON string's content, without escapes."""
    if "\\" not in value:
        return value
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


def readable(name: bytes) -> str:
    """A field's name in a message, without escapes."""
    return _unescaped(name.decode("latin-1"))


def _unescaped(name: str) -> str:
    return plain(name.rstrip("\\"))


def _open(user: str) -> bool:
    return user != PLACEHOLDER


def _in_container(text: str, start: int, name: str, opening: str) -> Iterator[Found]:
    """Strings of a list, and `value` of an object, that stand for the field itself."""
    end = text.find("}" if opening == "{" else "]", start)
    end = end if end >= 0 else len(text)
    if opening == "[":
        for match in _ITEM.finditer(text, start, end):
            if len(match[1]) >= 4 and match[1] != PLACEHOLDER:
                yield Found(*match.span(1), name, "name")
        return
    for match in _FIELDS.finditer(text, start, end):
        if match[1].rstrip("\\") == "value" and match[2] not in "{[":
            stop = value_end(text, match.end(), match[2])
            stop = stop if stop >= 0 else len(text)
            if text[match.end() : stop] not in ("", PLACEHOLDER):
                yield Found(match.end(), stop, name, "name")


def _named(found: Found, spans: list[tuple[int, int, str]]) -> Found:
    """With the name of the field that it stands in."""
    if found.name:
        return found
    name = next((n for start, end, n in spans if start <= found.start and found.end <= end), "")
    return Found(found.start, found.end, name, found.why, found.delimiter)


def _apart(found: Iterable[Found]) -> list[Found]:
    """In their order; of two that overlap the one that begins first, or the longer one."""
    out: list[Found] = []
    for each in sorted(found, key=lambda f: (f.start, -f.end)):
        if not out or each.start >= out[-1].end:
            out.append(each)
        elif each.end > out[-1].end:
            last = out[-1]
            out[-1] = Found(last.start, each.end, last.name, last.why, each.delimiter)
    return out
