"""A plain client that behaves, or breaks a rule, in a session with any of the simulated APIs."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import http.client
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from wsproxy.audio.synthetic_speech import speech
from wsproxy.catalog import Api, Condition, Provider, load
from wsproxy.catalog.envelope import wrap
from wsproxy.simulate import ApiQuotas
from wsproxy.simulate.dialogue_api import is_audio
from wsproxy.simulate.dialogue_template import AUDIO

RATE = 16_000
# Short, so that silence is soon long enough, yet longer than a busy machine holds up a client.
LIMITS = ApiQuotas(
    silence=2.5, speak_silence=2.5, session=20.0, ahead=0.5, characters=3000, linger=0.5
)
CHUNK = 0.1  # seconds of audio in a message
STEP = 0.02  # seconds, of a wait


@dataclass
class Behaviour:
    """How a plain client behaves in a session.

    Attributes:
        messages: what it sends, one message after another: audio is paced, text is not.
        waits_after: number of messages after which it waits for a message of the server.
        pace: real seconds for a second of audio.
        stalls: seconds for which it then waits for the server without sending.
        ends: what it sends then, before it closes.
        headers, path: of its request; None is the usual.
        limits: what the API allows.
        body, content_type: of a plain HTTP request, which it makes where there is a body.
    """

    messages: Sequence[bytes | str] = ()
    waits_after: int = 0
    waits_for: int = 1
    pace: float = 1.0
    stalls: float = 8.0
    ends: Sequence[bytes | str] = ()
    headers: dict[str, str] | None = None
    path: str | None = None
    limits: ApiQuotas = LIMITS
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Home:
    """Where a condition occurs."""

    provider: Provider
    api: Api

    @property
    def host(self) -> str:
        return urlsplit(self.api.url).hostname or ""

    @property
    def path(self) -> str:
        parts = urlsplit(self.api.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def plain(self) -> bool:
        """Whether it takes plain HTTP requests only."""
        return self.api.url.startswith("http")


# Those of RFC 6455 are at home everywhere: here, at a host that no provider has.
ANYWHERE = "speech.example"


def home(condition: Condition) -> Home | None:
    """Where a condition occurs; None: anywhere."""
    provider = load().provider(condition.provider)
    if provider is None or not provider.apis:
        return None
    apis = [api for api in provider.apis if not condition.apis or api.name in condition.apis]
    wanted = [api for api in apis if api.url.startswith("http") is is_plain(condition)]
    return Home(provider, (wanted or apis)[0])


def is_plain(condition: Condition) -> bool:
    """Whether it occurs in plain HTTP exchanges alone."""
    return all(match.kind == "http" for match in condition.matches)


def audio(seconds: float, chunk: float = CHUNK) -> list[bytes]:
    """Speech, cut into messages."""
    data = _speech(seconds)
    size = int(chunk * RATE) * 2
    return [data[i : i + size] for i in range(0, len(data), size)]


@functools.cache
def _speech(seconds: float) -> bytes:
    return speech(seconds, RATE)


def wire_message(
    text: str, envelope: str, request_id: str, sound: bytes | None = None
) -> str | bytes:
    """Encode a client's message of a dialogue for the wire.

    Args:
        text: as in the catalog; "{audio}" and "{id}" in it are replaced.
        sound: replaces "{audio}", and follows the headers of an audio message in an envelope;
            None for a short piece of speech.
    """
    sound = _speech(0.4) if sound is None else sound
    if text == AUDIO:
        return sound
    filled = text.replace("{id}", request_id)
    if AUDIO in filled:
        filled = filled.replace(AUDIO, base64.b64encode(sound).decode())
    return wrap(envelope, filled, sound if is_audio(filled) else b"")


def good(place: Home | None) -> Behaviour:
    """What a well-behaved client of an API says before it waits."""
    if place is None:
        return Behaviour(["hello"])
    api, dialogue = place.api, place.api.dialogue
    if dialogue is None:
        if api.name == "speak":
            asked = [json.dumps({"type": "Speak", "text": "Hello."}), '{"type": "Flush"}']
            return Behaviour(asked, ends=['{"type": "Close"}'])
        end = '{"type": "CloseStream"}' if api.name == "listen" else '{"type": "Terminate"}'
        return Behaviour(audio(0.5), ends=[end])

    def wrapped(text: str, sound: bytes | None = None) -> bytes | str:
        return wire_message(text, api.envelope, "00000000-0000-4000-8000-000000000000", sound)

    messages = [wrapped(text) for text in dialogue.setup]
    if dialogue.say:
        messages += [wrapped(text) for text in dialogue.say]
    else:
        messages += [wrapped(dialogue.audio or "{audio}", chunk) for chunk in audio(0.5)]
    waits = len(dialogue.setup) if dialogue.setup and dialogue.opening else 0
    first = len(dialogue.greeting) + 1
    return Behaviour(
        messages, waits, waits_for=first, ends=[wrapped(text) for text in dialogue.end]
    )


def usual_headers(place: Home | None) -> dict[str, str]:
    if place is None or place.provider.id != "deepgram":
        return {"Authorization": "key"}
    return {"Authorization": "Token key"}


async def talk(
    url: str,
    place: Home | None,
    behaviour: Behaviour,
    *,
    proxy: str | None = None,
    case: str = "",
    host: str | None = None,
) -> BaseException | None:
    """Hold one session, marked with a case; returns what the library said in the end.

    Args:
        url: of the simulated API.
        host: that is asked for through a proxy; None: the API's real one.
    """
    headers = usual_headers(place) if behaviour.headers is None else behaviour.headers
    headers = {**headers, "X-Case": case}
    path = behaviour.path or (place.path if place else "/")
    if proxy is not None:
        host = host or (place.host if place else ANYWHERE)
        url = f"ws://{host}:{urlsplit(url).port}"
    if behaviour.body is not None:
        headers["Content-Type"] = behaviour.content_type
        await asyncio.to_thread(post, url, path, behaviour.body, headers, proxy)
        return None
    try:
        async with connect(
            url + path,
            additional_headers=headers,
            proxy=proxy,
            ping_interval=None,
            close_timeout=5,
            max_size=None,
        ) as session:
            await _say(session, behaviour)
            return session.protocol.close_exc if session.close_code is not None else None
    except (WebSocketException, OSError, TimeoutError) as error:
        return error


def post(url: str, path: str, body: bytes, headers: dict[str, str], proxy: str | None) -> int:
    """Make a plain HTTP request; returns the status."""
    target = urlsplit(url)
    through = urlsplit(proxy) if proxy else target
    assert through.hostname
    connection = http.client.HTTPConnection(through.hostname, through.port, timeout=20)
    absolute = f"http://{target.netloc}" if proxy else ""
    try:
        connection.request("POST", absolute + path, body, headers)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


async def _say(session: ClientConnection, behaviour: Behaviour) -> None:
    loop = asyncio.get_running_loop()
    due = loop.time()
    answered = asyncio.Event()
    reading = asyncio.create_task(_read(session, answered, behaviour.waits_for))
    with contextlib.suppress(WebSocketException):
        for number, message in enumerate(behaviour.messages, 1):
            await session.send(message)
            if number == behaviour.waits_after:
                if not await _patiently(answered.is_set, behaviour.stalls):
                    break
                due = loop.time()
            if isinstance(message, bytes):
                due += len(message) / 2 / RATE * behaviour.pace
                await asyncio.sleep(max(0.0, due - loop.time()))
    await _patiently(reading.done, behaviour.stalls)
    if not reading.done() and behaviour.ends:
        with contextlib.suppress(WebSocketException):
            for message in behaviour.ends:
                await session.send(message)
        await _patiently(reading.done, 5)
    reading.cancel()


async def _patiently(done: Callable[[], bool], seconds: float) -> bool:
    """Wait for something, in steps; returns whether it came.

    A pause of this busy process, in which the API could not answer either, counts as one step.
    """
    for _ in range(round(seconds / STEP)):
        if done():
            break
        await asyncio.sleep(STEP)
    return done()


async def _read(session: ClientConnection, answered: asyncio.Event, wanted: int) -> None:
    received = 0
    with contextlib.suppress(WebSocketException):
        async for _ in session:
            received += 1
            if received >= wanted:
                answered.set()
    answered.set()
