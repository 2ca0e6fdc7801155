"""Where a key travels and what it is like, without showing it.

A trace holds no credential, only where one was, how long, and whose shape it had. These rules
speak of sessions that were refused or failed: what a provider accepted is right.
"""

from __future__ import annotations

from wsproxy.catalog import CredentialPlaces
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.declared_audio import query_parameters

_KNOWN_SCHEMES = ("basic", "bearer", "digest", "token")


def _asked(case: SessionFacts) -> CredentialPlaces | None:
    """Where this provider's credentials travel; None where nothing can be said."""
    session = case.session
    if session.request is None or case.provider is None or not session.failed:
        return None
    # A session that was accepted got as far as it did with this credential.
    return None if session.accepted else case.provider.credentials


def _taken(case: SessionFacts) -> list[dict[str, object]]:
    """What the recorder took out of the request, where, and what it was like."""
    return case.session.request.redacted if case.session.request else []


def wrong_scheme(case: SessionFacts) -> list[Evidence]:
    """The word before the key is not one that this provider takes."""
    credentials = _asked(case)
    value = case.session.request_header("authorization")
    if credentials is None or not credentials.schemes or not value:
        return []
    first, space, _ = value.partition(" ")
    scheme = first.lower() if space and first.lower() in _KNOWN_SCHEMES else ""
    wanted = " or ".join(name.capitalize() for name in credentials.schemes)
    if not scheme and credentials.bare:
        return []
    if scheme in credentials.schemes and not _key_as_token(case, scheme, credentials):
        return []
    said = f"has the scheme {quoted(first)}" if scheme else "has no scheme before the key"
    name = case.provider.name if case.provider else ""
    text = f"the Authorization header {said}; {name} takes {wanted}"
    if scheme in credentials.schemes:
        text += ", and this is the shape of an API key, which goes with Token"
    return [Evidence(text, (), None, 1.0, "headers")]


def _key_as_token(case: SessionFacts, scheme: str, credentials: CredentialPlaces) -> bool:
    """An API key where a short-lived token has to be."""
    if scheme != "bearer" or "token" not in credentials.schemes or case.provider is None:
        return False
    return any(case.provider.id in _like(taken) for taken in _taken(case))


def empty_credential(case: SessionFacts) -> list[Evidence]:
    """A place for the key is there, and nothing in it."""
    credentials = _asked(case)
    request = case.session.request
    if credentials is None or request is None:
        return []
    empty = []
    for name, value in ((h[0], h[1]) for h in request.headers):
        bare = value.strip().lower()
        if name.lower() in credentials.headers and (not bare or bare in _KNOWN_SCHEMES):
            empty.append(f"header {name}")
    query = query_parameters(case.session)
    empty += [f"query {name}" for name in credentials.query if query.get(name) == ""]
    if not empty:
        return []
    text = f"the key is empty in: {quoted(', '.join(empty), 120)}"
    return [Evidence(text, (), request.t_ns, 0.0, "characters")]


def no_credential(case: SessionFacts) -> list[Evidence]:
    """No key was sent in any place, and the upgrade was refused for it."""
    credentials = _asked(case)
    response, request = case.session.response, case.session.request
    if credentials is None or response is None or request is None:
        return []
    if response.status not in (401, 403) or request.redacted or empty_credential(case):
        return []
    places = [f"header {name}" for name in credentials.headers]
    places += [f"query {name}" for name in credentials.query]
    if not places:
        return []
    text = f"the request has no key in any of: {', '.join(places)}"
    return [Evidence(text, (), request.t_ns, 0.0, "keys")]


def white_space_or_quotes(case: SessionFacts) -> list[Evidence]:
    """There are blanks or quotation marks around the key."""
    if _asked(case) is None:
        return []
    found = []
    for taken in _taken(case):
        around = taken.get("around")
        if isinstance(around, str) and around:
            place = quoted(f"{taken.get('where')} {taken.get('name')}", 80)
            text = f"there are {quoted(around)} around the key in: {place}"
            found.append(Evidence(text, (), None, _length(taken), "characters"))
    return found


def foreign_key_shape(case: SessionFacts) -> list[Evidence]:
    """The key looks like one of another provider."""
    credentials = _asked(case)
    if credentials is None or case.provider is None:
        return []
    found = []
    for taken in _taken(case):
        like = _like(taken)
        if not like or case.provider.id in like:
            continue
        names = [p.name for p in map(case.catalog.provider, like) if p is not None]
        if not names:
            continue
        place = quoted(f"{taken.get('where')} {taken.get('name')}", 80)
        text = f"the key in {place} has the shape of one of {' or '.join(names)}"
        found.append(Evidence(text, (), None, _length(taken), "characters"))
    return found


def _like(taken: dict[str, object]) -> list[str]:
    like = taken.get("like")
    return [name for name in like if isinstance(name, str)] if isinstance(like, list) else []


def _length(taken: dict[str, object]) -> float:
    length = taken.get("length")
    return float(length) if isinstance(length, int) else 0.0


RULES: tuple[Measure, ...] = (
    empty_credential,
    no_credential,
    wrong_scheme,
    white_space_or_quotes,
    foreign_key_shape,
)
