"""The result of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsproxy.errors import Setting

State = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that was checked.

    Attributes:
        check: a short name: "CA", "proxy".
        state: "ok"; "note": worth knowing; "warning": some sessions may not be recorded, or the
            app may fail; "problem": recording fails.
        what: what is so. It may contain names of the user's files: print it with `safe`.
        why: why it matters; empty if it goes without saying.
        remedy: what to do, in one or several lines; empty for nothing.
        settings: settings of the recorder that would help; the command line names their options.
    """

    check: str
    state: State
    what: str
    why: str = ""
    remedy: str = ""
    settings: tuple[Setting, ...] = ()

    def as_json(self) -> dict[str, str | None]:
        """It as `docs/json.md` describes it."""
        return {
            "check": self.check,
            "state": self.state,
            "what": self.what,
            "why": self.why or None,
            "remedy": self.remedy or None,
        }
