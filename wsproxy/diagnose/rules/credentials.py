"""Rules about credentials: where a key was sent and what it looks like, without showing it.

A trace contains no credential, only its place, its length and the providers whose keys look like
it. These rules cover sessions that were refused: an accepted credential is right.
"""

from __future__ import annotations

from wsproxy.catalog import CredentialPlaces
from wsproxy.diagnose.evidence import Evidence, quoted
from wsproxy.diagnose.headline import server_said
from wsproxy.diagnose.session_facts import Measure, SessionFacts
from wsproxy.session.request_query import query_parameters

_CLASS = "credentials"  # of the server's sentence
_KNOWN_SCHEMES = ("basic", "bearer", "digest", "token")


def _credential_places(facts: SessionFacts) -> CredentialPlaces | None:
    """Where this provider expects credentials; None where the session was not refused."""
    session = facts.session
    if session.request is None or facts.provider is None:
        return None
    # An accepted session shows that its credential is right, unless the server says otherwise,
    # whatever code it closes with.
    if (session.accepted or not session.failed) and not facts.measured(_denied):
        return None
    return facts.provider.credentials


def _denied(facts: SessionFacts) -> list[Evidence]:
    """The server ended an accepted session because of the credential."""
    said = server_said(facts)
    if said is None or not said.sentence.ends or said.id != f"server.{_CLASS}":
        return []
    return [Evidence(said.sentence.text)]


def _redactions(facts: SessionFacts) -> list[dict[str, object]]:
    """The redactions in the request: place, length and similar providers."""
    return facts.session.request.redacted if facts.session.request else []


def wrong_scheme(facts: SessionFacts) -> list[Evidence]:
    """The scheme before the key is not one that this provider accepts."""
    credentials = _credential_places(facts)
    value = facts.session.request_header("authorization")
    if credentials is None or not credentials.schemes:
        return []
    if not value:
        return _token_as_key(facts, credentials)
    first, space, _ = value.partition(" ")
    scheme = first.lower() if space and first.lower() in _KNOWN_SCHEMES else ""
    wanted = " or ".join(name.capitalize() for name in credentials.schemes)
    if not scheme and credentials.bare:
        return []
    if scheme in credentials.schemes and not _key_as_token(facts, scheme, credentials):
        return []
    problem = f"has the scheme {quoted(first)}" if scheme else "has no scheme before the key"
    text = f"the Authorization header {problem}; {facts.provider_name} expects {wanted}"
    if scheme in credentials.schemes:
        text += ", but the credential looks like an API key, which needs Token"
    return [Evidence(text, (), None, 1.0, "headers")]


def _token_as_key(facts: SessionFacts, credentials: CredentialPlaces) -> list[Evidence]:
    """A subprotocol says that an API key follows, and what follows is none."""
    items = facts.session.request_header("sec-websocket-protocol") or ""
    first = items.partition(",")[0].strip().lower()
    if first != "token" or "bearer" not in credentials.schemes or facts.provider is None:
        return []
    found = [each for each in _redactions(facts) if each.get("where") == "subprotocol"]
    if not found or credentials.shape is None or facts.provider.id in _similar_providers(found[0]):
        return []
    text = "the subprotocol token has a credential after it that does not look like an API key of "
    text += f"{facts.provider_name}; a short-lived access token needs bearer in its place"
    return [Evidence(text, (), None, _length(found[0]), "characters")]


def _key_as_token(facts: SessionFacts, scheme: str, credentials: CredentialPlaces) -> bool:
    """Whether an API key was sent where a temporary token is expected."""
    if scheme != "bearer" or "token" not in credentials.schemes or facts.provider is None:
        return False
    return any(
        facts.provider.id in _similar_providers(redaction) for redaction in _redactions(facts)
    )


def empty_credential(facts: SessionFacts) -> list[Evidence]:
    """A header or parameter for the key is empty."""
    credentials = _credential_places(facts)
    request = facts.session.request
    if credentials is None or request is None:
        return []
    empty = []
    for name, value in ((h[0], h[1]) for h in request.headers):
        bare = value.strip().lower()
        if name.lower() in credentials.headers and (not bare or bare in _KNOWN_SCHEMES):
            empty.append(f"header {name}")
    query = query_parameters(facts.session.request)
    empty += [f"query {name}" for name in credentials.query if query.get(name) == ""]
    if not empty:
        return []
    text = f"the key is empty in: {quoted(', '.join(empty), 120)}"
    return [Evidence(text, (), request.t_ns, 0.0, "characters")]


