"""The findings beside the first one that say something else than it does."""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.diagnose import Finding
from wsproxy.diagnose.outcome import ABSENCES

# Rules whose findings follow from what other rules show, or from a class of error.
_NOTHING_CAME = ("nothing_sent", "first_audio_late")
_FOLLOWING = {
    "no_audio": _NOTHING_CAME,
    "only_keepalives": _NOTHING_CAME,
    "texts_for_audio": _NOTHING_CAME,
    "closed_silently": _NOTHING_CAME,
    "numbers_for_audio": ("unknown_kind",),
    "object_for_audio": ("invalid_json",),
}
_OF_GATEWAYS = "gateway_between"


def other_findings(findings: Sequence[Finding], main: Finding | None, reason: str) -> list[Finding]:
    """The findings after the first one, without those that only repeat it.

    A finding repeats the first one if it rests on the same rule, text or frames; a frame that is
    only a detail of the first one may show something else as well. What is missing is a
    consequence if the first line has its figure.

    Args:
        main: the first finding; None if it is not shown as one.
        reason: of the outcome, with its figure.
    """
    others = [each for each in findings if each is not main]
    return [each for each in others if not _is_repeated(each, main, reason)]


def _is_repeated(finding: Finding, main: Finding | None, reason: str) -> bool:
    if finding.id.startswith("trace."):
        return False
    if finding.severity == "info":
        return True
    if main is None:
        return False
    if finding.severity == "notice" and main.severity == "error":
        return True  # what is lawful did not make it fail
    has_figure = bool(reason and finding.evidence) and finding.evidence[0].text.startswith(reason)
    if finding.id in ABSENCES and has_figure:
        return True
    if main.error_class == "gateway" and _OF_GATEWAYS in finding.rules:
        return True
    follows = {rule for each in main.rules for rule in (each, *_FOLLOWING.get(each, ()))}
    return bool(follows.intersection(finding.rules)) or _rests_on_the_same(finding, main)


def _rests_on_the_same(finding: Finding, main: Finding) -> bool:
    if not finding.evidence:
        return False
    first = finding.evidence[0]
    known = {frame for each in main.evidence if not each.detail for frame in each.frames}
    if first.frames and known.issuperset(first.frames):
        return True
    return any(first.text in text for text in (*main.seen, *(e.text for e in main.evidence)))
