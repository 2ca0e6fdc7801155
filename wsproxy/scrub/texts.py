"""Texts of a session: what documents enumerate stays, everything else is replaced."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from wsproxy.compare.message_kinds import is_error, kind_of
from wsproxy.redact import PLACEHOLDER

from .aliases import ADDRESS, EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID, Aliases, words
from .allowlist import Allowlist
from .documented import documented
from .json_rewrite import Path, Value, rewrite
from .text_encodings import (
    RUN,
    Sound,
    decoded,
    is_numbers,
    is_spaced,
    recoded,
    renumbered,
    respaced,
)

_FAILS = re.compile(
    r'"(?:err_msg|err_code|error|error_code|error_message|error_type|warning|warning_code)"'
    r'\s*:\s*["{\d]'
)
_HERE = r"(?<![\w.])(?:127\.0\.0\.1|0\.0\.0\.0)(?![\w.]*\w)"
_MADE_OF = (UUID, EMAIL, HEXADECIMAL, TIME, MIXED, ADDRESS, PHONE)
# What is no sentence of anybody's: ids, addresses, times.
_NO_WORDS = re.compile("|".join((PLACEHOLDER, _HERE, *(p.pattern for p in _MADE_OF))))
# In a sentence of a service, what somebody gave it is between these.
_MARKS = (
    ("'", "'"),
    ('"', '"'),
    ("`", "`"),
    ("\u201c", "\u201d"),
    ("\u2018", "\u2019"),
    ("\xab", "\xbb"),
)
_QUOTES = re.compile(
    "|".join(rf"(?<!\w){left}[^\n{left}{right}]{{1,200}}{right}(?!\w)" for left, right in _MARKS)
)
# A figure with its unit, as one word or two.
_MEASURE = re.compile(r"(?<![\w.])(\d{1,6})(?:[.,](\d{1,6}))?\s?(?P<unit>[A-Za-z]{1,12})(?![^\W_])")
_OCTET = re.compile(r"0x[0-9a-f]{1,2}")
_SURROGATE = re.compile("[\udc80-\udcff]")
_QUOTED = 3  # words one after another that are somebody's, if somebody said them so
_JSON = re.compile(r'\s*+(?:\{\s*+["}]|\[\s*+["{\[\]\d-])')
_DEEPEST = 32  # names above JSON that is in a text of JSON, and so on
_SHORT = 32  # bytes under which what is printable may be samples by chance


class TextUse:
    """What people said in a session, for finding it again.

    Attributes:
        words: those with as many letters as are looked for, casefolded.
        runs: what was said, three words at a time.
    """

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.runs: set[tuple[str, ...]] = set()

    def add(self, text: str) -> None:
        """Take a text that somebody said, or may have said."""
        found = [word.casefold() for word in words(text)]
        self.words.update(word for word in found if is_looked_for(word))
        self.runs.update(runs(found))


def is_looked_for(word: str) -> bool:
    """Whether a word says enough to be looked for in what is made public."""
    return len(word) >= 4


def runs(found: list[str]) -> Iterator[tuple[str, ...]]:
    """Words, three at a time."""
    return zip(found, found[1:], found[2:], strict=False)


class Texts:
    """Replaces what no document enumerates.

    Args:
        known: what the catalog knows of the API.
        aliases: what takes its place.
        said: what somebody said, which no error message may repeat.
        hidden: words of hosts that are replaced in error messages as well.
    """

    def __init__(
        self,
        known: Allowlist,
        aliases: Aliases,
        said: TextUse,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self.known = known
        self.aliases = aliases
        self._said = said
        self._hidden = hidden
        self._documented = documented()
        self._chance = random.Random(aliases.data(bytes(16)))

    # -- texts

    def free(self, text: str, sound: Sound | None = None) -> str:
        """A text that may be anybody's: all of it is replaced.

        Args:
            sound: makes noise of the audio in it; None: nobody would write audio there.
        """
        change = sound or self.aliases.data
        if sound is not None and is_numbers(text):
            return renumbered(text, change, self._chance)
        if is_spaced(text):
            return respaced(text, change)
        out, at = [], 0
        for found in RUN.finditer(text):
            out += [self.aliases.text(text[at : found.start()]), self._run(found, change)]
            at = found.end()
        return "".join([*out, self.aliases.text(text[at:])])

    def _run(self, found: re.Match[str], change: Sound) -> str:
        head = found["head"] or ""
        media = head.removeprefix("data:").removesuffix(";base64,")
        kept = head if self._documented.is_media_type(media) else self.aliases.text(head)
        return kept + recoded(found["code"], lambda data: self._inside(data, change))

    def _inside(self, data: bytes, change: Sound) -> bytes:
        """What was in base64: a text, if it is one, or else audio."""
        if not is_text(data):
            return change(data)
        text = data.decode()
        if not is_json_like(text):
            return self.free(text, change).encode()
        return rewrite(text, lambda value: self._hide(value, change)).encode()

    def _hide(self, value: Value, change: Sound) -> str:
        """A value of which nothing is known."""
        match value.kind:
            case "number":
                return self.figure(value)
            case "numbers":
                return renumbered(value.content, change, self._chance)
            case "text":
                return self.free(value.content, change)
        return self.aliases.text(value.content)

    def failure(self, text: str) -> str:
        """What tells of a failure: the service's own words stay, what it quotes does not."""
        if text.lstrip()[:1] == "<":
            return self._sentence(text)  # a page: what is quoted there is its own
        out, at = [], 0
        for found in _QUOTES.finditer(text):
            out += [self._sentence(text[at : found.start()]), self._quoted(found[0])]
            at = found.end()
        return "".join([*out, self._sentence(text[at:])])

    def _quoted(self, text: str) -> str:
        return text if self._is_listed(text[1:-1]) else self.aliases.text(text)

    def _is_listed(self, text: str) -> bool:
        """Whether a text is a name or a value that a document has."""
        known = self.known
        return (
            known.keeps_name(text)
            or text in known.listed
            or self._documented.is_model(text)
            or self._documented.is_encoding(text)
            or self._documented.is_media_type(text)
        )

    def _sentence(self, text: str) -> str:
        out, at = [], 0
        for found in _NO_WORDS.finditer(text):
            out += [self._known_words(text[at : found.start()]), self._special(found[0])]
            at = found.end()
        return "".join([*out, self._known_words(text[at:])])

    def _special(self, text: str) -> str:
        listed = self._documented.is_model(text) or text in self.known.listed
        if listed or self.known.is_here(text) or text == "0.0.0.0":
            return text
        return self.aliases.word(text) if PHONE.fullmatch(text) else self.aliases.id(text)

    def _known_words(self, text: str) -> str:
        found = list(words(text))
        quoted: set[int] = set()
        for at, run in enumerate(runs([word.casefold() for word in found])):
            if run in self._said.runs:
                quoted.update(range(at, at + _QUOTED))
        measured = {
            each.start(group)
            for each in _MEASURE.finditer(text)
            if each["unit"].lower() in self._documented.units
            for group in (1, 2)
        }
        out, place, before = [], 0, ""
        for index, word in enumerate(found):
            start = text.index(word, place)
            kept = start in measured or self._is_known(word, before)
            out += [
                text[place:start],
                word if kept and index not in quoted else self.aliases.word(word),
            ]
            place, before = start + len(word), word.casefold()
        return "".join([*out, text[place:]])

    def _is_known(self, word: str, before: str) -> bool:
        """Whether a word of a sentence is the service's: a known one, or a known figure."""
        plain = word.casefold()
        if plain in self._hidden:
            return False
        if plain in self.known.words or _OCTET.fullmatch(plain):
            return True
        if plain.isdecimal():
            return len(plain) <= 3 and before in self._documented.before
        return bool(before) and self._documented.is_language(word)

    def value(self, name: str, text: str) -> str:
        """The value of a query parameter, of an envelope's header, or of a field."""
        if self.known.keeps_name(name) and self.known.keeps(name, text):
            return text
        return self.free(text)

    def name(self, name: str) -> str:
        """The name of a field or a parameter."""
        return name if self.known.keeps_name(name) else self.free(name)

    def place(self, name: str) -> str:
        """The name of the field, or the parameter, that a credential was in."""
        found = [word.casefold() for word in words(name)]
        own = any(word in self._said.words and word not in self.known.words for word in found)
        kept = self.known.keeps_name(name) or self.known.keeps_header(name)
        return name if kept and not own else self.free(name)

    # -- messages

    def message(
        self,
        text: str,
        sound: Sound,
        *,
        from_client: bool,
        fails: bool = False,
        inside: Path = (),
    ) -> str:
        """A text message, JSON or not, whole or not.

        Args:
            sound: makes noise of the audio in it.
            fails: it tells of a failure, whatever it looks like.
            inside: names of the fields that it is in, where it is JSON in JSON.
        """
        if text.strip() in self.known.kinds:
            return text
        if not is_json_like(text):
            return self.free(text, sound)
        fails = fails or (not from_client and _tells_of_failure(text))
        visit = _Visit(self, sound, fails=fails, from_client=from_client, chance=self._chance)
        return rewrite(text, visit, inside)

    def bytes(self, data: bytes, sound: Sound, *, from_client: bool) -> bytes:
        """The same in UTF-8; bytes that are none become others that are none."""
        text = self.message(data.decode("utf-8", "surrogateescape"), sound, from_client=from_client)
        return _SURROGATE.sub("\udcff", text).encode("utf-8", "surrogateescape")

    def figure(self, value: Value) -> str:
        """Another number, as long: the same one for the same digits.

        Its sign is another one for half of all numbers: many of them may be samples.
        """
        digits, mark, power = re.split("([eE]|$)", value.content, maxsplit=1)
        if self.aliases.data(b"sign of " + digits.encode())[0] % 2:
            digits = _other_sign(digits)
        return self.aliases.text(digits) + mark + power

    def is_audio(self, value: Value) -> bool:
        """Whether the catalog has audio in a field; a short text may be a word all the same."""
        api = self.known.api
        if api is None or ".".join(value.path) not in api.audio.fields:
            return False
        content = value.content
        return value.path != ("delta",) and len(content) >= 4 and _is_base64(content)