def _is_about_credentials(facts: SessionFacts) -> bool:
    """Whether the status, or the server's sentence, is about the credential."""
    response = facts.session.response
    return facts.session.accepted or (response is not None and response.status in (401, 403))


def no_credential(facts: SessionFacts) -> list[Evidence]:
    """The request has no key, and the upgrade was refused."""
    credentials = _credential_places(facts)
    request = facts.session.request
    if credentials is None or request is None or not _is_about_credentials(facts):
        return []
    if request.redacted or empty_credential(facts):
        return []
    places = [f"header {name}" for name in credentials.headers]
    places += [f"query {name}" for name in credentials.query]
    if not places:
        return []
    text = f"the request has no key in any of: {', '.join(places)}"
    return [Evidence(text, (), request.t_ns, 0.0, "keys")]


def misplaced_credential(facts: SessionFacts) -> list[Evidence]:
    """The request has a key, in no place where the provider accepts one."""
    credentials = _credential_places(facts)
    if credentials is None or not _is_about_credentials(facts):
        return []
    found = [(str(r.get("where")), str(r.get("name")).lower()) for r in _redactions(facts)]
    names = {"header": credentials.headers, "query": credentials.query}
    if not found or any(where not in names or name in names[where] for where, name in found):
        return []
    places = [f"header {name}" for name in credentials.headers]
    places += [f"query {name}" for name in credentials.query]
    if not places:
        return []
    where, name = found[0]
    text = f"the key is in {quoted(f'{where} {name}', 80)}; {facts.provider_name} takes it in "
    text += " or ".join(places[:3])
    return [Evidence(text, (), None, float(len(found)), "keys")]


def unlike_own_keys(facts: SessionFacts) -> list[Evidence]:
    """The key does not begin as this provider's keys do; a cause of a failure only."""
    provider = facts.provider
    if provider is None or not provider.credentials.has_prefix:
        return []
    odd = [r for r in _redactions(facts) if provider.id not in _similar_providers(r)]
    if not odd or len(odd) < len(_redactions(facts)):
        return []
    place = quoted(f"{odd[0].get('where')} {odd[0].get('name')}", 80)
    text = f"the credential in {place} does not begin as an API key of {facts.provider_name}"
    return [Evidence(text, (), None, _length(odd[0]), "characters")]


def white_space_or_quotes(facts: SessionFacts) -> list[Evidence]:
    """There are spaces or quotation marks around the key."""
    if _credential_places(facts) is None:
        return []
    found = []
    for redaction in _redactions(facts):
        around = redaction.get("around")
        if isinstance(around, str) and around:
            place = quoted(f"{redaction.get('where')} {redaction.get('name')}", 80)
            text = f"there are {quoted(around)} around the key in: {place}"
            found.append(Evidence(text, (), None, _length(redaction), "characters"))
    return found


def subprotocols_without_space(facts: SessionFacts) -> list[Evidence]:
    """The credential is among subprotocols that have no space between them.

    RFC 9110, section 5.6.1: the space is optional. Not every server splits the list by that.
    """
    value = facts.session.request_header("sec-websocket-protocol") or ""
    if _credential_places(facts) is None or "," not in value or ", " in value:
        return []
    if all(redaction.get("where") != "subprotocol" for redaction in _redactions(facts)):
        return []
    return [Evidence("the Sec-WebSocket-Protocol header has no space after the comma")]


def foreign_key_shape(facts: SessionFacts) -> list[Evidence]:
    """The key begins as those of another provider do; a length alone shows nothing."""
    credentials = _credential_places(facts)
    if credentials is None or facts.provider is None:
        return []
    found = []
    for redaction in _redactions(facts):
        like = _similar_providers(redaction)
        if not like or facts.provider.id in like:
            continue
        known = (p for p in map(facts.catalog.provider, like) if p is not None)
        names = [p.name for p in known if p.credentials.has_prefix]
        if not names:
            continue
        place = quoted(f"{redaction.get('where')} {redaction.get('name')}", 80)
        text = f"the key in {place} looks like a key of {' or '.join(names)}"
        found.append(Evidence(text, (), None, _length(redaction), "characters"))
    return found


def _similar_providers(redaction: dict[str, object]) -> list[str]:
    like = redaction.get("like")
    return [name for name in like if isinstance(name, str)] if isinstance(like, list) else []


def _length(redaction: dict[str, object]) -> float:
    length = redaction.get("length")
    return float(length) if isinstance(length, int) else 0.0


RULES: tuple[Measure, ...] = (
    empty_credential,
    no_credential,
    misplaced_credential,
    wrong_scheme,
    white_space_or_quotes,
    foreign_key_shape,
)
