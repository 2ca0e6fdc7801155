"""deepgram-sdk, live transcription. Usage: see common.py."""

import asyncio
import threading
import time
from importlib.metadata import version

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment

from common import PATIENCE, Report, base_url, chunks, key, mode, stall

http_url = base_url.replace("ws", "http", 1)
environment = DeepgramClientEnvironment(
    base=http_url, production=base_url, agent=base_url, agent_rest=http_url
)
options = {
    "model": "nova-3",
    "encoding": "linear16",
    "sample_rate": "16000",
    "interim_results": "true",
}
report = Report(f"deepgram-sdk {version('deepgram-sdk')} {mode}")


def on_message(message) -> None:
    kind = type(message).__name__
    transcript = ""
    if kind == "ListenV1Results" and message.is_final:
        transcript = message.channel.alternatives[0].transcript
    report.message(kind, transcript)


def run_sync() -> None:
    client = DeepgramClient(api_key=key, environment=environment)
    with client.listen.v1.connect(**options) as connection:
        connection.on(EventType.MESSAGE, on_message)
        connection.on(EventType.ERROR, report.error)
        connection.on(EventType.CLOSE, lambda _: report.message("closed"))
        listener = threading.Thread(target=connection.start_listening, daemon=True)
        listener.start()
        for chunk, wait in chunks():
            connection.send_media(chunk)
            time.sleep(wait)
        if not stall:
            connection.send_close_stream()
        listener.join(PATIENCE)


async def run_async() -> None:
    client = AsyncDeepgramClient(api_key=key, environment=environment)
    async with client.listen.v1.connect(**options) as connection:
        connection.on(EventType.MESSAGE, on_message)
        connection.on(EventType.ERROR, report.error)
        connection.on(EventType.CLOSE, lambda _: report.message("closed"))
        listener = asyncio.create_task(connection.start_listening())
        for chunk, wait in chunks():
            await connection.send_media(chunk)
            await asyncio.sleep(wait)
        if not stall:
            await connection.send_close_stream()
        await asyncio.wait({listener}, timeout=PATIENCE)


try:
    if mode == "sync":
        run_sync()
    else:
        asyncio.run(run_async())
except Exception as error:
    report.error(error)
report.print()
