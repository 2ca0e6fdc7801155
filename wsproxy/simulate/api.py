"""The base of simulated APIs: messages in, actions out; no sockets and no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl

from wsproxy.catalog.model import ClosePattern, Refusal


@dataclass(frozen=True, slots=True)
class ApiQuotas:
    """Documented limits, and assumed ones where the documents give no figure.

    Attributes:
        silence: seconds; Deepgram listen waits this long for audio or KeepAlive
            (documented: 10), and the trigger "silence" for any message.
        speak_silence: seconds that Deepgram speak waits for a message (assumed).
        text_characters: of one Speak message (documented for the REST API: 2000).
        message_bytes: of one message to Deepgram speak (documented for REST: 2 MB).
        characters: to speak within `characters_window` seconds (assumed).
        chunk: shortest and longest audio message to AssemblyAI, seconds (documented).
        ahead: seconds that AssemblyAI's audio may be ahead of the clock (assumed).
        session: seconds that an AssemblyAI session may last (documented: 3 hours).
        sessions: concurrent ones (assumed).
        linger: seconds that a connection is kept for the client's answer to a Close frame.
    """

    silence: float = 10.0
    speak_silence: float = 60.0
    text_characters: int = 2000
    message_bytes: int = 2_000_000
    characters: int = 12_000
    characters_window: float = 60.0
    chunk: tuple[float, float] = (0.050, 1.000)
    ahead: float = 2.0
    session: float = 3 * 3600.0
    sessions: int = 1000
    linger: float = 2.0


@dataclass(frozen=True, slots=True)
class SimulatedEnding:
    """Ends the connection without a Close frame: TCP reset, or end of stream."""

    how: Literal["reset", "eof"]


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The answer to a plain HTTP request."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = ""

    @classmethod
    def of(cls, refusal: Refusal) -> ApiAnswer:
        """Convert a refusal."""
        body = refusal.body.encode()
        return cls(refusal.status, refusal.headers, body, refusal.content_type)


# A text message, a binary message, or an end of the session.
Action: TypeAlias = str | bytes | ClosePattern | SimulatedEnding


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """The upgrade request.

    Attributes:
        method: of the HTTP request; an upgrade is a GET.
        path: without the query.
        query: the last value of each parameter.
        headers: lower-case names.
        request_id: the id that the service assigns to this session.
        created: time of the request, ISO 8601.
        now: time of the request, Unix time in seconds.
        sessions: the number of other open sessions.
        secure: whether the connection is TLS.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    request_id: str
    created: str
    now: float
    sessions: int = 0
    secure: bool = False

    @classmethod
    def parse(
        cls,
        target: str,
        headers: Mapping[str, str],
        *,
        request_id: str = "00000000-0000-4000-8000-000000000000",
        created: str = "2025-01-01T00:00:00.000Z",
        now: float = 0.0,
        sessions: int = 0,
        method: str = "GET",
        secure: bool = False,
    ) -> ApiRequest:
        """Read the target of a request line."""
        path, _, text = target.partition("?")
        query = dict(parse_qsl(text, keep_blank_values=True))
        return cls(method, path, query, headers, request_id, created, now, sessions, secure)

    @property
    def credential(self) -> str:
        """The API key or token, from any place in the request; empty if there is none."""
        header = self.headers.get("authorization", "").strip()
        scheme, _, value = header.partition(" ")
        if scheme.lower() in ("token", "bearer"):
            header = value.strip()
        if header:
            return header
        offered = [p.strip() for p in self.headers.get("sec-websocket-protocol", "").split(",")]
        if len(offered) == 2 and offered[0].lower() in ("token", "bearer"):
            return offered[1]
        return self.query.get("token", "")

    @property
    def good_credential(self) -> bool:
        """Any key is accepted, unless it contains "bad" or "invalid"."""
        key = self.credential.lower()
        return bool(key) and "bad" not in key and "invalid" not in key


def number(text: str | None) -> int | None:
    """The integer in a query parameter; None if it is not one, or has more than 9 digits."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 9:
        return None
    return int(text)


class SimulatedApi:
    """A session of an API. Times are seconds of a monotonic clock.

    Every method returns the server's next actions in order; an end is the last one.

    Attributes:
        answer_headers: names of the response headers with the request id.
        envelope: the encoding of its messages, see `wsproxy.catalog.envelope`.
        deadline_fails: whether its deadline is a failure of the client.
        audio_seconds: duration of the audio that was received or synthesized.
    """

    answer_headers: tuple[str, ...] = ()
    envelope: str = ""
    deadline_fails: bool = True

    def __init__(self, request: ApiRequest, limits: ApiQuotas) -> None:
        self.request = request
        self.limits = limits

    @property
    def audio_seconds(self) -> float:
        return 0.0

    def refusal(self) -> Refusal | None:
        """The response to the upgrade if it is not 101."""
        return None

    def answer(self, body: bytes) -> ApiAnswer:
        """The response to a plain HTTP request with this body."""
        headers = (("Upgrade", "websocket"),)
        return ApiAnswer(426, headers, b"this path is a WebSocket API\n", "text/plain")

    def follows_setup(self, message: str | bytes) -> bool:
        """Whether a message that comes next is none of those before audio or text."""
        return True

    def opened(self, now: float) -> Sequence[Action]:
        return ()

    def text(self, message: str, now: float) -> Sequence[Action]:
        return ()

    def binary(self, message: bytes, now: float) -> Sequence[Action]:
        return ()

    def deadline(self) -> float | None:
        """When to call `on_deadline`, unless a message comes before."""
        return None

    def on_deadline(self, now: float) -> Sequence[Action]:
        """Called when the deadline has passed."""
        return ()


def to_json(**fields: Any) -> str:
    """A JSON message; `type` comes first, as in the services' messages."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def is_failure(actions: Sequence[Action]) -> bool:
    """Whether the session ends with these actions, and fails."""
    return any(
        isinstance(a, SimulatedEnding) or (isinstance(a, ClosePattern) and a.code != 1000)
        for a in actions
    )


def is_end(actions: Sequence[Action]) -> bool:
    """Whether the session ends with these actions."""
    return any(isinstance(action, ClosePattern | SimulatedEnding) for action in actions)
