"""When, in a session, a failure on command comes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsproxy.errors import InvalidValue

_WORDS = ("open", "audio", "silence")
_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|frames?|audio)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment in a session.

    Attributes:
        kind: "open" (at once after the upgrade), "audio" (after the first message behind
            the set-up), "silence" (when the client stops sending), "seconds" (after the
            upgrade), "frames" (so many messages of the client behind the set-up) or
            "seconds of audio" (so much of it from the client).
        amount: for the last three.
    """

    kind: str
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Moment:
        """Read "open", "audio", "silence", "5s", "20frames" or "3audio" (seconds of audio).

        Raises:
            InvalidValue: it is none of these.
        """
        cleaned = text.strip().lower()
        if cleaned in _WORDS:
            return cls(cleaned)
        found = _MEASURE.fullmatch(cleaned)
        if found is None:
            raise InvalidValue(
                "after",
                text,
                "expected open, audio, silence, 5s (seconds), 20frames (messages of the client) "
                "or 3audio (seconds of its audio)",
                _WORDS,
            )
        amount = float(found[1])
        match found[2][0]:
            case "s":
                return cls("seconds", amount)
            case "f":
                return cls("frames", amount)
        return cls("seconds of audio", amount)

    def __str__(self) -> str:
        match self.kind:
            case "open":
                return "at once after the upgrade"
            case "audio":
                return "after the client's first message"
            case "silence":
                return "when the client is silent, or ends the session"
            case "seconds":
                return f"{self.amount:g} s after the upgrade"
            case "frames":
                return f"after {self.amount:g} messages of the client"
        return f"after {self.amount:g} s of the client's audio"
