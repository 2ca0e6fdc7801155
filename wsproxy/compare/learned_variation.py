"""What other recordings of a session show to vary.

`learning` produces it; it is applied when a session is read and compared.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LearnedVariation:
    """The parts of a session that are not compared, because its recordings differ in them.

    Attributes:
        fields: names of compared fields, such as "transcript" or "audio_received".
        paths: (from the client, kind of message, path) of values.
        kinds: (from the client, kind) of messages whose number or position varies.
    """

    fields: frozenset[str] = frozenset()
    paths: frozenset[tuple[bool, str, str]] = frozenset()
    kinds: frozenset[tuple[bool, str]] = frozenset()

    def __or__(self, other: LearnedVariation) -> LearnedVariation:
        return LearnedVariation(
            self.fields | other.fields, self.paths | other.paths, self.kinds | other.kinds
        )

    def __bool__(self) -> bool:
        return bool(self.fields or self.paths or self.kinds)

    def descriptions(self) -> list[str]:
        """One text for each part."""
        fields = [f"{name}: varies" for name in sorted(self.fields)]
        kinds = [
            f"{'sent' if client else 'received'} messages {kind}: number and place vary"
            for client, kind in sorted(self.kinds)
        ]
        return fields + kinds


NO_VARIATION = LearnedVariation()
