"""Upgrades that were refused, by what is wrong with their credentials, and near misses."""

from __future__ import annotations

from collections.abc import Sequence

from wsproxy.catalog import load
from wsproxy.diagnose.rules import credentials, messages
from wsproxy.diagnose.session_facts import SessionFacts
from wsproxy.redact import HeadRedactor
from wsproxy.session import Session
from wsproxy.trace import Request, Response, Start

CATALOG = load()
S = 1_000_000_000


def refused(
    provider: str,
    *,
    status: int = 401,
    path: str = "/v1/x",
    body: bytes = b"{}",
    headers: Sequence[tuple[str, str]] = (),
    server: str = "",
) -> SessionFacts:
    """An upgrade that was refused; what it asked with is redacted as the recorder does it."""
    redacted = HeadRedactor(CATALOG.credentials, b"key", CATALOG.key_shapes)(list(headers), path)
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=provider, api=None))
    asked = [*redacted.headers, ["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    session.add(
        Request(0, "GET", "wss", "h", 443, redacted.path, headers=asked, redacted=redacted.entries)
    )
    answered = [["Server", server]] if server else []
    session.add(Response(S, status, headers=answered, body=body, body_length=len(body)))
    return SessionFacts(session, CATALOG)


HEX40, HEX32 = "0123456789" * 4, "abcdef01" * 4
HTML = b"<html><body><center>nginx/1.25</center></body></html>"


def token(value: str) -> list[tuple[str, str]]:
    return [("Authorization", value)]


def subprotocols(*names: str) -> list[tuple[str, str]]:
    return [("Sec-WebSocket-Protocol", ", ".join(names))]


REFUSED = [
    (
        credentials.misplaced_credential,
        refused("mistral", path="/v1/x?api_key=abcdefgh"),
        1.0,
        refused("mistral", headers=token("Bearer abcdefgh")),
    ),
    (
        credentials.empty_credential,
        refused("deepgram", headers=token("Token ")),
        0.0,
        refused("deepgram", headers=token(f"Token {HEX40}")),
    ),
    (
        credentials.empty_credential,
        refused("deepgram", path="/v1/listen?token="),
        0.0,
        refused("deepgram", path="/v1/listen?token=x"),
    ),
    (
        credentials.no_credential,
        refused("deepgram"),
        0.0,
        refused("deepgram", path="/v1/listen?token=abc"),
    ),
    (credentials.no_credential, refused("openai"), 0.0, refused("openai", status=400)),
    (
        credentials.wrong_scheme,
        refused("deepgram", headers=token("Basic abcdef")),
        1.0,
        refused("deepgram", headers=token("Token abcdef")),
    ),
    (
        credentials.wrong_scheme,
        refused("deepgram", headers=token(HEX40)),
        1.0,
        refused("assemblyai", headers=token(HEX32)),
    ),
    (
        # An API key where a short-lived token has to be.
        credentials.wrong_scheme,
        refused("deepgram", headers=token(f"Bearer {HEX40}")),
        1.0,
        refused("deepgram", headers=token("Bearer eyJhbGciOi.x.y")),
    ),
    (
        # A short-lived token where an API key is announced.
        credentials.wrong_scheme,
        refused("deepgram", headers=subprotocols("token", "eyJhbGciOi.eyJ4IjoxfQ.c2ln")),
        26.0,
        refused("deepgram", headers=subprotocols("token", HEX40)),
    ),
    (
        credentials.white_space_or_quotes,
        refused("deepgram", headers=token(f'Token "{HEX40}"')),
        42.0,
        refused("deepgram", headers=token(f"Token {HEX40}")),
    ),
    (
        credentials.white_space_or_quotes,
        refused("deepgram", path=f"/v1/listen?token=%20{HEX40}%0A"),
        42.0,
        refused("deepgram", path=f"/v1/listen?token={HEX40}"),
    ),
    (
        credentials.foreign_key_shape,
        refused("deepgram", headers=token("Token sk-proj-abc")),
        11.0,
        refused("openai", headers=token("Bearer sk-proj-abc")),
    ),
    (
        credentials.foreign_key_shape,
        refused("assemblyai", headers=token("sk_" + HEX40)),
        43.0,
        # 40 hex digits are a key of Deepgram, and of others.
        refused("assemblyai", headers=token(HEX40)),
    ),
    (
        messages.gateway_between,
        refused("deepgram", status=502, body=HTML, server="nginx"),
        502.0,
        refused("deepgram", status=502, body=b'{"err_code": "x"}', server="nginx"),
    ),
    (
        messages.page_for_upgrade,
        refused("deepgram", status=200, body=HTML, server="nginx"),
        200.0,
        refused("deepgram", status=502, body=HTML, server="nginx"),
    ),
]
