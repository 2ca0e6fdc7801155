"""The comparable fields of a request: method, path, parameters and subprotocol."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import parse_qsl

from wsproxy.catalog import Catalog
from wsproxy.redact import PLACEHOLDER
from wsproxy.session import Session

from .volatile_values import MASKS, Normalizer

_MAX_PARAMETERS = 500


def request_fields(
    session: Session, catalog: Catalog, normalizer: Normalizer | None = None
) -> dict[str, Any]:
    """The request's fields, without credentials, ids and times.

    Args:
        normalizer: collects what is not compared.

    Returns:
        "method", "path", "subprotocol", and "query.NAME" for each parameter: its value, or a
        list if it occurs more than once. Empty if no request was recorded.
    """
    request = session.request
    if request is None:
        return {}
    path, _, query = request.path.partition("?")
    credential_names = {name.lower() for name in catalog.credentials.query}
    return {
        "method": request.method,
        "path": path,
        "subprotocol": _subprotocols(session.request_header("sec-websocket-protocol")),
        **_parameters(query, credential_names, normalizer or Normalizer()),
    }


def _subprotocols(offered: str | None) -> str | None:
    """The offered subprotocols, without credentials."""
    items = [item.strip() for item in (offered or "").split(",")]
    return ", ".join(item for item in items if item and PLACEHOLDER not in item) or None


def _parameters(
    query: str, credential_names: Collection[str], normalizer: Normalizer
) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            query, keep_blank_values=True, errors="replace", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:  # more parameters than any known API takes
        return {"query": query}
    found: dict[str, Any] = {}
    for name, text in pairs:
        if name.lower() in credential_names or text == PLACEHOLDER:
            continue
        key = f"query.{name}"
        value = normalizer.value(text, key, name)
        if value in MASKS:
            continue
        if key not in found:
            found[key] = value
        elif isinstance(found[key], list):
            found[key].append(value)
        else:
            found[key] = [found[key], value]
    return found
