"""Sessions that ended with a server's sentence, and the first finding about them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from wsproxy.catalog import load
from wsproxy.diagnose import Finding, diagnose
from wsproxy.session import Session
from wsproxy.trace import FrameRecord, Request, Response, Start

CATALOG = load()
ACCEPT = [["Sec-WebSocket-Accept", "JVxkmtKFjDcIUNMNKGDyMHcGvEQ="]]
S = 10**9
Place = tuple[str | None, str | None, str]
UNKNOWN: Place = (None, None, "/stream")
LISTEN: Place = ("deepgram", "listen", "/v1/listen")
REALTIME: Place = ("openai", "realtime", "/v1/realtime?model=gpt-realtime")
AGENT: Place = ("elevenlabs", "agent", "/v1/convai/conversation")
CONTEXTS: Place = ("elevenlabs", "tts-multi", "/v1/text-to-speech/x/multi-stream-input")
LIVE: Place = ("gemini", "live", "/ws/google.ai.BidiGenerateContent")
SPEECH: Place = ("azure_speech", "stt", "/speech/recognition/conversation")


def session_at(place: Place, response: Response, *, host: str = "speech.test") -> Session:
    session = Session()
    session.add(Start(0, 1, "0123456789abcdef", 0, provider=place[0], api=place[1]))
    headers = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]
    session.add(Request(0, "GET", "wss", host, 443, place[2], headers=headers))
    session.add(response)
    return session


def closed_session(
    place: Place,
    code: int | None,
    reason: str = "",
    messages: Sequence[object] = (),
    *,
    by_client: bool = False,
    later: Sequence[object] = (),
) -> Session:
    """A session with messages of the server: `messages` shortly before its end, `later` after it.

    Each is an object, sent as JSON, or a text.
    """
    session = session_at(place, Response(1, 101, headers=ACCEPT))
    for number, content in enumerate((*messages, *later), 2):
        text = content if isinstance(content, str) else json.dumps(content)
        session.add(FrameRecord(number, False, 1, text.encode()))
    payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    session.add(FrameRecord(S, by_client, 8, payload))
    return session


def first_of_close(place: Place, code: int | None, reason: str = "", *messages: object) -> Finding:
    return diagnose(closed_session(place, code, reason, messages), CATALOG)[0]


def refused_session(
    place: Place,
    status: int,
    body: object = "",
    headers: Sequence[Sequence[str]] = (),
    *,
    host: str = "speech.test",
) -> Session:
    text = body if isinstance(body, str) else json.dumps(body)
    answer = Response(S, status, headers=[list(h) for h in headers], body=text.encode())
    return session_at(place, answer, host=host)


def first_of_refusal(
    place: Place, status: int, body: object = "", *headers: Sequence[str]
) -> Finding:
    return diagnose(refused_session(place, status, body, headers), CATALOG)[0]
