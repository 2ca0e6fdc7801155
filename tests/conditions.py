"""A plain client that behaves, or breaks a rule, in a session with any of the simulated APIs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from wsproxy.catalog import Condition
from wsproxy.simulate import Limits
from wsproxy.simulate.speech import speech

RATE = 16_000
PATHS = {
    ("deepgram", "listen"): f"/v1/listen?model=nova-3&encoding=linear16&sample_rate={RATE}",
    ("deepgram", "speak"): "/v1/speak?model=aura-2-thalia-en&encoding=linear16",
    ("assemblyai", "streaming"): f"/v3/ws?sample_rate={RATE}&encoding=pcm_s16le",
    ("assemblyai", "realtime-v2"): "/v2/realtime/ws?sample_rate=16000",
}
# Short, so that silence is soon long enough; the rules are the same.
LIMITS = Limits(
    silence=0.6, speak_silence=0.6, session=20.0, ahead=0.5, characters=3000, linger=0.5
)
CHUNK = 0.1  # seconds of audio in a message


@dataclass
class Behaviour:
    """How a plain client behaves in a session.

    Attributes:
        said: what it sends, one message after another: audio is paced, text is not.
        pace: real seconds for a second of audio.
        stalls: it sends nothing more and waits for the server, for so many seconds.
        headers, path: of its request; None is the usual.
        limits: what the API allows.
    """

    said: list[bytes | str] = field(default_factory=list)
    pace: float = 1.0
    stalls: float = 8.0
    headers: dict[str, str] | None = None
    path: str | None = None
    limits: Limits = LIMITS


def audio(seconds: float, chunk: float = CHUNK) -> list[bytes | str]:
    """Speech, cut into messages."""
    data = speech(seconds, RATE)
    size = int(chunk * RATE) * 2
    return [data[i : i + size] for i in range(0, len(data), size)]


def good(api: str) -> Behaviour:
    """What a well-behaved client of an API says before it waits."""
    if api == "speak":
        return Behaviour([json.dumps({"type": "Speak", "text": "Hello."}), '{"type": "Flush"}'])
    if api in ("listen", "streaming", "realtime-v2"):
        return Behaviour(audio(0.5))
    return Behaviour(["hello"])


def path_of(condition: Condition) -> str:
    """The path at which a condition is at home."""
    api = condition.apis[0] if condition.apis else _HOME.get(condition.provider, "")
    return PATHS.get((condition.provider, api), "/")


def api_of(condition: Condition) -> str:
    return condition.apis[0] if condition.apis else _HOME.get(condition.provider, "")


_HOME = {"deepgram": "listen", "assemblyai": "streaming"}


async def talk(
    url: str, path: str, behaviour: Behaviour, api: str, *, proxy: str | None = None, case: str = ""
) -> BaseException | None:
    """Hold one session, marked with a case; returns what the library said in the end."""
    headers = behaviour.headers
    if headers is None:
        headers = {"Authorization": "key" if api.startswith(("streaming", "real")) else "Token key"}
    headers = {**headers, "X-Case": case}
    try:
        async with connect(
            url + (behaviour.path or path),
            additional_headers=headers,
            proxy=proxy,
            ping_interval=None,
            close_timeout=5,
            max_size=None,
        ) as session:
            await _say(session, behaviour)
            async with asyncio.timeout(behaviour.stalls):
                await session.wait_closed()
            return session.protocol.close_exc
    except (WebSocketException, OSError, TimeoutError) as error:
        return error


async def _say(session: ClientConnection, behaviour: Behaviour) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    reading = asyncio.create_task(_read(session))
    with contextlib.suppress(WebSocketException):
        for message in behaviour.said:
            await session.send(message)
            if isinstance(message, bytes):
                due += len(message) / 2 / RATE * behaviour.pace
                await asyncio.sleep(max(0.0, due - loop.time()))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), behaviour.stalls)
    reading.cancel()


async def _read(session: ClientConnection) -> None:
    with contextlib.suppress(WebSocketException):
        async for _ in session:
            pass
