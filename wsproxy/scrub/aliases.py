"""Synthetic words and ids in the same format as the real ones, and consistent within a trace.

A letter becomes a letter of the same case, script and length in UTF-8, and a digit a digit.
Characters between words are unchanged. A random key decides the new characters; it is not stored.
"""

from __future__ import annotations

import hashlib
import random
import re
import secrets
import sys
import unicodedata
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import groupby

from wsproxy.redact import PLACEHOLDER

_TRIES = 50

_HEX = r"[0-9a-fA-F]"
UUID = re.compile(rf"(?<![0-9a-fA-F]){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?!{_HEX})")
EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,80}@[\w-]{1,80}(?:\.[\w-]{1,40})+")
HEXADECIMAL = re.compile(rf"(?<![^\W_]){_HEX}{{12,}}(?![^\W_])")
TIME = re.compile(
    r"(?<![\w-])\d{4}-\d\d-\d\d"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?(?![\w-])"
)
# IP addresses except those of this machine; versions may look like one.
ADDRESS = re.compile(
    r"(?<![\w.:])(?!127\.0\.0\.1\b|0\.0\.0\.0\b)\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)"
    rf"|(?<![\w.:])(?={_HEX}{{0,4}}(?::{_HEX}{{1,4}})*::|(?:{_HEX}{{1,4}}:){{4}})"
    r"[0-9a-fA-F:]{4,39}(?:\.\d{1,3}){0,3}(?!\w)"
)
PHONE = re.compile(r"(?<![\w.])\+?\d(?:[ ()/.-]{0,2}\d){6,}(?![\w])")
# Mixed letters and digits, as in ids and keys.
# It begins at the beginning of a run, so that each run is searched once.
MIXED = re.compile(r"(?<![\w-])(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_-]{20,}(?![^\W_])")


def words(text: str) -> Iterator[str]:
    """The words of a text: runs of characters that are neither punctuation nor white space."""
    for is_word, run in groupby(text, _is_word_character):
        if is_word:
            yield "".join(run)


@lru_cache(maxsize=4096)
def _is_word_character(char: str) -> bool:
    category = unicodedata.category(char)
    if category in ("So", "Co", "Cn", "Sk"):  # emoji, private use, unassigned
        return not char.isascii()
    if category == "Cf":  # tag characters spell invisible words; joiners and marks do not
        return ord(char) > 0xFFFF
    return category[0] in "LMN"


class Aliases:
    """The synthetic names of one trace.

    Args:
        key: decides them; traces that are scrubbed with the same key have the same names.
        avoided: words (casefolded) that must not be used as synthetic words.
    """

    def __init__(self, key: bytes | None = None, avoided: Collection[str] = ()) -> None:
        self._key = key or secrets.token_bytes(16)
        self._avoided = frozenset(avoided)
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._synthetic_ids: set[str] = set()
        self._attempts: dict[str, int] = {}
        self._used: set[str] = set()
        self._texts: set[str] = set()

    def without_aliases(self, text: str) -> str:
        """A text with a placeholder for each synthetic name."""
        if text in self._texts:
            return PLACEHOLDER
        synthetic = self._synthetic_ids
        return _IDS.sub(lambda found: PLACEHOLDER if found[0] in synthetic else found[0], text)

    def text(self, text: str) -> str:
        """A text with synthetic ids and words."""
        out, at = [], 0
        for found in _IDS.finditer(text):
            out += [self._words(text[at : found.start()]), self.id(found[0])]
            at = found.end()
        synthetic = "".join([*out, self._words(text[at:])])
        self._texts.add(synthetic)
        return synthetic

    def _words(self, text: str) -> str:
        return "".join(
            self.word("".join(run)) if is_word else "".join(run)
            for is_word, run in groupby(text, _is_word_character)
        )

    def word(self, word: str) -> str:
        """A word of the same length, bytes in UTF-8, and pattern of cases and digits."""
        if word == PLACEHOLDER:
            return word
        if word not in self._names:
            plain = word.casefold()
            if plain not in self._attempts:
                self._attempts[plain] = self._choose_attempt(plain, word)
            self._names[word] = self._synthetic_word(plain, word, self._attempts[plain])
        return self._names[word]

    def _choose_attempt(self, plain: str, word: str) -> int:
        """Choose one of the possible names: preferably one that is not a real name."""
        last = 0
        for attempt in range(_TRIES):
            synthetic = self._synthetic_word(plain, word, attempt).casefold()
            if synthetic == plain:
                continue
            if synthetic not in self._avoided and synthetic not in self._used:
                self._used.add(synthetic)
                return attempt
            last = attempt
        return last

    def _synthetic_word(self, plain: str, word: str, attempt: int) -> str:
        chance = self._random(f"{attempt} {plain}")
        synthetic = _similar_text(word, chance)
        if synthetic[0] == "0" != word[0] and word.isdecimal():  # no number of JSON begins with one
            return chance.choice("123456789") + synthetic[1:]
        return synthetic

    def letter(self, char: str) -> str:
        """A random letter each time: a fixed substitution is a cipher that is easy to break."""
        return _similar_text(char, random.Random(secrets.randbits(64)))

    def id(self, name: str) -> str:
        """An id of the same shape: a UUID for a UUID, hexadecimal for hexadecimal."""
        if name == PLACEHOLDER:
            return name
        if name not in self._ids:
            synthetic = ""
            for attempt in range(_TRIES):
                synthetic = self._synthetic_id(name, attempt)
                if synthetic != name and self._avoided.isdisjoint(words(synthetic.casefold())):
                    break
            self._ids[name] = synthetic
            self._synthetic_ids.add(synthetic)
        return self._ids[name]

    def _synthetic_id(self, name: str, attempt: int) -> str:
        chance = self._random(f"id {attempt} {name.lower()}")
        if TIME.fullmatch(name):
            return _synthetic_time(name, chance)
        if not _is_hex(name):
            return _similar_text(name, chance)
        synthetic = "".join(_hex_digit(char, chance) for char in name)
        if UUID.fullmatch(name):  # version and variant are kept (RFC 9562)
            return f"{synthetic[:14]}{name[14]}{synthetic[15:19]}{name[19]}{synthetic[20:]}"
        return synthetic

    def data(self, data: bytes) -> bytes:
        """Synthetic bytes of the same length; equal input gives equal output."""
        return self._random(f"data {data.hex()}").randbytes(len(data))

    def _random(self, name: str) -> random.Random:
        content = name.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(content, key=self._key, digest_size=32).digest()
        return random.Random(digest)


