"""What was asked for: the request's method, path, parameters and subprotocol."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from wsproxy.catalog import Catalog
from wsproxy.redact import PLACEHOLDER
from wsproxy.session import Session

from .volatile_values import MARKS, Normalizer

_MAX_PARAMETERS = 500


def asked(
    session: Session, catalog: Catalog, normalizer: Normalizer | None = None
) -> dict[str, Any]:
    """The request's fields, without credentials, ids and times.

    Args:
        normalizer: collects what was left out; None: another one.

    Returns:
        "method", "path", "subprotocol", and "query.NAME" of each parameter: its value, or a
        list where it is there more than once. Empty where no request was recorded.
    """
    request = session.request
    if request is None:
        return {}
    path, _, query = request.path.partition("?")
    hidden = {name.lower() for name in catalog.credentials.query}
    return {
        "method": request.method,
        "path": path,
        "subprotocol": _subprotocols(session.request_header("sec-websocket-protocol")),
        **_parameters(query, hidden, normalizer or Normalizer()),
    }


def _subprotocols(offered: str | None) -> str | None:
    """What was offered, without credentials."""
    items = [item.strip() for item in (offered or "").split(",")]
    return ", ".join(item for item in items if item and PLACEHOLDER not in item) or None


def _parameters(query: str, hidden: Collection[str], normalizer: Normalizer) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:  # more than anybody's API takes
        return {"query": query}
    found: dict[str, Any] = {}
    for name, given in pairs:
        if name.lower() in hidden or given == PLACEHOLDER:
            continue
        key = f"query.{name}"
        value = normalizer.value(given, key, name)
        if value in MARKS:
            continue
        if key not in found:
            found[key] = value
        elif isinstance(found[key], list):
            found[key].append(value)
        else:
            found[key] = [found[key], value]
    return found
