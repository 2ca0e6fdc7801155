"""Parameters of the request that a server's sentence names, and language names for codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.catalog.envelope import field as field_of
from wsproxy.catalog.server_sentence import ServerSentence
from wsproxy.session.request_query import query_pairs

from .evidence import Evidence, quoted
from .session_facts import SessionFacts

_MAX_VALUE = 60  # characters of a value
_MAX_WORD = 40  # characters of a value without a space that is shown
_MAX_SHOWN = 4
_SUFFIX = re.compile(r"[_-](?:code|id|name)$")
_SHORTEST = 4  # characters of a value that is searched in a sentence
_LANGUAGE = re.compile(r"(?i)^(?:source_|target_|input_)?(?:lang|language|locale)(?:[_-]?code|s)?$")
_LIST = re.compile(r"(?<![\w/.:-])[a-z_]+(?:/[a-z_]+)+(?![\w/])")  # such as model/language/tier
_ABOUT_PARAMETERS = re.compile(r"(?i)lang|locale|model|param|value|invalid|support")
# Tags as of BCP 47, and the words that APIs take for several languages.
_CODE = re.compile(r"(?i)^(?:[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*|multi|multilingual|auto|detect|\*)$")
_NAMES = {
    "arabic": "ar", "bengali": "bn", "bulgarian": "bg", "catalan": "ca", "chinese": "zh",
    "croatian": "hr", "czech": "cs", "danish": "da", "deutsch": "de", "dutch": "nl",
    "english": "en", "español": "es", "espanol": "es", "estonian": "et", "finnish": "fi",
    "flemish": "nl-BE", "français": "fr", "francais": "fr", "french": "fr", "german": "de",
    "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "indonesian": "id",
    "italian": "it", "italiano": "it", "japanese": "ja", "korean": "ko", "latvian": "lv",
    "lithuanian": "lt", "malay": "ms", "mandarin": "zh", "marathi": "mr", "norwegian": "no",
    "persian": "fa", "polish": "pl", "portuguese": "pt", "punjabi": "pa", "romanian": "ro",
    "russian": "ru", "serbian": "sr", "slovak": "sk", "slovenian": "sl", "spanish": "es",
    "swahili": "sw", "swedish": "sv", "tamil": "ta", "telugu": "te", "thai": "th",
    "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi", "welsh": "cy",
}  # fmt: skip

_PRINTED = {
    "True": "it is written as Python prints it; APIs take true",
    "False": "it is written as Python prints it; APIs take false",
    "None": "it is what Python prints for a missing value",
    "undefined": "it is what JavaScript prints for a missing value",
    "null": "it is what JavaScript prints for a missing value",
    "NaN": "it is what JavaScript prints for a number that is none",
    "[object Object]": "it is what JavaScript prints for an object",
    "<nil>": "it is what Go prints for a missing value",
    "nil": "it is what Go, Ruby or Swift print for a missing value",
}
# In a host name, which is in lower case.
_PRINTED_NAMES = frozenset({"undefined", "null", "none", "nil", "nan"})
_PLACEHOLDER = re.compile(r"(?i)^(?:\$?\{\{?[\w .-]{1,40}\}\}?|<[\w .-]{1,40}>|your[_-]\w{1,40})$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the request.

    Attributes:
        name, value: as sent.
        frame: of the app's message that has it; None for the URL.
        note: what is wrong with it, if that is known.
        named: whether the server names it, not only its value.
    """

    name: str
    value: str
    frame: int | None = None
    note: str = ""
    named: bool = True

    @property
    def text(self) -> str:
        return quoted(f"{self.name}={self.value}", 2 * _MAX_VALUE)

    @property
    def evidence(self) -> Evidence:
        """Where it was sent, and what is wrong with it."""
        where = "in the URL" if self.frame is None else f"sent in frame {self.frame}"
        note = f": {self.note}" if self.note else ""
        frames = (self.frame,) if self.frame is not None else ()
        return Evidence(f"{where}: {self.text}{note}", frames)


def named_parameters(
    facts: SessionFacts, sentence: ServerSentence, *, plain: bool
) -> list[Parameter]:
    """The parameters of the URL or of the app's messages that a sentence names.

    Args:
        plain: whether a plain word such as "language" names a parameter in it.
    """
    about_parameters = _ABOUT_PARAMETERS.search(sentence.text)
    found = list(misnamed_languages(facts)) if about_parameters else []
    found += _of_url(facts, sentence, plain=plain)
    if not found and sentence.parameter:
        found = list(_of_messages(facts, sentence.parameter))
    distinct: dict[str, Parameter] = {}
    for parameter in found:
        distinct.setdefault(parameter.name, parameter)
    return list(distinct.values())[:_MAX_SHOWN]


