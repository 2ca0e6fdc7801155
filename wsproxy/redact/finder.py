"""Where credentials stand in a text: under names, in URLs, and keys by their shape.

A message is looked at as bytes with one character each (Latin-1), so that places in the text
are places in the message. What is no JSON is text all the same: an error's body, the reason
of a Close frame.

A text is looked through as it is, then without its escapes, and what is encoded in it (base64,
hexadecimal) is decoded and looked through as well. What is found there is taken with all that
encodes it. Each of these takes time linear in the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from wsproxy.catalog import CredentialPlaces

from . import encoded, escapes, fields, heuristics, markup, name_values, shapes
from .budget import Budget
from .fingerprint import PLACEHOLDER

_MAX_DEPTH = 3  # encodings inside each other
_MAX_BEFORE = 48  # characters before a word in which its name is
_MIN_INHERITED = 4  # characters of an item of an object that stands for a credential


@dataclass(frozen=True, slots=True)
class Found:
    """A credential in a text.

    Attributes:
        start, end: its place.
        name: of the field or the parameter, empty if it stands alone.
        why: the rule that found it, empty if the catalog names the place.
        delimiter: what would end it, where the text ends before; empty: it is whole. A
            space: the end of a word.
        bare: it is a number in JSON, which has no quotation marks.
    """

    start: int
    end: int
    name: str
    why: str = ""
    delimiter: str = ""
    bare: bool = False


class Finder:
    """Finds credentials in texts.

    Args:
        credentials: the places, of all providers together.
        names: of JSON fields that hold credentials.
    """

    def __init__(self, credentials: CredentialPlaces, names: Iterable[str]) -> None:
        self._fields = frozenset(map(heuristics.squashed, names))
        self._query = frozenset(map(heuristics.squashed, credentials.query))
        self._loose = (
            self._query | self._fields | frozenset(map(heuristics.squashed, credentials.headers))
        )
        self._content = frozenset(map(heuristics.squashed, credentials.content_fields))

    def knows(self, name: str) -> bool:
        """Whether the catalog names a JSON field."""
        return heuristics.squashed(name) in self._fields

    def speaks(self, name: str) -> bool:
        """Whether a name is worth a look at its value."""
        return heuristics.squashed(name) in self._loose or heuristics.strength(name) > 0

    def is_content(self, name: str) -> bool:
        """Whether the catalog names a field as one of text, transcripts or audio."""
        return heuristics.squashed(name) in self._content

    def __call__(
        self,
        text: str,
        *,
        cut: bool = False,
        control: bool = False,
        budget: Budget | None = None,
    ) -> list[Found]:
        """All credentials in a text, in their order, none inside another.

        Args:
            cut: the text goes on where it ends.
            control: it is no message of the session but what stands around them: a head, a
                body, a reason. More is taken out of it.
            budget: of the record that it belongs to.

        Raises:
            OverBudget: it is too much work.
        """
        return self._all(text, cut, control, budget or Budget(), _MAX_DEPTH)

    def _all(self, text: str, cut: bool, control: bool, budget: Budget, depth: int) -> list[Found]:
        text = encoded.without_blobs(text)
        text, in_fields = self._fields_outside_content(text)
        budget.spend(len(text) - text.count("\0"))
        found = self._in_fields(text, in_fields, cut=cut)
        if text.strip("\0"):
            found += self._loosely(text, in_fields, cut, control)
            found += self._encoded(text, control, budget, depth)
            if (view := escapes.unescaped(text)) is not None:
                budget.spend(len(view.text))
                while view is not None:
                    found += self._in_view(view, control)
                    view = view.again()
        budget.found(len(found))
        return _apart(found)

    # -- names

    def _inherits(self, name: str) -> bool:
        """Whether strings in an object or a list of this name may be credentials of that name."""
        return self.knows(name) or heuristics.strength(name) == 2 or heuristics.holds_keys(name)

    def _is_sure(self, name: str) -> bool:
        """Whether a name says by itself that its value is a credential."""
        return self.knows(name) or heuristics.strength(name) == 2

    def _in_fields(self, text: str, read: list[fields.Field], *, cut: bool) -> list[Found]:
        found = []
        for each in read:
            scheme = name_values.SCHEME.match(text, each.start, each.end)
            start = scheme.end() if scheme else each.start
            open_ended = cut and not each.whole
            why = self._why_field(each, text[start : each.end], open_ended=open_ended)
            if why is not None:
                name, ends = each.inherited or each.name, each.delimiter if open_ended else ""
                found.append(Found(start, each.end, name, why, ends, each.bare))
        return found

    def _why_field(self, field: fields.Field, value: str, *, open_ended: bool) -> str | None:
        if field.bare and not (self._is_sure(field.name) or heuristics.by_name(field.name, value)):
            return None
        if not field.inherited:
            return self._why(field.name, value, open_ended=open_ended)
        if not self._is_sure(field.inherited):
            why = self._why(field.name, value, open_ended=open_ended)
            by_name = not self.is_content(field.name) and heuristics.by_name(field.inherited, value)
            return "name" if why is None and by_name else why
        known = field.name != field.inherited and heuristics.says_no_secret(field.name)
        if known or value == PLACEHOLDER or len(value) < _MIN_INHERITED:
            return None
        return "" if self.knows(field.inherited) else "name"

    def _why(self, name: str, value: str, *, open_ended: bool) -> str | None:
        """The rule, empty for the catalog, None for no credential."""
        if value == PLACEHOLDER or (not value and not open_ended):
            return None
        if self.knows(name):
            return ""
        if self.is_content(name):
            return None
        if open_ended:
            # It cannot be judged yet: what may be one is taken for one.
            if heuristics.strength(name) and " " not in value:
                return "name"
            return "shape" if heuristics.begins_hex(value) and not heuristics.is_id(name) else None
        return heuristics.why(name, value) or None

    def rule(self, name: str, value: str) -> str | None:
        """Why a named value is a credential, empty for the catalog, None for none."""
        return self._why(name, value, open_ended=False)

    def _fields_outside_content(self, text: str) -> tuple[str, list[fields.Field]]:
        """The text without what the catalog names as speech, transcripts or audio; its fields.

        JSON in such a field is none of these.
        """
        kept, out, at = [], [], 0
        for each in fields.read(text, self._inherits):
            if each.start < at:
                continue
            kept.append(each)
            if each.inherited or not self.is_content(each.name):
                continue
            if text[each.start : each.start + 64].lstrip()[:1] not in ("{", "["):
                out.append((each.start, each.end))
                at = each.end
        return _blanked(text, out), kept

    # -- anywhere

    def _loosely(
        self, text: str, read: list[fields.Field], cut: bool, control: bool
    ) -> list[Found]:
        found = [Found(*span, "", "shape") for span in shapes.keys(text)]
        found += [Found(*span, "", "shape") for span in name_values.users(text)]
        found += [Found(*span, "", "shape") for span in heuristics.alone_in_hex(text)]
        if control:
            for start, end in shapes.hexadecimal(text):
                if not heuristics.names_id(text[max(0, start - _MAX_BEFORE) : start]):
                    found.append(Found(start, end, "", "shape"))
            found += [Found(*span, "", "entropy") for span in heuristics.alone(text)]
        found += self._in_pairs(text, cut)
        if "<" in text:
            for tag in markup.read(text):
                why = self._why_loose(tag.name, tag.value, sure=True)
                if why is None and tag.hidden and heuristics.looks_random(tag.value):
                    why = "entropy"
                if why is not None:
                    found.append(Found(tag.start, tag.end, tag.name, why))
        if cut and (at := shapes.begun(text)) >= 0:
            found.append(Found(at, len(text), "", "shape", " "))
        if cut and (at := name_values.user_begun(text)) >= 0:
            found.append(Found(at, len(text), "", "shape", " "))
        return _named(found, read)

    def _in_pairs(self, text: str, cut: bool) -> list[Found]:
        def judge(name: str, value: str, sure: bool) -> str | None:
            why = self._why_loose(name, value, sure=sure)
            if why is None and cut and sure and value != PLACEHOLDER and text.endswith(value):
                return "name" if heuristics.strength(name) else None
            return why

        return [
            Found(p.start, p.end, p.name, p.why, " " if cut and p.end == len(text) else "")
            for p in name_values.read(text, judge)
        ]

    def _why_loose(self, name: str, value: str, *, sure: bool) -> str | None:
        """Why a value is one that stands after a name outside of JSON.

        Args:
            sure: the name is that of a parameter or a header; else it may be a word of prose,
                and the value has to look like a credential.
        """
        if not value or PLACEHOLDER in value[:16] or not (sure or heuristics.like_a_key(value)):
            return None
        if "%" in name or "+" in name:
            name = unquote_plus(name)
        if "%" in value or "+" in value:
            value = unquote_plus(value)
        if heuristics.squashed(name) in self._loose:
            # A word of prose ("key", "token") says less than a parameter of that name.
            weak = not sure and heuristics.strength(name) == 1
            return None if weak and not heuristics.by_name(name, value) else ""
        in_url = sure and name == "code"  # of Azure Functions, and of OAuth
        return heuristics.why(name, value, random=in_url) or None

    # -- behind an encoding

    def _in_view(self, view: escapes.View, control: bool) -> list[Found]:
        """What only shows without escapes, with its place in the text."""
        text, read = self._fields_outside_content(view.text)
        found = self._in_fields(text, read, cut=False)
        found += self._loosely(text, read, cut=False, control=control)
        return [
            replace(each, start=view.raw_start(each.start), end=view.raw_end(each.end))
            for each in found
        ]

    def _encoded(self, text: str, control: bool, budget: Budget, depth: int) -> list[Found]:
        """Words that say something else when they are decoded, and hold a credential then."""
        found = []
        for start, end, said in encoded.words(text):
            # Where nobody looks any deeper it may be one.
            inside = self._all(said, False, control, budget, depth - 1) if depth else None
            if inside is None or inside:
                name, why = (inside[0].name, inside[0].why) if inside else ("", "shape")
                found.append(Found(start, end, name, why or "name"))
        return found


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    out, at = [], 0
    for start, end in spans:
        out += [text[at:start], "\0" * (end - start)]
        at = end
    return "".join([*out, text[at:]]) if out else text


def _named(found: list[Found], read: list[fields.Field]) -> list[Found]:
    """With the names of the fields that they stand in; both are sorted by their places."""
    out, at = [], 0
    for each in sorted(found, key=lambda f: f.start):
        while at < len(read) and read[at].end < each.end:
            at += 1
        inside = at < len(read) and read[at].start <= each.start and each.end <= read[at].end
        named = each.name or not inside
        out.append(each if named else replace(each, name=read[at].name))
    return out


def _apart(found: Iterable[Found]) -> list[Found]:
    """In their order; of two that overlap the one that begins first, or the longer one."""
    out: list[Found] = []
    for each in sorted(found, key=lambda f: (f.start, -f.end, not f.name)):
        if not out or each.start >= out[-1].end:
            out.append(each)
        elif each.end > out[-1].end:
            last = out[-1]
            out[-1] = Found(last.start, each.end, last.name, last.why, each.delimiter)
    return out
