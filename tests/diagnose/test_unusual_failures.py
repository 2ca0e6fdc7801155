"""What the wire really says: forms that no document shows, and texts that none knows."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from wsproxy.catalog import load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

CATALOG = load()
UPGRADE = [["Upgrade", "websocket"], ["Connection", "Upgrade"], ["Sec-WebSocket-Key", "x"]]
NGINX = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad "
    "Gateway</h1></center>\r\n<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n"
)
Api = tuple[str, str, str]
LISTEN = ("deepgram", "listen", "/v1/listen")
SPEAK = ("deepgram", "speak", "/v1/speak")
STREAMING = ("assemblyai", "streaming", "/v3/ws")


def begun(api: Api, *, upgrade: bool = True) -> Session:
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=api[0], api=api[1]))
    headers = UPGRADE if upgrade else []
    session.add(Request(0, "GET", "wss", "h", 443, api[2], headers=headers))
    return session


def closed(api: Api, code: int, reason: bytes | str, messages: Sequence[str] = ()) -> list[Finding]:
    session = begun(api)
    session.add(Response(1, 101))
    for number, text in enumerate(messages, 2):
        session.add(FrameRecord(number, False, 1, text.encode()))
    payload = reason.encode() if isinstance(reason, str) else reason
    session.add(FrameRecord(10**9, False, 8, code.to_bytes(2, "big") + payload))
    return diagnose(session, CATALOG)


def answered(
    api: Api,
    status: int,
    body: str | dict[str, object],
    headers: list[list[str]] | None = None,
    *,
    upgrade: bool = True,
) -> list[Finding]:
    session = begun(api, upgrade=upgrade)
    text = body if isinstance(body, str) else json.dumps(body)
    session.add(Response(10**6, status, "", headers=headers or [], body=text.encode()))
    return diagnose(session, CATALOG)


@pytest.mark.parametrize(
    "reason",
    [
        "NET-0001",
        "net0001",
        "Deepgram did not receive audio data or a text message within the timeout window. "
        "See https://dpgr.am/net0001",
    ],
)
def test_explain_code_in_sentence_with_link_is_found(reason: str) -> None:
    assert closed(LISTEN, 1011, reason)[0].id == "deepgram.listen.NET-0001"


@pytest.mark.parametrize("code", ["TOO_MANY_REQUESTS", "Too Many Requests", "too-many-requests"])
@pytest.mark.parametrize("field", ["err_code", "error_code", "category"])
@pytest.mark.parametrize(
    "api, name",
    [(LISTEN, "deepgram.listen.TOO_MANY_REQUESTS"), (SPEAK, "deepgram.speak.TOO_MANY_REQUESTS")],
)
def test_explain_code_in_every_spelling_is_found(
    api: Api, name: str, field: str, code: str
) -> None:
    assert answered(api, 429, {field: code, "err_msg": "x"})[0].id == name


def test_explain_reason_cut_within_a_letter_is_found() -> None:
    text = "Have not received a new text input within the timeout of 20.0 seconds. Streaming"
    cut = (text + " input terminated. Please make sure to send – ".ljust(80)).encode()[:123]
    findings = closed(("elevenlabs", "tts", "/"), 1008, cut)
    assert findings[0].id == "elevenlabs.tts.input-timeout"


def test_explain_reason_referring_to_message_is_found() -> None:
    error = {"type": "Error", "error_code": 3008, "error": "Session Expired: Maximum " + "x" * 200}
    findings = closed(STREAMING, 3008, "See Error message for details", [json.dumps(error)])
    assert findings[0].id == "assemblyai.streaming.3008-expired"
    assert "the server sent" in findings[0].evidence[0].text


def test_explain_plain_text_body_is_found() -> None:
    text = "UUID parsing failed: invalid character"
    findings = answered(("deepgram", "rest", "/v1/projects/x"), 404, text, upgrade=False)
    assert findings[0].id == "deepgram.rest.UUID"


def test_explain_html_of_gateway_is_generic() -> None:
    findings = answered(LISTEN, 502, NGINX, [["Server", "nginx/1.25.3"]])
    assert findings[0].id == "deepgram.upgrade.502"
    assert any("nginx" in e.text for finding in findings for e in finding.evidence)


# -- what nobody knows


def test_explain_unknown_text_with_known_code_matches_no_condition() -> None:
    (finding, *_) = closed(LISTEN, 1011, "NET-0009")
    assert finding.id == "rfc6455.close.1011"
    assert any("NET-0009" in evidence.text for evidence in finding.evidence)
    assert {"deepgram.listen.NET-0000", "deepgram.listen.NET-0001"} <= set(finding.related)


def test_explain_unknown_code_is_unknown_and_shows_evidence() -> None:
    message = json.dumps({"type": "Error", "code": "INVALID_SETTING", "description": "odd"})
    api = ("deepgram", "agent", "/v1/agent/converse")
    (finding, *_) = closed(api, 4321, "something new", [message])
    assert finding.id in ("unknown.close", "rfc6455.close.4000-4999")
    shown = " ".join(evidence.text for evidence in finding.evidence)
    assert "4321" in shown
    assert "something new" in shown
    assert "deepgram.agent.INVALID_SETTINGS" in finding.related


def test_explain_unknown_refusal_names_conditions_of_status() -> None:
    (finding, *_) = answered(STREAMING, 418, {"error": "teapot"})
    assert finding.id in ("unknown.refused", "rfc6455.upgrade.4xx")
    assert any("teapot" in evidence.text for evidence in finding.evidence)


@pytest.mark.parametrize("code", [1005, 1006, 1015, 999, 0])
def test_explain_forbidden_close_code_is_reported(code: int) -> None:
    assert closed(LISTEN, code, "")[0].id.startswith("rfc6455.close.")
