"""deepgram-sdk, live speech synthesis. Usage: see common.py (the audio file is not read)."""

import asyncio
import threading
from importlib.metadata import version

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.speak.v1.types import SpeakV1Text

from common import PATIENCE, Report, base_url, key, mode, stall

http_url = base_url.replace("ws", "http", 1)
environment = DeepgramClientEnvironment(
    base=http_url, production=base_url, agent=base_url, agent_rest=http_url
)
options = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": "24000"}
text = SpeakV1Text(text="Hello from a made voice.")
report = Report(f"deepgram-sdk {version('deepgram-sdk')} speak {mode}")


def on_message(message) -> None:
    if isinstance(message, bytes):
        report.audio(message)
    else:
        report.message(type(message).__name__)


def run_sync() -> None:
    client = DeepgramClient(api_key=key, environment=environment)
    with client.speak.v1.connect(**options) as connection:
        connection.on(EventType.MESSAGE, on_message)
        connection.on(EventType.ERROR, report.error)
        connection.on(EventType.CLOSE, lambda _: report.message("closed"))
        listener = threading.Thread(target=connection.start_listening, daemon=True)
        listener.start()
        connection.send_text(text)
        if not stall:
            connection.send_flush()
            connection.send_close()
        listener.join(PATIENCE)


async def run_async() -> None:
    client = AsyncDeepgramClient(api_key=key, environment=environment)
    async with client.speak.v1.connect(**options) as connection:
        connection.on(EventType.MESSAGE, on_message)
        connection.on(EventType.ERROR, report.error)
        connection.on(EventType.CLOSE, lambda _: report.message("closed"))
        listener = asyncio.create_task(connection.start_listening())
        await connection.send_text(text)
        if not stall:
            await connection.send_flush()
            await connection.send_close()
        await asyncio.wait({listener}, timeout=PATIENCE)


try:
    if mode == "sync":
        run_sync()
    else:
        asyncio.run(run_async())
except Exception as error:
    report.error(error)
report.print()
