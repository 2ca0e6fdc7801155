"""A message that others may belong to, and messages of one kind, counted."""

from __future__ import annotations

from dataclasses import dataclass

from .message import SessionMessage


@dataclass(frozen=True, slots=True)
class NotedMessage:
    """A message that another one may belong to.

    Attributes:
        name: of the function that it calls, the end of its text, or its kind.
    """

    frame: int
    t_ns: int
    name: str = ""


@dataclass(slots=True)
class Counted:
    """Messages of one kind: how many, the first and the last one, and their characters."""

    count: int = 0
    first: NotedMessage | None = None
    last: NotedMessage | None = None
    characters: int = 0

    def add(self, message: SessionMessage, characters: int = 0) -> None:
        """Count a message."""
        self.last = NotedMessage(message.frame, message.t_ns)
        self.first = self.first or self.last
        self.count += 1
        self.characters += characters