def misnamed_languages(facts: SessionFacts) -> Iterator[Parameter]:
    """Parameters for a language whose value is no code of one."""
    for name, value in url_parameters(facts):
        if _LANGUAGE.match(name) and value and not _CODE.match(value):
            code = _NAMES.get(value.lower())
            meant = f"; the code of {value.capitalize()} is {code}" if code else ""
            yield Parameter(name, value, None, f"{quoted(value)!r} is not a language code{meant}")


def printed_values(facts: SessionFacts) -> Iterator[Parameter]:
    """Parameters whose value is what a program prints for no value, or a placeholder."""
    for name, value in url_parameters(facts):
        note = _PRINTED.get(value)
        if note is None and _PLACEHOLDER.match(value):
            note = "it is a placeholder that was not filled in"
        if note is not None:
            yield Parameter(name, value, None, note)


def printed_host_part(host: str) -> str:
    """The part of a host name that a program prints for a missing value; "" without one."""
    parts = re.split(r"[.-]", host)
    return next((part for part in parts if part in _PRINTED_NAMES), "")


def _of_url(facts: SessionFacts, sentence: ServerSentence, *, plain: bool) -> Iterator[Parameter]:
    words = sentence.text.lower()
    last = sentence.parameter.rpartition(".")[2].lower()
    listed = {name for names in _LIST.findall(words) for name in names.split("/")}
    for name, value in url_parameters(facts):
        by_name = name.lower() == last or name.lower() in listed
        is_word = (plain and len(name) > 2) or _is_telling(name)
        by_name = by_name or (is_word and _occurs(name.lower(), words))
        by_name = by_name or (plain and _is_meant(name.lower(), words))
        by_name = by_name and not _has_another_value(name.lower(), value.lower(), words)
        by_value = _is_telling(value) and _occurs(value.lower(), words)
        by_name = by_name or _is_quoted(name, words)
        if by_name or by_value or _is_quoted(value, words):
            yield Parameter(name, value, named=by_name)


def _of_messages(facts: SessionFacts, path: str) -> Iterator[Parameter]:
    for message in reversed(facts.client_json):
        value = field_of(message.content, path)
        if isinstance(value, str) and len(value) > _MAX_WORD and " " not in value:
            return  # audio or an id: nothing that anybody reads
        if isinstance(value, (str, int, float, bool)):
            yield Parameter(path, str(value)[:_MAX_VALUE], message.frame)
            return


def url_parameters(facts: SessionFacts) -> Iterator[tuple[str, str]]:
    """The parameters of the URL, without those that were redacted."""
    for name, value in query_pairs(facts.session.request):
        if name and "REDACTED" not in value:
            yield name, value[:_MAX_VALUE]


def _is_telling(word: str) -> bool:
    """Whether a word is no word of a language, which a sentence may contain by chance."""
    return len(word) >= _SHORTEST and bool(re.search(r"[a-z][\d_-]|\d[a-z_-]", word.lower()))


def _is_meant(name: str, text: str) -> bool:
    """Whether a text has the plain word of a name such as language_code or model_id."""
    plain = _SUFFIX.sub("", name)
    return plain != name and len(plain) >= _SHORTEST and _occurs(plain, text)


def _is_quoted(word: str, text: str) -> bool:
    return any(f"{mark}{word.lower()}{mark}" in text for mark in "'\"`")


def _has_another_value(name: str, value: str, text: str) -> bool:
    """Whether a text has a name with a value in quotation marks that is not the one sent."""
    stated = re.findall(
        rf"(?<![\w-]){re.escape(name)}[ =:]{{1,3}}['\"`]([^'\"`]{{1,80}})['\"`]", text
    )
    return bool(stated) and value not in stated


def _occurs(word: str, text: str) -> bool:
    """Whether a word stands alone in a text; a space stands for an underscore."""
    pattern = re.sub("_|\\\\-", "[_ -]?", re.escape(word))
    return bool(re.search(rf"(?<![\w-]){pattern}(?![\w-])", text))
