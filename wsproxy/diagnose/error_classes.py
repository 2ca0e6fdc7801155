"""What kind of error a server's sentence describes, by its words.

`error_classes.toml` has the words, which are those that public APIs use. The class gives the
meaning, causes, remedies and retry
advice where no condition of the catalog explains the error. A sentence without any of these
words has no class: then only the sentence itself is reported.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsproxy.catalog import Advice
from wsproxy.catalog.server_sentence import ServerSentence
from wsproxy.catalog.toml_table import read_toml

MAX_WORDS = 2000  # characters that are searched
# Names that say whose fault an error is, and nothing of its kind.
_BLAME = re.compile(r"(?i)(?:bad|invalid)[ _]?request(?:[ _]?(?:error|exception))?")


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """A kind of error.

    Attributes:
        id: such as "credentials"; `class` in the JSON.
        words: what a sentence, or a name that stands with it, has to contain.
        causes, remedies, retry, retry_note: as of a condition.
    """

    id: str
    words: re.Pattern[str]
    meaning: str
    causes: Sequence[Advice]
    remedies: Sequence[Advice]
    retry: str
    retry_note: str = ""


def classify(sentence: ServerSentence) -> ErrorClass | None:
    """The class of a sentence, by its own words, else by the names that stand with it."""
    text = sentence.text[:MAX_WORDS]
    if " " not in text:  # a name such as "invalid_request"
        text = text.replace("_", " ")
    named = [name for name in sentence.names if not _BLAME.fullmatch(name)]
    blames = len(named) < len(sentence.names) or _BLAME.fullmatch(text) is not None
    own = _first_class(text) if not _BLAME.fullmatch(text) else None
    if own is not None:
        return own
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(named).replace("_", " "))
    return _first_class(spaced) or (class_of("request") if blames else None)


def _first_class(text: str) -> ErrorClass | None:
    return next((c for c in error_classes() if c.words.search(text)), None)


def class_of(name: str) -> ErrorClass:
    """The class with an id.

    Raises:
        KeyError: there is none.
    """
    return {each.id: each for each in error_classes()}[name]


def _error_class(table: Mapping[str, Any]) -> ErrorClass:
    return ErrorClass(
        table["id"],
        re.compile(table["words"], re.IGNORECASE | re.VERBOSE),
        table["meaning"],
        tuple(_advice(item) for item in table["causes"]),
        tuple(_advice(item) for item in table["remedies"]),
        table["retry"],
        table.get("retry_note", ""),
    )


def _advice(item: str | Mapping[str, str]) -> Advice:
    return Advice(item) if isinstance(item, str) else Advice(item["text"], item["when"])


@functools.cache
def error_classes() -> tuple[ErrorClass, ...]:
    """All classes, in the order in which they are tried; read when they are first needed."""
    text = (Path(__file__).parent / "error_classes.toml").read_text(encoding="utf-8")
    return tuple(_error_class(table) for table in read_toml(text)["class"])
