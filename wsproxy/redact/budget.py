"""How much work one record may be.

Finding credentials takes time linear in a text, but there is one thread for all sessions. A
record that needs more than this is kept as its length.
"""

from __future__ import annotations

MAX_EXAMINED = 1 << 20  # characters, each decoded view counted by itself
MAX_FOUND = 50_000


class OverBudget(Exception):  # never leaves this package
    """A record is too much work."""


class Budget:
    """What is left of the work that one record may be."""

    def __init__(self) -> None:
        self._characters = MAX_EXAMINED
        self._found = MAX_FOUND

    def spend(self, characters: int) -> None:
        """Count what is about to be looked through.

        Raises:
            OverBudget: it is too much.
        """
        self._characters -= characters
        if self._characters < 0:
            raise OverBudget

    def found(self, number: int) -> None:
        """Count credentials that were found.

        Raises:
            OverBudget: there are too many.
        """
        self._found -= number
        if self._found < 0:
            raise OverBudget
