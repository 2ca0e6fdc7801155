"""What all changes are."""

from __future__ import annotations

from abc import ABC, abstractmethod

from wsproxy.redact import Redactor

from .draft import Draft


class Change(ABC):
    """One change to a session.

    Its text, `str(change)`, is its name and its value, as in "close 1011:NET-0001"; the new
    trace has it in its start record. Subclasses are frozen dataclasses with a `parse` of their own.
    """

    __slots__ = ()

    def clean(self, redact: Redactor) -> Change:
        """The change without credentials: the one that is applied, and told."""
        return self

    @abstractmethod
    def apply(self, draft: Draft) -> None:
        """Make the change.

        Raises:
            UsageError: it cannot be made to this session, or would change nothing.
        """