class _Visit:
    """Replaces the values of one message."""

    def __init__(
        self, texts: Texts, sound: Sound, *, fails: bool, from_client: bool, chance: random.Random
    ) -> None:
        self._texts = texts
        self._sound = sound
        self._fails = fails
        self._from_client = from_client
        self._chance = chance

    def __call__(self, value: Value) -> str:
        texts, known, content = self._texts, self._texts.known, value.content
        own = known.is_own(value.path)
        match value.kind:
            case "name":
                kept = known.keeps_name_at(value.path, content)
                return content if kept else texts.free(content)
            case "number":
                kept = not own and known.keeps_number(value.name, content)
                return content if kept else texts.figure(value)
            case "numbers":
                kept = not own and known.keeps_numbers(value.name)
                return content if kept else renumbered(content, self._sound, self._chance)
            case "bare":
                return texts.free(content)
        return self._text(value, own=own)

    def _text(self, value: Value, *, own: bool) -> str:
        texts, content = self._texts, value.content
        if content.lower() in ("", "true", "false", "null"):
            return content
        if texts.is_audio(value):
            return recoded(content, self._sound)
        if not own and texts.known.keeps(value.name, content):
            return content
        if len(content) == 1 and value.path[-1:] == ("*",):
            return texts.aliases.letter(content)  # of a text that is spelt out
        if _JSON.match(content) and len(value.path) < _DEEPEST:
            return texts.message(
                content,
                self._sound,
                from_client=self._from_client,
                fails=self._fails,
                inside=(*value.path, "*"),
            )
        if self._fails and not own and texts.known.is_error(value.name):
            return texts.failure(content)
        return texts.free(content, self._sound)


def _other_sign(digits: str) -> str:
    """A number with the other sign, as long, if there is one."""
    if digits.startswith("-"):
        return digits[1:] + "1"
    shorter = digits[:-1]
    return "-" + shorter if shorter[-1:].isdecimal() else digits


def is_json_like(text: str) -> bool:
    """Whether a text begins as JSON does, however it goes on."""
    return text.lstrip().startswith(("{", "[", '"'))


def is_text(content: bytes) -> bool:
    """Whether bytes are a text: JSON in the wrong kind of frame, a page of HTML."""
    if len(set(content[:1024])) < 4:
        return False  # silence of 8-bit samples
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    if not all(c.isprintable() or c in "\ufeff\r\n\t" for c in text[:1024]):
        return False
    ends = text.lstrip()[:1] + text.rstrip()[-1:]
    return ends == "{}" or len(text) >= _SHORT


def _tells_of_failure(text: str) -> bool:
    return bool(_FAILS.search(text)) or is_error(kind_of(text.encode("utf-8", "replace")))


def _is_base64(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/_\s-]+={0,2}", text) is not None and bool(decoded(text))
