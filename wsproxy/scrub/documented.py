"""What the APIs' documents list, as sets.

The lists are in documented.toml. Everything that is not in them is treated as personal.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT = re.compile(r"[-_./: ]")
# Sampling rates and bit rates in names of formats: pcm_16000, mp3_44100_128.
_FORMAT = re.compile(
    r"(?:pcm|ulaw|mulaw|alaw|mp3|opus|wav|flac|aac)(?:_(?:8|11025|16|22050|24|32|44100|48|\d{1,2}000|\d{2,3})){1,2}"
    r"|(?:raw|riff|audio|ogg|webm|amr)(?:-\d{1,3}(?:khz|kbitrate|kbps|bit)|-mono|-stereo|-pcm|-mp3|-opus|-wb"
    r"|-truesilk|-mulaw|-alaw|-mp3|-siren|-silk){1,6}"
)
_LANGUAGE = re.compile(r"([a-zA-Z]{2,6})(?:[-_]([A-Za-z0-9]{2,5})){0,2}")
_RATES = ("0", "1", "100", "11025", "22050", "44100", "88200")
# A version of an API or a library; four parts would be an IP address.
_API_VERSION = re.compile(
    r"20\d\d-[01]\d-[0-3]\d(?:-preview)?|v?\d{1,3}(?:\.\d{1,4}){0,2}(?:alpha|beta)?\d?"
)
_VERSION = re.compile(r"v?\d{1,2}[a-z]?")
# The day of a release, e.g. gpt-4o-realtime-preview-2024-12-17.
_DAY = re.compile(
    r"[-@](?:202\d-[01]\d-[0-3]\d|(?:0[1-9]|1[0-2])-202\d|202\d[01]\d[0-3]\d|00[1-9])$"
)


def normalized_name(name: str) -> str:
    """A field's name in lower snake case, as in the lists."""
    return _HUMP.sub("_", name).replace("-", "_").replace(" ", "_").lower()


@dataclass(frozen=True, slots=True)
class Documented:
    """What documents list.

    Attributes:
        names: of JSON fields and query parameters, normalized.
        figures: names whose numbers are not personal: times, sizes, counts, settings.
        small: figures below 1000.
        rates: figures in samples per second.
        lists: names with long lists of these numbers.
        own: names whose content is user-defined.
        structured: "own name.name" for fields that the API fills inside user-defined ones.
        values: per field, its possible values.
        fields: per kind ("model", "language", ...), the fields of that kind.
        models, voices: words in names of models; a voice alone is not a model.
        encodings, media_types, languages, language_names, regions: their values.
        sentences: words of error messages, casefolded.
        units: words after a number that is a measurement.
        before: words before a number that is a measurement.
        limits: words before a number that is a limit, or that the service counted.
        hosts: labels of host names.
        headers: names of HTTP headers, lower case.
        numeric: headers whose value is a number.
        tokens: words in the values of headers, lower case.
        subprotocols: lower case.
    """

    names: frozenset[str]
    figures: frozenset[str]
    small: frozenset[str]
    rates: frozenset[str]
    lists: frozenset[str]
    own: frozenset[str]
    structured: frozenset[str]
    values: Mapping[str, frozenset[str]]
    fields: Mapping[str, frozenset[str]]
    models: frozenset[str]
    voices: frozenset[str]
    encodings: frozenset[str]
    media_types: frozenset[str]
    languages: frozenset[str]
    language_names: frozenset[str]
    regions: frozenset[str]
    sentences: frozenset[str]
    units: frozenset[str]
    before: frozenset[str]
    limits: frozenset[str]
    hosts: frozenset[str]
    headers: frozenset[str]
    numeric: frozenset[str]
    tokens: frozenset[str]
    subprotocols: frozenset[str]

    def is_user_defined(self, name: str) -> bool:
        """Whether the content of a field of this name is user-defined."""
        return normalized_name(name) in self.own

    def keeps(self, name: str, value: str) -> bool:
        """Whether a document lists this text for a field of this normalized name."""
        if value in self.values.get(name, ()):
            return True
        return any(
            name in fields and all(_is_kind(self, kind, part) for part in value.split(","))
            for kind, fields in self.fields.items()
        )

    def keeps_number(self, name: str, digits: str, max_digits: int) -> bool:
        """Whether a number in a field of this normalized name is not personal.

        Args:
            most: maximum digits before the decimal point.
        """
        integer, point, _ = digits.lstrip("+-").partition(".")
        if name in self.small:
            return len(integer) <= 3
        if name in self.rates:
            return (
                not point and len(integer) <= 6 and (integer.endswith("000") or integer in _RATES)
            )
        return name in self.figures and len(integer) <= max_digits

    def is_model(self, text: str) -> bool:
        """Whether a text is the name of a provider's model or voice rather than a customer's."""
        plain = _DAY.sub("", text)
        parts = [part for part in _SPLIT.split(plain) if part]
        named = any(part in self.models for part in parts)
        words = self.models | self.voices
        return (
            named
            and ":" not in text
            and all(part in words or _VERSION.fullmatch(part) for part in parts)
        )

    def is_encoding(self, text: str) -> bool:
        """Whether a text is the name of an encoding or container."""
        return text in self.encodings or _FORMAT.fullmatch(text) is not None

    def is_media_type(self, text: str) -> bool:
        """Whether a text is a media type whose parameters are only rates and codecs."""
        kind, *parameters = (part.strip() for part in text.split(";"))
        return (kind.lower() in self.media_types or kind in self.media_types) and all(
            self._is_parameter(each) for each in parameters
        )

    def _is_parameter(self, text: str) -> bool:
        name, _, value = text.partition("=")
        value = value.strip('"')
        return name.lower() in self.tokens and (
            value.lower() in self.tokens
            or self.is_encoding(value)
            or (value.isascii() and value.replace(".", "", 1).isdecimal() and len(value) <= 6)
        )

    def is_language(self, text: str) -> bool:
        """Whether a text is a language tag or the English name of a language."""
        if text.lower() in self.language_names:
            return True
        if not _LANGUAGE.fullmatch(text):
            return False
        code, *regions = re.split("[-_]", text)
        return (code.lower() in self.languages or text in self.languages) and all(
            region in self.regions or region.upper() in self.regions for region in regions
        )


