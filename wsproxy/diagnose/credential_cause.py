"""A refused request whose credential is missing, misplaced or malformed, as a cause of the refusal.

The finding of the refusal says only that the credentials were not accepted. What a rule sees of
them is a cause that the traffic shows, so it is listed with the refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsproxy.session import Session

from .finding import Finding

_RULES = "traffic.credentials."
_STATUS = (401, 403)
_CLASS = "credentials"


def with_credentials(findings: Sequence[Finding], session: Session) -> list[Finding]:
    """The findings, the first one with what is wrong with the credential among its causes."""
    first, response = next(iter(findings), None), session.response
    if first is None or first.severity != "error" or response is None:
        return list(findings)
    if response.status not in _STATUS and first.error_class != _CLASS:
        return list(findings)
    shown = [each for each in findings[1:] if each.id.startswith(_RULES) and each.evidence]
    for each in shown:
        first = _with_cause(first, each)
    return [first, *findings[1:]]


def _with_cause(first: Finding, shown: Finding) -> Finding:
    """The finding with what a rule sees of the credential as a cause, in place of a general one."""
    rules = {name: first.rules.get(name, "") for name in shown.rules}
    general = next(filter(None, rules.values()), "")
    what = shown.evidence[0].text
    cause = f"{general or shown.title}: {what}" if what not in general else general
    seen = [cause, *(each for each in first.seen if each not in (general, cause))]
    others = [each for each in first.causes if each not in first.seen]
    # The condition that has this cause has its own remedies, which name the provider's scheme.
    first = first.with_fitting([*first.fitting, *([] if general else shown.remedies)])
    return replace(
        first,
        seen=seen,
        causes=[*seen, *others],
        quoting=[*first.quoting, cause],
        rules={**first.rules, **dict.fromkeys(rules, cause)},
    )
