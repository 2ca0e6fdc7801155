"""The provider's ids of a session, which its support asks for."""

from __future__ import annotations

from wsproxy.catalog import Catalog, json_messages
from wsproxy.catalog.envelope import field
from wsproxy.session import Session

_REQUEST_IDS = 3


def request_ids(session: Session, catalog: Catalog) -> list[tuple[str, str]]:
    """The provider's ids of this session, as (where, value)."""
    provider = catalog.provider(session.provider or "")
    if provider is None:
        return []
    names = provider.request_ids
    headers = ((name, session.response_header(name)) for name in names.headers)
    found = {value: name for name, value in headers if value}
    known = catalog.api(session.provider, session.api)
    envelope = known.envelope if known else ""
    for _, message in json_messages(session, envelope, from_client=False):
        for name in names.message_fields:
            value = field(message, name)
            if isinstance(value, str) and value:
                found.setdefault(value, name)
        if len(found) >= _REQUEST_IDS:
            break
    return [(name, value) for value, name in found.items()][:_REQUEST_IDS]


def key_fingerprint(session: Session) -> str | None:
    """The fingerprint of the request's credential; None if it carried none."""
    places = session.request.redacted if session.request else []
    prints = (place.get("fingerprint") for place in places)
    return next((text for text in prints if isinstance(text, str) and text), None)
