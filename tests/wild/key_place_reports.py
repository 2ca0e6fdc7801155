"""Reports about keys and tokens that were sent in the wrong place."""

from __future__ import annotations

from bug_report import Report
from wire_session import BROWSER, WireSession

VOXTRAL = "wss://api.mistral.ai/v1/audio/transcriptions/realtime?model=voxtral-mini-transcribe"
UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use "
    "API Key or other form of API consumer identity to call this API."
)
ALPHA = "wss://generativelanguage.googleapis.com/ws/google.ai.generativelanguage.v1alpha"
TOKEN = "auth_tokens/" + "0123456789abcdef" * 4


def key_in_the_query() -> WireSession:
    session = WireSession(f"{VOXTRAL}&api_key={'Synthetic0' * 3}ab", agent=BROWSER)
    return session.refuse(401, "Unauthorized", {"detail": "Unauthorized"})


def key_not_accepted() -> WireSession:
    session = WireSession(VOXTRAL, {"Authorization": "Bearer " + "Synthetic0" * 3 + "ab"})
    return session.refuse(401, "Unauthorized", {"detail": "Unauthorized"})


def gemini_token(method: str, field: str) -> WireSession:
    """A connection with a token for a short time."""
    session = WireSession(f"{ALPHA}.GenerativeService.{method}?{field}={TOKEN}", agent=BROWSER)
    return session.accept().app({"setup": {"model": "models/gemini-2.0-flash-live-001"}})


def token_of_another_method() -> WireSession:
    session = gemini_token("BidiGenerateContent", "access_token")
    return session.server_closes(1008, UNREGISTERED[:123], after=0.1)


def token_as_a_key() -> WireSession:
    session = gemini_token("BidiGenerateContent", "key")
    return session.server_closes(1007, "API key not valid. Please pass a valid API key.")


def token_accepted() -> WireSession:
    session = gemini_token("BidiGenerateContentConstrained", "access_token")
    return session.server(b'{"setupComplete": {}}', after=0.1).app_closes(1000, after=1.0)


REPORTS = [
    Report(
        "mistral-browser-auth",
        "credentials",
        "mistralai/client-ts#252",
        "Realtime transcription cannot be used from browsers — auth is header-only on the upgrade",
        "401 in a browser; the same key works in Node",
        "the key is not in the Authorization header, which a browser cannot set",
        key_in_the_query,
        ("401|credentials|not accept", "Authorization|header"),
        key_not_accepted,
        "a key that is not valid, in the header",
        ("no Authorization", "without an Authorization", "no credentials"),
    ),
    Report(
        "gem-token-other-method",
        "credentials",
        "google-gemini/cookbook#821",
        "Ephemeral Token Not Working with Gemini API",
        "1008: the caller is not registered",
        "a token for a short time works with BidiGenerateContentConstrained only",
        token_of_another_method,
        ("unregistered callers", "Constrained"),
        token_accepted,
        "the right method",
        ("unregistered", "Constrained"),
        ("policy was violated",),
    ),
    Report(
        "gem-token-as-key",
        "credentials",
        "googleapis/js-genai#600",
        "How to access Ephemeral tokens",
        "the API key is not valid",
        "a token for a short time was sent as the API key",
        token_as_a_key,
        ("API key", "auth_tokens|ephemeral|token"),
        token_accepted,
        "the token is in access_token",
        ("API key",),
    ),
]
