"""What success and failure look like in the messages of an API, as catalog data.

The format is described in docs/catalog.md, `[api.success]` and `[api.transcript]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .envelope import field as field_of
from .envelope import holders

WORDS, AUDIO = "words", "audio"  # what `Success.proof` names besides messages
EMPTY = "(empty)"  # kind of a message without content
_SOME, _NONE = "*", "none"  # any value, and no value
_NULL, _EMPTY_OBJECT = "null", "{}"


@dataclass(frozen=True, slots=True)
class MessagePattern:
    """A kind of message, optionally with values of fields.

    Written as "KIND", "path=value", or several of these with spaces between them. "path=*" stands
    for any value but null, false and empty ones, "path=none" for those and a missing one;
    "path=null" for null, and "path={}" for an empty object.
    "(empty)" is the kind of a message without content; the kind of a short text that is not JSON
    is the text.

    Attributes:
        kind: type of the message as the API names it; empty: any.
        fields: (dotted path, value).
    """

    kind: str = ""
    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> MessagePattern:
        """Read a pattern."""
        parts = text.split(" ")
        fields = tuple((path, value) for path, mark, value in map(_split, parts) if mark)
        kind = " ".join(part for part in parts if "=" not in part)
        return cls(kind, fields)

    def matches(self, kind: str, content: Mapping[str, Any]) -> bool:
        """Whether a message has this kind and these values."""
        if self.kind and self.kind != kind:
            return False
        for path, value in self.fields:  # noqa: SIM110  # as in `first_match`
            if not _has(content, path, value):
                return False
        return True

    def __str__(self) -> str:
        return " ".join([self.kind, *(f"{path}={value}" for path, value in self.fields)]).strip()


def first_match(
    patterns: Iterable[MessagePattern], kind: str, content: Mapping[str, Any]
) -> MessagePattern | None:
    """The first pattern that a message matches; None if there is none."""
    for pattern in patterns:  # a generator costs more, in each message
        if pattern.matches(kind, content):
            return pattern
    return None


def needed_names(patterns: Iterable[MessagePattern]) -> frozenset[str] | None:
    """Names of fields, one of which a message has to have to match any of these patterns.

    Returns:
        None where a message may match without any of them.
    """
    found: set[str] = set()
    for pattern in patterns:
        needed = [path for path, value in pattern.fields if value not in (_NONE, _NULL)]
        if not needed:
            return None
        found |= {needed[0], needed[0].partition(".")[0]}  # a name may have a dot in it
    return frozenset(found)


def _split(part: str) -> tuple[str, str, str]:
    return part.partition("=")


def _has(content: Mapping[str, Any], path: str, wanted: str) -> bool:
    value = field_of(content, path)
    if value is None and wanted not in (_NONE, _NULL):
        return False  # nearly always
    if wanted in (_SOME, _NONE):
        return bool(value) is (wanted == _SOME)
    if wanted == _NULL:
        return value is None and any(True for _ in holders(content, path))
    if wanted == _EMPTY_OBJECT:
        return value == {}
    if isinstance(value, bool):
        return str(value).lower() == wanted
    return isinstance(value, str | int) and str(value) == wanted


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """A message that the server owes after another message.

    Attributes:
        after: messages of the client that begin the wait.
        after_server: messages of the server that begin it, such as the start of a response.
        expect: messages of the server that end it.
        unless: messages of the client that end it as well, such as a cancellation.
        id: dotted path of the id that both have, where several answers can be open at a time.
    """

    after: tuple[MessagePattern, ...]
    after_server: tuple[MessagePattern, ...]
    expect: tuple[MessagePattern, ...]
    unless: tuple[MessagePattern, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """A field whose value says whether an object, such as a response, has failed.

    Attributes:
        message: the server's messages that report it.
        field: dotted path of the state.
        good, failed: its values; others say neither.
        sentence: dotted paths of the server's own words about a failure, the best first.
    """

    message: MessagePattern
    field: str
    good: tuple[str, ...]
    failed: tuple[str, ...]
    sentence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Success:
    """What proves that a session succeeded, and what shows that it failed.

    Attributes:
        proof: "words" (a transcript with a word), "audio" (audio of the server), or a message;
            one of them is enough. Empty: unknown.
        answers: messages that the server owes.
        states: states of objects.
        words_only: settings with which a service that also speaks only transcribes.
        words_model: dotted paths of the transcription model in the server's description of the
            session.
    """

    proof: tuple[str, ...] = ()
    answers: tuple[ExpectedAnswer, ...] = ()
    states: tuple[ObjectState, ...] = ()
    words_only: tuple[MessagePattern, ...] = ()
    words_model: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[MessagePattern, ...]:
        """The messages that are proof."""
        return tuple(MessagePattern.parse(p) for p in self.proof if p not in (WORDS, AUDIO))


@dataclass(frozen=True, slots=True)
class ResultPaths:
    """Where a transcript result has its times and words; empty: nowhere.

    Attributes:
        start, end, duration: dotted paths of the result's times in the audio.
        unit: seconds that the number 1 stands for in all of its times.
        words: dotted path of the list of words; `word`, `word_start`, `word_end` and
            `word_confidence` are names in an item of it.
        confidence: dotted path of the confidence of all of its words, where they have none.
        id: dotted path of what is transcribed once, such as an item of a conversation.
        channel: dotted path of the channel; empty: one of the usual names.
        of_turn: message of the server that begins a turn, from whose beginning its times count;
            empty: they count from the beginning of the audio.
        ends: results that end an utterance, since a pause was heard.
        pause: parameter of the URL with the length of that pause, ms, and `pause_ms`, its default;
            0: unknown.
        word_gap: parameter of the URL with the length of a gap between words that ends an
            utterance, ms; the server's message that reports such an end; and the dotted path in it
            of the end of the last word. Empty: there is none.
    """

    start: str = ""
    end: str = ""
    duration: str = ""
    unit: float = 1.0
    words: str = ""
    word: str = "word"
    word_start: str = "start"
    word_end: str = "end"
    word_confidence: str = "confidence"
    confidence: str = ""
    id: str = ""
    channel: str = ""
    of_turn: str = ""
    ends: tuple[MessagePattern, ...] = ()
    pause: str = ""
    pause_ms: float = 0.0
    word_gap: tuple[str, ...] = ()


NO_SUCCESS = Success()
NO_RESULT_PATHS = ResultPaths()
