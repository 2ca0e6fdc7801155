"""What Deepgram's APIs have in common: refused upgrades, and plain HTTP requests."""

from __future__ import annotations

import json
import re

from wsproxy.catalog.model import Refusal

from .api import ApiAnswer, ApiRequest, SimulatedApi, number

MODEL_UUID = "2187e11a-3532-4498-b076-81fa530bdd49"
MODEL_VERSION = "2025-01-01.0"

_LANGUAGE = re.compile(r"(?i)^(multi|[a-z]{2,3}([-_][a-z0-9]+)*)?$")
_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def refused(request: ApiRequest, status: int, code: str, message: str) -> Refusal:
    """A refused upgrade: the same text in the dg-error header and the body."""
    body = json.dumps({"err_code": code, "err_msg": message, "request_id": request.request_id})
    return Refusal(status, (("dg-error", message),), body, "application/json")


def refused_credential(request: ApiRequest) -> Refusal | None:
    """The refusal of a missing or bad key, None if it is good."""
    if request.good_credential:
        return None
    return refused(request, 401, "INVALID_AUTH", "Invalid credentials.")


def refused_model(request: ApiRequest, known: re.Pattern[str]) -> Refusal | None:
    """The refusal of an unknown model, or of a language that is no code; None otherwise."""
    model = request.query.get("model", "")
    if model and not known.match(model) and not _UUID.match(model):
        message = "Bad Request: No such model/version combination found."
        return refused(request, 400, "Bad Request", message)
    if not _LANGUAGE.match(request.query.get("language", "en")):
        message = "Bad Request: No such model/language/tier combination found."
        return refused(request, 400, "Bad Request", message)
    return None


def refused_number(request: ApiRequest, *names: str) -> Refusal | None:
    """The refusal of the first query parameter that is not a number, None if all are."""
    for name in names:
        value = request.query.get(name, "1")
        if not number(value):
            fault = "invalid digit found in string" if value else "no digits in empty string"
            message = f"Failed to deserialize query parameters: {fault}"
            return refused(request, 400, "INVALID_QUERY_PARAMETER", message)
    return None


def refused_category(request: ApiRequest, details: str) -> Refusal:
    """The refusal of invalid JSON, in the format of the newer endpoints."""
    body = {"category": "INVALID_JSON", "message": "Invalid JSON submitted.", "details": details}
    return Refusal(
        400, (), json.dumps({**body, "request_id": request.request_id}), "application/json"
    )


def refused_json(request: ApiRequest, body: bytes) -> Refusal | None:
    """The refusal of a body that is declared as JSON and is not, None if it is."""
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        expected = f"expected `,` or `}}` at line {error.lineno} column {error.colno}"
        return refused_category(request, f"Json deserialize error: {expected}")
    except (ValueError, RecursionError):
        message = "Content-type was application/json, but we could not process the JSON payload."
        return refused(request, 400, "Bad Request", message)
    return None


def refused_crowd(request: ApiRequest, allowed: int, code: str, message: str) -> Refusal | None:
    """The refusal of too many concurrent sessions, or None."""
    return refused(request, 429, code, message) if request.sessions >= allowed else None


class DeepgramHttp(SimulatedApi):
    """Plain HTTP requests for projects, models and the like."""

    answer_headers = ("dg-request-id",)

    def refusal(self) -> Refusal | None:
        return Refusal(404, (), "not a WebSocket API\n", "text/plain")

    def answer(self, body: bytes) -> ApiAnswer:
        refusal = refused_credential(self.request) or self._refused_project()
        if refusal is not None:
            return ApiAnswer.of(refusal)
        return ApiAnswer(200, (), b'{"projects": []}', "application/json")

    def _refused_project(self) -> Refusal | None:
        found = re.match(r"/v1/projects/([^/]+)", self.request.path)
        if found is None:
            return None
        if not _UUID.match(found[1].lower()):
            text = "UUID parsing failed: invalid length: expected length 32 for simple format"
            return Refusal(404, (), f"{text}, found {len(found[1])}", "text/plain")
        body = json.dumps({"err_code": "PROJECT_NOT_FOUND", "err_msg": "Project not found."})
        return Refusal(404, (), body, "application/json")
