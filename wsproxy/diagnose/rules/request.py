"""Rules about the parameters of the request."""

from __future__ import annotations

from wsproxy.diagnose.evidence import Evidence
from wsproxy.diagnose.parameters import misnamed_languages
from wsproxy.diagnose.session_facts import Measure, SessionFacts


def language_not_code(facts: SessionFacts) -> list[Evidence]:
    """The app names a language where the API needs a code, and the session failed."""
    if not facts.session.failed:
        return []
    return [parameter.evidence for parameter in misnamed_languages(facts)]


RULES: tuple[Measure, ...] = (language_not_code,)
