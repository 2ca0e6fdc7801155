"""What Deepgram's listen and speak answer alike: refused upgrades."""

from __future__ import annotations

import json
import re

from wsproxy.catalog.model import Refusal

from .api import Request, number

MODEL_UUID = "2187e11a-3532-4498-b076-81fa530bdd49"
MODEL_VERSION = "2025-01-01.0"

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def refused(request: Request, status: int, code: str, message: str) -> Refusal:
    """A refused upgrade: the same text in the dg-error header and the body."""
    body = json.dumps({"err_code": code, "err_msg": message, "request_id": request.request_id})
    return Refusal(status, (("dg-error", message),), body, "application/json")


def refused_credential(request: Request) -> Refusal | None:
    """The answer to a missing or bad key, None if it is good."""
    if request.good_credential:
        return None
    return refused(request, 401, "INVALID_AUTH", "Invalid credentials.")


def refused_model(request: Request, known: re.Pattern[str]) -> Refusal | None:
    """The answer to a model that is not there, None if it is."""
    model = request.query.get("model", "")
    if not model or known.match(model) or _UUID.match(model):
        return None
    message = "Bad Request: No such model/version combination found."
    return refused(request, 400, "Bad Request", message)


def refused_number(request: Request, *names: str) -> Refusal | None:
    """The answer to a query parameter that should be a number and is not, or None."""
    for name in names:
        value = request.query.get(name, "1")
        if not number(value):
            fault = "invalid digit found in string" if value else "no digits in empty string"
            message = f"Failed to deserialize query parameters: {fault}"
            return refused(request, 400, "INVALID_QUERY_PARAMETER", message)
    return None


def refused_crowd(request: Request, allowed: int, code: str, message: str) -> Refusal | None:
    """The answer when too many sessions are open, or None."""
    return refused(request, 429, code, message) if request.sessions >= allowed else None
