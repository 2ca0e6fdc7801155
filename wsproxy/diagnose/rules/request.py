"""Rules about the parameters of the request."""

from __future__ import annotations

from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.parameters import misnamed_languages
from wsproxy.diagnose.session_facts import Measure, SessionFacts


def language_not_code(facts: SessionFacts) -> list[Evidence]:
    """The app names a language where the API needs a code, and the session failed."""
    if not facts.session.failed:
        return []
    return [parameter.evidence for parameter in misnamed_languages(facts)]


def redirected(facts: SessionFacts) -> list[Evidence]:
    """The server answered the upgrade with another address."""
    response, location = facts.session.response, facts.session.response_header("location")
    if response is None or not 300 <= response.status < 400 or not location:
        return []
    text = f"HTTP {response.status} with the location {quoted(location, 160)}"
    return [Evidence(text, (), response.t_ns, float(response.status), "HTTP status")]


RULES: tuple[Measure, ...] = (language_not_code, redirected)
