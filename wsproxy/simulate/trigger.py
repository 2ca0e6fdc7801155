"""When, in a session, a simulated failure happens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wsproxy.errors import InvalidValue

_WORDS = ("open", "audio", "silence")
_MEASURE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|frames?|audio)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A point in a session.

    Attributes:
        kind: "open" (immediately after the upgrade), "audio" (after the first message that
            follows the setup), "silence" (when the client stops sending), "seconds" (after the
            upgrade), "frames" (messages of the client after the setup) or "seconds of audio"
            (audio of the client).
        amount: the number for the last three.
    """

    kind: str
    amount: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Trigger:
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
                return "immediately after the upgrade"
            case "audio":
                return "after the client's first message"
            case "silence":
                return "when the client is silent, or ends the session"
            case "seconds":
                return f"{self.amount:g} s after the upgrade"
            case "frames":
                return f"after {self.amount:g} messages of the client"
        return f"after {self.amount:g} s of the client's audio"
