"""Scrubs texts of a session: documented values stay, everything else is replaced."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from wsproxy.redact import PLACEHOLDER
from wsproxy.session.message_kinds import is_error, kind_of

from .aliases import ADDRESS, EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID, Aliases, words
from .allowlist import Allowlist
from .documented import documented
from .json_rewrite import JsonValue, Path, rewrite
from .text_encodings import (
    RUN,
    AudioReplacer,
    decode_base64,
    is_number_list,
    is_spaced_hex,
    replace_encoded,
    replace_numbers,
    replace_spaced_hex,
)

_FAILURE_FIELDS = re.compile(
    r'"(?:err_msg|err_code|error|error_code|error_message|error_type|warning|warning_code)"'
    r'\s*:\s*["{\d]'
)
_LOCAL_HOST = r"(?<![\w.])(?:127\.0\.0\.1|0\.0\.0\.0)(?![\w.]*\w)"
_ID_PATTERNS = (UUID, EMAIL, HEXADECIMAL, TIME, MIXED, ADDRESS, PHONE)
# Parts of a text that are not words: ids, addresses, times.
_IDS_AND_ADDRESSES = re.compile(
    "|".join((PLACEHOLDER, _LOCAL_HOST, *(p.pattern for p in _ID_PATTERNS)))
)
# Marks around user data in a service's error message.
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
# A number with its unit, as one word or two.
_MEASURE = re.compile(r"(?<![\w.])(\d{1,6})(?:[.,](\d{1,6}))?\s?(?P<unit>[A-Za-z]{1,12})(?![^\W_])")
# A number after a word such as "limit": "maximum character limit of 2000", "Used 39999".
_LIMIT = re.compile(
    r"(?<!\w)(?P<word>[A-Za-z]{3,9})(?: (?:of|is|to|at|was|value))?[ :=(]{1,2}(\d{1,6})(?![\w.]*\w)"
)
_OCTET = re.compile(r"0x[0-9a-f]{1,2}")
_SURROGATE = re.compile("[\udc80-\udcff]")
_TRIPLE = 3  # consecutive words that are private if somebody said them
_JSON = re.compile(r'\s*+(?:\{\s*+["}]|\[\s*+["{\[\]\d-])')
_CONTENT = "\0content"  # in the path of JSON inside text that people or functions wrote
_MAX_DEPTH = 32  # names above JSON inside a string of JSON
_SHORT = 32  # bytes below which samples may be printable by chance


class SpokenText:
    """The speech of a session, as words and word triples.

    Attributes:
        words: the distinctive words, casefolded.
        runs: all triples of consecutive words.
    """

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.runs: set[tuple[str, ...]] = set()

    def add(self, text: str) -> None:
        """Add a text that is or may be speech."""
        found = [word.casefold() for word in words(text)]
        self.words.update(word for word in found if is_distinctive(word))
        self.runs.update(word_triples(found))


def is_distinctive(word: str) -> bool:
    """Whether a word is long enough to be searched for in a scrubbed trace."""
    return len(word) >= 4


def word_triples(found: list[str]) -> Iterator[tuple[str, ...]]:
    """Triples of consecutive words."""
    return zip(found, found[1:], found[2:], strict=False)


class TextScrubber:
    """Replaces what no document lists.

    Args:
        allowlist: what may stay for this API.
        aliases: synthetic replacements.
        spoken: speech, which is also replaced in error messages.
        hidden: words of hosts that are also replaced in error messages.
        declared: values of the request's parameters that stay there, and so in error messages.
    """

    def __init__(
        self,
        allowlist: Allowlist,
        aliases: Aliases,
        spoken: SpokenText,
        hidden: frozenset[str] = frozenset(),
        declared: frozenset[str] = frozenset(),
    ) -> None:
        self.allowlist = allowlist
        self.aliases = aliases
        self._spoken = spoken
        self._hidden = hidden
        self._declared = declared - hidden
        self._documented = documented()
        self._random = random.Random(aliases.data(bytes(16)))

    # -- texts

    def replace(self, text: str, replace_audio: AudioReplacer | None = None) -> str:
        """Replace all of a text.

        Args:
            replace_audio: converts audio in it to noise; None: it cannot hold audio.
        """
        change = replace_audio or self.aliases.data
        if replace_audio is not None and is_number_list(text):
            return replace_numbers(text, change, self._random)
        if is_spaced_hex(text):
            return replace_spaced_hex(text, change)
        out, at = [], 0
        for found in RUN.finditer(text):
            out += [
                self.aliases.text(text[at : found.start()]),
                self._replace_encoded(found, change),
            ]
            at = found.end()
        return "".join([*out, self.aliases.text(text[at:])])

    def _replace_encoded(self, found: re.Match[str], change: AudioReplacer) -> str:
        head = found["head"] or ""
        media = head.removeprefix("data:").removesuffix(";base64,")
        kept = head if self._documented.is_media_type(media) else self.aliases.text(head)
        return kept + replace_encoded(
            found["code"], lambda data: self._replace_decoded(data, change)
        )

    def _replace_decoded(self, data: bytes, change: AudioReplacer) -> bytes:
        """Replace the content of base64: text or audio."""
        if not is_text(data):
            return change(data)
        text = data.decode()
        if not is_json_like(text):
            return self.replace(text, change).encode()
        return rewrite(text, lambda value: self._replace_value(value, change)).encode()

    def _replace_value(self, value: JsonValue, change: AudioReplacer) -> str:
        """Replace a value inside encoded JSON."""
        match value.kind:
            case "number":
                return self.number(value)
            case "numbers":
                return replace_numbers(value.content, change, self._random)
            case "text":
                return self.replace(value.content, change)
        return self.aliases.text(value.content)

    def error_text(self, text: str) -> str:
        """Scrub an error message: the service's words stay, quoted text does not."""
        if text.lstrip()[:1] == "<":
            return self._scrub_sentence(text)  # an HTML page: quoted text is markup
        out, at = [], 0
        for found in _QUOTES.finditer(text):
            out += [self._scrub_sentence(text[at : found.start()]), self._scrub_quoted(found[0])]
            at = found.end()
        return "".join([*out, self._scrub_sentence(text[at:])])

    def _scrub_quoted(self, text: str) -> str:
        return text if self._is_listed(text[1:-1]) else self.aliases.text(text)

    def _is_listed(self, text: str) -> bool:
        """Whether a text is a documented name or value."""
        allowlist = self.allowlist
        return (
            allowlist.keeps_name(text)
            or text in allowlist.listed_values
            or text in self._declared
            or self._documented.is_model(text)
            or self._documented.is_encoding(text)
            or self._documented.is_media_type(text)
        )

    def _scrub_sentence(self, text: str) -> str:
        out, at = [], 0
        for found in _IDS_AND_ADDRESSES.finditer(text):
            out += [self._scrub_words(text[at : found.start()]), self._id_or_address(found[0])]
            at = found.end()
        return "".join([*out, self._scrub_words(text[at:])])

    def _id_or_address(self, text: str) -> str:
        word_set = self._documented.is_model(text) or text in self.allowlist.listed_values
        if word_set or self.allowlist.is_local(text) or text == "0.0.0.0":
            return text
        return self.aliases.word(text) if PHONE.fullmatch(text) else self.aliases.id(text)

    def _scrub_words(self, text: str) -> str:
        found = list(words(text))
        quoted: set[int] = set()
        for at, run in enumerate(word_triples([word.casefold() for word in found])):
            if run in self._spoken.runs:
                quoted.update(range(at, at + _TRIPLE))
        measured = {
            each.start(group)
            for each in _MEASURE.finditer(text)
            if each["unit"].lower() in self._documented.units
            for group in (1, 2)
        } | {
            each.start(2)
            for each in _LIMIT.finditer(text)
            if each["word"].lower() in self._documented.limits
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
        """Whether a word of an error message is a documented word or number."""
        plain = word.casefold()
        if plain in self._hidden:
            return False
        if plain in self.allowlist.words or word in self._declared or _OCTET.fullmatch(plain):
            return True
        if plain.isdecimal():
            return len(plain) <= 3 and before in self._documented.before
        return bool(before) and self._documented.is_language(word)

    def value(self, name: str, text: str) -> str:
        """Scrub the value of a query parameter, an envelope's header, or a field."""
        if self.allowlist.keeps_name(name) and self.allowlist.keeps(name, text):
            return text
        return self.replace(text)

    def name(self, name: str) -> str:
        """Scrub the name of a field or parameter."""
        return name if self.allowlist.keeps_name(name) else self.replace(name)

    def field_name(self, name: str) -> str:
        """Scrub the name of a field or parameter that held a credential."""
        found = [word.casefold() for word in words(name)]
        own = any(word in self._spoken.words and word not in self.allowlist.words for word in found)
        kept = self.allowlist.keeps_name(name) or self.allowlist.keeps_header(name)
        return name if kept and not own else self.replace(name)

    # -- messages

    def message(
        self,
        text: str,
        replace_audio: AudioReplacer,
        *,
        from_client: bool,
        fails: bool = False,
        inside: Path = (),
    ) -> str:
        """Scrub a text message, JSON or not, complete or not.

        Args:
            replace_audio: converts audio in it to noise.
            fails: treat it as an error message.
            inside: names of the enclosing fields, for JSON inside JSON.
        """
        if text.strip() in self.allowlist.kinds:
            return text
        if not is_json_like(text):
            return self.replace(text, replace_audio)
        fails = fails or (not from_client and _reports_failure(text))
        visit = _ValueScrubber(
            self, replace_audio, fails=fails, from_client=from_client, chance=self._random
        )
        return rewrite(text, visit, inside)

    def message_bytes(
        self, data: bytes, replace_audio: AudioReplacer, *, from_client: bool
    ) -> bytes:
        """Scrub a text message in UTF-8; invalid bytes become other invalid bytes."""
        text = self.message(
            data.decode("utf-8", "surrogateescape"), replace_audio, from_client=from_client
        )
        return _SURROGATE.sub("\udcff", text).encode("utf-8", "surrogateescape")

    def number(self, value: JsonValue) -> str:
        """A synthetic number of the same length; equal digits give equal numbers.

        Half of all numbers change their sign, because they may be samples.
        """
        digits, mark, power = re.split("([eE]|$)", value.content, maxsplit=1)
        if self.aliases.data(b"sign of " + digits.encode())[0] % 2:
            digits = _other_sign(digits)
        return self.aliases.text(digits) + mark + power

    def is_audio(self, value: JsonValue) -> bool:
        """Whether a field holds audio according to the catalog; a short text may be a word."""
        api = self.allowlist.api
        if api is None or ".".join(value.path) not in api.audio.fields:
            return False
        content = value.content
        return value.path != ("delta",) and len(content) >= 4 and _is_base64(content)


class _ValueScrubber:
    """Replaces the values of one message."""

    def __init__(
        self,
        texts: TextScrubber,
        replace_audio: AudioReplacer,
        *,
        fails: bool,
        from_client: bool,
        chance: random.Random,
    ) -> None:
        self._texts = texts
        self._replace_audio = replace_audio
        self._fails = fails
        self._from_client = from_client
        self._random = chance

    def __call__(self, value: JsonValue) -> str:
        texts, allowlist, content = self._texts, self._texts.allowlist, value.content
        own = allowlist.is_user_defined(value.path)
        match value.kind:
            case "name":
                kept = allowlist.keeps_name_at(value.path, content)
                return content if kept else texts.replace(content)
            case "number":
                kept = not own and allowlist.keeps_number(value.name, content)
                return content if kept else texts.number(value)
            case "numbers":
                kept = not own and allowlist.keeps_numbers(value.name)
                return (
                    content if kept else replace_numbers(content, self._replace_audio, self._random)
                )
            case "bare":
                return texts.replace(content)
        return self._text(value, own=own)

    def _text(self, value: JsonValue, *, own: bool) -> str:
        texts, content = self._texts, value.content
        if content.lower() in ("", "true", "false", "null"):
            return content
        if texts.is_audio(value):
            return replace_encoded(content, self._replace_audio)
        if not own and texts.allowlist.keeps(value.name, content):
            return content
        if len(content) == 1 and value.path[-1:] == ("*",):
            return texts.aliases.letter(content)  # of a text that is spelled out
        if _JSON.match(content) and len(value.path) < _MAX_DEPTH:
            return texts.message(
                content,
                self._replace_audio,
                from_client=self._from_client,
                fails=self._fails,
                inside=(
                    *value.path,
                    _CONTENT if texts.allowlist.is_speech_field(value.name) else "*",
                ),
            )
        if self._fails and not own and texts.allowlist.is_error(value.name):
            return texts.error_text(content)
        return texts.replace(content, self._replace_audio)


def _other_sign(digits: str) -> str:
    """A number of the same length with the other sign, if there is one."""
    if digits.startswith("-"):
        return digits[1:] + "1"
    shorter = digits[:-1]
    return "-" + shorter if shorter[-1:].isdecimal() else digits


def is_json_like(text: str) -> bool:
    """Whether a text begins like JSON."""
    return text.lstrip().startswith(("{", "[", '"'))


def is_text(content: bytes) -> bool:
    """Whether bytes are text: JSON in a binary message, an HTML page."""
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


def _reports_failure(text: str) -> bool:
    return bool(_FAILURE_FIELDS.search(text)) or is_error(kind_of(text.encode("utf-8", "replace")))


def _is_base64(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9+/_\s-]+={0,2}", text) is not None and bool(decode_base64(text))
