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
    causes = [f"{each.title}: {each.evidence[0].text}" for each in shown]
    seen = [cause for cause in causes if cause not in first.seen]
    named = replace(
        first,
        seen=[*first.seen, *seen],
        causes=[*first.seen, *seen, *(each for each in first.causes if each not in first.seen)],
        quoting=[*first.quoting, *seen],
    )
    return [named, *findings[1:]]
