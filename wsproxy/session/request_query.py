"""The query parameters of a session's request."""

from __future__ import annotations

from urllib.parse import parse_qsl

from wsproxy.trace import Request

_MAX_PARAMETERS = 200  # no API that is known has more


def query_parameters(request: Request | None, *, blank: bool = True) -> dict[str, str]:
    """The query parameters of a request; the last one of each name.

    Args:
        blank: whether parameters without a value are among them.
    """
    return dict(query_pairs(request, blank=blank))


def query_pairs(request: Request | None, *, blank: bool = True) -> list[tuple[str, str]]:
    """All query parameters of a request, in their order.

    Args:
        blank: whether parameters without a value are among them.
    """
    query = request.path.partition("?")[2] if request is not None else ""
    try:
        return parse_qsl(
            query, max_num_fields=_MAX_PARAMETERS, errors="replace", keep_blank_values=blank
        )
    except ValueError:  # there are more
        return []
