"""assemblyai, v3, in one failing session after another. Usage: see conditions_common.py.

MODE: sync or async.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import assemblyai
from assemblyai.streaming import v3

from common import chunks, key, mode
from conditions_common import AT_ONCE, CASES, PATIENCE, LastLog, Said

SDK = f"assemblyai {assemblyai.__version__} {mode}"
PARAMETERS = v3.StreamingParameters(sample_rate=16_000, format_turns=True)
log = LastLog("assemblyai")


def options(url: str) -> v3.StreamingClientOptions:
    return v3.StreamingClientOptions(
        api_host=url, api_key=key, connect_timeout=10, max_connection_retries=0
    )


def tell(said: Said, error: Exception) -> None:
    """An Error event; it comes on the thread that logged the error just before."""
    said.error("Error event", error)
    if text := log.take():
        said.log(text)


def run_sync(case: str, url: str) -> None:
    said = Said(SDK, case)
    over = threading.Event()
    try:
        client = v3.StreamingClient(options(url))
        client.on(v3.StreamingEvents.Error, lambda _, e: (tell(said, e), over.set()))
        client.connect(PARAMETERS)
        for chunk, wait in chunks():
            if over.is_set():
                break
            client.stream(chunk)
            time.sleep(wait)
        over.wait(PATIENCE)
        client.disconnect()
    except Exception as error:
        said.error("raised", error)
    said.print()


async def run_async(case: str, url: str) -> None:
    said = Said(SDK, case)
    over = asyncio.Event()
    try:
        client = v3.AsyncStreamingClient(options(url))
        client.on(v3.StreamingEvents.Error, lambda _, e: (tell(said, e), over.set()))
        await client.connect(PARAMETERS)
        for chunk, wait in chunks():
            if over.is_set():
                break
            await client.stream(chunk)
            await asyncio.sleep(wait)
        await asyncio.wait({asyncio.create_task(over.wait())}, timeout=PATIENCE)
        await client.disconnect()
    except Exception as error:
        said.error("raised", error)
    said.print()


async def all_async() -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(case: str, url: str) -> None:
        async with room:
            await run_async(case, url)

    await asyncio.gather(*(one(case, url) for case, url in CASES))


if mode == "async":
    asyncio.run(all_async())
else:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda case: run_sync(*case), CASES))
