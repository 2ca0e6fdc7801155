"""Finds credentials in a text: named values, URLs, and keys by their format.

A message is read with one character per byte (Latin-1), so that offsets in the text are offsets in
the message. Data that is not JSON is searched as text: an error's body, the reason of a Close
frame.

A text is searched unchanged, then without its escapes. Encoded words (base64, hexadecimal) are
decoded and searched too. A credential that is found there is redacted together with its encoding.
All searches take time linear in the length of the text. Because one thread serves all sessions, the
work for one record is limited; a record over the limit is kept as its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from wsproxy.catalog import CredentialPlaces

from . import encodings, heuristics, json_fields, key_formats, name_values
from .fingerprint import PLACEHOLDER

MAX_EXAMINED = 1 << 20  # characters, each decoded view counted by itself
MAX_FOUND = 50_000
_MAX_DEPTH = 3  # encodings inside each other
_MAX_BEFORE = 48  # characters before a word that may hold its name
_MIN_INHERITED = 4  # characters of a string in an object with a credential's name


class OverBudget(Exception):  # never leaves this package
    """A record exceeds the work limit."""


class Budget:
    """The remaining work for one record."""

    def __init__(self) -> None:
        self._characters = MAX_EXAMINED
        self._found = MAX_FOUND

    def spend(self, characters: int) -> None:
        """Count characters before they are searched.

        Raises:
            OverBudget: the limit is exceeded.
        """
        self._characters -= characters
        if self._characters < 0:
            raise OverBudget

    def found(self, number: int) -> None:
        """Count credentials that were found.

        Raises:
            OverBudget: there are more than MAX_FOUND.
        """
        self._found -= number
        if self._found < 0:
            raise OverBudget


@dataclass(frozen=True, slots=True)
class FoundCredential:
    """A credential in a text.

    Attributes:
        start, end: its span.
        name: of the field or parameter; empty without one.
        why: the heuristic that found it; empty if the catalog names the place.
        delimiter: what would end it, if the text ends before; a space for the end of a word.
            Empty if it is complete.
        is_number: whether it is a JSON number, which has no quotation marks.
    """

    start: int
    end: int
    name: str
    why: str = ""
    delimiter: str = ""
    is_number: bool = False


class CredentialFinder:
    """Finds credentials in texts.

    Args:
        credentials: the places of credentials, of all providers.
        names: of JSON fields that hold credentials.
    """

    def __init__(self, credentials: CredentialPlaces, names: Iterable[str]) -> None:
        self._fields = frozenset(map(heuristics.normalized, names))
        self._query = frozenset(map(heuristics.normalized, credentials.query))
        self._credential_names = (
            self._query | self._fields | frozenset(map(heuristics.normalized, credentials.headers))
        )
        self._content, self._content_inside = _content_names(credentials.content_fields)

    def is_credential_field(self, name: str) -> bool:
        """Whether the catalog names a JSON field as one with a credential."""
        return heuristics.normalized(name) in self._fields

    def is_suspicious_name(self, name: str) -> bool:
        """Whether the value under a name may be a credential."""
        return (
            heuristics.normalized(name) in self._credential_names
            or heuristics.name_strength(name) > 0
        )

    def is_content(self, name: str) -> bool:
        """Whether the catalog names a field as one of text, transcripts or audio."""
        return heuristics.normalized(name) in self._content

    def __call__(
        self,
        text: str,
        *,
        cut: bool = False,
        metadata: bool = False,
        budget: Budget | None = None,
    ) -> list[FoundCredential]:
        """All credentials in a text, in order and without overlaps.

        Args:
            cut: the text continues after its end.
            metadata: it is not a message of the session but text around them: a head, a body,
                a close reason. More heuristics apply to it.
            budget: of its record.

        Raises:
            OverBudget: the record exceeds its work limit.
        """
        return self._find_all(text, cut, metadata, budget or Budget(), _MAX_DEPTH)

    def _find_all(
        self, text: str, cut: bool, metadata: bool, budget: Budget, depth: int
    ) -> list[FoundCredential]:
        text = encodings.blank_base64_audio(text)
        text, in_fields = self._fields_outside_content(text)
        budget.spend(len(text) - text.count("\0"))
        found = self._in_fields(text, in_fields, cut=cut)
        if text.strip("\0"):
            found += self._outside_fields(text, in_fields, cut, metadata)
            found += self._in_encoded_words(text, metadata, budget, depth)
            if (view := encodings.unescape(text)) is not None:
                budget.spend(len(view.text))
                while view is not None:
                    found += self._in_unescaped(view, metadata)
                    view = view.unescape_again()
        budget.found(len(found))
        return _without_overlaps(found)

    # -- names

    def _inherits(self, name: str) -> int:
        """2: all strings in an object or list of this name are credentials; 1: they may be."""
        if self._is_explicit_name(name):
            return 2
        return 1 if heuristics.is_key_container(name) else 0

    def _is_explicit_name(self, name: str) -> bool:
        """Whether the name alone makes its value a credential."""
        return self.is_credential_field(name) or heuristics.name_strength(name) == 2

    def _in_fields(
        self, text: str, json: list[json_fields.JsonField], *, cut: bool
    ) -> list[FoundCredential]:
        found = []
        for each in json:
            scheme = name_values.SCHEME.match(text, each.start, each.end)
            start = scheme.end() if scheme else each.start
            unfinished = cut and not each.complete
            why = self._why_in_field(each, text[start : each.end], unfinished=unfinished)
            if why is not None:
                explicit = self._is_explicit_name(each.name)
                name = each.name if explicit else each.inherited or each.name
                ends = each.delimiter if unfinished else ""
                found.append(FoundCredential(start, each.end, name, why, ends, each.is_number))
        return found

    def _why_in_field(
        self, field: json_fields.JsonField, value: str, *, unfinished: bool
    ) -> str | None:
        if field.is_name:
            return "entropy" if heuristics.looks_random(value) else None
        if field.is_number and not (
            self._is_explicit_name(field.name) or heuristics.by_name(field.name, value)
        ):
            return None
        if not field.inherited:
            return self._why(field.name, value, unfinished=unfinished)
        if not self._is_explicit_name(field.inherited):
            why = self._why(field.name, value, unfinished=unfinished)
            by_name = not self.is_content(field.name) and heuristics.by_name(field.inherited, value)
            return "name" if why is None and by_name else why
        known = field.name != field.inherited and heuristics.is_non_secret_name(field.name)
        if known or value == PLACEHOLDER or len(value) < _MIN_INHERITED:
            return None
        return "" if self.is_credential_field(field.inherited) else "name"

    def _why(self, name: str, value: str, *, unfinished: bool) -> str | None:
        """The heuristic; empty for the catalog, None if it is not a credential."""
        if value == PLACEHOLDER or (not value and not unfinished):
            return None
        if self.is_credential_field(name):
            return ""
        if self.is_content(name):
            return None
        if unfinished:
            # The value is incomplete: any possible credential is redacted.
            if heuristics.name_strength(name) and " " not in value:
                return "name"
            return (
                "shape"
                if heuristics.may_begin_hex_key(value) and not heuristics.is_id_name(name)
                else None
            )
        return heuristics.matching_heuristic(name, value) or None

    def why_credential(self, name: str, value: str) -> str | None:
        """The heuristic that matches a named value; empty for the catalog, None for no match."""
        return self._why(name, value, unfinished=False)

    def _fields_outside_content(self, text: str) -> tuple[str, list[json_fields.JsonField]]:
        """The text without the fields that the catalog names as content, and all fields.

        JSON inside such a field is not content.
        """
        kept, out, at = [], [], 0
        lists = {parent: text.find(parent) for _, parent in self._content_inside}
        for each in json_fields.find_fields(text, self._inherits):
            if each.start < at:
                continue
            kept.append(each)
            if self._is_content_field(text, each, lists):
                out.append((each.start, each.end))
                at = each.end
        return _blanked(text, out), kept

    def _is_content_field(
        self, text: str, field: json_fields.JsonField, lists: Mapping[str, int]
    ) -> bool:
        """Whether a field is content that no name around it makes a credential, and not JSON.

        Args:
            lists: where the names of lists with content are first in the text; -1: nowhere.
        """
        inside = any(
            field.name == name and 0 <= lists[parent] < field.start
            for name, parent in self._content_inside
        )
        if not (inside or self.is_content(field.name)) or self._is_explicit_name(field.inherited):
            return False
        return not json_fields.begins_as_json(text[field.start : field.start + 64])

    # -- outside JSON fields

    def _outside_fields(
        self, text: str, json: list[json_fields.JsonField], cut: bool, metadata: bool
    ) -> list[FoundCredential]:
        found = [FoundCredential(*span, "", "shape") for span in key_formats.find_keys(text)]
        found += [FoundCredential(*span, "", "shape") for span in name_values.find_userinfo(text)]
        found += [FoundCredential(*span, "", "shape") for span in heuristics.lone_hex_key(text)]
        found += [
            FoundCredential(*span, "", "entropy")
            for span in heuristics.random_words_in_sentences(text)
        ]
        if metadata:
            for start, end in key_formats.find_hex_keys(text):
                if not heuristics.ends_with_id_name(text[max(0, start - _MAX_BEFORE) : start]):
                    found.append(FoundCredential(start, end, "", "shape"))
            found += [
                FoundCredential(*span, "", "entropy") for span in heuristics.lone_random_word(text)
            ]
        found += self._in_pairs(text, cut)
        if "<" in text:
            for tag in name_values.find_markup_values(text):
                why = self._why_pair(tag.name, tag.value, explicit=True)
                if why is None and tag.hidden and heuristics.looks_random(tag.value):
                    why = "entropy"
                if why is not None:
                    found.append(FoundCredential(tag.start, tag.end, tag.name, why))
        if cut and (at := key_formats.unfinished_key_start(text)) >= 0:
            found.append(FoundCredential(at, len(text), "", "shape", " "))
        if cut and (at := name_values.unfinished_userinfo_start(text)) >= 0:
            found.append(FoundCredential(at, len(text), "", "shape", " "))
        return _with_field_names(found, json)

    def _in_pairs(self, text: str, cut: bool) -> list[FoundCredential]:
        def classify(name: str, value: str, explicit: bool) -> str | None:
            why = self._why_pair(name, value, explicit=explicit)
            if why is None and cut and explicit and value != PLACEHOLDER and text.endswith(value):
                return "name" if heuristics.name_strength(name) else None
            return why

        return [
            FoundCredential(
                p.start, p.end, p.name, p.why, " " if cut and p.end == len(text) else ""
            )
            for p in name_values.find_pairs(text, classify)
        ]

    def _why_pair(self, name: str, value: str, *, explicit: bool) -> str | None:
        """The heuristic that matches a name and value outside JSON; empty for the catalog.

        Args:
            explicit: the name is that of a parameter or header. Otherwise it may be a word of
                prose, and the value must look like a credential.
        """
        if (
            not value
            or PLACEHOLDER in value[:16]
            or not (explicit or heuristics.looks_like_key(value))
        ):
            return None
        if "%" in name or "+" in name:
            name = unquote_plus(name)
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if heuristics.normalized(name) in self._credential_names:
            # A word of prose ("key", "token") says less than a parameter of that name.
            weak = not explicit and heuristics.name_strength(name) == 1
            return None if weak and not heuristics.by_name(name, value) else ""
        in_url = explicit and name == "code"  # of Azure Functions, and of OAuth
        return heuristics.matching_heuristic(name, value, random=in_url) or None

    # -- encoded

    def _in_unescaped(self, view: encodings.UnescapedText, metadata: bool) -> list[FoundCredential]:
        """Credentials in the text without escapes, with their spans in the original text."""
        text, json = self._fields_outside_content(view.text)
        found = self._in_fields(text, json, cut=False)
        found += self._outside_fields(text, json, cut=False, metadata=metadata)
        return [
            replace(each, start=view.raw_start(each.start), end=view.raw_end(each.end))
            for each in found
        ]

    def _in_encoded_words(
        self, text: str, metadata: bool, budget: Budget, depth: int
    ) -> list[FoundCredential]:
        """Encoded words that hold a credential."""
        found = []
        for start, end, decoded in encodings.byte_lists(text):
            name = json_fields.name_of_list(text, start)
            why = self._why(name, decoded, unfinished=False) if name else None
            if why is not None:
                found.append(FoundCredential(start, end, name, why))
        for start, end, decoded in encodings.encoded_words(text):
            # A word at the depth limit is not decoded and may be one.
            inside = self._find_all(decoded, False, metadata, budget, depth - 1) if depth else None
            if inside is None or inside:
                name, why = (inside[0].name, inside[0].why) if inside else ("", "shape")
                found.append(FoundCredential(start, end, name, why or "name"))
        return found


def _content_names(
    fields: Iterable[str],
) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """The normalized names of content, and (name, name of its list) for ambiguous names."""
    names = frozenset(heuristics.normalized(each) for each in fields if "." not in each)
    parts = (each.split(".") for each in fields if "." in each)
    return names, frozenset((part[-1], part[0]) for part in parts)


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    out, at = [], 0
    for start, end in spans:
        out += [text[at:start], "\0" * (end - start)]
        at = end
    return "".join([*out, text[at:]]) if out else text


def _with_field_names(
    found: list[FoundCredential], json: list[json_fields.JsonField]
) -> list[FoundCredential]:
    """Add the names of the enclosing fields; `json` is sorted by offset."""
    out, at = [], 0
    for each in sorted(found, key=lambda f: f.start):
        while at < len(json) and json[at].end < each.end:
            at += 1
        inside = at < len(json) and json[at].start <= each.start and each.end <= json[at].end
        named = each.name or not inside
        out.append(each if named else replace(each, name=json[at].name))
    return out


def _without_overlaps(found: Iterable[FoundCredential]) -> list[FoundCredential]:
    """Sort by offset; of two that overlap, keep the first, or the longer one."""
    out: list[FoundCredential] = []
    for each in sorted(found, key=lambda f: (f.start, -f.end, not f.name)):
        if not out or each.start >= out[-1].end:
            out.append(each)
        elif each.end > out[-1].end:
            last = out[-1]
            out[-1] = FoundCredential(last.start, each.end, last.name, last.why, each.delimiter)
    return out
