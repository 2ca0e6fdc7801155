"""A public bug report, rebuilt as a session, and what the headline of `explain` has to say."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from wire_session import WireSession
from wsproxy.catalog import load
from wsproxy.diagnose import diagnose
from wsproxy.report import screen
from wsproxy.report.examination import json_explanation
from wsproxy.report.explanation import explain
from wsproxy.report.json_output import dumps
from wsproxy.session import Session

Explanation = Mapping[str, Any]

GOOD = r"no problems found|all went well|succeeded"
"""What is never said of a session that failed."""
SILENT = "no error and no warning"
FIX_FIRST = frozenset({"credentials", "quota", "model", "parameter", "region"})
"""Kinds of failure that recur until something is changed: no advice to retry is right."""


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        name: of the rebuilt session.
        kind: of failure.
        source: tracker and number, as on GitHub; a file of a tracker elsewhere.
        title: of the report.
        showed: what its author saw.
        cause: the true one, as the thread found.
        session: rebuilds it.
        says: regular expressions, each of which has to match the headline; `|` between
            words that are equally good.
        near: a session that looks alike, with another cause or none.
        near_differs: how.
        near_never: what its headline must not say.
        never: false statements.
        fine: nothing is wrong: no error may be found.
        complete: the session had done what it should before it failed: its outcome is good.
    """

    name: str
    kind: str
    source: str
    title: str
    showed: str
    cause: str
    session: Callable[[], WireSession]
    says: tuple[str, ...]
    near: Callable[[], WireSession]
    near_differs: str
    near_never: tuple[str, ...]
    never: tuple[str, ...] = ()
    fine: bool = False
    complete: bool = False


@dataclass(frozen=True)
class Judgement:
    """How the headline of a session compares with what it has to say.

    Attributes:
        unknown: nothing was found, and the outcome says that success is unproven.
    """

    missing: tuple[str, ...]
    false: tuple[str, ...]
    errors: tuple[str, ...]
    unknown: bool = False

    @property
    def verdict(self) -> str:
        """right, generic (the cause is not named), unknown, or wrong (something false is said)."""
        if self.false or self.errors:
            return "wrong"
        if self.unknown:
            return "unknown"
        return "generic" if self.missing else "right"


def explanation(trace: Path) -> Explanation:
    """What `wsproxy explain --json` says of a trace."""
    return explanations(trace)[0]


def explanations(trace: Path) -> tuple[Explanation, str]:
    """What `wsproxy explain` says of a trace: as JSON, and on the screen."""
    catalog = load()
    session = Session.read(trace, catalog=catalog)
    findings = diagnose(session, catalog)
    as_json = json.loads(dumps(json_explanation(trace, session, findings, catalog)))
    console = Console(file=io.StringIO(), width=120, color_system=None)
    name = Path(trace.name)
    console.print(screen.session(explain(name, session, findings, catalog), everything=False))
    return as_json, console.file.getvalue()  # type: ignore[attr-defined]


def headline(explained: Explanation) -> str:
    """The first screenful: outcome, title, meaning, first evidence, and the causes seen."""
    return f"{explained['summary']}\n{_diagnosis(explained)}"


def _diagnosis(explained: Explanation) -> str:
    """The headline without what happened, which may quote the server."""
    lines = [str(explained["outcome"])]
    for finding in explained["findings"][:1]:
        lines += [finding["title"], finding["meaning"]]
        lines += [evidence["text"] for evidence in finding["evidence"][:1]]
        lines += finding["seen"]
    return "\n".join(lines)


def errors(explained: Explanation) -> tuple[str, ...]:
    """Ids of the findings that are errors."""
    return tuple(f["id"] for f in explained["findings"] if f["severity"] == "error")


def judge(report: Report, explained: Explanation) -> Judgement:
    """Compare the headline with what it has to say.

    To find nothing in a session that failed is a false statement, too, unless the outcome says that
    success is unproven.
    """
    text, diagnosis = headline(explained), _diagnosis(explained)
    never = report.never if report.fine or report.complete else (*report.never, GOOD)
    false = [each for each in never if _in(each, text)]
    silent = not report.fine and not any(f["severity"] != "info" for f in explained["findings"])
    unproven = explained["outcome"] == "unproven"
    if silent and not unproven:
        false.append(SILENT)
    if report.kind in FIX_FIRST and (advice := _retry(explained)) not in ("fix-first", ""):
        false.append(f"retry: {advice}")
    return Judgement(
        missing=tuple(each for each in report.says if not _in(each, diagnosis)),
        false=tuple(false),
        errors=errors(explained) if report.fine else (),
        unknown=silent and unproven,
    )


def _retry(explained: Explanation) -> str:
    return next((str(finding["retry"]) for finding in explained["findings"]), "")


def _in(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def false_of_near_miss(report: Report, explained: Explanation) -> list[str]:
    """What the headline of the near miss must not say, and says."""
    return [each for each in report.near_never if _in(each, headline(explained))]
