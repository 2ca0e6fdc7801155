"""Texts of a session: what people said is replaced, what a document says stays."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from wsproxy.compare.kinds import is_error, kind_of
from wsproxy.redact import PLACEHOLDER

from .aliases import ADDRESS, EMAIL, HEXADECIMAL, MIXED, PHONE, TIME, UUID, Aliases, words
from .jsontext import Value, rewrite
from .known import Known, is_own, plain_name

Sound = Callable[[bytes], bytes]  # audio, to noise of the same length

_FAILS = re.compile(
    r'"(?:err_msg|err_code|error|error_code|error_message|error_type|warning|warning_code)"'
    r'\s*:\s*["{\d]'
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")
_KEPT_AS_IS = re.compile(
    "|".join(
        (PLACEHOLDER, *(p.pattern for p in (UUID, EMAIL, HEXADECIMAL, MIXED, TIME, ADDRESS, PHONE)))
    )
)
_FIGURE = re.compile(r"\d{1,6}|0x[0-9a-fA-F]{1,2}")
_SURROGATE = re.compile("[\udc80-\udcff]")
_QUOTED = 3  # words one after another that are somebody's, if somebody said them so


class Said:
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
    return sum(map(str.isalpha, word)) >= 4


def runs(found: list[str]) -> Iterator[tuple[str, ...]]:
    """Words, three at a time."""
    return zip(found, found[1:], found[2:], strict=False)


class Texts:
    """Replaces what is not known to be harmless.

    Args:
        known: what the catalog knows of the API.
        aliases: what takes its place.
        said: what somebody said, which no error message may repeat.
        hosts: whether the names of hosts are replaced in error messages as well.
    """

    def __init__(
        self, known: Known, aliases: Aliases, said: Said, hidden: frozenset[str] = frozenset()
    ) -> None:
        self.known = known
        self.aliases = aliases
        self._said = said
        self._hidden = hidden

    # -- texts

    def free(self, text: str) -> str:
        """A text that may be anybody's: all of it is replaced."""
        return self.aliases.text(text)

    def failure(self, text: str) -> str:
        """What tells of a failure: words that the catalog has of failures stay."""
        out, at = [], 0
        for found in _KEPT_AS_IS.finditer(text):
            out += [self._known_words(text[at : found.start()]), self._special(found[0])]
            at = found.end()
        return "".join([*out, self._known_words(text[at:])])

    def _special(self, text: str) -> str:
        if TIME.fullmatch(text):
            return text
        return self.aliases.word(text) if PHONE.fullmatch(text) else self.aliases.id(text)

    def _known_words(self, text: str) -> str:
        found = list(words(text))
        quoted: set[int] = set()
        for at, run in enumerate(runs([word.casefold() for word in found])):
            if run in self._said.runs:
                quoted.update(range(at, at + _QUOTED))
        out, place = [], 0
        for index, word in enumerate(found):
            start = text.index(word, place)
            kept = index not in quoted and self._is_known(word)
            out += [text[place:start], word if kept else self.aliases.word(word)]
            place = start + len(word)
        return "".join([*out, text[place:]])

    def _is_known(self, word: str) -> bool:
        plain = word.casefold()
        if plain in self._hidden:
            return False
        return plain in self.known.words or _FIGURE.fullmatch(word) is not None

    def value(self, name: str, text: str) -> str:
        """The value of a header, of a query parameter, or of a field."""
        if self.known.keeps(name, text):
            return text
        return self.free(text)

    def place(self, name: str) -> str:
        """The name of the field, or the parameter, that a credential was in."""
        found = [word.casefold() for word in words(name)]
        own = any(word in self._said.words and word not in self.known.words for word in found)
        return name if self.known.keeps_name(name) and not own else self.free(name)

    # -- messages

    def message(self, text: str, sound: Sound, *, from_client: bool, fails: bool = False) -> str:
        """A text message, JSON or not, whole or not.

        Args:
            sound: makes noise of the audio in it.
            fails: it tells of a failure, whatever it looks like.
        """
        if text.strip() in self.known.kinds:
            return text
        if not is_json_like(text):
            return self.free(text)
        fails = fails or (not from_client and _tells_of_failure(text))
        return rewrite(text, lambda value: self._visit(value, sound, fails=fails))

    def bytes(self, data: bytes, sound: Sound, *, from_client: bool) -> bytes:
        """The same in UTF-8; bytes that are none become others that are none."""
        text = self.message(data.decode("utf-8", "surrogateescape"), sound, from_client=from_client)
        return _SURROGATE.sub("\udcff", text).encode("utf-8", "surrogateescape")

    def _visit(self, value: Value, sound: Sound, *, fails: bool) -> str:
        content = value.content
        match value.kind:
            case "name":
                return content if self._keeps_name(value) else self.free(content)
            case "number":
                kept = self.known.keeps_number(value.name, content)
                return content if kept else self._figure(content)
            case "bare":
                return self.free(content)
        if self._is_audio(value):
            return _audio(content, sound)
        if self.known.keeps(value.name, content) and not self._is_private(value):
            return content
        if fails and self.known.is_error(value.name) and not self._is_private(value):
            return self.failure(content)
        return self.free(content)

    def _is_private(self, value: Value) -> bool:
        return any(map(is_own, value.path))

    def _keeps_name(self, value: Value) -> bool:
        name = value.content
        if not self.known.keeps_name(name):
            return False
        if not any(map(is_own, value.path)):
            return True
        return all(part in self.known.words for part in plain_name(name).split("_") if part)

    def _figure(self, digits: str) -> str:
        # The first digit stays: a number of JSON does not begin with a zero.
        first = 1 + digits.startswith("-")
        return digits[:first] + self.aliases.word(digits[first:])

    def _is_audio(self, value: Value) -> bool:
        api = self.known.api
        path = ".".join(value.path)
        if api is not None and path in api.audio.fields and _is_base64(value.content):
            # Where one name is that of texts and of audio, a short text stays a text.
            return path != "delta" or _BASE64.fullmatch(value.content) is not None
        return _BASE64.fullmatch(value.content) is not None and _is_base64(value.content)


def is_json_like(text: str) -> bool:
    """Whether a text begins as JSON does, however it goes on."""
    return text.lstrip().startswith(("{", "[", '"'))


def _tells_of_failure(text: str) -> bool:
    return bool(_FAILS.search(text)) or is_error(kind_of(text.encode("utf-8", "replace")))


def _is_base64(text: str) -> bool:
    return _decoded(text) is not None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _audio(text: str, sound: Sound) -> str:
    data = _decoded(text) or b""
    return base64.b64encode(sound(data)).decode()
