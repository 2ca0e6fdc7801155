"""Live captions: streams audio to Deepgram and prints the transcript.

Usage: python captions.py < AUDIO (16-bit samples, 16,000 per second)
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

API = "wss://api.deepgram.com"
PATH = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&interim_results=true"
CHUNK = 3200  # bytes, 0.1 seconds


async def captions(
    audio: "asyncio.Queue[bytes]", url: str = API, attempts: int = 3
) -> AsyncIterator[str]:
    """Yield the final captions of the audio in a queue; b"" ends the audio.

    If Deepgram ends a stream with 1011 (internal error), a new stream continues with the
    remaining audio.
    """
    key = {"Authorization": f"Token {os.environ.get('DEEPGRAM_API_KEY', '')}"}
    for attempt in range(1, attempts + 1):
        async with connect(url + PATH, additional_headers=key) as session:
            sending = asyncio.create_task(send(audio, session))
            try:
                async for message in session:
                    event = json.loads(message)
                    if event["type"] == "Results" and event["is_final"]:
                        text = event["channel"]["alternatives"][0]["transcript"]
                        if text:
                            yield text
                return
            except ConnectionClosedError as error:
                if attempt == attempts or error.rcvd is None or error.rcvd.code != 1011:
                    raise
            finally:
                sending.cancel()


async def send(audio: "asyncio.Queue[bytes]", session: ClientConnection) -> None:
    """Send the audio in a queue, then end the stream."""
    with suppress(ConnectionClosed):  # the receiver gets the error, too
        while chunk := await audio.get():
            await session.send(chunk)
        audio.put_nowait(b"")  # if another stream follows
        await session.send('{"type": "CloseStream"}')


async def main() -> None:
    """Print the captions of the audio on standard input."""
    audio: asyncio.Queue[bytes] = asyncio.Queue()
    while chunk := sys.stdin.buffer.read(CHUNK):
        audio.put_nowait(chunk)
    audio.put_nowait(b"")
    async for caption in captions(audio):
        print(caption, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
