"""The messages of a session that are neither audio nor transcript: control events, in short."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wsproxy.catalog import Vocabulary

from .kept_ends import KeptEnds
from .message import SessionMessage
from .message_kinds import is_error, is_ping

KEPT_EVENTS = 200  # from the beginning, and as many from the end
_MAX_KIND = 80  # characters kept of a kind

# What names of kinds say in the vocabularies of all APIs, the first that matches.
_CATEGORIES = (
    ("function-call", r"function_?call|tool_?call|tool[._]result|function_call_arguments"),
    ("speech-started", r"speech_?started|speech\.started|started_?speaking|speech_start|vad_start"),
    (
        "speech-stopped",
        r"speech_?stopped|speech\.stopped|stopped_?speaking|speech_end|utterance_?end"
        r"|endOfUtterance|speech\.endDetected",
    ),
    ("interruption", r"interrupt|barge|cancel|\bclear(?:ed)?$|^clear(?:ed)?$"),
    (
        "turn",
        r"turn|response\.(?:created|done)|reply\.(?:started|done)|AgentAudioDone|assistant_end",
    ),
    ("flush", r"flush|finalize|force_?end|commit"),
    ("update", r"update|configure|settings|setup|^session\.(?:created|begins)|start_?recognition"),
    ("end", r"terminat|close_?stream|end_?of_?stream|eos$|^close$|session_?end|session\.end"),
    ("ready", r"^begin$|connected|ready|welcome|started|metadata|setupComplete|session_?begins"),
)
_COMPILED = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _CATEGORIES)


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """A control message.

    Attributes:
        category: "keepalive", "flush", "end", "ready", "update", "turn", "interruption",
            "speech-started", "speech-stopped", "function-call", "error", or "other".
        kind: of the message, as the API names it.
    """

    frame: int
    t_ns: int
    from_client: bool
    category: str
    kind: str


class ControlEvents:
    """Control events: counted by category, the first and the last kept.

    Attributes:
        counts: of each category, for (from_client, category).
        kept: the events.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.counts: dict[tuple[bool, str], int] = {}
        self._vocabulary = vocabulary
        self.kept: KeptEnds[ControlEvent] = KeptEnds(KEPT_EVENTS)

    def __iter__(self) -> Iterator[ControlEvent]:
        """The events that are kept."""
        return iter(self.kept)

    def add(self, message: SessionMessage) -> ControlEvent:
        """Add a message that is neither audio nor a transcript result."""
        category = self._category(message)
        event = ControlEvent(
            message.frame, message.t_ns, message.from_client, category, message.kind[:_MAX_KIND]
        )
        key = (message.from_client, category)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.kept.append(event)
        return event

    def _category(self, message: SessionMessage) -> str:
        words, kind = self._vocabulary, message.kind
        named: tuple[tuple[str, tuple[str, ...]], ...]
        if message.from_client:
            named = ("keepalive", words.keepalive), ("flush", words.flush), ("end", words.end)
        else:
            named = (("ready", words.ready),)
        for category, kinds in named:
            if kind in kinds:
                return category
        if is_ping(kind):
            return "keepalive"
        if not message.from_client and is_error(kind):
            return "error"
        return next((name for name, pattern in _COMPILED if pattern.search(kind)), "other")