def _synthetic_time(text: str, chance: random.Random) -> str:
    """Another time in the same format."""
    limits = iter((12, 28, 23, 59, 59))
    clock, zone = text[4:19], text[19:]
    synthetic = re.sub(r"\d\d", lambda _: f"{chance.randint(1, next(limits)):02}", clock)
    fraction, *offset = re.split(r"(?=[Z+-])", zone, maxsplit=1)
    digits = "".join(chance.choice("0123456789") if c.isdecimal() else c for c in fraction)
    return f"{chance.randint(1970, 2069)}{synthetic}{digits}{''.join(offset)}"


# The placeholder comes first: in a URL it may be the user, and must not match as an address.
_IDS = re.compile(
    "|".join((PLACEHOLDER, *(p.pattern for p in (UUID, EMAIL, TIME, HEXADECIMAL, MIXED))))
)


def _is_hex(name: str) -> bool:
    return bool(UUID.fullmatch(name) or (HEXADECIMAL.fullmatch(name) and not name.isdecimal()))


def _hex_digit(char: str, chance: random.Random) -> str:
    if char == "-":
        return char
    digit = chance.choice("0123456789abcdef")
    return digit.upper() if char.isupper() else digit


def _similar_text(text: str, chance: random.Random) -> str:
    """Other characters of the same kinds; characters between words are unchanged."""
    out: list[str] = []
    for pool, run in groupby(text, _replacement_characters):
        chars = list(run)
        if not pool:
            out += chars
            continue
        synthetic = chance.choices(pool, k=len(chars))
        out += [
            new.upper() if _is_capital(old) else new
            for old, new in zip(chars, synthetic, strict=True)
        ]
    return "".join(out)


@lru_cache(maxsize=4096)
def _replacement_characters(char: str) -> str:
    """Possible replacements of a character; of a capital, in lower case."""
    if not _is_word_character(char):
        return ""
    return _similar_characters(char.lower() if _is_capital(char) else char)


@lru_cache(maxsize=4096)
def _is_capital(char: str) -> bool:
    """Whether it is the capital of another letter."""
    small = char.lower()
    return small != char and _has_case(small) and small.upper() == char


def _has_case(char: str) -> bool:
    upper = char.upper()
    return len(char) == len(upper) == 1 and upper != char and upper.lower() == char


def _similar_characters(char: str) -> str:
    """Characters of the same category, case and length in UTF-8 near this one."""
    if char.isascii():
        return "0123456789" if char.isdigit() else "abcdefghijklmnopqrstuvwxyz"
    category, size, has_case = unicodedata.category(char), len(char.encode()), _has_case(char)
    found = char
    for width in (6, 8, 12):
        first = ord(char) >> width << width
        near = map(chr, range(max(first, 0x80), min(first + (1 << width), sys.maxunicode + 1)))
        found = "".join(
            c
            for c in near
            if unicodedata.category(c) == category
            and len(c.encode()) == size
            and _has_case(c) == has_case
            and (not has_case or len(c.upper().encode()) == len(char.upper().encode()))
        )
        if len(found) > 1:
            break
    return found
