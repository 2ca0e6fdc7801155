"""deepgram-sdk in one failing session after another. Usage: see conditions_common.py.

MODE: listen-sync, listen-async, speak-sync or speak-async.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text

from common import chunks, key, mode
from conditions_common import AT_ONCE, CASES, PATIENCE, PAUSE, Said

API, _, FLAVOUR = mode.partition("-")
SDK = f"deepgram-sdk {version('deepgram-sdk')} {API} {FLAVOUR}"
OPTIONS: dict[str, Any] = {
    "listen": {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000"},
    "speak": {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": "24000"},
}[API]


def environment(url: str) -> DeepgramClientEnvironment:
    http_url = url.replace("ws", "http", 1)
    return DeepgramClientEnvironment(base=http_url, production=url, agent=url, agent_rest=http_url)


def messages() -> Iterator[tuple[str, list[Any], float]]:
    """What the app sends, as calls: (method, arguments, seconds to wait after it)."""
    if API == "listen":
        for chunk, wait in chunks():
            yield "send_media", [chunk], wait
    else:
        yield "send_text", [SpeakV1Text(text="Hello from a made voice.")], PAUSE
        yield "send_flush", [], PAUSE


def run_sync(case: str, url: str) -> None:
    said = Said(SDK, case)
    try:
        client = DeepgramClient(api_key=key, environment=environment(url))
        with getattr(client, API).v1.connect(**OPTIONS) as connection:
            connection.on(EventType.ERROR, lambda error: said.error("ERROR event", error))
            listener = threading.Thread(target=connection.start_listening, daemon=True)
            listener.start()
            for method, arguments, wait in messages():
                try:
                    getattr(connection, method)(*arguments)
                except Exception as error:
                    said.error(f"raised by {method}", error)
                    break
                time.sleep(wait)
            listener.join(PATIENCE)
    except Exception as error:
        said.error("raised by connect", error)
    said.print()


async def run_async(case: str, url: str) -> None:
    said = Said(SDK, case)
    try:
        client = AsyncDeepgramClient(api_key=key, environment=environment(url))
        async with getattr(client, API).v1.connect(**OPTIONS) as connection:
            connection.on(EventType.ERROR, lambda error: said.error("ERROR event", error))
            listener = asyncio.create_task(connection.start_listening())
            for method, arguments, wait in messages():
                try:
                    await getattr(connection, method)(*arguments)
                except Exception as error:
                    said.error(f"raised by {method}", error)
                    break
                await asyncio.sleep(wait)
            await asyncio.wait({listener}, timeout=PATIENCE)
    except Exception as error:
        said.error("raised by connect", error)
    said.print()


async def all_async() -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(case: str, url: str) -> None:
        async with room:
            await run_async(case, url)

    await asyncio.gather(*(one(case, url) for case, url in CASES))


if FLAVOUR == "async":
    asyncio.run(all_async())
else:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda case: run_sync(*case), CASES))