def _is_kind(lists: Documented, kind: str, text: str) -> bool:
    match kind:
        case "model":
            return lists.is_model(text)
        case "encoding":
            return lists.is_encoding(text)
        case "media_type":
            return lists.is_media_type(text)
        case "language":
            return lists.is_language(text.strip())
        case "version":
            return _API_VERSION.fullmatch(text) is not None
    return False


@cache
def documented() -> Documented:
    """The content of documented.toml, cached."""
    data = tomllib.loads(resources.files(__package__).joinpath("documented.toml").read_text())
    values: dict[str, set[str]] = {}
    for table in data.values():
        for name, words in table.get("values", {}).items():
            values.setdefault(normalized_name(name), set()).update(words.split())
    kinds = {
        kind: frozenset(map(normalized_name, names.split()))
        for kind, names in data["fields"].items()
    }
    return Documented(
        names=_union(data, "names", "figures", "small", "rates", "lists", "own").union(
            values, *kinds.values()
        ),
        figures=_union(data, "figures", "small", "rates", "lists"),
        small=_union(data, "small"),
        rates=_union(data, "rates"),
        lists=_union(data, "lists"),
        own=_union(data, "own"),
        structured=word_set(data["structured"]["paths"]),
        values={name: frozenset(words) for name, words in values.items()},
        fields=kinds,
        models=word_set(data["models"]["words"]),
        voices=word_set(data["models"]["voices"]),
        encodings=word_set(data["encodings"]["words"]),
        media_types=word_set(data["media_types"]["words"]),
        languages=word_set(data["languages"]["codes"]),
        language_names=word_set(data["languages"]["words"]),
        regions=word_set(data["languages"]["regions"]),
        sentences=word_set(data["sentences"]["words"]),
        units=word_set(data["sentences"]["units"]),
        before=word_set(data["sentences"]["before"]),
        limits=word_set(data["sentences"]["limits"]),
        hosts=word_set(data["hosts"]["labels"]),
        **{
            each: word_set(data["http"][each])
            for each in ("headers", "numeric", "tokens", "subprotocols")
        },
    )


def word_set(text: str) -> frozenset[str]:
    """The words of a space-separated list."""
    return frozenset(text.split())


def _union(data: Mapping[str, Mapping[str, Any]], *keys: str) -> frozenset[str]:
    return frozenset(
        normalized_name(word)
        for table in data.values()
        for key in keys
        for word in str(table.get(key, "")).split()
    )
